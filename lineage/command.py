"""The command line of a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineage.console import one_line_errors
from lineage.device import HELP

if TYPE_CHECKING:
    from lineage.config import Config
    from lineage.io.run_folder import RunFolder
    from lineage.progress import Screen

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    video: Annotated[
        list[Path] | None,
        typer.Argument(
            help="TIFF, folder of TIFFs, OME-Zarr, ND2, CZI or LIF; several, in order of time, are parts of "
            "one movie; not needed with --labels"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="run folder; VIDEO.lineage if left out. With --position all the folder for them"),
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="say what VIDEO holds and what would be assumed; run nothing")
    ] = False,
    position: Annotated[
        str | None,
        typer.Option(help="which of several: name, or number from 0 as listed; all: each in its own folder"),
    ] = None,
    well: Annotated[str | None, typer.Option(help="well of the position, as A1")] = None,
    z: Annotated[
        str | None,
        typer.Option(help="of a z-stack: max, mean, focus (each frame's sharpest plane), or a plane, from 0"),
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="what the axes of a TIFF or Zarr are, as TCYX, if the file is wrong")
    ] = None,
    nucleus_channel: Annotated[int | None, typer.Option(help="channel of the DNA stain, from 0")] = None,
    phase_channel: Annotated[int | None, typer.Option(help="channel of the phase contrast, from 0")] = None,
    pixel_size_um: Annotated[float | None, typer.Option(help="side of a pixel")] = None,
    minutes_per_frame: Annotated[float | None, typer.Option(help="time from frame to frame")] = None,
    gap_min: Annotated[
        float | None,
        typer.Option(help="from the last frame of each part to the first of the next; by the files' clocks"),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="existing masks in place of a segmentation; may hold {position}, for its name"),
    ] = None,
    nucleus_diameter_um: Annotated[
        float | None, typer.Option(help="of an interphase nucleus; estimated from the movie if left out")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="a further channel to measure, by name or number; may be repeated [all]"),
    ] = None,
    dose_gy: Annotated[float | None, typer.Option(help="dose the cells were given")] = None,
    device: Annotated[str | None, typer.Option(help=f"{HELP} [auto]")] = None,
    config: Annotated[Path | None, typer.Option(help="settings, a TOML file")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="throw away an earlier run")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """From a movie of nuclei to an annotated lineage.

    A run that was stopped goes on where it was; one whose settings changed redoes what depends on them.
    """
    from lineage import config as settings
    from lineage.progress import Screen
    from lineage.schema import InputError

    screen = Screen()
    with one_line_errors(debug=debug):
        options = {
            "video.position": position,
            "video.well": well,
            "video.z": z,
            "video.axes": axes,
            "video.nucleus_channel": nucleus_channel,
            "video.phase_channel": phase_channel,
            "video.pixel_size_um": pixel_size_um,
            "video.minutes_per_frame": minutes_per_frame,
            "labels": labels,
            "segment.nucleus_diameter_um": nucleus_diameter_um,
            "segment.measure": tuple(measure) if measure else None,
            "dose_gy": dose_gy,
            "device": device,
        }
        warn = partial(screen.log, style="yellow")
        read = settings.read(config, options, warn=warn)
        movie = video[0] if video else read.labels
        if movie is None:
            raise InputError("no movie: give one, or masks alone with --labels")
        if video and len(video) > 1:
            if list_only or position == "all":
                raise InputError(
                    f"{len(video)} files are parts of one movie: give --list one of them, or all of them the "
                    "name of one --position"
                )
            run_parts(video, out, read, gap_min=gap_min, screen=screen, overwrite=overwrite)
            return
        if gap_min is not None:
            raise InputError(
                "--gap-min is between the parts of a movie; one file was given: give its parts, in order"
            )
        if list_only:
            print_contents(movie, read)
            return
        run_positions(movie, out, read, screen=screen, overwrite=overwrite)


def run_positions(
    movie: Path, out: Path | None, config: Config, *, screen: Screen, overwrite: bool = False
) -> None:
    """Run the chosen position of a movie, or all of them one after another.

    Args:
        movie: file or folder; the same as `config.labels` where there are masks alone.
        out: the run folder, or of `--position all` the folder for them; beside the movie if left out.
        config: all settings.
        screen: where progress and results are shown.
        overwrite: throw away earlier runs.

    Raises:
        InputError: the movie, a setting or a folder cannot be used. Of all positions the others are run
            nevertheless.
    """
    from lineage.run import run
    from lineage.schema import InputError
    from lineage.video import chosen_positions
    from lineage.video.places import ALL

    given, masks = config.video.position, config.labels
    every = given == ALL
    names = [""] if movie == masks else chosen_positions(movie, given, config.video.well)
    if len(names) > 1 and masks and "{position}" not in str(masks):
        raise InputError(
            f"{masks} would be the masks of all {len(names)} positions: give --labels with "
            "{position} in it, which stands for the name of each"
        )
    failed = []
    for name in names:
        # A name in place of a number, a well or `all`, so that each position has one run folder only.
        position = name or (None if every else given)
        video = config.video.model_copy(update={"position": position, **({"well": None} if name else {})})
        beside = default_out(movie, position)
        place = beside if out is None else out / beside.name if every else out
        try:
            own = Path(str(masks).replace("{position}", name)) if masks else None
            one = config.model_copy(update={"video": video, "labels": own})
            print_result(run(movie, place, one, screen=screen, overwrite=overwrite), screen)
        except InputError as error:
            if len(names) == 1:
                raise
            screen.log(f"error: position {name}: {error}", "red")
            failed.append(name)
    if failed:
        raise InputError(f"{len(failed)} of {len(names)} positions could not be run: {', '.join(failed)}")


def run_parts(
    paths: list[Path],
    out: Path | None,
    config: Config,
    *,
    gap_min: float | None,
    screen: Screen,
    overwrite: bool = False,
) -> None:
    """Run several files as one movie.

    Args:
        paths: in order of time.
        out: the run folder; `FIRST_to_LAST.lineage` if left out.
        config: all settings.
        gap_min: minutes from the last frame of each part to the first of the next.
        screen: where progress and results are shown.
        overwrite: throw away an earlier run.

    Raises:
        InputError: the parts are of different kinds, or cannot be used.
    """
    from lineage.run import run
    from lineage.video import open_parts

    video = open_parts(paths, gap_min=gap_min, **config.video.model_dump())
    name = paths[0].with_stem(f"{_stem(paths[0])}_to_{_stem(paths[-1])}")
    folder = out or default_out(name, config.video.position)
    print_result(run(video, folder, config, screen=screen, overwrite=overwrite), screen)


def print_contents(movie: Path, config: Config) -> None:
    """Print what a file holds, and what would be assumed."""
    from lineage.video import list_contents
    from lineage.video.selection import Selection

    given = config.video.model_dump()
    selection = Selection(*(given.pop(name) for name in ("position", "well", "z", "axes")))
    for line in list_contents(movie, selection=selection, **given):
        typer.echo(line)


def default_out(video: Path, position: str | None = None) -> Path:
    """The run folder beside a movie; each position of a file has its own.

    >>> print(default_out(Path("data/movie.ome.tif")), default_out(Path("frames"), "A1"))
    data/movie.lineage frames_A1.lineage
    """
    return video.parent / f"{_stem(video)}{f'_{position}' if position else ''}.lineage"


def _stem(video: Path) -> str:
    return video.name.removesuffix(video.suffix).removesuffix(".ome").removesuffix(".companion")


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
