"""Plate map, runs and their rows -> what an analysis counts, and leaves out, and why: they add up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lineage.mitosis.discarded import FOUND, KEPT
from lineage.schema import Decision, Fate, LeftOut
from pipelines.columns import RUN_FOLDER
from pipelines.dose.movies import NO_FOLDER, NOT_FINISHED, SUFFIX, UNREADABLE, why_unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import pandas as pd

    from pipelines.dose.collect import Tables

NOT_NAMED = "not_in_map"  # a run in the folder that no row of the map is of
WELL = ["experiment_date", "plate", "well"]
WORDS: dict[str, str] = {
    "movies": "movies of the plate map",
    "runs": "run folders",
    "wells": "wells of the plate map",
    "frames": "frames of the movies",
    "mitoses": "proposed mitoses",
    "cells": "cells whose end was seen",
    NO_FOLDER: "not run",
    NOT_FINISHED: "run not finished",
    UNREADABLE: "run cannot be read",
    NOT_NAMED: "not in the plate map",
    "no_movie_left": "without a movie that was analysed",
    "unusable": "unusable",
    "rejected": "judged no mitosis",
    "undecided": "undecided",
    "not_classified": "not classified",
    **{why.value: why.replace("_", " ") for why in LeftOut},
    Fate.LEFT_FIELD.value: "left the image",
    Fate.LOST.value: "lost from sight",
    Fate.END_OF_MOVIE.value: "still there in the last frame",
}


def account(
    plate: pd.DataFrame,
    found: Sequence[tuple[Path, Mapping[str, Any]]],
    folder: Path,
    rows: Tables,
) -> dict[str, dict[str, int]]:
    """Count what was found, what is counted, and what is left out for each reason.

    Args:
        plate: the plate map, a row a movie.
        found: the finished runs with their rows of the map.
        folder: of the runs.
        rows: of all movies.

    Returns:
        Kind -> counts; in each, `found` = `kept` + all others.
    """
    of_map = [why[0] for root in plate[RUN_FOLDER] if (why := why_unusable(Path(root)))]
    of_folder = [why for why in of_map if why != NO_FOLDER]
    named = {Path(root).name for root in plate[RUN_FOLDER]}
    of_folder += [NOT_NAMED for root in folder.glob(f"*{SUFFIX}") if root.name not in named]
    analysed = {tuple(row[c] for c in WELL) for _, row in found}
    wells = {tuple(row) for row in plate[WELL].itertuples(index=False, name=None)}
    mitoses, movies = rows.mitoses, rows.movies
    undecided = mitoses["counted_class"] == Decision.UNDECIDED.value
    reviewed_none = mitoses["counted_class"] == Decision.NOT_A_MITOSIS.value
    judged = mitoses["judged"].astype(bool)
    rejected = int(movies["n_rejected"].sum()) + int(reviewed_none.sum())
    n_frames, n_unusable = int(movies["n_frames"].sum()), int(movies["n_unusable_frames"].sum())
    in_no_table = {why.value: int(n) for why in LeftOut if (n := movies[f"n_{why}"].sum(min_count=1)) >= 0}
    unseen = [Fate.LEFT_FIELD.value, Fate.LOST.value, Fate.END_OF_MOVIE.value]
    return {
        "movies": {FOUND: len(plate), KEPT: len(found)} | _counted(of_map),
        "runs": {FOUND: len(found) + len(of_folder), KEPT: len(found)} | _counted(of_folder),
        "wells": {FOUND: len(wells), KEPT: len(analysed), "no_movie_left": len(wells - analysed)},
        "frames": {FOUND: n_frames, KEPT: n_frames - n_unusable, "unusable": n_unusable},
        "mitoses": {
            FOUND: len(mitoses) + int(movies["n_rejected"].sum()) + sum(in_no_table.values()),
            KEPT: int(judged.sum()),
            "rejected": rejected,
            "undecided": int((undecided & ~judged).sum()),
            "not_classified": int((~judged & ~undecided & ~reviewed_none).sum()),
            **in_no_table,
        },
        "cells": {
            FOUND: len(rows.cells),
            KEPT: int((~rows.cells["fate"].isin(unseen)).sum()),
            **{why: int((rows.cells["fate"] == why).sum()) for why in unseen},
        },
    }


def _counted(reasons: Sequence[str]) -> dict[str, int]:
    return {
        why: reasons.count(why) for why in (NO_FOLDER, NOT_FINISHED, UNREADABLE, NOT_NAMED) if why in reasons
    }
