"""Named little lineages, drawn. Time runs to the right, one generation every ten frames.

Each is a graph mother -> daughter; `as_lineage` gives its cells nuclei to be seen by.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from lineage.schema import DETECTION_COLUMNS, Lineage, MitosisEvent, Predictions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

LIFE_FRAMES = 10
PIXEL_UM = 2.0
MINUTES = 10.0
SHAPE = (200, 300)  # (Y, X)


def lone_cell() -> nx.DiGraph:
    """A founder that nothing happens to.

    1 ----
    """
    graph = nx.DiGraph()
    graph.add_node(1)
    return graph


def one_division() -> nx.DiGraph:
    """The easy one.

    1 --+-- 2
        +-- 3
    """
    return nx.DiGraph([(1, 2), (1, 3)])


def three_daughters() -> nx.DiGraph:
    """A tripolar division.

    1 --+-- 2
        +-- 3
        +-- 4
    """
    return nx.DiGraph([(1, 2), (1, 3), (1, 4)])


def two_generations() -> nx.DiGraph:
    """Two divisions, and a second founder.

    1 --+-- 2 --+-- 4
        |       +-- 5
        +-- 3
    8 ----
    """
    graph = nx.DiGraph([(1, 2), (1, 3), (2, 4), (2, 5)])
    graph.add_node(8)
    return graph


def sisters_fuse() -> nx.DiGraph:
    """Daughters become one cell again, which divides.

    1 --+-- 2 --+-- 4 --+-- 5
        +-- 3 --+       +-- 6
    """
    return nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 6)])


def clones_fuse() -> nx.DiGraph:
    """A daughter fuses with a founder of another clone.

    1 --+-- 3
        +-- 4 --+-- 5
    2 ----------+
    """
    return nx.DiGraph([(1, 3), (1, 4), (4, 5), (2, 5)])


def empty() -> nx.DiGraph:
    """Nobody."""
    return nx.DiGraph()


SUBTYPES = {
    "normal": 2,
    "tripolar": 3,
    "tetrapolar": 4,
    "lagging_chromatin": 2,
    "micronuclei": 2,
    "furrow_regression": 2,
    "slippage": 0,
    "death_in_mitosis": 0,
}
SEEN: dict[str, dict[str, Any]] = {
    "lagging_chromatin": {"bridge": True},
    "micronuclei": {"n_micronuclei": 1},
    "furrow_regression": {"refusion_after_min": 100.0},
    "slippage": {"returned": True},
    "death_in_mitosis": {"died_after_min": 30.0},
}


def every_subtype() -> tuple[Lineage, list[MitosisEvent], dict[int, str]]:
    """A mitosis of each of SUBTYPES in frame 10, the events, and event -> subtype.

    10 --+-- 11     ...     60 --+-- 61 --+-- 69     70 ----------     80 ----
         +-- 12                  +-- 62 --+
    """
    mothers = {10 * k: n for k, n in enumerate(SUBTYPES.values(), start=1)}
    graph = nx.DiGraph([(m, m + d) for m, n in mothers.items() for d in range(1, n + 1)])
    graph.add_edges_from([(61, 69), (62, 69)])
    graph.add_nodes_from(mothers)
    positions = {cell: (20.0 * (cell // 10), 40.0 + 20 * (cell % 10)) for cell in graph}
    lineage = as_lineage(graph, positions_px=positions, lives={70: range(30), 80: range(14)})
    events = divisions(lineage)
    for mother in (m for m, n in mothers.items() if n == 0):
        y, x = positions[mother]
        um = {"y_um": y * PIXEL_UM, "x_um": x * PIXEL_UM}
        events.append(MitosisEvent(7 + len(events), mother, (), 10, y, x, **um, source="world"))
    events = [replace(e, **SEEN.get(s, {})) for e, s in zip(events, SUBTYPES, strict=True)]
    return lineage, events, {e.event_id: s for e, s in zip(events, SUBTYPES, strict=True)}


NONE_KEPT = "none_kept"  # `none`, which the tracking overrules
PREDICTED: dict[str, tuple[float, float, float]] = {
    "normal": (0.93, 0.07, 0.0),
    "abnormal": (0.1, 0.9, 0.0),
    "none": (0.1, 0.1, 0.8),
    NONE_KEPT: (0.2, 0.1, 0.7),
}


def every_verdict() -> tuple[Lineage, list[MitosisEvent], Predictions]:
    """Each of SUBTYPES with each of PREDICTED and with none; one mother slips before she divides."""
    drawn = [(kind, predicted) for kind in SUBTYPES for predicted in (*PREDICTED, None)]
    mothers = {10 * k: SUBTYPES[kind] for k, (kind, _) in enumerate(drawn, start=1)}
    graph = nx.DiGraph([(m, m + d) for m, n in mothers.items() for d in range(1, n + 1)])
    graph.add_nodes_from(mothers)
    lineage = as_lineage(graph)
    divided = {e.mother: e for e in divisions(lineage)}
    undivided = MitosisEvent(0, 0, (), 10, 100.0, 100.0, 200.0, 200.0, source="world")
    events = [
        replace(divided.get(mother, undivided), event_id=event_id, mother=mother, **SEEN.get(kind, {}))
        for event_id, (mother, (kind, _)) in enumerate(zip(mothers, drawn, strict=True), start=7)
    ]
    slipped = replace(undivided, event_id=6, mother=10, frame=4, **SEEN["slippage"])
    verdicts = {
        e.event_id: PREDICTED[predicted] for e, (_, predicted) in zip(events, drawn, strict=True) if predicted
    }
    events = [
        replace(e, confidence=9.0) if predicted == NONE_KEPT else e
        for e, (_, predicted) in zip(events, drawn, strict=True)
    ]
    return lineage, [slipped, *events], predictions_of(verdicts, ("normal", "abnormal", "none"))


WORLDS = (lone_cell, one_division, three_daughters, two_generations, sisters_fuse, clones_fuse, empty)


def lives_of(graph: nx.DiGraph) -> dict[int, range]:
    """Cell -> its frames: ten from the end of its longest-lived parent."""
    lives: dict[int, range] = {}
    for cell in nx.topological_sort(graph):
        birth = max((lives[p].stop for p in graph.predecessors(cell)), default=0)
        lives[cell] = range(birth, birth + LIFE_FRAMES)
    return lives


def as_lineage(
    graph: nx.DiGraph,
    *,
    lives: Mapping[int, range] | None = None,
    positions_px: Mapping[int, tuple[float, float]] | None = None,
    unseen: Mapping[int, Collection[int]] | None = None,
    drift_px: Sequence[tuple[float, float]] | None = None,
) -> Lineage:
    """The graph with one nucleus a frame of each cell's life.

    Args:
        graph: mother -> daughter.
        lives: cell -> frames, where they differ from those of `lives_of`.
        positions_px: cell -> (y, x) without drift, in pixels; by default in a row, far from the border.
        unseen: cell -> frames of its life without a nucleus.
        drift_px: the stage's (y, x) in each frame; none by default.

    Returns:
        A lineage with DETECTION_COLUMNS.
    """
    lives, positions_px, unseen = lives_of(graph) | dict(lives or {}), positions_px or {}, unseen or {}
    rows = [
        _nucleus(cell, frame, *positions_px.get(cell, (100.0, 60.0 + 20 * k)))
        for k, cell in enumerate(sorted(graph))
        for frame in lives[cell]
        if frame not in unseen.get(cell, ())
    ]
    table = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS)).sort_values(["frame", "label"])
    table["detection_id"] = np.arange(len(table))
    if drift_px is not None:
        table[["y_px", "x_px"]] += np.asarray(drift_px)[table["frame"].to_numpy(int)]
    return Lineage(table.reset_index(drop=True), graph)


def _nucleus(cell: int, frame: int, y_px: float, x_px: float) -> dict[str, object]:
    return {
        "frame": frame,
        "time_min": frame * MINUTES,
        "label": cell,
        "tracklet_id": cell,
        "y_px": y_px,
        "x_px": x_px,
        "y_um": y_px * PIXEL_UM,
        "x_um": x_px * PIXEL_UM,
        "area_um2": 150.0 + cell,
        "dna_mass": 1000.0 + frame,
        "mean_intensity": 40.0,
        "eccentricity": 0.3,
        "solidity": 0.95,
        "texture": 1.0,
        "rounding": np.nan,
        "probability": 0.9,
        "condensation": 1.0,
        "p_mitotic": 0.01,
        "p_dead": 0.01,
        "state": "interphase",
    }


def condensed(lineage: Lineage, cell: int, frames: Collection[int]) -> Lineage:
    """The same lineage, the cell's chromatin condensed in these frames: dense, small, in a plate."""
    table = lineage.detections.copy()
    at = (table["tracklet_id"] == cell) & table["frame"].isin(frames)
    table.loc[at, "state"] = "metaphase"
    table.loc[at, ["condensation", "p_mitotic", "area_um2", "mean_intensity"]] = [2.5, 0.98, 70.0, 100.0]
    return replace(lineage, detections=table)


