"""A drawing with the numbers it shows -> a figure; marks, colours and words that figures share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

CONTROL = "#7D8794"
MAX_VECTOR_DOTS = 3000  # more dots of one kind are drawn as pixels: as vectors the page would be too large


@dataclass(frozen=True, eq=False)
class Figure:
    """A drawing and the numbers in it; `name` is that of its files."""

    name: str
    title: str
    caption: str
    svg: str
    data: pd.DataFrame
    half: bool = False  # drawn for half of the page's width


def alone(svg: str) -> str:
    """The svg element as a complete file."""
    if "xmlns=" not in svg.split(">", 1)[0]:
        svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg + "\n"


def colours(doses: Sequence[float]) -> dict[float, str]:
    """Dose -> colour: grey without dose, then yellow to black, an order that colour-blind people see too.

    >>> list(colours([0, 4])), colours([0])
    ([0.0, 4.0], {0.0: '#7D8794'})
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    known = sorted({float(d) for d in doses})
    above = [d for d in known if d > 0]
    at = np.linspace(0.72, 0.2, len(above)) if len(above) > 1 else [0.45] * len(above)
    map_ = colormaps["inferno"]
    return {0.0: CONTROL} | {d: to_hex(map_(float(x))) for d, x in zip(above, at, strict=True)}


def by_dose(table: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
    """Each dose with its rows, the lowest first."""
    for dose in sorted({float(d) for d in table["dose_gy"]}):
        yield dose, table[table["dose_gy"] == dose]


def dose_words(dose: float) -> str:
    """A dose in words.

    >>> dose_words(2.0), dose_words(0.5)
    ('2 Gy', '0.5 Gy')
    """
    return f"{dose:g} Gy"


def plain_logarithm(axis: Axis) -> None:
    """Name 1, 2, 5, 10, ... on a logarithmic axis, as plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def mean_with_interval(
    ax: Axes, x: float, value: float, low: float, high: float, *, colour: str, width: float, gid: str = ""
) -> None:
    """Draw a bar at the mean and a line over the interval; nothing where there is no number.

    Args:
        ax: to draw on.
        x: of both.
        value: the mean.
        low: edge of the interval.
        high: likewise.
        colour: of both.
        width: half the length of the bar.
        gid: id of the line in the SVG.
    """
    if not np.isfinite(value):
        return
    ax.plot([x - width, x + width], [value, value], color=colour, lw=2.2, solid_capstyle="butt", zorder=5)
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([x, x], [low, high], color=colour, lw=1.4, zorder=5, gid=gid or None)


def marks(
    ax: Axes,
    x: np.ndarray,
    value: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    sign: str,
    colour: str,
    filled: bool,
    label: str,
    gid: str,
) -> None:
    """Draw marks with vertical lines over their intervals, where they have one.

    Args:
        ax: to draw on.
        x: (N,) positions.
        value: (N,)
        low: (N,) edges of the intervals, NaN where there is none.
        high: (N,) likewise.
        sign: matplotlib's marker.
        colour: of all.
        filled: else the marks are white inside.
        label: in the legend.
        gid: id of the marks in the SVG.
    """
    known = np.isfinite(low) & np.isfinite(high)
    ax.vlines(x[known], low[known], high[known], color=colour, lw=1.4, zorder=3)
    face = colour if filled else "white"
    ax.plot(x, value, sign, color=colour, mfc=face, ms=6.5, zorder=4, label=label, gid=gid)


def spread(n: int, width: float, *, seed: int = 0) -> np.ndarray:
    """Random offsets for dots that would overlap, always the same.

    Args:
        n: how many dots.
        width: offsets lie in -width..width.
        seed: of the offsets.

    Returns:
        (n,)
    """
    return np.random.default_rng([seed, n]).uniform(-width, width, n)


def side_by_side(n: int, width: float) -> np.ndarray:
    """Even offsets for a few dots.

    >>> side_by_side(3, 0.2).tolist(), side_by_side(1, 0.2).tolist()
    ([-0.2, 0.0, 0.2], [0.0])
    """
    return np.linspace(-width, width, n) if n > 1 else np.zeros(n)
