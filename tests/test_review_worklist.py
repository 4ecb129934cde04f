"""What is worth a look, why, and what goes first."""

import numpy as np
import pandas as pd
import pytest

from lineage.corrections.lines import make
from lineage.review.tables import Nuclei, Tables
from lineage.review.worklist import MISSED, fraction_abnormal, time_to_division, worklist
from lineage.schema import EVENT_COLUMNS, TRACKLET_COLUMNS

N_FRAMES, SIDE = 100, 400
MIDDLE, EDGE = (200.0, 200.0), (200.0, 5.0)
TEXT = ("daughter_ids", "event_type", "subtype", "verdict", "verdict_because", "flags")


def event(number: int, mother: int, frame: int, **columns) -> dict:
    known = dict.fromkeys(EVENT_COLUMNS, np.nan) | dict.fromkeys(TEXT, "")
    return known | {
        "event_id": number, "mother_id": mother, "frame": frame, "y_px": 200.0, "x_px": 200.0,
        "event_type": "mitosis", "subtype": "normal", "verdict": "normal", "p_verdict": 0.02, "p_none": 0.01,
        "confidence": 9.0,
    } | columns  # fmt: skip


def cell(number: int, first: int, last: int, fate: str = "end_of_movie", parents: str = "") -> dict:
    return dict.fromkeys(TRACKLET_COLUMNS, np.nan) | {
        "tracklet_id": number, "first_frame": first, "last_frame": last, "birth_min": 10.0 * first,
        "end_min": 10.0 * last, "fate": fate, "parent_ids": parents, "daughter_ids": "",
    }  # fmt: skip


def listed(cells=(), events=(), *, at=MIDDLE, standing=(), usable=None):
    """The list of cells that stand still at a place, each in every frame of its life."""
    cells = [*cells, cell(900, 0, N_FRAMES - 1)]
    places = {c["tracklet_id"]: at if c["tracklet_id"] != 900 else (50.0, 50.0) for c in cells}
    rows = sorted(
        (t, c["tracklet_id"], *places[c["tracklet_id"]])
        for c in cells
        for t in range(c["first_frame"], c["last_frame"] + 1)
    )
    frame, number, y, x = (np.array(column) for column in zip(*rows, strict=True))
    nuclei = Nuclei(frame, number, number, y, x, np.full(len(frame), 8.0))
    record = {"video": {"minutes_per_frame": 10.0, "shape": [SIDE, SIDE]}}
    usable = np.ones(N_FRAMES, bool) if usable is None else usable
    table = pd.DataFrame(list(events), columns=list(EVENT_COLUMNS))
    tables = Tables(record, pd.DataFrame(cells), table, nuclei, usable, 1)
    return worklist(tables, usable, standing)


def reasons(found) -> dict[int, tuple[str, ...]]:
    return {item["cell"]: item["reasons"] for item in found["items"]}


def test_a_run_without_doubts_has_nothing_to_do():
    assert listed([cell(1, 0, 99)], [event(1, 1, 20)]) == {"items": [], "n_left": 0, "n_done": 0}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"verdict": "undecided", "verdict_because": "classifier_0.10 contradicted"}, "contradicted"),
        ({"verdict": "undecided", "p_verdict": 0.9}, "undecided"),
        ({"p_verdict": 0.3}, "near_half"),
        ({"verdict": "abnormal", "p_verdict": 0.7}, "near_half"),
        ({"confidence": 1.0}, "weak_tracking"),
        ({"flags": "no_phase none_against_tracking"}, "mitosis_or_not"),
        ({"flags": "frame_replaced"}, "unusable_frame"),
        ({"verdict": "not_a_mitosis", "p_none": 0.6}, "rejected_unsure"),
        ({"event_type": "fusion", "verdict": "", "confidence": 0.5}, "weak_tracking"),
    ],
)  # fmt: skip
def test_an_event_is_worth_a_look_for_a_reason(columns, reason):
    (item,) = listed([cell(1, 0, 99)], [event(7, 1, 20, **columns)])["items"]
    assert reason in item["reasons"]
    assert (item["kind"], item["event_id"], item["cell"], item["frame"]) == ("event", 7, 1, 20)
    assert item["words"].startswith(("Mitosis of cell 1: ", "Fusion of cell 1: "))
    assert "nan" not in item["words"]


def test_what_was_rejected_surely_and_what_all_events_of_a_movie_have_is_no_reason():
    events = [
        event(1, 1, 20, verdict="not_a_mitosis", p_none=0.95),
        event(2, 1, 30, flags="no_phase interval_resampled"),
    ]
    assert listed([cell(1, 0, 99)], events)["items"] == []


