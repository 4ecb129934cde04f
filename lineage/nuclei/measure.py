"""Labels and grey levels above the background -> position, size, shape and brightness of each label.

What scikit-image's `regionprops` calls centroid, area, eccentricity, solidity, mean and standard deviation of
intensity, for all labels at once, in compiled loops; regionprops takes several Python calls for each label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lineage.compiled import compiled


@dataclass(frozen=True, eq=False)
class Measures:
    """Of each label, lowest first."""

    label: np.ndarray  # (N,) int64
    position_px: np.ndarray  # (N, 2) y, x of the centroid
    area_px: np.ndarray  # (N,)
    mean: np.ndarray  # (N,) grey levels
    deviation: np.ndarray  # (N,) standard deviation of the grey levels
    eccentricity: np.ndarray  # (N,) of the ellipse with the same second moments
    solidity: np.ndarray  # (N,) part of its convex hull that a nucleus fills


def measures_of(labels: np.ndarray, above: np.ndarray) -> Measures:
    """Measure every label.

    Args:
        labels: (Y, X) whole numbers, 0 is background; numbers may be missing, or large.
        above: (Y, X), grey levels.

    Returns:
        Measures of the labels that have a pixel.
    """
    names, numbers = numbered(labels)
    sums, rows = _sums(numbers, above, len(names))
    n, origin, moments = sums[:, 0], sums[:, 1:4], sums[:, 4:]
    mean = moments[:, :3] / n[:, None]  # y, x, grey level; from each label's first pixel, as all moments
    covariance = moments[:, 3:] / n[:, None] - mean[:, [0, 1, 0, 2]] * mean[:, [0, 1, 1, 2]]
    centre = mean + origin
    return Measures(
        label=names,
        position_px=centre[:, :2],
        area_px=n,
        mean=centre[:, 2],
        deviation=np.sqrt(np.maximum(covariance[:, 3], 0)),
        eccentricity=_eccentricity(*covariance[:, :3].T),
        solidity=n / _hull_areas(numbers, rows),
    )


def numbered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels there are, (N,) int64, and (Y, X) int32 with k + 1 in place of the k-th of them."""
    top = int(labels.max(initial=0))
    if top > labels.size:  # a table of all numbers up to it would be larger than the image
        names, index = np.unique(labels, return_inverse=True)
        first = int(np.searchsorted(names, 1))
        numbers = np.maximum(index.reshape(labels.shape) - first + 1, 0)
        return names[first:].astype(np.int64), numbers.astype(np.int32)
    numbers = np.ascontiguousarray(labels, np.int32)
    there = _is_there(numbers, top)
    names = np.flatnonzero(there)
    if len(names) == top:
        return names + 1, numbers
    return names + 1, np.concatenate([[0], np.cumsum(there)]).astype(np.int32)[np.maximum(numbers, 0)]


def _eccentricity(yy: np.ndarray, xx: np.ndarray, yx: np.ndarray) -> np.ndarray:
    """Of variances and covariance of the pixels' positions; 0 for a single pixel."""
    middle, apart = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    long, short = middle + apart, np.maximum(middle - apart, 0)
    return np.sqrt(1 - np.divide(short, long, out=np.ones_like(long), where=long > 0))


@compiled
def _is_there(labels: np.ndarray, top: int) -> np.ndarray:
    """(top,) whether label 1, 2, ... top has a pixel."""
    there = np.zeros(top, np.bool_)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] > 0:
                there[labels[y, x] - 1] = True
    return there


@compiled
def _sums(numbers: np.ndarray, above: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over each label's pixels, and the rows it lies in.

    Returns:
        (n, 11): how many there are; row, column and grey level of the first; sums of the differences to it
        of row, column and grey level, of their squares and product in the order yy, xx, yx, grey level.
        And (n, 2): first row, row after the last.
    """
    sums, rows = np.zeros((n, 11)), np.zeros((n, 2), np.int64)
    for y in range(numbers.shape[0]):
        for x in range(numbers.shape[1]):
            k = numbers[y, x] - 1
            if k < 0:
                continue
            one = sums[k]
            if one[0] == 0:
                rows[k, 0] = y
                one[1], one[2], one[3] = y, x, above[y, x]
            rows[k, 1] = y + 1
            down, right, more = y - one[1], x - one[2], above[y, x] - one[3]
            one[0] += 1
            one[4] += down
            one[5] += right
            one[6] += more
            one[7] += down * down
            one[8] += right * right
            one[9] += down * right
            one[10] += more * more
    return sums, rows


@compiled
def _hull_areas(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n,) pixels of each label's convex hull, by scikit-image's definition.

    The hull is that of the middles of the pixels' sides, and a pixel belongs to it if its middle does. All
    is computed in half pixels, so whole numbers do.
    """
    n = len(rows)
    start = np.zeros(n + 1, np.int64)
    start[1:] = np.cumsum(rows[:, 1] - rows[:, 0])
    outermost = np.full((2, start[n]), _NOTHING)  # of each row of each label: the left side, the right turned
    for y in range(numbers.shape[0]):
        for x in range(numbers.shape[1]):
            k = numbers[y, x] - 1
            if k >= 0:
                row = start[k] + y - rows[k, 0]
                outermost[0, row] = min(outermost[0, row], x)
                outermost[1, row] = min(outermost[1, row], -x)
    areas = np.zeros(n)
    for k in range(n):
        left = _first_columns(outermost[0, start[k] : start[k + 1]])
        right = _first_columns(outermost[1, start[k] : start[k + 1]])
        areas[k] = (1 - left - right).sum()
    return areas


_NOTHING = 2**40  # more than any column


@compiled
def _first_columns(outermost: np.ndarray) -> np.ndarray:
    """(n,) the first pixel of each row that lies in the hull, from the first of each row in the label."""
    corners, m = np.zeros((3 * len(outermost), 2), np.int64), 0  # y, x of the hull in half pixels
    for row in range(len(outermost)):
        if outermost[row] == _NOTHING:
            continue
        for step in (-1, 0, 1):
            y, x = 2 * row + step, 2 * outermost[row] - (step == 0)
            if m > 0 and corners[m - 1, 0] == y:  # the corner that two rows share
                if corners[m - 1, 1] <= x:
                    continue
                m -= 1
            while m > 1 and _bends_in(corners[m - 2], corners[m - 1], y, x):
                m -= 1
            corners[m] = y, x
            m += 1
    first, side = np.zeros(len(outermost), np.int64), 0
    for row in range(len(outermost)):
        while corners[side + 1, 0] < 2 * row:
            side += 1
        (y, x), (y_end, x_end) = corners[side], corners[side + 1]
        length = y_end - y
        first[row] = -((-x * length - (x_end - x) * (2 * row - y)) // (2 * length))  # rounded up
    return first


@compiled
def _bends_in(a: np.ndarray, b: np.ndarray, y: int, x: int) -> bool:
    """Whether b lies on the line from a to (y, x), or to the right of it."""
    return (b[1] - a[1]) * (y - a[0]) >= (x - a[1]) * (b[0] - a[0])
