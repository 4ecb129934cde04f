"""Invented clips: a few pixels, all that the classifier's data have in form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path


def rgb_clip(seed: int, side: int = 20) -> np.ndarray:
    """(12, side, side, 3) uint8: dim phase noise, one bright body in red that parts at frame 4."""
    rng = np.random.default_rng(seed)
    rgb = np.repeat(rng.integers(90, 110, (12, side, side, 1), dtype=np.uint8), 3, axis=3)
    for t in range(12):
        gap = 0 if t < 4 else 3
        rgb[t, 9:12, 8 - gap : 11 - gap, 0] += 60
        rgb[t, 9:12, 9 + gap : 12 + gap, 0] += 60
    return rgb


def clips_folder(root: Path, names: dict[str, list[str]]) -> Path:
    """A folder as the paper publishes it, with one invented clip a name."""
    seed = 0
    for folder, stems in names.items():
        (root / folder).mkdir(parents=True)
        for stem in stems:
            tifffile.imwrite(root / folder / f"{stem}.tif", rgb_clip(seed), photometric="rgb")
            seed += 1
    return root


def small_folder(root: Path) -> Path:
    """Three normal and two abnormal clips of four fields."""
    normal = ["N_160930.nd2_PC3_0Gy_p2_1_12", "N_160930.nd2_PC3_0Gy_p2_9_20", "2Gy_p2-2_43-54"]
    return clips_folder(root, {"NormalMitosis": normal, "AbnormalMitosis": ["10Gy_p1_425", "8Gy_p3_2"]})
