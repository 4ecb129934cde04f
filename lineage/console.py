"""What every command does with an error: one clear line, and an exit code that scripts can read."""

from __future__ import annotations

import errno
import io
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from lineage.progress import printable
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_line_errors(*, debug: bool, stopped: str = "what was finished is kept") -> Iterator[None]:
    """Exit code 2 for input and disk, 130 for Ctrl-C, with what `stopped` says; with `debug` the traceback.

    A lineage that the solver cannot find within its time is the settings' matter, and so exit code 2 too.
    """
    from lineage.tracking.resolve import Unsolved

    _print_any_letter()
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {stopped}", err=True)
        raise typer.Exit(130) from None
    except (InputError, OSError, Unsolved, UnicodeEncodeError) as error:
        if debug:
            raise
        typer.echo(f"error: {printable(_in_words(error))}", err=True)
        raise typer.Exit(2) from error


def _print_any_letter() -> None:
    r"""Write letters that stdout lacks (a pipe of Windows has cp1252) as `\u6620`, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _in_words(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):  # a name that could not be decoded when it was read
        near = ascii(error.object[max(error.start - 20, 0) : error.end])
        return (
            f"a name ({near}) is not of this system's encoding; "
            "rename the file or folder, or set LC_ALL=C.UTF-8"
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; make room and give the same command again"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{error.filename}: the name is longer than this system allows; give a shorter one with --out"
    if isinstance(error, PermissionError):
        return f"{error.filename2 or error.filename} may not be written; give another place"
    return str(error)
