"""The command line of a run: options in, one clear line and exit code 2 where something is wrong."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated

import typer

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lineage.outputs import RunFolder
    from lineage.progress import Screen

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    video: Annotated[Path, typer.Argument(help="TIFF, folder of TIFFs, OME-Zarr or ND2")],
    out: Annotated[Path | None, typer.Option(help="run folder; VIDEO.lineage if left out")] = None,
    nucleus_channel: Annotated[int | None, typer.Option(help="channel of the DNA stain, from 0")] = None,
    phase_channel: Annotated[int | None, typer.Option(help="channel of the phase contrast, from 0")] = None,
    pixel_size_um: Annotated[float | None, typer.Option(help="side of a pixel")] = None,
    minutes_per_frame: Annotated[float | None, typer.Option(help="time from frame to frame")] = None,
    labels: Annotated[Path | None, typer.Option(help="existing masks in place of a segmentation")] = None,
    dose_gy: Annotated[float | None, typer.Option(help="dose the cells were given")] = None,
    config: Annotated[Path | None, typer.Option(help="settings, a TOML file")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="throw away an earlier run")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """From a movie of nuclei to an annotated lineage.

    A run that was stopped goes on where it was; one whose settings changed redoes what depends on them.
    """
    from lineage import config as settings
    from lineage.progress import Screen
    from lineage.run import run

    screen = Screen()
    with one_line_errors(screen, debug=debug):
        options = {
            "video.nucleus_channel": nucleus_channel,
            "video.phase_channel": phase_channel,
            "video.pixel_size_um": pixel_size_um,
            "video.minutes_per_frame": minutes_per_frame,
            "labels": labels,
            "dose_gy": dose_gy,
        }
        folder = run(
            video,
            out or default_out(video),
            settings.read(config, options),
            screen=screen,
            overwrite=overwrite,
        )
        say_result(folder, screen)


def default_out(video: Path) -> Path:
    """The run folder beside a movie.

    >>> print(default_out(Path("data/movie.ome.tif")), default_out(Path("frames")))
    data/movie.lineage frames.lineage
    """
    stem = video.name.removesuffix(video.suffix).removesuffix(".ome")
    return video.parent / f"{stem}.lineage"


def say_result(folder: RunFolder, screen: Screen) -> None:
    """What was found, what to be wary of, and where to look."""
    from lineage.outputs import read_table

    events = read_table(folder.events)["mitosis_class"].value_counts()
    cells = len(read_table(folder.tracklets))
    founders = len(read_table(folder.lineages))
    for warning in folder.warnings:
        screen.say(f"warning: {warning}", "yellow")
    told = ", ".join(f"{n} {name}" for name, n in events.items()) or "none"
    screen.say(f"{cells} cells from {founders} founders; mitoses: {told}")
    screen.say(f"report: {folder.report}", "bold")
    screen.say(f"tables, graphs and films: {folder.root}")


@contextmanager
def one_line_errors(screen: Screen, *, debug: bool) -> Iterator[None]:
    """What went wrong in one line: exit code 2 for input, 1 for the rest, 130 for Ctrl-C."""
    from lineage.resolve import Unsolved

    try:
        yield
    except KeyboardInterrupt:
        screen.say("stopped; the same command goes on where it was", "yellow")
        raise typer.Exit(130) from None
    except (InputError, OSError, Unsolved) as error:
        if debug:
            raise
        screen.say(f"error: {_in_words(error)}", "red")
        raise typer.Exit(1 if isinstance(error, Unsolved) else 2) from error


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; make room and give the same command again: it goes on where it was"
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be written; give another folder with --out"
    return str(error)
