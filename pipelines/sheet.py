"""CSV or TOML -> rows of text, each with the place it stands at; nothing is understood yet."""

from __future__ import annotations

import csv
import io
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROWS = "movies"  # the array of tables in TOML: [[movies]]


@dataclass(frozen=True)
class Row:
    """One row, as it was written."""

    where: str  # "line 3"; "movie 3" in TOML, where lines are not known
    cells: dict[str, str]  # by column; empty cells are left out


@dataclass(frozen=True)
class Sheet:
    """A plate map as it was written."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    mistakes: tuple[str, ...]


def read_sheet(path: Path) -> Sheet:
    """Read a CSV (comma or semicolon, `#` begins a comment line) or a TOML.

    TOML has a table `[[movies]]` for each row; what stands above the first holds for all of them.

    Raises:
        InputError: no such file, or neither CSV nor TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"the plate map {path} cannot be read ({error}); give a CSV or TOML file") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"the plate map {path} is no UTF-8 text; in a spreadsheet, save it as CSV UTF-8"
        ) from error
    return _toml(text, path.name) if path.suffix.lower() == ".toml" else _csv(text, path.name)


def column_name(written: str) -> str:
    """A column as we call it.

    >>> column_name(" pixel-size-um"), column_name("drug_µM"), column_name("Dose_Gy")
    ('pixel_size_um', 'drug_uM', 'dose_gy')
    """
    name = written.strip().replace("-", "_").replace("µ", "u").replace("μ", "u")
    exact = {"drug_um": "drug_uM", "dye_nm": "dye_nM"}
    return exact.get(name.lower(), name.lower())


def _csv(text: str, name: str) -> Sheet:
    lines = list(_lines(text))
    if not lines:
        raise InputError(f"{name} is empty; wanted a header and one row a movie")
    (at, header), *body = lines
    columns = tuple(map(column_name, header))
    mistakes = [f"line {at}: the column {c} is there twice" for c in _twice(columns)]
    rows = []
    for line, cells in body:
        if len(cells) > len(columns):
            mistakes.append(
                f"line {line}: {len(cells)} cells under {len(columns)} columns; "
                "put text that holds the separator in quotes"
            )
        given = {c: cell.strip() for c, cell in zip(columns, cells, strict=False) if cell.strip()}
        rows.append(Row(f"line {line}", given))
    return Sheet(columns, tuple(rows), tuple(mistakes))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of each line that says something; a quoted cell may run over several."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    # Spreadsheets of half of Europe separate by semicolons.
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    end = 0
    for cells in reader:
        begin, end = end + 1, reader.line_num
        if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
            yield begin, cells


def _twice(columns: tuple[str, ...]) -> list[str]:
    return sorted({c for c in columns if c and columns.count(c) > 1})


def _toml(text: str, name: str) -> Sheet:
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not TOML: {error}") from error
    tables = told.pop(ROWS, None)
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise InputError(f"{name} has no tables [[{ROWS}]]; wanted one for each movie")
    shared = dict(_flat(told))
    rows = tuple(Row(f"movie {n}", shared | dict(_flat(t))) for n, t in enumerate(tables, 1))
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    return Sheet(tuple(columns), rows, ())


def _flat(table: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{section}{key}.")
        elif str(value).strip():
            yield column_name(f"{section}{key}"), str(value).strip()
