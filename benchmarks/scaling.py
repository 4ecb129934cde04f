"""What a run costs against frames, nuclei and events: `python benchmarks/scaling.py OUT`.

The example, laid side by side and played forth and back (`stages.make`), becomes longer (`--frames`, at
1024 x 1024) and larger (`--sizes`, 60 frames each). Each movie is run from nothing in processes of its own.
*Memory* is the peak of what all processes hold, shared pages in equal parts, looked at every half second. The
exponent is that of seconds against what grows, fitted to the logarithms: 1 is in proportion.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plate_scaling
from stages import make

SIDE, SHORT = 1024, 60  # of longer movies; of larger ones


@dataclass(frozen=True)
class Row:
    """A movie, and what its run took."""

    frames: int
    side: int
    nuclei: int
    events: int
    seconds: float
    computing_s: float
    memory_gb: float
    stages: dict[str, float]


def run(out: Path, frames: int, side: int) -> Row:
    """Make a movie and take it through a run."""
    folder = out / f"movie_{frames}_{side}"
    movie = folder.with_suffix(".ome.tif")
    if not movie.exists():
        make(movie, frames, side)
    command = [sys.executable, "-m", "lineage.run", str(movie), "--out", str(folder), "--overwrite"]
    took = plate_scaling.measured(command)
    stages = json.loads((folder / "run.json").read_text(encoding="utf-8"))["stages"]
    return Row(
        frames,
        side,
        len(pd.read_csv(folder / "detections.csv", usecols=["frame"])),
        len(pd.read_csv(folder / "events.csv", usecols=["event_id"])),
        *took,
        {name: stage["seconds"] for name, stage in stages.items()},
    )


def exponent(x: list[float], y: list[float]) -> float:
    """B of y = a x**b."""
    return float(np.polyfit(np.log(x), np.log(np.maximum(y, 1e-2)), 1)[0])


def table(rows: list[Row], grows: str) -> list[str]:
    """A column a movie; the last says how each row grows with `grows`."""
    against = [float(getattr(row, grows)) for row in rows]
    lines = [
        f"| | {' | '.join(f'{r.frames} frames of {r.side} x {r.side}' for r in rows)} | exponent, {grows} |",
        "|---|" + "---|" * (len(rows) + 1),
    ]

    def line(name: str, values: list[float], shown: str) -> None:
        cells = " | ".join(format(v, shown) for v in values)
        lines.append(f"| {name} | {cells} | {exponent(against, values):.2f} |")

    for name, shown in (("nuclei", ",.0f"), ("events", ",.0f"), ("seconds", ".1f"), ("computing_s", ".0f")):
        line(name, [getattr(r, name) for r in rows], shown)
    line("memory, GB", [r.memory_gb for r in rows], ".2f")
    for stage in rows[0].stages:
        line(f"{stage}, s", [r.stages[stage] for r in rows], ".1f")
    return lines


def main() -> None:
    """Run all movies and print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=plate_scaling.numbers, default=[SHORT, 240, 721])
    parser.add_argument("--sizes", type=plate_scaling.numbers, default=[512, SIDE, 1448])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    plate_scaling.LOOK_EVERY_S = 0.5
    plate_scaling.adopt()
    done: dict[tuple[int, int], Row] = {}
    for grows, movies in (
        ("frames", [(n, SIDE) for n in args.frames]),
        ("nuclei", [(SHORT, side) for side in args.sizes]),
    ):
        for movie in movies:
            if movie not in done:
                done[movie] = run(args.out, *movie)
                print(f"{movie}: {done[movie].seconds:.1f} s", file=sys.stderr, flush=True)
        if len(movies) > 1:
            print("\n".join(table([done[movie] for movie in movies], grows)) + "\n", flush=True)


if __name__ == "__main__":
    main()
