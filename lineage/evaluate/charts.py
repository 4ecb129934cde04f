"""Counts -> drawings: what became of each kind of mitosis, and how p(abnormal) compares with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.evaluate.events import MISSED, NOTHING
from lineage.report.forest import COLOURS
from lineage.report.svg import BLUE, INK, RULE, hover, picture, tag, text
from lineage.schema import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineage.evaluate.calibration import Bin, Calibration

MISSED_FILL = "#fff"
ORDER = (Decision.ABNORMAL, Decision.NORMAL, Decision.UNDECIDED, MISSED)
LEFT, WIDTH, ROW = 150.0, 680.0, 30.0
SIDE, PAD, HEAD = 320.0, 54.0, 24.0


def subtype_bars(counts: Mapping[str, Mapping[str, int]]) -> str:
    """One bar a subtype, cut into what the run called its mitoses; proposals of nothing are not drawn.

    Args:
        counts: subtype -> `truth` and how many were called what.
    """
    pieces = []
    names = [name for name in counts if name != NOTHING]
    for k, name in enumerate(names):
        pieces.append(text(name.replace("_", " "), LEFT - 10, ROW * k + 19, text_anchor="end", class_="kind"))
        pieces += _bar(counts[name], LEFT, ROW * k + 5)
        n = counts[name]["truth"]
        found = n - counts[name].get(MISSED, 0)
        pieces.append(text(f"{found} of {n} proposed", WIDTH - 112, ROW * k + 19))
    return picture("".join(pieces), WIDTH, ROW * max(len(names), 1), "what became of each kind of mitosis")


def _bar(counts: Mapping[str, int], x: float, y: float) -> list[str]:
    room = WIDTH - LEFT - 125
    pieces = []
    for called in ORDER:
        n = counts.get(str(called), 0)
        if not n:
            continue
        width = room * n / counts["truth"]
        colour = MISSED_FILL if called == MISSED else COLOURS[Decision(called)]
        pieces.append(
            tag(
                "rect",
                hover(f"{n} {called}" if called == MISSED else f"{n} called {called}"),
                x=x,
                y=y,
                width=width,
                height=20.0,
                fill=colour,
                stroke=INK,
                stroke_width=0.8,
                stroke_dasharray="3 3" if called == MISSED else None,
            )
        )
        if width > 14:
            dark = called in (MISSED, Decision.UNDECIDED)
            pieces.append(
                text(
                    str(n), x + width / 2, y + 14, text_anchor="middle", class_="ink" if dark else "on-colour"
                )
            )
        x += width
    return pieces


def reliability(found: Calibration) -> str:
    """Said against true, a tenth a point; the number beside it says how many events it is."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    inside = SIDE - PAD - HEAD

    def at(p: float, fraction: float) -> tuple[float, float]:
        return PAD + inside * p, HEAD + inside * (1 - fraction)

    pieces = [
        tag("line", x1=at(0, v)[0], x2=at(1, v)[0], y1=at(0, v)[1], y2=at(0, v)[1], stroke=RULE)
        for v in ticks
    ]
    pieces += [text(f"{v:g}", PAD - 7, at(0, v)[1] + 4, text_anchor="end") for v in ticks]
    pieces += [text(f"{v:g}", at(v, 0)[0], SIDE - PAD + 17, text_anchor="middle") for v in ticks]
    (x1, y1), (x2, y2) = at(0, 0), at(1, 1)
    pieces.append(tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=INK, stroke_dasharray="4 4"))
    pieces += [_point(b, *at(b.mean_p, b.abnormal)) for b in found.bins]
    middle = at(0.5, 0)[0]
    pieces.append(text("p(abnormal), mean of the tenth", middle, SIDE - 12, text_anchor="middle"))
    turned = f"rotate(-90 12 {at(0, 0.5)[1]:.1f})"
    pieces.append(text("fraction truly abnormal", 12, at(0, 0.5)[1], text_anchor="middle", transform=turned))
    return picture("".join(pieces), SIDE, SIDE, "reliability of p(abnormal)")


def _point(one: Bin, x: float, y: float) -> str:
    said = f"p from {one.low:.1f} to {one.high:.1f}: {one.n} events, {one.abnormal:.2f} truly abnormal"
    radius = min(3.0 + one.n**0.5, 14.0)
    dot = tag("circle", hover(said), cx=x, cy=y, r=radius, fill=BLUE, fill_opacity=0.75)
    return dot + text(str(one.n), x, y - radius - 4, text_anchor="middle", class_="ink")
