"""Hypotheses -> the likeliest lineage: one integer program, solved to the proven optimum."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.processes import cores
from lineage.schema import Hypothesis, Lineage
from lineage.tracking.deaths import with_deaths
from lineage.tracking.renumber import renumbered
from lineage.tracking.slips import is_said, without_slips

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from lineage.schema import Hypotheses

GAP = 0.0  # relative; HiGHS's own default of 1e-4 gives a worse lineage without a word
BATCH = 4000  # hypotheses solved together: one program of all takes longer, many small ones too
HOPS = 3  # around an event, within which the next best lineage is looked for
SURE = 20.0  # log-odds above which nobody cares how much
PASSING_FRAMES = 3  # a cell that lives no longer between two divisions, or two fusions, is a step of one


class Unsolved(RuntimeError):
    """The integer program has no solution that could be used."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Which hypotheses hold, and how sure that is."""

    chosen: np.ndarray  # (H,) bool
    unproven: int = 0  # parts of the program for which a better set may exist
    gap: float = 0.0  # the largest relative distance to the bound among them


def resolve(
    detections: pd.DataFrame,
    hypotheses: Hypotheses,
    *,
    time_limit_s: float = 600.0,
    spared: Collection[int] = (),
) -> Lineage:
    """Choose the hypotheses of the greatest joint log-odds and join the tracklets by them.

    Args:
        detections: DETECTION_COLUMNS; `tracklet_id` from 0, -1 for none.
        hypotheses: about these tracklets.
        time_limit_s: for each part of the program.
        spared: `detection_id` of nuclei whose cells do not die, whatever they look like.

    Returns:
        The lineage. Cells are numbered from 1, by first frame, then position; false tracklets keep
        `tracklet_id` -1. Edges have `log_odds` against the next best lineage; cells that die have `dies`.

    Raises:
        Unsolved: nothing was found within the time.
    """
    n = int(detections["tracklet_id"].max()) + 1 if len(detections) else 0
    if n == 0:
        return Lineage(detections, nx.DiGraph(), notes=("nothing to solve",))
    solution = solve(hypotheses, n, time_limit_s=time_limit_s)
    warnings: tuple[str, ...] = ()
    if solution.unproven:
        warnings = (
            f"{solution.unproven} part(s) of the lineage are not proven to be the likeliest: the solver "
            f"stopped after {time_limit_s:g} s at a gap of up to {solution.gap:.2%}; give it more time with "
            "[track] time_limit_s",
        )
    odds = against_next_best(hypotheses, solution.chosen, n, time_limit_s=time_limit_s)
    lineage = joined(detections, hypotheses, solution.chosen, odds, spared=spared)
    note = f"HiGHS: {len(hypotheses.kind)} hypotheses about {n} tracklets, " + (
        "proven optimal, gap 0" if not solution.unproven else f"gap up to {solution.gap:.2%}"
    )
    return Lineage(lineage.detections, lineage.graph, warnings, (*hypotheses.notes, note))


# --- The program


def solve(hypotheses: Hypotheses, n_tracklets: int, *, time_limit_s: float) -> Solution:
    """Explain each tracklet's beginning once and its end once, at the greatest summed log-odds.

    Args:
        hypotheses: a false tracklet has both explained by that; a link explains the end of one and the
            beginning of another; a division the end of a mother and the beginnings of her daughters; a fusion
            the ends of two and the beginning of one.
        n_tracklets: numbered from 0.
        time_limit_s: for each part.
    """
    chosen = np.zeros(len(hypotheses.kind), bool)
    parts = batches(hypotheses, n_tracklets)

    def one(part: np.ndarray) -> tuple[np.ndarray, bool, float]:
        try:
            return _optimum(hypotheses, part, time_limit_s=time_limit_s)
        except Unsolved:
            # One component at a time: either it helps, or it is known which one it is.
            components = batches(hypotheses, n_tracklets, part=part, size=1)
            if len(components) == 1:
                raise
            found = [_optimum(hypotheses, one, time_limit_s=time_limit_s) for one in components]
            x = np.zeros(len(part), bool)
            for component, (optimal, _, _) in zip(components, found, strict=True):
                x[np.isin(part, component[optimal])] = True
            return x, all(f[1] for f in found), max(f[2] for f in found)

    unproven, gap = 0, 0.0
    with ThreadPoolExecutor(cores()) as threads:  # HiGHS lets go of Python's lock
        for part, (x, proven, their_gap) in zip(parts, threads.map(one, parts), strict=True):
            chosen[part[x]] = True
            unproven += not proven
            gap = max(gap, their_gap)
    return Solution(chosen, unproven, gap)


