"""Crops -> Predictions. Also `python -m classifier.predict CLIPS --out FILE.csv`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier import checkpoint
from classifier.console import one_line_errors
from classifier.data import normalise, read_clip, resample, tiff_paths
from lineage.schema import InputError, MitosisClass, Predictions, p_abnormal, verdict

if TYPE_CHECKING:
    from classifier.model import MitosisNet
    from lineage.schema import Crops

BUNDLED = Path(__file__).parent / "weights" / "mitosis.safetensors"
COLUMNS = ("clip", "mitosis_class", "p_abnormal", "p_none")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A loaded model. Load it once, classify many batches."""

    model: MitosisNet
    card: checkpoint.Card
    sha256: str

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """One crop's raw numbers, (12, 2, H, W) -> (K,) float32, in the order of `card.classes`.

        The mean over the crop and its three mirror images, as a mitosis has no left or right. Crops go
        through one by one: the result does not depend on what else is in a batch.
        """
        import torch

        crop = torch.from_numpy(normalise(resample(pixels, self.card.side_px)))
        views = torch.stack([crop, crop.flip(-1), crop.flip(-2), crop.flip(-1, -2)])  # (4, 12, 2, H, W)
        with torch.inference_mode():
            logits = self.model(views).mean(0) / self.card.temperature  # (K,)
            logits[self.card.classes.index(MitosisClass.ABNORMAL)] += self.card.offset
        return torch.softmax(logits, dim=0).numpy()

    def summary(self) -> dict[str, Any]:
        """What run.json says about the weights."""
        card = self.card
        return {
            "sha256": self.sha256,
            "version": card.version,
            "classes": list(card.classes),
            "temperature": card.temperature,
            "offset": card.offset,
            "training": card.training,
            "held_out": card.held_out,
            "licence": card.licence,
        }


def load(weights: Path | None = None) -> Classifier:
    """The classifier in a checkpoint, by default the bundled one.

    Raises:
        InputError: no such file, or not one of ours.
    """
    path = weights or BUNDLED
    model, card = checkpoint.load(path)
    return Classifier(model, card, checkpoint.sha256(path))


def classify(crops: Crops, *, classifier: Classifier | None = None) -> Predictions:
    """Tell what kind of division each crop shows.

    Args:
        crops: pixels (N, 12, 2, H, W), the movie's own numbers, any H and W; a channel of zeros is one
            that the movie lacks.
        classifier: loaded once for many batches; by default the bundled one, loaded for this call.

    Returns:
        Predictions, one row a crop, classes as the model's card names them.
    """
    classifier = classifier or load()
    rows = [classifier.probabilities(pixels) for pixels in crops.pixels]
    classes = classifier.card.classes
    probabilities = np.array(rows, np.float32).reshape(-1, len(classes))
    return Predictions(crops.event_ids, probabilities, classes)


def row(path: Path, classifier: Classifier) -> tuple[str, str, str, str]:
    """A clip's line of the table; `p_none` is empty while the model has no such class."""
    classes = classifier.card.classes
    p = classifier.probabilities(read_clip(path))
    abnormal = float(p_abnormal(p[None], classes)[0])
    none = float(p[classes.index(MitosisClass.NONE)]) if MitosisClass.NONE in classes else None
    return path.name, verdict(abnormal, none), f"{abnormal:.4f}", "" if none is None else f"{none:.4f}"


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder of 12-frame TIFF clips, its subfolders included.")],
    out: Annotated[Path, typer.Option(help="Table to write: clip, mitosis_class, p_abnormal, p_none.")],
    model: Annotated[Path | None, typer.Option(help="Checkpoint; by default the bundled one.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the table if it is there.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Classify clips that are already cut."""
    with one_line_errors(debug=debug):
        if out.exists() and not overwrite:
            raise InputError(f"{out} is already there; give another --out or --overwrite")
        classifier = load(model)
        rows = [row(path, classifier) for path in tiff_paths(clips)]
        with out.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        typer.echo(f"{len(rows)} clips -> {out}")


if __name__ == "__main__":
    app()
