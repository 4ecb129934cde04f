"""A small run to look at and correct: eight nuclei, drawn, one of which divides; made in a second or two."""

from pathlib import Path

import movies
import numpy as np
import tifffile

from lineage.config import Config
from lineage.progress import Screen
from lineage.run import run

FRAMES, SIDE, DIVIDES_AT = 16, 160, 8
PLACES = [(30, 30), (30, 80), (30, 130), (80, 30), (80, 80), (80, 130), (130, 30), (130, 130)]


def write_run(folder: Path) -> Path:
    """The movie, its masks, and the run of both."""
    masks = np.stack([_mask(t) for t in range(FRAMES)]).astype(np.uint16)
    rng = np.random.default_rng(5)
    dna = np.where(masks > 0, 900, 100) + rng.normal(0, 20, masks.shape)
    dna[DIVIDES_AT - 2 : DIVIDES_AT][masks[DIVIDES_AT - 2 : DIVIDES_AT] == 5] += 1500
    pixels = np.stack([rng.normal(500, 20, masks.shape), dna], axis=1).astype(np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    movie = folder / "drawn.tif"
    tifffile.imwrite(
        movie, pixels, imagej=True, resolution=(1, 1),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 600, "Labels": ["phase", "SiR-DNA"] * FRAMES},
    )  # fmt: skip
    tifffile.imwrite(folder / "masks.tif", masks)
    out = folder / "drawn.lineage"
    run(movie, out, Config(labels=folder / "masks.tif"), screen=Screen(quiet=True))
    return out


def _mask(t: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), int)
    for label, (y, x) in enumerate(PLACES, 1):
        y += 0.3 * t
        if label != 5:
            mask[movies.disc(mask.shape, y, x, 8)] = label
        elif t < DIVIDES_AT - 2:
            mask[movies.disc(mask.shape, y, x, 9)] = label
        elif t < DIVIDES_AT:
            mask[movies.disc(mask.shape, y, x, 6)] = label
        else:
            apart = 8 + 0.5 * (t - DIVIDES_AT)
            mask[movies.disc(mask.shape, y, x - apart, 6)] = 5
            mask[movies.disc(mask.shape, y, x + apart, 6)] = 9
    return mask
