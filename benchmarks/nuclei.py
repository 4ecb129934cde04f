"""A nucleus model on images with masks that it has not seen: `python benchmarks/nuclei.py IMAGES MASKS`.

Prints StarDist's average precision, pooled over the images, with the size of each image's nuclei estimated from
the image itself, and once more with every image as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lineage.stardist import data, model
from lineage.stardist.train import average_precisions


def main() -> None:
    """Predict, match, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--model", nargs="+", default=[model.BUNDLED])
    args = parser.parse_args()
    pairs = data.read_folders(args.images, args.masks)
    for name in args.model:
        for zoomed in (True, False):
            scores = average_precisions(model.load(name), pairs, zoomed=zoomed)
            cells = " | ".join(f"{score:.3f}" for score in scores.values())
            print(f"| {name} | {len(pairs)} | {'resized' if zoomed else 'as it is'} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