def test_what_changes_the_fraction_abnormal_most_goes_first():
    sure = [event(i, i, 50) for i in range(20, 40)]  # normal: so the fraction is small
    doubtful = [
        event(1, 1, 20, p_verdict=0.3),
        event(2, 2, 30, verdict="abnormal", p_verdict=0.66),
        event(3, 3, 40, verdict="undecided", p_verdict=0.5),
        event(4, 4, 50, flags="frame_replaced"),
    ]
    found = listed([cell(i, 0, 99) for i in (1, 2, 3, 4, *range(20, 40))], sure + doubtful)["items"]
    assert [item["cell"] for item in found] == [3, 2, 1, 4]
    scores = [item["score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    assert 0 < fraction_abnormal(e["verdict"] for e in sure + doubtful) < 0.1


def cycles(n: int) -> list[dict]:
    """Cells of which birth and division were seen, 300 min apart."""
    return [cell(100 + i, 10, 40, "divided", "900") for i in range(n)]


def test_a_cell_that_is_lost_when_it_should_divide_is_worth_a_look():
    late, early = cell(1, 10, 35, "lost", "900"), cell(2, 10, 20, "left_field", "900")
    found = listed([late, early, *cycles(5)])["items"]
    (item,) = [i for i in found if i["kind"] == "lost"]
    assert (item["cell"], item["frame"], item["reasons"]) == (1, 35, ("lost_before_division",))
    assert "4.2 h old; cells here divide after 5.0 h" in item["words"]


def test_without_enough_cycles_no_time_is_typical():
    assert time_to_division(pd.DataFrame(cycles(5))) == 300.0
    assert time_to_division(pd.DataFrame(cycles(4))) is None
    assert reasons(listed([cell(1, 10, 35, "lost", "900"), *cycles(4)])) == {1: ("lost_in_the_field",)}


def test_a_cell_without_a_mother_is_worth_a_look_unless_it_came_in():
    assert reasons(listed([cell(1, 10, 99)])) == {1: ("begins_in_the_field",)}
    assert reasons(listed([cell(1, 10, 99)], at=EDGE)) == {}
    assert reasons(listed([cell(1, 0, 99)])) == {}
    assert reasons(listed([cell(1, 10, 99, parents="900")])) == {}


def test_after_a_gap_every_cell_begins_anew():
    usable = np.ones(N_FRAMES, bool)
    usable[20:40] = False
    assert reasons(listed([cell(1, 40, 99)], usable=usable)) == {}
    assert reasons(listed([cell(1, 41, 99)], usable=usable)) == {1: ("begins_in_the_field",)}
    usable[0] = False
    assert 1 not in reasons(listed([cell(1, 1, 99)], usable=usable))


def test_what_is_hardly_seen_is_worth_a_look():
    found = listed([cell(1, 10, 12, "lost")])["items"]
    begins = next(i for i in found if i["kind"] == "begins")
    assert begins["reasons"] == ("begins_in_the_field", "short")
    assert "is seen for 3 frames only" in begins["words"]
    (short,) = listed([cell(1, 10, 10, "lost", "900")], at=EDGE)["items"]
    assert (short["kind"], short["reasons"]) == ("track", ("short",))
    assert "is seen for 1 frame only" in short["words"]
    assert 0 < short["score"] < begins["score"] < MISSED["begins_in_the_field"]


def nucleus(frame: int, at=MIDDLE) -> dict:
    return {"frame": frame, "y_px": at[0], "x_px": at[1]}


@pytest.mark.parametrize(
    ("said", "is_done"),
    [
        ({"what": "verdict", "event": {"mother": nucleus(19), "frame": 20}, "verdict": "normal"}, True),
        ({"what": "verdict", "event": {"mother": nucleus(39), "frame": 40}, "verdict": "normal"}, False),
        ({"what": "no_division", "mother": nucleus(19)}, True),
        ({"what": "no_division", "mother": nucleus(19, (50, 50))}, False),  # of another cell
        ({"what": "no_division", "mother": nucleus(19, (300, 300))}, False),  # where nothing is
        ({"what": "false_nuclei", "nuclei": [nucleus(3), nucleus(21)]}, True),
    ],
)
def test_an_item_is_done_if_a_line_names_its_cell_near_it(said, is_done):
    doubtful = [event(1, 1, 20, verdict="undecided", p_verdict=0.5)]
    found = listed([cell(1, 0, 99)], doubtful, standing=[make(said, who="anna")])
    assert [item["done"] for item in found["items"]] == [is_done]
    assert (found["n_left"], found["n_done"]) == (not is_done, is_done)


def test_what_a_person_set_is_done_and_last():
    events = [
        event(1, 1, 20, verdict="abnormal", p_verdict=1.0, verdict_because="person"),
        event(2, 1, 40, flags="frame_replaced"),
    ]
    found = listed([cell(1, 0, 99)], events)
    assert [(item["event_id"], item["done"]) for item in found["items"]] == [(2, False), (1, True)]
