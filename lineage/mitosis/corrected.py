"""What a person says of events -> verdicts, by event, and where a mitosis was that nobody proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.corrections.events import match
from lineage.corrections.find import cell_finder
from lineage.corrections.journal import OVERRULED
from lineage.corrections.lines import Division, Event, Mitosis, Verdict
from lineage.mitosis.verdict import ByPerson
from lineage.schema import Decision, EventType

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from lineage.corrections.lines import Line
    from lineage.schema import MitosisEvent

GONE = "the cell that it names is not there any more"
NO_EVENT = "the cell has no such event near that frame"


def mitoses_of(
    lines: Iterable[Line], detections: pd.DataFrame, *, pixel_size_um: float
) -> tuple[list[tuple[int, int]], dict[str, str]]:
    """Where a person sees a mitosis.

    Args:
        lines: those that hold.
        detections: DETECTION_COLUMNS of the lineage.
        pixel_size_um: of the movie.

    Returns:
        Cell and frame of each; and id of the line -> why it is not applied.
    """
    cell_of = cell_finder(detections, pixel_size_um=pixel_size_um)
    found = {x: cell_of(x.nucleus) for x in lines if isinstance(x, Mitosis)}
    places = [(cell, x.nucleus.frame) for x, cell in found.items() if cell is not None]
    return places, {x.id: GONE for x, cell in found.items() if cell is None}


def verdicts_of(
    lines: Iterable[Line], events: Iterable[MitosisEvent], detections: pd.DataFrame, *, pixel_size_um: float
) -> tuple[dict[int, ByPerson], dict[str, str]]:
    """A person's verdicts; of two on one event the later.

    Args:
        lines: those that hold, in order; of divisions those that tracking has applied.
        events: of the lineage, in which nothing is rejected yet.
        detections: DETECTION_COLUMNS of the same lineage.
        pixel_size_um: of the movie.

    Returns:
        event_id -> verdict; and id of the line -> why it is not applied. Who names daughters says that it is
        a mitosis: of that and of the verdict that it is none, the later holds.
    """
    events = list(events)
    cell_of = cell_finder(detections, pixel_size_um=pixel_size_um)
    divides = {e.mother: e.event_id for e in events if e.event_type is EventType.MITOSIS and e.daughters}
    found: dict[int, tuple[Line, ByPerson]] = {}
    divisions: dict[int, Line] = {}
    not_applied = {}
    for line in lines:
        if isinstance(line, Division):
            event_id = divides.get(cell_of(line.mother) or 0)
            if event_id is None:
                continue
            divisions[event_id] = line
            if event_id in found and found[event_id][1].verdict is Decision.NOT_A_MITOSIS:
                not_applied[found.pop(event_id)[0].id] = OVERRULED
        elif isinstance(line, Verdict | Mitosis):
            event = line.event if isinstance(line, Verdict) else _event_of(line)
            event_id = match(event, cell_of=cell_of, events=events)
            if event_id is None:
                not_applied[line.id] = GONE if cell_of(event.mother) is None else NO_EVENT
                continue
            found[event_id] = line, ByPerson(line.verdict, line.subtype)
            if line.verdict is Decision.NOT_A_MITOSIS and event_id in divisions:
                not_applied[divisions.pop(event_id).id] = OVERRULED
    return {event_id: verdict for event_id, (_, verdict) in found.items()}, not_applied


def _event_of(line: Mitosis) -> Event:
    return Event(mother=line.nucleus, frame=line.nucleus.frame)
