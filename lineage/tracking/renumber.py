"""Cells of a lineage -> the same cells, numbered from 1 in order of their first frame, then position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.schema import Lineage

if TYPE_CHECKING:
    import pandas as pd


def renumbered(detections: pd.DataFrame, graph: nx.DiGraph) -> Lineage:
    """Number cells from 1, in order of their first frame, then position.

    Args:
        detections: DETECTION_COLUMNS; `tracklet_id` is the cell, -1 for none.
        graph: of the cells.
    """
    known = detections[detections["tracklet_id"] >= 0].sort_values(["frame", "y_um", "x_um"], kind="stable")
    order = known["tracklet_id"].drop_duplicates().tolist()
    number = {cell: k for k, cell in enumerate(order, start=1)}
    renamed = nx.DiGraph()
    renamed.add_nodes_from((number[c], dict(graph.nodes[c])) for c in order)
    renamed.add_edges_from(sorted((number[a], number[b], d) for a, b, d in graph.edges(data=True)))
    cell = detections["tracklet_id"].map(number).fillna(-1).astype(np.int64)
    return Lineage(detections.assign(tracklet_id=cell), renamed)
