"""Time an event and peak memory of the bundled classifier: `python benchmarks/classifier_speed.py`."""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from classifier.predict import load

EVENTS = 8


def main() -> None:
    """Load, judge, print; the events are noise with two bright bodies, which take as long as any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    classifier = load()
    pixels = np.random.default_rng(0).normal(100, 2, (12, 2, 96, 96)).astype(np.float32)
    pixels[:, 1, 40:50, 30:40] += 70
    pixels[:, 1, 40:50, 56:66] += 70
    seconds = []
    for _ in range(EVENTS):
        began = time.perf_counter()
        classifier.probabilities(pixels)
        seconds.append(time.perf_counter() - began)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{np.median(seconds):.2f} s an event at the median of {EVENTS}, {min(seconds):.2f} at best, "
        f"{args.threads} threads, {peak_mb:.0f} MB at the peak"
    )


if __name__ == "__main__":
    main()
