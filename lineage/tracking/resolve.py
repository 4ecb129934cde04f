"""Hypotheses -> the likeliest lineage: one integer program, solved to the proven optimum."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.processes import cores
from lineage.schema import Hypothesis, Lineage
from lineage.tracking.deaths import with_deaths
from lineage.tracking.renumber import renumbered
from lineage.tracking.slips import is_said, without_slips
from lineage.tracking.tracklet_arrays import NONE

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from scipy.optimize import OptimizeResult

    from lineage.schema import Hypotheses

GAP = 0.0  # relative; HiGHS's own default of 1e-4 gives a worse lineage without a word
BATCH = 4000  # hypotheses solved together: one program of all takes longer, many small ones too
WHOLE = 1e-6  # so near to a whole number is one
CLEARLY = 1e-3  # in log-odds: more than what decides among equal solutions
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
    min_life_frames: float = 0.0,
    spared: Collection[int] = (),
) -> Lineage:
    """Choose the hypotheses of the greatest joint log-odds and join the tracklets by them.

    Args:
        detections: DETECTION_COLUMNS; `tracklet_id` from 0, -1 for none.
        hypotheses: about these tracklets.
        time_limit_s: for each part of the program.
        min_life_frames: no cell divides sooner after its birth.
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
    n_all, hypotheses = len(hypotheses.kind), worth_it(hypotheses, n)
    solution = solve(hypotheses, n, time_limit_s=time_limit_s)
    warnings: tuple[str, ...] = ()
    if solution.unproven:
        warnings = (
            f"{solution.unproven} part(s) of the lineage are not proven to be the likeliest: the solver "
            f"stopped after {time_limit_s:g} s at a gap of up to {solution.gap:.2%}; give it more time with "
            "[track] time_limit_s",
        )
    odds = against_next_best(hypotheses, solution.chosen, n, time_limit_s=time_limit_s)
    lineage = joined(
        detections, hypotheses, solution.chosen, odds, min_life_frames=min_life_frames, spared=spared
    )
    note = f"HiGHS: {n_all} hypotheses about {n} tracklets, " + (
        "proven optimal, gap 0" if not solution.unproven else f"gap up to {solution.gap:.2%}"
    )
    return replace(lineage, warnings=warnings, notes=(*hypotheses.notes, note))


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


def worth_it(hypotheses: Hypotheses, n_tracklets: int) -> Hypotheses:
    """Those that are not hopeless; what a person says is among the last, and stays."""
    return hypotheses.subset(~hopeless(hypotheses, n_tracklets))


def hopeless(hypotheses: Hypotheses, n_tracklets: int) -> np.ndarray:
    """Which hypotheses no likeliest lineage holds: what they explain is likelier explained by others.

    A tracklet's beginning and its end can be explained alone, if START and END of it are among the
    hypotheses; of a division into two, or a fusion of two, a link can explain the one half. In a crowded
    field a third of all are such; without them the program is smaller, and falls into more parts.

    Args:
        hypotheses: all of them.
        n_tracklets: numbered from 0.

    Returns:
        (H,) bool.
    """
    n_ends, n_starts = ((sides >= 0).sum(axis=1) for sides in (hypotheses.ends, hypotheses.starts))
    end, start = (np.append(np.full(n_tracklets, -np.inf), 0.0) for _ in range(2))  # the last is that of none
    is_end, is_start = (n_ends == 1) & (n_starts == 0), (n_ends == 0) & (n_starts == 1)
    np.maximum.at(end, hypotheses.ends[is_end, 0], hypotheses.log_odds[is_end])
    np.maximum.at(start, hypotheses.starts[is_start, 0], hypotheses.log_odds[is_start])
    alone = end[hypotheses.ends].sum(axis=1) + start[hypotheses.starts].sum(axis=1)
    best = alone.copy()
    links = (n_ends == 1) & (n_starts == 1) & (hypotheses.kind == Hypothesis.LINK)
    pairs = hypotheses.ends[links, 0] * n_tracklets + hypotheses.starts[links, 0]
    order = np.argsort(pairs, kind="stable")
    pairs, linked = np.append(pairs[order], -1), np.append(hypotheses.log_odds[links][order], -np.inf)
    for k, m in product(range(hypotheses.ends.shape[1]), range(hypotheses.starts.shape[1])):
        a, b = hypotheses.ends[:, k], hypotheses.starts[:, m]
        of_more = (a >= 0) & (b >= 0) & (n_ends + n_starts > 2)
        pair = a * n_tracklets + b
        at = np.searchsorted(pairs[:-1], pair)
        by_link = np.where(of_more & (pairs[at] == pair), linked[at], -np.inf)
        with np.errstate(invalid="ignore"):  # what has no END or no START
            best = np.fmax(best, alone - end[a] - start[b] + by_link)
    return np.asarray(hypotheses.log_odds < best - CLEARLY)


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


def relaxed(hypotheses: Hypotheses, n_tracklets: int) -> np.ndarray:
    """(H,) from 0 to 1: what `solve` chooses, were a hypothesis allowed to hold in part; few do.

    Args:
        hypotheses: as `solve` takes them.
        n_tracklets: numbered from 0.
    """
    shares = np.zeros(len(hypotheses.kind))
    for part in batches(hypotheses, n_tracklets):
        shares[part] = _program(hypotheses, part, whole=False).x
    return shares


