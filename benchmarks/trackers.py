"""Nuclei -> cells, by what is compared: ours, btrack's published settings, LapTrack with splitting.

Each gets the same table of nuclei (NUCLEUS_COLUMNS; what is true of them it does not look at) and gives
`Tracked`. Places are micrometres.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from lineage.mitosis.events import propose
from lineage.mitosis.subtypes import subtype
from lineage.schema import CellKey, Decision, EventType, Fate, Geometry, MitosisClass
from lineage.tracking.track import track

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EVENT_COLUMNS = (
    "event_id", "mother_id", "daughter_ids", "frame", "y_px", "x_px", "verdict", "p_verdict",
    "subtype",
)  # fmt: skip

# models/cell_config.json of btrack; written out, as `btrack.datasets` fetches it from the network.
ACCELERATION = np.array([[0.5, 0.5, 0.5, 1, 1, 1]]) * 15.0
BTRACK_MOTION = {
    "name": "cell_motion",
    "dt": 1.0,
    "measurements": 3,
    "states": 6,
    "accuracy": 7.5,
    "prob_not_assign": 0.001,
    "max_lost": 5,
    "A": np.eye(6) + np.eye(6, k=3),
    "H": np.eye(3, 6),
    "P": np.diag([0.1] * 3 + [1.0] * 3) * 150.0,
    "G": ACCELERATION,
    "Q": ACCELERATION.T @ ACCELERATION,
    "R": np.eye(3) * 5.0,
}
BTRACK_HYPOTHESES: dict[str, Any] = {
    "name": "cell_hypothesis",
    "hypotheses": ["P_FP", "P_init", "P_term", "P_link", "P_branch", "P_dead"],
    "lambda_time": 5.0,
    "lambda_dist": 3.0,
    "lambda_link": 10.0,
    "lambda_branch": 50.0,
    "eta": 1e-10,
    "theta_dist": 20.0,
    "theta_time": 5.0,
    "dist_thresh": 40,
    "time_thresh": 2,
    "apop_thresh": 5,
    "segmentation_miss_rate": 0.1,
    "apoptosis_rate": 0.001,
    "relax": True,
}
BTRACK_SEARCH_UM = 30.0  # twice the longest step seen in ten minutes; btrack's own 100 is of any unit
BTRACK_STATES = {"interphase": 0, "prometaphase": 1, "metaphase": 2, "anaphase": 3, "dead": 4}

# Squared micrometres; chosen by `python benchmarks/tracking.py OUT --tune`, on movies that are not compared.
LAPTRACK = {
    "cutoff": 20.0**2,
    "gap_closing_cutoff": 25.0**2,
    "gap_closing_max_frame_count": 2,
    "splitting_cutoff": 20.0**2,
}


@dataclass(frozen=True, eq=False)
class Tracked:
    """What a tool says."""

    cell: np.ndarray  # (N,) a cell for each row of the nuclei, from 1; -1 where it belongs to none
    graph: nx.DiGraph  # cells, with the keys that lineage.evaluate looks at
    events: pd.DataFrame  # EVENT_COLUMNS, but for `subtype` where the tool knows none
    notes: tuple[str, ...] = ()


# --- Ours


def ours(
    nuclei: pd.DataFrame,
    *,
    usable: np.ndarray,
    shape_um: tuple[float, float],
    pixel_size_um: float,
    minutes: float,
) -> Tracked:
    """As `lineage.track` goes, up to the events; none is classified."""
    shape = (round(shape_um[0] / pixel_size_um), round(shape_um[1] / pixel_size_um))
    geometry = Geometry(len(usable), shape, pixel_size_um, minutes)
    found = track(nuclei, usable=usable, geometry=geometry)
    by_id = found.detections.set_index("detection_id")["tracklet_id"]
    tracked = of_cells(nuclei, by_id.loc[nuclei["detection_id"]].to_numpy(int), found.graph)
    last_frames = (int(np.flatnonzero(usable)[-1]),)
    events, _ = propose(found, geometry=geometry, last_frames=last_frames, classified=False)
    rows = [
        {
            "event_id": event.event_id,
            "mother_id": event.mother,
            "daughter_ids": " ".join(map(str, event.daughters)),
            "frame": event.frame,
            "y_px": event.y_px,
            "x_px": event.x_px,
            "verdict": Decision.UNDECIDED.value,
            "p_verdict": np.nan,
            "subtype": subtype(event, MitosisClass.UNCLASSIFIED).value,
        }
        for event in events
        if event.event_type is EventType.MITOSIS
    ]
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return replace(tracked, events=table, notes=(*found.notes, *found.warnings))


# --- btrack


def btrack(
    nuclei: pd.DataFrame,
    *,
    shape_um: tuple[float, float],
    glpk_limit_s: float,
    states: Sequence[str] | None = None,
) -> Tracked:
    """EXACT tracking and GLPK with the published settings for cells; with `states` it knows mitoses, too."""
    tracker = btrack_tracks(nuclei, shape_um=shape_um, states=states)
    chosen = btrack_optimised(tracker, glpk_limit_s)
    cell = np.full(len(nuclei), -1)
    graph = nx.DiGraph()
    order = _btrack_order(nuclei)
    for found_track in tracker.tracks:
        mine = [r for r in found_track.refs if r >= 0]
        if not mine or found_track.fate.name == "FALSE_POSITIVE":
            continue
        cell[order[mine]] = found_track.ID
        graph.add_node(found_track.ID)
        graph.add_edges_from((found_track.ID, child) for child in found_track.children)
    notes = () if chosen else (f"GLPK found nothing within {glpk_limit_s:g} s: no link, no division",)
    return replace(of_cells(nuclei, cell, graph), notes=notes)


def btrack_tracks(
    nuclei: pd.DataFrame,
    *,
    shape_um: tuple[float, float],
    states: Sequence[str] | None = None,
    gap_frames: int = BTRACK_HYPOTHESES["time_thresh"],
) -> Any:
    """A tracker that has linked the nuclei; `gap_frames` are those its solver may close."""
    from lineage.tracking import btrack_library

    btrack_library.install()
    import btrack
    from btrack.btypes import PyTrackObject
    from btrack.config import TrackerConfig
    from btrack.models import HypothesisModel, MotionModel

    logging.getLogger("btrack").setLevel(logging.ERROR)
    objects = []
    frame, x, y = (nuclei[c].tolist() for c in ("frame", "x_um", "y_um"))
    for i in _btrack_order(nuclei).tolist():
        row = PyTrackObject()
        row.t, row.x, row.y, row.z = frame[i], x[i], y[i], 0.0
        if states is not None:
            row.label = BTRACK_STATES[states[i]]
        objects.append(row)
    margin = 20.0
    volume = (*((-margin, side + margin) for side in shape_um[::-1]), (-1e5, 1e5))
    tracker = btrack.BayesianTracker(verbose=False)
    tracker.configure(
        TrackerConfig(
            motion_model=MotionModel(**BTRACK_MOTION),
            hypothesis_model=HypothesisModel(**BTRACK_HYPOTHESES | {"time_thresh": gap_frames}),
            max_search_radius=BTRACK_SEARCH_UM,
            volume=volume,
        )
    )
    tracker.append(objects)
    tracker.track()
    return tracker


def btrack_optimised(tracker: Any, limit_s: float) -> bool:
    """Whether GLPK found the optimum."""
    options = {"tm_lim": round(1000 * limit_s), "msg_lev": "GLP_MSG_OFF"}
    return bool(tracker.optimise(options=options))


def _btrack_order(nuclei: pd.DataFrame) -> np.ndarray:
    """Rows by frame, then place: btrack's result depends on the order."""
    return np.lexsort([nuclei[c].to_numpy() for c in ("x_um", "y_um", "frame")])


