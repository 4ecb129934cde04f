"""An image -> the same image blurred, as by scipy's `gaussian_filter`, several times as fast."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lineage.compiled import compiled


def blurred(
    image: np.ndarray,
    sigma: float,
    *,
    truncate: float = 4.0,
    beyond: Literal["symmetric", "edge"] = "symmetric",
) -> np.ndarray:
    """Convolve with a Gaussian.

    Args:
        image: (Y, X) float32.
        sigma: standard deviation, pixels.
        truncate: the Gaussian is cut at this many of them.
        beyond: the image mirrored (scipy's `reflect`), or its last pixels (scipy's `nearest`).

    Returns:
        (Y, X) float32, of sums in float32.
    """
    reach = int(truncate * sigma + 0.5)
    half = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    half /= 2 * half.sum() - half[0]
    return _convolved(np.pad(image, reach, mode=beyond), half.astype(np.float32))


@compiled
def _convolved(padded: np.ndarray, half: np.ndarray) -> np.ndarray:
    """By a symmetric kernel, given from its middle outwards, along both axes; what was padded is left out."""
    reach = len(half) - 1
    height, width = padded.shape[0] - 2 * reach, padded.shape[1] - 2 * reach
    out = np.empty((height, width), np.float32)
    row = np.empty(padded.shape[1], np.float32)
    for y in range(height):
        middle = padded[y + reach]
        for x in range(len(row)):
            row[x] = half[0] * middle[x]
        for k in range(1, reach + 1):
            above, below = padded[y + reach - k], padded[y + reach + k]
            for x in range(len(row)):
                row[x] += half[k] * (above[x] + below[x])
        line = out[y]
        for x in range(width):
            line[x] = half[0] * row[x + reach]
        for k in range(1, reach + 1):
            left, right = row[reach - k :], row[reach + k :]
            for x in range(width):
                line[x] += half[k] * (left[x] + right[x])
    return out
