"""A world as labels, and what is wrong with a folder of the Cell Tracking Challenge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
import worlds

if TYPE_CHECKING:
    from lineage.schema import Lineage


def paint(lineage: Lineage) -> np.ndarray:
    """(T, Y, X) uint32: each nucleus a square of its cell's number."""
    seen = lineage.detections
    labels = np.zeros((int(seen["frame"].max() if len(seen) else 0) + 1, *worlds.SHAPE), np.uint32)
    for row in seen.itertuples():
        y, x = int(row.y_px), int(row.x_px)
        labels[row.frame, y - 3 : y + 4, x - 3 : x + 4] = row.tracklet_id
    return labels


def ctc_faults(folder) -> list[str]:
    """The challenge's rules, checked without our own code."""
    lines = [tuple(map(int, line.split())) for line in (folder / "res_track.txt").read_text().splitlines()]
    files = sorted(folder.glob("mask*.tif"))
    masks = [tifffile.imread(f) for f in files]
    frames = {label: range(b, e + 1) for label, b, e, _ in lines}
    faults = [f"{f.name} {m.dtype}" for f, m in zip(files, masks, strict=True) if m.dtype != np.uint16]
    faults += [f"{f.name} is not number {t}" for t, f in enumerate(files) if f.stem != f"mask{t:03}"]
    faults += [f"label {label} twice" for label in frames if sum(k[0] == label for k in lines) > 1]
    for t, mask in enumerate(masks):
        if (there := set(np.unique(mask)) - {0}) != {label for label, life in frames.items() if t in life}:
            faults.append(f"frame {t} holds {there}")
    for label, b, e, p in lines:
        if not 0 < label <= 65535 or b > e:
            faults.append(f"line {label} {b} {e} {p}")
        if p and (p not in frames or frames[p].stop > b):
            faults.append(f"{label} begins at {b}, before its parent {p} ends")
    return faults
