"""Simulated mitoses cut as the paper's clips are: `python benchmarks/simulated_clips.py OUT --seed 1`.

Movies of both cell lines at the clips' doses are simulated, and around each mitosis a square of 12 frames is
cut, an RGB composite as the paper publishes them: green and blue are phase, red is phase and SiR-DNA. OUT
gets NormalMitosis/ and AbnormalMitosis/, with names that `classifier.train` and `classifier.evaluate` read
(the "date" is the seed), and `clips.csv` with the subtype of each. Lagging chromatin and micronuclei go to
Unseen/: at 1.15 um a pixel an expert sees next to nothing of them, and would have labelled them normal.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
import tifffile
from scipy.ndimage import find_objects

from lineage.schema import CROP_FRAMES
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.settings import CellLine, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

DOSES_GY = (0, 2, 4, 8, 10, 15)
# Index of the first separated frame, or of the first blebs: median and spread as in the clips.
SEPARATION = {CellLine.PC3: (1.3, 0.8), CellLine.U251: (4.0, 2.3)}
BLEBS = (7.0, 2.0)
MARGIN_PX, MIN_PX, MAX_PX = 14, 50, 162
FOLDER = {"normal": "NormalMitosis", "abnormal": "AbnormalMitosis"}
UNSEEN = {"lagging_chromatin": "Unseen", "micronuclei": "Unseen"}
COLUMNS = ("clip", "class", "subtype", "cell_line", "dose_gy", "index", "side_px")


def kin(tree: nx.DiGraph, mother: int) -> set[int]:
    """The mother, her daughters, and what fused daughters became."""
    daughters = set(tree.successors(mother))
    fused = {c for d in daughters for c in tree.successors(d) if tree.in_degree(c) > 1}
    return {mother} | daughters | fused


def square(masks: np.ndarray, cells: set[int]) -> tuple[int, int, int]:
    """y0, x0 and side of the square around some cells in all frames; it may reach beyond the image."""
    boxes = [box for frame in masks for k, box in enumerate(find_objects(frame), 1) if box and k in cells]
    y0, y1 = min(b[0].start for b in boxes), max(b[0].stop for b in boxes)
    x0, x1 = min(b[1].start for b in boxes), max(b[1].stop for b in boxes)
    side = int(np.clip(max(y1 - y0, x1 - x0) + 2 * MARGIN_PX, MIN_PX, MAX_PX))
    return (y0 + y1 - side) // 2, (x0 + x1 - side) // 2, side


def composite(phase: np.ndarray, dna: np.ndarray) -> np.ndarray:
    """(12, H, W) twice -> (12, H, W, 3) uint8."""
    red = np.clip(phase.astype(np.int16) + dna, 0, 255).astype(np.uint8)
    return np.stack([red, phase, phase], axis=-1)


def clips(movie: Path, rng: np.random.Generator) -> Iterator[tuple[dict[str, object], np.ndarray]]:
    """Every mitosis whose two hours and whose square lie within the movie."""
    truth = truth_folder(movie)
    settings = Settings.model_validate_json((truth / "settings.json").read_text())
    pixels = tifffile.imread(movie)
    masks = [tifffile.imread(f) for f in sorted((truth / "TRA").glob("*.tif"))]
    tree = nx.read_graphml(truth / "lineage.graphml", node_type=int)
    for event in pd.read_csv(truth / "events.csv").itertuples():
        middle, spread = BLEBS if event.subtype == "death_in_mitosis" else SEPARATION[settings.cell_line]
        index = int(np.clip(round(rng.normal(middle, spread)), 0, 10))
        first = event.frame - index
        if first < 0 or first + CROP_FRAMES > settings.frames:
            continue
        frames = slice(first, first + CROP_FRAMES)
        y, x, side = square(np.stack(masks[frames]), kin(tree, event.mother_id))
        if min(y, x) < 0 or max(y, x) + side > settings.size:
            continue
        film = pixels[frames, :, y : y + side, x : x + side]
        line = "U251c" if settings.cell_line is CellLine.U251 else "PC3"
        letter = event.mitosis_class[0].upper()
        name = (
            f"{letter}_{settings.seed:06d}.nd2_{line}_{settings.dose_gy:g}Gy_p{settings.position}_{first + 1}"
        )
        row = dict.fromkeys(COLUMNS) | {
            "clip": name,
            "class": event.mitosis_class,
            "subtype": event.subtype,
            "cell_line": str(settings.cell_line),
            "dose_gy": settings.dose_gy,
            "index": index,
            "side_px": side,
        }
        yield row, composite(film[:, 0], film[:, 1])


def main() -> None:
    """Simulate, cut, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--positions", type=int, default=2, help="movies of a cell line and dose")
    parser.add_argument("--frames", type=int, default=150)
    args = parser.parse_args()
    for folder in (*FOLDER.values(), "Unseen"):
        (args.out / folder).mkdir(parents=True)
    rng = np.random.default_rng(args.seed)
    rows, taken, n_movies = [], Counter(), 0
    for line in CellLine:
        for dose in DOSES_GY:
            for position in range(1, args.positions + 1):
                settings = Settings(
                    frames=args.frames,
                    size=420,
                    founders=int(rng.integers(20, 80)),
                    dose_gy=dose,
                    irradiated_min_before_start=75 * dose,  # so that the delayed mitoses are in the movie
                    cell_line=line,
                    experiment=args.seed,
                    well=dose + 1,
                    position=position,
                    seed=1000 * args.seed + n_movies,
                    focus_drift_um=1.5,
                )
                n_movies += 1
                movie = args.out / "movie.tif"
                simulate(movie, settings, overwrite=True)
                for row, film in clips(movie, rng):
                    taken[row["clip"]] += 1
                    if taken[row["clip"]] > 1:
                        row["clip"] = f"{row['clip']} ({taken[row['clip']]})"
                    folder = UNSEEN.get(str(row["subtype"]), FOLDER[str(row["class"])])
                    path = args.out / folder / f"{row['clip']}.tif"
                    tifffile.imwrite(path, film, imagej=True, metadata={"axes": "TYXS", "finterval": 600})
                    rows.append(row)
                print(f"{line} {dose} Gy, position {position}: {len(rows)} clips so far", flush=True)
    with (args.out / "clips.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
