"""Crops -> Predictions. Also `python -m classifier.predict CLIPS_OR_RUN --out FILE.csv`."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier import checkpoint
from classifier.data import tiff_paths
from classifier.measures import measures, time_summary
from classifier.pixels import PIXEL_UM, normalised, pixel_size, read_clip
from lineage.console import one_line_errors
from lineage.device import AUTO, CPU, HELP, computing, device_of
from lineage.io.integrity import check, read_record
from lineage.io.spreadsheets import guarded
from lineage.progress import Screen
from lineage.schema import CROP_FRAMES, InputError, MitosisClass, Predictions, mitosis_class, p_abnormal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.forest import Forest
    from classifier.model import Network
    from lineage.schema import Crops

BUNDLED = Path(__file__).parent / "weights" / "mitosis.safetensors"
PROGRESS_AFTER_S = 2.0
COLUMNS = ("clip", "mitosis_class", "p_abnormal", "p_none")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A loaded checkpoint. Load it once, classify many batches."""

    models: list[Network]
    forest: Forest | None
    card: checkpoint.Card
    sha256: str = ""
    device: str = CPU  # where `models` are, as `lineage.device.device_of` knows it

    def network_input(self, pixels: np.ndarray, pixel_size_um: float = PIXEL_UM) -> np.ndarray:
        """A crop, (T, 2, H, W) -> what the networks take: measures, (T, F), or pixels, (12, C, S, S)."""
        if self.takes_measures:
            return measures(pixels, pixel_size_um, device=self.device)
        shown = pixels[:CROP_FRAMES]
        return normalised(shown, side_px=self.card.side_px, normalisation=self.card.normalisation["name"])

    @property
    def takes_measures(self) -> bool:
        """Whether the networks take measures, (T, F), of films of any length, instead of pixels."""
        return not self.card.side_px

    def probabilities(self, pixels: np.ndarray, pixel_size_um: float = PIXEL_UM) -> np.ndarray:
        """Classify one crop.

        Networks are averaged; where they take pixels, over the crop and its three mirror images too, since
        a mitosis has no left or right. Where there is DNA to measure, the forest counts too. Crops are
        classified one by one, so that a result does not depend on the others.

        Args:
            pixels: (T, 2, H, W), channels (phase, DNA), raw intensities; networks that take pixels see the
                first 12 frames.
            pixel_size_um: side of a pixel; by default that of the paper's clips.

        Returns:
            (K,) float32, in the order of `card.classes`.
        """
        import torch

        from classifier.learn import probabilities

        x = self.network_input(pixels, pixel_size_um)
        device = device_of(self.device)
        with computing(device):
            seen = torch.from_numpy(x)[None].to(device)
            by_networks = probabilities(self.models, seen, mirrored=True).cpu().numpy()
        rows = x if self.takes_measures else None
        if rows is None and self.forest:
            rows = measures(pixels, pixel_size_um, device=self.device)
        return calibrated(by_networks, self.forest_probability(rows), self.card)[0]

    def forest_probability(self, rows: np.ndarray | None) -> np.ndarray | None:
        """(T, F) measures -> (1,) the forest's probability of abnormal; None without a forest or DNA."""
        if self.forest is None or rows is None or not rows.any():
            return None
        return self.forest.p_abnormal(time_summary(rows)[None])

    def summary(self) -> dict[str, Any]:
        """What run.json records of the weights."""
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
    """Combine and calibrate probabilities.

    Args:
        rows: (N, K) of the networks, in the order of `card.classes`.
        forest: (N,) the forest's of abnormal; None without a forest or without DNA.
        card: has the calibrations.

    Returns:
        (N, K) float32, rows sum to 1.
    """
    classes = card.classes
    calibration = card.without_dna if forest is None else card.calibration
    p = calibration.calibrated(p_abnormal(rows, classes), forest)
    found = rows.astype(np.float32)
    normal, abnormal = classes.index(MitosisClass.NORMAL), classes.index(MitosisClass.ABNORMAL)
    mitosis = np.ones(len(rows), np.float32)
    if MitosisClass.NONE in classes:
        none = classes.index(MitosisClass.NONE)
        found[:, none] = card.none.calibrated(rows[:, none])
        mitosis -= found[:, none]
    found[:, normal], found[:, abnormal] = mitosis * (1 - p), mitosis * p
    return found


def load(weights: Path | None = None, device: str = AUTO) -> Classifier:
    """Load a checkpoint.

    Args:
        weights: its file; the bundled one if None.
        device: as `lineage.device.device_of` knows it.

    Raises:
        InputError: no such file, no checkpoint of this software, or no such device.
    """
    path = weights or BUNDLED
    models, forest, card = checkpoint.load(path)
    place = device_of(device)
    with computing(place):
        models = [model.to(place) for model in models]
    return Classifier(models, forest, card, checkpoint.sha256(path), device)


def classify(crops: Crops, *, classifier: Classifier | None = None) -> Predictions:
    """Classify the mitosis that each crop shows.

    Args:
        crops: pixels (N, T, 2, H, W), raw intensities, any H and W, and their sides in micrometres; a
            channel that the movie lacks is zeros.
        classifier: by default the bundled one, loaded for this call.

    Returns:
        Predictions, one row a crop, in the classes of the model's card.
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
    return path.name, mitosis_class(abnormal, none), f"{abnormal:.4f}", "" if none is None else f"{none:.4f}"


def rows_of(paths: Sequence[Path], classifier: Classifier) -> list[tuple[str, str, str, str]]:
    """The table's lines; how far it is goes to stderr, where it takes longer than two seconds."""
    rows = []
    with Screen(stderr=True, after_s=PROGRESS_AFTER_S).stage("classify") as progress:
        for path in paths:
            rows.append(row(path, classifier))
            progress(len(rows), len(paths))
    return rows


def clips_folder(clips_or_run: Path) -> Path:
    """The folder that holds the clips; of a run folder its crops, which are checked for damage first."""
    if not (clips_or_run / "run.json").is_file():
        return clips_or_run
    check(clips_or_run, read_record(clips_or_run), clips_or_run / "crops")
    return clips_or_run / "crops"


@app.command()
def main(
    clips_or_run: Annotated[
        Path,
        typer.Argument(help="Folder of TIFF clips of 12 to 24 frames, with its subfolders, or a run folder."),
    ],
    out: Annotated[Path, typer.Option(help="Table to write: clip, mitosis_class, p_abnormal, p_none.")],
    model: Annotated[Path | None, typer.Option(help="Checkpoint; by default the bundled one.")] = None,
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    overwrite: Annotated[bool, typer.Option(help="Replace the table if it is there.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Classify clips that are already cut."""
    with one_line_errors(debug=debug, stopped="nothing was written"):
        if out.exists() and not overwrite:
            raise InputError(f"{out} is already there; give another --out or --overwrite")
        classifier = load(model, device)
        rows = rows_of(tiff_paths(clips_folder(clips_or_run)), classifier)
        with out.open("w", newline="", encoding="utf-8") as file:
            shown = ([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
            csv.writer(file).writerows([COLUMNS, *shown])
        typer.echo(f"{len(rows)} clips -> {out}")


if __name__ == "__main__":
    app()
