"""A function that draws on axes -> SVG in one style."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from lineage.report.svg import INK, RULE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dose",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "legend.frameon": False,
    "savefig.transparent": True,
    "lines.linewidth": 1.6,
}
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"


def draw(
    painter: Callable[[np.ndarray], None],
    *,
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (7.0, 3.2),
    **shared: Any,
) -> str:
    """SVG of a grid of axes.

    Args:
        painter: is given the axes, (rows, columns).
        rows: of axes.
        columns: of axes.
        size: width and height, inches.
        shared: `sharex`, `sharey`, `width_ratios`.
    """
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    style: Any = dict(STYLE)
    with matplotlib.rc_context(style):
        canvas = Canvas(figsize=size, layout="constrained")
        painter(canvas.subplots(rows, columns, squeeze=False, **shared))
        file = StringIO()
        canvas.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return bare(file.getvalue())


def bare(svg: str) -> str:
    """The svg element for a page, without prologue and metadata."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg.replace("'DejaVu Sans'", FONT).strip()
