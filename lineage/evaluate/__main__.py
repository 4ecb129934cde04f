"""A run against the truth: `python -m lineage.evaluate RUN_DIR TRUTH_DIR`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import Annotated

import typer

from lineage.console import one_line_errors

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="a finished run, or a folder of several *.lineage")
    ],
    truth: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRUTH",
            help="its truth or the same run corrected, or a folder of several; with --mosaic MOSAIC.csv",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="page, RUN_DIR/evaluation.html; with --mosaic table, RUN_DIR/mosaic_score.csv"),
    ] = None,
    corrected: Annotated[
        bool,
        typer.Option("--corrected", help="without TRUTH: what the software found by itself against RUN_DIR"),
    ] = False,
    mosaic: Annotated[bool, typer.Option("--mosaic", help="score a mosaic of real mitoses")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace what --out names")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Score a run against ground truth: the simulator's, any of the Cell Tracking Challenge, a corrected run.

    Several runs and truths in two folders are paired by name and scored together and by dose.
    """
    from lineage.evaluate.evaluate import evaluate, evaluate_corrected, evaluate_mosaic
    from lineage.progress import Screen
    from lineage.schema import InputError

    with one_line_errors(debug=debug):
        if corrected:
            if truth is not None or mosaic:
                raise InputError("--corrected takes RUN_DIR for the truth; leave TRUTH and --mosaic out")
            evaluate_corrected(run, out=out, overwrite=overwrite, screen=Screen())
            return
        if truth is None:
            raise InputError(
                "TRUTH is missing: give it, or say --corrected to compare a run with its corrections"
            )
        command = evaluate_mosaic if mosaic else evaluate
        command(run, truth, out=out, overwrite=overwrite, screen=Screen())


if __name__ == "__main__":
    app()
