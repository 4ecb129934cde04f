"""Matches -> how many links, divisions, fusions and slippages are right.

A **link** joins two nuclei: a cell's own in successive frames in which it is seen, a mother's last and her
daughter's first, a fusing cell's last and the fused cell's first. A link of the run is right if both its
nuclei are one to one with true nuclei and a true link joins those. Blank frames are left out of both.

A **division** is a cell that becomes two or more, each with no other parent; its frame is the first in which
one of them is seen. A **fusion** is a cell with two or more parents; its frame is its first. Either is a
`Junction`.

A division of the run is right within k frames if a true one is at most k frames away, the mothers
correspond, and at least two daughters do; a fusion if at least two parents and the fused cell do. Two cells
correspond if they are one to one in one of the last six frames in which the true cell is seen before both
events, or one of the first six after both, so that what happens between a true event and an earlier or later
one in the run does not count against it. Each event is used once, nearest first. A division into three or
more is right if, besides, the number of daughters is the same.

A true **slippage** is an event of that subtype. The run claims one by an event of that subtype; where its
events.csv has no column `subtype`, by an event (not rejected) whose mother has fewer than two daughters, does
not die and is seen after the event's frame. It also claims one, at no particular time, by a cell with
`n_slippages` or the fate `slipped` for which there is no such event. A claim is right if its cell is one to
one with the true cell within 120 min of the true event, and its own time, if it has one, is no further away.
Each is used once, nearest first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.evaluate.match import Count, nearest_first
from lineage.schema import CellKey, Fate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import networkx as nx
    import pandas as pd

    from lineage.evaluate.match import Matches, Nuclei

WINDOW_FRAMES = 6  # in which a cell is seen, before and after; an hour at ten minutes a frame
DIVISION_TOLERANCES = (0, 1, 2, 3)  # frames
FUSION_TOLERANCES = (1, 3)
NARY_TOLERANCE = 1
MIN_NARY = 3  # daughters
SLIPPAGE = "slippage"
SLIPPAGE_WITHIN_MIN = 120.0

Claim = tuple[int, int | None]  # cell; frame, None if at no particular time


# --- Links


def score_links(
    matches: Matches,
    truth_edges: Iterable[tuple[int, int]],
    run_edges: Iterable[tuple[int, int]],
    *,
    blank_frames: Collection[int] = (),
) -> tuple[Count, Count]:
    """Count links.

    Args:
        matches: of all frames.
        truth_edges: between cells of the truth, mother to daughter.
        run_edges: between cells of the run.
        blank_frames: left out.

    Returns:
        The count of all links, and of those only whose two nuclei are found on both sides.
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
    """Join each cell's nuclei, and each cell's last with its daughters' first.

    Args:
        frame: (N,) of each nucleus.
        cell: (N,) of each nucleus.
        edges: between cells, mother to daughter.
        usable: (N,) bool; the others are as if they were not seen.

    Returns:
        (L, 2) pairs of nuclei, earlier and later, as indices into the arrays.

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
    """(S, 2) in (L, 2) -> (S,) bool: which rows are among the others."""
    stride = int(max(some.max(initial=0), others.max(initial=0))) + 1
    return np.isin(some[:, 0] * stride + some[:, 1], others[:, 0] * stride + others[:, 1])


# --- Divisions and fusions


@dataclass(frozen=True)
class Junction:
    """A division (one cell before) or a fusion (one cell after)."""

    frame: int
    before: tuple[int, ...]
    after: tuple[int, ...]


def divisions(graph: nx.DiGraph, nuclei: Nuclei) -> list[Junction]:
    """By frame; daughters that are never seen do not count."""
    found = []
    for mother in graph:
        daughters = [d for d in graph.successors(mother) if graph.in_degree(d) == 1 and d in nuclei.frames_of]
        if len(daughters) >= 2:
            found.append(Junction(min(map(nuclei.first, daughters)), (mother,), tuple(sorted(daughters))))
    return sorted(found, key=lambda j: (j.frame, j.before))


def fusions(graph: nx.DiGraph, nuclei: Nuclei) -> list[Junction]:
    """By frame; parents that are never seen do not count."""
    found = []
    for cell in nuclei.frames_of:
        parents = [p for p in graph.predecessors(cell) if p in nuclei.frames_of] if cell in graph else []
        if len(parents) >= 2:
            found.append(Junction(nuclei.first(cell), tuple(sorted(parents)), (cell,)))
    return sorted(found, key=lambda j: (j.frame, j.after))


def correspond(true: Junction, found: Junction, matches: Matches) -> bool:
    """Whether enough of the cells are the same: on either side one, or two where there are several.

    Args:
        true: of the truth.
        found: of the run.
        matches: of all frames.

    Returns:
        Whether both the cells before and the cells after correspond, however far apart the two are in time.
    """
    early, late = sorted((true.frame, found.frame))
    seen = matches.truth.frames_of
    before = {cell: seen[cell][seen[cell] < early][-WINDOW_FRAMES:] for cell in true.before}
    after = {cell: seen[cell][seen[cell] >= late][:WINDOW_FRAMES] for cell in true.after}
    return all(
        n_pairs(frames, cells, matches) >= min(2, len(frames))
        for frames, cells in ((before, found.before), (after, found.after))
    )


def n_pairs(frames: Mapping[int, np.ndarray], found: Sequence[int], matches: Matches) -> int:
    """How many true cells can be paired, each once, with a cell of the run that is the same.

    Args:
        frames: true cell -> the frames in which it is compared.
        found: cells of the run.
        matches: of all frames.

    Returns:
        The largest possible number of pairs.
    """
    from scipy.optimize import linear_sum_assignment

    same = np.array([[matches.are_same(a, b, at) for b in found] for a, at in frames.items()])
    return int(same[linear_sum_assignment(same, maximize=True)].sum())


def assign(
    true: Sequence[Junction], found: Sequence[Junction], matches: Matches, *, tolerance: int
) -> dict[int, int]:
    """Pair the divisions or fusions of the truth with those of the run.

    Args:
        true: of the truth.
        found: of the run.
        matches: of all frames.
        tolerance: frames that the two may lie apart.

    Returns:
        Index in `true` -> index in `found`, of those that are right.
    """
    frames = np.array([f.frame for f in found], np.int64)
    candidates = [
        (abs(t.frame - found[j].frame), i, j)
        for i, t in enumerate(true)
        for j in np.flatnonzero(np.abs(frames - t.frame) <= tolerance).tolist()
        if correspond(t, found[j], matches)
    ]
    return nearest_first(candidates)


def score_junctions(
    true: Sequence[Junction], found: Sequence[Junction], matches: Matches, tolerances: Sequence[int]
) -> dict[int, Count]:
    """Count divisions, or fusions.

    Args:
        true: of the truth.
        found: of the run.
        matches: of all frames.
        tolerances: frames that the two may lie apart.

    Returns:
        Tolerance -> count.
    """
    return {
        k: Count(len(assign(true, found, matches, tolerance=k)), len(found), len(true)) for k in tolerances
    }


def score_nary(
    true: Sequence[Junction], found: Sequence[Junction], matches: Matches
) -> tuple[Count, dict[str, int]]:
    """Count divisions into three or more, within one frame.

    Args:
        true: all divisions of the truth.
        found: all divisions of the run.
        matches: of all frames.

    Returns:
        The count, and "3 as 2" -> how many: true daughters, then the run's; 0 where the division was missed.
    """
    pairs = assign(true, found, matches, tolerance=NARY_TOLERANCE)
    nary = [i for i, t in enumerate(true) if len(t.after) >= MIN_NARY]
    daughters = [(len(true[i].after), len(found[pairs[i]].after) if i in pairs else 0) for i in nary]
    n_run = sum(len(f.after) >= MIN_NARY for f in found)
    right = sum(a == b for a, b in daughters)
    return Count(right, n_run, len(nary)), dict(Counter(f"{a} as {b}" for a, b in sorted(daughters)))


# --- Slippages


def score_slippages(
    events: pd.DataFrame, claims: Sequence[Claim], matches: Matches, *, minutes_per_frame: float
) -> Count:
    """Count slippages.

    Args:
        events: of the truth: `mother_id, frame, subtype`.
        claims: of the run.
        matches: of all frames.
        minutes_per_frame: interval.

    Returns:
        The count; a claim counts as one of the run's whether or not it has a time.
    """
    true = events.loc[events["subtype"] == SLIPPAGE, ["mother_id", "frame"]].astype(int).to_numpy().tolist()
    within = int(SLIPPAGE_WITHIN_MIN // minutes_per_frame)
    candidates = []
    for i, (mother, at) in enumerate(true):
        near = range(at - within, at + within + 1)
        for j, (cell, frame) in enumerate(claims):
            apart = within if frame is None else abs(frame - at)
            if apart <= within and matches.are_same(mother, cell, near):
                candidates.append((apart, i, j))
    return Count(len(nearest_first(candidates)), len(claims), len(true))


def slippage_claims(proposals: pd.DataFrame, tree: nx.DiGraph) -> list[Claim]:
    """The slippages that the run claims.

    Args:
        proposals: its mitoses without the rejected ones.
        tree: its annotated tree.
    """
    events = list(zip(proposals["mother_id"].astype(int), proposals["frame"].astype(int), strict=True))
    if "subtype" in proposals:
        slips = (proposals["subtype"] == SLIPPAGE).tolist()
    else:
        slips = [_goes_on(tree, mother, frame) for mother, frame in events]
    timed: list[Claim] = [event for event, slipped in zip(events, slips, strict=True) if slipped]
    with_event = {cell for cell, _ in timed}
    slipped = (
        cell
        for cell, life in tree.nodes.items()
        if life.get(CellKey.N_SLIPPAGES, 0) or life.get(CellKey.FATE) == Fate.SLIPPED
    )
    return timed + [(cell, None) for cell in slipped if cell not in with_event]


def _goes_on(tree: nx.DiGraph, mother: int, frame: int) -> bool:
    """Whether the cell neither divides nor dies, and is seen after `frame`.

    >>> import networkx as nx
    >>> tree = nx.DiGraph()
    >>> tree.add_node(1, last_frame=20, fate="lost")
    >>> _goes_on(tree, 1, 19), _goes_on(tree, 1, 20)
    (True, False)
    """
    life = tree.nodes[mother]
    return (
        tree.out_degree(mother) < 2
        and life[CellKey.FATE] not in (Fate.DIED_MITOSIS, Fate.DIED_INTERPHASE)
        and life[CellKey.LAST_FRAME] > frame
    )
