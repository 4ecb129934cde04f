"""A TOML file that a user gives -> its table; one clear line for whatever is wrong with it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

# A key of very many parts takes tomllib time in the square of their number.
_MAX_LINE, _MAX_CHARACTERS = 10_000, 2_000_000


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The table in a file.

    Args:
        path: the file.
        what: it is, for the message: `the settings`.

    Raises:
        InputError: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{what} {path} cannot be read ({error}); give a TOML file") from error
    return parse_toml(text, path.name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The table that a text holds.

    Args:
        text: of the file.
        name: of the file, for the message.

    Raises:
        InputError: it is no TOML, or none that a person writes: too long, or nested too deeply.

    >>> parse_toml("a = " + 2000 * "[", "a.toml")
    Traceback (most recent call last):
    lineage.schema.InputError: a.toml is not TOML: it is nested too deeply
    """
    if len(text) > _MAX_CHARACTERS or max(map(len, text.splitlines()), default=0) > _MAX_LINE:
        raise InputError(
            f"{name} is too long for settings: at most {_MAX_CHARACTERS} characters in lines of at most "
            f"{_MAX_LINE} are read; give a TOML file that a person wrote"
        )
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise InputError(f"{name} is not TOML: it is nested too deeply") from error
    except ValueError as error:  # broken, or a number of more digits than Python reads
        raise InputError(f"{name} is not TOML: {error}") from error
