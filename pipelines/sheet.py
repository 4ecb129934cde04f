"""A CSV or TOML file -> rows of text, each with its line number; cells are not interpreted yet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.io.spreadsheets import bare
from lineage.io.toml import parse_toml
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROWS = "movies"  # the array of tables in TOML: [[movies]]
SEPARATORS = ",;\t"
NOT_ROWS = ("#", "sep=")  # lines that begin so are no rows
# The first line of some files from or for Excel, such as sep=;
SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)', re.IGNORECASE)


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
    """Read a CSV (comma, semicolon or tab; `#` begins a comment line) or a TOML.

    TOML has a table `[[movies]]` for each row; keys above the first hold for all rows.

    Raises:
        InputError: no such file, or neither CSV nor TOML.
    """
    try:
        text = text_of(path)
    except OSError as error:
        raise InputError(f"the plate map {path} cannot be read ({error}); give a CSV or TOML file") from error
    return _toml(text, path.name) if path.suffix.lower() == ".toml" else _csv(text, path.name)


def text_of(path: Path) -> str:
    """The content of a text file, without a byte order mark.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as every second character of UTF-16 is
        raise InputError(f"{path.name} is no UTF-8 text; in a spreadsheet, save it as CSV UTF-8")
    return text


def column_name(written: str) -> str:
    """The name of a column in our spelling.

    >>> column_name(" pixel-size-um"), column_name("drug_µM"), column_name("Dose_Gy")
    ('pixel_size_um', 'drug_uM', 'dose_gy')
    """
    name = written.strip().replace("-", "_").replace("µ", "u").replace("μ", "u")
    exact = {"drug_um": "drug_uM", "dye_nm": "dye_nM"}
    return exact.get(name.lower(), name.lower())


def _csv(text: str, name: str) -> Sheet:
    lines = list(lines_of(text, name))
    if not lines:
        raise InputError(f"{name} is empty; wanted a header and one row a movie")
    (header_line, header), *body = lines
    columns = tuple(column_name(bare(name)) for name in header)
    mistakes = [f"line {header_line}: the column {c} is there twice" for c in _twice(columns)]
    rows = []
    for line, cells in body:
        if len(cells) > len(columns):
            mistakes.append(
                f"line {line}: {len(cells)} cells under {len(columns)} columns; "
                "name the column, or put text that holds the separator in quotes"
            )
        given = {c: bare(cell.strip()) for c, cell in zip(columns, cells, strict=False) if cell.strip()}
        rows.append(Row(f"line {line}", given))
    return Sheet(columns, tuple(rows), tuple(mistakes))


def lines_of(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of each row; a quoted cell may hold line breaks.

    Spreadsheets pad rows with empty cells up to the widest one: these are left out.

    Raises:
        InputError: a quotation mark is not closed.
    """
    reader = csv.reader(io.StringIO(text), delimiter=_separator(text), strict=True, skipinitialspace=True)
    end = 0
    try:
        for cells in reader:
            begin, end = end + 1, reader.line_num
            n = max((i for i, cell in enumerate(cells, 1) if cell.strip()), default=0)
            if n and not cells[0].lower().startswith(NOT_ROWS):
                yield begin, cells[:n]
    except csv.Error as error:
        raise InputError(
            f"{name}, line {end + 1}: quotation marks that do not pair ({error}); put all of a cell between "
            'two of them, or none, and write one that belongs to the text twice: ""'
        ) from error


def _separator(text: str) -> str:
    """The separator that the first line names, else the one that is most frequent in the header.

    >>> _separator("sep=;"), _separator("a;b,c;d"), _separator("a")
    (';', ';', ',')
    """
    if named := SEPARATOR_LINE.match(text):
        return named[1]
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip('" ').startswith("#"))
    # In much of Europe, spreadsheets write semicolons.
    return max(SEPARATORS, key=next(lines, "").count)


def _twice(columns: tuple[str, ...]) -> list[str]:
    return sorted({c for c in columns if c and columns.count(c) > 1})


def _toml(text: str, name: str) -> Sheet:
    table = parse_toml(text, name)
    tables = table.pop(ROWS, None)
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise InputError(f"{name} has no tables [[{ROWS}]]; wanted one for each movie")
    shared = dict(_flat(table))
    rows = tuple(Row(f"movie {n}", shared | dict(_flat(t))) for n, t in enumerate(tables, 1))
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    return Sheet(tuple(columns), rows, ())


def _flat(table: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, str]]:
    """(dotted column, text) of each value in nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{section}{key}.")
        elif str(value).strip():
            yield column_name(f"{section}{key}"), str(value).strip()
