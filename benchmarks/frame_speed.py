"""CPU time a frame of each step of quality, segmentation and measuring: `python benchmarks/frame_speed.py`.

The frame is the example's, laid side by side to 1024 x 1024. Each step is repeated on one core, and the
shortest CPU time counts, so that what else the machine does matters little. PYTHONPATH chooses the version.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from lineage.nuclei import segment
from lineage.quality import drift, measures
from lineage.stardist import model, normalise, predict, scale

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO = Path(__file__).parents[1] / "examples" / "demo.tif"


def tiled(t: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Phase contrast and DNA of one frame, (size, size) uint8, with noise that differs from tile to tile."""
    pages = np.stack([tifffile.imread(DEMO, key=2 * t + channel) for channel in (0, 1)])
    times = -(-size // pages.shape[1])
    frame = np.tile(pages, (1, times, times))[:, :size, :size]
    noise = np.random.default_rng(0).integers(-1, 2, frame.shape)
    phase, dna = np.clip(frame + noise, 0, 255).astype(np.uint8)
    return phase, dna


def shortest_ms(step: Callable[[], object], repeats: int) -> float:
    """CPU milliseconds of the fastest of some calls, after one that compiles and caches."""
    step()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    phase, dna = tiled(10, args.size)
    network = model.of_this_process(model.BUNDLED)
    thresholds = network.prob_threshold, network.nms_threshold
    candidates = predict.candidates(network, dna)
    labels, probability = predict.draw(candidates, *thresholds)
    told = {"frame": 0, "pixel_size_um": 1.1518, "minutes_per_frame": 10.0, "drift_px": np.zeros(2)}
    view, moved = (drift.prepare([np.roll(c, by, 0) for c in (dna, phase)]) for by in (0, 2))
    steps: dict[str, Callable[[], object]] = {
        "quality: frame measures": lambda: measures.measure(dna),
        "quality: view for the drift": lambda: drift.prepare([dna, phase]),
        "quality: one vote on the drift": lambda: drift.vote(view, moved, np.zeros(2)),
        "normalisation": lambda: normalise.arcsinh(dna),
        "normalisation and network": lambda: predict.candidates(network, dna),
        "the same at half size": lambda: predict.candidates(network, dna, zoom=0.5),
        "suppression and drawing": lambda: predict.draw(candidates, *thresholds),
        "`predict`, size known": lambda: predict.predict(network, dna),
        "`predict`, size not known": lambda: scale.at_own_size(network, dna),
        "measuring the nuclei": lambda: segment.measure(labels, dna, probability, phase=phase, **told),
    }
    print(f"{labels.max()} nuclei, {len(candidates.points)} candidates\n\n| step | CPU ms |\n|---|---|")
    for name, step in steps.items():
        print(f"| {name} | {shortest_ms(step, args.repeats):.1f} |", flush=True)


if __name__ == "__main__":
    main()
