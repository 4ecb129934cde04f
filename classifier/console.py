"""What the commands of this package share: a user's error is one line and exit code 2."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_line_errors(*, debug: bool) -> Iterator[None]:
    """Turn an InputError, or a full disk, into one line and exit code 2; with `debug`, let it through."""
    try:
        yield
    except (InputError, OSError) as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
