"""Corrections are worked into a run: the same results as if they had been there from the start."""

import json
import shutil
import sys

import pandas as pd
import pytest
from corner import TABLES, start

from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.io.files import read_table
from pipelines.dose.corrections import is_held


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "corner.lineage")


def go_on(corner, run, *words):
    result = start(corner, "--out", run, "--dose-gy", 4, *words)
    assert result.exit_code == 0, result.output
    return result.output


def say(run, what, who="anna", **more):
    line = make({"what": what, **more}, who=who)
    journal.append(run / journal.NAME, line)
    return line


def nucleus(run, cell, frame=-1):
    """The cell's nucleus of that frame, its last if there is none; as a correction names it."""
    table = read_table(run / "detections.csv")
    table = table[table["tracklet_id"] == cell].sort_values("frame")
    row = (table[table["frame"] == frame] if frame in set(table["frame"]) else table.iloc[-1:]).iloc[0]
    return {"frame": int(row["frame"]), "y_px": float(row["y_px"]), "x_px": float(row["x_px"])}


def named(run, event):
    mother = nucleus(run, event["mother_id"], event["frame"] - 1)
    return {"mother": mother, "frame": int(event["frame"]), "event_type": event["event_type"]}


def events(run):
    return read_table(run / "events.csv", text=("daughter_ids", "verdict_because"))


def divisions(run):
    found = events(run)
    return found[(found["event_type"] == "mitosis") & found["daughter_ids"].str.contains(" ")]


def bytes_of(run):
    crops = sorted(f"crops/{p.name}" for p in (run / "crops").iterdir())
    stages = ["stages/predictions.csv", "stages/crop_windows.csv", "stages/proposed_events.csv"]
    return {name: (run / name).read_bytes() for name in [*TABLES, *crops, *stages]}


def record(run):
    return json.loads((run / "run.json").read_text())


def say_much(run):
    """A verdict, a division that is none, a mitosis that nobody saw, a death, and a cell cut in two."""
    first, second = divisions(run).to_dict("records")[:2]
    say(run, "verdict", event=named(run, first), verdict="abnormal", subtype="tripolar")
    say(run, "no_division", mother=nucleus(run, second["mother_id"]))
    cells = read_table(run / "tracklets.csv", text=("parent_ids", "daughter_ids"))
    alone = cells[(cells["parent_ids"] == "") & (cells["daughter_ids"] == "") & (cells["last_frame"] > 20)]
    a, b, c = alone["tracklet_id"].tolist()[:3]
    say(run, "mitosis", nucleus=nucleus(run, a, 10), verdict="abnormal")
    say(run, "death", nucleus=nucleus(run, b, 12))
    say(run, "cut", before=nucleus(run, c, 14), after=nucleus(run, c, 15))


def test_a_run_that_is_corrected_is_the_one_that_was_corrected_from_the_start(corner, run, tmp_path):
    before = bytes_of(run)
    n_divisions = len(divisions(run))
    say_much(run)
    output = go_on(corner, run)
    assert "5 corrections" in output
    assert "segment" not in output  # nothing is segmented again
    found = events(run)
    assert len(divisions(run)) == n_divisions - 1
    by_person = found[found["verdict_because"] == "person"]
    assert sorted(by_person["subtype"]) == ["abnormal", "tripolar"]
    assert "person" in found["source"].tolist()
    assert (found["event_type"] == "death").sum() == 1
    assert record(run)["corrections"]["n"] == 5
    assert record(run)["corrections"]["not_applied"] == {}

    fresh = tmp_path / "fresh.lineage"
    fresh.mkdir()
    shutil.copy(run / journal.NAME, fresh)
    go_on(corner, fresh)
    assert bytes_of(fresh) == bytes_of(run)

    for line in journal.read(run / journal.NAME).lines:
        say(run, "undo", line=line.id)
    go_on(corner, run)
    assert bytes_of(run) == before
    assert "corrections" not in record(run)


def test_a_verdict_redoes_what_depends_on_it_and_nothing_else(corner, run):
    def keys():
        return {name: stage["key"] for name, stage in record(run)["stages"].items()}

    before, event = keys(), divisions(run).iloc[0]
    say(run, "verdict", event=named(run, event), verdict="not_a_mitosis")
    go_on(corner, run)
    after = keys()
    assert {name for name in after if after[name] != before[name]} == {"reject", "tree", "report"}
    assert event["event_id"] not in divisions(run)["event_id"].tolist()
    again = events(run).set_index("event_id").loc[event["event_id"]]
    assert (again["verdict"], again["verdict_because"]) == ("not_a_mitosis", "person")


