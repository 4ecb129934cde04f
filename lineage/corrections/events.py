"""An event of a run <-> the event as corrections name it: by its mother's place and its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.corrections.lines import Event, Nucleus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from lineage.schema import MitosisEvent

WITHIN_FRAMES = 3  # another version, or other settings, may see it so much earlier or later


def named(event: MitosisEvent, detections: pd.DataFrame) -> Event:
    """The event in terms that hold in the next run as well.

    Args:
        event: of a run.
        detections: of the same run: `tracklet_id, frame, y_px, x_px`.

    Returns:
        Its mother by her last nucleus before the event; where she has none, by her first.
    """
    of_mother = detections[detections["tracklet_id"] == event.mother].sort_values("frame")
    before = of_mother[of_mother["frame"] < event.frame]
    row = (before.iloc[-1:] if len(before) else of_mother.iloc[:1]).to_dict("records")[0]
    mother = Nucleus(frame=int(row["frame"]), y_px=float(row["y_px"]), x_px=float(row["x_px"]))
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
