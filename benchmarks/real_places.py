"""A movie of which only places of divisions are known -> its nuclei, and how many of the places are found.

For `benchmarks/real.py`: `mitocheck_30`, the first frames of a movie of H2B, a folder of TIFFs. Pixel size
and interval are estimates. Where its dying cells are was told by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import real_lineages
import trackers

from lineage.edge import diameter_um
from lineage.nuclei.segment import StarDistFinder
from lineage.video import open_video

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

NAME = "mitocheck_30"
PIXEL_SIZE_UM, MINUTES = 1.0, 10.0
KNOWN = np.array([(4, 77, 105), (8, 55, 128), (8, 94, 116)])  # frame, y, x of the first separated daughters
# y, x of three bodies that are dead in the first frame and hardly move: a heap of fragments, a round one, and
# two pale ones out of focus.
DEAD = np.array([(83, 39), (112, 129), (36, 113)])


@dataclass(frozen=True, eq=False)
class Filmed:
    """The nuclei of one movie, as the tools take them."""

    nuclei: pd.DataFrame  # NUCLEUS_COLUMNS
    n_frames: int
    usable: np.ndarray  # (T,) all of them
    shape_um: tuple[float, float]
    pixel_size_um: float
    minutes: float


@dataclass(frozen=True)
class Called:
    """Known divisions that are found within some frames, and further ones."""

    found: int
    missed: int
    further: np.ndarray  # (F, 3) frame, y, x
    on_dead: int  # of the further ones


def folder_of(real: Path) -> Path | None:
    """The movie in the folder of all movies, or beside it."""
    return next((f for f in (real / NAME, real.parent / NAME) if f.exists()), None)


def read(folder: Path, *, model: str = "sir-dna") -> Filmed:
    """The movie's nuclei, found by a model."""
    video = open_video(folder, pixel_size_um=PIXEL_SIZE_UM, minutes_per_frame=MINUTES)
    find = StarDistFinder(model, real_lineages.zoom(video, model))
    tables = []
    for t in range(video.n_frames):
        image = video.frame(t, video.nucleus)
        tables.append(real_lineages.measured(video, t, image, *find(t, image)))
    height, width = video.shape
    return Filmed(
        real_lineages.large_enough(tables),
        video.n_frames,
        np.ones(video.n_frames, bool),
        (height * video.pixel_size_um, width * video.pixel_size_um),
        video.pixel_size_um,
        video.minutes_per_frame,
    )


def divisions(movie: Filmed, tracked: trackers.Tracked) -> np.ndarray:
    """(D, 3) frame, y, x: the middle of the daughters' first nuclei."""
    events = trackers.of_cells(movie.nuclei, tracked.cell, tracked.graph).events
    return events[["frame", "y_px", "x_px"]].to_numpy(float)


def called(movie: Filmed, found: np.ndarray, *, tolerance: int) -> Called:
    """Compare with the places, which may be off by a nucleus's diameter.

    Args:
        movie: of which the divisions are.
        found: (D, 3) frame, y, x of divisions.
        tolerance: frames.
    """
    from scipy.optimize import linear_sum_assignment

    diameter = diameter_um(movie.nuclei) / movie.pixel_size_um
    late = np.abs(KNOWN[:, None, 0] - found[None, :, 0])
    far = np.linalg.norm(KNOWN[:, None, 1:] - found[None, :, 1:], axis=2)
    same = (late <= tolerance) & (far <= diameter)
    known, which = linear_sum_assignment(same, maximize=True)
    which = which[same[known, which]]
    further = np.delete(found, which, axis=0)
    to_dead = np.linalg.norm(further[:, None, 1:] - DEAD[None], axis=2).min(axis=1, initial=np.inf)
    return Called(len(which), len(KNOWN) - len(which), further, int((to_dead <= diameter).sum()))