def test_what_was_seen_is_not_classified_again(corner, run, monkeypatch):
    from classifier import predict

    asked = []
    classify = predict.classify
    monkeypatch.setattr(predict, "classify", lambda crops, **k: asked.append(crops) or classify(crops, **k))
    say(run, "no_division", mother=nucleus(run, divisions(run)["mother_id"].iloc[0]))
    go_on(corner, run)
    assert sum(len(crops.event_ids) for crops in asked) <= 2


def test_a_division_that_a_person_says_is_not_rejected_whatever_the_classifier_says(corner, run):
    """Two neighbours that never were one: the classifier sees no mitosis."""
    table = read_table(run / "detections.csv")
    cells = table.groupby("tracklet_id")["frame"].agg(["min", "max"])
    whole = [c for c in cells.index if c > 0 and cells.loc[c, "min"] == 0 and cells.loc[c, "max"] > 20]
    mother, other = whole[:2]
    daughters = [nucleus(run, mother, 13), nucleus(run, other, 13)]
    say(run, "division", mother=nucleus(run, mother, 12), daughters=daughters)
    go_on(corner, run)
    found = divisions(run)
    at = found[(found["frame"] == 13) & (found["confidence"] == 20)]
    assert len(at) == 1
    assert at["verdict"].iloc[0] != "not_a_mitosis"


def test_corrections_that_no_longer_apply_are_listed(corner, run):
    event = named(run, divisions(run).iloc[0])
    nowhere = {"frame": 5, "y_px": 1.0, "x_px": 1.0}
    lost = say(run, "verdict", event=event | {"mother": nowhere}, verdict="normal")
    wrong = say(run, "verdict", event=event | {"frame": 25}, verdict="normal")
    gone = say(run, "no_division", mother=nowhere)
    output = " ".join(go_on(corner, run).split())
    assert output.count("is not applied") == 3
    assert set(record(run)["corrections"]["not_applied"]) == {lost.id, wrong.id, gone.id}
    assert "3 of 3 corrections are not applied" in (run / "report.html").read_text()
    assert "not applied" in " ".join(go_on(corner, run).split())  # said again at every start


def test_corrections_outlive_other_settings_and_overwriting(corner, run, tmp_path):
    event = divisions(run).iloc[0]
    say(run, "verdict", event=named(run, event), verdict="abnormal", subtype="tetrapolar")
    settings = tmp_path / "settings.toml"
    settings.write_text("[track]\nmiss_rate = 0.02\n[segment]\nmin_area = 0.09\n")
    go_on(corner, run, "--config", settings)
    assert "tetrapolar" in events(run)["subtype"].tolist()
    go_on(corner, run, "--overwrite")
    assert "tetrapolar" in events(run)["subtype"].tolist()


def test_what_a_killed_run_had_begun_with_is_no_result(corner, run, monkeypatch):
    """Crops and tracks are of a line that is undone before anybody starts the run again."""
    before, line = (
        bytes_of(run),
        say(run, "no_division", mother=nucleus(run, divisions(run)["mother_id"].iloc[0])),
    )
    with monkeypatch.context() as patch:
        patch.setattr("lineage.run.classify", lambda job: sys.exit("killed"))
        start(corner, "--out", run, "--dose-gy", 4)
    assert bytes_of(run) != before
    say(run, "undo", line=line.id)
    assert not is_held(run)
    go_on(corner, run)
    assert is_held(run)
    assert bytes_of(run) == before
    assert "corrections" not in record(run)


def test_a_line_that_is_none_is_named_and_the_others_hold(corner, run):
    say(run, "verdict", event=named(run, divisions(run).iloc[0]), verdict="abnormal", subtype="tripolar")
    with (run / journal.NAME).open("a") as file:
        file.write('{"what": "verdict", "ev\n')
    assert "line 2 is no correction" in " ".join(go_on(corner, run).split())
    assert "tripolar" in events(run)["subtype"].tolist()


def test_a_table_of_an_earlier_version_is_not_passed_over_in_silence(corner, run):
    pd.DataFrame({"event_id": [1], "mitosis_class": ["normal"]}).to_csv(run / "corrections.csv")
    assert "corrections.csv is of an earlier version" in " ".join(go_on(corner, run).split())
