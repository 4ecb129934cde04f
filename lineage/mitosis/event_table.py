"""Events <-> EVENT_COLUMNS, one row an event: the only form in which events are kept.

Before verdicts are there the same columns hold what was proposed, with the columns of a verdict empty.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from lineage.mitosis.verdict import is_none_overruled
from lineage.schema import EVENT_COLUMNS, EVIDENCE, NOT_ASSESSABLE, EventType, Flag, MitosisEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERDICT_COLUMNS = ("subtype", "verdict", "verdict_because", "mitosis_class")
_NUMBERS = (
    "p_verdict", "p_abnormal", "p_none", "side_um", "confidence", "onset_min", "refusion_after_min",
    "died_after_min", *(f"evidence_{name}" for name in EVIDENCE),
)  # fmt: skip
_EMPTY: Mapping[str, Any] = MappingProxyType(dict.fromkeys(VERDICT_COLUMNS, ""))


def event_table(
    events: Sequence[MitosisEvent],
    verdicts: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
    *,
    minutes_per_frame: float,
    side_um: Mapping[int, float] = MappingProxyType({}),
    flags: Mapping[int, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """EVENT_COLUMNS, one row an event, in order of frame; rejected ones stay in, as `not_a_mitosis`.

    Args:
        events: mitoses, fusions and deaths.
        verdicts: event_id -> its columns, as `lineage.mitosis.verdict.decide_all` gives them.
        minutes_per_frame: interval.
        side_um: event_id -> side of its crop, micrometres; empty where there is no crop.
        flags: event_id -> what was padded, missing or resampled in its crop, and what else to be wary of.
    """
    rows = [
        _seen(event, float(minutes_per_frame))
        | dict(verdict := verdicts.get(event.event_id, _EMPTY))
        | {"side_um": side_um.get(event.event_id), "flags": _flags(flags.get(event.event_id, ""), verdict)}
        for event in sorted(events, key=lambda e: (e.frame, e.event_id))
    ]
    types = dict.fromkeys(_NUMBERS, "float") | dict.fromkeys(("n_poles", "linked_event_id"), "Int64")
    return pd.DataFrame(rows, columns=list(EVENT_COLUMNS)).astype(types)


def _seen(event: MitosisEvent, minutes_per_frame: float) -> dict[str, Any]:
    """What was seen of an event, by column."""
    is_mitosis = event.event_type is EventType.MITOSIS
    onset = event.onset_frame
    return {
        "event_id": event.event_id,
        "mother_id": event.mother,
        "daughter_ids": " ".join(map(str, event.daughters)),
        "frame": event.frame,
        "time_min": event.frame * minutes_per_frame,
        "y_px": event.y_px,
        "x_px": event.x_px,
        "y_um": event.y_um,
        "x_um": event.x_um,
        "event_type": event.event_type.value,
        "confidence": event.confidence,
        "n_poles": event.n_poles if is_mitosis else None,
        "separated": event.separated if is_mitosis else None,
        "returned": event.returned if is_mitosis else None,
        "onset_min": None if onset is None else onset * minutes_per_frame,
        "refusion_after_min": event.refusion_after_min,
        "died_after_min": event.died_after_min,
        "n_micronuclei": _beside_daughters(event.n_micronuclei, event),
        "bridge": _beside_daughters(event.bridge, event),
        "linked_event_id": event.linked_event,
        "source": event.source,
    } | {f"evidence_{name}": event.evidence.get(name) for name in EVIDENCE}


def _beside_daughters(seen: int | bool | None, event: MitosisEvent) -> int | bool | str | None:
    """What was looked for beside daughters; `not assessable` where the pixels cannot show it, never 0."""
    if not event.separated or not event.daughters:
        return None
    return NOT_ASSESSABLE if seen is None else seen


def _flags(of_crop: str, verdict: Mapping[str, Any]) -> str:
    return f"{of_crop} {Flag.NONE_AGAINST_TRACKING}".strip() if is_none_overruled(verdict) else of_crop


def events_of(table: pd.DataFrame, *, minutes_per_frame: float) -> list[MitosisEvent]:
    """The events of a table, in its order.

    Args:
        table: EVENT_COLUMNS; `daughter_ids` and `source` hold text.
        minutes_per_frame: interval that the table was made with.

    Raises:
        ValueError, KeyError, TypeError: a column is missing, or holds what it may not.
    """
    return [_event(row, minutes_per_frame) for row in table.to_dict("records")]


def _event(row: Mapping[Any, Any], minutes_per_frame: float) -> MitosisEvent:
    def number(column: str) -> float | None:
        return None if pd.isna(row[column]) else float(row[column])

    def yes(column: str) -> bool | None:
        return None if pd.isna(row[column]) or row[column] == NOT_ASSESSABLE else str(row[column]) == "True"

    onset_min, linked, n_poles = number("onset_min"), number("linked_event_id"), number("n_poles")
    count = row["n_micronuclei"]
    evidence = {name: number(f"evidence_{name}") for name in EVIDENCE}
    return MitosisEvent(
        event_id=int(row["event_id"]),
        mother=int(row["mother_id"]),
        daughters=tuple(int(d) for d in row["daughter_ids"].split()),
        frame=int(row["frame"]),
        y_px=float(row["y_px"]),
        x_px=float(row["x_px"]),
        y_um=float(row["y_um"]),
        x_um=float(row["x_um"]),
        source=row["source"],
        event_type=EventType(row["event_type"]),
        confidence=float(row["confidence"]),
        n_poles=int(n_poles or 0),
        separated=bool(yes("separated")),
        returned=bool(yes("returned")),
        onset_frame=None if onset_min is None else round(onset_min / minutes_per_frame),
        refusion_after_min=number("refusion_after_min"),
        died_after_min=number("died_after_min"),
        n_micronuclei=None if pd.isna(count) or count == NOT_ASSESSABLE else int(count),
        bridge=yes("bridge"),
        linked_event=None if linked is None else int(linked),
        evidence={name: value for name, value in evidence.items() if value is not None},
    )
