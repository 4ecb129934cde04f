"""Frame quality and lineage <-> the tables that one stage of a run hands to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import networkx as nx
import pandas as pd

from lineage.io.files import read_table, write_table
from lineage.io.integrity import RUN_AGAIN, reading
from lineage.schema import DETECTION_COLUMNS, STATE_COLUMNS, FrameQuality, Lineage, ordered_columns

if TYPE_CHECKING:
    from pathlib import Path

EDGES = ("mother_id", "daughter_id", "log_odds")
CELLS = ("tracklet_id", "dies")
TRACKED = ("detection_id", "tracklet_id", *STATE_COLUMNS)


def read_quality(path: Path, *, n_frames: int) -> FrameQuality:
    """A movie's `stages/quality.csv`.

    Raises:
        InputError: it is not there, damaged, or of another movie.
    """
    table = read_table(path, text=("reason",))
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        if len(table) != n_frames:
            raise ValueError(f"{len(table)} rows for {n_frames} frames")
        return FrameQuality(table)


def write_lineage(lineage: Lineage, *, nuclei: Path, edges: Path, cells: Path) -> None:
    """Write what tracking adds to the measured nuclei.

    Args:
        lineage: of a movie.
        nuclei: gets the cell and the state of each nucleus, by `detection_id`.
        edges: gets who became whom.
        cells: gets which cells died.
    """
    write_table(lineage.detections[list(TRACKED)].sort_values("detection_id"), nuclei)
    rows = [(a, b, d.get("log_odds", math.nan)) for a, b, d in sorted(lineage.graph.edges(data=True))]
    write_table(pd.DataFrame(rows, columns=list(EDGES)), edges)
    dying = [(c, bool(d.get("dies"))) for c, d in sorted(lineage.graph.nodes(data=True))]
    write_table(pd.DataFrame(dying, columns=list(CELLS)), cells)


def read_lineage(measured: Path, *, nuclei: Path, edges: Path, cells: Path) -> Lineage:
    """Read what `write_lineage` wrote.

    Args:
        measured: NUCLEUS_COLUMNS and what else was measured, as they were tracked.
        nuclei: written by `write_lineage`, as the next two.
        edges: likewise.
        cells: likewise.

    Raises:
        InputError: a table is not there, damaged, or of other nuclei.
    """
    graph = nx.DiGraph()
    for cell, dies in read_table(cells, columns=CELLS)[[*CELLS]].itertuples(index=False, name=None):
        graph.add_node(int(cell), **({"dies": True} if dies else {}))
    for a, b, odds in read_table(edges, columns=EDGES)[[*EDGES]].itertuples(index=False, name=None):
        graph.add_edge(int(a), int(b), log_odds=float(odds))
    tracked = read_table(nuclei, columns=TRACKED)
    with reading(nuclei.parent, f"delete {nuclei.name}, {RUN_AGAIN}, and it is made anew"):
        detections = read_table(measured).merge(tracked, on="detection_id", validate="one_to_one")
        if len(detections) != len(tracked):
            raise ValueError(f"{len(tracked)} tracked nuclei, {len(detections)} of them measured")
        return Lineage(ordered_columns(detections, DETECTION_COLUMNS), graph)
