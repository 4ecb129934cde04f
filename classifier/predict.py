"""Crops -> Predictions. Also `python -m classifier.predict CLIPS_OR_RUN --out FILE.csv`."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier import checkpoint
from classifier.console import one_line_errors
from classifier.data import tiff_paths
from classifier.measures import course, measures
from classifier.pixels import PIXEL_UM, pixel_size, read_clip, shown
from lineage.io.integrity import check, read_record
from lineage.schema import InputError, MitosisClass, Predictions, p_abnormal, verdict

if TYPE_CHECKING:
    from classifier.forest import Forest
    from classifier.model import Network
    from lineage.schema import Crops

BUNDLED = Path(__file__).parent / "weights" / "mitosis.safetensors"
COLUMNS = ("clip", "mitosis_class", "p_abnormal", "p_none")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A loaded checkpoint. Load it once, classify many batches."""

    models: list[Network]
    forest: Forest | None
    card: checkpoint.Card
    sha256: str = ""

    def network_input(self, pixels: np.ndarray, pixel_size_um: float = PIXEL_UM) -> np.ndarray:
        """What the networks take of a crop, (12, 2, H, W): its measures, (12, F), or (12, C, S, S)."""
        if self.takes_measures:
            return measures(pixels, pixel_size_um)
        return shown(pixels, side=self.card.side_px, normalisation=self.card.normalisation["name"])

    @property
    def takes_measures(self) -> bool:
        """Whether the networks are shown measures, (12, F), and no pixels."""
        return not self.card.side_px

    def probabilities(self, pixels: np.ndarray, pixel_size_um: float = PIXEL_UM) -> np.ndarray:
        """Tell what one crop shows.

        The mean over the networks; where they look at pixels, over the crop and its three mirror images, as a
        mitosis has no left or right. Where there is DNA to measure, the forest is heard as well. Crops go
        through one by one: the result does not depend on what else is in a batch.

        Args:
            pixels: (12, 2, H, W), channels (phase, DNA), the movie's own numbers.
            pixel_size_um: side of a pixel; by default that of the paper's clips.

        Returns:
            (K,) float32, in the order of `card.classes`.
        """
        import torch

        from classifier.learn import probabilities

        given = self.network_input(pixels, pixel_size_um)
        found = probabilities(self.models, torch.from_numpy(given)[None], mirrored=True).numpy()
        rows = given if self.takes_measures else measures(pixels, pixel_size_um) if self.forest else None
        return calibrated(found, self.trees(rows), self.card)[0]

    def trees(self, rows: np.ndarray | None) -> np.ndarray | None:
        """(1,) the forest's probability of abnormal from (12, F); None without a forest or without DNA."""
        if self.forest is None or rows is None or not rows.any():
            return None
        return self.forest.p_abnormal(course(rows)[None])

    def summary(self) -> dict[str, Any]:
        """What run.json says about the weights."""
        card = self.card
        return {
            "sha256": self.sha256,
            "version": card.version,
            "model": card.model,
            "members": card.members,
            "classes": list(card.classes),
            "calibration": asdict(card.calibration),
            "training": card.training,
            "held_out": card.held_out,
            "licence": card.licence,
        }


def calibrated(rows: np.ndarray, forest: np.ndarray | None, card: checkpoint.Card) -> np.ndarray:
    """(N, K) of the networks and (N,) of the forest -> (N, K) float32, calibrated."""
    classes = card.classes
    by = card.without_dna if forest is None else card.calibration
    p = by.calibrated(p_abnormal(rows, classes), forest)
    found = rows.astype(np.float32)
    normal, abnormal = classes.index(MitosisClass.NORMAL), classes.index(MitosisClass.ABNORMAL)
    mitosis = np.ones(len(rows), np.float32)
    if MitosisClass.NONE in classes:
        none = classes.index(MitosisClass.NONE)
        found[:, none] = card.none.calibrated(rows[:, none])
        mitosis -= found[:, none]
    found[:, normal], found[:, abnormal] = mitosis * (1 - p), mitosis * p
    return found


def load(weights: Path | None = None) -> Classifier:
    """The classifier in a checkpoint, by default the bundled one.

    Raises:
        InputError: no such file, or not one of ours.
    """
    path = weights or BUNDLED
    return Classifier(*checkpoint.load(path), checkpoint.sha256(path))


def classify(crops: Crops, *, classifier: Classifier | None = None) -> Predictions:
    """Tell what kind of division each crop shows.

    Args:
        crops: pixels (N, 12, 2, H, W), the movie's own numbers, any H and W, and their sides in micrometres;
            a channel of zeros is one that the movie lacks.
        classifier: loaded once for many batches; by default the bundled one, loaded for this call.

    Returns:
        Predictions, one row a crop, classes as the model's card names them.
    """
    classifier = classifier or load()
    sizes = crops.side_um / crops.pixels.shape[-1]
    rows = [classifier.probabilities(p, float(s)) for p, s in zip(crops.pixels, sizes, strict=True)]
    classes = classifier.card.classes
    probabilities = np.array(rows, np.float32).reshape(-1, len(classes))
    return Predictions(crops.event_ids, probabilities, classes)


def row(path: Path, classifier: Classifier) -> tuple[str, str, str, str]:
    """A clip's line of the table; `p_none` is empty where the model has no such class."""
    classes = classifier.card.classes
    p = classifier.probabilities(read_clip(path), pixel_size(path))
    abnormal = float(p_abnormal(p[None], classes)[0])
    none = float(p[classes.index(MitosisClass.NONE)]) if MitosisClass.NONE in classes else None
    return path.name, verdict(abnormal, none), f"{abnormal:.4f}", "" if none is None else f"{none:.4f}"


def clips_of(clips_or_run: Path) -> Path:
    """The folder that the clips lie in: of a run folder its crops, once it is known that they are whole."""
    if not (clips_or_run / "run.json").is_file():
        return clips_or_run
    check(clips_or_run, read_record(clips_or_run), clips_or_run / "crops")
    return clips_or_run / "crops"


@app.command()
def main(
    clips_or_run: Annotated[
        Path, typer.Argument(help="Folder of 12-frame TIFF clips, its subfolders included, or a run folder.")
    ],
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
        paths = tiff_paths(clips_of(clips_or_run))
        rows = [row(path, classifier) for path in paths]
        with out.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        typer.echo(f"{len(rows)} clips -> {out}")


if __name__ == "__main__":
    app()
