"""Runs of a plate -> a page on which a person judges some of its events, blind to dose and verdict.

`reviewed` reads what was judged and estimates from it the errors of the verdicts on this plate.
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
NORMAL_TIMES = 3  # as many of those called normal
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
        classified = events[
            (events["event_type"] == EventType.MITOSIS.value)
            & events["verdict"].isin(VERDICTS)
            & (events["mitosis_class"] != MitosisClass.UNCLASSIFIED.value)
        ]
        crops: list[Any] = [RunFolder(root).crops / name(i) for i in classified["event_id"].tolist()]
        columns = {k: row[k] for k in ("movie", "cell_line", "dose_gy")}
        parts.append(classified.assign(crop=crops, **columns)[[c.is_file() for c in crops]])
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise InputError(f"the runs of {folder} hold no classified event with a crop; run the movies first")
    return table[["movie", "event_id", *STRATUM, "crop", "side_um"]]


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


def write_page(sample: pd.DataFrame, path: Path, progress: Callable[[int, int], None]) -> None:
    """Write the page, one self-contained file; it saves a table for `--reviewed`.

    Args:
        sample: of `draw`.
        path: of the page.
        progress: called with strips drawn and in all.

    Raises:
        InputError: a crop cannot be read.
    """
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
    """The template of the page."""
    from pipelines.report.page import template as of_report

    return of_report("review.html.j2")
