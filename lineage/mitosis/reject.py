"""Lineage + events + which of them are rejected -> the lineage without the rejected divisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from lineage.schema import EventType, Lineage
from lineage.tracking.renumber import renumbered

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lineage.schema import MitosisEvent


def reject_divisions(
    lineage: Lineage, events: Sequence[MitosisEvent], rejected: Collection[int]
) -> tuple[Lineage, list[MitosisEvent]]:
    """Undo rejected divisions: the mother goes on as the nearest daughter, the others become founders.

    Args:
        lineage: left as it is.
        events: of the lineage.
        rejected: event_ids of those whose verdict is `not_a_mitosis`.

    Returns:
        The lineage, renumbered, and the events with these numbers, those of rejected divisions without
        daughters.
    """
    undone = [
        e for e in events if e.event_id in rejected and e.daughters and e.event_type is EventType.MITOSIS
    ]
    if not undone:
        return lineage, list(events)
    graph = nx.DiGraph(lineage.graph)
    position = lineage.detections.sort_values("frame", kind="stable").groupby("tracklet_id")[["y_um", "x_um"]]
    first, last = (
        {int(str(c)): p.to_numpy() for c, p in t.iterrows()} for t in (position.first(), position.last())
    )
    heir: dict[int, int] = {}
    for e in sorted(undone, key=lambda e: e.frame):
        reunion = _reunion(graph, e.daughters)
        # A cell that seemed to part and was one again goes on through both.
        goes_on_as = list(e.daughters) if reunion is None else list(graph.predecessors(reunion))
        apart = {d: float(np.hypot(*(first[d] - last[e.mother]))) for d in goes_on_as}
        nearest = min(apart, key=lambda d: (apart[d], d))
        graph.remove_edges_from([(e.mother, d) for d in e.daughters])
        heir[nearest] = e.mother
        if reunion is not None:
            graph.remove_edges_from([(d, reunion) for d in goes_on_as])
            heir[reunion] = e.mother

    def now(cell: int) -> int:
        while cell in heir:
            cell = heir[cell]
        return cell

    merged = nx.DiGraph()
    merged.add_nodes_from((now(c), d) for c, d in graph.nodes(data=True))
    merged.add_edges_from((now(a), now(b), d) for a, b, d in graph.edges(data=True))
    cells = lineage.detections["tracklet_id"].map(lambda c: now(c) if c > 0 else c)
    corrected = renumbered(lineage.detections.assign(tracklet_id=cells), merged)
    pairs = zip(cells, corrected.detections["tracklet_id"], strict=True)
    number = {int(old): int(new) for old, new in pairs}
    undone_ids = {e.event_id for e in undone}
    renamed = [
        replace(
            e,
            mother=number[now(e.mother)],
            daughters=() if e.event_id in undone_ids else tuple(sorted(number[now(d)] for d in e.daughters)),
        )
        for e in events
    ]
    return replace(lineage, detections=corrected.detections, graph=corrected.graph), renamed


def _reunion(graph: nx.DiGraph, daughters: Sequence[int]) -> int | None:
    """The cell that some of them, and nobody else, became together."""
    children = {c for d in daughters for c in graph.successors(d) if graph.in_degree(c) > 1}
    return min((c for c in children if set(graph.predecessors(c)) <= set(daughters)), default=None)
