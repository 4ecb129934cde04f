"""Which nuclei of simulated movies are found: `python benchmarks/nuclei_recall.py MOVIES`.

MOVIES is a folder of movies with their truths, as `benchmarks/simulated.py` leaves it. A nucleus counts as
found if a label of the model overlaps it by an intersection over union above 0.5, and as covered if a label
covers it by more than half (the rule of the Cell Tracking Challenge) and does so with no other nucleus.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from lineage.nuclei.background import background
from lineage.nuclei.segment import StarDistFinder
from lineage.processes import cores, in_order
from lineage.simulate.movie import truth_folder
from lineage.stardist import model
from lineage.video import open_video

NEAR_FRAMES = 2  # before and after its division a cell counts as dividing
TOUCHING_PX = 2  # two nuclei no further apart than this
CONTRASTS = (0, 0.5, 0.8, 1.25, 2.5, np.inf)  # brightness above background over that of the median nucleus


def one_frame(
    find: StarDistFinder, t: int, image: np.ndarray, mask: np.ndarray, pixel_size_um: float
) -> pd.DataFrame:
    """One row a true nucleus: how bright, whether it touches another, how well found."""
    labels, _ = find(t, image)
    ids, inverse = np.unique(mask, return_inverse=True)
    shared = np.zeros((len(ids), int(labels.max()) + 1))
    np.add.at(shared, (inverse.ravel(), labels.ravel()), 1)
    area, area_found = shared.sum(axis=1), shared.sum(axis=0)
    inner = shared[1:, 1:]
    covered = inner > 0.5 * area[1:, None]
    above = image - background(image, mask, pixel_size_um=pixel_size_um)
    return pd.DataFrame(
        {
            "frame": t,
            "label": ids[1:],
            "brightness": np.bincount(inverse.ravel(), above.ravel())[1:] / area[1:],
            "touches": np.isin(ids[1:], list(_touching(mask))),
            "found": (inner / (area[1:, None] + area_found[1:] - inner) > 0.5).any(axis=1),
            "covered": (covered & (covered.sum(axis=0) == 1)).any(axis=1),
        }
    )


def _touching(mask: np.ndarray) -> set[int]:
    """Labels that lie within `TOUCHING_PX` of another."""
    found: set[int] = set()
    for dy in range(TOUCHING_PX + 1):
        for dx in range(-TOUCHING_PX, TOUCHING_PX + 1):
            here = mask[dy:, max(0, dx) : mask.shape[1] + min(0, dx)]
            there = mask[: mask.shape[0] - dy, max(0, -dx) : mask.shape[1] + min(0, -dx)]
            both = (here > 0) & (there > 0) & (here != there)
            found |= set(here[both]) | set(there[both])
    return found


def one_movie(path: Path, name: str) -> pd.DataFrame:
    """All nuclei of all frames, with what their cell is doing."""
    video, truth = open_video(path), truth_folder(path) / "TRA"
    find = StarDistFinder(name, zoom=1.0)
    tasks = (
        (find, t, video.frame(t, video.nucleus), tifffile.imread(truth / f"man_track{t:03d}.tif"),
         video.pixel_size_um)
        for t in range(video.n_frames)
    )  # fmt: skip
    nuclei = pd.concat(in_order(one_frame, tasks, workers=cores()), ignore_index=True)
    tracks = pd.read_csv(truth / "man_track.txt", sep=" ", names=["label", "first", "last", "parent"])
    nuclei = nuclei.merge(tracks, on="label")
    mothers = set(tracks["parent"]) - {0}
    nuclei["just born"] = (nuclei["parent"] > 0) & (nuclei["frame"] - nuclei["first"] < NEAR_FRAMES)
    nuclei["divides"] = nuclei["label"].isin(mothers) & (nuclei["last"] - nuclei["frame"] < NEAR_FRAMES)
    dividing = nuclei["just born"] | nuclei["divides"]
    nuclei["contrast"] = nuclei["brightness"] / nuclei.loc[~dividing, "brightness"].median()
    return nuclei


def main() -> None:
    """Find, match, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("movies", type=Path)
    parser.add_argument("--model", default=model.BUNDLED)
    args = parser.parse_args()
    paths = sorted(args.movies.glob("*.tif"))
    nuclei = pd.concat([one_movie(path, args.model) for path in paths], ignore_index=True)
    daughters = nuclei["just born"]
    groups = {"all": nuclei.index == nuclei.index}
    for low, high in pairwise(CONTRASTS):
        groups[f"{low} to {high} times the usual brightness"] = nuclei["contrast"].between(low, high)
    groups |= {
        f"mothers in their last {NEAR_FRAMES} frames (mitotic figures)": nuclei["divides"],
        f"daughters in their first {NEAR_FRAMES} frames": daughters,
        "... that touch another nucleus": daughters & nuclei["touches"],
        "other nuclei that touch another": nuclei["touches"] & ~daughters & ~nuclei["divides"],
    }
    print("| nuclei | number | found (IoU above 0.5) | covered, and apart from others |")
    print("|---|---|---|---|")
    for name, which in groups.items():
        group = nuclei[which]
        print(f"| {name} | {len(group)} | {group['found'].mean():.3f} | {group['covered'].mean():.3f} |")


if __name__ == "__main__":
    main()
