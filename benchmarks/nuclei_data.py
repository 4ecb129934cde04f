"""What the bundled nucleus model learns from, and is tested on: `python benchmarks/nuclei_data.py DSB OUT`.

DSB is the folder of StarDist's Data Science Bowl training pairs (`images`, `masks`). OUT/test gets about 15 %
of them, by a hash of their names; OUT/train gets the others and frames of simulated movies of both cell
lines, at three doses and two magnifications, a frame every four hours.
"""

from __future__ import annotations

import argparse
import shutil
from itertools import product
from pathlib import Path

import tifffile

from lineage.progress import Screen
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.settings import CellLine, Settings
from lineage.stardist import data

ASIDE = 0.15
DOSES_GY = (0, 4, 10)
PIXEL_SIZES_UM = (1.1518, 0.65)
EVERY = 4  # frames, here hours
FIRST_SEED = 4000  # no other benchmark's, nor the example's


def movies() -> dict[str, Settings]:
    """The simulated movies by name."""
    every = product(CellLine, DOSES_GY, PIXEL_SIZES_UM)
    return {
        f"sim{k:02d}": Settings(
            frames=40,
            size=512,
            founders=round(60 * (pixel / PIXEL_SIZES_UM[0]) ** 2),
            cell_line=line,
            dose_gy=dose,
            pixel_size_um=pixel,
            minutes_per_frame=60,
            seed=FIRST_SEED + k,
        )
        for k, (line, dose, pixel) in enumerate(every)
    }


def main() -> None:
    """Share out the real pairs, draw the simulated ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dsb", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    parts = {
        (part, kind): args.out / part / kind for part in ("train", "test") for kind in ("images", "masks")
    }
    for folder in parts.values():
        folder.mkdir(parents=True, exist_ok=True)
    learnt, tested = data.split(data.read_folders(args.dsb / "images", args.dsb / "masks"), ASIDE)
    for part, pairs in (("train", learnt), ("test", tested)):
        for pair in pairs:
            for kind in ("images", "masks"):
                shutil.copy(args.dsb / kind / f"{pair.name}.tif", parts[part, kind])
    screen = Screen()
    with screen.stage("simulate") as progress:
        for k, (name, settings) in enumerate(movies().items()):
            movie = args.out / f"{name}.tif"
            simulate(movie, settings, overwrite=True)
            frames = tifffile.imread(movie)[:, 1]
            for t in range(0, len(frames), EVERY):
                tifffile.imwrite(parts["train", "images"] / f"{name}_{t:02d}.tif", frames[t])
                mask = tifffile.imread(truth_folder(movie) / "TRA" / f"man_track{t:03d}.tif")
                tifffile.imwrite(parts["train", "masks"] / f"{name}_{t:02d}.tif", mask, compression="zlib")
            progress(k + 1, len(movies()))


if __name__ == "__main__":
    main()
