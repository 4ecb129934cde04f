"""The command line of a plate: `map` drafts a plate map, `run` runs it."""

from __future__ import annotations

import shlex
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from lineage.console import one_line_errors
from lineage.device import AUTO, HELP

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lineage.progress import Screen
    from pipelines.cluster import Backend
    from pipelines.plate import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


@app.command("map")
def draft_map(
    movies: Annotated[
        Path, typer.Argument(help="a movie, or a folder of them; folders in it are looked through")
    ],
    out: Annotated[
        Path | None, typer.Option(help="the map to write; plate.csv in the folder if left out")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace an earlier map")] = False,
    debug: Debug = False,
) -> None:
    """Draft a plate map from the movies' names; what they do not tell stays empty, and is listed."""
    from lineage.progress import printable
    from pipelines import filenames
    from pipelines.columns import COPY

    with one_line_errors(debug=debug, stopped="nothing was written"):
        path = out or filenames.home_of(movies) / COPY
        refuse_existing(path, overwrite=overwrite)
        draft = filenames.draft(movies)
        filenames.write(draft, path, folder=filenames.home_of(movies))
        for remark in draft.remarks:
            typer.echo(printable(remark))
        typer.echo(f"{len(draft.rows)} movies in {path}: look it over, and fill in what is empty")


@app.command()
def run(
    plate: Annotated[Path, typer.Argument(help="plate map, CSV or TOML")],
    out: Annotated[Path, typer.Option(help="folder for the run folders and a copy of the map")],
    workers: Annotated[
        int | None,
        typer.Option(help="movies at a time on this machine; by default as many as it can hold", min=1),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="address of a running dask scheduler")] = None,
    slurm: Annotated[Path | None, typer.Option(help="profile of SLURM jobs, TOML")] = None,
    device: Annotated[str | None, typer.Option(help=f"{HELP}; by default as the map says, or auto")] = None,
    debug: Debug = False,
) -> None:
    """Run every movie of a plate. Movies that are done are left alone; killed, the next start goes on.

    Exit code 1 if a movie failed, 2 if the plate map or a setting is wrong, 130 after Ctrl-C.
    """
    from lineage.progress import Screen
    from lineage.schema import InputError
    from pipelines import platemap
    from pipelines.plate import run
    from pipelines.signals import undisturbed_afterwards

    screen = Screen()
    with one_line_errors(debug=debug, stopped="what was finished is kept, and the next start goes on"):
        if sum(option is not None for option in (workers, scheduler, slurm)) > 1:
            raise InputError("--workers, --scheduler and --slurm exclude each other; give one")
        checked = platemap.check(plate)
        screen.log(f"{plate.name}: {len(checked.movies)} movies, no mistake")
        check_device(device, here=not (scheduler or slurm))
        refuse_own_map(plate, out)
        with (
            backend_of(len(checked.movies), workers, scheduler, slurm, screen, device or AUTO) as backend,
            undisturbed_afterwards(),
        ):
            screen.log(backend.description)
            outcomes = run(checked, out, backend, screen=screen, device=device)
        raise typer.Exit(report_result(outcomes, out, screen, debug=debug))


def backend_of(
    n_movies: int,
    workers: int | None,
    scheduler: str | None,
    slurm: Path | None,
    screen: Screen,
    device: str = AUTO,
) -> AbstractContextManager[Backend]:
    """Choose where the movies run, by the options of the command.

    Args:
        n_movies: of the plate.
        workers: `--workers`, for this machine.
        scheduler: `--scheduler`.
        slurm: `--slurm`.
        screen: gets warnings of SLURM's.
        device: `--device`.

    Returns:
        The backend, to be entered.
    """
    from pipelines import cluster

    if scheduler:
        return cluster.remote(scheduler)
    if slurm:
        return cluster.slurm(slurm, n_movies, screen=screen)
    return cluster.local(min(workers or cluster.workers_for(n_movies, device), n_movies))


def check_device(device: str | None, *, here: bool) -> None:
    """Raise InputError for a device that is no device, or is not there.

    Args:
        device: `--device`.
        here: the movies run on this machine; of others' devices their workers know.
    """
    from lineage.config import read
    from lineage.device import CPU, device_of

    read(None, {"device": device})
    if here and device not in (None, AUTO, CPU):
        device_of(device)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise InputError if `path` exists and may not be overwritten."""
    from lineage.schema import InputError

    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; give another --out, or --overwrite")


def refuse_own_map(plate: Path, out: Path) -> None:
    """Raise InputError if the checked copy would replace the user's own map."""
    from lineage.schema import InputError
    from pipelines.columns import COPY, RUN_FOLDER

    if (out / COPY).resolve() == plate.resolve() and RUN_FOLDER not in plate.read_text("utf-8-sig"):
        raise InputError(f"the checked copy would replace {plate}; give another folder with --out")


def report_result(outcomes: list[Outcome], out: Path, screen: Screen, *, debug: bool) -> int:
    """Print what was assumed, what was warned of, what failed and why.

    Args:
        outcomes: of all movies.
        out: the folder of their run folders.
        screen: to print on.
        debug: whether to print tracebacks too.

    Returns:
        The exit code.
    """
    from pipelines.plate import warnings_of

    for sentence, names in warnings_of(outcomes, out).items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        screen.log(f"{sentence} ({shown})", "yellow")
    failed = [o for o in outcomes if o.reason]
    before = sum(o.was_done for o in outcomes)
    screen.log(
        f"{len(outcomes) - len(failed)} of {len(outcomes)} movies done"
        + (f", {before} of them before this start" if before else "")
    )
    for outcome in failed:
        screen.log(f"failed: {outcome.movie.path.name}: {outcome.reason}", "red")
        if debug:
            screen.log(outcome.traceback)
    screen.log(f"statistics: python -m pipelines.dose {shlex.quote(str(out))} --out DOSE", "bold")
    return 1 if failed else 0
