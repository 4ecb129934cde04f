"""Simulated movies -> their nuclei and what each truly is, for `benchmarks/fit_likelihoods.py`.

Some are segmented as `lineage.run` would; others are drawn as nuclei alone, with a segmentation's mistakes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from lineage import config
from lineage.export import graphml
from lineage.io import labels
from lineage.io.files import read_table
from lineage.io.run_folder import RunFolder
from lineage.schema import NUCLEUS_COLUMNS, State
from lineage.simulate.course import SHRINKING_MIN, breaks_up_min
from lineage.simulate.dish import area_ratio
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings
from lineage.video import open_video

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from synthetic.detections import detect, imperfect

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from lineage.progress import Screen
    from lineage.simulate.cells import Cell

SEEDS = {line: 1000 * (k + 1) for k, line in enumerate(CellLine)}
TELOPHASE_MIN = 30.0  # so long after its birth a daughter still counts as in anaphase


@dataclass(frozen=True, eq=False)
class Sample:
    """The nuclei of one movie and what they truly are."""

    nuclei: pd.DataFrame  # NUCLEUS_COLUMNS
    cell: np.ndarray  # (N,) label of the true track; 0 where there is nothing
    truth: nx.DiGraph
    cells: dict[int, Cell]  # by simulated id
    settings: Settings
    usable: np.ndarray

    @property
    def shape_um(self) -> tuple[float, float]:
        """(Y, X) of the image."""
        side = self.settings.size * self.settings.pixel_size_um
        return side, side

    @property
    def cell_of_track(self) -> dict[int, Cell]:
        """The simulated cell of each true track."""
        return {track: self.cells[d["simulated_cell"]] for track, d in self.truth.nodes(data=True)}


def movie_settings(line: CellLine, dose: int) -> Settings:
    """Of one movie."""
    return Settings(
        frames=145, size=512, founders=60, cell_line=line, dose_gy=dose,
        irradiated_min_before_start=75 * dose, well=dose + 50, seed=SEEDS[line] + dose,
    )  # fmt: skip


def read_sample(movie: Path, settings: Settings, screen: Screen) -> Sample:
    """Simulate and segment a movie unless it is there, and match its nuclei to the truth."""
    from lineage.stages.movie import start
    from lineage.stages.nuclei import assess, segment

    if not movie.exists():
        with screen.stage(movie.stem) as progress:
            simulate(movie, settings, progress=lambda t: progress(t + 1, settings.frames))
    told = config.read(None, {})
    video = open_video(movie, **told.video.model_dump())
    folder = RunFolder.open(run_of(movie), video=movie, overwrite=False)
    job = start(folder, video, told, screen)
    quality = assess(job)
    segment(job, quality)
    nuclei = read_table(folder.nuclei)
    truth = graphml.read(truth_folder(movie) / "lineage.graphml")
    cell = matched(nuclei, folder, truth_folder(movie))
    return Sample(nuclei, cell, truth, lives(settings), settings, quality.usable)


def run_of(movie: Path) -> Path:
    """The run folder of a movie that is segmented and no more."""
    return movie.with_suffix(".seg.lineage")


def imagined(line: CellLine, dose: int) -> Sample:
    """A day and a half of nuclei without pixels, with mistakes."""
    settings = Settings(
        frames=216, size=620, founders=80, cell_line=line, dose_gy=dose,
        irradiated_min_before_start=75 * dose, well=dose + 50, seed=SEEDS[line] + 500 + dose,
    )  # fmt: skip
    found = detect(settings)
    rng = np.random.default_rng(settings.seed)
    nuclei = imperfect(found.nuclei, rng, miss=0.02, false=0.02, merge_touching=0.05).reset_index(drop=True)
    cell = nuclei["cell"].to_numpy(int)
    return Sample(nuclei[list(NUCLEUS_COLUMNS)], cell, found.graph, lives(settings), settings, found.usable)


def lives(settings: Settings) -> dict[int, Cell]:
    """Simulated id -> cell, as the movie's simulation draws them."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed).spawn(3)[0])
    founders = round(settings.founders * area_ratio(settings))
    return {cell.cell_id: cell for cell in grow(rng, settings, founders=founders)}


def matched(nuclei: pd.DataFrame, folder: RunFolder, truth: Path) -> np.ndarray:
    """(N,) the true track that each nucleus covers more than half of; of several the largest."""
    raw = labels.open_array(folder.labels, labels.RAW)
    files = sorted((truth / "TRA").glob("man_track*.tif"))
    cell = np.zeros(len(nuclei), int)
    for t, rows in nuclei.groupby("frame"):
        best = covered(tifffile.imread(files[t]).astype(int), np.asarray(raw[t]).astype(int))
        cell[rows.index] = [best.get(label, 0) for label in rows["label"]]
    return cell


def covered(true: np.ndarray, found: np.ndarray) -> dict[int, int]:
    """Label found -> the true one that it covers more than half of; of several the largest."""
    size = np.bincount(true.ravel())
    both = (found > 0) & (true > 0)
    pairs, counts = np.unique(found[both] * len(size) + true[both], return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True):
        label, one = divmod(pair, len(size))
        if 2 * n > size[one]:
            best[label] = max(best.get(label, (0, 0)), (n, one))
    return {label: one for label, (_, one) in best.items()}


def true_state(cell: Cell, minutes: float) -> State:
    """What the simulator draws."""
    if minutes >= min(breaks_up_min(cell), cell.dying_min + 0.6 * SHRINKING_MIN):
        return State.DEAD
    mitosis = cell.mitosis
    if mitosis is not None and minutes >= mitosis.start_min + 0.4 * (mitosis.plate_min - mitosis.start_min):
        if minutes < mitosis.plate_min or mitosis.event_min <= minutes < mitosis.event_min + 30:
            return State.PROMETAPHASE
        return State.METAPHASE if minutes < mitosis.event_min else State.INTERPHASE
    young = cell.parents and cell.siblings > 1 and minutes - cell.born_min < TELOPHASE_MIN
    return State.ANAPHASE if young else State.INTERPHASE


def true_states(sample: Sample, table: pd.DataFrame, cell: np.ndarray) -> np.ndarray:
    """(N,) of the nuclei; "" where there is nothing."""
    simulated = sample.cell_of_track
    pairs = zip(cell.tolist(), table["time_min"].tolist(), strict=True)
    return np.array([str(true_state(simulated[c], t)) if c else "" for c, t in pairs], object)
