"""`--reviewed`: one person or several, how far they agree, and what their classes change."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from dose_plates import judge, write_crops, write_plate
from typer.testing import CliRunner

from lineage.corrections import journal, sample
from lineage.corrections.lines import make
from lineage.schema import InputError
from pipelines.dose import movies, reviewed
from pipelines.dose.__main__ import app
from pipelines.dose.analyse import results_of
from pipelines.dose.collect import collect, together
from pipelines.dose.prepare import Options

PRIMARY = "measure == 'fraction_abnormal' and stratum == 'all'"


def invoke(*args):
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    write_crops(folder)
    return folder


@pytest.fixture(scope="module")
def unreviewed(plate):
    """The tables without a person's classes."""
    found, _ = movies.find(plate, movies.read_map(plate))
    return results_of(together([collect(movies.read(root, row)) for root, row in found]), Options()).tables


@pytest.fixture(scope="module")
def everything(plate, tmp_path_factory):
    """A sample of all mitoses, nobody's yet."""
    folder = tmp_path_factory.mktemp("drawn") / "sample"
    code, output = invoke("sample", plate, "--out", folder, "--each", 1000)
    assert code == 0, output
    return folder


@pytest.fixture
def drawn(everything, tmp_path):
    return shutil.copytree(everything, tmp_path / "sample")


def verdicts(plate, folder):
    """The runs' own, in the order of the sample."""
    of_movie = {p.stem: pd.read_csv(p / "events.csv").set_index("event_id") for p in plate.glob("*.lineage")}
    return [of_movie[item.movie].at[item.event_id, "verdict"] for item in sample.read(folder).items]


def read(out, name):
    return pd.read_csv(out / f"{name}.csv")


def test_a_persons_classes_take_the_place_of_the_clips(plate, unreviewed, drawn, tmp_path):
    """Two of all calls of abnormal are found to be normal."""
    said = verdicts(plate, drawn)
    abnormal = [i for i, word in enumerate(said) if word == "abnormal"]
    assert len(abnormal) >= 12
    for i in abnormal[:2]:
        said[i] = "normal"
    judge(drawn, "anna", enumerate(said))
    code, output = invoke(plate, "--out", tmp_path / "out", "--reviewed", drawn)
    assert code == 0, output
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    one = record["classifiers"]["U251"]
    assert one["source"] == f"{len(said)} reviewed events of this plate"
    assert one["sensitivity"] == 1
    assert one["specificity"] == pytest.approx(1 - 2 / (len(said) - len(abnormal) + 2))
    assert record["reviewed"] == {
        "raters": ["anna"], "n_used": len(said), "n_disagreed": 0, "n_undecided": 0, "n_unreadable": 0,
        "n_gone": 0,
        "agreement": [],
    }  # fmt: skip
    both = (read(tmp_path / "out", "doses"), unreviewed["doses"])
    by_dose, before = (doses.query(PRIMARY).set_index("dose_gy") for doses in both)
    # The correction starts from the run's own verdicts; the fraction as counted has the person's in it.
    assert by_dose["called"].to_dict() == pytest.approx(before["estimate"].to_dict())
    wrong = by_dose[by_dose["estimate"] < by_dose["called"]]
    assert len(wrong)
    assert (by_dose["estimate"] <= by_dose["called"]).all()
    assert (wrong["corrected"] < wrong["called"]).all()


def test_two_people_are_compared_and_count_where_they_agree(plate, drawn, tmp_path):
    said = verdicts(plate, drawn)
    n = len(said)
    judge(drawn, "anna", enumerate(said))
    other = {word: {"normal": "abnormal", "abnormal": "normal"}[word] for word in set(said)}
    # Of the last ten Ben has seen none; on three they differ, and one he cannot decide.
    of_ben = [other[word] if i < 3 else "undecided" if i == 3 else word for i, word in enumerate(said[:-10])]
    judge(drawn, "ben", enumerate(of_ben))
    code, output = invoke(plate, "--out", tmp_path / "out", "--reviewed", drawn)
    assert code == 0, output
    assert f"anna and ben agree on {n - 14} of the {n - 11} events that both gave a class: Cohen's" in output
    assert "4 reviewed events are left out: people disagree on them" in output
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    found = record["reviewed"]
    assert (found["n_used"], found["n_disagreed"]) == (n - 4, 4)
    agreement = found["agreement"][0]
    assert agreement["raters"] == ["anna", "ben"]
    assert 0.5 < agreement["low"] < agreement["kappa"] < agreement["high"] <= 1
    assert record["classifiers"]["U251"]["source"] == f"{n - 4} reviewed events of this plate"
    page = (tmp_path / "out" / "dose_report.html").read_text()
    assert f"kappa {agreement['kappa']:.2f} (95 % CI" in page
    mitoses = read(tmp_path / "out", "mitoses")
    assert (mitoses["counted_class"] == mitoses["verdict"]).all()  # where they disagree, the verdict stands


