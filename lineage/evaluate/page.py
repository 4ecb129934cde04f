"""Scores + mistakes -> evaluation.html, with two charts: what became of each subtype, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.edge import CROSSING
from lineage.evaluate import events, results, tracking
from lineage.evaluate.events import MISSED, NOTHING
from lineage.evaluate.mistakes import KINDS, film_strips
from lineage.io.files import atomic_write
from lineage.report.forest import COLOURS, MINUTES_PER_HOUR, mark
from lineage.report.page import template
from lineage.report.strips import tile_pixels
from lineage.report.svg import BLUE, INK, RULE, hover, picture, tag, text
from lineage.schema import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from lineage.evaluate.events import Bin, Calibration
    from lineage.evaluate.inputs import Run
    from lineage.evaluate.score import Scores

MEASURES = {
    "DET": "detection: missed, false and merged nuclei, weighted",
    "SEG": "segmentation: mean overlap (intersection over union) with the true nuclei; a missed one counts 0",
    "TRA": "tracking: detection and links together, weighted",
    "LNK": "linking: missing, false and mistaken links, weighted",
    "CT": "complete tracks: followed from their first to their last frame",
    "TF": "track fractions: the longest piece of each track followed without a break, of those found at all",
    "BC(0)": "branching: divisions found in the very frame, with the same number of daughters",
    "BC(1)": "branching, within 1 frame",
    "BC(2)": "branching, within 2 frames",
    "BC(3)": "branching, within 3 frames",
    "CCA": "cell cycle: how alike the lengths of whole cycles are; n/a where no true cycle is whole",
}
SHOWN = 20  # mistakes of each kind
SUMMARY = (
    "frames",
    "mitoses",
    "abnormal, true",
    "abnormal, run",
    "links F1",
    "divisions F1",
    "proposals recall",
    "events F1",
)
MISSED_FILL = "#fff"
CALLED = (Decision.ABNORMAL, Decision.NORMAL, Decision.UNDECIDED, MISSED)  # from left to right in a bar
LEFT, WIDTH, ROW = 150.0, 680.0, 30.0  # of the bars, pixels
SIDE, PAD, HEAD = 320.0, 54.0, 24.0  # of the reliability chart, pixels
CONSTANTS = {  # as the page's definitions name them
    "window": tracking.WINDOW_FRAMES,
    "um": events.WITHIN_UM,
    "frames": events.WITHIN_FRAMES,
    "unseparated_min": events.WITHIN_MIN_UNSEPARATED,
    "slippage_min": tracking.SLIPPAGE_WITHIN_MIN,
    "edge_frames": events.EDGE_FRAMES,
    "edge": CROSSING,
}
REFERENCES = (
    (
        "Maška M. et al. The Cell Tracking Challenge: 10 years of objective benchmarking. Nature Methods 20 "
        "(2023).",
        "10.1038/s41592-023-01879-y",
    ),
    (
        "Matula P. et al. Cell tracking accuracy measurement based on comparison of acyclic oriented graphs. "
        "PLoS ONE 10 (2015).",
        "10.1371/journal.pone.0144959",
    ),
)


def write_page(
    path: Path,
    total: Scores,
    *,
    doses: Mapping[float | None, Scores],
    movies: Sequence[Scores],
    runs: Sequence[Run],
    truth_name: str,
) -> None:
    """Write one page that needs no other files. The write is atomic.

    Args:
        path: replaced if it is there.
        total: all movies together.
        doses: the movies of each dose together.
        movies: each movie's scores.
        runs: each movie's run, in the same order.
        truth_name: of the folder with the truth.
    """
    page = template("evaluation.html.j2")
    wrong = total.mistakes()
    shown = wrong.groupby("kind", sort=False).head(SHOWN)
    strips, absent = film_strips(shown, runs, tile_px=tile_pixels(len(shown)))
    html = page.render(
        title=total.movies[0] if len(total.movies) == 1 else f"{len(total.movies)} movies",
        doses=[_dose(d) for d in doses],
        truth_name=truth_name,
        n_frames=total.n_frames,
        notes=[*total.notes, *absent],
        facts=list(facts(total)),
        header=results.HEADER,
        rows=results.rows(total),
        nary=total.nary_found_as,
        measures=[(k, results.number(v), MEASURES[k]) for k, v in total.tally.measures().items()],
        **_mitoses(total.outcomes),
        summary=SUMMARY,
        by_dose=[(_dose(d), *summary(s)) for d, s in doses.items()],
        by_movie=[(s.movies[0], *summary(s)) for s in movies],
        kinds=[(kind, int((wrong["kind"] == kind).sum())) for kind in KINDS],
        shown_of_a_kind=SHOWN,
        cards=list(cards(shown, runs, strips)),
        sign={
            d.value: picture(mark(d, 8, 8), 16, 16, d.value)
            for d in (Decision.NORMAL, Decision.ABNORMAL, Decision.UNDECIDED)
        },
        constants=CONSTANTS,
        references=REFERENCES,
    )
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")


def _mitoses(table: pd.DataFrame | None) -> dict[str, Any]:
    """What the page shows of the mitoses; `table` has OUTCOME_COLUMNS, None if the truth has no events."""
    if table is None:
        absent = dict.fromkeys(("subtypes", "calibration", "reliability"))
        return {"has_events": False, "n_nothing": 0, "n_events": 0, "n_at_edge": 0} | absent
    true, calibration = events.is_true(table), events.calibrate(table)
    return {
        "has_events": True,
        "n_nothing": int((~true).sum()),
        "n_events": int(true.sum()),
        "n_at_edge": int((table["at_edge"] & true).sum()),
        "subtypes": subtype_bars(events.by_subtype(table)),
        "calibration": calibration,
        "reliability": None if calibration is None else reliability_chart(calibration),
    }


def facts(scores: Scores) -> Iterator[tuple[str, str]]:
    """The numbers at the top: value and what it is."""
    table = scores.outcomes
    yield results.number(scores.links.f1), "F1 of links from frame to frame"
    yield results.number(scores.divisions[1].f1), "F1 of divisions, within 1 frame"
    yield results.number(scores.proposals.recall), "of the mitoses proposed"
    yield (
        results.number(None if table is None else events.abnormal(table).f1),
        "F1 of abnormal mitoses, from movie to verdict",
    )
    yield (
        results.number(None if table is None else events.same_class(table).recall),
        "of the proposed called what they are",
    )


def summary(scores: Scores) -> tuple[str, ...]:
    """One line of the tables by dose and by movie: SUMMARY."""
    table = scores.outcomes
    links, divisions = results.number(scores.links.f1), results.number(scores.divisions[1].f1)
    if table is None:
        n, recall = str(scores.proposals.truth), results.number(scores.proposals.recall)
        return (str(scores.n_frames), n, "n/a", "n/a", links, divisions, recall, "n/a")
    true, called = events.fraction_abnormal(table)
    return (
        str(scores.n_frames),
        str(scores.proposals.truth),
        _percent(true),
        _percent(called),
        links,
        divisions,
        results.number(scores.proposals.recall),
        results.number(events.abnormal(table).f1),
    )


def cards(shown: pd.DataFrame, runs: Sequence[Run], strips: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """What the page shows of each mistake, in their order.

    Args:
        shown: MISTAKE_COLUMNS.
        runs: each movie's run.
        strips: index of a mistake -> its film strip.

    Yields:
        The mistake's row and what the template needs besides.
    """
    for index, row in zip(shown.index, shown.to_dict("records"), strict=True):
        run = runs[int(row["movie"])]
        yield {
            **{str(k): v for k, v in row.items()},
            "slug": str(row["kind"]).replace(" ", "-"),
            "movie_name": run.name if len(runs) > 1 else None,
            "hours": row["frame"] * run.minutes_per_frame / MINUTES_PER_HOUR,
            "strip": strips.get(int(index)),
        }


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{100 * fraction:.0f} %"


def _dose(dose: float | None) -> str:
    return "dose unknown" if dose is None else f"{dose:g} Gy"


# --- Charts


def subtype_bars(counts: Mapping[str, Mapping[str, int]]) -> str:
    """One bar for each subtype, divided by what the run called its mitoses; false proposals are not drawn.

    Args:
        counts: of `events.by_subtype`.
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
    """One bar with its upper left corner at x, y."""
    room = WIDTH - LEFT - 125
    pieces = []
    for called in CALLED:
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


def reliability_chart(found: Calibration) -> str:
    """Predicted against true fraction: a point for each tenth of the scale, and its number of events."""
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
    """A dot whose size grows with the number of events."""
    meaning = f"p from {one.low:.1f} to {one.high:.1f}: {one.n} events, {one.abnormal:.2f} truly abnormal"
    radius = min(3.0 + one.n**0.5, 14.0)
    dot = tag("circle", hover(meaning), cx=x, cy=y, r=radius, fill=BLUE, fill_opacity=0.75)
    return dot + text(str(one.n), x, y - radius - 4, text_anchor="middle", class_="ink")
