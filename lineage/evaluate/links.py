"""Matches -> links: right, of those in the run and in the truth.

A link joins two nuclei: a cell's own in successive frames in which it is seen, a mother's last and her
daughter's first, a fusing cell's last and the fused cell's first. A link of the run is right if both its
nuclei are one to one with true nuclei, and a true link joins those. Frames without light are left out of
both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.evaluate.counts import Count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lineage.evaluate.match import Matches


def score_links(
    matches: Matches,
    truth_edges: Iterable[tuple[int, int]],
    run_edges: Iterable[tuple[int, int]],
    *,
    blank_frames: Collection[int] = (),
) -> tuple[Count, Count]:
    """Links of all nuclei, then of those only whose two nuclei are found on both sides.

    Args:
        matches: of all frames.
        truth_edges: between cells of the truth, mother to daughter.
        run_edges: between cells of the run.
        blank_frames: left out.
    """
    truth, run = matches.truth, matches.run
    blank = list(blank_frames)
    true = links(truth.frame, truth.cell, truth_edges, ~np.isin(truth.frame, blank))
    found = links(run.frame, run.cell, run_edges, ~np.isin(run.frame, blank))
    as_true = matches.truth_of_run()[found]
    both = (as_true >= 0).all(axis=1)
    right = int(is_in(as_true[both], true).sum())
    is_found = np.zeros(len(truth.frame), bool)
    is_found[matches.of_truth[matches.one_to_one]] = True
    return (
        Count(right, len(found), len(true)),
        Count(right, int(both.sum()), int(is_found[true].all(axis=1).sum())),
    )


def links(
    frame: np.ndarray, cell: np.ndarray, edges: Iterable[tuple[int, int]], usable: np.ndarray
) -> np.ndarray:
    """(L, 2) pairs of nuclei, earlier and later, as places in the arrays.

    >>> frame, cell = np.array([0, 1, 3, 4, 4]), np.array([1, 1, 1, 2, 3])      # not seen in frame 2
    >>> links(frame, cell, [(1, 2), (1, 3)], np.ones(5, bool)).tolist()
    [[0, 1], [1, 2], [2, 3], [2, 4]]
    """
    order = np.lexsort((frame, cell))
    order = order[usable[order]]
    same = cell[order][1:] == cell[order][:-1]
    own = np.column_stack([order[:-1][same], order[1:][same]])
    first = dict(zip(cell[order][::-1].tolist(), order[::-1].tolist(), strict=True))
    last = dict(zip(cell[order].tolist(), order.tolist(), strict=True))
    born = [(last[a], first[b]) for a, b in edges if a in last and b in first]
    return np.concatenate([own, np.array(born, np.int64).reshape(-1, 2)])


def is_in(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(S, 2) in (L, 2) -> (S,) bool: which rows stand among the others."""
    stride = int(max(some.max(initial=0), others.max(initial=0))) + 1
    return np.isin(some[:, 0] * stride + some[:, 1], others[:, 0] * stride + others[:, 1])
