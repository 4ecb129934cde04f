from __future__ import annotations

import pytest
from judged import say, take_back, write_run

from classifier.corrected import corrected
from lineage.schema import InputError


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "movie.lineage")


def test_events_with_a_persons_verdict_are_clips_of_one_field(run):
    say(run, 0, "abnormal")
    say(run, 1, "not_a_mitosis")
    say(run, 2, "undecided")
    take_back(run, say(run, 3, "normal"))
    say(run, 4, "abnormal")
    say(run, 4, "normal")
    clips = corrected(run)
    assert [(c.path.name, c.label.value) for c in clips] == [
        ("event_0000.tif", "abnormal"),
        ("event_0003.tif", "none"),
        ("event_0008.tif", "normal"),
    ]
    assert {c.field for c in clips} == {"movie"}


def test_what_the_run_does_not_hold_or_show_is_left_out(run):
    say(run, 0, "abnormal")
    say(run, 1, "normal")
    say(run, 2, "normal", y_px=60.0)
    (run / "crops" / "event_0000.tif").unlink()
    assert [c.path.name for c in corrected(run)] == ["event_0003.tif"]


def test_a_run_that_nobody_judged_is_refused(run):
    with pytest.raises(InputError, match="nobody has given a verdict in it"):
        corrected(run)
    with pytest.raises(InputError, match="is no run"):
        corrected(run.parent)
