"""What every command does with an error: one clear line, and an exit code that scripts can read."""

from __future__ import annotations

import errno
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

    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {stopped}", err=True)
        raise typer.Exit(130) from None
    except (InputError, OSError, Unsolved) as error:
        if debug:
            raise
        typer.echo(f"error: {printable(_in_words(error))}", err=True)
        raise typer.Exit(2) from error


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; make room and give the same command again"
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be written; give another place"
    return str(error)
