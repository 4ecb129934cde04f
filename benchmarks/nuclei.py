"""A nucleus model on images with masks that it has not seen: `python benchmarks/nuclei.py IMAGES MASKS`.

Prints StarDist's average precision by IoU, pooled over the images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lineage.stardist import data, model
from lineage.stardist.thresholds import IOUS, average_precisions


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
    print(f"| model | images | {' | '.join(f'{iou}' for iou in IOUS)} |")
    for name in args.model:
        scores = average_precisions(model.load(name), pairs)
        print(f"| {name} | {len(pairs)} | {' | '.join(f'{s:.3f}' for s in scores.values())} |", flush=True)


if __name__ == "__main__":
    main()
