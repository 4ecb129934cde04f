"""Lineage -> the same, in which a cell that falls to pieces dies.

Seen nucleus by nucleus, one that breaks up divides, and its pieces go on as cells. What tells is how they
look (`p_dead`): daughters are born condensed, but not as drops. So a division into what is dead is none, and
what looks dead to its end, or to the end of the movie, has died. Its pieces belong to no cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.pieces import diameter_um

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

DEAD = 0.5  # mean probability from which on nuclei look dead
YOUNG_FRAMES = 4  # of a daughter, that are looked at
LAST_FRAMES = 3  # of a cell, likewise; one that is seen for less has not died
REACH = 2.0  # diameters, from a dying cell to a piece of it
NOBODY = -1


def with_deaths(detections: pd.DataFrame, graph: nx.DiGraph) -> tuple[pd.DataFrame, nx.DiGraph]:
    """Mark the cells that die, and take their pieces out.

    Args:
        detections: DETECTION_COLUMNS; `tracklet_id` is the cell.
        graph: of the cells.

    Returns:
        Both anew; nodes of cells that die have `dies`.
    """
    import networkx as nx

    graph = graph.copy()
    seen = detections[detections["tracklet_id"] != NOBODY].sort_values("frame", kind="stable")
    p_dead = seen["p_dead"].to_numpy(float)
    place = seen[["y_um", "x_um"]].to_numpy(float) / diameter_um(detections)
    frame = seen["frame"].to_numpy(int)
    rows = seen.groupby("tracklet_id").indices

    def young(cell: int) -> float:
        return float(p_dead[rows[cell][:YOUNG_FRAMES]].mean())

    pieces: set[int] = set()
    for mother in sorted(graph, key=lambda c: frame[rows[c][0]]):
        daughters = list(graph.successors(mother))
        if len(daughters) > 1 and mother not in pieces and min(map(young, daughters)) >= DEAD:
            graph.nodes[mother]["dies"] = True
            pieces |= nx.descendants(graph, mother)
    for cell in graph:
        last = rows[cell][-LAST_FRAMES:]
        ends = not set(graph.successors(cell)) - pieces
        if ends and cell not in pieces and len(last) == LAST_FRAMES and p_dead[last].mean() >= DEAD:
            graph.nodes[cell]["dies"] = True
    dying = [c for c, d in graph.nodes(data=True) if d.get("dies")]
    begun = np.array([frame[rows[c][0]] for c in dying], int)
    last_row = np.array([rows[c][-1] for c in dying], int)
    for cell in graph:
        first = rows[cell][0]
        if graph.degree(cell) or cell in pieces or p_dead[rows[cell]].mean() < DEAD:
            continue
        near = np.linalg.norm(place[last_row] - place[first], axis=1) < REACH
        if (near & (begun < frame[first]) & (frame[last_row] >= frame[first] - LAST_FRAMES)).any():
            pieces.add(cell)
    graph.remove_nodes_from(pieces)
    cell = detections["tracklet_id"]
    return detections.assign(tracklet_id=cell.where(~cell.isin(pieces), NOBODY)), graph
