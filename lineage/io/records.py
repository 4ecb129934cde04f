"""Lineage and events <-> the CSVs that one stage of a run hands to the next."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import networkx as nx
import pandas as pd

from lineage.io.integrity import RUN_AGAIN, reading
from lineage.io.run_folder import read_table, write_table
from lineage.schema import EventType, FrameQuality, Lineage, MitosisEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PREFIX = "evidence_"
EDGES = ("mother_id", "daughter_id", "log_odds")
CELLS = ("tracklet_id", "dies")
_OPTIONAL = {"onset_frame": int, "refused_after_min": float, "died_after_min": float, "n_micronuclei": int,
             "bridge": bool, "linked_event": int}  # fmt: skip


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


def write_lineage(lineage: Lineage, *, detections: Path, edges: Path, cells: Path) -> None:
    """Three tables: nuclei, who became whom, and which cells died."""
    write_table(lineage.detections.sort_values("detection_id"), detections)
    rows = [(a, b, d.get("log_odds", math.nan)) for a, b, d in sorted(lineage.graph.edges(data=True))]
    write_table(pd.DataFrame(rows, columns=list(EDGES)), edges)
    dying = [(c, bool(d.get("dies"))) for c, d in sorted(lineage.graph.nodes(data=True))]
    write_table(pd.DataFrame(dying, columns=list(CELLS)), cells)


def read_lineage(*, detections: Path, edges: Path, cells: Path) -> Lineage:
    """What `write_lineage` wrote."""
    graph = nx.DiGraph()
    for cell, dies in read_table(cells, columns=CELLS)[[*CELLS]].itertuples(index=False, name=None):
        graph.add_node(int(cell), **({"dies": True} if dies else {}))
    for a, b, odds in read_table(edges, columns=EDGES)[[*EDGES]].itertuples(index=False, name=None):
        graph.add_edge(int(a), int(b), log_odds=float(odds))
    with reading(detections.parent, f"delete {detections.name}, {RUN_AGAIN}, and it is made anew"):
        return Lineage(read_table(detections), graph)


def write_events(events: Iterable[MitosisEvent], path: Path) -> None:
    """One row an event, all that it holds."""
    rows = [
        {f.name: getattr(e, f.name) for f in fields(e) if f.name not in ("daughters", "evidence")}
        | {"daughters": " ".join(map(str, e.daughters))}
        | {PREFIX + name: value for name, value in e.evidence.items()}
        for e in events
    ]
    columns = [f.name for f in fields(MitosisEvent) if f.name != "evidence"]
    write_table(pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns), path)


def read_events(path: Path) -> list[MitosisEvent]:
    """What `write_events` wrote."""
    rows = read_table(path, text=("daughters", "source")).to_dict("records")
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        return [_event(row) for row in rows]


def _event(row: dict[Any, Any]) -> MitosisEvent:
    told = {k: v for k, v in row.items() if not str(k).startswith(PREFIX)}
    for name, kind in _OPTIONAL.items():
        told[name] = None if pd.isna(told[name]) else kind(told[name])
    told |= {name: float(told[name]) for name in ("y_px", "x_px", "y_um", "x_um", "confidence")}
    told["daughters"] = tuple(int(d) for d in told["daughters"].split())
    told["event_type"] = EventType(told["event_type"])
    told["separated"], told["returned"] = bool(told["separated"]), bool(told["returned"])
    evidence = {
        str(k).removeprefix(PREFIX): float(v)
        for k, v in row.items()
        if str(k).startswith(PREFIX) and not pd.isna(v)
    }
    return MitosisEvent(**told, evidence=evidence)
