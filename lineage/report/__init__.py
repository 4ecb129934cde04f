"""One movie's results -> one self-contained HTML page."""

from lineage.report.page import write_report

__all__ = ["write_report"]
