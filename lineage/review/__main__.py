"""A run folder, or a folder of them -> a page on which they are looked at and corrected."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from lineage.console import one_line_errors
from lineage.schema import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Place = Annotated[Path, typer.Argument(help="VIDEO.lineage, a folder of such, or a sample to judge blind")]


@app.command()
def main(
    place: Place,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="of the server; 0 takes a free one [8731, or a free one]"),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="print the address, open nothing")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="to look at; nothing is corrected")] = False,
    who: Annotated[
        str | None, typer.Option(help="your name in the corrections; your login if left out")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Look at a run in the browser, and correct it.

    Each correction is a line in corrections.jsonl of the run folder, and the run is redone from it. A sample
    of `python -m pipelines.dose sample` is judged without dose or verdict. The page is served to this
    machine alone.
    """
    with one_line_errors(debug=debug):
        try:
            from lineage.review.start import serve
        except ImportError as error:
            if error.name not in ("fastapi", "starlette", "uvicorn"):
                raise
            raise InputError(
                'the page needs fastapi and uvicorn: pip install "mitosis-lineage[review]"'
            ) from error
        serve(place, port=port, browser=not no_browser, read_only=read_only, who=who or _login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"


if __name__ == "__main__":
    app()
