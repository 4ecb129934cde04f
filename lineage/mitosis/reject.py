"""Lineage + events + which of these are no mitoses -> the lineage without the false divisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.schema import EventType, Lineage
from lineage.tracking.numbering import numbered

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lineage.schema import MitosisEvent


def mend(
    lineage: Lineage, events: Sequence[MitosisEvent], rejected: Collection[int]
) -> tuple[Lineage, list[MitosisEvent]]:
    """Undo false divisions: the mother goes on as the nearest daughter, the others are founders.

    Args:
        lineage: left as it is.
        events: of the lineage.
        rejected: event_ids of those whose verdict is `not_a_mitosis`.

    Returns:
        The lineage, numbered anew, and the events with these numbers, a deleted division's without daughters.
    """
    gone = [e for e in events if e.event_id in rejected and e.daughters and e.event_type is EventType.MITOSIS]
    if not gone:
        return lineage, list(events)
    graph = nx.DiGraph(lineage.graph)
    place = lineage.detections.sort_values("frame", kind="stable").groupby("tracklet_id")[["y_um", "x_um"]]
    first, last = (
        {int(str(c)): p.to_numpy() for c, p in t.iterrows()} for t in (place.first(), place.last())
    )
    heir: dict[int, int] = {}
    for e in sorted(gone, key=lambda e: e.frame):
        reunion = _reunion(graph, e.daughters)
        # A cell that seemed to part and was one again goes on through both.
        on = list(e.daughters) if reunion is None else list(graph.predecessors(reunion))
        apart = {d: float(np.hypot(*(first[d] - last[e.mother]))) for d in on}
        nearest = min(apart, key=lambda d: (apart[d], d))
        graph.remove_edges_from([(e.mother, d) for d in e.daughters])
        heir[nearest] = e.mother
        if reunion is not None:
            graph.remove_edges_from([(d, reunion) for d in on])
            heir[reunion] = e.mother

    def now(cell: int) -> int:
        while cell in heir:
            cell = heir[cell]
        return cell

    merged = nx.DiGraph()
    merged.add_nodes_from((now(c), d) for c, d in graph.nodes(data=True))
    merged.add_edges_from((now(a), now(b), d) for a, b, d in graph.edges(data=True))
    cells = lineage.detections["tracklet_id"].map(lambda c: now(c) if c > 0 else c)
    mended = numbered(lineage.detections.assign(tracklet_id=cells), merged)
    pairs = zip(cells, mended.detections["tracklet_id"], strict=True)
    number = {int(old): int(new) for old, new in pairs}
    undone = {e.event_id for e in gone}
    told = [
        replace(
            e,
            mother=number[now(e.mother)],
            daughters=() if e.event_id in undone else tuple(sorted(number[now(d)] for d in e.daughters)),
        )
        for e in events
    ]
    return replace(mended, warnings=lineage.warnings, solver=lineage.solver), told


def _reunion(graph: nx.DiGraph, daughters: Sequence[int]) -> int | None:
    """The cell that some of them, and nobody else, became together."""
    children = {c for d in daughters for c in graph.successors(d) if graph.in_degree(c) > 1}
    return min((c for c in children if set(graph.predecessors(c)) <= set(daughters)), default=None)
