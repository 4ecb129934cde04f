"""Detections + annotated tree -> GEFF, a graph in Zarr with one node for each nucleus in each frame.

Format: https://liveimagetrackingtools.org/geff
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from lineage.io.files import atomic_write, write_table
from lineage.schema import CellKey, Decision, Fate, MitosisClass, Subtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from enum import StrEnum
    from pathlib import Path

    import pandas as pd

MEASURES = ("y_um", "x_um", "area_um2", "dna_mass", "mean_intensity")


WORDS: dict[str, type[StrEnum]] = {
    "fate": Fate, "mitosis_class": MitosisClass, "subtype": Subtype, "verdict": Decision,
}  # fmt: skip
OF_MITOSIS = {
    "mitosis_class": CellKey.MITOSIS,
    "subtype": CellKey.SUBTYPE,
    "verdict": CellKey.VERDICT,
    "p_verdict": CellKey.P_VERDICT,
    "p_abnormal": CellKey.P_ABNORMAL,
}
LEFT_OUT_COLUMNS = ("kind", "mother_id", "daughter_id", "frame", "source_node", "target_node")


def write(
    tree: nx.DiGraph,
    detections: pd.DataFrame,
    path: Path,
    *,
    labels: Path,
    events: pd.DataFrame | None = None,
    binary: bool = False,
) -> None:
    """Write the graph; the folder is written completely or not at all.

    Coordinates are frames and pixels of the image, so that they lie on the labels; `y_um, x_um` are
    drift-corrected positions.

    Args:
        tree: annotated tree.
        detections: DETECTION_COLUMNS; those of no cell (tracklet_id -1) are left out.
        path: a folder `*.geff`; replaced if it is there.
        labels: the Zarr array of cell ids that a node's `seg_id` points into.
        events: EVENT_COLUMNS, which say how sure each mitosis is; without them `confidence` is left out.
        binary: for programs that know of two daughters and one parent at most, and of numbers only: other
            edges go into a table beside it (`left_out_beside`), and words become the numbers of `codes`.
    """
    from geff.core_io import write_arrays
    from geff_spec import GeffMetadata, RelatedObject

    nuclei = detections[detections["tracklet_id"] != -1].sort_values(["tracklet_id", "frame"])
    lost = _beyond_binary(tree, nuclei) if binary else []
    if binary:
        _write_left_out(tree, nuclei, lost, left_out_beside(path))
        tree = nx.DiGraph(tree)
        tree.remove_edges_from(lost)
    metadata = GeffMetadata(
        directed=True,
        node_props_metadata={},
        edge_props_metadata={},
        axes=_axes(tree),
        track_node_props={"lineage": "lineage", "tracklet": "tracklet"},
        related_objects=[
            RelatedObject(type="labels", path=os.path.relpath(labels, path), node_prop="seg_id")
        ],
        extra={"lineage": dict(tree.graph) | ({"codes": codes()} if binary else {})},
    )
    with atomic_write(path) as part:
        write_arrays(
            part,
            node_ids=nuclei["detection_id"].to_numpy(np.uint64),
            node_props=properties(tree, nuclei, events=events, as_codes=binary),
            edge_ids=links(tree, nuclei).astype(np.uint64),
            edge_props={},
            metadata=metadata,
            zarr_format=2,  # strings in format 3 are not yet in its specification
        )


def codes() -> dict[str, dict[str, int]]:
    """Property -> word -> the number that stands for it, from 1.

    >>> codes()["verdict"]
    {'normal': 1, 'abnormal': 2, 'undecided': 3, 'not_a_mitosis': 4}
    """
    return {name: {word.value: k for k, word in enumerate(words, start=1)} for name, words in WORDS.items()}


def left_out_beside(path: Path) -> Path:
    """The table of edges that the variant for two daughters does not hold.

    >>> from pathlib import Path
    >>> left_out_beside(Path("a/video.geff")).name
    'video.left_out.csv'
    """
    return path.with_suffix(".left_out.csv")


def _beyond_binary(tree: nx.DiGraph, nuclei: pd.DataFrame) -> list[tuple[int, int]]:
    """Edges beyond two daughters or one parent; those of the cells that are seen longest stay."""
    seen = nuclei["tracklet_id"].value_counts()

    def shortest(cells: Iterable[int], kept: int) -> list[int]:
        return sorted(cells, key=lambda c: (-seen[c], c))[kept:]

    fusions = [(p, c) for c in tree for p in shortest(tree.predecessors(c), 1)]
    left = nx.DiGraph(tree)
    left.remove_edges_from(fusions)
    return [*fusions, *((m, d) for m in left for d in shortest(left.successors(m), 2))]


def _write_left_out(
    tree: nx.DiGraph, nuclei: pd.DataFrame, edges: Sequence[tuple[int, int]], path: Path
) -> None:
    import pandas as pd

    cells = nuclei.groupby("tracklet_id")
    first, last, born = cells["detection_id"].first(), cells["detection_id"].last(), cells["frame"].first()
    rows = [
        ("fusion" if tree.in_degree(b) > 1 else "division", a, b, born[b], last[a], first[b])
        for a, b in edges
    ]
    write_table(pd.DataFrame(rows, columns=list(LEFT_OUT_COLUMNS)), path)


def properties(
    tree: nx.DiGraph,
    nuclei: pd.DataFrame,
    *,
    events: pd.DataFrame | None = None,
    as_codes: bool = False,
) -> dict[str, Any]:
    """Name -> the values over `nuclei`, and where they are missing.

    A nucleus has its own position and measurements; lineage, fate, generation and mitosis are its cell's.

    Args:
        tree: annotated tree.
        nuclei: DETECTION_COLUMNS, those in cells.
        events: EVENT_COLUMNS, for `confidence`.
        as_codes: numbers in place of words.

    Returns:
        As `geff.core_io.write_arrays` takes them.
    """
    cell = nuclei["tracklet_id"]
    mitosis = {name: cell.map(dict(tree.nodes(key))) for name, key in OF_MITOSIS.items()}
    if events is not None:
        confidence = dict(zip(events["event_id"], events["confidence"], strict=True))
        mitosis["confidence"] = cell.map(dict(tree.nodes(CellKey.EVENT_ID))).map(confidence)
    position: dict[str, Any] = {"t": nuclei["frame"], "y": nuclei["y_px"], "x": nuclei["x_px"]}
    lives = {
        "lineage": cell.map(components(tree)).astype(np.int64),
        "tracklet": cell.map(_chains(tree)).astype(np.int64),
        "generation": cell.map(dict(tree.nodes(CellKey.GENERATION))).astype(np.int64),
        "fate": cell.map(dict(tree.nodes(CellKey.FATE))).astype(str),
    }
    values = position | {"seg_id": cell} | lives | {name: nuclei[name] for name in MEASURES}
    arrays = {
        name: {"values": _plain(name, column, as_codes), "missing": None} for name, column in values.items()
    }
    return arrays | {
        name: {"values": _plain(name, column, as_codes), "missing": column.isna().to_numpy(bool)}
        for name, column in mitosis.items()
        if column.notna().any()  # readers look for what is declared on some node
    }


def _plain(name: str, column: pd.Series, as_codes: bool) -> np.ndarray:
    """Numbers or words as an array; what is missing is NaN, no word, or code 0."""
    if name not in WORDS:
        return column.to_numpy(float) if column.dtype == object else column.to_numpy()
    if as_codes:
        return column.map(codes()[name]).fillna(0).to_numpy(np.int64)
    return column.fillna("").astype(str).to_numpy(np.str_)


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
