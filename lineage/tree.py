"""Lineage + events + verdicts -> the annotated tree, and the questions asked of it.

The tree is a directed graph: a node is one cell's life, an edge goes from mother to daughter. Two sisters
that fuse make one cell with two parents, so every function here allows several.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from lineage.edge import diameter_um, may_cross, to_edge
from lineage.schema import CellKey, Decision, EventType, Fate, Subtype

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

    import pandas as pd

    from lineage.schema import Geometry, Lineage, MitosisEvent

UNITS = "frames count from 0; _min minutes since frame 0; _um micrometres; _um2 square micrometres; _gy gray"
MITOSES = (Decision.NORMAL, Decision.ABNORMAL, Decision.UNDECIDED)


def annotate(
    lineage: Lineage,
    events: Sequence[MitosisEvent],
    verdicts: Mapping[int, Mapping[str, Any]],
    *,
    geometry: Geometry,
    video_name: str,
    dose_gy: float | None = None,
    last_frames: Collection[int] = (),
) -> nx.DiGraph:
    """Write on each cell what is known of its life.

    A cell that is last seen where it may cross the edge of the image (`lineage.edge`), or that the stage
    would have carried over it by the next frame, has left the field.

    Args:
        lineage: cells and who became whom; left as it is.
        events: mitoses, fusions and deaths; their mothers are cells of `lineage`.
        verdicts: event_id -> its columns, as `lineage.mitosis.verdict.decide_all` gives them.
        geometry: of the movie.
        video_name: file name, for whoever opens the graph later.
        dose_gy: gray; left out of the graph if unknown.
        last_frames: whoever is last seen in one of them may live on: the last usable frame, and those before
            long gaps; the movie's last frame if empty.

    Returns:
        A new graph. Nodes have CellKey attributes, Python bool, int, float and str only, and a key that
        does not apply to a cell is left out.

    Raises:
        ValueError: an event's mother is not a cell of the lineage.
    """
    tree = nx.DiGraph(**_facts(geometry, video_name, dose_gy))
    tree.add_nodes_from(sorted(lineage.graph.nodes))
    tree.add_edges_from(sorted(lineage.graph.edges))
    last_frames = last_frames or (geometry.n_frames - 1,)
    generation, founder = _descent(tree)
    mitosis = _mitosis_of_mother(events, verdicts, cells=set(tree))
    slips, deaths = _slips_and_deaths(events, verdicts)
    for cell, life in _lives(lineage.detections, geometry).items():
        tree.nodes[cell].update(
            {
                "first_frame": life["first_frame"],
                "last_frame": life["last_frame"],
                "birth_min": life["first_frame"] * float(geometry.minutes_per_frame),
                "end_min": life["last_frame"] * float(geometry.minutes_per_frame),
                "fate": fate(
                    tree,
                    cell,
                    ended=life["last_frame"] < max(last_frames) and life["last_frame"] not in last_frames,
                    at_border=life["at_border"],
                    died=deaths.get(cell),
                    slipped=cell in slips,
                ),
                "generation": generation[cell],
                "founder": founder[cell],
                "n_slippages": slips.get(cell, 0),
            }
            | {k: life[k] for k in ("y_um", "x_um", "dna_mass", "area_um2") if np.isfinite(life[k])}
            | mitosis.get(cell, {})
        )
    return tree


def _facts(geometry: Geometry, video_name: str, dose_gy: float | None) -> dict[str, Any]:
    """Attributes of the graph itself."""
    return {
        "video": video_name,
        "n_frames": int(geometry.n_frames),
        "height_px": int(geometry.shape[0]),
        "width_px": int(geometry.shape[1]),
        "pixel_size_um": float(geometry.pixel_size_um),
        "minutes_per_frame": float(geometry.minutes_per_frame),
        "units": UNITS,
    } | ({} if dose_gy is None else {"dose_gy": float(dose_gy)})


def _mitosis_of_mother(
    events: Iterable[MitosisEvent], verdicts: Mapping[int, Mapping[str, Any]], *, cells: set[int]
) -> dict[int, dict[str, Any]]:
    """Mother -> the attributes of her mitosis. Of several events the one with daughters, then the last."""
    found: dict[int, dict[str, Any]] = {}
    for event in sorted(events, key=lambda e: (bool(e.daughters), e.frame, e.event_id)):
        if event.mother not in cells:
            raise ValueError(f"event {event.event_id}: its mother {event.mother} is not in the lineage")
        if event.event_type is not EventType.MITOSIS:
            continue
        columns = {k: v for k, v in verdicts[event.event_id].items() if k != "verdict_because"}
        found[event.mother] = {"event_id": event.event_id} | columns
    return found


_DEATHS = {
    Subtype.DEATH_IN_MITOSIS: Fate.DIED_MITOSIS,
    Subtype.DEATH_IN_INTERPHASE: Fate.DIED_INTERPHASE,
}


def _slips_and_deaths(
    events: Iterable[MitosisEvent], verdicts: Mapping[int, Mapping[str, Any]]
) -> tuple[dict[int, int], dict[int, Fate]]:
    """Cell -> how often it slipped out of mitosis, and cell -> how it died; rejected events do not count."""
    slips: dict[int, int] = {}
    deaths: dict[int, Fate] = {}
    for event in events:
        columns = verdicts[event.event_id]
        if columns["verdict"] == Decision.NOT_A_MITOSIS:
            continue
        kind = Subtype(columns["subtype"])
        if kind is Subtype.SLIPPAGE:
            slips[event.mother] = slips.get(event.mother, 0) + 1
        if kind in _DEATHS and deaths.get(event.mother) is not Fate.DIED_MITOSIS:
            deaths[event.mother] = _DEATHS[kind]
    return slips, deaths


def fate(
    graph: nx.DiGraph,
    cell: int,
    *,
    ended: bool,
    at_border: bool,
    died: Fate | None = None,
    slipped: bool = False,
) -> str:
    """How the cell's life ends. What it became says more than where it was last seen.

    Args:
        graph: mother -> daughter edges.
        cell: one of its nodes.
        ended: last seen before the last usable frame.
        at_border: last seen at the edge of the image.
        died: how, if it was seen to die.
        slipped: whether it slipped out of mitosis.

    >>> sisters_fuse = nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4)])
    >>> [fate(sisters_fuse, cell, ended=True, at_border=True) for cell in (1, 2, 4)]
    ['divided', 'fused', 'left_field']
    """
    children = list(graph.successors(cell))
    if children and all(is_fused(graph, child) for child in children):
        return Fate.FUSED.value
    if children:
        return Fate.DIVIDED.value
    if died is not None:
        return died.value
    if slipped:
        return Fate.SLIPPED.value
    if not ended:
        return Fate.END_OF_MOVIE.value
    return (Fate.LEFT_FIELD if at_border else Fate.LOST).value


def _lives(detections: pd.DataFrame, geometry: Geometry) -> dict[int, dict[Hashable, Any]]:
    """Cell -> its first and last frame, first position, medians, and whether it was last seen at the edge."""
    seen = detections[detections["tracklet_id"] != -1].sort_values("frame", kind="stable")
    cells = seen.groupby("tracklet_id")
    table = cells.agg(
        first_frame=("frame", "min"),
        last_frame=("frame", "max"),
        y_um=("y_um", "first"),
        x_um=("x_um", "first"),
        dna_mass=("dna_mass", "median"),
        area_um2=("area_um2", "median"),
    )
    last_px = cells[["y_px", "x_px"]].last().to_numpy(float)
    shape, pixel_size_um = geometry.shape, geometry.pixel_size_um
    shift = _shift_to_next_px(seen, pixel_size_um).loc[table["last_frame"]].to_numpy(float)
    goes = may_cross(last_px, shape, diameter_um(seen) / pixel_size_um)
    table["at_border"] = goes | (to_edge(last_px + shift, shape) <= 0)
    return dict(zip(table.index.tolist(), table.to_dict("records"), strict=True))


def _shift_to_next_px(seen: pd.DataFrame, pixel_size_um: float) -> pd.DataFrame:
    """Frame -> how far (y, x, pixels) the stage carries the image until the next frame with nuclei."""
    # The position in the image less the drift-corrected one is the drift of the stage.
    drift = (seen[["y_px", "x_px"]] - seen[["y_um", "x_um"]].to_numpy() / pixel_size_um).groupby(
        seen["frame"]
    )
    return drift.median().diff().shift(-1).fillna(0.0)


def _descent(graph: nx.DiGraph) -> tuple[dict[int, int], dict[int, int]]:
    """Cell -> generation, and cell -> founder (its lowest-numbered ancestor without parents)."""
    generation: dict[int, int] = {}
    founder: dict[int, int] = {}
    for cell in nx.topological_sort(graph):
        parents = list(graph.predecessors(cell))
        oldest = max((generation[p] for p in parents), default=0)
        generation[cell] = oldest + (len(parents) == 1)  # a fusion is no division
        founder[cell] = min((founder[p] for p in parents), default=cell)
    return generation, founder


# --- Questions


def is_fused(tree: nx.DiGraph, cell: int) -> bool:
    """Whether the cell came of a fusion."""
    return tree.in_degree(cell) > 1


def mothers(tree: nx.DiGraph, cell: int) -> list[int]:
    """The cell's parents, lowest id first: none for a founder, two for a fused cell."""
    return sorted(tree.predecessors(cell))


