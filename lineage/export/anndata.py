"""Detections, tracklets and annotated tree -> AnnData, cells by measures, for scanpy and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.export.parquet import typed
from lineage.io.files import atomic_write
from lineage.schema import InputError, signal_columns, signal_names

if TYPE_CHECKING:
    from pathlib import Path

    import networkx as nx
    import pandas as pd

# Of these a cell has the median over the frames that it is seen in; and their units.
MEDIANS = {
    "area_um2": "um2", "dna_mass": "grey levels", "mean_intensity": "grey levels", "eccentricity": "",
    "solidity": "", "texture": "", "rounding": "", "condensation": "", "p_mitotic": "", "p_dead": "",
}  # fmt: skip
MOTHERS = "lineage"  # of obsp: 1 from mother to daughter


def write(tree: nx.DiGraph, detections: pd.DataFrame, tracklets: pd.DataFrame, path: Path) -> tuple[int, int]:
    """Write the cells; the file is written completely or not at all.

    X has a row a cell: medians over its frames, how long it was seen, how fast it went. `obs` is the table of
    tracklets, `obsp["lineage"]` is 1 from mother to daughter, `uns` holds what the tree says of the movie.

    Args:
        tree: annotated tree.
        detections: DETECTION_COLUMNS.
        tracklets: TRACKLET_COLUMNS.
        path: a file `*.h5ad`; replaced if it is there.

    Returns:
        How many cells and measures.

    Raises:
        InputError: anndata is not installed, or tree and tables are not of the same run.
    """
    try:
        from anndata import AnnData
    except ImportError as error:
        raise InputError("AnnData needs anndata: pip install 'mitosis-lineage[exports]'") from error
    cells = [int(cell) for cell in tracklets["tracklet_id"]]
    if set(cells) != set(tree):
        raise InputError("tracklets.csv and lineage.graphml are not of one run; run the movie again")
    values, units = measures(detections, tracklets)
    names = [f"cell{cell}" for cell in cells]
    data = AnnData(
        X=values.to_numpy(np.float64),
        obs=_plain(tracklets).set_axis(names, axis=0),
        var=units.to_frame("unit"),
        obsp={MOTHERS: _links(tree, cells)},
        uns={"video": dict(tree.graph)},
    )
    with atomic_write(path) as part:
        data.write_h5ad(part, compression="gzip")
    return data.shape


def measures(detections: pd.DataFrame, tracklets: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The measures of each cell, a row for each of `tracklets` in its order, and their units.

    `life_min` is from the first frame to the last, also where the movie or the field cut a life short.
    """
    import pandas as pd

    signals = [c for name in signal_names(map(str, detections)) for c in signal_columns(name)]
    units = MEDIANS | dict.fromkeys(signals, "grey levels")
    units |= {c: "" for c in signals if c.endswith("_foci")}
    seen = detections[detections["tracklet_id"] != -1]
    values = seen.groupby("tracklet_id")[list(units)].median().reindex(tracklets["tracklet_id"])
    values["life_min"] = (tracklets["end_min"] - tracklets["birth_min"]).to_numpy()
    values["n_frames"] = seen["tracklet_id"].value_counts().reindex(values.index).fillna(0)
    values["speed_um_per_h"] = _speeds(seen).reindex(values.index)
    units |= {"life_min": "min", "n_frames": "frames", "speed_um_per_h": "um/h"}
    return values, pd.Series(units)


def _speeds(seen: pd.DataFrame) -> pd.Series:
    """Cell -> the median of its steps, drift taken out; missing where it is seen once."""
    in_order = seen.sort_values(["tracklet_id", "frame"])
    steps = in_order.groupby("tracklet_id")[["y_um", "x_um", "time_min"]].diff()
    speeds = 60 * np.hypot(steps["y_um"], steps["x_um"]) / steps["time_min"]
    return speeds.groupby(in_order["tracklet_id"]).median()


def _links(tree: nx.DiGraph, cells: list[int]) -> Any:
    """(N, N) sparse, 1 from mother to daughter."""
    from scipy.sparse import csr_matrix

    row = {cell: k for k, cell in enumerate(cells)}
    edges = np.array([(row[a], row[b]) for a, b in tree.edges], int).reshape(-1, 2)
    return csr_matrix((np.ones(len(edges)), tuple(edges.T)), shape=(len(cells), len(cells)))


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """The table in types that every version of AnnData writes: texts are categories, numbers plain floats."""
    exact = typed(table)
    kinds = {"string": "category", "Float64": "float64"}
    return exact.astype({name: kinds[str(t)] for name, t in exact.dtypes.items() if str(t) in kinds})
