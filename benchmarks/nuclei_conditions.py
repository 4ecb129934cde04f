"""Dim, noisy, bright, sparse and crowded images, nuclei of 8 to 120 px: does a fixed threshold break?

    python benchmarks/nuclei_conditions.py REAL --model sir-dna

REAL holds `hela02`; of the last third of its frames every sixth is taken, which
`benchmarks/nuclei_real_data.py` keeps from the training, without border and markers. Each condition is made
of them. The numbers are average precisions at an intersection over union of 0.5: with the model's own
threshold, with each of a row of others, and by how much the best of them would be better.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from nuclei_real_data import BORDER_PX, LEARNT, pair
from scipy.ndimage import zoom
from stardist.matching import matching_dataset

from lineage.stardist import model
from lineage.stardist.data import median_diameter_px
from lineage.stardist.predict import predict
from lineage.stardist.scale import diameter_px, zoom_of

if TYPE_CHECKING:
    from lineage.stardist.model import Model

PROBABILITIES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
EVERY = 6  # frames
SIDE = 512  # of the square that is shown, pixels
SPARSE = 3  # nuclei that a sparse field has
DIAMETERS_PX = (8, 12, 20, 40, 80, 120)
IOU = 0.5

Pair = tuple[np.ndarray, np.ndarray]
Change = Callable[[np.ndarray, np.ndarray, np.random.Generator], Pair]


def counted(part: float, offset: float = 100) -> Change:
    """Photons counted by a camera, of a signal that has this many of them in a usual nucleus's pixel."""

    def change(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
        low = np.percentile(image, 5)
        signal = np.clip(image - low, 0, None) / max(np.median(image[mask > 0]) - low, 1) * part
        return rng.poisson(offset + signal).astype(np.uint16), mask

    return change


def saturated(image: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> Pair:
    """Every nucleus of usual brightness or more is white."""
    low, high = np.percentile(image, 1), np.median(image[mask > 0])
    return np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8), mask


def coarse(image: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> Pair:
    """A usual nucleus is ten grey levels above the background."""
    low = np.percentile(image, 1)
    return np.round((image - low) / (np.median(image[mask > 0]) - low) * 10 + 5).astype(np.uint16), mask


def hazy(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Light that is not even, as strong as half of a usual nucleus."""
    patches = zoom(rng.random((5, 5)), np.array(image.shape) / 5, order=3)
    return image + 0.5 * (np.median(image[mask > 0]) - np.percentile(image, 5)) * patches, mask


def sparse(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Three nuclei; where the others were is background."""
    from scipy.ndimage import binary_dilation

    kept = np.isin(mask, rng.choice(np.unique(mask[mask > 0]), SPARSE, replace=False))
    gone = ~binary_dilation(kept, iterations=6)
    free = ~binary_dilation(mask > 0, iterations=6)
    image = image.copy()
    image[gone] = rng.choice(image[free], int(gone.sum()))
    return image, np.where(kept, mask, 0)


def overgrown(most: float) -> Change:
    """The field laid over itself, turned: nuclei of which at most this part is hidden are added."""

    def change(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
        low = np.percentile(image, 5)
        out, seen, n = image.copy(), mask.copy(), int(mask.max())
        for k in range(1, 4):
            layer, own = np.rot90(image, k), np.rot90(mask, k)
            free = np.ones(n + 1, bool)
            hit = np.bincount(own[seen > 0], minlength=n + 1) / np.maximum(np.bincount(own.ravel()), 1)
            free[hit > most] = False
            free[0] = False
            laid = free[own] & (seen == 0)
            out = np.where(laid, np.maximum(out, layer), out)
            seen = np.where(laid, own + k * n, seen)
        return np.maximum(out, low), seen

    return change


def sized(diameter: float) -> Change:
    """Resized so that the nuclei have this diameter; of large ones a smaller part of the field is shown."""

    def change(image: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> Pair:
        factor = diameter / median_diameter_px(mask)
        side = min(SIDE, round(1600 / factor))
        image, mask = image[:side, :side], mask[:side, :side]
        return zoom(image.astype(np.float32), factor, order=1), zoom(mask, factor, order=0)

    return change


CONDITIONS: dict[str, Change] = {
    "as it is": lambda image, mask, _: (image, mask),
    "100 photons": counted(100),
    "30 photons": counted(30),
    "15 photons": counted(15),
    "saturated": saturated,
    "10 grey levels": coarse,
    "hazy": hazy,
    "3 nuclei": sparse,
    "overgrown": overgrown(0.2),
    **{f"{d} px": sized(d) for d in DIAMETERS_PX},
}


def score(network: Model, images: Sequence[np.ndarray], masks: Sequence[np.ndarray], size: float) -> float:
    """Average precision."""
    found = [predict(network, image, zoom=size)[0] for image in images]
    return float(matching_dataset(list(masks), found, thresh=IOU, show_progress=False).accuracy)


def main() -> None:
    """Change, predict, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path)
    parser.add_argument("--model", nargs="+", default=[model.BUNDLED])
    args = parser.parse_args()
    folder = args.real / "hela02"
    with tifffile.TiffFile(folder / "movie.ome.tif") as movie:
        n = len(movie.series[0].pages)
        frames = [pair(folder, movie, t, BORDER_PX["hela02"]) for t in range(round(LEARNT * n), n, EVERY)]
    frames = [(image[:SIDE, :SIDE], mask[:SIDE, :SIDE]) for image, mask in frames]
    print(f"| model | condition | own | {' | '.join(map(str, PROBABILITIES))} | better by |")
    print("|---" * (len(PROBABILITIES) + 4) + "|")
    for name in args.model:
        network = model.load(name)
        for condition, change in CONDITIONS.items():
            rng = np.random.default_rng(0)
            images, masks = zip(*(change(*frame, rng) for frame in frames), strict=True)
            size = zoom_of(network, diameter_px(network, images))
            own, *others = (
                score(replace(network, prob_threshold=p), images, masks, size)
                for p in (network.prob_threshold, *PROBABILITIES)
            )
            cells = [name, condition, *(f"{s:.3f}" for s in (own, *others, max(own, *others) - own))]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
