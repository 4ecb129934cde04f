"""Some clones of each dose -> their lineages, drawn on one scale."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from lineage.report.forest import row, row_room
from lineage.schema import CellKey
from pipelines.report.drawing import Figure, dose_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SEED = 1  # of the choice of clones
TEXT = "font-family:Arial,Helvetica,'Liberation Sans',sans-serif;font-size:11px"


def forests(fates: pd.DataFrame, mitoses: pd.DataFrame, movies: pd.DataFrame) -> list[Figure]:
    """One drawing a dose, of randomly chosen clones of all of its movies.

    Args:
        fates: of one series, one row a cell.
        mitoses: of it, one row a mitosis.
        movies: of it, one row a movie.
    """
    longest = float((movies["n_frames"] * movies["minutes_per_frame"]).max())
    step = float(movies["minutes_per_frame"].min())
    return [
        _forest(dose, cells, mitoses[mitoses["dose_gy"] == dose], n_frames=longest / step, step=step)
        for dose, cells in fates.groupby("dose_gy")
        if cells["from_start"].any()
    ]


def _forest(dose: Any, cells: pd.DataFrame, mitoses: pd.DataFrame, *, n_frames: float, step: float) -> Figure:
    clones = list(_clones(cells))
    order = np.random.default_rng(SEED).permutation(len(clones))
    tree, data, events = nx.DiGraph(n_frames=n_frames, minutes_per_frame=step), [], []
    families: list[list[int]] = []
    for k in order.tolist():
        clone = clones[k]
        first = len(tree) + 1
        name = {old: first + i for i, old in enumerate(clone["tracklet_id"].tolist())}
        _add(tree, clone, name)
        if row_room(tree, [*families, list(name.values())]) <= len(families):
            tree.remove_nodes_from(name.values())
            break
        families.append(list(name.values()))
        data.append(clone.assign(drawn_as=list(name.values())))
        of_clone = mitoses[(mitoses["movie"] == clone["movie"].iloc[0]) & mitoses["mother_id"].isin(name)]
        events.append(of_clone.assign(mother_id=of_clone["mother_id"].map(name)))
    families.sort(key=lambda family: (-len(family), family[0]))
    svg = row(tree, pd.concat(events), families)
    svg = re.sub(r' href="#event-\d+"', "", svg).replace("; click to see it", "")
    columns = [
        "dose_gy",
        "drawn_as",
        "movie",
        "well",
        "position",
        "founder_id",
        "tracklet_id",
        "parent_ids",
        "generation",
        "entry_h",
        "exit_h",
        "end",
        "fate",
        "verdict",
        "mitosis_class",
        "subtype",
    ]
    table = pd.concat(data).reindex(columns=columns)
    return Figure(
        f"lineages_{dose:g}_gy".replace(".", "p"),
        dose_words(dose),
        f"{len(families)} of {len(clones)} clones",
        svg.replace("<svg", f'<svg style="{TEXT}"', 1),
        table,
    )


def _clones(cells: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """All cells that descend from cells of the first frame, those that fused in one clone."""
    for _, movie in cells.groupby("movie", sort=True):
        relatives = nx.Graph()
        relatives.add_nodes_from(movie["tracklet_id"].tolist())
        pairs = zip(movie["tracklet_id"].tolist(), movie["parent_ids"].tolist(), strict=True)
        relatives.add_edges_from((cell, int(parent)) for cell, parents in pairs for parent in parents.split())
        cells = movie.set_index("tracklet_id", drop=False)
        for part in nx.connected_components(relatives):
            clone = cells.loc[sorted(part)]
            if clone["from_start"].any():
                yield clone


def _add(tree: nx.DiGraph, clone: pd.DataFrame, name: Mapping[int, int]) -> None:
    for cell in clone.to_dict("records"):
        attributes = {str(key): cell[key] for key in CellKey if key in cell and cell[key] == cell[key]}
        attributes[CellKey.FOUNDER] = name.get(cell["founder_id"], 0)
        attributes[CellKey.GENERATION] = 0 if pd.isna(cell["generation"]) else int(cell["generation"])
        for key in (CellKey.MITOSIS, CellKey.VERDICT):
            if not attributes.get(key):
                attributes.pop(key, None)
        tree.add_node(name[cell["tracklet_id"]], **attributes)
        tree.add_edges_from((name[int(p)], name[cell["tracklet_id"]]) for p in cell["parent_ids"].split())
