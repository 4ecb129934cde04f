"""Mitoses of a run against those of the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import worlds
from test_tree import annotate
from worlds import as_lineage

from lineage.evaluate import events
from lineage.evaluate.events import calibrate
from lineage.evaluate.match import Count, Matches, Nuclei
from lineage.evaluate.mistakes import mistakes
from lineage.evaluate.tracking import score_slippages, slippage_claims


def true(*rows):
    """(frame, y, x, subtype) -> true events, numbered from 0; slippages have no daughters."""
    table = pd.DataFrame(rows, columns=["frame", "y_px", "x_px", "subtype"])
    table["event_id"] = range(len(table))
    table["mother_id"] = table["event_id"] + 1
    table["mitosis_class"] = np.where(table["subtype"] == "normal", "normal", "abnormal")
    table["daughter_ids"] = np.where(table["subtype"] == "slippage", "", "8 9")
    return table


def proposal_table(*rows):
    """(frame, y, x, p of abnormal) -> proposals, numbered from 100; p is NaN where it is undecided."""
    table = pd.DataFrame(rows, columns=["frame", "y_px", "x_px", "p_verdict"])
    table["event_id"] = range(100, 100 + len(table))
    p = table["p_verdict"]
    table["verdict"] = np.select([p.isna(), p >= 0.5], ["undecided", "abnormal"], "normal")
    return table


def compare(truth, proposals, drift_px=None):
    return events.outcomes(
        truth,
        proposals,
        drift_px=np.zeros((100, 2)) if drift_px is None else drift_px,
        shape=(400, 400),
        pixel_size_um=2.0,
        minutes_per_frame=10.0,
        diameter_um=15.0,
    ).assign(movie=0)


@pytest.mark.parametrize(
    ("frame", "x_px", "subtype", "proposed"),
    [
        (50, 100, "normal", True),
        (53, 100, "normal", True),
        (54, 100, "normal", False),
        (47, 112, "normal", True),  # 24 um
        (50, 113, "normal", False),
        (54, 100, "slippage", True),
        (56, 100, "slippage", True),  # 60 min
        (57, 100, "slippage", False),
        (54, 100, "death_in_mitosis", True),  # by its name, whoever its daughters are
        (54, 100, "furrow_regression", False),
    ],
)
def test_a_proposal_belongs_to_a_mitosis_that_is_near(frame, x_px, subtype, proposed):
    found = compare(true((50, 100, 100, subtype)), proposal_table((frame, 100, x_px, 0.1)))

    assert events.proposed(found) == Count(int(proposed), 1, 1)
    assert len(found) == (1 if proposed else 2)


def test_the_movement_of_the_stage_is_taken_out():
    drift = np.zeros((100, 2))
    drift[51:] = 30
    truth, proposals = true((50, 100, 100, "normal")), proposal_table((51, 130, 130, 0.1))

    assert events.proposed(compare(truth, proposals)).right == 0
    assert events.proposed(compare(truth, proposals, drift)).right == 1


def test_nearest_first_and_each_event_once():
    # Nobody gives up the proposal on its very place so that another mitosis gets one as well.
    truth = true((50, 100, 50, "tripolar"), (50, 100, 60, "normal"))
    proposals = proposal_table((50, 100, 50, 0.9), (50, 100, 40, 0.1))

    found = compare(truth, proposals)

    assert found["truth_event"].tolist() == [0, 1, -1]
    assert found["run_event"].tolist() == [100, -1, 101]
    assert events.proposed(found) == Count(1, 2, 2)
    assert events.abnormal(found) == Count(1, 1, 1)


def test_nearest_counts_time_and_place():
    # Nearer by place is the first, but 3 frames away.
    found = compare(true((50, 100, 100, "normal")), proposal_table((53, 100, 101, 0.1), (50, 100, 104, 0.1)))

    assert found["run_event"].tolist() == [101, 100]


def test_abnormal_is_scored_end_to_end_and_among_the_proposed():
    truth = true(
        (10, 100, 100, "tripolar"),  # called abnormal
        (20, 100, 100, "tripolar"),  # called normal
        (30, 100, 100, "slippage"),  # missed
        (40, 100, 100, "normal"),  # called abnormal
        (50, 100, 100, "normal"),  # called normal
        (60, 100, 100, "tripolar"),  # undecided
        (70, 100, 100, "normal"),  # missed
    )
    proposals = proposal_table(
        (10, 100, 100, 0.9),
        (20, 100, 100, 0.1),
        (40, 100, 100, 0.8),
        (50, 100, 100, 0.1),
        (60, 100, 100, np.nan),
        (90, 100, 100, 0.7),
        (90, 300, 300, 0.3),
    )

    found = compare(truth, proposals)

    assert events.proposed(found) == Count(5, 7, 7)
    assert events.abnormal(found) == Count(1, 3, 4)
    assert events.abnormal(found[events.is_matched(found)]) == Count(1, 2, 3)
    assert events.same_class(found) == Count(2, 5, 5)
    counts = events.by_subtype(found)
    assert list(counts) == ["normal", "tripolar", "slippage", ""]
    assert counts["tripolar"] == {"truth": 3, "normal": 1, "abnormal": 1, "undecided": 1, "missed": 0}
    assert counts[""] == {"truth": 0, "normal": 1, "abnormal": 1, "undecided": 0, "missed": 0}
    assert mistakes(found)["kind"].tolist() == [
        "missed abnormal",
        "wrong class",
        "wrong class",
        "undecided",
        "false proposal",
        "false proposal",
        "missed normal",
    ]
    assert mistakes(found)["p_abnormal"].dropna().tolist() == [0.1, 0.8, 0.7, 0.3]
    assert mistakes(found)["words"].tolist()[3:5] == ["tripolar, undecided", "nothing, called abnormal"]


def test_a_normal_mitosis_that_is_undecided_is_no_mistake():
    found = compare(true((50, 100, 100, "normal")), proposal_table((50, 100, 100, np.nan)))

    assert found["run_class"].tolist() == ["undecided"]
    assert len(mistakes(found)) == 0


@pytest.mark.parametrize(
    ("x_px", "given", "event", "words"),
    [
        (100, {"p_none": 0.75}, 100, "tripolar, rejected as no mitosis, p(none) 0.75"),
        (100, {}, 100, "tripolar, rejected as no mitosis"),
        (113, {"p_none": 0.75}, -1, "tripolar, missed"),
    ],
)
def test_what_the_run_rejected_near_by_is_missed_and_said_to_be_rejected(x_px, given, event, words):
    rejected = proposal_table((50, 100, x_px, 0.9)).assign(verdict="not_a_mitosis", **given)

    found = compare(true((50, 100, 100, "tripolar")), rejected)

    assert events.proposed(found) == Count(0, 0, 1)
    wrong = mistakes(found)
    assert (wrong["kind"].item(), wrong["words"].item()) == ("missed abnormal", words)
    assert wrong["run_event"].item() == event


def test_what_was_rejected_beside_a_proposal_does_not_matter():
    found = compare(
        true((50, 100, 100, "tripolar")),
        proposal_table((50, 100, 104, 0.9), (50, 100, 100, 0.9)).assign(
            verdict=["abnormal", "not_a_mitosis"]
        ),
    )

    assert found["run_event"].tolist() == [100]
    assert len(mistakes(found)) == 0


def test_nothing_proposed_and_nothing_true():
    nobody = compare(true(), proposal_table())
    assert events.proposed(nobody).recall is None
    assert events.abnormal(nobody).f1 is None
    assert calibrate(nobody) is None

    missed = compare(true((50, 100, 100, "tripolar")), proposal_table())
    assert events.proposed(missed).recall == 0.0
    assert events.abnormal(missed).f1 == 0.0

    false = compare(true(), proposal_table((50, 100, 100, 0.9)))
    assert events.proposed(false) == Count(0, 1, 0)
    assert events.abnormal(false).precision == 0.0


def test_events_at_the_edge_are_counted_as_such():
    found = compare(
        true((1, 100, 100, "normal"), (50, 3, 100, "normal"), (50, 100, 100, "normal"), (98, 9, 9, "normal")),
        proposal_table(),
    )

    assert found["at_edge"].tolist() == [True, True, False, True]


def test_calibration_of_the_proposed():
    truth = true(*((10 * k, 100, 100, "tripolar" if k < 3 else "normal") for k in range(4)))
    proposals = proposal_table(*((10 * k, 100, 100, 0.75) for k in range(4)), (90, 100, 100, 0.99))

    found = calibrate(compare(truth, proposals))

    assert (found.n, len(found.bins)) == (4, 1)
    only = found.bins[0]
    assert (only.low, only.n, only.mean_p, only.abnormal) == (0.7, 4, 0.75, 0.75)
    assert found.error == pytest.approx(0)
    assert found.brier == pytest.approx(0.75 * 0.25**2 + 0.25 * 0.75**2)


# --- Slippages


def always_one(cell: int = 1, n_frames: int = 100) -> Matches:
    """Cell `cell` of the truth is cell `cell + 10` of the run throughout."""
    frame = np.arange(n_frames)
    truth, run = (Nuclei(frame, np.full(n_frames, c), np.full(n_frames, c)) for c in (cell, cell + 10))
    ones = np.ones(n_frames)
    return Matches(truth, run, frame, frame, ones, ones.astype(int), ones > 0, 0.0, 0)


@pytest.mark.parametrize(
    ("claim", "right"),
    [((11, 50), 1), ((11, 62), 1), ((11, 63), 0), ((12, 50), 0), ((11, None), 1), ((12, None), 0)],
)
def test_a_slippage_is_right_on_its_cell_within_two_hours(claim, right):
    found = score_slippages(true((50, 100, 100, "slippage")), [claim], always_one(), minutes_per_frame=10.0)

    assert found == Count(right, 1, 1)


def test_one_claim_does_not_stand_for_two_slippages():
    events = true((50, 100, 100, "slippage"), (55, 100, 100, "slippage")).assign(mother_id=1)

    found = score_slippages(events, [(11, 52)], always_one(), minutes_per_frame=10.0)

    assert found == Count(1, 1, 2)


def proposal(mother, daughters, frame, **more):
    return pd.DataFrame([{"mother_id": mother, "daughter_ids": daughters, "frame": frame} | more])


def test_who_claims_a_slippage():
    tree = annotate(as_lineage(worlds.sisters_fuse()))
    assert tree.nodes[5]["last_frame"] == 39

    def of(table):
        return slippage_claims(table, tree)

    assert of(proposal(4, "5 6", 30)) == []  # a division
    assert of(proposal(1, "2 3", 10)) == []  # a furrow regression: they become one again
    assert of(proposal(5, "", 35)) == [(5, 35)]
    assert of(proposal(5, "", 39)) == []  # not seen any more
    assert of(proposal(5, "", 35, subtype="death_in_mitosis")) == []
    assert of(proposal(4, "5 6", 30, subtype="slippage")) == [(4, 30)]
    tree.nodes[5]["n_slippages"], tree.nodes[6]["fate"] = 1, "slipped"
    assert of(proposal(5, "", 35)) == [(5, 35), (6, None)]


@pytest.mark.parametrize("fate", ["died_mitosis", "died_interphase"])
def test_a_cell_that_dies_did_not_slip(fate):
    tree = annotate(as_lineage(worlds.lone_cell()))
    assert slippage_claims(proposal(1, "", 5), tree) == [(1, 5)]

    tree.nodes[1]["fate"] = fate

    assert slippage_claims(proposal(1, "", 5), tree) == []


def test_what_can_hardly_be_seen_can_be_left_out():
    truth = true(
        (50, 100, 100, "tripolar"), (50, 200, 100, "micronuclei"), (50, 300, 100, "lagging_chromatin")
    )
    table = compare(truth, proposal_table((50, 100, 100, 0.9), (50, 200, 100, 0.1)))
    assert events.abnormal(table) == Count(1, 1, 3)
    assert events.abnormal(events.visible(table)) == Count(1, 1, 1)