def batches(
    hypotheses: Hypotheses, n_tracklets: int, *, part: np.ndarray | None = None, size: int | None = None
) -> list[np.ndarray]:
    """Hypotheses in parts that have nothing to do with each other, in order.

    Args:
        hypotheses: all of them.
        n_tracklets: numbered from 0.
        part: those that are shared out; all if None.
        size: of a part: whole components, as many as fit, at least one; BATCH if None.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    part = np.arange(len(hypotheses.kind)) if part is None else part
    members = np.c_[hypotheses.ends, hypotheses.starts][part]
    hub = members.max(axis=1)  # any tracklet of the hypothesis
    rows, columns = np.nonzero(members >= 0)
    a, b = hub[rows], members[rows, columns]
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(n_tracklets, n_tracklets))
    _, component = connected_components(graph, directed=False)
    of_hypothesis = component[hub]
    order = np.argsort(of_hypothesis, kind="stable")
    parts = np.cumsum(np.bincount(of_hypothesis)) // (size or BATCH)
    split = np.flatnonzero(np.diff(parts[of_hypothesis[order]])) + 1
    return [some for some in np.split(part[order], split) if len(some)]


def _optimum(
    hypotheses: Hypotheses,
    part: np.ndarray,
    *,
    time_limit_s: float,
    fixed: Iterable[int] = (),
) -> tuple[np.ndarray, bool, float]:
    """(len(part),) bool which of them hold, whether that is proven, and the gap.

    `fixed` are rows (see `constraint_matrix`) that others than these explain.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    matrix = constraint_matrix(hypotheses, part, without=fixed)
    odds = hypotheses.log_odds[part]
    # Among equal solutions the hypotheses' order decides, the same on every machine.
    order = np.arange(len(part)) * (1e-4 / max(len(part), 1))
    result = milp(
        order - odds,
        integrality=np.ones(len(part)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, 1, 1),
        options={"mip_rel_gap": GAP, "time_limit": time_limit_s},
    )
    if result.x is None:
        some = np.unique(np.c_[hypotheses.ends, hypotheses.starts][part])
        named = ", ".join(map(str, some[some >= 0][:6])) + (", ..." if (some >= 0).sum() > 6 else "")
        raise Unsolved(
            f"no lineage was found in {time_limit_s:g} s from {len(part)} hypotheses about the tracklets "
            f"{named} ({result.message}); give the solver more time with [track] time_limit_s"
        )
    gap = float(result.mip_gap or 0.0)
    return result.x > 0.5, bool(result.status == 0 and gap <= 1e-9), gap


def constraint_matrix(hypotheses: Hypotheses, part: np.ndarray, *, without: Iterable[int] = ()) -> object:
    """Sparse (rows, len(part)): a row for each tracklet's end, and beginning, that some of them explain.

    Rows are known by 2 x tracklet for an end, one more for a beginning; those in `without` are left out.

    Args:
        hypotheses: all of them.
        part: (H,) rows of those that are columns here.
        without: rows that are left out.
    """
    from scipy.sparse import csr_array

    sides = np.c_[2 * hypotheses.ends[part], 2 * hypotheses.starts[part] + 1]
    there = np.c_[hypotheses.ends[part], hypotheses.starts[part]] >= 0
    column, side = np.nonzero(there & ~np.isin(sides, list(without)))
    rows, index = np.unique(sides[column, side], return_inverse=True)
    return csr_array((np.ones(len(index)), (index, column)), shape=(len(rows), len(part)))


def against_next_best(
    hypotheses: Hypotheses, chosen: np.ndarray, n_tracklets: int, *, time_limit_s: float
) -> dict[int, float]:
    """Chosen division or fusion -> by how much the best lineage without it is less likely.

    The tracklets within HOPS of it are explained anew, the others stay as they are; log-odds up to SURE, as
    what a person says has.

    Args:
        hypotheses: all of them.
        chosen: (H,) bool.
        n_tracklets: numbered from 0.
        time_limit_s: for each.
    """
    members = np.c_[hypotheses.ends, hypotheses.starts]
    of_tracklet: list[list[int]] = [[] for _ in range(n_tracklets)]
    for h, t in zip(*np.nonzero(members >= 0), strict=True):
        of_tracklet[members[h, t]].append(int(h))
    events = [
        int(h)
        for h in np.flatnonzero(chosen)
        if hypotheses.kind[h] in (Hypothesis.DIVISION, Hypothesis.FUSION)
    ]

    def one(event: int) -> float:
        if event >= len(hypotheses.kind) - hypotheses.n_given:
            return SURE
        inside = {int(t) for t in members[event] if t >= 0}
        edge = set(inside)
        for _ in range(HOPS):
            edge = {int(t) for i in edge for h in of_tracklet[i] for t in members[h] if t >= 0} - inside
            inside |= edge
        touched = sorted({h for t in inside for h in of_tracklet[t]})
        whole = np.array([all(t < 0 or int(t) in inside for t in members[h]) for h in touched])
        # Chosen hypotheses that reach further stay, and so does what they explain.
        fixed = {
            2 * int(t) + side
            for h, w in zip(touched, whole, strict=True)
            if chosen[h] and not w
            for side, sides in ((0, hypotheses.ends[h]), (1, hypotheses.starts[h]))
            for t in sides
            if t >= 0
        }
        free = np.array([h for h, w in zip(touched, whole, strict=True) if w and h != event], int)
        sides = np.c_[2 * hypotheses.ends[free], 2 * hypotheses.starts[free] + 1]
        there = np.c_[hypotheses.ends[free], hypotheses.starts[free]] >= 0
        free = free[~(np.isin(sides, list(fixed)) & there).any(axis=1)]
        x, _, _ = _optimum(hypotheses, free, time_limit_s=time_limit_s)
        kept = [h for h, w in zip(touched, whole, strict=True) if w and chosen[h]]
        lost = hypotheses.log_odds[kept].sum() - hypotheses.log_odds[free[x]].sum()
        return float(np.clip(lost, 0, SURE))

    with ThreadPoolExecutor(cores()) as threads:
        return dict(zip(events, threads.map(one, events), strict=True))


