"""`python -m pipelines.dose DIR --out DIR2`: the effect of dose; `sample` to check, `power` to plan."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from typer.core import TyperGroup

from lineage.console import one_line_errors

ANALYSE = "analyse"


class AnalyseByDefault(TyperGroup):
    """Without the name of a command the first argument is the folder to analyse."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Insert `analyse` before a folder."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [ANALYSE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=AnalyseByDefault, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def _about() -> None:
    """Effects of dose on mitosis: `python -m pipelines.dose DIR --out DIR2`. Options: `analyse --help`."""


@app.command(ANALYSE)
def analyse_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a folder of finished runs, *.lineage")],
    out: Annotated[Path, typer.Option(help="folder for the tables")],
    plate: Annotated[
        Path | None,
        typer.Option(help="a plate map instead of DIR/plate.csv, for movies that were run one by one"),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="unit of analysis, well or experiment [experiment, if each dose has three; else well]"
        ),
    ] = None,
    divisions: Annotated[
        int, typer.Option(min=1, max=6, help="divisions of a clone that count as survival")
    ] = 3,
    arrest_h: Annotated[
        float | None,
        typer.Option(
            min=1, help="hours undivided after birth that count as arrest [1.5 cycles of the controls]"
        ),
    ] = None,
    correct: Annotated[bool, typer.Option(help="correct fractions for the classifier's errors")] = True,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            metavar="SAMPLE_DIR",
            help="what people judged of `sample`; their classes overrule verdicts, and tell their errors",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace an earlier analysis")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Read the runs of a plate and write dose_report.html, its figures, and tidy tables."""
    from lineage.progress import Screen
    from lineage.schema import InputError
    from pipelines.dose.analyse import analyse
    from pipelines.dose.prepare import Options

    with one_line_errors(debug=debug, stopped="the analysis is unfinished; the same command starts it anew"):
        if unit not in (None, "well", "experiment"):
            raise InputError(f"--unit {unit}: wanted well or experiment")
        options = Options(plate, unit, divisions, arrest_h, correct, reviewed)
        analyse(folder, out, options, screen=Screen(), overwrite=overwrite)
        typer.echo(f"{out}: dose_report.html, its figures, and tables")


@app.command("sample")
def sample_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a folder of finished runs, *.lineage")],
    out: Annotated[Path, typer.Option(help="folder for them, and for what is said of them")],
    each: Annotated[
        int, typer.Option(min=1, help="events of every dose and verdict; three times as many called normal")
    ] = 12,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same sample")] = 1,
    plate: Annotated[Path | None, typer.Option(help="a plate map instead of DIR/plate.csv")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace a sample that nobody judged")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Draw a random sample of mitoses for people to judge, blind to dose and verdict, for --reviewed."""
    from lineage.progress import Screen
    from pipelines.dose.sample import candidates, check_free, draw, write

    with one_line_errors(debug=debug, stopped="nothing was written"):
        check_free(out, overwrite=overwrite)
        drawn = draw(candidates(folder, plate), each=each, seed=seed)
        with Screen().stage("draw") as progress:
            write(drawn, out, progress)
        typer.echo(
            f"{out}: {len(drawn)} events; judge them in `python -m lineage.review {out}`, then give the "
            "folder to --reviewed"
        )


@app.command("power")
def power_command(
    doses: Annotated[
        str, typer.Option(help="gray, with commas; power is that of the trend over them")
    ] = "0,2",
    difference: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=0.9, help="instead of --doses: what a dose adds to the fraction abnormal"
        ),
    ] = None,
    wells: Annotated[str, typer.Option(help="wells of each dose, with commas")] = "2,3,4,6,8",
    positions: Annotated[str, typer.Option(help="positions of each well, with commas")] = "1,2,3",
    hours: Annotated[str, typer.Option(help="length of a movie, with commas")] = "24,48,72",
    target: Annotated[float, typer.Option(min=0.05, max=0.999, help="power that is enough")] = 0.8,
    cell_line: Annotated[str, typer.Option(help="U251 or PC3")] = "U251",
    founders: Annotated[int, typer.Option(min=1, max=1000, help="cells in view at the start")] = 30,
    well_sd: Annotated[
        float, typer.Option(min=0, max=2, help="spread between wells, of the log-odds")
    ] = 0.25,
    position_sd: Annotated[
        float, typer.Option(min=0, max=2, help="spread between positions of a well, of the log-odds")
    ] = 0.15,
    pool: Annotated[
        int, typer.Option(min=4, max=1000, help="simulated wells of each dose, to draw from")
    ] = 40,
    plates: Annotated[int, typer.Option(min=10, help="plates drawn of each design")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same table")] = 1,
    out: Annotated[Path | None, typer.Option(help="write the table there, as CSV")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace an earlier table")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Estimate how many wells, positions and hours are needed to find an effect, by simulated lineages."""
    from lineage.schema import InputError
    from pipelines.dose.needed import Question, needed

    with one_line_errors(debug=debug, stopped="nothing was written"):
        if out and out.exists() and not overwrite:
            raise InputError(f"{out} is there already; give another --out, or say --overwrite")
        question = Question(
            doses,
            difference,
            wells,
            positions,
            hours,
            target,
            cell_line,
            founders,
            well_sd,
            position_sd,
            pool,
            plates,
            seed,
        )
        needed(question, out=out)


if __name__ == "__main__":
    app(prog_name="python -m pipelines.dose")
