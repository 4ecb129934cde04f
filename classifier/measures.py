"""A crop -> measures of each frame: of its nuclei (`classifier.nuclei`), and of bright bodies and blobs.

Bodies are connected areas above one of three grey levels, outlined as nuclei or not: how many, how large,
of what shape, how far apart. Blobs are places that stand out from their surroundings: three daughters that
touch are one body, and three blobs.
"""

from __future__ import annotations

import numpy as np

from classifier.nuclei import N_NUCLEUS_MEASURES, measures_of, nuclei_measures
from classifier.pixels import BODIES_PX, DNA, VIEW_PX, at_scale, by_percentiles, resample
from lineage.device import AUTO

LEVELS = (0.3, 0.5, 0.75)  # shares of the brightest chromatin
MIN_BODY_PX = 12  # smaller bodies are left out
REACH = 0.42  # share of the side; what lies farther from the middle belongs to neighbours
N_BODY_MEASURES = 8 * len(LEVELS) + 4
SIGMAS_PX = (2.5, 4.0)  # of blobs, 2.9 and 4.6 um: daughters, and a nucleus between two divisions
STRONGEST = 5  # blobs of each scale that are measured
BLOB_REACH = 0.4  # as REACH, of blobs
WEAKEST = 0.01  # of the brightest chromatin; noise is left out
ABSENT_PX = 60.0  # stands for a distance to a blob that is not there
N_BLOB_MEASURES = (STRONGEST + 4) * len(SIGMAS_PX)
N_OF_NETWORK = N_NUCLEUS_MEASURES + N_BODY_MEASURES  # the first, which networks see; blobs are for the forest
N_MEASURES = N_OF_NETWORK + N_BLOB_MEASURES  # in each frame
N_SUMMARY = 8 * N_MEASURES  # of a crop, see `time_summary`


def measures(pixels: np.ndarray, pixel_size_um: float, *, device: str = AUTO) -> np.ndarray:
    """Measure a crop.

    Args:
        pixels: (T, 2, H, W), channels (phase, DNA), raw intensities; the phase is not used.
        pixel_size_um: side of a pixel.
        device: as `lineage.device.device_of` knows it.

    Returns:
        (T, N_MEASURES) float32: of nuclei, bodies, blobs; all 0 where the DNA channel is constant.
    """
    if np.ptp(pixels[:, DNA]) == 0:
        return np.zeros((len(pixels), N_MEASURES), np.float32)
    view = at_scale(pixels, pixel_size_um)
    of_nuclei = nuclei_measures(pixels, pixel_size_um, device=device)
    of_bodies = bodies(by_percentiles(resample(view, (BODIES_PX, BODIES_PX)))[:, DNA])
    return np.concatenate([of_nuclei, of_bodies, blobs(by_percentiles(view)[:, DNA])], axis=1)


def time_summary(rows: np.ndarray) -> np.ndarray:
    """(T, F) -> (8 F,): mean, extremes, spread, mean of each third and mean change of each measure."""
    thirds = [part.mean(0) for part in np.array_split(rows, 3)]
    changes = np.abs(np.diff(rows, axis=0)).mean(0)
    return np.concatenate([rows.mean(0), rows.max(0), rows.min(0), rows.std(0), *thirds, changes])


# --- Bodies


def bodies(dna: np.ndarray) -> np.ndarray:
    """Measure bright bodies near the middle of each frame.

    Args:
        dna: (T, S, S), normalised by percentiles.

    Returns:
        (T, 28) float32. At each of LEVELS: number, the three largest areas, the sum of all; eccentricity and
        solidity of the largest, and its distance to the next. The brightest, the 99th percentile, and how
        bright and how spread out the middle is.
    """
    from scipy.ndimage import gaussian_filter

    side = dna.shape[-1]
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    squared = rows**2 + columns**2
    smooth = gaussian_filter(dna, (0, 1, 1))
    near = np.exp(-squared / (2 * (0.2 * side) ** 2)) * smooth
    inner = smooth[:, squared < (0.4 * side) ** 2]
    spread = (near * squared).sum((1, 2)) / np.maximum(near.sum((1, 2)), 1)
    light = np.stack(
        [smooth.max((1, 2)), np.percentile(inner, 99, axis=1), near.mean((1, 2)), spread], axis=1
    )
    return np.concatenate([*(_above(smooth > level) for level in LEVELS), light], axis=1).astype(np.float32)


