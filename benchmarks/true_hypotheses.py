"""Nuclei whose truth is known -> what may have happened to them, and which of it did.

For `benchmarks/fit_likelihoods.py`. Nuclei come as a table with states, beside them (N,) the true track of
each, 0 where there is nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.edge import diameter_um
from lineage.mitosis import episodes
from lineage.schema import Hypothesis
from lineage.simulate.course import breaks_up_min
from lineage.tracking import hypotheses, link
from lineage.tracking.features import division_features, fusion_features
from lineage.tracking.resolve import resolve
from lineage.tracking.tracklet_arrays import TrackletArrays

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx
    from samples import Sample

    from lineage.simulate.cells import Cell
    from lineage.tracking.hypotheses import Candidates


def considered(sample: Sample, table: pd.DataFrame, cell: np.ndarray) -> list[tuple[Candidates, np.ndarray]]:
    """Candidates of each kind and which are true. Tracklets are cut wherever geometry allows."""
    s = sample.settings
    given = table.assign(cell=cell)
    tracklets = link.link(
        given, usable=sample.usable, shape_um=sample.shape_um, minutes_per_frame=s.minutes_per_frame
    )
    detections = tracklets.detections
    cell = given.set_index("detection_id")["cell"].loc[detections["detection_id"]].to_numpy()
    time = link.usable_time(detections, sample.usable, s.minutes_per_frame)
    reach = hypotheses.Reach(tracklets.step_um / diameter_um(detections), 2.0, 1.5, gap_frames=4)
    whole = TrackletArrays.of(detections, time, shape_um=sample.shape_um, pixel_size_um=s.pixel_size_um)
    cut = hypotheses.cut(whole, reach, plausible_division, plausible_fusion)
    told = hypotheses.of_shorter(tracklets, whole, cut)
    found = hypotheses.candidates(cut, reach, btrack=told)
    return [(c, is_true(c, cut, cell[cut.row], sample.truth)) for c in found]


def plausible_division(p: TrackletArrays, mother: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Cut generously: half to twice the DNA, not all on one side, or a mitotic mother."""
    f = division_features(p, mother, np.c_[mother + 1, start])
    fits = (np.abs(f["share"]) < 0.9) & (f["one_sided"] < 0.95) & (f["uneven2"] < 1.5)
    return np.where(fits & (f["mother_mitotic"] + f["daughters_mitotic"] > 0.2), 1.0, -1.0)


def plausible_fusion(p: TrackletArrays, end: np.ndarray, fused: np.ndarray) -> np.ndarray:
    """Cut generously: the DNA of both."""
    f = fusion_features(p, np.c_[end, fused - 1], fused)
    return np.where((np.abs(f["share"]) < 0.6) & (f["grows"] > 0.1), 1.0, -1.0)


def is_true(c: Candidates, p: TrackletArrays, cell: np.ndarray, truth: nx.DiGraph) -> np.ndarray:
    """(H,) bool, for candidates about tracklets whose nuclei are those of `cell` (N,)."""
    begins, ends = cell[p.first], cell[p.last]
    first, last = earliest(begins, p.time[p.first]), earliest(ends, -p.time[p.last])
    died = {n for n, d in truth.nodes(data=True) if d["fate"].startswith("died")}

    def of_these(tracklets: Iterable[int]) -> np.ndarray:
        return np.isin(np.arange(len(begins)), list(tracklets))

    match c.kind:
        case Hypothesis.FALSE_POSITIVE:
            return pd.Series(cell > 0).groupby(p.tracklet).mean().to_numpy() < 0.5
        case Hypothesis.START:
            return of_these(k for n, k in first.items() if not any(m in last for m in truth.predecessors(n)))
        case Hypothesis.END:
            goes_on = {n for n in last if any(d in first for d in truth.successors(n))}
            return of_these(k for n, k in last.items() if n not in goes_on | died)
        case Hypothesis.DEATH:
            return of_these(k for n, k in last.items() if n in died)
        case Hypothesis.LINK:
            following = follow(p, begins, ends)
            pairs = zip(c.ends[:, 0].tolist(), c.starts[:, 0].tolist(), strict=True)
            return np.array([following.get(i) == j for i, j in pairs])
        case Hypothesis.DIVISION:
            parted = divided(p, first, last, truth)
            families = zip(c.ends[:, 0].tolist(), c.starts.tolist(), strict=True)
            return np.array([parted.get(m) == {d for d in ds if d >= 0} for m, ds in families])
        case _:
            joined = fused(first, last, truth)
            families = zip(c.ends.tolist(), c.starts[:, 0].tolist(), strict=True)
            return np.array([s in joined and joined[s].issuperset(e) for e, s in families])