def test_what_is_undone_is_not_said(plate, drawn):
    one, two = judge(drawn, "anna", [(0, "normal"), (1, "abnormal")])
    item = sample.read(drawn).items[0]
    journal.append(
        sample.lines_path(drawn, "anna", item.movie), make({"what": "undo", "line": one}, who="anna")
    )
    with sample.lines_path(drawn, "anna", item.movie).open("a") as file:
        file.write('{"what": "verd')
    found = reviewed.read(drawn)
    assert "1 lines of judgements cannot be read and are left out." in found.notes()
    assert [name for classes in found.classes.values() for name in classes.values()] == ["abnormal"]
    assert two != one


def test_events_are_found_in_runs_that_were_numbered_anew(plate, drawn, tmp_path):
    """Every event and cell has another number, and one event is gone."""
    runs = shutil.copytree(plate, tmp_path / "runs")
    gone = sample.read(drawn).items[0]
    for run in runs.glob("*.lineage"):
        events = pd.read_csv(run / "events.csv", dtype=str, keep_default_na=False)
        if run.stem == gone.movie:
            events = events[events["event_id"] != str(gone.event_id)]
        events["event_id"] = [str(1000 + int(i)) for i in events["event_id"]]
        ids = lambda text: " ".join(str(500 + int(i)) for i in text.split())  # noqa: E731
        for column in ("mother_id", "daughter_ids"):
            events[column] = events[column].map(ids)
        events.to_csv(run / "events.csv", index=False)
        cells = pd.read_csv(run / "tracklets.csv", dtype=str, keep_default_na=False)
        for column in ("tracklet_id", "parent_ids", "daughter_ids", "founder_id"):
            cells[column] = cells[column].map(ids)
        cells["event_id"] = [str(1000 + int(i)) if i else "" for i in cells["event_id"]]
        cells.to_csv(run / "tracklets.csv", index=False)
        detections = pd.read_csv(run / "detections.csv")
        detections["tracklet_id"] += 500
        detections.to_csv(run / "detections.csv", index=False)
    judge(drawn, "anna", enumerate(verdicts(plate, drawn)))
    code, output = invoke(runs, "--out", tmp_path / "out", "--reviewed", drawn)
    assert code == 0, output
    assert "1 reviewed event is left out: the runs do not hold them any more" in output
    found = json.loads((tmp_path / "out" / "analysis.json").read_text())["reviewed"]
    assert (found["n_used"], found["n_gone"]) == (len(sample.read(drawn).items) - 1, 1)


def test_what_is_no_sample_or_nobody_judged_is_refused(plate, drawn, tmp_path):
    code, output = invoke(plate, "--out", tmp_path / "out", "--reviewed", drawn)
    assert (code, "nobody has judged" in output) == (2, True)
    (tmp_path / "verdicts.csv").write_text("movie,event_id,mitosis_class\nA1_p1,1,normal\n")
    code, output = invoke(plate, "--out", tmp_path / "out", "--reviewed", tmp_path / "verdicts.csv")
    assert (code, "is a file; wanted the folder that" in output) == (2, True)
    with pytest.raises(InputError, match="is no sample"):
        reviewed.read(tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


# Cohen's kappa


def pairs(**counts):
    """Of `normal_abnormal=3` three pairs of that."""
    return [tuple(names.split("_")) for names, n in counts.items() for _ in range(n)]


def test_kappa_is_that_of_the_textbook():
    """20 and 15 of 50 alike, 30 and 25 called normal: p_o 0.7, p_e 0.5."""
    value, low, high = reviewed.kappa(
        pairs(normal_normal=20, normal_abnormal=5, abnormal_normal=10, abnormal_abnormal=15)
    )
    assert value == pytest.approx(0.4)
    assert (low, high) == pytest.approx((0.15, 0.65), abs=0.01)


def test_kappa_without_spread_or_second_class_is_said_to_be_none():
    assert reviewed.kappa([]) == (None, None, None)
    assert reviewed.kappa(pairs(normal_normal=8)) == (None, None, None)
    assert reviewed.kappa(pairs(normal_normal=8, abnormal_abnormal=2)) == (1.0, None, None)
    assert reviewed.kappa(pairs(normal_normal=8, normal_abnormal=2)) == (0.0, None, None)
    undefined = reviewed.Agreement(("anna", "ben"), 8, 8, *reviewed.kappa(pairs(normal_normal=8)))
    assert "kappa is not defined, since they used fewer than two classes" in str(undefined)
    assert "kappa 1.00 (no interval)" in str(reviewed.Agreement(("a", "b"), 9, 9, 1.0))


def test_the_interval_of_kappa_holds_the_truth_19_times_in_20():
    rng = np.random.default_rng(3)
    true_kappa, held = 0.6, []
    for _ in range(300):
        first = rng.random(80) < 0.3
        other = np.where(rng.random(80) < true_kappa, first, rng.random(80) < 0.3)
        names = np.array(["normal", "abnormal"])
        _, low, high = reviewed.kappa(
            list(zip(names[first.astype(int)], names[other.astype(int)], strict=True))
        )
        held.append(low <= true_kappa <= high)
    assert 0.91 < np.mean(held) < 0.98
