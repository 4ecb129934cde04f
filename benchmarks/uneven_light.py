"""What uneven light and a bleaching stain do to a run, and what the correction gives back.

    python benchmarks/uneven_light.py OUT
    python benchmarks/uneven_light.py OUT MOVIE [--truth TRUTH]

Without MOVIE a movie is simulated twice, in even light and in uneven light with a stain that bleaches; both
have the same cells. A movie is run with and without `[light] correct`; segmentation is done once. Movies and
runs in OUT are not made again.

- AP: nuclei at an intersection over union of 0.5, TP / (TP + FP + FN), every tenth frame; with a truth only.
- divisions F1: found within a frame of the true one; with a truth only.
- G1 CV: of the DNA mass of the nuclei in interphase whose true DNA content is that of G1; without that truth,
  of those around the peak of 2N in a fit to the histogram.
- 4N / 2N: the median DNA mass of those with twice as much over that; or where the upper peak lies.
- against even: how the DNA mass of a nucleus spreads over that of the same nucleus in even light, SD of the
  logarithm; of simulated movies only.
- contrast, loss: of the light, as estimated.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from samples import lives, matched

from lineage import config
from lineage.evaluate.inputs import read_run, read_truth
from lineage.evaluate.match import match
from lineage.evaluate.score import score
from lineage.export import graphml
from lineage.io import labels
from lineage.io.run_folder import RunFolder
from lineage.nuclei.light import Light
from lineage.progress import Screen
from lineage.run import run
from lineage.schema import State
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

EVEN = {
    "frames": 289,
    "size": 512,
    "founders": 40,
    "seed": 9100,
    "irradiated_min_before_start": 300,
    "well": 5,
}
UNEVEN = {"vignetting": 0.6, "brightest_at": (0.4, 0.6), "bleaching": 0.95}  # the last by frame 721
COLUMNS = (
    "movie", "correct", "AP", "divisions F1", "G1 CV", "4N / 2N", "against even", "contrast", "loss",
    "normal", "abnormal", "undecided",
)  # fmt: skip
BIN = 0.05  # of the histogram, in doublings
SAME_PX = 1.0  # nuclei of two runs that are nearer are the same
EVERY = 10  # frames


def by_truth(folder: Path, truth: Path, settings: Settings) -> tuple[float, float]:
    """The same as `peaks`, of a simulated movie, by the DNA that each nucleus truly has.

    Args:
        folder: of the run.
        truth: of the movie.
        settings: of the movie.
    """
    nuclei = pd.read_csv(folder / "detections.csv").query("state == 'interphase'").reset_index(drop=True)
    cells, graph = lives(settings), graphml.read(truth / "lineage.graphml")
    tracks = matched(nuclei, RunFolder(folder), truth)
    known = {track: cells[d["simulated_cell"]] for track, d in graph.nodes(data=True)}
    pairs = zip(tracks.tolist(), nuclei["time_min"].tolist(), strict=True)
    dna = np.array([known[track].dna_at(minutes) if track else np.nan for track, minutes in pairs])
    two_n, four_n = (nuclei.loc[np.isclose(dna, content), "dna_mass"] for content in (1, 2))
    return float(two_n.std() / two_n.mean()), float(four_n.median() / two_n.median())


def peaks(nuclei: pd.DataFrame) -> tuple[float, float]:
    """The coefficient of variation of 2N, and the position of 4N over it: a fit to the histogram.

    In logarithms two normal curves as wide as each other, and between them what S phase fills evenly.

    Args:
        nuclei: DETECTION_COLUMNS.
    """
    from scipy.optimize import least_squares
    from scipy.special import ndtr

    interphase = nuclei[(nuclei["state"] == State.INTERPHASE) & (nuclei["dna_mass"] > 0)]
    log2 = np.log2(interphase["dna_mass"].to_numpy())
    edges = np.arange(*np.quantile(log2, [0.002, 0.998]), BIN)
    at, share = edges[:-1] + BIN / 2, np.histogram(log2, edges)[0] / len(log2)

    def rest(of: np.ndarray) -> np.ndarray:
        two_n, apart, width, in_g1, in_g2, in_s = of
        bells = [np.exp(-0.5 * ((at - c) / width) ** 2) for c in (two_n, two_n + apart)]
        between = (ndtr((at - two_n) / width) - ndtr((at - two_n - apart) / width)) / apart
        peaked = (in_g1 * bells[0] + in_g2 * bells[1]) / (width * np.sqrt(2 * np.pi))
        return BIN * (peaked + in_s * between) - share

    bounds = [[log2.min(), 0.7, 0.05, 0, 0, 0], [log2.max(), 1.3, 0.6, 1, 1, 1]]
    starts = np.quantile(log2, [0.1, 0.25, 0.4, 0.55])
    fits = [least_squares(rest, [m, 1, 0.2, 0.4, 0.2, 0.3], bounds=bounds) for m in starts]
    _, apart, width, *_ = min(fits, key=lambda fit: fit.cost).x
    return float(np.sqrt(np.expm1((width * np.log(2)) ** 2))), float(2**apart)


def against(folder: Path, even: Path) -> float:
    """Spread of the log DNA mass of a nucleus over that of the same nucleus in even light, in robust SDs."""
    from scipy.spatial import KDTree

    here, there = (dict(list(pd.read_csv(f / "detections.csv").groupby("frame"))) for f in (folder, even))
    found = []
    for frame in here.keys() & there.keys():
        one, other = here[frame], there[frame]
        places = ["y_px", "x_px"]
        distance, nearest = KDTree(other[places]).query(one[places])
        same = distance < SAME_PX
        pair = [one["dna_mass"].to_numpy()[same], other["dna_mass"].to_numpy()[nearest[same]]]
        found.append(np.log(np.maximum(pair[0], 1)) - np.log(np.maximum(pair[1], 1)))
    ratio = np.concatenate(found)
    return float(1.4826 * np.median(np.abs(ratio - np.median(ratio))))


def average_precision(folder: Path, truth: Path) -> float:
    """At an intersection over union of 0.5."""
    import tifffile
    from stardist.matching import matching

    found = labels.open_array(folder / "labels.zarr", labels.RAW)
    counts = np.zeros(3)
    for t, file in list(enumerate(sorted((truth / "TRA").glob("man_track*.tif"))))[::EVERY]:
        one = matching(tifffile.imread(file), np.asarray(found[t]), thresh=0.5)
        counts += one.tp, one.fp, one.fn
    return float(counts[0] / counts.sum())


def row(
    movie: Path,
    folder: Path,
    truth: Path | None,
    settings: Settings | None,
    even: Path | None,
    *,
    correct: bool,
) -> str:
    """One line of the table.

    Args:
        movie: its path.
        folder: of its run.
        truth: of the movie; None where it is not known.
        settings: of a simulated movie.
        even: the run of the same cells in even light, or None.
        correct: whether the run was corrected.
    """
    record = json.loads((folder / "stages" / "light.json").read_text())
    light = Light.read(record, n_frames=len(record["bleaching"]))
    events = pd.read_csv(folder / "events.csv")
    if truth is not None and settings is not None:
        cv, position = by_truth(folder, truth, settings)
    else:
        cv, position = peaks(pd.read_csv(folder / "detections.csv"))
    scored = ["", ""]
    if truth is not None:
        opened, known = read_run(folder), read_truth(truth)
        divisions = score(opened, known, match(known, opened.tracked)).divisions[1].f1
        scored = [f"{average_precision(folder, truth):.3f}", "" if divisions is None else f"{divisions:.3f}"]
    cells = [
        movie.stem,
        "yes" if correct else "no",
        *scored,
        f"{cv:.3f}",
        f"{position:.2f}",
        "" if even is None else f"{against(folder, even):.3f}",
        f"{light.contrast:.2f}",
        f"{light.loss:.2f}",
        *(str(int((events["verdict"] == name).sum())) for name in ("normal", "abnormal", "undecided")),
    ]
    return f"| {' | '.join(cells)} |"


def runs(movie: Path, out: Path, options: Mapping[str, object], screen: Screen) -> dict[bool, Path]:
    """The run folders without and with correction; nuclei are found once."""
    folders = {False: out / f"{movie.stem}.plain.lineage", True: out / f"{movie.stem}.correct.lineage"}
    for correct, folder in folders.items():
        if correct and not folder.exists():
            shutil.copytree(folders[False], folder)
        run(movie, folder, config.read(None, {**options, "light.correct": correct}), screen=screen)
    return folders


def main() -> None:
    """Simulate, run, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("movie", type=Path, nargs="?")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--dose-gy", type=float, nargs="+", default=[0.0, 4.0], help="of simulated movies")
    parser.add_argument("--pixel-size-um", type=float)
    parser.add_argument("--minutes-per-frame", type=float)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    screen = Screen()
    options = {
        "video.pixel_size_um": args.pixel_size_um,
        "video.minutes_per_frame": args.minutes_per_frame,
    }
    lines = []
    for dose in [] if args.movie else args.dose_gy:
        even = None
        for name, light in (("even", {}), ("uneven", UNEVEN)):
            movie = args.out / f"{name}_{dose:g}Gy.tif"
            settings = Settings(**EVEN, dose_gy=dose, **light)
            if not movie.exists():
                simulate(movie, settings)
            folders = runs(movie, args.out, options, screen)
            even = even or folders[False]
            truth = truth_folder(movie)
            lines += [row(movie, f, truth, settings, even, correct=c) for c, f in folders.items()]
    if args.movie:
        folders = runs(args.movie, args.out, options, screen)
        lines += [row(args.movie, f, args.truth, None, None, correct=c) for c, f in folders.items()]
    print(f"| {' | '.join(COLUMNS)} |\n" + "|---" * len(COLUMNS) + "|", *lines, sep="\n")


if __name__ == "__main__":
    main()
