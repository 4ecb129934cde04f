"""Matches -> divisions and fusions: right, of those in the run and in the truth.

A division is a cell that becomes two or more, each with no other parent; its frame is the first in which
one of them is seen. A fusion is a cell with two or more parents; its frame is its first.

A division of the run is right within k frames if a true one is at most k frames away, the mothers
correspond, and at least two daughters do; a fusion if at least two parents and the fused cell do. Two cells
correspond if they are one to one in one of the last six frames in which the true cell is seen before both
events, or of the first six after both, so that what happens between a true event and an earlier or later
one in the run does not count against it. Each event is used once, nearest first.

A division into three or more is right if, besides, the number of daughters is the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.evaluate.counts import Count
from lineage.evaluate.pairs import nearest_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx

    from lineage.evaluate.match import Matches, Nuclei

WINDOW_FRAMES = 6  # in which a cell is seen, before and after; an hour at ten minutes a frame
DIVISION_TOLERANCES = (0, 1, 2, 3)  # frames
FUSION_TOLERANCES = (1, 3)
NARY_TOLERANCE = 1
LEAST_NARY = 3


@dataclass(frozen=True)
class Junction:
    """Where lives begin and end together. One cell before is a division, one after a fusion."""

    frame: int
    before: tuple[int, ...]
    after: tuple[int, ...]


def divisions(graph: nx.DiGraph, nuclei: Nuclei) -> list[Junction]:
    """In order of frame; daughters that are never seen do not count."""
    found = []
    for mother in graph:
        daughters = [d for d in graph.successors(mother) if graph.in_degree(d) == 1 and d in nuclei.frames_of]
        if len(daughters) >= 2:
            found.append(Junction(min(map(nuclei.first, daughters)), (mother,), tuple(sorted(daughters))))
    return sorted(found, key=lambda j: (j.frame, j.before))


def fusions(graph: nx.DiGraph, nuclei: Nuclei) -> list[Junction]:
    """In order of frame; parents that are never seen do not count."""
    found = []
    for cell in nuclei.frames_of:
        parents = [p for p in graph.predecessors(cell) if p in nuclei.frames_of] if cell in graph else []
        if len(parents) >= 2:
            found.append(Junction(nuclei.first(cell), tuple(sorted(parents)), (cell,)))
    return sorted(found, key=lambda j: (j.frame, j.after))


def correspond(true: Junction, found: Junction, matches: Matches) -> bool:
    """Whether enough of the cells before and after are the same: one, or two where there are several."""
    early, late = sorted((true.frame, found.frame))
    seen = matches.truth.frames_of
    before = {cell: seen[cell][seen[cell] < early][-WINDOW_FRAMES:] for cell in true.before}
    after = {cell: seen[cell][seen[cell] >= late][:WINDOW_FRAMES] for cell in true.after}
    return all(
        n_pairs(frames, cells, matches) >= min(2, len(frames))
        for frames, cells in ((before, found.before), (after, found.after))
    )


def n_pairs(frames: Mapping[int, np.ndarray], found: Sequence[int], matches: Matches) -> int:
    """How many true cells can be paired, each once, with one that is one to one with them in these frames."""
    from scipy.optimize import linear_sum_assignment

    same = np.array([[matches.are_one(a, b, at) for b in found] for a, at in frames.items()])
    return int(same[linear_sum_assignment(same, maximize=True)].sum())


def assign(
    true: Sequence[Junction], found: Sequence[Junction], matches: Matches, *, tolerance: int
) -> dict[int, int]:
    """Place in `true` -> place in `found`, of those that are right within `tolerance` frames."""
    frames = np.array([f.frame for f in found], np.int64)
    candidates = [
        (abs(t.frame - found[j].frame), i, j)
        for i, t in enumerate(true)
        for j in np.flatnonzero(np.abs(frames - t.frame) <= tolerance).tolist()
        if correspond(t, found[j], matches)
    ]
    return nearest_first(candidates)


def score(
    true: Sequence[Junction], found: Sequence[Junction], matches: Matches, tolerances: Sequence[int]
) -> dict[int, Count]:
    """Tolerance in frames -> count."""
    return {
        k: Count(len(assign(true, found, matches, tolerance=k)), len(found), len(true)) for k in tolerances
    }


def score_nary(
    true: Sequence[Junction], found: Sequence[Junction], matches: Matches
) -> tuple[Count, dict[str, int]]:
    """Divisions into three or more within one frame, and as what the true ones were found.

    Returns:
        The count, and "3 as 2" -> how many: true daughters, then the run's; 0 where the division was missed.
    """
    pairs = assign(true, found, matches, tolerance=NARY_TOLERANCE)
    many = [i for i, t in enumerate(true) if len(t.after) >= LEAST_NARY]
    arity = [(len(true[i].after), len(found[pairs[i]].after) if i in pairs else 0) for i in many]
    n_run = sum(len(f.after) >= LEAST_NARY for f in found)
    right = sum(a == b for a, b in arity)
    return Count(right, n_run, len(many)), dict(Counter(f"{a} as {b}" for a, b in sorted(arity)))
