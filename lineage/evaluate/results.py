"""Scores -> what evaluation.json holds, and what is printed: a table, and one last line for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.evaluate import events
from lineage.evaluate.match import Count

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from lineage.evaluate.score import Scores

FORMAT = "lineage-evaluation"
FORMAT_VERSION = 1
WIDTHS = (44, 9, 9, 9, 11, 9, 9)
HEADER = ("", "true", "in run", "right", "precision", "recall", "F1")


# --- JSON


def scores_record(scores: Scores) -> dict[str, Any]:
    """Every count and measure; None is what the truth does not have."""
    table = scores.outcomes
    return as_json(
        {
            "movies": scores.movies,
            "dose_gy": scores.doses_gy,
            "n_frames": scores.n_frames,
            "ctc": scores.tally.measures(),
            "nuclei": scores.nuclei,
            "links": scores.links,
            "links_of_found": scores.links_of_found,
            "divisions_within_frames": scores.divisions,
            "divisions_nary": scores.nary,
            "divisions_nary_found_as": scores.nary_found_as,
            "fusions_within_frames": scores.fusions,
            "slippages": scores.slippages,
            "proposals": scores.proposals,
            "events": None if table is None else _events_record(table),
            "notes": scores.notes,
        }
    )


def mistake_records(scores: Scores) -> list[dict[str, Any]]:
    """Every mistake, worst first."""
    rows = scores.mistakes().to_dict("records")
    return [as_json(row | {"movie": scores.movies[int(row["movie"])]}) for row in rows]


def _events_record(table: pd.DataFrame) -> dict[str, Any]:
    calibration = events.calibrate(table)
    true, called = events.fraction_abnormal(table)
    return {
        "abnormal": events.abnormal(table),
        "abnormal_that_can_be_seen": events.abnormal(events.visible(table)),
        "abnormal_of_proposed": events.abnormal(table[events.is_matched(table)]),
        "right_class": events.same_class(table),
        "by_subtype": events.by_subtype(table),
        "at_edge": int((table["at_edge"] & events.is_true(table)).sum()),
        "abnormal_fraction": {"truth": true, "run": called},
        "calibration": None if calibration is None else asdict(calibration),
    }


def as_json(value: Any) -> Any:
    """As JSON holds it: counts as their numbers and rates, keys as text, NaN as null."""
    if isinstance(value, Count):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


# --- Text


def number(value: float | None) -> str:
    """Three decimals.

    >>> number(0.9996), number(None)
    ('1.000', 'n/a')
    """
    return "n/a" if value is None else f"{value:.3f}"


def row(name: str, count: Count | None) -> tuple[str, ...]:
    """One line of the table.

    >>> row("links", Count(1, 2, 4))
    ('links', '4', '2', '1', '0.500', '0.250', '0.333')
    """
    if count is None:
        return (name, *["n/a"] * (len(HEADER) - 1))
    rates = map(number, (count.precision, count.recall, count.f1))
    return (name, str(count.truth), str(count.run), str(count.right), *rates)


def rows(scores: Scores) -> list[tuple[str, ...]]:
    """The table of counts: HEADER's columns."""
    table = scores.outcomes
    unknown: dict[int, Count | None] = {1: None}
    found = [
        row("nuclei", scores.nuclei),
        row("links", scores.links),
        row("links between nuclei found on both sides", scores.links_of_found),
        *(row(f"divisions, within {_frames(k)}", count) for k, count in scores.divisions.items()),
        row("divisions into three or more", scores.nary),
        *(row(f"fusions, within {_frames(k)}", count) for k, count in (scores.fusions or unknown).items()),
        row("slippages", scores.slippages),
        row("mitoses proposed", scores.proposals),
        row("abnormal mitoses, end to end", None if table is None else events.abnormal(table)),
    ]
    if table is not None:
        matched, visible = table[events.is_matched(table)], events.visible(table)
        found.append(row("abnormal mitoses, of those proposed", events.abnormal(matched)))
        if len(visible) < len(table):
            found.append(row("... end to end, without micronuclei, lagging", events.abnormal(visible)))
    return found


def lines(scores: Scores) -> Iterator[str]:
    """What is printed, without the last line."""
    yield aligned(HEADER)
    yield from map(aligned, rows(scores))
    if scores.nary_found_as:
        ways = ", ".join(f"{n} into {k}" for k, n in scores.nary_found_as.items())
        yield f"true divisions into three or more, found: {ways.replace('as 0', 'not at all')}"
    measures = scores.tally.measures()
    yield "Cell Tracking Challenge: " + ", ".join(f"{k} {number(v)}" for k, v in measures.items())
    if scores.outcomes is not None:
        accuracy = events.same_class(scores.outcomes)
        yield f"right class: {accuracy.right} of {accuracy.truth} proposed, {number(accuracy.recall)}"
        for name, counts in events.by_subtype(scores.outcomes).items():
            head = f"{name.replace('_', ' ')}: {counts['truth']}; " if name else "proposals of nothing: "
            yield head + ", ".join(f"{n} {word}" for word, n in counts.items() if n and word != "truth")
    yield from (f"note: {sentence}" for sentence in scores.notes)


def last_line(scores: Scores) -> str:
    """For scripts; its form does not change."""
    table = scores.outcomes
    f1 = None if table is None else events.abnormal(table).f1
    return (
        f"links F1 {number(scores.links.f1)} divisions F1 {number(scores.divisions[1].f1)} (within 1 frame) "
        f"proposals {number(scores.proposals.recall)} events F1 {number(f1)}"
    )


def mosaic_lines(counted: Mapping[str, Any]) -> Iterator[str]:
    """What is printed of a mosaic, without the last line."""
    yield f"{counted['tiles']} tiles, {counted['events']} events that are not rejected"
    for key, name in (("proposals", "proposed"), ("of_normal", "of normal"), ("of_abnormal", "of abnormal")):
        count = counted[key]
        yield f"{name:<22} {count.right} of {count.truth}, {number(count.recall)}"
    right, of_proposed = counted["right_class"], counted["abnormal_of_proposed"]
    yield f"{'right class':<22} {right.right} of {right.truth} proposed, {number(right.recall)}"
    yield f"{'undecided':<22} {counted['undecided']} of {right.truth} proposed; none is called abnormal"
    yield f"{'F1 among the proposed':<22} {number(of_proposed.f1)}"


def mosaic_last_line(counted: Mapping[str, Any]) -> str:
    """For scripts; its form does not change."""
    return (
        f"proposals {number(counted['proposals'].recall)} events F1 {number(counted['abnormal'].f1)} "
        f"further events a tile {number(counted['further_a_tile'])}"
    )


def aligned(cells: tuple[str, ...]) -> str:
    """A name on the left, numbers on the right."""
    name, *numbers = (
        c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(cells, WIDTHS, strict=True))
    )
    return (name + "".join(numbers)).rstrip()


def _frames(n: int) -> str:
    return f"{n} frame" if n == 1 else f"{n} frames"
