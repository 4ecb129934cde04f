"""`python -m lineage.stardist train IMAGES MASKS --out MODEL_DIR`, `... predict IMAGE_OR_FOLDER OUT_DIR`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated

import typer
from rich import print as log

from lineage.console import one_line_errors
from lineage.device import AUTO, CPU, HELP, description, device_of, one_line_failures

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """StarDist in torch."""


@app.command()
def train(
    images: Annotated[Path, typer.Argument(help="folder of TIFF images")],
    masks: Annotated[Path, typer.Argument(help="folder of instance masks under the same names")],
    out: Annotated[Path, typer.Option(help="folder for the model, and the checkpoint")],
    steps: Annotated[int, typer.Option(min=1, help="training steps")] = 10_000,
    batch: Annotated[int, typer.Option(min=1, help="patches a step")] = 4,
    size: Annotated[int, typer.Option(min=64, help="side of a patch, pixels; a multiple of 32")] = 256,
    workers: Annotated[int, typer.Option(min=1, help="processes that make patches")] = 1,
    filters: Annotated[int, typer.Option(min=4, help="of the first U-Net level")] = 16,
    depth: Annotated[int, typer.Option(min=1, help="of the U-Net")] = 4,
    simulated: Annotated[float, typer.Option(min=0, max=1, help="share of drawn nuclei")] = 0.3,
    aside: Annotated[float, typer.Option(min=0.01, max=0.5, help="share of images for validation")] = 0.1,
    learning_rate: Annotated[float, typer.Option(min=0, help="highest learning rate")] = 1e-3,
    seed: Annotated[int, typer.Option(help="seed of everything random")] = 0,
    teacher: Annotated[str | None, typer.Option(help="a larger model to learn from as well")] = None,
    start: Annotated[
        str | None, typer.Option(help="a model to go on from; with more --filters, it grows")
    ] = None,
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Train on images with masks and on drawn nuclei; a second start goes on from the checkpoint."""
    with one_line_errors(debug=debug):
        from dataclasses import replace

        from lineage.schema import InputError
        from lineage.stardist import data, model
        from lineage.stardist.network import StarDistConfig
        from lineage.stardist.thresholds import average_precisions
        from lineage.stardist.train import Schedule
        from lineage.stardist.train import train as fit

        torch_device = device_of(device)  # one that is not there is refused before images are read
        pairs, validation = data.split(data.read_folders(images, masks), aside, "validation")
        if not pairs or not validation:
            raise InputError(
                f"{len(pairs) + len(validation)} images, {len(validation)} of them for validation; "
                "give more images or another --aside"
            )
        out.mkdir(parents=True, exist_ok=True)
        config = StarDistConfig(
            unet_n_depth=depth, unet_n_filter_base=filters, unet_batch_norm=True, unshuffle=True, sparse=True
        )
        first = model.load(start, torch_device) if start else None
        if first:
            known = first.network.config
            config = replace(known, unet_n_filter_base=max(known.unet_n_filter_base, filters))
        schedule = Schedule(
            steps=steps,
            batch=batch,
            size=size,
            simulated=simulated,
            learning_rate=learning_rate,
            seed=seed,
            workers=workers,
        )
        with one_line_failures(torch_device):
            trained = fit(
                pairs,
                validation,
                config,
                schedule,
                start=first,
                checkpoint=out / "checkpoint.pt",
                teacher=model.load(teacher, torch_device) if teacher else None,
                device=torch_device,
                log=log,
            )
        scores = {f"AP@{iou}": round(ap, 4) for iou, ap in average_precisions(trained, validation).items()}
        trained.facts.update(
            n_train=len(pairs),
            n_validation=len(validation),
            data_sha256=data.digest(pairs + validation),
            schedule=vars(schedule),
            device=description(device),
            teacher=model.digest(teacher) if teacher else None,
            start=first.facts if first else None,
            validation=scores,
        )
        model.save(trained, out)
        log(f"validation {scores}, thresholds {trained.prob_threshold}, {trained.nms_threshold}: {out}")


@app.command()
def ranges(
    model_dir: Annotated[Path, typer.Argument(help="a model's folder")],
    images: Annotated[Path, typer.Argument(help="folder of TIFF images like those that it will see")],
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Measure the ranges of a model's numbers, so that it may compute in eight bits; `train` does it too."""
    from lineage.progress import Screen

    screen = Screen()
    with one_line_errors(debug=debug), screen.stage("ranges") as progress:
        from dataclasses import replace

        from lineage.schema import InputError
        from lineage.stardist import int8, model
        from lineage.stardist.images import read, tiffs

        given = replace(model.load(str(model_dir), device_of(CPU)), ranges=None)
        given.network.int8 = None  # ranges that are there already are not believed
        if not int8.is_possible(given.network.config):
            raise InputError(f"{model_dir}: a network of this kind does not compute in eight bits")
        paths = tiffs(images)

        def seen() -> Iterator[np.ndarray]:
            for done, path in enumerate(paths):
                yield read(path, given)
                progress(done + 1, len(paths))

        model.save(model.with_ranges(given, seen()), model_dir)
    screen.log(f"ranges of {len(paths)} images: {model_dir / model.CONFIG}")


@app.command()
def predict(
    source: Annotated[Path, typer.Argument(help="a TIFF, or a folder of them")],
    out: Annotated[Path, typer.Argument(help="folder for the label images")],
    model: Annotated[
        str, typer.Option(help="the bundled one, a folder, or a name of StarDist's")
    ] = "sir-dna",
    nucleus_diameter_px: Annotated[
        float | None, typer.Option(min=1, help="of the nuclei; estimated image by image if left out")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes; if left out all cores, or one with a GPU")
    ] = None,
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace labels that are there")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Write one label image for each image, under the same name."""
    from lineage.progress import Screen
    from lineage.stardist.images import label_images
    from lineage.stardist.model import load

    screen = Screen()
    with one_line_errors(debug=debug), screen.stage("predict") as progress:
        load(model, device_of(device))  # an unreadable model is refused before a folder is made
        found = label_images(
            source,
            out,
            model=model,
            nucleus_diameter_px=nucleus_diameter_px,
            workers=workers,
            device=device,
            overwrite=overwrite,
            progress=progress,
        )
    screen.log(f"{found} nuclei: {out}")


if __name__ == "__main__":
    app()
