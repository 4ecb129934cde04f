"""Scores -> what evaluation.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.evaluate import events
from lineage.evaluate.calibration import calibrate
from lineage.evaluate.counts import Count

if TYPE_CHECKING:
    from lineage.evaluate.score import Scores

FORMAT = "lineage-evaluation"
FORMAT_VERSION = 1


def told(scores: Scores) -> dict[str, Any]:
    """Every count and measure; None is what the truth does not tell."""
    table = scores.outcomes
    return plain(
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
            "events": None if table is None else _events(table),
            "notes": scores.notes,
        }
    )


def told_mistakes(scores: Scores) -> list[dict[str, Any]]:
    """Every mistake, worst first."""
    rows = scores.mistakes().to_dict("records")
    return [plain(row | {"movie": scores.movies[int(row["movie"])]}) for row in rows]


def _events(table: Any) -> dict[str, Any]:
    calibration = calibrate(table)
    true, called = events.fraction_abnormal(table)
    return {
        "abnormal": events.abnormal(table),
        "abnormal_that_can_be_seen": events.abnormal(events.can_be_seen(table)),
        "abnormal_of_proposed": events.abnormal(table[events.is_matched(table)]),
        "right_class": events.same_class(table),
        "by_subtype": events.by_subtype(table),
        "at_edge": int((table["at_edge"] & events.is_true(table)).sum()),
        "abnormal_fraction": {"truth": true, "run": called},
        "calibration": None if calibration is None else asdict(calibration),
    }


def plain(value: Any) -> Any:
    """As JSON holds it: counts as their numbers and rates, keys as text, NaN as null."""
    if isinstance(value, Count):
        return value.told()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
