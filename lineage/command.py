"""The command line of a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated

import typer

from lineage.console import one_line_errors

if TYPE_CHECKING:
    from lineage.io.run_folder import RunFolder
    from lineage.progress import Screen

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    video: Annotated[
        Path | None, typer.Argument(help="TIFF, folder of TIFFs, OME-Zarr or ND2; not needed with --labels")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="run folder; VIDEO.lineage if left out")] = None,
    position: Annotated[
        str | None, typer.Option(help="which of several positions in a folder, as A1 or A1_2")
    ] = None,
    nucleus_channel: Annotated[int | None, typer.Option(help="channel of the DNA stain, from 0")] = None,
    phase_channel: Annotated[int | None, typer.Option(help="channel of the phase contrast, from 0")] = None,
    pixel_size_um: Annotated[float | None, typer.Option(help="side of a pixel")] = None,
    minutes_per_frame: Annotated[float | None, typer.Option(help="time from frame to frame")] = None,
    labels: Annotated[Path | None, typer.Option(help="existing masks in place of a segmentation")] = None,
    nucleus_diameter_um: Annotated[
        float | None, typer.Option(help="of an interphase nucleus; estimated from the movie if left out")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="a further channel to measure, by name or number; may be repeated [all]"),
    ] = None,
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
    from lineage.schema import InputError

    screen = Screen()
    with one_line_errors(debug=debug):
        options = {
            "video.position": position,
            "video.nucleus_channel": nucleus_channel,
            "video.phase_channel": phase_channel,
            "video.pixel_size_um": pixel_size_um,
            "video.minutes_per_frame": minutes_per_frame,
            "labels": labels,
            "segment.nucleus_diameter_um": nucleus_diameter_um,
            "segment.measure": tuple(measure) if measure else None,
            "dose_gy": dose_gy,
        }
        warn = partial(screen.log, style="yellow")
        read = settings.read(config, options, warn=warn)
        movie = video or read.labels
        if movie is None:
            raise InputError("no movie: give one, or masks alone with --labels")
        folder = run(
            movie,
            out or default_out(movie, read.video.position),
            read,
            screen=screen,
            overwrite=overwrite,
        )
        print_result(folder, screen)


def default_out(video: Path, position: str | None = None) -> Path:
    """The run folder beside a movie; each position of a folder has its own.

    >>> print(default_out(Path("data/movie.ome.tif")), default_out(Path("frames"), "A1"))
    data/movie.lineage frames_A1.lineage
    """
    stem = video.name.removesuffix(video.suffix).removesuffix(".ome")
    return video.parent / f"{stem}{f'_{position}' if position else ''}.lineage"


def print_result(folder: RunFolder, screen: Screen) -> None:
    """Print what was found, what to be wary of, and where to look."""
    from lineage.io.files import read_table
    from lineage.mitosis.counts import count, mitoses_of
    from lineage.schema import EventType

    events = read_table(folder.events)
    mitoses = count(mitoses_of(events))
    others = events.loc[events["event_type"] != EventType.MITOSIS, "subtype"].value_counts()
    cells = len(read_table(folder.tracklets))
    founders = len(read_table(folder.lineages))
    for warning in folder.warnings:
        screen.log(f"warning: {warning}", "yellow")
    rest = "".join(f"; {str(name).replace('_', ' ')}: {n}" for name, n in others.items())
    screen.log(f"{cells} cells from {founders} founders; mitoses: {mitoses}{rest}")
    screen.log(f"report: {folder.report}", "bold")
    screen.log(f"tables, graphs and crops: {folder.root}")
