"""`python -m lineage.stardist train IMAGES MASKS --out MODEL_DIR`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path  # noqa: TC003
from typing import Annotated

import typer
from rich import print as say

from lineage.console import one_line_errors

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """StarDist in torch."""


@app.command()
def train(
    images: Annotated[Path, typer.Argument(help="folder of TIFF images")],
    masks: Annotated[Path, typer.Argument(help="folder of instance masks under the same names")],
    out: Annotated[Path, typer.Option(help="folder for the checkpoint and the model")],
    steps: Annotated[int, typer.Option(min=100, help="training steps")] = 6000,
    filters: Annotated[int, typer.Option(min=4, help="filters of the first U-Net level")] = 24,
    simulated: Annotated[float, typer.Option(min=0, max=1, help="share of simulated fields")] = 0.5,
    aside: Annotated[float, typer.Option(min=0.01, max=0.5, help="share of images for validation")] = 0.15,
    seed: Annotated[int, typer.Option(help="seed of everything random")] = 0,
    learning_rate: Annotated[float, typer.Option(min=0, help="highest learning rate")] = 1e-3,
    start: Annotated[Path | None, typer.Option(help="a model of the same shape to start from")] = None,
) -> None:
    """Train on images with masks and on simulated fields; a second start goes on from the checkpoint."""
    from lineage.stardist import data, model
    from lineage.stardist.network import StarDistConfig
    from lineage.stardist.train import average_precision
    from lineage.stardist.train import train as fit

    with one_line_errors(debug=False):
        pairs, validation = data.split(data.read_folders(images, masks), aside)
    out.mkdir(parents=True, exist_ok=True)
    config = StarDistConfig(unet_n_filter_base=filters, net_conv_after_unet=4 * filters)
    checkpoint = out / "checkpoint.pt"
    trained = fit(
        pairs, validation, config, checkpoint, steps=steps, simulated=simulated, seed=seed,
        learning_rate=learning_rate, start=model.load(start) if start else None, say=say,
    )  # fmt: skip
    scores = {f"AP@{iou}": round(average_precision(trained, validation, iou), 4) for iou in (0.5, 0.7, 0.9)}
    digest = hashlib.sha256(b"".join(p.image.tobytes() + p.mask.tobytes() for p in pairs)).hexdigest()
    trained.facts.update(
        n_train=len(pairs), n_validation=len(validation), data_sha256=digest, steps=steps, seed=seed,
        simulated=simulated, validation=scores, started_from=model.load(start).facts if start else None,
    )  # fmt: skip
    model.save(trained, out / "nuclei.safetensors")
    say(f"validation {json.dumps(scores)}, thresholds {trained.prob_threshold}, {trained.nms_threshold}")


if __name__ == "__main__":
    app()
