from __future__ import annotations

import pandas as pd
import pytest
from dose_plates import write_crops, write_plate

from classifier.corrected import corrected
from lineage.corrections import journal
from lineage.corrections.events import listed, named
from lineage.corrections.lines import make
from lineage.schema import InputError


@pytest.fixture
def run(tmp_path):
    write_plate(tmp_path, doses=(0,), wells=1, founders=4)
    write_crops(tmp_path)
    return tmp_path / "A1_p1.lineage"


def events_of(run):
    """event_id -> the event as a correction names it, of the mitoses."""
    events = pd.read_csv(run / "events.csv", dtype=str, keep_default_na=False)
    return named(listed(events[events["event_type"] == "mitosis"]), pd.read_csv(run / "detections.csv"))


def say(run, event, verdict):
    line = make({"what": "verdict", "event": event.model_dump(), "verdict": verdict}, who="anna")
    journal.append(run / journal.NAME, line)
    return line


def test_events_with_a_persons_verdict_are_clips_of_one_field(run):
    (a, event), (b, other), (_, third), (_, gone), (d, again), *_ = events_of(run).items()
    say(run, event, "abnormal")
    say(run, other, "not_a_mitosis")
    say(run, third, "undecided")
    taken_back = say(run, gone, "normal")
    journal.append(run / journal.NAME, make({"what": "undo", "line": taken_back.id}, who="anna"))
    say(run, again, "abnormal")
    say(run, again, "normal")
    clips = corrected(run)
    assert [(c.path.name, c.label.value) for c in clips] == [
        (f"event_{a:04d}.tif", "abnormal"),
        (f"event_{b:04d}.tif", "none"),
        (f"event_{d:04d}.tif", "normal"),
    ]
    assert {c.field for c in clips} == {"A1_p1"}


def test_what_the_run_does_not_hold_or_show_is_left_out(run):
    (first, event), (_, other), *_ = events_of(run).items()
    say(run, event, "abnormal")
    say(run, other, "normal")
    nowhere = event.model_copy(update={"mother": event.mother.model_copy(update={"y_px": 9e5})})
    say(run, nowhere, "normal")
    (run / "crops" / f"event_{first:04d}.tif").unlink()
    assert [c.label.value for c in corrected(run)] == ["normal"]


def test_a_run_that_nobody_judged_is_refused(run):
    with pytest.raises(InputError, match="nobody has given a verdict in it"):
        corrected(run)
    with pytest.raises(InputError, match="is no run"):
        corrected(run.parent)
