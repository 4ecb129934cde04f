"""The annotated tree and its events -> tidy tables, one row a thing."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from lineage.mitosis.counts import count, mitoses_of
from lineage.mitosis.subtypes import subtype
from lineage.mitosis.verdict import is_none_refused, judge
from lineage.schema import (
    EVENT_COLUMNS,
    EVIDENCE,
    LINEAGE_COLUMNS,
    NOT_ASSESSABLE,
    TRACKLET_COLUMNS,
    CellKey,
    EventType,
    Fate,
    Flag,
    MitosisClass,
)
from lineage.tree import daughters, mothers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import networkx as nx

    from lineage.schema import MitosisEvent, Predictions


def tables(tree: nx.DiGraph, events: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The annotated tree as two tidy tables.

    Args:
        tree: annotated tree.
        events: EVENT_COLUMNS of its cells.

    Returns:
        tracklets: TRACKLET_COLUMNS, one row a cell; ids of several cells are space-separated.
        lineages: LINEAGE_COLUMNS, one row a founder, over the cells that have it as their founder; mitoses
            are counted by their verdict.
    """
    rows = [
        {"tracklet_id": cell, "founder_id": life[CellKey.FOUNDER]}
        | {"parent_ids": _ids(mothers(tree, cell)), "daughter_ids": _ids(daughters(tree, cell))}
        | life
        for cell, life in sorted(tree.nodes.items())
    ]
    tracklets = pd.DataFrame(rows, columns=list(TRACKLET_COLUMNS)).astype({"event_id": "Int64"})
    mitoses = mitoses_of(events)
    lineages = [
        _lineage_row(founder, cells, mitoses[mitoses["mother_id"].isin(cells["tracklet_id"])])
        for founder, cells in tracklets.groupby("founder_id")
    ]
    return tracklets, pd.DataFrame(lineages, columns=list(LINEAGE_COLUMNS))


def _lineage_row(founder: Any, cells: pd.DataFrame, mitoses: pd.DataFrame) -> dict[str, Any]:
    n, ends = count(mitoses), cells["fate"]
    return {
        "founder_id": founder,
        "first_frame": cells["first_frame"].min(),
        "last_frame": cells["last_frame"].max(),
        "birth_min": cells["birth_min"].min(),
        "end_min": cells["end_min"].max(),
        "n_cells": len(cells),
        "n_generations": cells["generation"].max() + 1,
        "n_mitoses": n.mitoses,
        "n_normal": n.normal,
        "n_abnormal": n.abnormal,
        "n_undecided": n.undecided,
        "n_unclassified": n.undecided,  # its name in earlier versions
        "n_alive_at_end": (ends == Fate.END_OF_MOVIE).sum(),
        "n_lost": (ends == Fate.LOST).sum(),
    }


def event_table(
    events: Sequence[MitosisEvent],
    predictions: Predictions,
    *,
    minutes_per_frame: float,
    side_um: Mapping[int, float],
    flags: Mapping[int, str],
    persons: Mapping[int, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """EVENT_COLUMNS, one row an event, in order of frame; rejected proposals stay in, as `not_a_mitosis`.

    Args:
        events: mitoses, fusions and deaths.
        predictions: of the classifier, matched by event_id.
        minutes_per_frame: interval.
        side_um: event_id -> side of its crop, micrometres; empty where there is no crop.
        flags: event_id -> what was padded, missing or resampled in its crop, and what else to be wary of.
        persons: event_id -> a person's class, which overrules the verdict.
    """
    told = judge(events, predictions, persons)
    rows = []
    for event in sorted(events, key=lambda e: (e.frame, e.event_id)):
        is_mitosis = event.event_type is EventType.MITOSIS
        said = told.get(event.event_id, dict.fromkeys(("verdict", "verdict_because", "mitosis_class"), ""))
        onset = event.onset_frame
        rows.append(
            {
                "event_id": event.event_id,
                "mother_id": event.mother,
                "daughter_ids": _ids(event.daughters),
                "frame": event.frame,
                "time_min": event.frame * float(minutes_per_frame),
                "y_px": event.y_px,
                "x_px": event.x_px,
                "y_um": event.y_um,
                "x_um": event.x_um,
                "event_type": event.event_type.value,
                "subtype": subtype(event, said["mitosis_class"] or MitosisClass.UNCLASSIFIED).value,
                "confidence": event.confidence,
                "n_poles": event.n_poles if is_mitosis else None,
                "separated": event.separated if is_mitosis else None,
                "onset_min": None if onset is None else onset * float(minutes_per_frame),
                "refused_after_min": event.refused_after_min,
                "died_after_min": event.died_after_min,
                "n_micronuclei": _told(event.n_micronuclei, event),
                "bridge": _told(event.bridge, event),
                "linked_event_id": event.linked_event,
                "source": event.source,
                "side_um": side_um.get(event.event_id),
                "flags": _flags(flags.get(event.event_id, ""), said),
            }
            | said
            | {f"evidence_{name}": event.evidence.get(name) for name in EVIDENCE}
        )
    real = (
        "p_verdict",
        "p_abnormal",
        "p_none",
        "side_um",
        "confidence",
        "onset_min",
        "refused_after_min",
        "died_after_min",
    )
    types = dict.fromkeys((*real, *(f"evidence_{name}" for name in EVIDENCE)), "float")
    types |= dict.fromkeys(("n_poles", "linked_event_id"), "Int64")
    return pd.DataFrame(rows, columns=list(EVENT_COLUMNS)).astype(types)


def _flags(known: str, said: Mapping[str, Any]) -> str:
    return f"{known} {Flag.NONE_AGAINST_TRACKING}".strip() if is_none_refused(said) else known


def _told(seen: int | bool | None, event: MitosisEvent) -> int | bool | str | None:
    """What was looked for beside daughters; where nothing could be seen that is said, and never 0."""
    if not event.separated or not event.daughters:
        return None
    return NOT_ASSESSABLE if seen is None else seen


def _ids(cells: Iterable[int]) -> str:
    """Ids as one cell of a table.

    >>> _ids([3, 4])
    '3 4'
    """
    return " ".join(map(str, cells))
