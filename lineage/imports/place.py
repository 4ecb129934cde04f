"""Given tracks and the nuclei of a movie -> a lineage of our own, and what of the tracks is not in it.

A cell is a stretch of spots between divisions and fusions. The links are kept as they are given, whatever we
would have thought of them; how sure they are nobody says, so they have no log-odds, and a division that the
classifier takes for no mitosis is rejected later, as ours are. Deaths are read from how the nuclei look, as
in our own tracking, and take no cell away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.imports.ctc import with_positions
from lineage.imports.match import NONE, Why, check_movie, match
from lineage.schema import Lineage
from lineage.tracking.deaths import with_deaths
from lineage.tracking.renumber import renumbered
from lineage.tracking.state import estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from lineage.imports.record import GivenTracks
    from lineage.io.labels import Frames
    from lineage.schema import Geometry

PLACED_COLUMNS = ("spot_id", "frame", "y_px", "x_px", "detection_id", "why")
MANY = 0.05  # of all spots, which if they are left out are warned of


@dataclass(frozen=True, eq=False)
class Placed:
    """Tracks as a lineage, and where each spot went."""

    lineage: Lineage
    spots: pd.DataFrame  # PLACED_COLUMNS: the nucleus of each spot, or why it has none


def place(
    given: GivenTracks,
    nuclei: pd.DataFrame,
    *,
    labels: Frames,
    geometry: Geometry,
    usable: np.ndarray,
    masks: Path | None = None,
) -> Placed:
    """Put given tracks on the nuclei of a movie.

    Args:
        given: the tracks.
        nuclei: NUCLEUS_COLUMNS and what else was measured.
        labels: (T, Y, X) in which they were measured.
        geometry: of the movie.
        usable: (T,) bool, frames whose nuclei count.
        masks: the file or folder that the labels are of, if they were given.

    Raises:
        InputError: the tracks are not of this movie.
    """
    by_label = _is_same(masks, given.masks)
    if not by_label:
        given = with_positions(given, geometry)
    warnings = check_movie(given, geometry)
    spots = match(given, nuclei, labels=labels, geometry=geometry, usable=usable, by_label=by_label)
    cell_of, graph, notes = cells_of(given, spots)
    detections = estimate(nuclei)
    cell = detections["detection_id"].map(cell_of).fillna(NONE).astype(np.int64)
    detections = detections.assign(tracklet_id=cell)
    lineage = renumbered(detections, _with_deaths(detections, graph))
    spots = spots[list(PLACED_COLUMNS)]
    n, left_out = len(spots), int((spots["detection_id"] == NONE).sum())
    if left_out > MANY * n:
        warnings.append(
            f"{left_out} of {n} spots of {given.source} are not in the lineage; given_spots.csv says of "
            "each why"
        )
    return Placed(Lineage(lineage.detections, lineage.graph, tuple(warnings), notes), spots)


def _is_same(one: Path | None, other: Path | None) -> bool:
    return one is not None and other is not None and one.resolve() == other.resolve()


def cells_of(given: GivenTracks, spots: pd.DataFrame) -> tuple[dict[int, int], nx.DiGraph, tuple[str, ...]]:
    """Which cell each nucleus is of, who became whom, and sentences that count what was made of the tracks.

    Args:
        given: the tracks.
        spots: PLACED_COLUMNS.

    Returns:
        `detection_id` -> cell; mother -> daughter; notes.
    """
    links = nx.DiGraph()
    links.add_nodes_from(given.spots["spot_id"].tolist())
    links.add_edges_from(given.links.tolist())
    n_divisions, n_fusions = _splits(links), _splits(links.reverse(copy=False))
    seen = spots[spots["detection_id"] != NONE]
    frame = dict(zip(given.spots["spot_id"].tolist(), given.spots["frame"].tolist(), strict=True))
    cut = _without(links, [s for s in sorted(links, key=lambda s: frame[s]) if s not in set(seen["spot_id"])])
    crossing = [(a, b) for a, b in links.edges if links.out_degree(a) > 1 and links.in_degree(b) > 1]
    links.remove_edges_from(crossing)
    goes_on = [(a, b) for a, b in links.edges if links.out_degree(a) == 1 and links.in_degree(b) == 1]
    chains = nx.Graph(goes_on)
    chains.add_nodes_from(links)
    cell = {s: k for k, chain in enumerate(nx.connected_components(chains)) for s in chain}
    graph = nx.DiGraph()
    graph.add_nodes_from(cell.values())
    graph.add_edges_from({(cell[a], cell[b]) for a, b in links.edges} - {(c, c) for c in graph})
    gaps = [frame[b] - frame[a] - 1 for a, b in links.edges if frame[b] - frame[a] > 1]
    degrees = Counter(d for _, d in graph.out_degree if d > 1)
    notes = (
        f"{given.form}, {given.source}: {len(spots)} spots, {len(given.links)} links; {len(seen)} spots "
        "on nuclei, "
        f"{len(graph)} cells",
        f"divisions: {n_divisions} given, {sum(degrees.values())} kept; fusions: {n_fusions} given, "
        f"{sum(d > 1 for _, d in graph.in_degree)} kept",
        *given.notes,
        *_counted(spots, gaps, degrees, cut, len(crossing)),
    )
    pairs = zip(seen["detection_id"].tolist(), seen["spot_id"].tolist(), strict=True)
    return {d: cell[s] for d, s in pairs}, graph, notes


def _splits(links: nx.DiGraph) -> int:
    return sum(d > 1 for _, d in links.out_degree)


def _without(links: nx.DiGraph, gone: Iterable[int]) -> int:
    """Take spots out of the links; who was linked through one is linked, unless that makes up a relation.

    Returns:
        How many links between others are lost with them.
    """
    cut = 0
    for spot in gone:
        before, after = list(links.predecessors(spot)), list(links.successors(spot))
        alone = all(links.out_degree(b) == 1 for b in before) if len(after) > 1 else True
        alone &= all(links.in_degree(a) == 1 for a in after) if len(before) > 1 else True
        links.remove_node(spot)
        if min(len(before), len(after)) == 1 and alone:
            links.add_edges_from((b, a) for b in before for a in after)
        else:
            cut += bool(before and after)
    return cut


def _counted(
    spots: pd.DataFrame, gaps: list[int], degrees: Mapping[int, int], cut: int, crossing: int
) -> list[str]:
    several = {n: k for n, k in sorted(degrees.items()) if n > 2}
    left_out = spots["why"].value_counts()
    counts = [
        *((int(left_out.get(why, 0)), f"spots left out, {why}") for why in Why),
        (len(gaps), f"gaps bridged, the longest of {max(gaps, default=0)} frames"),
        *((k, f"divisions into {n}") for n, k in several.items()),
        (cut, "relations lost with spots that are on no nucleus"),
        (crossing, "links left out from a spot that divides to one that fuses"),
    ]
    return [f"{what}: {n}" for n, what in counts if n]


def _with_deaths(detections: pd.DataFrame, graph: nx.DiGraph) -> nx.DiGraph:
    """The same cells, those marked that look dead at their end."""
    as_said = graph.copy()  # so that no division is taken for a cell that falls to pieces
    nx.set_edge_attributes(as_said, True, "said")
    _, marked = with_deaths(detections, as_said)
    graph = graph.copy()
    for cell, known in marked.nodes(data=True):
        if known.get("dies"):
            graph.nodes[cell]["dies"] = True
    return graph
