"""A run's tidy tables -> a folder of CSV files, for R, Excel and pandas."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from lineage.io.files import atomic_write, read_table, write_table
from lineage.io.integrity import RUN_AGAIN, Damaged
from lineage.io.spreadsheets import is_harmless
from lineage.schema import (
    DETECTION_COLUMNS,
    EVENT_COLUMNS,
    LINEAGE_COLUMNS,
    TRACKLET_COLUMNS,
    InputError,
    check_columns,
)

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {
    "detections.csv": DETECTION_COLUMNS,
    "tracklets.csv": TRACKLET_COLUMNS,
    "events.csv": EVENT_COLUMNS,
    "lineages.csv": LINEAGE_COLUMNS,
}
WHERE_MEASURED = ("signals.csv", "cell_signals.csv")  # there if a run measured further channels


def copy(run_dir: Path, out_dir: Path) -> None:
    """Copy the four tables, and those of further channels where there are any, byte for byte.

    One that holds text that a spreadsheet would run is written anew, see `lineage.io.spreadsheets`.

    Raises:
        InputError: one of them is not there, or is not the table that its name says.
    """
    table_of = {}
    for name, columns in COLUMNS.items():
        if not (run_dir / name).exists():
            raise InputError(
                f"{run_dir} has no {name}; give the folder of a finished `python -m lineage.run`"
            )
        try:
            table_of[name] = read_table(run_dir / name)
            check_columns(table_of[name], columns, name)
        except Damaged:
            raise
        except ValueError as error:
            raise InputError(f"{run_dir} was written by another version, {RUN_AGAIN}: {error}") from error
    for name in (*COLUMNS, *(n for n in WHERE_MEASURED if (run_dir / n).exists())):
        table = table_of.get(name)
        table = read_table(run_dir / name) if table is None else table
        if not is_harmless(table):  # names that a spreadsheet would run, or that are kept from it already
            write_table(table, out_dir / name)
            continue
        with atomic_write(out_dir / name) as part:
            shutil.copyfile(run_dir / name, part)
