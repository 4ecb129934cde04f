"""Runs of a plate -> a folder of some of its events, for people to judge, blind to dose and verdict.

`reviewed` reads what was judged and estimates from it the errors of the verdicts on this plate.
"""

from __future__ import annotations

from shutil import copyfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.corrections.events import listed, named
from lineage.corrections.sample import CROPS, RECORD, Item, Sample, crop, dumps, raters
from lineage.io.files import atomic_write
from lineage.io.integrity import RUN_AGAIN, check, read_record, reading
from lineage.io.run_folder import RunFolder
from lineage.mitosis.crops import name
from lineage.report.strips import read_crop
from lineage.schema import EventType, InputError, MitosisClass
from pipelines.dose import corrections, movies
from pipelines.dose.collect import is_by_person
from pipelines.dose.reviewed import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRATUM = ["cell_line", "dose_gy", "verdict"]
NORMAL_TIMES = 3  # as many of those called normal


def candidates(folder: Path, plate: Path | None) -> pd.DataFrame:
    """One row an event that was classified and has a crop.

    What a person decided already is left out: it tells nothing of the errors of the other verdicts.

    Returns:
        `movie, event_id`, STRATUM, `event` (as corrections name it), `crop` (its file), `side_um`.

    Raises:
        InputError: the plate map, the folder or a run cannot be used, or there is no such event.
    """
    found, _ = movies.find(folder, movies.read_map(folder, plate))
    corrections.check_held(found)
    parts = []
    for root, row in found:
        movie = movies.read(root, row)
        events = movie.events
        check(root, read_record(root), RunFolder(root).crops)
        classified = events[
            (events["event_type"] == EventType.MITOSIS.value)
            & events["verdict"].isin(VERDICTS)
            & (events["mitosis_class"] != MitosisClass.UNCLASSIFIED.value)
            & ~is_by_person(events)
        ]
        terms = named(listed(classified), movie.detections)
        crops: list[Any] = [RunFolder(root).crops / name(i) for i in classified["event_id"].tolist()]
        columns = {k: row[k] for k in ("movie", "cell_line", "dose_gy")}
        classified = classified.assign(crop=crops, event=classified["event_id"].map(terms), **columns)
        parts.append(classified[[c.is_file() for c in crops]])
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise InputError(f"the runs of {folder} hold no classified event with a crop; run the movies first")
    return table[["movie", "event_id", *STRATUM, "event", "crop", "side_um"]]


def draw(events: pd.DataFrame, *, each: int, seed: int) -> pd.DataFrame:
    """A random sample of every cell line, dose and verdict, shuffled.

    Of those called normal NORMAL_TIMES as many are drawn: few are wrong, but each of these stands for many.

    Args:
        events: of `candidates`.
        each: how many of each line, dose and verdict, or all if there are fewer.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for (*_, verdict), rows in events.groupby(STRATUM):
        n = each * (NORMAL_TIMES if verdict == MitosisClass.NORMAL else 1)
        chosen.append(rows.iloc[rng.permutation(len(rows))[:n]])
    table = pd.concat(chosen)
    return table.iloc[rng.permutation(len(table))].reset_index(drop=True)


def check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that may not be written to.

    Args:
        out: where a sample is to go.
        overwrite: replace an earlier one, unless somebody judged it.

    Raises:
        InputError: something else lies there, or a sample that may not be replaced.
    """
    if not out.exists():
        return
    if not (out / RECORD).is_file():
        raise InputError(f"{out} is there already, and is no sample; give another --out")
    if who := raters(out):
        raise InputError(f"{out} was judged by {', '.join(who)}; give another --out")
    if not overwrite:
        raise InputError(f"{out} is there already; give another --out, or say --overwrite")


def write(drawn: pd.DataFrame, out: Path, progress: Callable[[int, int], None]) -> None:
    """Write the folder that is judged in `python -m lineage.review`; atomically.

    Args:
        drawn: of `draw`.
        out: replaced if it is there.
        progress: called with crops copied and in all.

    Raises:
        InputError: a crop cannot be read.
    """
    rows = drawn.to_dict("records")
    with atomic_write(out) as folder:
        (folder / CROPS).mkdir(parents=True)
        for index, row in enumerate(rows):
            with reading(row["crop"], f"delete the folder it lies in, {RUN_AGAIN}, and it is made anew"):
                read_crop(row["crop"])
            copyfile(row["crop"], crop(folder, index))
            progress(index + 1, len(rows))
        items = [
            Item.model_validate({name: row[name] for name in Item.model_fields})
            for row in drawn.fillna({"side_um": 0.0}).to_dict("records")
        ]
        (folder / RECORD).write_text(dumps(Sample(items=tuple(items))), encoding="utf-8")
