"""An event of a run <-> the event as corrections name it: by its mother's place and its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.corrections.find import cell_finder
from lineage.corrections.lines import Event, Nucleus
from lineage.schema import EventType, MitosisEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

WITHIN_FRAMES = 3  # another version, or other settings, may see it so much earlier or later


def named(events: Iterable[MitosisEvent], detections: pd.DataFrame) -> dict[int, Event]:
    """Events in terms that hold in the next run as well.

    Args:
        events: of a run.
        detections: of the same run: `tracklet_id, frame, y_px, x_px`, in order of frames.

    Returns:
        event_id -> its mother by her last nucleus before the event; where she has none, by her first.
    """
    events = list(events)
    mothers = detections[detections["tracklet_id"].isin({e.mother for e in events})]
    by_cell = {int(str(cell)): rows for cell, rows in mothers.groupby("tracklet_id")}
    return {e.event_id: _named(e, by_cell[e.mother]) for e in events if e.mother in by_cell}


def _named(event: MitosisEvent, of_mother: pd.DataFrame) -> Event:
    frames = of_mother["frame"].to_numpy(int)
    row = max(int(frames.searchsorted(event.frame)) - 1, 0)
    y, x = of_mother[["y_px", "x_px"]].to_numpy(float)[row]
    mother = Nucleus(frame=int(frames[row]), y_px=float(y), x_px=float(x))
    return Event(mother=mother, frame=event.frame, event_type=event.event_type)


def match(
    event: Event, *, cell_of: Callable[[Nucleus], int | None], events: Iterable[MitosisEvent]
) -> int | None:
    """The `event_id` that an event has in this run.

    Args:
        event: as a correction names it.
        cell_of: a nucleus -> its cell in this run; None where it has none.
        events: of this run.

    Returns:
        The nearest event of that type and mother, at most WITHIN_FRAMES away. Where the run sees the
        daughters in the named nucleus already, it is their birth. None if there is no such event.
    """
    cell = cell_of(event.mother)
    if cell is None:
        return None
    found = [
        (abs(e.frame - event.frame), cell != e.mother, e.event_id)
        for e in events
        if e.event_type == event.event_type
        and cell in (e.mother, *e.daughters)
        and abs(e.frame - event.frame) <= WITHIN_FRAMES
    ]
    return min(found)[2] if found else None


def matcher(
    events: pd.DataFrame, detections: pd.DataFrame, *, pixel_size_um: float
) -> Callable[[Event], int | None]:
    """`match` for a run's tables.

    Args:
        events: `events.csv`: `event_id, mother_id, daughter_ids, frame, event_type`.
        detections: `detections.csv`.
        pixel_size_um: of the movie.
    """
    known, cell_of = listed(events), cell_finder(detections, pixel_size_um=pixel_size_um)
    return lambda event: match(event, cell_of=cell_of, events=known)


def listed(table: pd.DataFrame) -> list[MitosisEvent]:
    """The rows of `events.csv`, with no more than tells events from each other."""
    nowhere = (float("nan"),) * 4
    return [
        MitosisEvent(
            int(row["event_id"]),
            int(row["mother_id"]),
            tuple(int(d) for d in row["daughter_ids"].split()),
            int(row["frame"]),
            *nowhere,
            source="",
            event_type=EventType(row["event_type"]),
        )
        for row in table.to_dict("records")
    ]
