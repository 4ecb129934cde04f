"""What a person says of events -> verdicts, by event, and where a mitosis was that nobody proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.corrections.events import match
from lineage.corrections.find import cell_finder
from lineage.corrections.lines import Event, Mitosis, Verdict
from lineage.mitosis.verdict import ByPerson

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
        lines: those that hold, in order.
        events: of the lineage, in which nothing is rejected yet.
        detections: DETECTION_COLUMNS of the same lineage.
        pixel_size_um: of the movie.

    Returns:
        event_id -> verdict; and id of the line -> why it is not applied.
    """
    events = list(events)
    cell_of = cell_finder(detections, pixel_size_um=pixel_size_um)
    found: dict[int, ByPerson] = {}
    not_applied = {}
    for line in lines:
        if isinstance(line, Verdict):
            event = line.event
        elif isinstance(line, Mitosis):
            event = Event(mother=line.nucleus, frame=line.nucleus.frame)
        else:
            continue
        event_id = match(event, cell_of=cell_of, events=events)
        if event_id is not None:
            found[event_id] = ByPerson(line.verdict, line.subtype)
        else:
            not_applied[line.id] = GONE if cell_of(event.mother) is None else NO_EVENT
    return found, not_applied
