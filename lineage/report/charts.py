"""Series over time -> line charts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.report.plots import draw
from lineage.report.svg import hour_step

if TYPE_CHECKING:
    from collections.abc import Sequence

UNUSABLE = "#f3dcae"  # bands of unusable frames, as in the legend
PX_PER_INCH = 72.0  # of an SVG that matplotlib writes
FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart; NaN breaks it. `end` is written at its end."""

    name: str
    hours: np.ndarray  # (N,)
    values: np.ndarray  # (N,)
    colour: str
    dash: str | None = None
    end: str = ""


def line_chart(
    series: Sequence[Series],
    *,
    hours: float,
    unusable: Sequence[tuple[float, float]] = (),
    label: str,
    width: float = 560.0,
    height: float = 230.0,
    from_zero: bool = True,
) -> str:
    """Draw lines over time, in hours, with pale bands where frames could not be used.

    Values that are whole numbers, such as counts, have whole ticks.

    Args:
        series: none may be without points.
        hours: length of the movie.
        unusable: (from, to) in hours.
        label: what the chart shows, for screen readers.
        width: of the drawing, SVG units.
        height: likewise.
        from_zero: start the vertical axis at 0.

    Returns:
        One SVG.
    """
    length = max(hours, FLAT)

    def paint(grid: np.ndarray) -> None:
        axes = grid[0, 0]
        for a, b in unusable:
            axes.axvspan(a, max(b, a + 0.003 * length), color=UNUSABLE, linewidth=0, gid="unusable")
        for s in series:
            dash = (0, tuple(map(float, s.dash.split()))) if s.dash else "-"
            axes.plot(s.hours, s.values, color=s.colour, linestyle=dash)
            if s.end:
                at = (float(s.hours[-1]), float(s.values[-1]))
                axes.annotate(
                    s.end,
                    at,
                    (6, 0),
                    textcoords="offset points",
                    va="center",
                    color=s.colour,
                    fontweight="bold",
                    annotation_clip=False,
                    gid="end",
                )
        axes.set(xlim=(0, length), xlabel="hours", xticks=np.arange(0, length, hour_step(length, 8)))
        axes.set_ylim(*_range(series, from_zero=from_zero))
        whole = all((s.values[np.isfinite(s.values)] % 1 == 0).all() for s in series)
        axes.locator_params(axis="y", nbins=4, integer=whole)

    svg = draw(paint, size=(width / PX_PER_INCH, height / PX_PER_INCH))
    # Several drawings lie in one page, where an id may stand once.
    svg = re.sub(r' id="[a-z]+[a-z0-9.]*_\d+"', "", svg)
    svg = re.sub(r'id="(unusable|end)"', r'class="\1"', svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _range(series: Sequence[Series], *, from_zero: bool) -> tuple[float, float]:
    """Of the vertical axis: a little beyond the values, at least 1 high where they do not differ."""
    finite = np.concatenate([[0.0] if from_zero else []] + [s.values[np.isfinite(s.values)] for s in series])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high - low < FLAT:
        high = low + 1.0
    margin = 0.06 * (high - low)
    return (low if from_zero and low >= 0 else low - margin), high + margin


def steps(times_h: np.ndarray, hours: float) -> tuple[np.ndarray, np.ndarray]:
    """A cumulative count as the corners of its staircase, from 0 to the end of the movie.

    >>> [a.tolist() for a in steps(np.array([2.0, 1.0]), 4.0)]
    [[0.0, 1.0, 1.0, 2.0, 2.0, 4.0], [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]]
    """
    rises = np.sort(times_h)
    count = np.arange(len(rises) + 1, dtype=float)
    return np.concatenate([[0.0], np.repeat(rises, 2), [hours]]), np.repeat(count, 2)


def bands(usable: np.ndarray, hours_per_frame: float) -> list[tuple[float, float]]:
    """Stretches of unusable frames, (from, to) in hours.

    >>> bands(np.array([False, True, False, False]), 0.5)
    [(0.0, 0.5), (1.0, 2.0)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~usable, [0]]).astype(int)))
    return [(float(a * hours_per_frame), float(b * hours_per_frame)) for a, b in edges.reshape(-1, 2)]
