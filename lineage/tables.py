"""The annotated tree and its events -> tidy tables, one row a cell and one a founder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from lineage.mitosis.counts import count, mitoses_of
from lineage.schema import LINEAGE_COLUMNS, TRACKLET_COLUMNS, CellKey, Fate
from lineage.tree import daughters, mothers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx


def tables(tree: nx.DiGraph, events: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The annotated tree as two tidy tables.

    Args:
        tree: annotated tree.
        events: EVENT_COLUMNS of its cells.

    Returns:
        tracklets: TRACKLET_COLUMNS, one row a cell; ids of several cells are space-separated.
        lineages: LINEAGE_COLUMNS, one row a founder, over the cells that have it as their founder; mitoses
            are counted by their verdict.
    """
    rows = [
        {"tracklet_id": cell, "founder_id": life[CellKey.FOUNDER]}
        | {"parent_ids": _ids(mothers(tree, cell)), "daughter_ids": _ids(daughters(tree, cell))}
        | life
        for cell, life in sorted(tree.nodes.items())
    ]
    tracklets = pd.DataFrame(rows, columns=list(TRACKLET_COLUMNS)).astype({"event_id": "Int64"})
    mitoses = mitoses_of(events)
    founder_of = tracklets.set_index("tracklet_id")["founder_id"]
    by_founder = dict(tuple(mitoses.groupby(mitoses["mother_id"].map(founder_of))))
    lineages = [
        _lineage_row(founder, cells, by_founder.get(founder, mitoses[:0]))
        for founder, cells in tracklets.groupby("founder_id")
    ]
    return tracklets, pd.DataFrame(lineages, columns=list(LINEAGE_COLUMNS))


def _lineage_row(founder: Any, cells: pd.DataFrame, mitoses: pd.DataFrame) -> dict[str, Any]:
    n, ends = count(mitoses), cells["fate"]
    return {
        "founder_id": founder,
        "first_frame": cells["first_frame"].min(),
        "last_frame": cells["last_frame"].max(),
        "birth_min": cells["birth_min"].min(),
        "end_min": cells["end_min"].max(),
        "n_cells": len(cells),
        "n_generations": cells["generation"].max() + 1,
        "n_mitoses": n.mitoses,
        "n_normal": n.normal,
        "n_abnormal": n.abnormal,
        "n_undecided": n.undecided,
        "n_unclassified": n.undecided,  # its name in earlier versions
        "n_alive_at_end": (ends == Fate.END_OF_MOVIE).sum(),
        "n_lost": (ends == Fate.LOST).sum(),
    }


def _ids(cells: Iterable[int]) -> str:
    """Ids as one cell of a table.

    >>> _ids([3, 4])
    '3 4'
    """
    return " ".join(map(str, cells))
