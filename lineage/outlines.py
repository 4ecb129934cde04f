"""Labels of a frame -> polygons around each nucleus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator


def outlines(labels: np.ndarray) -> tuple[list[int], list[list[float]]]:
    """The outer outline of every connected piece.

    Args:
        labels: (Y, X), 0 is background.

    Returns:
        The label of each polygon, and its corners x0, y0, x1, y1, ... in pixels, where whole numbers are the
        middles of pixels: the polygon runs half way between the pixels inside and those outside.

    >>> outlines(np.array([[0, 0, 0], [0, 7, 7]]))
    ([7], [[0.5, 1.0, 1.0, 0.5, 2.0, 0.5, 2.5, 1.0, 2.0, 1.5, 1.0, 1.5]])
    """
    found, parts = _pieces(labels, corners=False)
    return found, [part.ravel().tolist() for part in parts]


def polygons(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The outer outline of every connected piece, along the edges of pixels.

    Args:
        labels: (Y, X), 0 is background.

    Yields:
        The label, lowest first, and (N, 2) int corners x, y, clockwise, where pixel 0 reaches from 0 to 1.
        Filled, they are the pixels of the piece and of the holes in it. The largest piece of a label comes
        first.

    >>> [(label, p.tolist()) for label, p in polygons(np.array([[0, 0, 0], [0, 7, 7]]))]
    [(7, [[1, 1], [3, 1], [3, 2], [1, 2]])]
    """
    found, parts = _pieces(labels, corners=True)
    for k in sorted(range(len(found)), key=lambda k: (found[k], -_area(parts[k]))):
        yield found[k], parts[k].astype(int)


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def _pieces(labels: np.ndarray, *, corners: bool) -> tuple[list[int], list[np.ndarray]]:
    """The label of each piece, and (N, 2) x, y of the points around it."""
    found, ends, x, y = _walk_around(np.pad(np.asarray(labels).astype(np.int32), 1), corners)
    return found.tolist(), np.split(np.stack([x, y], 1), ends[:-1]) if len(ends) else []


@compiled
def _walk_around(framed: np.ndarray, corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Walk around each piece from pixel edge to pixel edge, with the piece on the right hand.

    Args:
        framed: (Y + 2, X + 2) int32 labels within a border of background.
        corners: take the corners that are passed, of pixel 0 from 0 to 1; else the middles of edges.

    Returns:
        (K,) labels, (K,) the point after the last of each, (N,) x and (N,) y in pixels of the image without
        its border.
    """
    is_walked = np.zeros(framed.shape, np.bool_)  # the left edge of a pixel
    labels = []
    ends = []
    xs: list[float] = []
    ys: list[float] = []
    dy, dx = (-1, 0, 1, 0), (0, 1, 0, -1)  # up, right, down, left
    for y in range(1, framed.shape[0] - 1):
        for x in range(1, framed.shape[1] - 1):
            label = framed[y, x]
            if label == 0 or framed[y, x - 1] == label or is_walked[y, x]:
                continue
            begin, twice_area, turned = len(xs), 0, 1
            row, column, way = y, x, 0  # the pixel on the right hand, and where we go
            while way != 0 or not is_walked[row, column]:
                if way == 0:
                    is_walked[row, column] = True
                left_y, left_x = dy[(way + 3) % 4], dx[(way + 3) % 4]
                next_y, next_x = row + dy[way], column + dx[way]
                turn = 0
                if framed[next_y, next_x] != label:
                    turn = 1
                elif framed[next_y + left_y, next_x + left_x] == label:
                    turn = -1
                if corners:
                    if turn:
                        xs.append(column - 1.0 + (way == 1 or way == 2))
                        ys.append(row - 1.0 + (way == 2 or way == 3))
                elif turn or turned:  # points on a straight line are left out
                    xs.append(column - 1 + 0.5 * left_x)
                    ys.append(row - 1 + 0.5 * left_y)
                twice_area += (2 * column + left_x) * dy[way]
                if turn == 0:
                    row, column = next_y, next_x
                elif turn == -1:
                    row, column = next_y + left_y, next_x + left_x
                way, turned = (way + turn) % 4, turn
            if twice_area < 0:  # it was the edge of a hole
                del xs[begin:]
                del ys[begin:]
            else:
                labels.append(label)
                ends.append(len(xs))
    return np.array(labels), np.array(ends), np.array(xs), np.array(ys)
