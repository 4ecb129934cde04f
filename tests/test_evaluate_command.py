"""`python -m lineage.evaluate`: one run, several, a mosaic, and what cannot be used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import worlds
from damaged_crops import DAMAGES
from folders import write_run, write_truth
from pages import Page
from typer.testing import CliRunner
from worlds import as_lineage, divisions, predictions_of

from lineage.evaluate import mosaic
from lineage.evaluate.__main__ import app
from lineage.evaluate.match import Count
from lineage.io.files import write_table

NUMBER = r"(?:\d\.\d{3}|n/a)"
LAST_LINE = (
    rf"links F1 {NUMBER} divisions F1 {NUMBER} \(within 1 frame\) proposals {NUMBER} events F1 {NUMBER}"
)
MOSAIC_LAST_LINE = rf"proposals {NUMBER} events F1 {NUMBER} further events a tile {NUMBER}"


def command(*words: object):
    return CliRunner().invoke(app, [str(w) for w in words])


def last_line(result) -> str:
    assert result.exit_code == 0, result.output
    return result.output.rstrip("\n").splitlines()[-1]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A run of `two_generations` that missed the second, abnormal, division, and the truth."""
    folder = tmp_path_factory.mktemp("evaluate")
    lineage = as_lineage(worlds.two_generations())
    write_truth(folder / "a.truth", lineage, subtypes={8: "tripolar"})
    run = write_run(
        folder / "a.lineage",
        lineage,
        events=divisions(lineage)[:1],
        predictions=predictions_of({7: (0.875, 0.125)}),
    )
    (run / "crops").mkdir()
    pixels = np.random.default_rng(0).integers(1, 255, (12, 2, 32, 32), np.uint8)
    tifffile.imwrite(run / "crops" / "event_0007.tif", pixels, imagej=True)
    return folder


@pytest.fixture
def folders(pristine, tmp_path):
    """The same, to be spoiled."""
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return tmp_path / "a.lineage", tmp_path / "a.truth"


def test_one_command_says_it_and_writes_it(pristine, tmp_path):
    run, truth = pristine / "a.lineage", pristine / "a.truth"
    words = [sys.executable, "-m", "lineage.evaluate", run, truth, "--out", tmp_path / "page.html"]

    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert re.fullmatch(LAST_LINE, lines[-1])
    assert lines[-1] == "links F1 1.000 divisions F1 1.000 (within 1 frame) proposals 0.500 events F1 0.000"
    written = json.loads((tmp_path / "page.json").read_text())
    assert written["proposals"] == {
        "right": 1,
        "run": 1,
        "truth": 2,
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
    }
    assert written["dose_gy"] == [5.0]
    assert [m["kind"] for m in written["mistakes"]] == ["missed abnormal"]
    assert written["events"]["calibration"]["brier"] == pytest.approx(0.125**2)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert "a, 5 Gy" in page.text
    assert "The movie world.tif is not where the run read it" in page.text


def test_the_page_needs_nothing_beside_it(folders):
    run, truth = folders
    frames = np.random.default_rng(0).integers(0, 255, (40, *worlds.SHAPE), np.uint8)
    tifffile.imwrite(run.parent / "world.tif", frames, imagej=True, metadata={"axes": "TYX"})
    quality = pd.DataFrame(
        {"frame": range(40), "time_min": 10.0 * np.arange(40), "usable": True, "reason": ""}
    )
    quality[["mean_intensity", "saturated_fraction", "focus", "drift_y_px", "drift_x_px"]] = 0.0
    record = json.loads((run / "run.json").read_text())
    record["video"]["path"] = str(run.parent / "world.tif")
    (run / "run.json").write_text(json.dumps(record))
    write_table(quality, run / "stages" / "quality.csv")
    wrong = pd.read_csv(run / "events.csv").assign(verdict="abnormal", p_verdict=0.9)
    wrong.to_csv(run / "events.csv", index=False)

    assert re.fullmatch(LAST_LINE, last_line(command(run, truth)))

    page = Page((run / "evaluation.html").read_text(encoding="utf-8"))
    images = [a["href"] for a in page.having("image")]
    assert len(images) == 2  # the film of the run's event, and one cut from the movie
    assert all(source.startswith("data:image/jpeg;base64,") for source in images)
    assert not page.having("link")
    assert len(page.having("script")) == 1
    for link in page.having("a"):
        assert re.match(r"#|https://", link["href"])
    targets = {a["id"] for _, a in page.elements if "id" in a}
    assert {link["href"][1:] for link in page.having("a") if link["href"][0] == "#"} <= targets
    kinds = [a["class"] for a in page.having("article")]
    assert kinds == ["event missed-abnormal", "event wrong-class"]
    assert "tripolar, missed" in page.text
    assert "normal, called abnormal p(abnormal) 0.90" in page.text


