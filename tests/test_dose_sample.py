"""`python -m pipelines.dose sample`: who is drawn, and what the page does not say."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import tifffile
from dose_plates import write_plate
from typer.testing import CliRunner

from lineage.mitosis.crops import name
from lineage.schema import CROP_FRAMES
from pipelines.dose.__main__ import app
from pipelines.dose.sample import STRATUM, candidates, draw


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """Runs of lives, with a crop of noise for every mitosis."""
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    rng = np.random.default_rng(0)
    for run in folder.glob("*.lineage"):
        (run / "crops").mkdir()
        for event in pd.read_csv(run / "events.csv")["event_id"]:
            crop = rng.integers(1, 999, (CROP_FRAMES, 2, 8, 8)).astype(np.uint16)
            tifffile.imwrite(run / "crops" / name(event), crop)
    return folder


def invoke(*args):
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, " ".join(result.output.split())


def test_so_many_of_every_dose_and_verdict_are_drawn(plate):
    events = candidates(plate, None)
    drawn = draw(events, each=3, seed=1)
    most = [9 if called == "normal" else 3 for *_, called in events.groupby(STRATUM).size().index]
    there = events.groupby(STRATUM).size().clip(upper=most)
    assert len(there) >= 5
    pd.testing.assert_series_equal(drawn.groupby(STRATUM).size(), there)
    assert not drawn.duplicated(["movie", "event_id"]).any()
    assert drawn["dose_gy"].diff().lt(0).any()  # in no order


def test_the_same_seed_draws_the_same(plate):
    events = candidates(plate, None)
    one, same, other = (draw(events, each=3, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not one["event_id"].equals(other["event_id"])


def test_the_page_shows_strips_and_neither_dose_nor_verdict(plate, tmp_path):
    page = tmp_path / "review.html"
    code, output = invoke("sample", plate, "--out", page, "--each", 2)
    assert code == 0, output
    html = page.read_text()
    body, script = html.split("<script>")
    events = json.loads(re.search(r"const events = (\[.*?\]), classes", script).group(1))
    known = candidates(plate, None).set_index(["movie", "event_id"])
    assert all(tuple(e) in known.index for e in events)
    assert body.count("<article") == body.count("data:image/jpeg") == len(events) > 4
    assert not re.search(r"\dGy|\d Gy|p\(abnormal\)", re.sub(r"base64,[^\"]*", "", body))
    assert not any(movie in body for movie, _ in events)
    # Every crop offers the same three answers, and none is given.
    assert body.count('aria-pressed="false"') == 3 * len(events)
    assert "http" not in body.replace("http://www.w3.org", "")


def test_a_page_is_not_replaced_unasked(plate, tmp_path):
    page = tmp_path / "review.html"
    page.write_text("half judged")
    code, output = invoke("sample", plate, "--out", page)
    assert code == 2
    assert "is there already" in output
    assert page.read_text() == "half judged"


def test_runs_without_crops_are_refused_in_one_line(tmp_path):
    write_plate(tmp_path, doses=(0,), wells=1, founders=3)
    code, output = invoke("sample", tmp_path, "--out", tmp_path / "review.html")
    assert code == 2
    assert "no classified event with a crop" in output
