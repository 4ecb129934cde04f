"""Labels of a frame -> polygons along the edges of pixels, and the colours that cells are drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import CellKey, Decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    import networkx as nx

COLOUR_BY = ("lineage", "verdict")
# Bright enough to be seen on black, and told apart by those who do not see red or green (after Okabe & Ito).
FOUNDERS = ("#56B4E9", "#E69F00", "#2BC48A", "#F0E442", "#CC79A7", "#FF8A65", "#9FA8FF", "#B5E550")
VERDICTS = {Decision.NORMAL: "#56B4E9", Decision.ABNORMAL: "#FF6A1A", Decision.UNDECIDED: "#F0E442"}
PLAIN = "#B49CF0"  # cells whose life holds no mitosis that counts; no grey, for nuclei are
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # (x, y): right, down, left, up


def polygons(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The outer outline of every piece of every label; pixels that touch at a corner are one piece.

    Args:
        labels: (Y, X), 0 is background.

    Yields:
        The label, and (N, 2) int corners x, y, clockwise, where pixel 0 reaches from 0 to 1. Filled, they are
        the pixels of the piece and of the holes in it. The largest piece of a label comes first.

    >>> [(label, p.tolist()) for label, p in polygons(np.array([[0, 0, 0], [0, 7, 7]]))]
    [(7, [[1, 1], [3, 1], [3, 2], [1, 2]])]
    """
    from scipy.ndimage import find_objects

    for label, box in enumerate(find_objects(np.asarray(labels).astype(np.int64)), start=1):
        if box is None:
            continue
        corner = np.array([box[1].start, box[0].start])
        for polygon in _around(labels[box] == label):
            yield label, polygon + corner


def _around(mask: np.ndarray) -> list[np.ndarray]:
    """The outer outlines of a mask, the largest first."""
    ways = _edges(mask)
    found = []
    while ways:
        start = min(ways, key=lambda v: (v[1], v[0]))
        found.append(_walk(ways, start))
    outer = [(area, p) for p in found if (area := _area(p)) > 0]  # holes are walked the other way round
    return [p for _, p in sorted(outer, key=lambda one: -one[0])]


def _edges(mask: np.ndarray) -> dict[tuple[int, int], list[int]]:
    """Corner -> the ways that leave it along the mask's edge, the mask on the right hand."""
    inside = np.pad(mask, 1)
    core = inside[1:-1, 1:-1]
    beyond = (inside[:-2, 1:-1], inside[1:-1, 2:], inside[2:, 1:-1], inside[1:-1, :-2])
    begins = ((0, 0), (1, 0), (1, 1), (0, 1))  # (x, y) of the pixel's corner that its edge starts from
    ways: dict[tuple[int, int], list[int]] = {}
    for way, (other, (dx, dy)) in enumerate(zip(beyond, begins, strict=True)):
        for y, x in np.argwhere(core & ~other).tolist():
            ways.setdefault((x + dx, y + dy), []).append(way)
    return ways


def _walk(ways: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> np.ndarray:
    """Walk once around, and take the edges away that were walked on; corners alone are kept."""
    corners, at, way = [], start, -1
    while at in ways:
        out = ways[at]
        # To the left first, so that pixels that touch at a corner stay together.
        turn = min(out, key=lambda w: (w - way + 1) % 4) if way >= 0 else out[0]
        out.remove(turn)
        if not out:
            del ways[at]
        if turn != way:
            corners.append(at)
        at, way = (at[0] + _STEPS[turn][0], at[1] + _STEPS[turn][1]), turn
    return np.array(corners)


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def colours(tree: nx.DiGraph, by: str) -> dict[int, str]:
    """Cell -> `#RRGGBB`: by `lineage` one a founder, of a row that repeats; by `verdict` that of its mitosis.

    Args:
        tree: annotated tree.
        by: one of COLOUR_BY.
    """
    if by == "verdict":
        return {cell: VERDICTS.get(life.get(CellKey.VERDICT, ""), PLAIN) for cell, life in tree.nodes.items()}
    founders = {cell: life[CellKey.FOUNDER] for cell, life in tree.nodes.items()}
    number = {founder: k for k, founder in enumerate(sorted(set(founders.values())))}
    return {cell: FOUNDERS[number[founder] % len(FOUNDERS)] for cell, founder in founders.items()}
