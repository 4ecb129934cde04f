"""Real movies with masks -> further training images: `python benchmarks/nuclei_real_data.py REAL OUT`.

REAL holds sequences of the Cell Tracking Challenge as `hela02` and `simplus02` (`movie.ome.tif`,
`truth/TRA`). OUT/train, as `benchmarks/nuclei_data.py` leaves it, gets their first two thirds: whole
frames, and squares around every mitosis, since mitotic figures are rare. The last third of each is kept for
the test. Where a mask is a marker, no whole nucleus, both are taken out of the image; and the border is cut
off, where few nuclei are annotated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

LEARNT = 2 / 3  # of the frames
BORDER_PX = {"hela02": 25, "simplus02": 0}
MARKER_PX = 60  # masks below this area are markers
HALO_PX = 9  # around a marker, that its nucleus is taken to reach
AROUND_PX = 96  # half the side of the squares around mitoses
EVERY = {"hela02": 2, "simplus02": 1}  # whole frames


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
    for name, border in BORDER_PX.items():
        folder = args.real / name
        with tifffile.TiffFile(folder / "movie.ome.tif") as movie:
            learnt = int(LEARNT * len(movie.series[0].pages))
            frames = {t: pair(folder, movie, t, border) for t in range(learnt)}
        for t in range(0, learnt, EVERY[name]):
            write(args.out / "train", f"{name}_{t:03d}", *frames[t])
        for t, label in mitoses(folder):
            if t >= learnt or not (frames[t][1] == label).any():
                continue
            image, mask = frames[t]
            middle = np.argwhere(mask == label).mean(axis=0).astype(int)
            box = tuple(slice(max(m - AROUND_PX, 0), m + AROUND_PX) for m in middle)
            write(args.out / "train", f"{name}_{t:03d}_mitosis_{label:03d}", image[box], mask[box])


def write(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """One pair."""
    tifffile.imwrite(folder / "images" / f"{name}.tif", image)
    tifffile.imwrite(folder / "masks" / f"{name}.tif", mask, compression="zlib")


if __name__ == "__main__":
    main()
