"""Phases of the cell cycle from FUCCI against the simulator's: `python benchmarks/fucci.py OUT`.

OUT keeps the movies. Nuclei are taken from the true masks, and found by `sir-dna`; a nucleus that was found
is the true one that has most of its pixels. Of each true cell, the beginning of S phase is compared as well.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import lineage
from lineage.io.tiff import read_image
from lineage.signal_courses import s_phase_from
from lineage.simulate.fucci import CHANNELS
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.settings import Settings

SEEDS = (21, 22, 23)
PHASES = ("G1", "S/G2/M")


def movie(out: Path, seed: int) -> Path:
    """A movie of 20 hours, made if it is not there."""
    path = out / f"fucci{seed}.tif"
    settings = Settings(
        frames=120, size=360, founders=24, cycle_hours=12, dose_gy=2, seed=seed, fucci=True,
        irradiated_min_before_start=600,
    )  # fmt: skip
    if not path.exists():
        simulate(path, settings)
    return path


def true_labels(nuclei: lineage.api.Nuclei, truth: Path) -> pd.Series:
    """Of each nucleus, the true label of most of its pixels; 0 for background."""
    found = pd.Series(0, index=nuclei.table.index)
    for t, rows in nuclei.table.groupby("frame"):
        own, true = np.asarray(nuclei.labels[int(t)]), read_image(truth / "TRA" / f"man_track{t:03d}.tif")
        inside = own > 0
        counts = pd.Series(1, index=[own[inside], true[inside]]).groupby(level=[0, 1]).sum()
        most = counts.groupby(level=0).idxmax().map(lambda pair: pair[1])
        found.loc[rows.index] = rows["label"].map(most).to_numpy(int)
    return found


def compared(path: Path, *, from_masks: bool) -> pd.DataFrame:
    """The nuclei of a movie, with the true phase beside the found one."""
    truth = truth_folder(path)
    if from_masks:
        nuclei = lineage.from_masks(truth / "TRA", movie=path, fucci=CHANNELS, quiet=True)
    else:
        nuclei = lineage.segment(path, fucci=CHANNELS, quiet=True)
    for warning in nuclei.warnings:
        print(f"{path.name}: {warning}")
    table = nuclei.table.assign(true_label=true_labels(nuclei, truth)).fillna({"phase": ""})
    true = pd.read_csv(truth / "phases.csv").rename(columns={"label": "true_label", "phase": "true_phase"})
    return table.merge(true, on=["frame", "true_label"]).assign(movie=path.name)


def s_phase_errors(table: pd.DataFrame) -> np.ndarray:
    """Hours by which the beginning of S phase is found too late, of each cell that is seen to begin it."""
    errors = []
    for _, cell in table.sort_values("frame").groupby(["movie", "true_label"]):
        true = s_phase_from(cell.assign(phase=cell["true_phase"]))
        errors.append((s_phase_from(cell) - true) / 60)
    return np.array(errors)[np.isfinite(errors)]


def main(out: Path) -> None:
    """Print a row for masks and for the segmentation, all movies together."""
    out.mkdir(parents=True, exist_ok=True)
    movies = [movie(out, seed) for seed in SEEDS]
    print(
        "| nuclei from | nuclei | with a phase | of these right | G1 called S/G2/M | S/G2/M called G1 | "
        "cells | S begins, h late (quartiles) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for from_masks in (True, False):
        table = pd.concat([compared(path, from_masks=from_masks) for path in movies])
        told = table[table["phase"] != ""]
        wrong = [(told.loc[told["true_phase"] == true, "phase"] != true).mean() for true in PHASES]
        late = s_phase_errors(table)
        quartiles = ", ".join(f"{q:.1f}" for q in np.quantile(late, [0.25, 0.5, 0.75]))
        right = (told["phase"] == told["true_phase"]).mean()
        print(
            f"| {'true masks' if from_masks else 'sir-dna'} | {len(table)} | {len(told) / len(table):.3f} | "
            f"{right:.3f} | {wrong[0]:.3f} | {wrong[1]:.3f} | {len(late)} | {quartiles} |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
