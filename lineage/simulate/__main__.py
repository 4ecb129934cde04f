"""`python -m lineage.simulate OUT.tif`: a movie of an irradiated population, and its truth beside it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Annotated[
        Path, typer.Argument(help="the movie to write, *.tif; its truth goes to *.truth beside it")
    ],
    frames: Annotated[int, typer.Option(help="length of the movie")] = 72,
    size: Annotated[int, typer.Option(help="side of the field, pixels")] = 400,
    founders: Annotated[int, typer.Option(help="cells at the start")] = 12,
    dose_gy: Annotated[float, typer.Option(help="dose, gray")] = 4.0,
    seed: Annotated[int, typer.Option(help="same seed, same pixels")] = 1,
    pixel_size_um: Annotated[float, typer.Option(help="micrometres a pixel")] = 1.1518,
    minutes_per_frame: Annotated[float, typer.Option(help="interval")] = 10.0,
    cycle_hours: Annotated[float, typer.Option(help="median cell-cycle time")] = 18.0,
    drift_px_per_hour: Annotated[float, typer.Option(help="speed of the stage's drift")] = 0.3,
    jump_frame: Annotated[
        list[int] | None, typer.Option(help="the stage jumps here; may be repeated")
    ] = None,
    jump_px: Annotated[float, typer.Option(help="length of a jump")] = 12.0,
    blank_frame: Annotated[list[int] | None, typer.Option(help="no light here; may be repeated")] = None,
    overwrite: Annotated[bool, typer.Option(help="replace an earlier movie of that name")] = False,
    debug: Annotated[bool, typer.Option(help="show the traceback of an error")] = False,
) -> None:
    """Simulate a two-channel movie (phase, SiR-DNA) of an irradiated population, with its truth."""
    from pydantic import ValidationError
    from rich.progress import Progress

    from lineage.console import one_line_errors
    from lineage.schema import InputError
    from lineage.simulate.movie import simulate
    from lineage.simulate.settings import Settings

    with one_line_errors(debug=debug):
        try:
            settings = Settings(
                frames=frames,
                size=size,
                founders=founders,
                dose_gy=dose_gy,
                seed=seed,
                pixel_size_um=pixel_size_um,
                minutes_per_frame=minutes_per_frame,
                cycle_hours=cycle_hours,
                drift_px_per_hour=drift_px_per_hour,
                jump_frames=tuple(jump_frame or ()),
                jump_px=jump_px,
                blank_frames=tuple(blank_frame or ()),
            )
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "settings"
            raise InputError(f"{name}: {first['input']} was given; {first['msg']}") from error
        with Progress(transient=True) as bar:
            task = bar.add_task("simulating", total=frames)
            truth = simulate(out, settings, overwrite=overwrite, progress=lambda _: bar.advance(task))
    typer.echo(f"{out} and {truth}")


if __name__ == "__main__":
    app()
