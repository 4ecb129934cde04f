"""An event is found again by its mother's place and its frame, whatever its number."""

import pandas as pd

from lineage.corrections.events import match, matcher, named
from lineage.corrections.lines import Nucleus, make
from lineage.mitosis.corrected import OVERRULED, verdicts_of
from lineage.schema import EventType, MitosisEvent


def event(number, mother, frame, *, daughters=(), event_type=EventType.MITOSIS):
    return MitosisEvent(number, mother, daughters, frame, 0.0, 0.0, 0.0, 0.0, "test", event_type)


def nuclei(*rows):
    return pd.DataFrame(rows, columns=["tracklet_id", "frame", "y_px", "x_px"])


DIVISION = event(7, 1, 5, daughters=(2, 3))
LIVES = nuclei((1, 3, 10.0, 20.0), (1, 4, 11.0, 21.0), (2, 5, 8.0, 20.0), (3, 5, 14.0, 22.0))


def cell_of(table, changed=None):
    """As `Finder` would find it; `changed` renumbers cells."""

    def find(nucleus: Nucleus):
        row = table[(table["frame"] == nucleus.frame) & (table["y_px"] == nucleus.y_px)]
        return (changed or {}).get(found := int(row["tracklet_id"].iloc[0]), found) if len(row) else None

    return find


def test_an_event_is_named_by_its_mother_s_last_nucleus_before_it():
    found = named([DIVISION, event(8, 2, 5), event(9, 4, 5)], LIVES)
    assert found[7].mother == Nucleus(frame=4, y_px=11, x_px=21)
    # A mother that is first seen as the event happens has none before it.
    assert found[8].mother == Nucleus(frame=5, y_px=8, x_px=20)
    assert set(found) == {7, 8}


def test_it_is_found_after_renumbering():
    said = named([DIVISION], LIVES)[7]
    renumbered = event(90, 41, 6, daughters=(42, 43))
    others = [event(1, 40, 5), event(2, 41, 6, event_type=EventType.DEATH), event(3, 41, 11)]
    find = cell_of(LIVES, {1: 41})
    assert match(said, cell_of=find, events=[*others, renumbered]) == 90
    assert match(said, cell_of=find, events=others) is None
    assert match(said, cell_of=lambda nucleus: None, events=[renumbered]) is None


def test_of_several_it_is_the_nearest_in_time():
    said = named([DIVISION], LIVES)[7]
    assert match(said, cell_of=cell_of(LIVES), events=[event(1, 1, 2), event(2, 1, 6)]) == 2
    assert match(said, cell_of=cell_of(LIVES), events=[event(1, 1, 1), event(2, 1, 9)]) is None


def test_a_division_that_is_now_seen_a_frame_earlier_is_the_same():
    said = named([DIVISION], LIVES)[7]
    now = cell_of(LIVES, {1: 2})  # what was the mother's last nucleus is a daughter's first
    assert match(said, cell_of=now, events=[event(5, 1, 4, daughters=(2, 3))]) == 5


def test_it_is_found_in_the_tables_of_a_run():
    detections = LIVES.assign(detection_id=range(len(LIVES)), area_um2=50.0)
    events = pd.DataFrame(
        [(4, 1, "2 3", 5, "mitosis"), (5, 3, "", 5, "death")],
        columns=["event_id", "mother_id", "daughter_ids", "frame", "event_type"],
    )
    find = matcher(events, detections, pixel_size_um=1.0)
    assert find(named([DIVISION], LIVES)[7]) == 4
    assert find(named([event(1, 3, 5, event_type=EventType.DEATH)], LIVES)[1]) == 5
    in_no_cell = detections.assign(tracklet_id=detections["tracklet_id"].replace(1, -1))
    assert matcher(events, in_no_cell, pixel_size_um=1.0)(named([DIVISION], LIVES)[7]) is None


def test_of_a_division_and_the_verdict_that_it_is_no_mitosis_the_later_holds():
    nucleus = {"frame": 4, "y_px": 11.0, "x_px": 21.0}
    division = make(
        {"what": "division", "mother": nucleus, "daughters": [
            {"frame": 5, "y_px": 8.0, "x_px": 20.0}, {"frame": 5, "y_px": 14.0, "x_px": 22.0}
        ]}, who="anna",
    )  # fmt: skip
    event = {"mother": nucleus, "frame": 5, "event_type": "mitosis"}
    none, normal = (
        make({"what": "verdict", "event": event, "verdict": v}, who="anna")
        for v in ("not_a_mitosis", "normal")
    )
    table = LIVES.assign(detection_id=range(len(LIVES)), area_um2=50.0)

    def decided(*lines):
        found, not_applied = verdicts_of(lines, [DIVISION], table, pixel_size_um=1.0)
        return {e: v.verdict.value for e, v in found.items()}, not_applied

    assert decided(none) == ({7: "not_a_mitosis"}, {})
    assert decided(none, division) == ({}, {none.id: OVERRULED})
    assert decided(division, none) == ({7: "not_a_mitosis"}, {division.id: OVERRULED})
    assert decided(division, normal) == decided(normal, division) == ({7: "normal"}, {})
    assert decided(none, division, normal) == ({7: "normal"}, {none.id: OVERRULED})