def _optimum(
    hypotheses: Hypotheses, part: np.ndarray, *, time_limit_s: float
) -> tuple[np.ndarray, bool, float]:
    """(len(part),) bool which of them hold, whether that is proven, and the gap."""
    for whole in (False, True):  # most often the best numbers are whole ones anyway, which is found sooner
        result = _program(hypotheses, part, whole=whole, time_limit_s=time_limit_s)
        if result.status == 0 and np.abs(result.x - np.round(result.x)).max(initial=0) < WHOLE:
            break
    if result.x is None:
        some = np.unique(np.c_[hypotheses.ends, hypotheses.starts][part])
        named = ", ".join(map(str, some[some >= 0][:6])) + (", ..." if (some >= 0).sum() > 6 else "")
        raise Unsolved(
            f"no lineage was found in {time_limit_s:g} s from {len(part)} hypotheses about the tracklets "
            f"{named} ({result.message}); give the solver more time with [track] time_limit_s"
        )
    gap = float(result.mip_gap or 0.0)
    return result.x > 0.5, bool(result.status == 0 and gap <= 1e-9), gap


def _program(
    hypotheses: Hypotheses, part: np.ndarray, *, whole: bool, time_limit_s: float = np.inf
) -> OptimizeResult:
    """How far each hypothesis of a part holds: entirely or not at all, or by a number between 0 and 1."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    # Among equal solutions the hypotheses' order decides, the same on every machine.
    order = np.arange(len(part)) * (1e-4 / max(len(part), 1))
    return milp(
        order - hypotheses.log_odds[part],
        integrality=np.full(len(part), int(whole)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(constraint_matrix(hypotheses, part), 1, 1),
        # HiGHS's own preparation takes longer than it saves.
        options={"mip_rel_gap": GAP, "time_limit": time_limit_s, "presolve": False},
    )


def constraint_matrix(hypotheses: Hypotheses, part: np.ndarray) -> object:
    """Sparse (rows, len(part)): a row for each tracklet's end, and beginning, that some of them explain.

    Args:
        hypotheses: all of them.
        part: (H,) rows of those that are columns here.
    """
    from scipy.sparse import csr_array

    sides = np.c_[2 * hypotheses.ends[part], 2 * hypotheses.starts[part] + 1]
    there = np.c_[hypotheses.ends[part], hypotheses.starts[part]] >= 0
    column, side = np.nonzero(there)
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
    row, column = np.nonzero(members >= 0)
    order = np.argsort(members[row, column], kind="stable")
    starts_at = np.searchsorted(members[row, column][order], np.arange(1, n_tracklets))
    of_tracklet = np.split(row[order], starts_at)
    is_event = chosen & np.isin(hypotheses.kind, (Hypothesis.DIVISION, Hypothesis.FUSION))
    events = np.flatnonzero(is_event).tolist()

    def marked(tracklets: np.ndarray) -> np.ndarray:
        """(n_tracklets + 1,) bool; the last is that of none."""
        mask = np.zeros(n_tracklets + 1, bool)
        mask[tracklets] = True
        return mask

    def one(event: int) -> float:
        if event >= len(hypotheses.kind) - hypotheses.n_given:
            return SURE
        inside = marked(members[event])
        inside[NONE] = True
        edge = members[event][members[event] >= 0]
        for _ in range(HOPS):
            if not len(edge):
                break
            reached = np.unique(members[np.concatenate([of_tracklet[i] for i in edge])])
            edge = reached[~inside[reached]]
            inside[edge] = True
        touched = np.unique(np.concatenate([of_tracklet[i] for i in np.flatnonzero(inside[:NONE])]))
        whole = inside[members[touched]].all(axis=1)
        # Chosen hypotheses that reach further stay, and so does what they explain.
        stays = touched[chosen[touched] & ~whole]
        ended, begun = marked(hypotheses.ends[stays]), marked(hypotheses.starts[stays])
        ended[NONE] = begun[NONE] = False
        free = touched[whole & (touched != event)]
        free = free[~(ended[hypotheses.ends[free]].any(axis=1) | begun[hypotheses.starts[free]].any(axis=1))]
        x, _, _ = _optimum(hypotheses, free, time_limit_s=time_limit_s)
        kept = touched[whole & chosen[touched]]
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
    min_life_frames: float = 0.0,
    spared: Collection[int] = (),
) -> Lineage:
    """Tracklets joined by links become cells; divisions and fusions become edges.

    Edges that a person says have `said`: what comes after the program leaves them alone.

    Args:
        detections: `tracklet_id` from 0, -1 for none.
        hypotheses: about these tracklets.
        chosen: (H,) bool.
        odds: chosen division or fusion -> its log-odds against the next best lineage.
        min_life_frames: no cell divides sooner after its birth.
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
    steps = in_one_step(detections.assign(tracklet_id=cell), graph)
    *whole, n_too_soon = without_slips(*steps, min_life_frames=min_life_frames)
    lineage = renumbered(*with_deaths(*whole, spared=spared))
    return replace(lineage, n_divided_too_soon=n_too_soon)


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
