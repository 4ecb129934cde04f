"""What was drawn -> what the camera records: haze, uneven background, shot and read noise."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom


def haze(
    density: np.ndarray, *, near: float, far: float, near_px: float = 5.0, far_px: float = 22.0
) -> np.ndarray:
    """Add the out-of-focus glow of a widefield microscope.

    Args:
        density: (Y, X) float32.
        near: share of the light that glows around each nucleus.
        far: share that spreads over its neighbourhood.
        near_px: width of the near glow.
        far_px: width of the far glow.

    Returns:
        (Y, X) float32: the sharp image and its glow.
    """
    glow = near * gaussian_filter(density, near_px) + far * gaussian_filter(density, far_px, truncate=3)
    return density + glow.astype(np.float32)


def uneven(rng: np.random.Generator, shape: tuple[int, int], *, depth: float) -> np.ndarray:
    """A smooth random illumination, (Y, X) float32, mean about 1, standard deviation about `depth`."""
    coarse = rng.normal(1, depth, (4, 4))
    factors = (shape[0] / 4, shape[1] / 4)
    return zoom(coarse, factors, order=3, mode="nearest", grid_mode=True).astype(np.float32)


def expose(rng: np.random.Generator, light: np.ndarray, *, read: float, shot: float) -> np.ndarray:
    """Add noise of variance read^2 + shot * light; (Y, X) float32."""
    spread = np.sqrt(read**2 + shot * np.maximum(light, 0)).astype(np.float32)
    return light + spread * rng.standard_normal(light.shape, dtype=np.float32)
