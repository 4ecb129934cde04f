"""Real dying nuclei in real clips, called `none`? `python benchmarks/dying_nuclei.py CLIPS REAL OUT`.

REAL/mitocheck_cells holds single nuclei. The apoptoses of two thirds of the plates are written to OUT/learnt,
for `classifier.train --dying`, those of the others to OUT/left_out. Neighbours of the clips' mitoses die as
the latter do (`classifier.dying`), and the classifier says what it sees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile
from nuclei_real_data import plate_aside

from classifier import predict
from classifier.data import find_clips
from classifier.decoys import crop_around, quiet_window
from classifier.dying import dies, read_pictures
from classifier.pixels import PIXEL_UM, VIEW_PX, read_clip
from lineage.schema import Crops

MITOCHECK_UM = 0.645  # a pixel
EACH = 4  # deaths of a neighbour


def write_pictures(real: Path, out: Path) -> None:
    """The apoptoses, by plate, as TIFF."""
    with np.load(real / "mitocheck_cells" / "mitocheck_cells.npz", allow_pickle=False) as cells:
        for k in np.flatnonzero(cells["label"] == "Apoptosis").tolist():
            folder = out / ("left_out" if plate_aside(str(cells["name"][k])) else "learnt")
            folder.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(
                folder / f"{k:04d}.tif",
                cells["crops"][k],
                imagej=True,
                resolution=(1 / MITOCHECK_UM, 1 / MITOCHECK_UM),
                metadata={"unit": "um"},
            )


def main() -> None:
    """Write, lay in, ask."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--classifier", type=Path, default=None)
    args = parser.parse_args()
    write_pictures(args.real, args.out)
    pictures = read_pictures(args.out / "left_out")
    rng = np.random.default_rng(0)
    calm, dying = [], []
    for clip in find_clips(args.clips):
        pixels = read_clip(clip.path)
        if (window := quiet_window(pixels)) is not None:
            y, x, side = window
            calm.append(crop_around(pixels, y + side // 2, x + side // 2))
            dying += [dies(calm[-1], pictures, rng) for _ in range(EACH)]
    classifier = predict.load(args.classifier)
    print("| neighbours | number | called none | normal | abnormal |\n|---|---|---|---|---|")
    for name, crops in (("calm", calm), ("dying", dying)):
        n = len(crops)
        given = Crops(np.arange(n), np.stack(crops), np.full(n, VIEW_PX * PIXEL_UM), ("",) * n)
        found = predict.classify(given, classifier=classifier)
        shares = [float((found.probabilities.argmax(1) == k).mean()) for k in range(len(found.classes))]
        by = dict(zip(found.classes, shares, strict=True))
        print(f"| {name} | {n} | {by['none']:.3f} | {by['normal']:.3f} | {by['abnormal']:.3f} |")


if __name__ == "__main__":
    main()
