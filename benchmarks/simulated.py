"""The whole chain on simulated movies by dose: `python benchmarks/simulated.py OUT`.

For each cell line and dose a day of a field is simulated, beginning when the delayed mitoses begin, the
pipeline is run on it, and all are scored together and by dose: OUT/evaluation.html. Movies and runs that are
there are not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lineage import config
from lineage.command import default_out
from lineage.evaluate.evaluate import evaluate
from lineage.progress import Screen
from lineage.run import run
from lineage.simulate.movie import simulate
from lineage.simulate.settings import CellLine, Settings

DOSES_GY = (0, 4, 10)
SEEDS = {
    line: 100 * (k + 1) for k, line in enumerate(CellLine)
}  # not those of the example or of any training


def settings(line: CellLine, dose: int, frames: int, size: int) -> Settings:
    """Of one movie."""
    return Settings(
        frames=frames,
        size=size,
        founders=round(50 * (size / 512) ** 2),
        cell_line=line,
        dose_gy=dose,
        irradiated_min_before_start=75 * dose,
        well=dose + 1,
        seed=SEEDS[line] + dose,
    )


def main() -> None:
    """Simulate, run, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=145)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--classifier", type=Path, help="by default the bundled one")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    screen = Screen()
    told = config.read(None, {"classify.model": args.classifier} if args.classifier else {})
    for line in CellLine:
        for dose in DOSES_GY:
            movie = args.out / f"{line}_{dose}Gy.tif"
            if not movie.exists():
                with screen.stage(movie.stem) as progress:
                    simulate(
                        movie,
                        settings(line, dose, args.frames, args.size),
                        progress=lambda t, progress=progress: progress(t + 1, args.frames),  # type: ignore[misc]
                    )
            run(movie, default_out(movie), told, screen=screen)
    evaluate(args.out, args.out, out=args.out / "evaluation.html", overwrite=True, screen=screen)


if __name__ == "__main__":
    main()
