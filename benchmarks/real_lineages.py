"""Movies that others filmed, with their true lineages -> nuclei as a run would measure them, and who each is.

For `benchmarks/real.py`. REAL holds folders as `hela02`, each with
`movie.ome.tif` and `truth/TRA`, of the Cell Tracking Challenge.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation

from lineage.config import SegmentSettings
from lineage.evaluate.inputs import Truth, read_truth
from lineage.nuclei.segment import StarDistFinder, measure
from lineage.video import open_video

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.schema import Video

MOVIES = ("hela02", "simplus02", "psc01")
WITH_NUCLEI = ("hela02", "simplus02")  # the third shows whole cells in phase contrast
SHARE = 0.03  # of the nuclei that are missed, of those that are split, and of those that are merged
MASKS, MISTAKES, PIXELS = "masks", "masks with mistakes", "pixels"


@dataclass(frozen=True, eq=False)
class Real:
    """The nuclei of one movie and who they truly are."""

    name: str
    nuclei: pd.DataFrame  # NUCLEUS_COLUMNS; `cell`, 0 where there is nothing; `also`, a second one it covers
    truth: Truth
    shape: tuple[int, int]
    pixel_size_um: float
    minutes: float

    @property
    def n_frames(self) -> int:
        """Of the movie."""
        return self.truth.n_frames

    @property
    def usable(self) -> np.ndarray:
        """(T,) all of them."""
        return np.ones(self.n_frames, bool)

    @property
    def shape_um(self) -> tuple[float, float]:
        """(Y, X) of the image."""
        return self.shape[0] * self.pixel_size_um, self.shape[1] * self.pixel_size_um


def read(real: Path, name: str, kind: str, *, store: Path, model: str = "sir-dna") -> Real:
    """A movie's nuclei; measured once, and kept in `store`.

    Args:
        real: the folder of all movies.
        name: of the movie's folder.
        kind: MASKS, MISTAKES or PIXELS.
        store: a folder.
        model: that finds them in PIXELS.
    """
    kept = store / f"{name}_{kind.replace(' ', '_')}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    truth = read_truth(real / name / "truth")
    video = open_video(real / name / "movie.ome.tif")
    rng = np.random.default_rng(0)
    find = StarDistFinder(model, zoom(video, model)) if kind == PIXELS else None
    tables = []
    for t in range(truth.n_frames):
        image, mask = video.frame(t, video.nucleus), truth.mask(t).astype(np.int32)
        probability = np.ones(int(mask.max()) + 1)
        if find:
            labels, probability = find(t, image)
        else:
            labels = mistaken(mask, rng) if kind == MISTAKES else mask
        table = measured(video, t, image, labels, probability)
        own, also = covered(mask, labels)
        cell_of = np.zeros(int(mask.max()) + 1, int)
        known = [n for n in truth.cell_of if n < len(cell_of)]
        cell_of[known] = known
        tables.append(table.assign(cell=cell_of[own[table["label"]]], also=cell_of[also[table["label"]]]))
    found = Real(name, large_enough(tables), truth, video.shape, video.pixel_size_um, video.minutes_per_frame)
    store.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(found))
    return found


def measured(
    video: Video, t: int, image: np.ndarray, labels: np.ndarray, probability: np.ndarray
) -> pd.DataFrame:
    """NUCLEUS_COLUMNS of one frame; the movie is taken not to drift."""
    return measure(
        labels, image, np.resize(probability, int(labels.max())), frame=t,
        pixel_size_um=video.pixel_size_um, minutes_per_frame=video.minutes_per_frame, drift_px=np.zeros(2),
    )  # fmt: skip


def large_enough(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All frames' nuclei, numbered through, without what is as small as a run leaves out."""
    nuclei = pd.concat(tables, ignore_index=True)
    nuclei = nuclei[nuclei["area_um2"] >= SegmentSettings().min_area * nuclei["area_um2"].median()]
    return nuclei.assign(detection_id=np.arange(len(nuclei))).reset_index(drop=True)


def zoom(video: Video, model: str) -> float:
    """As `lineage.stages.nuclei.scale`."""
    from lineage.stardist.model import of_this_process
    from lineage.stardist.scale import diameter_px, zoom_of

    network = of_this_process(model)
    picked = np.linspace(0, video.n_frames - 1, 5).astype(int)
    return zoom_of(network, diameter_px(network, [video.frame(int(t), video.nucleus) for t in picked]))


def covered(true: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By label found: the true label that it covers by more than half and shares most with, and the next."""
    n = int(found.max()) + 1
    size = np.bincount(true.ravel())
    both = (found > 0) & (true > 0)
    pairs, counts = np.unique(found[both].astype(np.int64) * len(size) + true[both], return_counts=True)
    label, one = pairs // len(size), pairs % len(size)
    enough = 2 * counts > size[one]
    order = np.flatnonzero(enough)[np.lexsort((-counts[enough], label[enough]))]
    own, also = np.zeros(n, int), np.zeros(n, int)
    for k in order.tolist():
        if not own[label[k]]:
            own[label[k]] = one[k]
        elif not also[label[k]]:
            also[label[k]] = one[k]
    return own, also


def mistaken(mask: np.ndarray, rng: np.random.Generator, share: float = SHARE) -> np.ndarray:
    """A mask with a segmentation's mistakes: nuclei missed, split in two, merged with one that they touch."""
    out = mask.copy()
    names = np.unique(mask[mask > 0])
    after = int(mask.max()) + 1
    for label in names[rng.random(len(names)) < share]:
        out[out == label] = 0
    for label in names[rng.random(len(names)) < share]:
        y, x = np.nonzero(out == label)
        if len(y) < 8:
            continue
        points = np.c_[y, x] - [y.mean(), x.mean()]
        along = np.linalg.svd(points, full_matrices=False)[2][0]
        part = points @ along > rng.normal(0, 0.3) * (points @ along).std()
        out[y[part], x[part]] = after
        after += 1
    for label in names[rng.random(len(names)) < 4 * share]:  # a quarter or so touches another
        around = binary_dilation(out == label, iterations=2)
        others = np.setdiff1d(out[around], [0, label])
        if len(others) and (out == label).any():
            out[out == rng.choice(others)] = label
    return out
