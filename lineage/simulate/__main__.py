"""`python -m lineage.simulate OUT.tif`: a movie of an irradiated population, and its truth beside it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineage.simulate.settings import CellLine  # noqa: TC001 - typer reads it

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Annotated[
        Path, typer.Argument(help="the movie to write, *.tif; its truth goes to *.truth beside it")
    ],
    frames: Annotated[int | None, typer.Option(help="length of the movie [72]")] = None,
    size: Annotated[int | None, typer.Option(help="side of the field, pixels [400]")] = None,
    founders: Annotated[int | None, typer.Option(help="cells in view at the start [12]")] = None,
    dose_gy: Annotated[float | None, typer.Option(help="dose, gray [4]")] = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same pixels [1]")] = None,
    pixel_size_um: Annotated[float | None, typer.Option(help="micrometres a pixel [1.1518]")] = None,
    minutes_per_frame: Annotated[float | None, typer.Option(help="interval [10]")] = None,
    cell_line: Annotated[CellLine | None, typer.Option(help="[U251]")] = None,
    cycle_hours: Annotated[
        float | None, typer.Option(help="median cell-cycle time without dose [the line's own]")
    ] = None,
    irradiated_min_before_start: Annotated[
        float | None, typer.Option(help="from irradiation to the first frame [0]")
    ] = None,
    experiment: Annotated[
        int | None, typer.Option(help="wells of one experiment deviate together [0]")
    ] = None,
    well: Annotated[int | None, typer.Option(help="movies of one well share its deviation [1]")] = None,
    position: Annotated[int | None, typer.Option(help="of the movie in its well [1]")] = None,
    jump_frame: Annotated[
        list[int] | None, typer.Option(help="the stage jumps here; may be repeated")
    ] = None,
    blank_frame: Annotated[list[int] | None, typer.Option(help="no light here; may be repeated")] = None,
    bad_frame_share: Annotated[
        float | None, typer.Option(help="share of frames that are blank or blurred [0]")
    ] = None,
    fucci: Annotated[bool | None, typer.Option("--fucci", help="two FUCCI channels as well")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML with these and all other settings; an option given here overrules it"),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="processes that draw [all cores]", min=1)] = None,
    overwrite: Annotated[bool, typer.Option(help="replace an earlier movie of that name")] = False,
    debug: Annotated[bool, typer.Option(help="show the traceback of an error")] = False,
) -> None:
    """Simulate a two-channel movie (phase, SiR-DNA) of an irradiated population, with its truth."""
    from lineage.console import one_line_errors
    from lineage.progress import Screen
    from lineage.simulate.movie import simulate

    given = {
        "frames": frames,
        "size": size,
        "founders": founders,
        "dose_gy": dose_gy,
        "seed": seed,
        "pixel_size_um": pixel_size_um,
        "minutes_per_frame": minutes_per_frame,
        "cell_line": cell_line,
        "cycle_hours": cycle_hours,
        "irradiated_min_before_start": irradiated_min_before_start,
        "experiment": experiment,
        "well": well,
        "position": position,
        "jump_frames": tuple(jump_frame) if jump_frame else None,
        "blank_frames": tuple(blank_frame) if blank_frame else None,
        "bad_frame_share": bad_frame_share,
        "fucci": fucci,
    }
    with one_line_errors(debug=debug, stopped="nothing was written"):
        settings = read(config, given)
        with Screen().stage("simulate") as progress:
            truth = simulate(
                out,
                settings,
                overwrite=overwrite,
                workers=workers,
                progress=lambda frame: progress(frame + 1, settings.frames),
            )
    typer.echo(f"{out} and {truth}")


def read(path: Path | None, given: dict[str, Any]) -> Settings:
    """Read the settings.

    Args:
        path: a TOML file; all defaults if None.
        given: options by name; those that are not None overrule the file.

    Returns:
        The settings, every bound checked.

    Raises:
        InputError: the file cannot be read, or a setting is unknown or out of its bounds.
    """
    from pydantic import ValidationError

    from lineage.io.toml import read_toml
    from lineage.schema import InputError
    from lineage.simulate.settings import Settings

    from_file = read_toml(path, "the settings") if path else {}
    try:
        return Settings(**from_file | {k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        message = f"{name}: {first['input']} was given; {first['msg']}" if name else first["msg"]
        raise InputError(message.removeprefix("Value error, ")) from error


if __name__ == "__main__":
    app()
