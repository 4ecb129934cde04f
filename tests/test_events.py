"""Every division of the lineage is an event."""

import worlds

from lineage.events import propose


def test_a_division_is_one_event_at_the_daughters_first_frame():
    lineage = worlds.as_lineage(worlds.one_division())
    (event,) = propose(lineage)
    daughters = lineage.detections[lineage.detections["tracklet_id"].isin([2, 3])]
    assert (event.mother, event.daughters) == (1, (2, 3))
    assert event.frame == daughters["frame"].min()
    first = daughters[daughters["frame"] == event.frame]
    assert event.y_px == first["y_px"].mean()
    assert event.x_um == first["x_um"].mean()


def test_events_are_numbered_in_order_of_frame():
    events = propose(worlds.as_lineage(worlds.two_generations()))
    assert [e.event_id for e in events] == [1, 2]
    assert [e.mother for e in events] == [1, 2]
    assert events[0].frame < events[1].frame


def test_three_daughters_are_one_event():
    (event,) = propose(worlds.as_lineage(worlds.three_daughters()))
    assert event.daughters == (2, 3, 4)


def test_a_lone_cell_has_no_event():
    assert propose(worlds.as_lineage(worlds.lone_cell())) == []
