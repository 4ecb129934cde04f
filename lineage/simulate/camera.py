"""What was drawn -> what the camera records: haze, phase contrast, uneven background, noise.

Blurs are computed in Fourier space, so a wide glow costs no more than a narrow one. The image is taken to
repeat beyond its border, so it should be wider than the part that is used.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import irfft2, rfft2
from scipy.ndimage import zoom
from scipy.special import ndtri


def spread(image: np.ndarray, weights: dict[float, float]) -> np.ndarray:
    """A weighted sum of Gaussian blurs.

    Args:
        image: (Y, X).
        weights: standard deviation in pixels -> weight; 0 is the image itself.

    Returns:
        (Y, X) float64.
    """
    return irfft2(rfft2(image) * _transfer(image.shape, tuple(weights.items())), s=image.shape)


@lru_cache(maxsize=8)
def _transfer(shape: tuple[int, int], weights: tuple[tuple[float, float], ...]) -> np.ndarray:
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    square = 2 * np.pi**2 * (y * y + x * x)
    return sum((weight * np.exp(-(sigma**2) * square) for sigma, weight in weights), np.zeros(1))


def haze(
    density: np.ndarray, *, near: float, far: float, near_px: float = 5.0, far_px: float = 22.0
) -> np.ndarray:
    """Add the out-of-focus glow of a widefield microscope.

    Args:
        density: (Y, X).
        near: share of the light that glows around each nucleus.
        far: share that spreads over its neighbourhood.
        near_px: width of the near glow.
        far_px: width of the far glow.

    Returns:
        (Y, X) float64: the sharp image and its glow.
    """
    return spread(density, {0.0: 1.0, near_px: near, far_px: far})


def uneven(rng: np.random.Generator, shape: tuple[int, int], *, depth: float) -> np.ndarray:
    """A smooth random illumination.

    Args:
        rng: the only source of chance.
        shape: (Y, X).
        depth: standard deviation, about.

    Returns:
        (Y, X) float32, mean about 1.
    """
    coarse = rng.normal(1, depth, (4, 4))
    factors = (shape[0] / 4, shape[1] / 4)
    return zoom(coarse, factors, order=3, mode="nearest", grid_mode=True).astype(np.float32)


def vignetted(shape: tuple[int, int], *, share: float, brightest_at: tuple[float, float]) -> np.ndarray:
    """Light that falls with the square of the distance from where it is brightest.

    Args:
        shape: (Y, X).
        share: of the light, missing in the corner that is furthest away.
        brightest_at: y, x as shares of the field.

    Returns:
        (Y, X) float64, at most 1.
    """
    y, x = ((np.arange(n) + 0.5) / n - middle for n, middle in zip(shape, brightest_at, strict=True))
    square = y[:, None] ** 2 + x[None, :] ** 2
    furthest = sum(max(middle, 1 - middle) ** 2 for middle in brightest_at)
    return 1 - share * square / furthest


def expose(rng: np.random.Generator, light: np.ndarray, *, read: float, shot: float) -> np.ndarray:
    """Add noise of variance read^2 + shot * light.

    Noise is looked up in a table of the normal distribution's quantiles: fast, and the same on every machine.

    Args:
        rng: the only source of chance.
        light: (Y, X), grey levels.
        read: standard deviation of the noise without light.
        shot: variance for each grey level of light.

    Returns:
        (Y, X) float32.
    """
    light = light.astype(np.float32)
    deviation = np.sqrt(np.float32(read**2) + np.float32(shot) * np.maximum(light, 0))
    return light + deviation * _quantiles()[rng.integers(0, 2**16, light.shape, dtype=np.uint16)]


@lru_cache(maxsize=1)
def _quantiles() -> np.ndarray:
    return ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)