# --- LapTrack


def laptrack(nuclei: pd.DataFrame, *, n_frames: int, **settings: Any) -> Tracked:
    """Linear assignment of places, with splitting and without merging."""
    from laptrack import LapTrack

    rows_of = nuclei.groupby("frame").indices
    rows = [rows_of.get(t, np.zeros(0, int)) for t in range(n_frames)]
    places = nuclei[["y_um", "x_um"]].to_numpy(float)
    tree = LapTrack(**(LAPTRACK | settings)).predict([places[r] for r in rows])
    edges = [(rows[t][i], rows[u][j]) for (t, i), (u, j) in tree.edges]
    cell, graph = lives(len(nuclei), edges)
    return of_cells(nuclei, cell, graph)


def lives(n: int, edges: Iterable[tuple[int, int]]) -> tuple[np.ndarray, nx.DiGraph]:
    """Links between nuclei -> a cell for each, from 1, and who became whom.

    >>> cell, graph = lives(5, [(0, 1), (1, 2), (1, 3)])
    >>> cell.tolist(), sorted(graph.edges)
    ([1, 1, 2, 3, 4], [(1, 2), (1, 3)])
    """
    nuclei = nx.DiGraph()
    nuclei.add_nodes_from(range(n))
    nuclei.add_edges_from(edges)
    joined = [(a, b) for a, b in nuclei.edges if nuclei.out_degree(a) == 1 and nuclei.in_degree(b) == 1]
    same = nx.Graph()
    same.add_nodes_from(range(n))
    same.add_edges_from(joined)
    cell = np.zeros(n, int)
    for number, members in enumerate(nx.connected_components(same), 1):
        cell[list(members)] = number
    graph = nx.DiGraph()
    graph.add_nodes_from(range(1, int(cell.max(initial=0)) + 1))
    graph.add_edges_from((int(cell[a]), int(cell[b])) for a, b in nuclei.edges if cell[a] != cell[b])
    return cell, graph


# --- What all of them say


def of_cells(nuclei: pd.DataFrame, cell: np.ndarray, graph: nx.DiGraph) -> Tracked:
    """With an event at each division, in the middle of the daughters' first nuclei."""
    table = nuclei[["frame", "y_px", "x_px"]].assign(cell=cell)
    table = table[table["cell"] >= 0].sort_values("frame")
    first, last = (table.drop_duplicates("cell", keep=k).set_index("cell") for k in ("first", "last"))
    seen = set(first.index)
    tree = nx.DiGraph(graph.subgraph(seen))
    for one in tree:
        tree.nodes[one][str(CellKey.FIRST_FRAME)] = int(first.at[one, "frame"])
        tree.nodes[one][str(CellKey.LAST_FRAME)] = int(last.at[one, "frame"])
        tree.nodes[one].setdefault(str(CellKey.FATE), str(Fate.LOST))
    rows = []
    for mother in sorted(tree):
        daughters = sorted(d for d in tree.successors(mother) if tree.in_degree(d) == 1)
        if len(daughters) < 2:
            continue
        born = first.loc[daughters]
        y, x = born.loc[born["frame"] == born["frame"].min(), ["y_px", "x_px"]].mean()
        rows.append((mother, " ".join(map(str, daughters)), int(born["frame"].min()), y, x))
    events = pd.DataFrame(rows, columns=["mother_id", "daughter_ids", "frame", "y_px", "x_px"])
    events = events.assign(
        event_id=np.arange(len(events)), verdict=Decision.UNDECIDED.value, p_verdict=np.nan
    )
    return Tracked(cell, tree, events[list(EVENT_COLUMNS[:-1])])
