"""The one rule for text in tables that people open in a spreadsheet: a name is never run as a formula.

A spreadsheet runs a cell of a CSV that begins with `=`, `+`, `-` or `@`, also after white space, also in
their wide forms. Names of channels, movies, conditions and people come from files that others made. So text
that begins so, also after a semicolon, tab or line break, at which some spreadsheets split a cell, gets an
apostrophe before it, which spreadsheets take for "this is text". Numbers, and text that is a number, stay as
they are. What we read takes the apostrophe away again, so that a table that was written and read is the same.

Source: OWASP, CSV Injection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_RUN = "(?:[^\\S\t\r\n]|')*[=+\\-@\uff1d\uff0b\uff0d\uff20]"
_BEGINS = "(^|[;\t\r\n])"
_BARE, _GUARDED = re.compile(f"{_BEGINS}({_RUN})"), re.compile(f"{_BEGINS}'({_RUN})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guarded(text: str) -> str:
    """Text as a cell may hold it, with one kind of line break.

    >>> guarded("=1+1"), guarded("a-b"), guarded("-2.5"), guarded("x;=1+1")
    ("'=1+1", 'a-b', '-2.5', "x;'=1+1")
    """
    if _NUMBER.fullmatch(text):
        return text
    return _BARE.sub(r"\1'\2", text.replace("\r\n", "\n").replace("\r", "\n"))  # `\r` is not put in quotes


def bare(text: str) -> str:
    """Text as it was before `guarded`.

    >>> bare("'=1+1"), bare("'tis"), bare(guarded("'=1+1"))
    ('=1+1', "'tis", "'=1+1")
    """
    return _GUARDED.sub(r"\1\2", text)


def guarded_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table for a CSV: every text in it, and every column's name, as a cell may hold it."""
    return _mapped(table, guarded)


def is_harmless(table: pd.DataFrame) -> bool:
    """Whether no text of a table, and no column's name, would be run."""
    return guarded_table(table).equals(table)


def bare_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table that was read from a CSV, as it was before `guarded_table`."""
    return _mapped(table, bare)


def _mapped(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    changed = {}
    for name, column in table.items():
        if column.dtype.kind == "O":  # text; pandas' categories and strings, too
            values = [v for v in column.unique() if isinstance(v, str)]  # of many rows there are few
            other: dict[Any, str] = {v: new for v in values if (new := change(v)) != v}
            if other:
                changed[name] = column.astype(object).map(lambda v, other=other: other.get(v, v))
    if changed:
        table = table.assign(**{str(name): column for name, column in changed.items()})
    return table.rename(columns={c: change(c) for c in table.columns if isinstance(c, str)})
