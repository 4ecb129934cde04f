"""Lineage -> the same, in which a cell that falls to pieces dies.

Seen nucleus by nucleus, one that breaks up divides, and its fragments go on as cells. What tells is how they
look (`p_dead`): daughters are born condensed, but not as drops. So a division after which all looks dead is
none, and what looks dead to its end, or to the end of the movie, has died. Its fragments belong to no cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.edge import diameter_um
from lineage.tracking.slips import is_said
from lineage.tracking.tracklet_arrays import NONE

if TYPE_CHECKING:
    from collections.abc import Collection

    import networkx as nx
    import pandas as pd

DEAD = 0.5  # mean probability from which on nuclei look dead
LAST_FRAMES = 3  # of a cell, that are looked at; one that is seen for less has not died
REACH = 2.0  # diameters, from a dying cell to a fragment of it


def with_deaths(
    detections: pd.DataFrame, graph: nx.DiGraph, *, spared: Collection[int] = ()
) -> tuple[pd.DataFrame, nx.DiGraph]:
    """Mark the cells that die, and take their fragments out.

    Args:
        detections: DETECTION_COLUMNS; `tracklet_id` is the cell.
        graph: of the cells.
        spared: `detection_id` of nuclei whose cells do not die, and are no fragments.

    Returns:
        Both anew; nodes of cells that die have `dies`.
    """
    import networkx as nx

    graph = graph.copy()
    seen = detections[detections["tracklet_id"] != NONE].sort_values("frame", kind="stable")
    p_dead = seen["p_dead"].to_numpy(float)
    position = seen[["y_um", "x_um"]].to_numpy(float) / diameter_um(detections)
    frame = seen["frame"].to_numpy(int)
    rows = seen.groupby("tracklet_id").indices

    def looks_dead(cell: int) -> bool:
        return bool(p_dead[rows[cell]].mean() >= DEAD)

    alive = set(detections.loc[detections["detection_id"].isin(spared), "tracklet_id"])
    fragments: set[int] = set()
    for mother in sorted(graph, key=lambda c: frame[rows[c][0]]):
        later = nx.descendants(graph, mother)
        alone = all(set(graph.predecessors(c)) <= later | {mother} for c in later)
        seen_for = sum(len(rows[c]) for c in later)
        if graph.out_degree(mother) < 2 or mother in fragments or not alone or seen_for < LAST_FRAMES:
            continue
        if (later | {mother}) & alive or any(is_said(graph, c) for c in later):
            continue
        if all(map(looks_dead, later)):
            graph.nodes[mother]["dies"] = True
            fragments |= later
    for cell in graph:
        last = rows[cell][-LAST_FRAMES:]
        ends = not set(graph.successors(cell)) - fragments and cell not in alive
        if ends and cell not in fragments and len(last) == LAST_FRAMES and p_dead[last].mean() >= DEAD:
            graph.nodes[cell]["dies"] = True
    dying = [c for c, d in graph.nodes(data=True) if d.get("dies")]
    begun = np.array([frame[rows[c][0]] for c in dying], int)
    last_row = np.array([rows[c][-1] for c in dying], int)
    for cell in graph:
        first = rows[cell][0]
        if graph.degree(cell) or cell in fragments | alive or not looks_dead(cell):
            continue
        is_close = np.linalg.norm(position[last_row] - position[first], axis=1) < REACH
        if (is_close & (begun < frame[first]) & (frame[last_row] >= frame[first] - LAST_FRAMES)).any():
            fragments.add(cell)
    graph.remove_nodes_from(fragments)
    cell = detections["tracklet_id"]
    return detections.assign(tracklet_id=cell.where(~cell.isin(fragments), NONE)), graph
