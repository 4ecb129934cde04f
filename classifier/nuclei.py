"""A crop -> what its nuclei are like in each frame: how many near the middle, how large, what they look like.

The crop is brought to the scale of the paper's clips, so that a giant nucleus is seen to be one. StarDist
outlines the nuclei of all frames at once, and `lineage.nuclei.appearance` says what each looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from classifier.pixels import DNA, PIXEL_UM, VIEW_PX, at_scale
from lineage.nuclei import appearance
from lineage.nuclei.background import background
from lineage.nuclei.measure import Measures, measures_of
from lineage.schema import LOOKS
from lineage.stardist import model as stardist
from lineage.stardist.predict import predict

GAP_PX = 8  # between the frames that are laid side by side
COLUMNS = 4  # of them
REACHES_PX = (8, 14, 22)  # 9, 16 and 25 um from the middle: the cell, its daughters, what is beside them
FARTHEST_PX = 27  # nuclei farther from the middle are not measured
NEAREST = 4  # nuclei that are measured one by one
NONE_PX = 60.0  # a distance where there is nothing to measure it to
BRIGHTEST = 99.9  # percentile of the grey levels that others are told in
N_MEASURES = len(REACHES_PX) * (3 + len(LOOKS)) + NEAREST * (6 + len(LOOKS)) + 4


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The nuclei of a crop, one a row, in all its frames."""

    frame: np.ndarray  # (N,) int
    place_px: np.ndarray  # (N, 2) y, x from the crop's middle
    measures: Measures
    looks: np.ndarray  # (N, len(LOOKS))
    brightest: float  # grey level above the background

    @property
    def mass(self) -> np.ndarray:
        """(N,) DNA, in pixels as bright as the brightest chromatin."""
        return self.measures.area_px * self.measures.mean / self.brightest


def nuclei_measures(pixels: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """Measure the nuclei near the middle of a crop.

    Args:
        pixels: (T, 2, H, W), channels (phase, DNA), the movie's own numbers; phase is not looked at.
        pixel_size_um: side of a pixel.

    Returns:
        (T, N_MEASURES) float32. Within each reach of the middle: nuclei, area, DNA, DNA by look. Of the
        nearest four: distance, area, mean, eccentricity, solidity, DNA, looks. Of those within the widest
        reach: the least distance between two, that of the nearest one to its next, and the DNA of the second
        and the third in parts of the first's. Distances and areas in pixels of `PIXEL_UM`.
    """
    dna = at_scale(pixels, pixel_size_um)[:, DNA]
    if np.ptp(dna) == 0:
        return np.zeros((len(dna), N_MEASURES), np.float32)
    found = find(dna)
    return np.array([_frame(found, t) for t in range(len(dna))], np.float32)


def find(dna: np.ndarray) -> Nuclei:
    """The nuclei of all frames, (T, VIEW_PX, VIEW_PX)."""
    image = side_by_side(dna)
    labels, _ = predict(_model(), image)
    above = image - background(image, labels, pixel_size_um=PIXEL_UM)
    found = measures_of(labels, above)
    pitch = VIEW_PX + GAP_PX
    cell = (found.place_px // pitch).astype(int)  # (N, 2) row and column of the frame
    place = found.place_px - cell * pitch - (GAP_PX + VIEW_PX - 1) / 2
    brightest = max(float(np.percentile(above, BRIGHTEST)), 1e-6)
    return Nuclei(
        cell[:, 0] * COLUMNS + cell[:, 1], place, found, appearance.looks(above, labels, found), brightest
    )


def side_by_side(dna: np.ndarray) -> np.ndarray:
    """(T, VIEW_PX, VIEW_PX) -> one image with all frames, `COLUMNS` a row, gaps at the median grey level."""
    rows, pitch = -(-len(dna) // COLUMNS), VIEW_PX + GAP_PX
    image = np.full((rows * pitch, COLUMNS * pitch), np.median(dna), np.float32)
    for t, frame in enumerate(dna):
        y, x = (k * pitch + GAP_PX // 2 for k in divmod(t, COLUMNS))
        image[y : y + VIEW_PX, x : x + VIEW_PX] = frame
    return image


def digests() -> dict[str, str]:
    """SHA-256 of the two models that see the nuclei: measures of others mean something else."""
    return {"nuclei": stardist.digest(), "appearance": appearance.digest()}


@cache
def _model() -> stardist.Model:
    return stardist.load()


def _frame(found: Nuclei, t: int) -> list[float]:
    here = np.flatnonzero(found.frame == t)
    distance = np.hypot(*found.place_px[here].T)
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] < FARTHEST_PX]
    here, distance = here[order], distance[order]
    numbers: list[float] = []
    for reach in REACHES_PX:
        near = here[distance < reach]
        mass = found.mass[near]
        by_look = (found.looks[near] * mass[:, None]).sum(axis=0)
        numbers += [len(near), mass.sum(), found.measures.area_px[near].sum(), *by_look]
    for k in range(NEAREST):
        numbers += _one(found, int(here[k]), float(distance[k])) if k < len(here) else _absent()
    return numbers + _between(found, here[distance < REACHES_PX[-1]])


def _one(found: Nuclei, k: int, distance: float) -> list[float]:
    m = found.measures
    form = (m.area_px[k], m.mean[k] / found.brightest, m.eccentricity[k], m.solidity[k], found.mass[k])
    return [distance, *form, *found.looks[k]]


def _absent() -> list[float]:
    return [NONE_PX, 0.0, 0.0, 0.0, 1.0, 0.0, *[0.0] * len(LOOKS)]


def _between(found: Nuclei, near: np.ndarray) -> list[float]:
    """Of the nuclei near the middle, the nearest first: distances, and how their DNA is shared."""
    if len(near) < 2:
        return [NONE_PX, NONE_PX, 0.0, 0.0]
    place = found.place_px[near]
    apart = np.linalg.norm(place[:, None] - place[None], axis=2) + 1e3 * np.eye(len(near))
    mass = np.sort(found.mass[near])[::-1] / found.mass[near].max()
    return [apart.min(), apart[0, 1:].min(), mass[1], mass[2] if len(mass) > 2 else 0.0]