def pyknotic(lineage: Lineage, cell: int, frames: Collection[int]) -> Lineage:
    """The same lineage, the cell's chromatin denser still in these frames: perhaps mitotic, probably dead."""
    table = lineage.detections.copy()
    at = (table["tracklet_id"] == cell) & table["frame"].isin(frames)
    table.loc[at, ["condensation", "p_mitotic", "p_dead", "area_um2"]] = [3.0, 0.35, 0.64, 45.0]
    return replace(lineage, detections=table)


def dying(lineage: Lineage, cell: int) -> Lineage:
    """The same lineage, in which tracking sees the cell die at the end of its life."""
    graph = nx.DiGraph(lineage.graph)
    graph.nodes[cell]["dies"] = True
    return replace(lineage, graph=graph)


def divisions(lineage: Lineage) -> list[MitosisEvent]:
    """An event for every cell that becomes more than one, numbered from 7 so that no id is a position."""
    seen, graph = lineage.detections, lineage.graph
    mothers = [c for c in sorted(graph) if graph.out_degree(c) > 1]
    events = []
    for event_id, mother in enumerate(mothers, start=7):
        first = seen[seen["tracklet_id"].isin(list(graph.successors(mother)))].iloc[0]
        events.append(
            MitosisEvent(
                event_id=event_id,
                mother=mother,
                daughters=tuple(sorted(graph.successors(mother))),
                frame=int(first["frame"]),
                y_px=float(first["y_px"]),
                x_px=float(first["x_px"]),
                y_um=float(first["y_um"]),
                x_um=float(first["x_um"]),
                source="world",
                n_poles=graph.out_degree(mother),
                separated=True,
            )
        )
    return events


def predictions_of(
    probabilities: Mapping[int, tuple[float, ...]], classes: tuple[str, ...] = ("normal", "abnormal")
) -> Predictions:
    """Predictions, from event_id -> one probability for each class."""
    values = np.array(list(probabilities.values()), np.float32).reshape(-1, len(classes))
    return Predictions(np.array(list(probabilities), np.int64), values, classes)
