"""A corrected run as the truth, and what the software finds by itself against it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import worlds
from folders import compared, write_run, write_truth
from typer.testing import CliRunner
from worlds import as_lineage, divisions, predictions_of

from lineage.config import Config
from lineage.corrections import journal
from lineage.corrections.events import listed, named
from lineage.corrections.lines import make
from lineage.evaluate.__main__ import app
from lineage.evaluate.inputs import read_run, read_truth
from lineage.io import labels
from lineage.io.integrity import dumps, read_record
from lineage.progress import Screen
from lineage.run import run as run_movie


def command(*words):
    result = CliRunner().invoke(app, [str(w) for w in words])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Two generations, and the same with the second division missed, called as the truth says."""
    folder = tmp_path_factory.mktemp("evaluate")
    lineage = as_lineage(worlds.two_generations())
    events = divisions(lineage)
    said = predictions_of({events[0].event_id: (0.875, 0.125), events[1].event_id: (0.125, 0.875)})
    truth = write_run(folder / "corrected" / "a.lineage", lineage, predictions=said)
    write_truth(folder / "a.truth", lineage, subtypes={events[1].event_id: "abnormal"})
    run = write_run(folder / "automatic" / "a.lineage", lineage, events=events[:1], predictions=said)
    return run, truth


def test_a_run_is_right_by_itself(both):
    _, truth = both
    scores = compared(read_run(truth), read_truth(truth))
    assert scores.links.f1 == scores.nuclei.f1 == scores.divisions[0].f1 == 1
    assert scores.proposals.f1 == 1
    assert scores.mistakes().empty
    measures = scores.tally.measures()
    assert all(measures[name] == 1 for name in ("DET", "SEG", "TRA", "LNK", "CT", "TF"))


def test_a_run_counts_as_the_truth_of_the_simulator_would(both):
    run, truth = both
    as_run, as_truth = (compared(read_run(run), read_truth(t)) for t in (truth, truth.parents[1] / "a.truth"))
    assert as_run.links == as_truth.links
    assert as_run.divisions == as_truth.divisions
    assert as_run.proposals == as_truth.proposals
    assert as_run.proposals.recall == 0.5
    assert as_run.mistakes()["words"].tolist() == as_truth.mistakes()["words"].tolist()
    assert as_run.tally.measures() == as_truth.tally.measures()


def test_cells_with_gaps_have_a_number_for_each_stretch(both, tmp_path):
    _, truth = both
    run = shutil.copytree(truth, tmp_path / "a.lineage")
    tracked = labels.open_array(run / "labels.zarr", labels.TRACKED, "r+")
    cell, t = int(tracked[0].max()), 3
    tracked[t] = np.where(tracked[t] == cell, 0, tracked[t])
    scores = compared(read_run(run), read_truth(run))
    assert scores.nuclei.f1 == scores.links.f1 == 1
    assert scores.tally.measures()["TRA"] == 1


def test_undecided_mitoses_are_in_no_fraction(both, tmp_path):
    _, truth = both
    run = shutil.copytree(truth, tmp_path / "a.lineage")
    events = pd.read_csv(run / "events.csv")
    events.loc[0, "verdict"] = "undecided"
    events.to_csv(run / "events.csv", index=False)
    code, output = command(truth, run, "--out", tmp_path / "page.html")
    assert code == 0, output
    record = json.loads((tmp_path / "page.json").read_text())["events"]
    assert record["abnormal_fraction"]["truth"] == 1  # of the one that is decided
    assert record["calibration"]["n"] == 1
    assert "the truth is a run, a.lineage: where people corrected nothing" in output


def test_several_runs_are_paired_with_their_corrected_ones(both, tmp_path):
    run, truth = both
    code, output = command(run.parent, truth.parent, "--out", tmp_path / "page.html")
    assert code == 0, output
    assert "proposals 0.500" in output


@pytest.fixture
def corrected(drawn, tmp_path):
    """With the mitosis called abnormal; run again, as a person would."""
    root = shutil.copytree(drawn, tmp_path / drawn.name)
    events = pd.read_csv(root / "events.csv", dtype=str, keep_default_na=False)
    mitosis = events[events["event_type"] == "mitosis"].iloc[:1]
    (event,) = named(listed(mitosis), pd.read_csv(root / "detections.csv")).values()
    said = {"what": "verdict", "event": event.model_dump(), "verdict": "abnormal"}
    journal.append(root / journal.NAME, make(said, who="anna"))
    record = read_record(root)
    config = Config.model_validate(record["settings"])
    run_movie(drawn.parent / record["video"]["name"], root, config, screen=Screen(quiet=True))
    return root


def files_of(root):
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and "evaluation" not in p.name}


def hold(root):
    """As if the results were those of the corrections."""
    record = read_record(root)
    found = journal.read(root / journal.NAME)
    record["corrections"] = {"digest": found.digest, "n": len(found.standing), "not_applied": {}}
    (root / "run.json").write_text(dumps(record))


def test_what_the_software_finds_by_itself_is_made_elsewhere(drawn, tmp_path):
    root = shutil.copytree(drawn, tmp_path / drawn.name)
    said = {"what": "no_death", "nucleus": {"frame": 1, "y_px": 1, "x_px": 1}}
    journal.append(root / journal.NAME, make(said, who="anna"))
    hold(root)
    before = files_of(root)
    code, output = command(root, "--corrected")
    assert code == 0, output
    assert "links F1 1.000 divisions F1 1.000" in output
    assert files_of(root) == before
    page = (root / "evaluation_corrected.html").read_text()
    assert "truth: drawn.lineage, corrected" in page


def test_a_person_s_verdict_is_the_truth_of_the_automatic_one(corrected):
    before = files_of(corrected)
    code, output = command(corrected, "--corrected")
    assert code == 0, output
    record = json.loads((corrected / "evaluation_corrected.json").read_text())
    assert record["events"]["abnormal"]["truth"] == 1
    assert record["events"]["abnormal"]["right"] == 0
    assert record["links"]["f1"] == 1
    assert files_of(corrected) == before


def test_what_cannot_be_compared_is_one_line(drawn, tmp_path):
    root = shutil.copytree(drawn, tmp_path / drawn.name)
    code, output = command(root, "--corrected")
    assert (code, "holds no corrections" in output) == (2, True)
    said = {"what": "no_death", "nucleus": {"frame": 1, "y_px": 1, "x_px": 1}}
    journal.append(root / journal.NAME, make(said, who="anna"))
    code, output = command(root, "--corrected")
    assert (code, "corrections that its results do not have yet" in output) == (2, True)
    code, output = command(root, root, "--corrected")
    assert (code, "leave TRUTH and --mosaic out" in output) == (2, True)
    code, output = command(root)
    assert (code, "TRUTH is missing" in output) == (2, True)
