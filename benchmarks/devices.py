"""How much results depend on where torch computes: `python benchmarks/devices.py MOVIE OUT`.

Runs a movie on each of `--devices`, of which `float32` is the processor without bfloat16, and compares each
Runs a movie on each of `--devices` (`float32`: the processor without bfloat16), and compares each
the other, cells, events of one kind in one frame, and those with the same verdict.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch

from lineage import config
from lineage.io import labels
from lineage.progress import Screen
from lineage.run import run
from lineage.stardist import network

if TYPE_CHECKING:
    from lineage.io.run_folder import RunFolder

FLOAT32 = "float32"


def made(movie: Path, out: Path, word: str) -> RunFolder:
    """The run folder of a movie on one device; one process, so that it is the only one that is told so."""
    settings = config.read(None, {"device": "cpu" if word == FLOAT32 else word, "segment.workers": 1})
    exact = torch.autocast("cpu", torch.bfloat16, enabled=False)
    if word != FLOAT32:
        return run(movie, out, settings, screen=Screen())
    with patch.object(network, "half_precision", lambda *_, **__: exact):
        return run(movie, out, settings, screen=Screen())


def overlap(one: np.ndarray, other: np.ndarray) -> tuple[int, np.ndarray]:
    """How many labels two images have, and the best IoU of each of the first with one of the second."""
    both = (one > 0) & (other > 0)
    pairs, shared = np.unique(np.stack([one[both], other[both]]), axis=1, return_counts=True)
    a, b = np.bincount(one.ravel()), np.bincount(other.ravel())
    iou = shared / (a[pairs[0]] + b[pairs[1]] - shared)
    best = pd.Series(iou).groupby(pairs[0]).max().to_numpy()
    return int((a[1:] > 0).sum() + (b[1:] > 0).sum()), best


def compared(first: RunFolder, other: RunFolder) -> str:
    """A row of the table."""
    one, two = (labels.open_array(r.labels, labels.RAW) for r in (first, other))
    n, matched, differ, pixels = 0, Counter[float](), 0, 0
    for t in range(one.shape[0]):
        a, b = np.asarray(one[t]), np.asarray(two[t])
        count, iou = overlap(a, b)
        n += count
        differ, pixels = differ + int(((a > 0) != (b > 0)).sum()), pixels + a.size
        matched.update({limit: int((iou >= limit).sum()) for limit in (0.5, 0.9)})
    shares = " | ".join(f"{2 * matched[limit] / max(n, 1):.4f}" for limit in (0.5, 0.9))
    cells = [len(pd.read_csv(r.tracklets)) for r in (first, other)]
    events = [pd.read_csv(r.events, keep_default_na=False) for r in (first, other)]
    kinds = [Counter(zip(e["event_type"], e["frame"], strict=True)) for e in events]
    verdicts = [Counter(zip(e["event_type"], e["frame"], e["verdict"], strict=True)) for e in events]
    same, alike = (2 * (c[0] & c[1]).total() / max(c[0].total() + c[1].total(), 1) for c in (kinds, verdicts))
    return (
        f"{n} | {shares} | {differ / pixels:.5f} | {cells[0]}, {cells[1]} | "
        f"{len(events[0])}, {len(events[1])} | {same:.3f} | {alike:.3f}"
    )


def main() -> None:
    """Run and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("movie", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--devices", default=f"cpu,{FLOAT32}", help="with commas between")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    words = args.devices.split(",")
    runs = [made(args.movie, args.out / f"{word.replace(':', '')}.lineage", word) for word in words]
    names = ("devices", "nuclei of both", "both, IoU 0.5", "IoU 0.9", "pixels that differ", "cells", "events")
    names = (*names, "same", "same verdict")
    print(f"| {' | '.join(names)} |\n{'|---' * len(names)}|")
    for word, other in zip(words[1:], runs[1:], strict=True):
        print(f"| {words[0]}, {word} | {compared(runs[0], other)} |")


if __name__ == "__main__":
    main()
