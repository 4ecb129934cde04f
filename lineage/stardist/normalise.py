"""Grey levels -> what a network was trained to see."""

from __future__ import annotations

import numpy as np

SATURATION = 8.0  # how far bright chromatin is compressed
LEAST_SPAN_SIGMAS = 20.0  # an image without nuclei is not stretched until its noise looks like some


def arcsinh(image: np.ndarray) -> np.ndarray:
    """About 0 (background) to 1 (brightest), compressed so that dim nuclei keep their place.

    Mitotic chromatin is four to five times as bright above background as an interphase nucleus. Stretched
    linearly to the brightest figure, the nuclei around it would drown; the inverse hyperbolic sine brings
    a fifth of the brightness to nearly half.

    Args:
        image: (Y, X), any type.

    Returns:
        (Y, X) float32.
    """
    image = np.asarray(image, np.float32)
    low, high = np.percentile(image[::2, ::2], (5, 99.9))
    steps = np.abs(np.diff(image[::2], axis=1))
    sigma = 1.4826 * float(np.median(steps)) / np.sqrt(2)
    span = max(high - low, LEAST_SPAN_SIGMAS * sigma, np.finfo(np.float32).tiny)
    stretched = np.arcsinh((image - low) * np.float32(SATURATION / span)) * np.float32(
        1 / np.arcsinh(SATURATION)
    )
    return stretched.astype(np.float32)


def percentile(image: np.ndarray) -> np.ndarray:
    """StarDist's own: the 1st percentile becomes 0, the 99.8th 1, each channel for itself.

    Args:
        image: (Y, X) or (Y, X, C), any type.

    Returns:
        The same shape, float32.

    Source: `csbdeep.utils.normalize(image, 1, 99.8, axis=(0, 1))`, as StarDist's examples call it.
    """
    from csbdeep.utils import normalize

    return np.asarray(normalize(image, 1, 99.8, axis=(0, 1)), np.float32)
