"""What people corrected in runs: counted, known to the correction of errors, and never stale."""

import json
import math
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from dose_plates import write_plate
from typer.testing import CliRunner

from lineage.corrections import journal
from lineage.corrections.events import listed, named
from lineage.corrections.lines import make
from pipelines.dose import compare, movies
from pipelines.dose.__main__ import app
from pipelines.dose.collect import collect
from pipelines.dose.correction import Classifier, Known
from pipelines.dose.estimates import mean
from pipelines.dose.proposals import Group, Proposals, Recall

GOOD = Classifier(normal=(95, 5, 0), abnormal=(20, 80, 0), source="")
PRIMARY = "measure == 'fraction_abnormal' and stratum == 'all'"


def invoke(*args):
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    return folder


@pytest.fixture
def plate(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "plate")


def correct(run, n, *, others=0, held=True, not_applied=0):
    """As if a person had called the first `n` normal mitoses of a run abnormal, and the run been redone."""
    events = pd.read_csv(run / "events.csv", dtype=str, keep_default_na=False)
    chosen = events.index[events["verdict"] == "normal"][:n]
    assert len(chosen) == n
    terms = named(listed(events.loc[chosen]), pd.read_csv(run / "detections.csv"))
    lines = [
        make({"what": "verdict", "event": event.model_dump(), "verdict": "abnormal"}, who="anna")
        for event in terms.values()
    ]
    lines += [
        make({"what": "no_death", "nucleus": {"frame": t, "y_px": 1, "x_px": 1}}, who="anna")
        for t in range(others + not_applied)
    ]
    journal.append(run / journal.NAME, *lines)
    if held:
        events.loc[chosen, ["verdict", "verdict_because", "p_verdict"]] = ["abnormal", "person", "1"]
        events.to_csv(run / "events.csv", index=False)
        found = journal.read(run / journal.NAME)
        gone = {line.id: "nothing there" for line in lines[len(lines) - not_applied :]}
        record = json.loads((run / "run.json").read_text())
        record["corrections"] = {"digest": found.digest, "n": len(lines), "not_applied": gone}
        (run / "run.json").write_text(json.dumps(record))


def test_they_are_counted_by_dose_and_said(plate, tmp_path):
    correct(plate / "A1_p1.lineage", 3, others=2)
    correct(plate / "A5_p1.lineage", 1, not_applied=1)
    code, output = invoke(plate, "--out", tmp_path / "out")
    assert code == 0, output
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    counted = [(n["n_verdicts_by_person"], n["n_other_corrections"]) for n in record["n"]]
    assert counted == [(3, 2), (0, 0), (1, 0)]
    words = "People corrected 2 of 6 movies; their verdicts and other corrections by dose: "
    assert words + "0 Gy 3 + 2, 4 Gy 0 + 0, 8 Gy 1 + 0." in output
    assert "1 corrections are not applied (A5_p1)" in output
    page = (tmp_path / "out" / "dose_report.html").read_text()
    assert words in page
    assert "4 verdicts on mitoses are those of people who looked at the movie" in page
    wells = pd.read_csv(tmp_path / "out" / "wells.csv").query(PRIMARY).set_index("well")
    assert wells["n_by_person"].to_dict() == {"A1": 3, "A2": 0, "A3": 0, "A4": 0, "A5": 1, "A6": 0}
    assert wells.at["A1", "k"] >= 3


def test_runs_that_do_not_hold_theirs_are_refused_by_name(plate, tmp_path):
    correct(plate / "A1_p1.lineage", 1)
    correct(plate / "A2_p1.lineage", 1, held=False)
    correct(plate / "A4_p1.lineage", 1)
    with (plate / "A4_p1.lineage" / journal.NAME).open("w"):
        pass  # and all is taken back by hand
    for words in ((plate, "--out", tmp_path / "out"), ("sample", plate, "--out", tmp_path / "out")):
        code, output = invoke(*words)
        assert code == 2
        assert "2 of 6 runs hold corrections that their results do not have" in output
        assert "A2_p1.lineage, A4_p1.lineage. Give the same `python -m lineage.run`" in output
        assert not (tmp_path / "out").exists()


def test_a_person_s_verdict_on_an_unclassified_mitosis_counts(plate):
    run = plate / "A1_p1.lineage"
    correct(run, 2)
    events = pd.read_csv(run / "events.csv", dtype=str, keep_default_na=False)
    events["mitosis_class"] = ["unclassified" if c else "" for c in events["mitosis_class"]]
    events.to_csv(run / "events.csv", index=False)
    row = movies.read_map(plate).iloc[0].to_dict() | {"movie": "A1_p1"}
    found = collect(movies.read(run, row))
    assert found.mitoses["judged"].sum() == found.movies["n_judged"].item() == 2
    assert found.movies["n_abnormal"].item() == 2


