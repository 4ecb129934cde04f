"""Rows of a plate map -> a sentence for each mistake in them."""

from __future__ import annotations

import difflib
import re
import sys
from typing import TYPE_CHECKING

from pipelines.columns import (
    CONTROLS,
    MAX_NAME,
    NOT_A_COLUMN,
    NUMBERS,
    OPTIONS,
    PLATE_COLUMNS,
    REQUIRED,
    RUN_FOLDER,
    SHARED_BY_A_WELL,
    iso_date,
    number_of,
    setting_of,
    turned_into,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pipelines.sheet import Row

IS_WINDOWS = sys.platform == "win32"
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in "123456789")}


def wrong_columns(columns: Sequence[str]) -> Iterator[str]:
    """Columns that are unknown, nameless or stand for the same setting."""
    known = (*PLATE_COLUMNS, *OPTIONS)
    for column in columns:
        if column in NOT_A_COLUMN:
            yield f"header: {column} is no column; {NOT_A_COLUMN[column]}"
        elif not column:
            yield "header: a column without a name"
        elif column not in known and "." not in column:
            near = difflib.get_close_matches(column, known, 1)
            every = f"known are {', '.join(dict.fromkeys(known))}, and any setting, such as segment.workers"
            yield f"header: unknown column {column}; {f'did you mean {near[0]}?' if near else every}"
    settings = [s for c in columns if (s := setting_of(c))]
    for setting in sorted({s for s in settings if settings.count(s) > 1}):
        yield f"header: two columns give {setting}"


def empty_everywhere(rows: Sequence[Row]) -> list[str]:
    """Required columns that are missing, or empty in every row."""
    return [c for c in REQUIRED if not any(c in row.cells for row in rows)]


def wrong_cells(cells: Mapping[str, str], *, required: Sequence[str] = REQUIRED) -> Iterator[str]:
    """Mistakes in single cells of a row, those in its movie and settings excepted."""
    if empty := [c for c in required if c not in cells]:
        yield f"{', '.join(empty)} left empty"
    day = cells.get("experiment_date")
    if day and not iso_date(day):
        yield (
            f"experiment_date = {day}: no date; write year, month, day: 2026-11-30 (a spreadsheet keeps "
            "it so if the column is formatted as text)"
        )
    for column in ("plate", "well", "position"):
        if made := turned_into(cells.get(column, ""), dates=column != "plate"):
            yield (
                f"{column} = {cells[column]}: a spreadsheet turned this name into {made}; format the column "
                "as text, write the name again, and save"
            )
    numbers = {}
    for column in NUMBERS:
        if column not in cells:
            continue
        numbers[column] = number = number_of(cells[column])
        if number is None:
            made = turned_into(cells[column])
            advice = f"; a spreadsheet turned it into {made}: format the column as text first" if made else ""
            yield f"{column} = {cells[column]}: wanted a number from 0 up, with a point: 2.5{advice}"
    controls = cells.get("control", "").split()
    for word in controls:
        if word not in CONTROLS:
            yield f"control = {word}: wanted {', '.join(CONTROLS)}, or both"
    if "unirradiated" in controls and numbers.get("dose_gy"):
        yield f"control = unirradiated, but dose_gy = {cells['dose_gy']}"
    if "dye-free" in controls and numbers.get("dye_nM"):
        yield f"control = dye-free, but dye_nM = {cells['dye_nM']}"
    run_folder = cells.get(RUN_FOLDER, "a.lineage")
    if not re.fullmatch(r'[^.\\/:*?"<>|][^\\/:*?"<>|]*\.lineage', run_folder) or not (
        run_folder.isprintable() and len(run_folder.encode()) <= MAX_NAME
    ):
        yield f"{RUN_FOLDER} = {run_folder}: wanted a name such as day2_p1.lineage, without a folder"
    elif IS_WINDOWS and refused_by_windows(run_folder):
        yield f"{RUN_FOLDER} = {run_folder}: Windows has no such name; name another in a column {RUN_FOLDER}"


def refused_by_windows(name: str) -> bool:
    """Whether Windows has no file of that name, or means a device by it, whatever the ending.

    >>> [refused_by_windows(name) for name in ("con.lineage", "12:30.lineage", "day2.", "console.lineage")]
    [True, True, True, False]
    """
    is_device = name.partition(".")[0].rstrip().upper() in _DEVICES
    return is_device or re.search(r'[<>:"/\\|?*\x00-\x1f]|[ .]$', name) is not None


def conflicts(rows: Sequence[Row]) -> Iterator[str]:
    """Mistakes that show only when rows are compared."""
    for name, group in _grouped(rows, lambda c: c.get(RUN_FOLDER, "").casefold() or None):
        if len(group) > 1:
            yield (
                f"{_lines(group)}: {len(group)} movies would share the run folder {name}; "
                f"name others in a column {RUN_FOLDER}"
            )
    well = ("experiment_date", "plate", "well")
    for position, group in _grouped(rows, lambda c: _all(c, (*well, "position"))):
        if len(group) > 1:
            yield f"{_lines(group)}: {len(group)} movies have the same position {' / '.join(position)}"
    for name, group in _grouped(rows, lambda c: _all(c, well)):
        for column in SHARED_BY_A_WELL:
            values = _different_values(group, column)
            if len(values) > 1:
                yield (
                    f"{_lines(group)}: well {' / '.join(name)} has {column} = {' and '.join(values)}; "
                    "a well is treated as one"
                )


def _different_values(rows: Sequence[Row], column: str) -> list[str]:
    """The different values of a column in some rows, as text; `nothing` if only some rows are filled."""
    texts = [row.cells[column] for row in rows if column in row.cells]
    values = {number_of(text) if column in NUMBERS else text for text in texts}
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return sorted([*words, "nothing"] if words and len(texts) < len(rows) else words)


def _grouped(rows: Sequence[Row], key: Callable[[Mapping[str, str]], object]) -> Iterable[tuple]:
    """(key, rows) of each group of rows with the same key; rows without a key are left out."""
    groups: dict[object, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row.cells), []).append(row)
    groups.pop(None, None)
    return groups.items()


def _all(cells: Mapping[str, str], columns: Sequence[str]) -> tuple[str, ...] | None:
    """The cells of some columns; None unless all are filled."""
    return tuple(cells[c] for c in columns) if all(c in cells for c in columns) else None


def _lines(rows: Sequence[Row]) -> str:
    """Where the rows are in the file.

    >>> from pipelines.sheet import Row
    >>> _lines([Row("line 2", {}), Row("line 5", {}), Row("line 5", {})])
    'line 2, 5'
    """
    kind = rows[0].where.split()[0]
    return f"{kind} {', '.join(dict.fromkeys(row.where.split()[1] for row in rows))}"
