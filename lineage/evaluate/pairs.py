"""Candidates -> pairs, nearest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest_first(candidates: Iterable[tuple[float, int, int]]) -> dict[int, int]:
    """(Distance, i, j) -> i -> j: the nearest two become a pair, then the nearest of the others; each once.

    This is not as many pairs as there could be: nobody gives up a near partner so that another finds one.

    >>> nearest_first([(0.9, 0, 1), (0.0, 0, 0), (0.8, 1, 0)])
    {0: 0}
    """
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return pairs
