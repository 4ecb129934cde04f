"""Outlines over the nuclei of a movie, to be looked at: `python benchmarks/outlines.py MOVIE OUT.png`.

One row a model, one column a frame; the square shown is the middle of the field, or as told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

from lineage.stardist import model, normalise
from lineage.stardist.predict import predict
from lineage.video import open_video

ENLARGED = 3  # times


def main() -> None:
    """Predict, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("movie", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[0])
    parser.add_argument("--model", nargs="+", default=[model.BUNDLED])
    parser.add_argument("--corner", type=int, nargs=2, help="y and x of the square's first pixel")
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from skimage.segmentation import find_boundaries

    video = open_video(args.movie)
    y, x = args.corner or [(n - args.side) // 2 for n in video.shape]
    models = [model.load(name) for name in args.model]
    size = (6 * len(args.frames), 6 * len(models))
    figure, axes = plt.subplots(len(models), len(args.frames), figsize=size, squeeze=False)
    enlarge = np.ones((ENLARGED, ENLARGED), np.int32)
    for row, one in zip(axes, models, strict=True):
        for axis, t in zip(row, args.frames, strict=True):
            image = video.frame(t, video.nucleus)
            labels, _ = predict(one, image)
            cut = np.s_[y : y + args.side, x : x + args.side]
            grey = np.kron(np.clip(normalise.arcsinh(image)[cut], 0, 1), enlarge)
            shown = np.repeat(grey[..., None], 3, axis=-1)
            shown[find_boundaries(np.kron(labels[cut], enlarge), mode="inner")] = (1, 0.35, 0)
            axis.imshow(shown)
            axis.set_title(f"frame {t}")
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(args.out, dpi=70)


if __name__ == "__main__":
    main()
