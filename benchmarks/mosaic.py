"""Whole movies of real mitoses: `python benchmarks/mosaic.py CLIPS OUT_STEM [SEED]`.

The paper's 12-frame clips (RGB: green is phase, red minus green is SiR-DNA) are laid on the tiles of a
1024 x 1024 field, each starting at a random frame; before and after, its first and last frame stand still
under fresh noise. OUT_STEM_00.tif (TCYX uint8) has its truth in OUT_STEM_00.csv.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import distance_transform_edt

TILE, GRID, SIZE, FRAMES, CLIP = 146, 7, 1024, 26, 12
PHASE_LEVEL, DNA_LEVEL = 100.0, 6.0
PIXEL_UM, MINUTES = 1.1518, 10.0
COLUMNS = ("clip", "class", "first_frame", "stop_frame", "y0_px", "x0_px", "height_px", "width_px")


def decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Phase and SiR-DNA, each (12, H, W) float32."""
    rgb = tifffile.imread(path).astype(np.float32)
    return rgb[..., 1], np.clip(rgb[..., 0] - rgb[..., 1], 0, None)


def centre(pixels: np.ndarray) -> np.ndarray:
    """At most a tile of it."""
    cut = [slice(max(0, (n - TILE) // 2), max(0, (n - TILE) // 2) + min(n, TILE)) for n in pixels.shape[1:]]
    return pixels[:, cut[0], cut[1]]


def main(clips_dir: str, stem: str, seed: int = 0) -> None:
    """Lay all clips, 49 a movie."""
    rng = np.random.default_rng(int(seed))
    folders = (("normal", "NormalMitosis"), ("abnormal", "AbnormalMitosis"))
    clips = sorted((p, c) for c, folder in folders for p in Path(clips_dir, folder).glob("*.tif"))
    clips = [clips[i] for i in rng.permutation(len(clips))]
    n = GRID * GRID
    for k in range(0, len(clips), n):
        movie = np.empty((FRAMES, 2, SIZE, SIZE), np.float32)
        movie[:, 0], movie[:, 1] = PHASE_LEVEL, DNA_LEVEL
        rows = []
        for j, (path, kind) in enumerate(clips[k : k + n]):
            phase, dna = (centre(a) for a in decode(path))
            phase = np.clip(phase - np.median(phase) + PHASE_LEVEL, 0, 255)
            low, high = np.percentile(dna, (5, 99.7))
            dna = np.clip((dna - low) * np.clip(170 / max(high - low, 1), 0.5, 4) + DNA_LEVEL, 0, 255)
            h, w = phase.shape[1:]
            y, x = (j // GRID) * TILE + (TILE - h) // 2, (j % GRID) * TILE + (TILE - w) // 2
            inside = np.zeros((h + 2, w + 2), bool)
            inside[1:-1, 1:-1] = True
            alpha = np.clip(distance_transform_edt(inside)[1:-1, 1:-1] / 6, 0, 1)
            start = int(rng.integers(4, FRAMES - CLIP - 4))
            for t in range(FRAMES):
                i = int(np.clip(t - start, 0, CLIP - 1))
                for c, (a, level) in enumerate(((phase, PHASE_LEVEL), (dna, DNA_LEVEL))):
                    movie[t, c, y : y + h, x : x + w] = level + alpha * (a[i] - level)
            rows.append((path.name, kind, start, start + CLIP, y, x, h, w))
        movie += rng.normal(0, 1.5, movie.shape)
        out = f"{stem}_{k // n:02d}"
        tifffile.imwrite(
            out + ".tif", np.clip(movie, 0, 255).astype(np.uint8), imagej=True,
            resolution=(1 / PIXEL_UM, 1 / PIXEL_UM),
            metadata={"axes": "TCYX", "unit": "micron", "finterval": MINUTES * 60, "spacing": PIXEL_UM},
        )  # fmt: skip
        with open(out + ".csv", "w", newline="") as f:
            csv.writer(f).writerows([COLUMNS, *rows])
        print(out, len(rows), movie.shape)


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
