"""Tracklets and hypotheses -> the likeliest lineage: one integer program, solved to the proven optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.schema import Hypothesis, Lineage

if TYPE_CHECKING:
    import pandas as pd

    from lineage.schema import Tracklets

GAP = 0.0  # relative; HiGHS's own default of 1e-4 gives a worse lineage without a word


class Unsolved(RuntimeError):
    """The integer program has no solution that could be used."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Which hypotheses hold, and how sure that is."""

    chosen: np.ndarray  # (H,) bool
    proven: bool  # no better set exists
    gap: float  # relative distance to the bound; 0 when proven


def resolve(tracklets: Tracklets, *, time_limit_s: float = 600.0) -> Lineage:
    """Choose the hypotheses of the greatest joint likelihood and join the tracklets by them.

    Cells are numbered from 1, by first frame, then place; tracklets judged false keep `tracklet_id` -1.

    Raises:
        Unsolved: nothing was found within the time.
    """
    hypotheses = tracklets.hypotheses
    n = int(tracklets.detections["tracklet_id"].max()) + 1 if len(tracklets.detections) else 0
    if n == 0:
        return Lineage(tracklets.detections, nx.DiGraph())
    solution = solve(hypotheses, n, time_limit_s=time_limit_s)
    warnings: tuple[str, ...] = ()
    if not solution.proven:
        warnings = (
            f"the lineage is not proven to be the likeliest: the solver stopped after {time_limit_s:g} s "
            f"at a gap of {solution.gap:.2%}; give it more time with [resolve] time_limit_s",
        )
    return _joined(tracklets.detections, hypotheses[solution.chosen], warnings)


def solve(hypotheses: pd.DataFrame, n_tracklets: int, *, time_limit_s: float) -> Solution:
    """Explain each tracklet's beginning once and its end once, at the greatest summed log-likelihood.

    A false tracklet has both explained by that; a link explains the end of one and the beginning of
    another; a division the end of a mother and the beginnings of two daughters.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    constraint = LinearConstraint(explained(hypotheses, n_tracklets), 1, 1)
    likelihood = hypotheses["log_likelihood"].to_numpy(float)
    # Equal solutions are told apart by the hypotheses' order, the same on every machine.
    order = np.arange(len(likelihood)) * (1e-4 / max(len(likelihood), 1))
    result = milp(
        order - likelihood,
        integrality=np.ones(len(likelihood)),
        bounds=Bounds(0, 1),
        constraints=constraint,
        options={"mip_rel_gap": GAP, "time_limit": time_limit_s},
    )
    if result.x is None:
        raise Unsolved(
            f"no lineage was found in {time_limit_s:g} s from {len(likelihood)} hypotheses "
            f"({result.message}); give the solver more time with [resolve] time_limit_s"
        )
    gap = float(result.mip_gap or 0.0)
    return Solution(result.x > 0.5, proven=result.status == 0 and gap <= 1e-9, gap=gap)


def explained(hypotheses: pd.DataFrame, n_tracklets: int) -> object:
    """Sparse (2 n, H): rows are the ends, then the beginnings of the tracklets; 1 where explained."""
    from scipy.sparse import csr_array

    kind = hypotheses["kind"].to_numpy(object)
    column = np.arange(len(hypotheses))
    tracklet, first, second = (hypotheses[c].to_numpy(np.int64) for c in ("tracklet", "first", "second"))
    false = kind == Hypothesis.FALSE_POSITIVE
    division = kind == Hypothesis.DIVISION
    joins = division | (kind == Hypothesis.LINK)
    ends = false | joins | (kind == Hypothesis.END)
    starts = false | (kind == Hypothesis.START)
    rows = np.concatenate(
        [
            tracklet[ends],
            n_tracklets + tracklet[starts],
            n_tracklets + first[joins],
            n_tracklets + second[division],
        ]
    )
    columns = np.concatenate([column[ends], column[starts], column[joins], column[division]])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(2 * n_tracklets, len(hypotheses)))


def _joined(detections: pd.DataFrame, chosen: pd.DataFrame, warnings: tuple[str, ...]) -> Lineage:
    """Tracklets joined by links become cells; divisions become edges."""
    kind = chosen["kind"]
    real = detections["tracklet_id"] >= 0
    false = set(chosen.loc[kind == Hypothesis.FALSE_POSITIVE, "tracklet"])
    pieces = nx.Graph()
    pieces.add_nodes_from(set(detections.loc[real, "tracklet_id"]) - false)
    links = chosen[kind == Hypothesis.LINK]
    pieces.add_edges_from(zip(links["tracklet"], links["first"], strict=True))
    begins = detections[real].groupby("tracklet_id")[["frame", "y_um", "x_um"]].first()
    cells = [sorted(c, key=lambda i: tuple(begins.loc[i])) for c in nx.connected_components(pieces)]
    cells.sort(key=lambda c: tuple(begins.loc[c[0]]))
    cell_of = {tracklet: number for number, cell in enumerate(cells, start=1) for tracklet in cell}
    graph = nx.DiGraph()
    graph.add_nodes_from(range(1, len(cells) + 1))
    divisions = chosen[kind == Hypothesis.DIVISION]
    for mother, *daughters in divisions[["tracklet", "first", "second"]].itertuples(index=False):
        graph.add_edges_from((cell_of[mother], cell_of[d]) for d in daughters)
    joined = detections.assign(tracklet_id=detections["tracklet_id"].map(cell_of).fillna(-1).astype(np.int64))
    return Lineage(joined, graph, warnings)
