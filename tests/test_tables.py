"""A row says what was seen, and what could not be seen it does not call nothing."""

import pandas as pd
import pytest
import worlds

from lineage.mitosis.event_table import event_table
from lineage.mitosis.verdict import ByPerson, decide_all
from lineage.schema import EVENT_COLUMNS, EVIDENCE, NOT_ASSESSABLE, Decision, EventType, MitosisEvent

PLACE = {"y_px": 10.0, "x_px": 20.0, "y_um": 20.0, "x_um": 40.0, "source": "drawn"}


def division(**seen):
    return MitosisEvent(1, 4, (5, 6), 10, **PLACE, **{"n_poles": 2, "separated": True} | seen)


def table_of(*events, predictions=None, **settings):
    verdicts = decide_all(events, predictions or worlds.predictions_of({}), settings.pop("corrections", {}))
    return event_table(events, verdicts, **{"minutes_per_frame": 10.0} | settings)


def row(event, **settings):
    return table_of(event, **settings).iloc[0]


@pytest.mark.parametrize("column", ["n_micronuclei", "bridge"])
@pytest.mark.parametrize(
    ("seen", "said"), [(None, NOT_ASSESSABLE), (0, 0), (1, 1), (False, False), (True, True)]
)
def test_what_the_pixels_do_not_show_is_not_assessable_and_never_zero(column, seen, said):
    assert row(division(**{column: seen}))[column] == said


@pytest.mark.parametrize(
    "event",
    [
        MitosisEvent(1, 4, (), 10, **PLACE),
        MitosisEvent(1, 4, (), 10, **PLACE, n_poles=2, separated=True),
        MitosisEvent(1, 4, (5,), 10, **PLACE, event_type=EventType.FUSION),
        MitosisEvent(1, 4, (), 10, **PLACE, event_type=EventType.DEATH),
    ],
    ids=["slippage", "half a division", "fusion", "death"],
)
def test_where_there_are_no_daughters_nothing_was_looked_for_beside_them(event):
    found = row(event)
    assert pd.isna(found["n_micronuclei"])
    assert pd.isna(found["bridge"])


def test_numbers_and_not_assessable_survive_csv(tmp_path):
    told = table_of(division(n_micronuclei=2, bridge=False), division(n_micronuclei=None, bridge=None))
    told.to_csv(tmp_path / "events.csv", index=False)
    back = pd.read_csv(tmp_path / "events.csv", dtype={"daughter_ids": str})
    assert back["n_micronuclei"].tolist() == ["2", NOT_ASSESSABLE]
    assert back["bridge"].tolist() == ["False", NOT_ASSESSABLE]
    assert back["daughter_ids"].tolist() == ["5 6"] * 2


def test_a_mitosis_without_a_verdict_is_unclassified_and_nothing_else_has_a_class():
    events = [
        division(),
        MitosisEvent(2, 5, (8,), 30, **PLACE, event_type=EventType.FUSION, linked_event=1),
        MitosisEvent(3, 8, (), 40, **PLACE, event_type=EventType.DEATH),
    ]
    told = table_of(*events)
    assert told["mitosis_class"].tolist() == ["unclassified", "", ""]
    assert told["verdict"].tolist() == ["undecided", "", ""]
    assert told["verdict_because"].tolist() == ["not_classified", "", ""]
    assert told["subtype"].tolist() == ["unclassified", "sister_fusion", "death_in_interphase"]
    assert told["linked_event_id"].tolist() == [pd.NA, 1, pd.NA]
    assert told["n_poles"].tolist() == [2, pd.NA, pd.NA]


def test_times_are_minutes_and_evidence_has_columns_of_its_own():
    event = division(onset_frame=7, refusion_after_min=60.0, evidence={"mass_ratio": 0.9, "log_odds": 2.5})
    found = row(event, minutes_per_frame=5.0, side_um={1: 80.0}, flags={1: "window_padded"})
    assert (found["time_min"], found["onset_min"], found["refusion_after_min"]) == (50, 35, 60)
    assert (found["evidence_mass_ratio"], found["evidence_log_odds"]) == (0.9, 2.5)
    assert pd.isna(found["evidence_rounding"])
    assert (found["side_um"], found["flags"]) == (80, "window_padded")
    assert {f"evidence_{name}" for name in EVIDENCE} <= set(EVENT_COLUMNS)


def test_a_none_that_is_not_followed_is_no_class_and_is_flagged():
    said = worlds.predictions_of({1: (0.1, 0.1, 0.8)}, ("normal", "abnormal", "none"))
    weak, sure = (row(division(confidence=c), predictions=said) for c in (0.5, 9.0))
    assert (weak["mitosis_class"], weak["verdict"], weak["flags"]) == ("none", "not_a_mitosis", "")
    assert (sure["mitosis_class"], sure["verdict"]) == ("unclassified", "undecided")
    assert sure["flags"] == "none_against_tracking"


def test_a_persons_class_is_the_verdict_and_leaves_the_classifiers_alone():
    said = worlds.predictions_of({1: (0.1, 0.1, 0.8)}, ("normal", "abnormal", "none"))
    found = row(division(), predictions=said, corrections={1: ByPerson(Decision.ABNORMAL)})
    assert found[["verdict", "p_verdict", "verdict_because", "flags"]].tolist() == [
        "abnormal", 1.0, "person", "",
    ]  # fmt: skip
    other = worlds.predictions_of({1: (0.9, 0.1)})
    found = row(division(), predictions=other, corrections={1: ByPerson(Decision.NOT_A_MITOSIS)})
    assert found[["verdict", "mitosis_class"]].tolist() == ["not_a_mitosis", "normal"]
    assert pd.isna(found["p_verdict"])


def test_no_events_are_a_table_without_rows():
    assert list(table_of().columns) == list(EVENT_COLUMNS)
    assert len(table_of()) == 0
