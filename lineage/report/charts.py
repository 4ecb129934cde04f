"""Series over time -> line charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.report.svg import INK, RULE, hour_step, nice_step, picture, tag, text

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 34.0
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


@dataclass(frozen=True)
class Frame:
    """From data to the page: the plotted ranges, and the chart's size in SVG units."""

    hours: float
    low: float
    high: float
    width: float
    height: float
    right: float = RIGHT

    def x(self, hours: float) -> float:
        """Page coordinate of a time."""
        return LEFT + (self.width - LEFT - self.right) * hours / self.hours

    def y(self, value: float) -> float:
        """Page coordinate of a value."""
        inside = self.height - TOP - BOTTOM
        return self.height - BOTTOM - inside * (value - self.low) / (self.high - self.low)


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
    finite = np.concatenate([[0.0] if from_zero else []] + [s.values[np.isfinite(s.values)] for s in series])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    step = nice_step(high - low if high - low > FLAT else 1.0, 4)
    room = 64.0 if any(s.end for s in series) else RIGHT
    frame = Frame(
        max(hours, FLAT),
        float(np.floor(low / step + FLAT) * step),
        float(max(np.ceil(high / step - FLAT), np.floor(low / step + FLAT) + 1) * step),
        width,
        height,
        room,
    )
    bands = [
        tag(
            "rect",
            class_="unusable",
            x=frame.x(a),
            y=TOP,
            width=max(frame.x(b) - frame.x(a), 1.5),
            height=height - TOP - BOTTOM,
        )
        for a, b in unusable
    ]
    return picture(
        "".join(bands + _axes(frame, step) + [_line(s, frame) for s in series]), width, height, label
    )


def _axes(frame: Frame, step: float) -> list[str]:
    across = np.arange(frame.low, frame.high + step / 2, step)
    down = np.arange(0, frame.hours * (1 + FLAT), hour_step(frame.hours, 8))
    right, bottom = frame.width - frame.right, frame.height - BOTTOM
    return [
        *(tag("line", x1=LEFT, x2=right, y1=frame.y(v), y2=frame.y(v), stroke=RULE) for v in across),
        *(text(f"{v:g}", LEFT - 6, frame.y(v) + 4, text_anchor="end") for v in np.round(across, 9)),
        *(text(f"{h:g}", frame.x(h), bottom + 16, text_anchor="middle") for h in down),
        tag("line", x1=LEFT, x2=right, y1=bottom, y2=bottom, stroke=INK),
        text("hours", right, bottom + 30, text_anchor="end"),
    ]


def _line(series: Series, frame: Frame) -> str:
    strokes, pen_down = [], False
    for h, v in zip(series.hours.tolist(), series.values.tolist(), strict=True):
        if np.isfinite(v):
            strokes.append(f"{'L' if pen_down else 'M'}{frame.x(h):.1f} {frame.y(v):.1f}")
        pen_down = bool(np.isfinite(v))
    path = tag(
        "path", d="".join(strokes), class_="series", stroke=series.colour, stroke_dasharray=series.dash
    )
    if not series.end:
        return path
    x, y = frame.x(float(series.hours[-1])), frame.y(float(series.values[-1]))
    return path + text(series.end, x + 6, y + 4, style=f"fill:{series.colour}", class_="end")


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
