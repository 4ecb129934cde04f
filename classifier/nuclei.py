"""A crop -> measures of its nuclei in each frame: how many near the middle, how large, what they look like.

The crop is resampled to the scale of the paper's clips, so that giant nuclei are recognised. StarDist
outlines the nuclei of all frames at once, and `lineage.nuclei.appearance` says what each looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from classifier.pixels import DNA, PIXEL_UM, VIEW_PX, at_scale
from lineage.device import AUTO, device_of
from lineage.nuclei import appearance
from lineage.nuclei.background import background
from lineage.nuclei.measure import Measures, measures_of
from lineage.schema import LOOKS
from lineage.stardist import model as stardist
from lineage.stardist.predict import predict

__all__ = ["find_nuclei", "measures_of", "model_digests", "nuclei_measures"]

GAP_PX = 8  # between the frames that are laid side by side
COLUMNS = 4  # frames in a row
ZOOM = 1.5  # nuclei are shown to the network this much larger, so that daughters side by side are two
RADII_PX = (8, 14, 22)  # 9, 16 and 25 um from the middle: the cell, its daughters, their surroundings
MAX_DISTANCE_PX = 27  # nuclei farther from the middle are not measured
NEAREST = 4  # nuclei nearest to the middle that are measured one by one
ABSENT_PX = 60.0  # stands for a distance to a nucleus that is not there
BRIGHTEST = 99.9  # percentile of the grey levels that is the unit of all others
N_NUCLEUS_MEASURES = len(RADII_PX) * (3 + len(LOOKS)) + NEAREST * (6 + len(LOOKS)) + 4


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The nuclei of a crop, one a row, in all its frames."""

    frame: np.ndarray  # (N,) int
    position_px: np.ndarray  # (N, 2) y, x from the crop's middle
    measures: Measures
    looks: np.ndarray  # (N, len(LOOKS))
    brightest: float  # grey level above the background

    @property
    def mass(self) -> np.ndarray:
        """(N,) DNA, in pixels as bright as the brightest chromatin."""
        return self.measures.area_px * self.measures.mean / self.brightest


def nuclei_measures(pixels: np.ndarray, pixel_size_um: float, *, device: str = AUTO) -> np.ndarray:
    """Measure the nuclei near the middle of a crop.

    Args:
        pixels: (T, 2, H, W), channels (phase, DNA), raw intensities; the phase is not used.
        pixel_size_um: side of a pixel.
        device: as `lineage.device.device_of` knows it.

    Returns:
        (T, N_NUCLEUS_MEASURES) float32. Within each radius of the middle: number of nuclei, DNA, area, DNA by
        appearance. Of the nearest four: distance, area, mean, eccentricity, solidity, DNA, appearance. Of
        those within the largest radius: the smallest distance between two, the distance from the nearest to
        its neighbour, and the DNA of the second and the third relative to the first. Distances and areas are
        in pixels of `PIXEL_UM`.
    """
    dna = at_scale(pixels, pixel_size_um)[:, DNA]
    if np.ptp(dna) == 0:
        return np.zeros((len(dna), N_NUCLEUS_MEASURES), np.float32)
    found = find_nuclei(dna, device=device)
    return np.array([_frame_measures(found, t) for t in range(len(dna))], np.float32)


def find_nuclei(dna: np.ndarray, *, device: str = AUTO) -> Nuclei:
    """Outline and measure the nuclei of all frames, (T, VIEW_PX, VIEW_PX), on a device."""
    image = side_by_side(dna)
    labels, _ = predict(_model(device), image, zoom=ZOOM)
    above = image - background(image, labels, pixel_size_um=PIXEL_UM)
    found = measures_of(labels, above)
    pitch = VIEW_PX + GAP_PX
    cell = (found.position_px // pitch).astype(int)  # (N, 2) row and column of the frame
    position = found.position_px - cell * pitch - (GAP_PX + VIEW_PX - 1) / 2
    brightest = max(float(np.percentile(above, BRIGHTEST)), 1e-6)
    return Nuclei(
        cell[:, 0] * COLUMNS + cell[:, 1],
        position,
        found,
        appearance.looks(above, labels, found, device=device),
        brightest,
    )


def side_by_side(dna: np.ndarray) -> np.ndarray:
    """(T, VIEW_PX, VIEW_PX) -> one image with all frames, `COLUMNS` a row, gaps at the median grey level."""
    rows, pitch = -(-len(dna) // COLUMNS), VIEW_PX + GAP_PX
    image = np.full((rows * pitch, COLUMNS * pitch), np.median(dna), np.float32)
    for t, frame in enumerate(dna):
        y, x = (k * pitch + GAP_PX // 2 for k in divmod(t, COLUMNS))
        image[y : y + VIEW_PX, x : x + VIEW_PX] = frame
    return image


def model_digests() -> dict[str, str]:
    """SHA-256 of the two models that measures come from; those of other models cannot be compared."""
    return {"nuclei": stardist.digest(), "appearance": appearance.digest()}


@cache
def _model(device: str) -> stardist.Model:
    return stardist.load(device=device_of(device))


def _frame_measures(found: Nuclei, t: int) -> list[float]:
    here = np.flatnonzero(found.frame == t)
    distance = np.hypot(*found.position_px[here].T)
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] < MAX_DISTANCE_PX]
    here, distance = here[order], distance[order]
    numbers: list[float] = []
    for radius in RADII_PX:
        near = here[distance < radius]
        mass = found.mass[near]
        by_look = (found.looks[near] * mass[:, None]).sum(axis=0)
        numbers += [len(near), mass.sum(), found.measures.area_px[near].sum(), *by_look]
    for k in range(NEAREST):
        numbers += (
            _nucleus_measures(found, int(here[k]), float(distance[k])) if k < len(here) else _absent_nucleus()
        )
    return numbers + _pair_measures(found, here[distance < RADII_PX[-1]])


def _nucleus_measures(found: Nuclei, k: int, distance: float) -> list[float]:
    m = found.measures
    form = (m.area_px[k], m.mean[k] / found.brightest, m.eccentricity[k], m.solidity[k], found.mass[k])
    return [distance, *form, *found.looks[k]]


def _absent_nucleus() -> list[float]:
    return [ABSENT_PX, 0.0, 0.0, 0.0, 1.0, 0.0, *[0.0] * len(LOOKS)]


def _pair_measures(found: Nuclei, near: np.ndarray) -> list[float]:
    """Distances between nuclei, given the nearest to the middle first, and how the DNA is shared out."""
    if len(near) < 2:
        return [ABSENT_PX, ABSENT_PX, 0.0, 0.0]
    position = found.position_px[near]
    apart = np.linalg.norm(position[:, None] - position[None], axis=2) + 1e3 * np.eye(len(near))
    mass = np.sort(found.mass[near])[::-1] / found.mass[near].max()
    return [apart.min(), apart[0, 1:].min(), mass[1], mass[2] if len(mass) > 2 else 0.0]
