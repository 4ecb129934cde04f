"""Scores + mistakes -> evaluation.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.evaluate import charts, events, junctions, slippage, text
from lineage.evaluate.calibration import calibrate
from lineage.evaluate.films import films
from lineage.evaluate.mistakes import KINDS
from lineage.io.files import atomic_write
from lineage.report.forest import MINUTES_PER_HOUR, mark
from lineage.report.page import template
from lineage.report.strips import tile_pixels
from lineage.report.svg import picture
from lineage.schema import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from lineage.evaluate.runs import Run
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
    """Write one page that needs nothing beside it, whole or not at all.

    Args:
        path: replaced if it is there.
        total: all movies together.
        doses: the movies of each dose together.
        movies: each movie's scores.
        runs: each movie's run, in the same order.
        truth_name: of the folder with the truth.
    """
    page = template("evaluation.html.j2")
    table = total.outcomes
    wrong = total.mistakes()
    shown = wrong.groupby("kind", sort=False).head(SHOWN)
    strips, absent = films(shown, runs, tile_px=tile_pixels(len(shown)))
    calibration = None if table is None else calibrate(table)
    html = page.render(
        title=total.movies[0] if len(total.movies) == 1 else f"{len(total.movies)} movies",
        doses=[_dose(d) for d in doses],
        truth_name=truth_name,
        n_frames=total.n_frames,
        notes=[*total.notes, *absent],
        facts=list(facts(total)),
        header=text.HEADER,
        rows=text.rows(total),
        nary=total.nary_found_as,
        measures=[(k, text.number(v), MEASURES[k]) for k, v in total.tally.measures().items()],
        has_events=table is not None,
        subtypes=None if table is None else charts.subtype_bars(events.by_subtype(table)),
        n_nothing=0 if table is None else int((~events.is_true(table)).sum()),
        n_events=0 if table is None else int(events.is_true(table).sum()),
        n_at_edge=0 if table is None else int((table["at_edge"] & events.is_true(table)).sum()),
        calibration=calibration,
        reliability=None if calibration is None else charts.reliability(calibration),
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
        constants={
            "window": junctions.WINDOW_FRAMES,
            "um": events.WITHIN_UM,
            "frames": events.WITHIN_FRAMES,
            "unseparated_min": events.WITHIN_MIN_UNSEPARATED,
            "slippage_min": slippage.WITHIN_MIN,
            "edge_frames": events.EDGE_FRAMES,
            "edge_um": events.EDGE_UM,
        },
        references=REFERENCES,
    )  # fmt: skip
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")


def facts(scores: Scores) -> Iterator[tuple[str, str]]:
    """The numbers at the top: value and what it is."""
    table = scores.outcomes
    yield text.number(scores.links.f1), "F1 of links from frame to frame"
    yield text.number(scores.divisions[1].f1), "F1 of divisions, within 1 frame"
    yield text.number(scores.proposals.recall), "of the mitoses proposed"
    yield (
        text.number(None if table is None else events.abnormal(table).f1),
        "F1 of abnormal mitoses, from movie to verdict",
    )
    yield (
        text.number(None if table is None else events.same_class(table).recall),
        "of the proposed called what they are",
    )


SUMMARY = (
    "frames", "mitoses", "abnormal, true", "abnormal, run", "links F1", "divisions F1", "proposals recall",
    "events F1",
)  # fmt: skip


def summary(scores: Scores) -> tuple[str, ...]:
    """One line of the tables by dose and by movie: SUMMARY."""
    table = scores.outcomes
    links, divisions = text.number(scores.links.f1), text.number(scores.divisions[1].f1)
    if table is None:
        n, recall = str(scores.proposals.truth), text.number(scores.proposals.recall)
        return (str(scores.n_frames), n, "n/a", "n/a", links, divisions, recall, "n/a")
    true, called = events.fraction_abnormal(table)
    return (
        str(scores.n_frames),
        str(scores.proposals.truth),
        _percent(true),
        _percent(called),
        links,
        divisions,
        text.number(scores.proposals.recall),
        text.number(events.abnormal(table).f1),
    )


def cards(shown: pd.DataFrame, runs: Sequence[Run], strips: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """One mistake after another, as they stand in the page."""
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
