"""Runs of a plate -> a page on which a person judges some of its events, and sees neither dose nor verdict.

What is judged there goes to `reviewed`, which finds from it how the classifier errs on this very plate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.io.files import atomic_write
from lineage.io.integrity import RUN_AGAIN, check, read_record, reading
from lineage.io.run_folder import RunFolder
from lineage.mitosis.crops import name
from lineage.report.strips import film_strip
from lineage.schema import EventType, InputError, MitosisClass
from pipelines.dose import movies
from pipelines.dose.reviewed import CLASSES, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jinja2 import Template

STRATUM = ["cell_line", "dose_gy", "verdict"]
NORMAL_TIMES = 3
TILE_PX = 84


def candidates(folder: Path, plate: Path | None) -> pd.DataFrame:
    """One row an event that was classified and has a crop: `movie, event_id`, STRATUM, `crop, side_um`.

    Raises:
        InputError: the plate map, the folder or a run cannot be used, or there is no such event.
    """
    found, _ = movies.find(folder, movies.read_map(folder, plate))
    parts = []
    for root, row in found:
        events = movies.read(root, row).events
        check(root, read_record(root), RunFolder(root).crops)
        mine = events[
            (events["event_type"] == EventType.MITOSIS.value)
            & events["verdict"].isin(VERDICTS)
            & (events["mitosis_class"] != MitosisClass.UNCLASSIFIED.value)
        ]
        crops: list[Any] = [RunFolder(root).crops / name(i) for i in mine["event_id"].tolist()]
        mine = mine.assign(crop=crops, **{k: row[k] for k in ("movie", "cell_line", "dose_gy")})
        parts.append(mine[[c.is_file() for c in crops]])
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise InputError(f"the runs of {folder} hold no classified event with a crop; run the movies first")
    return table[["movie", "event_id", *STRATUM, "crop", "side_um"]]


def draw(events: pd.DataFrame, *, each: int, seed: int) -> pd.DataFrame:
    """Up to `each` of every line, dose and verdict, by lot, in no order.

    Of those called normal NORMAL_TIMES as many: few are wrong, but each that is stands for many.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for (*_, said), rows in events.groupby(STRATUM):
        n = each * (NORMAL_TIMES if said == MitosisClass.NORMAL else 1)
        chosen.append(rows.iloc[rng.permutation(len(rows))[:n]])
    table = pd.concat(chosen)
    return table.iloc[rng.permutation(len(table))].reset_index(drop=True)


def write_page(sample: pd.DataFrame, path: Path, progress: Callable[[int, int], None]) -> None:
    """The page, which needs nothing beside it; it gives back a table for `--reviewed`."""
    strips = []
    for n, row in enumerate(sample.to_dict("records"), 1):
        with reading(row["crop"], f"delete the folder it lies in, {RUN_AGAIN}, and it is made anew"):
            strips.append(film_strip(row["crop"], side_um=float(row["side_um"]), tile_px=TILE_PX))
        progress(n, len(sample))
    events = [[str(m), int(e)] for m, e in zip(sample["movie"], sample["event_id"], strict=True)]
    html = template().render(strips=strips, events=events, classes=CLASSES)
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")


def template() -> Template:
    """Of the page."""
    from pipelines.report.page import template as of_report

    return of_report("review.html.j2")
