"""A run folder and a person's corrections -> labelled clips to learn from."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from classifier.data import CLASSES, Clip, ClipName
from lineage.io.integrity import check, read_record, reading
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {"event_id", "mitosis_class"}


def corrected(run: Path) -> list[Clip]:
    """The events that a person has classified: `corrections.csv` in the run folder, crops in `crops/`.

    The table has at least the columns `event_id` and `mitosis_class`; events that a person left
    `unclassified` are skipped. All events of a run are one field, so that a split keeps them together.

    Raises:
        InputError: no such table, an unknown class, or an event without a crop.
    """
    table = run / "corrections.csv"
    if not table.is_file():
        raise InputError(f"{run} has no corrections.csv; wanted a table with event_id and mitosis_class")
    with reading(table, "write it anew"), table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, strict=True))
    if rows and not set(rows[0]) >= COLUMNS:
        raise InputError(f"{table}: has the columns {', '.join(rows[0])}; wanted event_id and mitosis_class")
    if (run / "run.json").is_file():
        check(run, read_record(run), run / "crops")
    name = ClipName(run.stem, None, float("nan"), run.stem, 0)
    found = []
    for row in rows:
        if row["mitosis_class"] == MitosisClass.UNCLASSIFIED:
            continue
        if row["mitosis_class"] not in set(CLASSES) or not _is_number(row["event_id"]):
            raise InputError(
                f"{table}: event {row['event_id']} is {row['mitosis_class']}; wanted {', '.join(CLASSES)}"
            )
        path = run / "crops" / f"event_{int(row['event_id']):04d}.tif"
        if not path.is_file():
            raise InputError(f"{path}: no such crop, though {table.name} names the event")
        found.append(Clip(path, MitosisClass(row["mitosis_class"]), name, run.stem))
    return found


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) < 10
