"""An image -> the image resized, equal to scikit-image's `resize` and several times as fast."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Blur according to the reduction in size, then interpolate linearly.

    Both are sums along rows and columns with weights that depend on the two sizes alone.

    Args:
        image: (Y, X) or (Y, X, C) float32.
        size: (Y', X').

    Returns:
        (Y', X') or (Y', X', C) float32.
    """
    down, across = (_weights(n, m) for n, m in zip(image.shape[:2], size, strict=True))
    planes = np.moveaxis(image.reshape(*image.shape[:2], -1), -1, 0)
    out = np.stack([(across @ (down @ plane).T).T for plane in planes], axis=-1)
    return np.ascontiguousarray(out.reshape(*size, *image.shape[2:]), np.float32)


@lru_cache(16)
def _weights(n: int, m: int) -> csr_array:
    """(m, n): how much each of n pixels adds to each of m; the image is mirrored at its outermost pixels.

    >>> _weights(4, 2).toarray().round(3)
    array([[0.447, 0.5  , 0.053, 0.   ],
           [0.   , 0.053, 0.5  , 0.447]], dtype=float32)
    """
    from scipy.sparse import coo_array

    sigma = max(0.0, (n / m - 1) / 2)
    reach = int(4 * sigma + 0.5)
    steps = np.arange(-reach, reach + 1)
    blur = np.exp(-0.5 * (steps / sigma) ** 2) if reach else np.ones(1)
    position = (np.arange(m) + 0.5) * (n / m) - 0.5
    before = np.floor(position).astype(int)
    share = (position - before)[:, None]
    columns = before[:, None] + np.arange(-reach, reach + 2)
    weights = np.pad(blur / blur.sum(), (0, 1)) * (1 - share) + np.pad(blur / blur.sum(), (1, 0)) * share
    turn = max(1, 2 * (n - 1))
    columns = np.minimum(columns % turn, -columns % turn)
    rows = np.broadcast_to(np.arange(m)[:, None], columns.shape)
    entries = (weights.astype(np.float32).ravel(), (rows.ravel(), columns.ravel()))
    return coo_array(entries, shape=(m, n)).tocsr()