def daughters(tree: nx.DiGraph, cell: int) -> list[int]:
    """The cells it became, lowest id first; empty if it never divides or fuses."""
    return sorted(tree.successors(cell))


def sisters(tree: nx.DiGraph, cell: int) -> list[int]:
    """The other daughters of the same division; none for a founder or a fused cell.

    >>> tree = nx.DiGraph([(1, 2), (1, 3), (1, 4), (2, 5), (3, 5)])
    >>> sisters(tree, 3), sisters(tree, 5), sisters(tree, 1)
    ([2, 4], [], [])
    """
    if tree.in_degree(cell) != 1:
        return []
    return [d for d in daughters(tree, mothers(tree, cell)[0]) if d != cell]


def generation(tree: nx.DiGraph, cell: int) -> int:
    """Divisions since the founder; a fused cell has the larger of its parents'.

    >>> tree = nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 6)])
    >>> [generation(tree, cell) for cell in (1, 2, 4, 5)]
    [0, 1, 1, 2]
    """
    return _descent(tree.subgraph(nx.ancestors(tree, cell) | {cell}))[0][cell]


def founders(tree: nx.DiGraph, cell: int) -> list[int]:
    """All its ancestors without parents, itself if it has none; several after a fusion of two clones.

    >>> founders(nx.DiGraph([(1, 3), (2, 3)]), 3)
    [1, 2]
    """
    return sorted(a for a in nx.ancestors(tree, cell) | {cell} if not tree.in_degree(a))


