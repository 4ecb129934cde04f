"""Detections + annotated tree -> GEFF, a graph in Zarr with one node for each nucleus in each frame.

Format: https://liveimagetrackingtools.org/geff
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from lineage.io.files import atomic_write
from lineage.schema import CellKey

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

MEASURES = ("y_um", "x_um", "area_um2", "dna_mass", "mean_intensity")


def write(tree: nx.DiGraph, detections: pd.DataFrame, path: Path, *, labels: Path) -> None:
    """Write the graph; the folder is written completely or not at all.

    Coordinates are frames and pixels of the image, so that they lie on the labels; `y_um, x_um` are
    drift-corrected positions.

    Args:
        tree: annotated tree.
        detections: DETECTION_COLUMNS; those of no cell (tracklet_id -1) are left out.
        path: a folder `*.geff`; replaced if it is there.
        labels: the Zarr array of cell ids that a node's `seg_id` points into.
    """
    from geff.core_io import write_arrays
    from geff_spec import GeffMetadata, RelatedObject

    nuclei = detections[detections["tracklet_id"] != -1].sort_values(["tracklet_id", "frame"])
    metadata = GeffMetadata(
        directed=True,
        node_props_metadata={},
        edge_props_metadata={},
        axes=_axes(tree),
        track_node_props={"lineage": "lineage", "tracklet": "tracklet"},
        related_objects=[
            RelatedObject(type="labels", path=os.path.relpath(labels, path), node_prop="seg_id")
        ],
        extra={"lineage": dict(tree.graph)},
    )
    with atomic_write(path) as part:
        write_arrays(
            part,
            node_ids=nuclei["detection_id"].to_numpy(np.uint64),
            node_props=properties(tree, nuclei),
            edge_ids=links(tree, nuclei).astype(np.uint64),
            edge_props={},
            metadata=metadata,
            zarr_format=2,  # strings in format 3 are not yet in its specification
        )


def properties(tree: nx.DiGraph, nuclei: pd.DataFrame) -> dict[str, Any]:
    """Name -> the values over `nuclei`, and where they are missing.

    A nucleus has its own position and measurements; lineage, fate, generation and mitosis are its cell's.

    Args:
        tree: annotated tree.
        nuclei: DETECTION_COLUMNS, those in cells.

    Returns:
        As `geff.core_io.write_arrays` takes them.
    """
    cell = nuclei["tracklet_id"]
    keys = {"mitosis_class": CellKey.MITOSIS, "verdict": CellKey.VERDICT}
    mitosis = {name: cell.map(dict(tree.nodes(key))) for name, key in keys.items()}
    position: dict[str, Any] = {"t": nuclei["frame"], "y": nuclei["y_px"], "x": nuclei["x_px"]}
    lives = {
        "lineage": cell.map(components(tree)).astype(np.int64),
        "tracklet": cell.map(_chains(tree)).astype(np.int64),
        "generation": cell.map(dict(tree.nodes(CellKey.GENERATION))).astype(np.int64),
        "fate": cell.map(dict(tree.nodes(CellKey.FATE))).astype(str),
    }
    values = position | {"seg_id": cell} | lives | {name: nuclei[name] for name in MEASURES}
    arrays = {name: {"values": _plain(column), "missing": None} for name, column in values.items()}
    return arrays | {
        name: {"values": _plain(column.fillna("").astype(str)), "missing": column.isna().to_numpy(bool)}
        for name, column in mitosis.items()
    }


def _plain(column: pd.Series) -> np.ndarray:
    return column.to_numpy(np.str_) if column.dtype == object else column.to_numpy()


def links(tree: nx.DiGraph, nuclei: pd.DataFrame) -> np.ndarray:
    """(M, 2) detection ids: a nucleus and the same cell's next, then a cell's last and its daughter's first.

    Args:
        tree: mother -> daughter.
        nuclei: sorted by cell, then frame.
    """
    ids, cell = nuclei["detection_id"].to_numpy(), nuclei["tracklet_id"].to_numpy()
    goes_on = cell[:-1] == cell[1:]
    first, last = (nuclei.groupby("tracklet_id")["detection_id"].agg(end) for end in ("first", "last"))
    across = [(last[mother], first[daughter]) for mother, daughter in tree.edges]
    within = np.column_stack([ids[:-1][goes_on], ids[1:][goes_on]])
    return np.concatenate([within, np.array(across, np.int64).reshape(-1, 2)])


def _axes(tree: nx.DiGraph) -> list[Any]:
    from geff_spec import Axis

    minutes, micrometres = tree.graph["minutes_per_frame"], tree.graph["pixel_size_um"]
    return [
        Axis(name="t", type="time", unit="frame", scale=minutes, scaled_unit="minute"),
        *(
            Axis(name=name, type="space", unit="pixel", scale=micrometres, scaled_unit="micrometer")
            for name in ("y", "x")
        ),
    ]


def components(tree: nx.DiGraph) -> dict[int, int]:
    """Cell -> its lineage: the lowest cell of all that descent and fusion connect it with."""
    return {cell: min(part) for part in nx.weakly_connected_components(tree) for cell in part}


def _chains(tree: nx.DiGraph) -> dict[int, int]:
    """Cell -> GEFF's tracklet, which runs on through a cell that becomes exactly one other.

    >>> _chains(nx.DiGraph([(1, 2), (2, 3), (2, 4)]))
    {1: 1, 2: 1, 3: 3, 4: 4}
    """
    tracklet: dict[int, int] = {}
    for cell in nx.topological_sort(tree):
        parents = list(tree.predecessors(cell))
        goes_on = len(parents) == 1 and tree.out_degree(parents[0]) == 1
        tracklet[cell] = tracklet[parents[0]] if goes_on else cell
    return tracklet
