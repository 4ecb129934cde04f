"""Time and peak memory of each stage: `python benchmarks/stages.py OUT --frames 100 --size 1024`.

The movie is the example's, laid side by side and played forth and back until it is as large and as long.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO = Path(__file__).parents[1] / "examples" / "demo.tif"


def make(path: Path, n_frames: int, size: int) -> None:
    """Write the movie, a frame at a time."""
    demo = tifffile.imread(DEMO)
    times = -(-size // demo.shape[2])
    forth_and_back = [*range(len(demo)), *range(len(demo) - 2, 0, -1)]
    rng = np.random.default_rng(0)

    def pages() -> Iterator[np.ndarray]:
        for t in range(n_frames):
            frame = np.tile(demo[forth_and_back[t % len(forth_and_back)]], (1, times, times))[:, :size, :size]
            yield from np.clip(frame + rng.integers(-1, 2, frame.shape), 0, 255).astype(np.uint8)

    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm", "TimeIncrementUnit": "min"}
    sizes = {"PhysicalSizeX": 1.1518, "PhysicalSizeY": 1.1518, "TimeIncrement": 10.0}
    channels = {"Channel": {"Name": ["phase", "SiR-DNA"]}}
    tifffile.imwrite(
        path, pages(), shape=(n_frames, 2, size, size), dtype=np.uint8, ome=True, bigtiff=True,
        metadata={"axes": "TCYX", **units, **sizes, **channels},
    )  # fmt: skip


def main() -> None:
    """Make the movie, run it in a process of its own, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=int, default=1024)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folder = args.out / f"movie_{args.frames}_{args.size}"
    movie = folder.with_suffix(".ome.tif")
    make(movie, args.frames, args.size)
    run = [sys.executable, "-m", "lineage.run", str(movie), "--out", str(folder), "--overwrite"]
    subprocess.run(run, check=True)
    stages = json.loads((folder / "run.json").read_text())["stages"]
    print("| stage | seconds | a frame | peak memory so far, MB |\n|---|---|---|---|")
    for name, stage in stages.items():
        seconds = stage["seconds"]
        print(f"| {name} | {seconds} | {seconds / args.frames:.3f} | {stage['peak_memory_mb']} |")


if __name__ == "__main__":
    main()
