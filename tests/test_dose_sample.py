"""`python -m pipelines.dose sample`: who is drawn, and what its folder does not say."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from dose_plates import judge, write_crops, write_plate
from typer.testing import CliRunner

from lineage.corrections import sample
from lineage.corrections.events import matcher
from lineage.mitosis.crops import name
from lineage.schema import InputError
from pipelines.dose import movies
from pipelines.dose.__main__ import app
from pipelines.dose.sample import STRATUM, candidates, draw


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """Runs of lives, with a crop of noise for every mitosis."""
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    write_crops(folder)
    return folder


@pytest.fixture(scope="module")
def drawn(plate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "sample"
    code, output = invoke("sample", plate, "--out", folder, "--each", 2)
    assert code == 0, output
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


def test_what_a_person_decided_in_the_run_is_not_drawn(plate, tmp_path):
    import shutil

    shutil.copytree(plate, tmp_path / "plate")
    path = tmp_path / "plate" / "A1_p1.lineage" / "events.csv"
    events = pd.read_csv(path, dtype=str, keep_default_na=False)
    decided = events.index[events["event_type"] == "mitosis"][0]
    events.loc[decided, "verdict_because"] = "person"
    events.to_csv(path, index=False)
    before, after = (candidates(p, None) for p in (plate, tmp_path / "plate"))
    assert len(after) == len(before) - 1


def test_the_folder_holds_crops_and_neither_dose_nor_verdict(plate, drawn):
    text = (drawn / "sample.json").read_text()
    assert not re.search(
        r"gy\b|dose|verdict|abnormal|normal", re.sub(r"\"movie\": \"[^\"]*\"", "", text), re.I
    )
    items = sample.read(drawn).items
    known = candidates(plate, None).set_index(["movie", "event_id"])
    assert {p.name for p in drawn.iterdir()} == {"sample.json", "crops"}
    assert len(list((drawn / "crops").iterdir())) == len(items) > 4
    for index, item in enumerate(items):
        run = plate / f"{item.movie}.lineage"
        assert (item.movie, item.event_id) in known.index
        assert sample.crop(drawn, index).read_bytes() == (run / "crops" / name(item.event_id)).read_bytes()


def test_events_are_found_again_in_their_runs(plate, drawn):
    found, _ = movies.find(plate, movies.read_map(plate))
    for root, row in found:
        movie = movies.read(root, row)
        find = matcher(movie.events, movie.detections, pixel_size_um=movie.pixel_size_um)
        mine = [item for item in sample.read(drawn).items if item.movie == row["movie"]]
        assert mine
        assert [find(item.event) for item in mine] == [item.event_id for item in mine]


def test_a_sample_is_replaced_only_when_told_and_while_nobody_judged_it(plate, tmp_path):
    folder = tmp_path / "sample"
    folder.mkdir()
    (folder / "thesis.doc").write_text("mine")
    code, output = invoke("sample", plate, "--out", folder, "--overwrite")
    assert (code, "is no sample" in output) == (2, True)
    assert (folder / "thesis.doc").exists()
    folder = tmp_path / "other"
    assert invoke("sample", plate, "--out", folder)[0] == 0
    code, output = invoke("sample", plate, "--out", folder)
    assert (code, "or say --overwrite" in output) == (2, True)
    assert invoke("sample", plate, "--out", folder, "--overwrite", "--seed", 2)[0] == 0
    judge(folder, "Anna", [(0, "normal")])
    code, output = invoke("sample", plate, "--out", folder, "--overwrite")
    assert (code, "was judged by anna" in output) == (2, True)
    assert sample.raters(folder) == ["anna"]


def test_runs_without_crops_are_refused_in_one_line(tmp_path):
    write_plate(tmp_path, doses=(0,), wells=1, founders=3)
    code, output = invoke("sample", tmp_path, "--out", tmp_path / "sample")
    assert code == 2
    assert "no classified event with a crop" in output
    assert not (tmp_path / "sample").exists()


# The folder


def test_what_a_person_says_last_holds_and_people_are_apart(drawn, tmp_path):
    import shutil

    folder = shutil.copytree(drawn, tmp_path / "sample")
    opened = sample.read(folder)
    assert sample.raters(folder) == []
    judge(folder, "Anna", [(0, "normal"), (1, "abnormal"), (0, "undecided")])
    judge(folder, "ben", [(0, "not_a_mitosis")])
    of_anna = {i: line.verdict.value for i, line in sample.judged(folder, opened, " anna ").items()}
    assert of_anna == {0: "undecided", 1: "abnormal"}
    assert set(sample.judged(folder, opened, "ben")) == {0}
    assert sample.raters(folder) == ["anna", "ben"]


@pytest.mark.parametrize("who", ["..", "../../ben", "C:\\ben", "/etc/ben", ".", "ben\x00", "Bén & Ünal"])
def test_no_name_leads_out_of_the_folder(tmp_path, who):
    path = sample.lines_path(tmp_path, who, "A1").resolve()
    assert path.parents[1] == (tmp_path / "judgements").resolve()
    assert re.fullmatch(r"[\w%~-]+", path.parent.name, re.ASCII)


@pytest.mark.parametrize("who", ["", "  ", "é" * 80])
def test_a_name_that_is_no_file_s_is_refused(tmp_path, who):
    with pytest.raises(InputError, match="give a name"):
        sample.lines_path(tmp_path, who, "A1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r | {"format_version": 2}, "format_version"),
        (lambda r: r | {"items": [r["items"][0] | {"movie": "../A1"}]}, r"items\.0\.movie"),
        (lambda r: {"items": r["items"], "dose": 3}, "dose"),
        (lambda r: [r], "is no sample"),
    ],
)
def test_a_record_that_is_none_is_one_line(drawn, tmp_path, change, words):
    record = json.loads((drawn / "sample.json").read_text())
    (tmp_path / "sample.json").write_text(json.dumps(change(record)))
    with pytest.raises(InputError, match=words) as error:
        sample.read(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no sample"):
        sample.read(tmp_path / "none")


def test_crops_are_shown_as_they_were_cut(plate, drawn):
    from lineage.report.strips import read_crop

    pixels, _ = read_crop(sample.crop(drawn, 0))
    assert np.ptp(pixels) > 0
