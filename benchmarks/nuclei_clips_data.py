"""Clips of SiR-DNA without masks -> training images: `python benchmarks/nuclei_clips_data.py MOSAICS OUT`.

MOSAICS holds movies made of clips (`benchmarks/mosaic.py`) that are not tested on. Their haze is what other
training images lack; the masks are those of two models, since nobody drew any. OUT/train, as
`benchmarks/nuclei_data.py` leaves it, gets a square of each clip, at one of its frames, and tiles with the
black around them, in which a network may take a whole square for a nucleus.

The outlines are those of CAREFUL, which draws none into haze. Where it draws a part of a figure that WHOLE,
trained on real mitotic figures, draws whole, and what it leaves out is about as bright as what it takes,
WHOLE's is taken; so are the figures that it alone finds, if they are as bright as nuclei are. Squares
without a nucleus are kept: empty haze.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from nuclei_real_data import write

from lineage.progress import Screen
from lineage.stardist import model
from lineage.stardist.predict import predict

if TYPE_CHECKING:
    from lineage.stardist.model import Model

AS_BRIGHT = 0.7  # of the part that is drawn, above the background around
LARGEST = 2.5  # times the part's area: a whole figure
TILE_FRAMES = 7, 13, 19  # of which every other tile is shown with what is around it
TILE_PX = 88  # half the side of that
SEAM_PX = 5  # where a clip fades into the mosaic
INTO = 2, 4, 9  # the frame of clip j: first + (step * j) % number into it


def agreed(image: np.ndarray, careful: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The outlines of `careful`, completed by those of `whole`.

    Args:
        image: (Y, X) grey levels.
        careful: (Y, X) labels.
        whole: (Y, X) labels.
    """
    masks = careful.copy()
    background = float(np.percentile(image, 20))
    usual = float(np.median(image[careful > 0])) - background if careful.any() else np.inf
    for label in np.unique(whole[whole > 0]):
        of_whole = whole == label
        parts = np.setdiff1d(careful[of_whole], 0)
        drawn = np.isin(careful, parts) & of_whole
        left = of_whole & (careful == 0)
        if len(parts):
            inside = drawn.sum() > 0.7 * np.isin(careful, parts).sum()
            part_of_it = 0.25 * drawn.sum() < left.sum() < (LARGEST - 1) * drawn.sum()
            bright = part_of_it and _above(image, left, background) > AS_BRIGHT * _above(
                image, drawn, background
            )
            taken = inside and bright
        else:
            taken = _above(image, left, background) > usual
        if taken:
            masks[np.isin(careful, parts)] = 0
            masks[of_whole] = careful.max() + label
    return masks


def _above(image: np.ndarray, where: np.ndarray, background: float) -> float:
    """How much brighter than the background it is there."""
    return float(image[where].mean()) - background


def write_tiles(
    out: Path,
    movie: str,
    t: int,
    frame: np.ndarray,
    clips: list[dict[str, str]],
    careful: Model,
    whole: Model,
) -> None:
    """Every other tile of a frame, with the black around it and parts of its neighbours."""
    outlines = [predict(m, frame)[0] for m in (careful, whole)]
    mask = np.zeros(frame.shape, np.int32)
    squares = [[int(c[n]) for n in ("y0_px", "x0_px", "height_px", "width_px")] for c in clips]
    for y, x, h, w in squares:
        cut = np.s_[y : y + h, x : x + w]
        drawn = agreed(frame[cut], *(one[cut] for one in outlines))
        mask[cut] = np.where(drawn > 0, drawn + mask.max(), 0)
    for j, (y, x, h, w) in enumerate(squares):
        if (j + t) % 2 == 0:
            middle = y + h // 2, x + w // 2
            cut = tuple(slice(max(m - TILE_PX, 0), m + TILE_PX) for m in middle)
            write(out, f"tile_{movie}_{j:02d}_{t:02d}", frame[cut], mask[cut].astype(np.uint16))


def main() -> None:
    """Find, agree, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mosaics", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--careful", default=model.BUNDLED)
    parser.add_argument("--whole", required=True)
    args = parser.parse_args()
    careful, whole = (model.load(name) for name in (args.careful, args.whole))
    movies = sorted(args.mosaics.glob("*.tif"))
    with Screen().stage("clips") as progress:
        for k, movie in enumerate(movies):
            frames = tifffile.imread(movie)[:, 1]
            with movie.with_suffix(".csv").open(newline="") as f:
                clips = list(csv.DictReader(f))
            drawn: dict[int, tuple[np.ndarray, ...]] = {}
            for j, c in enumerate(clips):
                y, x, h, w = (int(c[n]) for n in ("y0_px", "x0_px", "height_px", "width_px"))
                cut = np.s_[y + SEAM_PX : y + h - SEAM_PX, x + SEAM_PX : x + w - SEAM_PX]
                first, step, of = INTO
                t = int(c["first_frame"]) + first + step * j % of
                drawn[t] = drawn.get(t) or tuple(predict(m, frames[t])[0] for m in (careful, whole))
                image, *outlines = (a[cut] for a in (frames[t], *drawn[t]))
                name = f"clip_{movie.stem}_{j:02d}_{t:02d}"
                write(args.out / "train", name, image, agreed(image, *outlines).astype(np.uint16))
            for t in TILE_FRAMES:
                write_tiles(args.out / "train", movie.stem, t, frames[t], clips, careful, whole)
            progress(k + 1, len(movies))


if __name__ == "__main__":
    main()