def _above(bright: np.ndarray) -> np.ndarray:
    """(T, S, S) bool -> (T, 8): the bodies of each frame."""
    from skimage.measure import label

    n_frames, side, _ = bright.shape
    # One image with all frames below each other, so that there is one call for all.
    column = np.pad(bright, ((0, 0), (0, 1), (0, 0))).reshape(n_frames * (side + 1), side)
    found = measures_of(label(column), column)
    frame, y = np.divmod(found.position_px[:, 0], side + 1)
    position = np.stack([y, found.position_px[:, 1]], axis=1)
    near = np.hypot(*(position - (side - 1) / 2).T) < REACH * side
    counted = near & (found.area_px >= MIN_BODY_PX * (side / 96) ** 2)
    rows = []
    for t in range(n_frames):
        here = np.flatnonzero(counted & (frame == t))
        largest = here[np.argsort(-found.area_px[here], kind="stable")]
        areas = found.area_px[largest].tolist()
        form = (found.eccentricity[largest[0]], found.solidity[largest[0]]) if areas else (0.0, 1.0)
        apart = np.hypot(*(position[largest[0]] - position[largest[1]])) if len(areas) > 1 else 0.0
        rows.append([len(areas), *[*areas, 0.0, 0.0, 0.0][:3], sum(areas), *form, apart])
    return np.array(rows)


# --- Blobs


def blobs(dna: np.ndarray) -> np.ndarray:
    """Measure blobs near the middle of each frame, at two scales.

    Args:
        dna: (T, VIEW_PX, VIEW_PX), normalised by percentiles.

    Returns:
        (T, 18) float32. For each of SIGMAS_PX: how strongly the strongest five stand out; the distances of
        the first, second and third from each other, and the smallest of these.

    Source: Lindeberg 1998, Feature detection with automatic scale selection.
    """
    return np.concatenate([_of_scale(dna, sigma) for sigma in SIGMAS_PX], axis=1)


def _of_scale(dna: np.ndarray, sigma_px: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter, maximum_filter

    sigma = (0.0, sigma_px, sigma_px)
    curvature = sum(gaussian_filter(dna, sigma, order=order) for order in ((0, 2, 0), (0, 0, 2)))
    # Times the variance, a blob as wide as the scale stands out as strongly at every scale.
    response = -(sigma_px**2) * curvature  # (T, S, S)
    reach = 2 * int(sigma_px) + 1
    is_peak = (response == maximum_filter(response, (1, reach, reach))) & (response > WEAKEST)
    frames = zip(response, is_peak, strict=True)
    return np.array([_strongest(frame, np.argwhere(peaks)) for frame, peaks in frames], np.float32)


def _strongest(response: np.ndarray, peaks: np.ndarray) -> list[float]:
    """Of one frame: (S, S) and (N, 2) y, x of its peaks."""
    near = peaks[np.hypot(*(peaks - (VIEW_PX - 1) / 2).T) < BLOB_REACH * VIEW_PX]
    strength = response[tuple(near.T)]
    order = np.argsort(-strength, kind="stable")[:STRONGEST]
    near, strengths = near[order], strength[order].tolist()
    apart = [
        float(np.hypot(*(near[i] - near[j]))) if j < len(near) else ABSENT_PX
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    return [*strengths, *[0.0] * (STRONGEST - len(strengths)), *apart, min(apart)]