def test_a_mitosis_that_was_rejected_is_shown_by_the_run_s_own_film(folders):
    run, truth = folders
    rejected = pd.read_csv(run / "events.csv").assign(verdict="not_a_mitosis", p_none=0.75)
    rejected.to_csv(run / "events.csv", index=False)

    assert last_line(command(run, truth)).endswith("proposals 0.000 events F1 0.000")

    page = Page((run / "evaluation.html").read_text(encoding="utf-8"))
    assert "normal, rejected as no mitosis, p(none) 0.75" in page.text
    assert len(page.having("image")) == 1


def test_a_damaged_crop_costs_its_film_and_is_named(folders):
    run, truth = folders
    rejected = pd.read_csv(run / "events.csv").assign(verdict="not_a_mitosis", p_none=0.75)
    rejected.to_csv(run / "events.csv", index=False)
    DAMAGES["eleven_frames"](run / "crops" / "event_0007.tif")

    assert command(run, truth).exit_code == 0

    page = Page((run / "evaluation.html").read_text(encoding="utf-8"))
    assert not page.having("image")
    assert page.text.count("crops/event_0007.tif is damaged") == 1


def test_truth_of_the_challenge_gives_what_it_can(folders):
    run, truth = folders
    for name in ("events.csv", "lineage.graphml", "settings.json"):
        (truth / name).unlink()

    result = command(run, truth)

    assert (
        last_line(result)
        == "links F1 1.000 divisions F1 1.000 (within 1 frame) proposals 0.500 events F1 n/a"
    )
    assert "the truth has no events.csv" in result.output
    written = json.loads((run / "evaluation.json").read_text())
    assert written["events"] is None
    assert written["fusions_within_frames"] is None
    assert "Kinds of mitosis" not in Page((run / "evaluation.html").read_text(encoding="utf-8")).text
    assert written["mistakes"] == []


def test_several_runs_are_scored_together_and_by_dose(folders):
    run, truth = folders
    shutil.copytree(run, run.parent / "b.lineage")
    shutil.copytree(truth, run.parent / "b.truth")
    (run.parent / "b.truth" / "settings.json").write_text('{"dose_gy": 0}')

    result = command(run.parent, run.parent, "--out", run.parent / "all.html")

    assert re.fullmatch(LAST_LINE, last_line(result))
    written = json.loads((run.parent / "all.json").read_text())
    assert written["movies"] == ["a", "b"]
    assert written["divisions_within_frames"]["1"]["truth"] == 4
    assert [d["dose_gy"] for d in written["by_dose"]] == [0, 5.0]
    assert "2 movies" in Page((run.parent / "all.html").read_text(encoding="utf-8")).text

    shutil.rmtree(run.parent / "b.truth")
    refused = command(run.parent, run.parent, "--overwrite")
    assert refused.exit_code == 2
    assert "b has no truth" in refused.output


# --- What cannot be used


def spoil(run, change):
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def lose_column(run):
    pd.read_csv(run / "events.csv").drop(columns="y_px").to_csv(run / "events.csv", index=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: shutil.rmtree(run), "there is no folder"),
        (lambda run: (run / "run.json").unlink(), "is no run"),
        (lambda run: spoil(run, lambda r: r["stages"].pop("tree")), "has not ended"),
        (lambda run: (run / "lineage.graphml").unlink(), "has not ended"),
        (lose_column, "events.csv lacks y_px"),
    ],
)
def test_a_run_that_cannot_be_used_is_one_line_and_exit_code_2(folders, change, words):
    run, truth = folders
    change(run)

    refused = command(run, truth)

    assert refused.exit_code == 2
    assert words in refused.output
    assert len(refused.output.strip().splitlines()) == 1


def test_what_is_there_is_not_replaced_unasked_but_its_own_page_is(folders, tmp_path):
    run, truth = folders
    out = tmp_path / "mine.html"
    out.write_text("mine")

    refused = command(run, truth, "--out", out)

    assert refused.exit_code == 2
    assert "say --overwrite" in refused.output
    assert out.read_text() == "mine"
    assert command(run, truth, "--out", out, "--overwrite").exit_code == 0
    assert command(run, truth).exit_code == 0
    assert command(run, truth).exit_code == 0
    assert command(run, truth, "--out", tmp_path / "page.txt").exit_code == 2


# --- Mosaics


def mosaic_of(*rows):
    return pd.DataFrame(rows, columns=list(mosaic.MOSAIC_COLUMNS))