def clone(tree: nx.DiGraph, cell: int) -> list[int]:
    """The cell and all its descendants, lowest id first.

    >>> clone(nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4)]), 2)
    [2, 4]
    """
    return sorted(nx.descendants(tree, cell) | {cell})


def lifetime(tree: nx.DiGraph, cell: int) -> range:
    """The frames of its life: to the first of its daughters, through blank frames and gaps.

    >>> tree = nx.DiGraph([(1, 2), (1, 3)])
    >>> nx.set_node_attributes(tree, {1: 0, 2: 5, 3: 6}, "first_frame")
    >>> nx.set_node_attributes(tree, {1: 2, 2: 9, 3: 9}, "last_frame")
    >>> lifetime(tree, 1), lifetime(tree, 3)        # frames 3 and 4 are blank
    (range(0, 5), range(6, 10))
    """
    life = tree.nodes[cell]
    births = [tree.nodes[d][CellKey.FIRST_FRAME] for d in tree.successors(cell)]
    return range(life[CellKey.FIRST_FRAME], min(births, default=life[CellKey.LAST_FRAME] + 1))


def clone_size(tree: nx.DiGraph, cell: int, frame: int) -> int:
    """How many of the cell's clone, itself included, live in `frame`.

    Args:
        tree: annotated.
        cell: whose clone is counted.
        frame: of the movie.

    >>> tree = nx.DiGraph([(1, 2), (1, 3)])
    >>> nx.set_node_attributes(tree, {1: 0, 2: 5, 3: 5}, "first_frame")
    >>> nx.set_node_attributes(tree, {1: 4, 2: 9, 3: 6}, "last_frame")
    >>> [clone_size(tree, 1, frame) for frame in (4, 5, 7, 10)]
    [1, 2, 1, 0]
    """
    return sum(frame in lifetime(tree, member) for member in clone(tree, cell))


def intermitotic_min(tree: nx.DiGraph, cell: int) -> float | None:
    """Minutes from birth by division to the cell's own division; None unless both were seen.

    >>> tree = nx.DiGraph([(1, 2), (1, 3), (2, 4), (2, 5)])
    >>> nx.set_node_attributes(tree, {1: 0.0, 2: 100.0, 3: 100.0, 4: 1300.0, 5: 1310.0}, "birth_min")
    >>> [intermitotic_min(tree, cell) for cell in (1, 2, 3)]
    [None, 1200.0, None]
    """
    own = [d for d in daughters(tree, cell) if not is_fused(tree, d)]
    if tree.in_degree(cell) != 1 or not own:
        return None
    return min(tree.nodes[d][CellKey.BIRTH_MIN] for d in own) - tree.nodes[cell][CellKey.BIRTH_MIN]


def median_intermitotic_min(tree: nx.DiGraph) -> float | None:
    """Median over the cells whose birth and division were both seen; None if there is none."""
    times = [t for cell in tree if (t := intermitotic_min(tree, cell)) is not None]
    return median(times) if times else None


def mitoses(tree: nx.DiGraph) -> list[int]:
    """The cells that went through a mitosis, in order of their ids; rejected proposals are left out."""
    return sorted(c for c, life in tree.nodes.items() if life.get(CellKey.VERDICT) in MITOSES)
