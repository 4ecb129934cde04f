"""An image and its labels -> the grey level around each place, nuclei and their halo left out."""

from __future__ import annotations

import numpy as np

from lineage.blur import blurred
from lineage.compiled import compiled

SIGMA_UM = 17.0  # how far around a nucleus its background is looked for
HALO_UM = 3.0  # a nucleus's blur, kept out of the background
_GRID = 4  # the background is smooth: every fourth pixel is enough


def background(
    image: np.ndarray, labels: np.ndarray, *, pixel_size_um: float, halo_um: float = HALO_UM
) -> np.ndarray:
    """The mean grey level around each place, nuclei and their halo left out.

    Args:
        image: (Y, X), raw grey levels.
        labels: (Y, X), 0 is background.
        pixel_size_um: of both.
        halo_um: how far around a nucleus nothing is background.

    Returns:
        (Y, X) float32.
    """
    halo = max(1, round(halo_um / pixel_size_um))
    free = _free(labels, halo, _GRID)
    coarse = image[::_GRID, ::_GRID].astype(np.float32)
    sigma = SIGMA_UM / pixel_size_um / _GRID
    weight = blurred(free, sigma, beyond="edge")
    # Where nuclei lie so close that nothing is free, the image's own free level stands in.
    level = float(np.median(coarse[free > 0])) if free.any() else float(coarse.min())
    smooth = (blurred(coarse * free, sigma, beyond="edge") + 1e-3 * level) / (weight + 1e-3)
    return _stretched(smooth, _GRID, *image.shape)


@compiled
def _free(labels: np.ndarray, halo: int, grid: int) -> np.ndarray:
    """1 where no nucleus is within `halo` by y and x, else 0; float32, of every `grid`-th row and column."""
    height, width = labels.shape
    free = np.ones(((height - 1) // grid + 1, (width - 1) // grid + 1), np.float32)
    taken = np.zeros(free.shape[1], np.bool_)
    for y in range(height):
        taken[:] = False
        x = 0
        while x < width:
            if labels[y, x] == 0:
                x += 1
                continue
            start = x
            while x < width and labels[y, x] != 0:
                x += 1
            taken[max(0, -((halo - start) // grid)) : (x - 1 + halo) // grid + 1] = True
        for row in range(max(0, -((halo - y) // grid)), min((y + halo) // grid + 1, free.shape[0])):
            for column in range(free.shape[1]):
                if taken[column]:
                    free[row, column] = 0
    return free


@compiled
def _stretched(coarse: np.ndarray, grid: int, height: int, width: int) -> np.ndarray:
    """Each pixel made a square of `grid` by `grid`, then linear between their middles; (height, width)."""
    out = np.empty((height, width), np.float32)
    last_row, last_column = coarse.shape[0] - 1, coarse.shape[1] - 1
    left, share = np.empty(width, np.int64), np.empty(width, np.float32)
    for x in range(width):
        at = min(max((x + 0.5) / grid - 0.5, 0.0), last_column)
        left[x] = int(at)
        share[x] = at - left[x]
    for y in range(height):
        at = min(max((y + 0.5) / grid - 0.5, 0.0), last_row)
        above = int(at)
        below, part = min(above + 1, last_row), np.float32(at - above)
        row = coarse[above] + (coarse[below] - coarse[above]) * part
        for x in range(width):
            right = min(left[x] + 1, last_column)
            out[y, x] = row[left[x]] + (row[right] - row[left[x]]) * share[x]
    return out
