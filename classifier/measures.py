"""A crop -> measures of each frame: of its nuclei (`classifier.nuclei`), and of bright bodies.

Bodies are connected areas above one of three grey levels, outlined as nuclei or not: how many, how large,
of what shape, how far apart.
"""

from __future__ import annotations

import numpy as np

from classifier.nuclei import N_NUCLEUS_MEASURES, nuclei_measures
from classifier.pixels import BODIES_PX, DNA, at_scale, by_percentiles, resample
from lineage.device import AUTO
from lineage.nuclei.measure import measures_of

LEVELS = (0.3, 0.5, 0.75)  # shares of the brightest chromatin
MIN_BODY_PX = 12  # smaller bodies are left out
REACH = 0.42  # share of the side; what lies farther from the middle belongs to neighbours
N_MEASURES = N_NUCLEUS_MEASURES + 28  # in each frame


def measures(pixels: np.ndarray, pixel_size_um: float, *, device: str = AUTO) -> np.ndarray:
    """Measure a crop.

    Args:
        pixels: (T, 2, H, W), channels (phase, DNA), raw intensities; the phase is not used.
        pixel_size_um: side of a pixel.
        device: as `lineage.device.device_of` knows it.

    Returns:
        (T, N_MEASURES) float32; all 0 where the DNA channel is constant.
    """
    if np.ptp(pixels[:, DNA]) == 0:
        return np.zeros((len(pixels), N_MEASURES), np.float32)
    view = resample(at_scale(pixels, pixel_size_um), (BODIES_PX, BODIES_PX))
    of_nuclei = nuclei_measures(pixels, pixel_size_um, device=device)
    return np.concatenate([of_nuclei, bodies(by_percentiles(view))], axis=1)


def bodies(crop: np.ndarray) -> np.ndarray:
    """(T, C, S, S) normalised by percentiles -> (T, 28) float32: bright bodies at three levels."""
    return np.array([_frame_measures(frame[DNA]) for frame in crop], np.float32)


def time_summary(rows: np.ndarray) -> np.ndarray:
    """(T, F) -> (8 F,): mean, extremes, spread, mean of each third and mean change of each measure."""
    thirds = [part.mean(0) for part in np.array_split(rows, 3)]
    changes = np.abs(np.diff(rows, axis=0)).mean(0)
    return np.concatenate([rows.mean(0), rows.max(0), rows.min(0), rows.std(0), *thirds, changes])


def _frame_measures(dna: np.ndarray) -> list[float]:
    from scipy.ndimage import gaussian_filter

    side = len(dna)
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    squared = rows**2 + columns**2
    # Training keeps pixels as float16. Without the same rounding here, a body of just the smallest size could
    # count in training and not in use.
    smooth = gaussian_filter(dna.astype(np.float16).astype(np.float32), 1.0)
    near = np.exp(-squared / (2 * (0.2 * side) ** 2)) * smooth
    found = [number for level in LEVELS for number in _bodies(smooth > level)]
    inner = smooth[squared < (0.4 * side) ** 2]
    spread = (near * squared).sum() / max(near.sum(), 1)
    return [*found, float(smooth.max()), float(np.percentile(inner, 99)), float(near.mean()), float(spread)]


def _bodies(bright: np.ndarray) -> tuple[float, ...]:
    """Number, the three largest areas, the sum of all; shape of the largest, and its distance to the next."""
    from skimage.measure import label

    middle = (len(bright) - 1) / 2
    found = measures_of(label(bright), bright)
    near = np.hypot(*(found.position_px - middle).T) < REACH * len(bright)
    counted = np.flatnonzero(near & (found.area_px >= MIN_BODY_PX * (len(bright) / 96) ** 2))
    largest = counted[np.argsort(-found.area_px[counted], kind="stable")]
    areas = found.area_px[largest]
    form = (0.0, 1.0)
    if len(largest):
        form = (float(found.eccentricity[largest[0]]), float(found.solidity[largest[0]]))
    apart = 0.0
    if len(largest) > 1:
        apart = float(np.hypot(*np.subtract(*found.position_px[largest[:2]])))
    return (float(len(areas)), *[*areas[:3].tolist(), 0.0, 0.0, 0.0][:3], float(areas.sum()), *form, apart)