TILES = mosaic_of(
    ("a.tif", "abnormal", 5, 17, 0, 0, 100, 60),
    ("b.tif", "normal", 5, 17, 0, 100, 100, 60),
    ("c.tif", "abnormal", 5, 17, 100, 0, 60, 60),
    ("d.tif", "normal", 5, 17, 100, 100, 60, 60),
)


def proposals(*rows):
    columns = ["event_id", "frame", "y_px", "x_px", "verdict"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(mother_id=table["event_id"], daughter_ids="", p_verdict=0.5)


def test_a_clip_is_proposed_by_the_event_nearest_to_its_middle():
    events = proposals(
        (1, 5, 0.0, 0.0, "normal"),  # in the corner
        (2, 10, 50.0, 31.0, "abnormal"),  # in the middle
        (3, 16, 99.9, 159.9, "normal"),
        (4, 10, 130.0, 30.0, "not_a_mitosis"),  # is no proposal
        (5, 17, 130.0, 130.0, "normal"),  # a frame late
        (6, 4, 130.0, 130.0, "normal"),  # a frame early
        (7, 10, 130.0, 160.0, "normal"),  # on the edge: outside
    )

    scored = mosaic.score(events, TILES)

    assert scored["event_id"].tolist() == [2, 3, -1, -1]
    assert scored["verdict"].tolist() == ["abnormal", "normal", "missed", "missed"]
    counted = mosaic.count(scored, events)
    assert counted["proposals"] == Count(2, 6, 4)
    assert (counted["of_normal"].recall, counted["of_abnormal"].recall) == (0.5, 0.5)
    assert counted["right_class"].recall == 1.0
    assert counted["abnormal"] == Count(1, 1, 2)
    assert counted["abnormal_of_proposed"].f1 == 1.0
    assert counted["further_a_tile"] == 1.0
    assert counted["undecided"] == 0


def test_a_normal_clip_called_abnormal_lowers_f1():
    scored = mosaic.score(
        proposals((1, 5, 50.0, 30.0, "abnormal"), (2, 5, 50.0, 130.0, "abnormal")), TILES[:2]
    )

    counted = mosaic.count(scored, proposals((1, 5, 0, 0, "abnormal"), (2, 5, 0, 0, "abnormal")))
    assert counted["abnormal"] == Count(1, 2, 1)
    assert counted["right_class"].recall == 0.5


def test_an_undecided_clip_is_proposed_and_not_called_abnormal():
    events = proposals((1, 5, 50.0, 30.0, "undecided"), (2, 5, 50.0, 130.0, "normal"))

    counted = mosaic.count(mosaic.score(events, TILES[:2]), events)

    assert counted["undecided"] == 1
    assert counted["of_abnormal"].recall == 1.0
    assert counted["abnormal"] == Count(0, 0, 1)


def test_a_run_without_verdicts_is_refused_in_one_line(folders):
    run, truth = folders
    events = pd.read_csv(run / "events.csv").drop(columns=["verdict", "p_verdict", "verdict_because"])
    events.to_csv(run / "events.csv", index=False)
    refused = command(run, truth)
    assert refused.exit_code == 2
    assert "lacks verdict, p_verdict" in " ".join(refused.output.split())
    assert "run the movie again" in " ".join(refused.output.split())


def test_mosaic_command(folders, tmp_path):
    run, _ = folders
    TILES.to_csv(tmp_path / "tiles.csv", index=False)
    proposals((2, 10, 50.0, 31.0, "abnormal"), (3, 10, 9.0, 31.0, "normal")).to_csv(
        run / "events.csv", index=False
    )

    result = command("--mosaic", run, tmp_path / "tiles.csv")

    assert re.fullmatch(MOSAIC_LAST_LINE, last_line(result))
    assert last_line(result) == "proposals 0.250 events F1 0.667 further events a tile 0.250"
    assert pd.read_csv(run / "mosaic_score.csv")["verdict"].tolist() == ["abnormal"] + ["missed"] * 3
    assert json.loads((run / "mosaic_score.json").read_text())["abnormal"]["recall"] == 0.5


def test_mosaic_that_cannot_be_used_is_named(folders, tmp_path):
    run, truth = folders
    TILES.drop(columns="y0_px").to_csv(tmp_path / "less.csv", index=False)
    TILES.assign(**{"class": "odd"}).to_csv(tmp_path / "odd.csv", index=False)

    for given, words in (("less.csv", "lacks y0_px"), ("odd.csv", "the class 'odd'"), ("no.csv", "no file")):
        refused = command("--mosaic", run, tmp_path / given)
        assert (refused.exit_code, words in refused.output) == (2, True), refused.output
    assert command("--mosaic", truth, tmp_path / "odd.csv").exit_code == 2
