"""Grey levels -> the normalised image that a network was trained on."""

from __future__ import annotations

import numpy as np

SATURATION = 8.0  # how far bright chromatin is compressed
MIN_SPAN_SIGMAS = 20.0  # of noise: else the noise of an image without nuclei would look like nuclei


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
    is_counted = image.dtype in (np.uint8, np.uint16)
    grey = image if is_counted else np.asarray(image, np.float32)
    low, high = _percentiles(grey[::2, ::2], 5, 99.9)
    rows = grey[::2].astype(np.int32) if is_counted else grey[::2]
    (step,) = _percentiles(np.abs(np.diff(rows, axis=1)), 50)
    sigma = 1.4826 * step / np.sqrt(2)
    span = max(high - low, MIN_SPAN_SIGMAS * sigma, np.finfo(np.float32).tiny)
    # Of whole numbers each grey level is stretched once.
    levels = np.arange(int(grey.max()) + 1) if is_counted else grey
    stretched = np.arcsinh((levels - np.float64(low)) * np.float32(SATURATION / span)) * np.float32(
        1 / np.arcsinh(SATURATION)
    )
    return stretched.astype(np.float32)[image] if is_counted else stretched.astype(np.float32)


def _percentiles(values: np.ndarray, *percents: float) -> list[float]:
    """As numpy's; whole numbers, which are few, are counted and not sorted.

    >>> _percentiles(np.array([3, 0, 1, 1]), 50, 100)
    [1.0, 3.0]
    """
    if values.dtype.kind == "f":
        return [float(p) for p in np.percentile(values, percents)]
    counts = np.cumsum(np.bincount(values.ravel()))
    ranks = [p / 100 * (values.size - 1) for p in percents]
    below, above = (np.searchsorted(counts, rounded(ranks), side="right") for rounded in (np.floor, np.ceil))
    return [float(a + (b - a) * (rank % 1)) for a, b, rank in zip(below, above, ranks, strict=True)]


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
