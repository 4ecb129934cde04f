"""A phase-contrast image and where its nuclei are -> how rounded the cell around each of them is.

A rounded cell is a bright disc with a brighter rim, some 20 um across, and a dark ring around it; a flat one
is a faint patch. Looked at outwards from the nucleus, grey levels therefore fall from the rim to the ring, in
whatever direction. What is measured is this fall, in parts of the grey level there.
"""

from __future__ import annotations

import numpy as np

RIM_UM = 14.0  # the rim lies within this distance of the nucleus: giant cells round up to 30 um
RING_UM = (7.0, 19.0)  # the dark ring within these
STEP_UM = 1.0  # between samples, outwards
DIRECTIONS = 24
# In this share of the directions the fall may be smaller: sisters and neighbours touch a cell on a side or
# two. A median is as good on simulated movies, and a little less on real clips, where cells lie closer.
HIDDEN = 0.35
COARSE_UM = 1.15  # finer pixels are averaged up to this: the ring is wide, the noise is not


def rounding(phase: np.ndarray, positions_px: np.ndarray, *, pixel_size_um: float) -> np.ndarray:
    """How rounded the cell at each position looks in phase contrast.

    Args:
        phase: (Y, X), raw grey levels.
        positions_px: (N, 2) y, x of the nuclei.
        pixel_size_um: of the image.

    Returns:
        (N,) float, dimensionless: the fall from the brightest within RIM_UM to the darkest within RING_UM,
        of the directions the one that HIDDEN are below, over the median grey level around. About 0.1 to 0.2
        for flat cells, 0.4 to 0.6 for rounded ones. Gain does not change it, uneven light hardly; a camera's
        offset, or a contrast stretched when the file was written, does, for all cells of a movie alike.
    """
    if not len(positions_px):
        return np.zeros(0)
    factor = max(1, int(COARSE_UM // pixel_size_um))
    grey = _around(_binned(phase, factor), (positions_px + 0.5) / factor - 0.5, pixel_size_um * factor)
    radius = _radii()
    rim = grey[:, radius <= RIM_UM].max(axis=1)
    ring = grey[:, (radius >= RING_UM[0]) & (radius <= RING_UM[1])].min(axis=1)  # (N, DIRECTIONS)
    level = np.median(grey.reshape(len(grey), -1), axis=1)
    return np.quantile(rim - ring, HIDDEN, axis=1) / np.maximum(level, 1e-6)


def _radii() -> np.ndarray:
    return np.arange(0.5 * STEP_UM, RING_UM[1], STEP_UM)


def _binned(image: np.ndarray, factor: int) -> np.ndarray:
    """(Y // factor, X // factor): means of squares of pixels; the image itself where the factor is 1."""
    if factor == 1:
        return image
    height, width = (n // factor for n in image.shape)
    cut = image[: height * factor, : width * factor].astype(np.float32)
    return cut.reshape(height, factor, width, factor).mean(axis=(1, 3))


def _around(image: np.ndarray, positions_px: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """(N, radii, DIRECTIONS) float32: grey levels around each position; edges mirror the image."""
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    radius_px = _radii()[:, None] / pixel_size_um
    ways = (radius_px * np.sin(angle), radius_px * np.cos(angle))
    y, x = (
        _mirrored(np.rint(positions_px[:, k, None, None] + way).astype(int), image.shape[k])
        for k, way in enumerate(ways)
    )
    return image[y, x].astype(np.float32)


def _mirrored(index: np.ndarray, n: int) -> np.ndarray:
    """Indices into an axis of `n`, mirrored at its ends.

    >>> _mirrored(np.array([-2, 0, 4, 5]), 5)
    array([2, 0, 4, 3])
    """
    inside = np.abs(index)
    return np.clip(np.where(inside >= n, 2 * (n - 1) - inside, inside), 0, n - 1)
