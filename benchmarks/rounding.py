"""Round cells told from flat ones: `python benchmarks/rounding.py MOVIES [--runs RUNS]`.

MOVIES is a folder of simulated movies with their truths, as `benchmarks/simulated.py` leaves it: nuclei are
those of the truth's masks, rounded are living cells of a roundness above 0.7, flat ones below 0.1. RUNS is a
folder of real movies `*.tif` with their run folders beside them; there, nothing says which cells are round,
and condensed chromatin (2.2 times as bright as the movie's interphase nuclei, against less than 1.0) stands
in for it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import tifffile

from lineage.nuclei.rounding import rounding
from lineage.simulate.course import condition
from lineage.simulate.dish import area_ratio
from lineage.simulate.movie import truth_folder
from lineage.simulate.population import grow
from lineage.simulate.settings import Settings
from lineage.simulate.truth import CELL
from lineage.video import open_video

ROUND, FLAT = 0.7, 0.1
CONDENSED, USUAL = 2.2, 1.0
MIN_PX = 15  # of a nucleus; a smaller one is hidden or leaves the field


def simulated(path: Path, every: int) -> pd.DataFrame:
    """`movie, rounding, is_round` of the nuclei of every `every`-th frame that are either round or flat."""
    from skimage.measure import regionprops_table

    video, truth = open_video(path), truth_folder(path)
    settings = Settings(**json.loads((truth / "settings.json").read_text()))
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed).spawn(3)[0])
    founders = round(settings.founders * area_ratio(settings))
    cells = {cell.cell_id: cell for cell in grow(rng, settings, founders=founders)}
    nodes = nx.read_graphml(truth / "lineage.graphml").nodes(data=CELL)
    cell_of = {int(label): cells[cell] for label, cell in nodes}
    frames = []
    for t in range(0, video.n_frames, every):
        minutes = t * settings.minutes_per_frame
        mask = tifffile.imread(truth / "TRA" / f"man_track{t:03d}.tif").astype(int)
        nuclei = pd.DataFrame(regionprops_table(mask, properties=("label", "centroid", "area")))
        nuclei = nuclei[nuclei["area"] >= MIN_PX]
        places = nuclei[["centroid-0", "centroid-1"]].to_numpy()
        found = rounding(video.frame(t, video.phase), places, pixel_size_um=video.pixel_size_um)
        of = [cell_of[label] for label in nuclei["label"]]
        roundness = np.array([condition(cell, minutes).roundness for cell in of])
        living = np.array([minutes < cell.dying_min for cell in of], bool)
        frames.append(_either(path, found, living & (roundness > ROUND), living & (roundness < FLAT)))
    return pd.concat(frames)


def real(path: Path) -> pd.DataFrame:
    """The same of a real movie, by condensation."""
    video = open_video(path)
    nuclei = pd.read_csv(path.with_suffix(".lineage") / "detections.csv")
    frames = []
    for t, there in nuclei.groupby("frame"):
        places = there[["y_px", "x_px"]].to_numpy()
        found = rounding(video.frame(t, video.phase), places, pixel_size_um=video.pixel_size_um)
        condensation = there["condensation"].to_numpy()
        frames.append(_either(path, found, condensation > CONDENSED, condensation < USUAL))
    return pd.concat(frames)


def _either(path: Path, found: np.ndarray, is_round: np.ndarray, is_flat: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"movie": path.stem, "rounding": found, "is_round": is_round})
    return table[is_round | is_flat]


def area_under_curve(table: pd.DataFrame) -> float:
    """The chance that a round cell's measure is above a flat one's."""
    ranks = table["rounding"].rank()[table["is_round"]]
    n, m = table["is_round"].sum(), (~table["is_round"]).sum()
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def report(name: str, table: pd.DataFrame) -> None:
    """One line of the table."""
    table = table.reset_index(drop=True)
    flat, rounded = (table.loc[table["is_round"] == which, "rounding"] for which in (False, True))
    spans = [f"{np.median(x):.2f} ({x.quantile(0.05):.2f}, {x.quantile(0.95):.2f})" for x in (flat, rounded)]
    print(
        f"| {name} | {len(flat)} | {len(rounded)} | {spans[0]} | {spans[1]} | {area_under_curve(table):.3f} |"
    )


def milliseconds(n: int = 200, side: int = 1024) -> float:
    """Of one frame."""
    rng = np.random.default_rng(0)
    image, places = rng.integers(0, 255, (side, side)).astype(np.uint8), rng.uniform(0, side - 1, (n, 2))
    took = []
    for _ in range(20):
        start = time.perf_counter()
        rounding(image, places, pixel_size_um=1.1518)
        took.append(time.perf_counter() - start)
    return 1000 * float(np.median(took))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("movies", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--every", type=int, default=6, help="of the simulated frames")
    args = parser.parse_args()
    print("| movie | flat | rounded | rounding of flat: median (5 %, 95 %) | of rounded | AUC |")
    print("|---|---|---|---|---|---|")
    paths = sorted(path for path in args.movies.glob("*.tif") if truth_folder(path).is_dir())
    tables = [simulated(path, args.every) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        report(path.stem, table)
    report("all simulated", pd.concat(tables))
    if args.runs:
        tables = [real(p) for p in sorted(args.runs.glob("*.tif")) if p.with_suffix(".lineage").is_dir()]
        report("real, by condensation", pd.concat(tables))
    print(f"\n{milliseconds():.1f} ms a frame of 1024 x 1024 with 200 nuclei")


if __name__ == "__main__":
    main()
