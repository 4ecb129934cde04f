"""One movie -> its annotated lineage."""

__version__ = "0.1.0"
