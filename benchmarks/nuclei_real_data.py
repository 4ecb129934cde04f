"""Real movies with masks -> further training images: `python benchmarks/nuclei_real_data.py REAL OUT`.

REAL holds sequences of the Cell Tracking Challenge as `hela02` and `simplus02` (`movie.ome.tif`,
`truth/TRA`). OUT/train, as `benchmarks/nuclei_data.py` leaves it, gets their first two thirds: frames, or
quarters of them, and squares around every mitosis, since mitotic figures are rare. The last third of each is
kept for the test. Where a mask is a marker, no whole nucleus, both are taken out of the image; and the border
is cut off, where few nuclei are annotated.

From `mitocheck_cells` it gets single nuclei of two thirds of the plates, most of them mitotic figures. Nobody
drew their masks: the figure is what is brighter than a threshold in the middle of the crop, one object.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Mapping

LEARNT = 2 / 3  # of the frames
BORDER_PX = {"hela02": 25, "simplus02": 0, "psc01": 0}  # that is hardly annotated
MARKER_PX = 60  # masks below this area are markers
HALO_PX = 9  # around a marker, that its nucleus is taken to reach
AROUND_PX = 96  # half the side of the squares around mitoses
EVERY = {"hela02": 2, "simplus02": 1}  # frames
QUARTERED = ("simplus02",)  # each quarter of a frame counts as an image, since there are few
PLATES_ASIDE = 1 / 3
SINGLE = {"Prometaphase": 2, "MetaphaseAlignment": 1, "Metaphase": 1, "Anaphase": 2, "Interphase": 5}  # every
GAP_PX = 4  # between pieces of one figure; and what around a nucleus is its own blur
MIN_PX = 40  # area of what is a nucleus in a crop


def pair(folder: Path, movie: tifffile.TiffFile, t: int, border: int) -> tuple[np.ndarray, np.ndarray]:
    """One frame and its mask, without border and markers."""
    image = movie.series[0].pages[t].asarray()
    mask = tifffile.imread(folder / "truth" / "TRA" / f"man_track{t:03d}.tif")
    inner = tuple(slice(border, n - border) for n in mask.shape)
    return without_markers(image[inner], mask[inner])


def without_markers(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nuclei that have a marker only become background: grey levels drawn from what is background."""
    from scipy.ndimage import binary_dilation

    areas = np.bincount(mask.ravel())
    marker = np.isin(mask, np.flatnonzero((areas > 0) & (areas < MARKER_PX)))
    if not marker.any():
        return image, mask
    others = (mask > 0) & ~marker
    gone = binary_dilation(marker, iterations=HALO_PX) & ~others
    free = ~binary_dilation(mask > 0, iterations=HALO_PX)
    rng = np.random.default_rng(0)
    image = image.copy()
    image[gone] = rng.choice(image[free], int(gone.sum()))
    return image, np.where(marker, 0, mask)


def mitoses(folder: Path) -> list[tuple[int, int]]:
    """Frame and cell of each mother in her last frame, and of one of her daughters in its first."""
    tracks = np.loadtxt(folder / "truth" / "TRA" / "man_track.txt", int).reshape(-1, 4)
    last = {int(label): int(end) for label, _, end, _ in tracks}
    born = {int(parent): (int(first), int(label)) for label, first, _, parent in tracks if parent}
    return [(last[mother], mother) for mother in born] + list(born.values())


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for name, every in EVERY.items():
        folder = args.real / name
        with tifffile.TiffFile(folder / "movie.ome.tif") as movie:
            learnt = int(LEARNT * len(movie.series[0].pages))
            frames = {t: pair(folder, movie, t, BORDER_PX[name]) for t in range(learnt)}
        for t in range(0, learnt, every):
            image, mask = frames[t]
            cuts = quarters(mask.shape) if name in QUARTERED else [np.s_[:, :]]
            for q, cut in enumerate(cuts):
                write(args.out / "train", f"{name}_{t:03d}_{q}", image[cut], mask[cut])
        for t, label in mitoses(folder):
            if t >= learnt or not (frames[t][1] == label).any():
                continue
            image, mask = frames[t]
            middle = np.argwhere(mask == label).mean(axis=0).astype(int)
            box = tuple(slice(max(m - AROUND_PX, 0), m + AROUND_PX) for m in middle)
            write(args.out / "train", f"{name}_{t:03d}_mitosis_{label:03d}", image[box], mask[box])
    with np.load(args.real / "mitocheck_cells" / "mitocheck_cells.npz", allow_pickle=False) as cells:
        for k, kind, crop in learnt_cells(cells):
            write(args.out / "train", f"mitocheck_{k:04d}_{kind}", *single(crop))


def quarters(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """The four of them."""
    y, x = (n // 2 for n in shape)
    return [(rows, columns) for rows in (slice(y), slice(y, None)) for columns in (slice(x), slice(x, None))]


def plate_aside(name: str) -> bool:
    """Whether the plate of a nucleus is kept for the test, by a hash of its name."""
    plate = name.split("--")[0]
    return int(hashlib.sha256(plate.encode()).hexdigest(), 16) % 1000 < 1000 * PLATES_ASIDE


def learnt_cells(cells: Mapping[str, np.ndarray]) -> list[tuple[int, str, np.ndarray]]:
    """Number, class and pixels of the single nuclei that are learned from."""
    every = zip(cells["label"].tolist(), cells["name"].tolist(), cells["crops"], cells["shape"], strict=True)
    return [
        (k, kind, crop[:h, :w])
        for k, (kind, name, crop, (h, w)) in enumerate(every)
        if not plate_aside(name) and k % SINGLE.get(kind, k + 1) == 0
    ]


def single(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A crop around one nucleus -> the crop without what is dimmer beside it, and its mask."""
    from scipy.ndimage import binary_dilation, binary_fill_holes, gaussian_filter
    from skimage.filters import threshold_otsu
    from skimage.measure import label
    from skimage.morphology import closing, disk

    smooth = gaussian_filter(crop.astype(np.float32), 1)
    middle, centre = (
        tuple(slice(n * (k - 1) // (2 * k), n * (k + 1) // (2 * k)) for n in crop.shape) for k in (2, 4)
    )
    low = np.percentile(smooth, 5)
    bright = binary_fill_holes(smooth > low + 0.8 * (threshold_otsu(smooth[middle]) - low))
    pieces = label(bright)
    own = np.isin(pieces, np.setdiff1d(pieces[centre], 0))
    own = binary_fill_holes(closing(np.pad(own, GAP_PX), disk(GAP_PX))[GAP_PX:-GAP_PX, GAP_PX:-GAP_PX])
    pieces = label(bright & ~own)
    mask = np.where(np.bincount(pieces.ravel())[pieces] < MIN_PX, 0, pieces)
    mask[own] = pieces.max() + 1
    free = ~binary_dilation(mask > 0, iterations=GAP_PX)
    darkest = crop[free & (smooth <= np.percentile(smooth[free], 30))]
    image = crop.copy()
    image[free] = np.random.default_rng(0).choice(darkest, int(free.sum()))
    return image, mask.astype(np.uint16)


def write(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """One pair."""
    tifffile.imwrite(folder / "images" / f"{name}.tif", image)
    tifffile.imwrite(folder / "masks" / f"{name}.tif", mask, compression="zlib")


if __name__ == "__main__":
    main()