def earliest(cells: np.ndarray, times: np.ndarray) -> dict[int, int]:
    """Cell -> the tracklet that has its lowest time; nothing (0) is no cell."""
    order = np.lexsort((times, cells))[::-1]  # of a cell's the earliest comes last, and stays
    return {c: k for c, k in zip(cells[order].tolist(), order.tolist(), strict=True) if c > 0}


def follow(p: TrackletArrays, begins: np.ndarray, ends: np.ndarray) -> dict[int, int]:
    """Tracklet -> the next one of the same cell."""
    by_start: dict[int, list[int]] = {}
    for k in np.lexsort((p.time[p.first], begins)).tolist():
        by_start.setdefault(int(begins[k]), []).append(k)
    found = {}
    for k, c in enumerate(ends.tolist()):
        later = [j for j in by_start.get(c, []) if c and p.time[p.first[j]] > p.time[p.last[k]]]
        if later:
            found[k] = later[0]
    return found


def divided(
    p: TrackletArrays, first: dict[int, int], last: dict[int, int], truth: nx.DiGraph
) -> dict[int, set[int]]:
    """A mother's last tracklet -> the daughters' first ones, those that begin within three frames."""
    found = {}
    for mother, k in last.items():
        daughters = {first[d] for d in truth.successors(mother) if truth.in_degree(d) == 1 and d in first}
        near = {d for d in daughters if 0 < p.time[p.first[d]] - p.time[p.last[k]] <= 3}
        if len(near) > 1:
            found[k] = near
    return found


def fused(first: dict[int, int], last: dict[int, int], truth: nx.DiGraph) -> dict[int, set[int]]:
    """A fused cell's first tracklet -> its parents' last ones."""
    parents = {k: {last[x] for x in truth.predecessors(f) if x in last} for f, k in first.items()}
    return {k: those for k, those in parents.items() if len(those) > 1}


def attempted(
    sample: Sample, table: pd.DataFrame, cell: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Episodes that no division or birth explains: features, which are mitoses, which are deaths."""
    minutes, pixel_um = sample.settings.minutes_per_frame, sample.settings.pixel_size_um
    tracklets = link.link(table, usable=sample.usable, shape_um=sample.shape_um, minutes_per_frame=minutes)
    time = link.usable_time(tracklets.detections, sample.usable, minutes)
    lineage = resolve(
        *hypotheses.build_hypotheses(tracklets, time, shape_um=sample.shape_um, pixel_size_um=pixel_um)
    )
    last = int(np.flatnonzero(sample.usable)[-1])
    found = [
        e
        for e in episodes.episodes(lineage, minutes_per_frame=minutes, last_frame=last)
        if episodes.is_alone(lineage, e)
    ]
    true_of = pd.Series(cell, table["detection_id"])
    by_cell = dict(tuple(lineage.detections.groupby("tracklet_id")))
    simulated = sample.cell_of_track
    mitosis, death = [], []
    for e in found:
        rows = by_cell[e.cell]
        names = true_of[rows.loc[rows["frame"].between(e.first, e.last), "detection_id"]]
        who = simulated.get(names.mode().iloc[0])
        mitosis.append(who is not None and in_mitosis(who, e.first * minutes, e.last * minutes))
        death.append(who is not None and dying(who, e.first * minutes, e.last * minutes))
    return pd.DataFrame([dict(e.features) for e in found]), np.array(mitosis, bool), np.array(death, bool)


def in_mitosis(cell: Cell, from_min: float, to_min: float) -> bool:
    """Whether it was, about these times."""
    m = cell.mitosis
    return m is not None and m.start_min - 10 <= to_min and from_min <= m.event_min + 30


def dying(cell: Cell, from_min: float, to_min: float) -> bool:
    """Whether it died about these times."""
    return from_min - 10 <= min(breaks_up_min(cell), cell.dying_min) <= to_min + 60
