"""What one stage hands to the next comes back as it was."""

import math
from dataclasses import fields

import pytest
import worlds

from lineage.io import records
from lineage.io.files import read_table, write_table
from lineage.mitosis.event_table import event_table, events_of
from lineage.schema import NUCLEUS_COLUMNS, EventType, InputError, MitosisEvent

PLACE = {"y_px": 10.5, "x_px": 20.25, "y_um": 21.0, "x_um": 40.5}
KINDS = {
    "a division": MitosisEvent(
        1, 4, (5, 6), 10, **PLACE, source="division", confidence=3.25, n_poles=2, separated=True,
        onset_frame=7, n_micronuclei=0, bridge=False, evidence={"mass_ratio": 0.95, "log_odds": 3.25},
    ),
    "one that could not be looked at": MitosisEvent(
        2, 4, (5, 6, 7), 10, **PLACE, source="division", n_poles=3, separated=True
    ),
    "a regression": MitosisEvent(
        3, 4, (5, 6), 10, **PLACE, source="division", separated=True, n_poles=2, refusion_after_min=40.0,
        n_micronuclei=3, bridge=True,
    ),
    "a slippage": MitosisEvent(
        4, 9, (), 12, **PLACE, source="condensed", returned=True, evidence={"lasts_min": 90.0}
    ),
    "a death in mitosis": MitosisEvent(5, 9, (), 12, **PLACE, source="end_of_track", died_after_min=100.0),
    "a death": MitosisEvent(
        6, 9, (), 12, **PLACE, source="end_of_track", event_type=EventType.DEATH, died_after_min=0.0
    ),
    "a fusion": MitosisEvent(
        7, 5, (8,), 30, **PLACE, source="fusion", event_type=EventType.FUSION, linked_event=1
    ),
}  # fmt: skip


def same(a, b):
    """Equal, and both without confidence where one is."""
    told = [{k: v for k, v in vars(e).items() if k != "confidence"} for e in (a, b)]
    odds = a.confidence, b.confidence
    return told[0] == told[1] and (odds[0] == odds[1] or all(map(math.isnan, odds)))


def back(tmp_path, events):
    write_table(event_table(list(events), minutes_per_frame=7.5), tmp_path / "events.csv")
    table = read_table(tmp_path / "events.csv", text=("daughter_ids", "source"))
    return sorted(events_of(table, minutes_per_frame=7.5), key=lambda e: e.event_id)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_comes_back_as_it_was(tmp_path, kind):
    (event,) = back(tmp_path, [KINDS[kind]])
    assert same(event, KINDS[kind]), event
    assert [type(v) for v in vars(event).values()] == [type(v) for v in vars(KINDS[kind]).values()]


def test_events_of_all_kinds_come_back_together(tmp_path):
    for got, wanted in zip(back(tmp_path, KINDS.values()), KINDS.values(), strict=True):
        assert same(got, wanted), got


def test_every_field_of_an_event_is_tried():
    """So that a field that is written and not read back is noticed."""
    default = MitosisEvent(1, 4, (), 10, **PLACE, source="")
    for field in fields(MitosisEvent):
        values = {str(getattr(event, field.name)) for event in KINDS.values()}
        assert values - {str(getattr(default, field.name))} or field.name in PLACE, (
            f"no {field.name} in KINDS"
        )


def test_no_events_come_back_as_none(tmp_path):
    assert back(tmp_path, []) == []


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_a_lineage_comes_back_as_it_was(tmp_path, world):
    lineage = worlds.as_lineage(world())
    for k, edge in enumerate(lineage.graph.edges):
        lineage.graph.edges[edge]["log_odds"] = 0.1 + k
    if 2 in lineage.graph:
        lineage = worlds.dying(lineage, 2)
    measured = tmp_path / "measured.csv"
    write_table(lineage.detections[list(NUCLEUS_COLUMNS)], measured)
    paths = {name: tmp_path / f"{name}.csv" for name in ("nuclei", "edges", "cells")}
    records.write_lineage(lineage, **paths)
    got = records.read_lineage(measured, **paths)
    assert dict(got.graph.nodes) == dict(lineage.graph.nodes)
    assert dict(got.graph.edges) == dict(lineage.graph.edges)
    for column in lineage.detections:
        assert (
            got.detections[column].tolist() == pytest.approx(lineage.detections[column].tolist(), nan_ok=True)
            or (got.detections[column] == lineage.detections[column]).all()
        ), column


def test_a_lineage_of_other_nuclei_is_refused(tmp_path):
    lineage = worlds.as_lineage(worlds.one_division())
    measured = tmp_path / "measured.csv"
    write_table(lineage.detections[list(NUCLEUS_COLUMNS)].iloc[1:], measured)
    paths = {name: tmp_path / f"{name}.csv" for name in ("nuclei", "edges", "cells")}
    records.write_lineage(lineage, **paths)
    with pytest.raises(InputError, match="tracked nuclei"):
        records.read_lineage(measured, **paths)