# What is known is not corrected


def test_known_mitoses_are_added_to_what_the_others_stand_for():
    """100 of 1000 mitoses are truly abnormal; a person decided 200 of them, 40 abnormal ones among these."""
    q = 60 / 800
    raw = q * GOOD.sensitivity + (1 - q) * (1 - GOOD.specificity)
    known = Known(normal=160 / 1000, abnormal=40 / 1000)
    assert GOOD.correct(raw, known) == pytest.approx(0.1)
    # Where all are known, the errors of the verdicts and what they were do not matter.
    assert GOOD.correct(math.nan, Known(0.7, 0.3)) == pytest.approx(0.3)
    assert GOOD.correct(raw) == pytest.approx(q)


def test_known_mitoses_were_proposed_and_stand_for_those_that_were_not():
    half = replace(GOOD, recall=Recall(normal=1.0, abnormal=0.5))
    assert half.correct(math.nan, Known(0.8, 0.2)) == pytest.approx(0.4 / 1.2)
    assert half.correct_kind(
        0.2, math.nan, recall=0.5, known=Known(0.8, 0.2), share_known=0.2
    ) == pytest.approx(0.4 / 1.2)


def test_slopes_are_the_derivatives():
    some = Classifier(normal=(90, 5, 5), abnormal=(15, 75, 10), source="", recall=Recall(0.95, 0.85, 0.05))
    raw, known, step = 0.3, Known(0.2, 0.1), 1e-6
    by_raw, by_se, by_sp, _ = some._slopes(raw, known)
    assert by_raw == pytest.approx(
        (some.correct(raw + step, known) - some.correct(raw, known)) / step, rel=1e-4
    )
    more = replace(some, abnormal=(15 - 0.001, 75 + 0.001, 10))
    change = (more.correct(raw, known) - some.correct(raw, known)) / (more.sensitivity - some.sensitivity)
    assert by_se == pytest.approx(change, rel=1e-3)
    more = replace(some, normal=(90.001, 5 - 0.001, 5))
    change = (more.correct(raw, known) - some.correct(raw, known)) / (more.specificity - some.specificity)
    assert by_sp == pytest.approx(change, rel=1e-3)


def test_the_classifiers_uncertainty_goes_as_more_is_known():
    raw, counted = mean([0.2, 0.3, 0.4]), mean([0.2, 0.3, 0.4])
    nothing, some, all_ = (
        GOOD.widen(raw, Known(0.7 * share, 0.3 * share), counted) for share in (0.0, 0.5, 1.0)
    )
    widths = [e.high - e.low for e in (nothing, some, all_)]
    assert widths[0] > widths[1] > widths[2] == pytest.approx(counted.high - counted.low)
    assert all_.value == pytest.approx(counted.value)
    assert nothing.value == GOOD.widen(raw).value


def of_wells(**columns):
    common = {"cell_line": "L", "treatment": "none", "drug_uM": 0.0, "stratum": "all", "n": 50}
    common |= {"measure": "fraction_abnormal", "n_positions": 1, "experiment_date": "d"}
    return pd.DataFrame(common | {"unit": list("abcd"), "dose_gy": [0, 0, 8, 8]} | columns)


def test_wells_that_people_decided_are_counted_as_they_are():
    wells = of_wells(value=[0.1, 0.2, 0.5, 0.6], k=[5, 10, 25, 30])
    every = wells.assign(called=math.nan, n_by_person=50, k_by_person=wells["k"])
    proposals = Proposals(dict.fromkeys(Group, (100, 100)))
    every = compare.corrected(every, ["unit"], {"L": GOOD}, proposals)
    assert every["corrected"].tolist() == pytest.approx(wells["value"].tolist())
    doses = compare.doses(every, every.iloc[:0], {"L": GOOD})
    for edge in ("", "_low", "_high"):
        constrained = doses[f"corrected_constrained{edge}"]
        assert constrained.tolist() == pytest.approx(doses[edge[1:] or "estimate"].tolist())
    effect = compare.effects(every, {"L": GOOD}).iloc[0]
    for edge in ("", "_low", "_high"):
        assert effect[f"corrected_difference{edge}"] == pytest.approx(effect[f"difference{edge}"])


def test_no_row_changes_where_nobody_corrected():
    wells = of_wells(value=[0.1, 0.2, 0.5, 0.6], called=[0.1, 0.2, 0.5, 0.6], n_by_person=0, k_by_person=0)
    proposals = Proposals(dict.fromkeys(Group, (100, 100)))
    found = compare.corrected(wells.assign(k=5), ["unit"], {"L": GOOD}, proposals)
    assert found["corrected"].tolist() == pytest.approx([(v - 0.05) / 0.75 for v in (0.1, 0.2, 0.5, 0.6)])