# --- The lineage


def joined(
    detections: pd.DataFrame,
    hypotheses: Hypotheses,
    chosen: np.ndarray,
    odds: dict[int, float],
    *,
    spared: Collection[int] = (),
) -> Lineage:
    """Tracklets joined by links become cells; divisions and fusions become edges.

    Edges that a person says have `said`: what comes after the program leaves them alone.

    Args:
        detections: `tracklet_id` from 0, -1 for none.
        hypotheses: about these tracklets.
        chosen: (H,) bool.
        odds: chosen division or fusion -> its log-odds against the next best lineage.
        spared: `detection_id` of nuclei whose cells do not die.
    """
    kind = hypotheses.kind
    real = detections["tracklet_id"] >= 0
    false = set(hypotheses.starts[chosen & (kind == Hypothesis.FALSE_POSITIVE), 0].tolist())
    tracklets = nx.Graph()
    tracklets.add_nodes_from(set(detections.loc[real, "tracklet_id"]) - false)
    on = chosen & (kind == Hypothesis.LINK)
    tracklets.add_edges_from(np.c_[hypotheses.ends[on, 0], hypotheses.starts[on, 0]].tolist())
    cell_of = {t: k for k, cell in enumerate(nx.connected_components(tracklets)) for t in cell}
    graph = nx.DiGraph()
    graph.add_nodes_from(cell_of.values())
    for h in np.flatnonzero(chosen & np.isin(kind, (Hypothesis.DIVISION, Hypothesis.FUSION))).tolist():
        ends, starts = (
            [cell_of[int(t)] for t in side[h] if t >= 0] for side in (hypotheses.ends, hypotheses.starts)
        )
        by_person = {"said": True} if h >= len(kind) - hypotheses.n_given else {}
        graph.add_edges_from(((a, b) for a in ends for b in starts), log_odds=odds[h], **by_person)
    for t in hypotheses.ends[chosen & (kind == Hypothesis.DEATH), 0].tolist():
        graph.nodes[cell_of[t]]["dies"] = True
    cell = detections["tracklet_id"].map(cell_of).fillna(-1).astype(np.int64)
    whole = without_slips(*in_one_step(detections.assign(tracklet_id=cell), graph))
    return renumbered(*with_deaths(*whole, spared=spared))


def in_one_step(detections: pd.DataFrame, graph: nx.DiGraph) -> tuple[pd.DataFrame, nx.DiGraph]:
    """Two divisions, or two fusions, within PASSING_FRAMES are one of more: masks come apart one by one.

    What the cell between them was is given to the one nearest to it.
    """
    graph = graph.copy()
    seen = detections[detections["tracklet_id"] >= 0].groupby("tracklet_id")["frame"]
    first, last = seen.min().to_dict(), seen.max().to_dict()
    becomes: dict[int, int] = {}
    for cell in sorted(graph, key=lambda c: (first[c], c)):
        before, after = list(graph.predecessors(cell)), list(graph.successors(cell))
        if last[cell] - first[cell] >= PASSING_FRAMES or not before or not after or is_said(graph, cell):
            continue
        if len(before) == 1 and graph.out_degree(before[0]) > 1 and len(after) > 1:
            heir = after
        elif len(after) == 1 and graph.in_degree(after[0]) > 1 and len(before) > 1:
            heir = before
        else:
            continue
        if any(graph.in_degree(a) > 1 for a in after) and heir is after:
            continue
        odds = min(
            d["log_odds"] for *_, d in (*graph.in_edges(cell, data=True), *graph.out_edges(cell, data=True))
        )
        becomes[cell] = _nearest(detections, cell, heir, becomes)
        graph.remove_node(cell)
        graph.add_edges_from(((a, b) for a in before for b in after), log_odds=odds)
    number = detections["tracklet_id"]
    for cell, heir_cell in becomes.items():
        number = number.replace(cell, heir_cell)
    return detections.assign(tracklet_id=number), graph


def _nearest(detections: pd.DataFrame, cell: int, others: list[int], becomes: dict[int, int]) -> int:
    def of(one: int) -> tuple[np.ndarray, np.ndarray]:
        rows = detections[detections["tracklet_id"] == one].sort_values("frame", kind="stable")
        return rows["frame"].to_numpy(int), rows[["y_um", "x_um"]].to_numpy(float)

    own_frames, own = of(cell)

    def far(other: int) -> float:
        frames, positions = of(other)
        nearest = positions[0] if frames[0] > own_frames[-1] else positions[-1]
        return float(np.hypot(*(nearest - own.mean(axis=0))))

    return min((o for o in others if o not in becomes), key=far)
