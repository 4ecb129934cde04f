"""One command from a movie to an annotated lineage; killed, started again, or given nonsense."""

import errno
import json
import os
import re
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import movies
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import tifffile
from corner import COLUMNS, EXAMPLES, FRAMES, ROWS, TABLES, start

from lineage.console import one_line_errors
from lineage.schema import DETECTION_COLUMNS, EVENT_COLUMNS, TRACKLET_COLUMNS


@pytest.fixture(scope="session")
def truth() -> pd.DataFrame:
    events = pd.read_csv(EXAMPLES / "demo.truth" / "events.csv", dtype={"daughter_ids": str})
    divisions = events[events["daughter_ids"].str.contains(" ", na=False)]
    divisions = divisions.assign(y_px=divisions["y_px"] - ROWS.start, x_px=divisions["x_px"] - COLUMNS.start)
    inside = divisions[["y_px", "x_px"]].apply(lambda place: place.between(15, 225)).all(axis=1)
    return divisions[inside & (divisions["frame"] < FRAMES)]


def test_the_divisions_are_found_where_and_when_they_are(finished, truth):
    assert len(truth) == 7
    events = pd.read_csv(finished / "events.csv")
    for _, true in truth.iterrows():
        near = np.hypot(events["y_px"] - true["y_px"], events["x_px"] - true["x_px"]) < 10
        assert (events.loc[near, "frame"] - true["frame"]).abs().min() <= 1
    assert len(events) <= len(truth) + 1


def test_the_run_folder_is_what_it_should_be(finished):
    assert list(pd.read_csv(finished / "events.csv").columns) == list(EVENT_COLUMNS)
    assert list(pd.read_csv(finished / "detections.csv").columns) == list(DETECTION_COLUMNS)
    tracklets = pd.read_csv(finished / "tracklets.csv")
    assert list(tracklets.columns) == list(TRACKLET_COLUMNS)
    tree = nx.read_graphml(finished / "lineage.graphml", node_type=int)
    assert set(tree) == set(tracklets["tracklet_id"])
    assert tree.graph["dose_gy"] == 4
    events = pd.read_csv(finished / "events.csv")
    events = events[events["event_type"] == "mitosis"]
    assert set(events["mitosis_class"]) <= {"normal", "abnormal", "none", "unclassified"}
    assert events["p_abnormal"].between(0, 1).all()
    films = sorted(p.name for p in (finished / "crops").iterdir())
    assert films == [f"event_{i:04d}.tif" for i in events["event_id"]]
    record = json.loads((finished / "run.json").read_text())
    assert list(record["stages"]) == [
        "video", "quality", "scale", "segment", "light", "track", "events", "crop", "classify", "reject",
        "tree", "report",
    ]  # fmt: skip


def test_the_size_of_the_nuclei_is_told(finished):
    size = json.loads((finished / "stages" / "scale.json").read_text())
    assert 12 < size["diameter_px"] < 22
    assert (size["zoom"], size["given"]) == (1, False)


def test_the_report_needs_nothing_beside_it(finished):
    page = (finished / "report.html").read_text()
    assert "corner.tif" in page
    beside = set(re.findall(r'<a href="((?:crops/)?[\w.]+)"', page))
    assert {"events.csv", "tracklets.csv", "detections.csv"} < beside
    assert all((finished / link).exists() for link in beside)
    links = re.findall(r"(?:src|href)=[\"']([^\"']*)", page)
    assert not [k for k in links if k not in beside and not re.match(r"data:|#|https://doi\.org", k)]


def contents(folder: Path) -> dict[str, bytes]:
    names = [*TABLES, *(f"crops/{p.name}" for p in (folder / "crops").iterdir())]
    arrays = [p for p in (folder / "labels.zarr").rglob("*") if p.is_file()]
    return {n: (folder / n).read_bytes() for n in names} | {
        str(p.relative_to(folder)): p.read_bytes() for p in arrays
    }


def killed_after(writes: int) -> None:
    """Let this process kill itself in the middle of a write."""
    left, replace = [writes], os.replace

    def deadly(*paths: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*paths)

    os.replace = deadly


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_result(
    corner, finished, tmp_path, monkeypatch
):
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    from faults_runs import start as begin

    # Each start is killed in the middle of a write, some tens of writes further on.
    words = (corner, "--out", tmp_path / "killed.lineage", "--dose-gy", 4)
    deaths = 0
    for writes in (0, 40, 45, 50, 10_000):
        ended = begin("lineage.run", *words, at=tmp_path, before=partial(killed_after, writes)).wait()
        if ended.code == 0:
            break
        deaths += 1
        assert ended.code == -signal.SIGKILL, ended.errors
    assert ended.code == 0, ended.said + ended.errors
    assert deaths >= 3
    assert contents(tmp_path / "killed.lineage") == contents(finished)


def test_a_second_start_with_nothing_changed_does_nothing(corner, finished):
    before = json.loads((finished / "run.json").read_text())["stages"]
    times = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != "run.json"}
    assert start(corner, "--out", finished, "--dose-gy", 4).exit_code == 0
    assert json.loads((finished / "run.json").read_text())["stages"] == before
    assert {p: p.stat().st_mtime_ns for p in times} == times


def test_changed_settings_redo_only_what_depends_on_them(corner, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / finished.name)

    def keys():
        return {k: v["key"] for k, v in json.loads((out / "run.json").read_text())["stages"].items()}

    before = keys()
    detections = (out / "detections.csv").stat().st_mtime_ns
    assert start(corner, "--out", out, "--dose-gy", 8).exit_code == 0
    assert nx.read_graphml(out / "lineage.graphml").graph["dose_gy"] == 8
    assert {k for k, v in keys().items() if v != before[k]} == {"tree", "report"}
    assert (out / "detections.csv").stat().st_mtime_ns == detections


def test_light_is_told_and_switching_it_off_redoes_what_follows(corner, finished, tmp_path):
    out = tmp_path / "again.lineage"
    shutil.copytree(finished, out)
    before = json.loads((out / "run.json").read_text())
    assert before["notes"]["light"]
    assert before["notes"]["track"]
    assert all(note in (out / "report.html").read_text() for note in before["notes"]["light"])
    settings = tmp_path / "off.toml"
    settings.write_text("[light]\ncorrect = false\n")
    result = start(corner, "--out", out, "--dose-gy", 4, "--config", settings)
    assert result.exit_code == 0, result.output
    assert "light:" not in result.output
    after = json.loads((out / "run.json").read_text())
    assert after["notes"]["light"] == []
    kept = [k for k, v in after["stages"].items() if v["key"] == before["stages"][k]["key"]]
    assert kept == ["video", "quality", "scale", "segment"]
    assert contents(out) == contents(finished)  # nothing had been corrected


def test_existing_masks_take_the_place_of_the_segmentation(corner, finished, tmp_path):
    masks = tmp_path / "masks.tif"
    truth = [tifffile.imread(EXAMPLES / f"demo.truth/TRA/man_track{t:03d}.tif") for t in range(FRAMES)]
    tifffile.imwrite(masks, np.stack(truth)[:, ROWS, COLUMNS], photometric="minisblack")
    result = start(corner, "--out", tmp_path / "out", "--labels", masks)
    assert result.exit_code == 0, result.output
    assert (pd.read_csv(tmp_path / "out" / "detections.csv")["probability"] == 1).all()
    assert len(pd.read_csv(tmp_path / "out" / "events.csv")) >= 2


# --- Masks alone


def masks_with_a_division(path: Path, *, frames: int = 20, at: int = 10) -> Path:
    """Six nuclei at rest; a seventh is small for three frames, then two smaller ones that part."""
    stack = np.zeros((frames, 160, 160), np.uint16)

    def disc(t: int, label: int, y: float, x: float, radius: float) -> None:
        stack[t][movies.disc((160, 160), y, x, radius)] = label

    for t in range(frames):
        for k, (y, x) in enumerate(
            [(25, 25), (25, 80), (25, 135), (135, 25), (135, 80), (135, 135)], start=1
        ):
            disc(t, k, y, x, 7)
        if t < at:
            disc(t, 7, 80, 80, 8 if t < at - 3 else 5)
        else:
            apart, radius = 6 + min(t - at, 4), 3.6 if t < at + 3 else 5.5
            disc(t, 8, 80 - apart, 80, radius)
            disc(t, 9, 80 + apart, 80, radius)
    tifffile.imwrite(path, stack, photometric="minisblack")
    return path


UNITS = ("--pixel-size-um", 1, "--minutes-per-frame", 10)


def test_masks_alone_have_a_lineage_and_nothing_is_classified(tmp_path):
    masks = masks_with_a_division(tmp_path / "masks.tif")
    result = start("--labels", masks, *UNITS)
    assert result.exit_code == 0, result.output
    out = tmp_path / "masks.lineage"
    nuclei = pd.read_csv(out / "detections.csv")
    pixels = tifffile.imread(masks)
    assert len(nuclei) == sum(len(np.unique(mask)) - 1 for mask in pixels)
    np.testing.assert_allclose(nuclei["dna_mass"], nuclei["area_um2"])  # at 1 um a pixel
    tree = nx.read_graphml(out / "lineage.graphml", node_type=int)
    (mother,) = (c for c in tree if tree.out_degree(c))
    assert (tree.out_degree(mother), tree.nodes[mother]["fate"]) == (2, "divided")
    events = pd.read_csv(out / "events.csv")
    division = events[events["mother_id"] == mother].iloc[0]
    assert (division["frame"], division["mitosis_class"]) == (10, "unclassified")
    assert (division["n_micronuclei"], division["bridge"]) == ("not assessable", "not assessable")
    assert events["p_abnormal"].isna().all()
    assert list((out / "crops").glob("*.tif")) == []
    assert re.search("masks alone.*no mitosis is classified", result.output)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--labels", "masks.tif"), "masks alone .*--pixel-size-um.* and .*--minutes-per-frame"),
        (("--labels", "masks.tif", *UNITS[:2]), "--minutes-per-frame"),
        (("--labels", "masks.tif", *UNITS[2:]), "--pixel-size-um"),
        (("--labels", "nothing.tif", *UNITS), "nothing.tif is not there"),
        ((), "no movie: give one, or masks alone with --labels"),
        (UNITS, "no movie: give one, or masks alone with --labels"),
    ],
)
def test_masks_alone_without_what_they_need_are_one_clear_line(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    masks_with_a_division(Path("masks.tif"), frames=2)
    result = start(*arguments)
    assert result.exit_code == 2, result.output
    (error,) = (line for line in result.output.splitlines() if line.startswith("error: "))
    assert re.search(words, error), error
    assert "Traceback" not in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["masks.tif"]


def noise(path: Path, shape=(14, 2, 64, 64), **options) -> Path:
    pixels = np.random.default_rng(0).normal(100, 3, shape).astype(np.uint8)
    metadata = {"axes": "TCYX", "unit": "um", "finterval": 600}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(1, 1), metadata=metadata, **options)
    return path


def test_a_movie_without_nuclei_has_an_empty_lineage_and_says_so(tmp_path):
    movie = noise(tmp_path / "empty.tif")
    result = start(movie, "--nucleus-channel", 1)
    assert result.exit_code == 0, result.output
    out = tmp_path / "empty.lineage"
    assert len(pd.read_csv(out / "tracklets.csv")) == 0
    assert len(nx.read_graphml(out / "lineage.graphml")) == 0
    assert re.search(r"[Nn]o (nuclei|cells|nucleus)", (out / "report.html").read_text())


def truncated(path: Path) -> Path:
    noise(path)
    path.write_bytes(path.read_bytes()[:-40_000])
    return path


def photo(path: Path) -> Path:
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    return path


def text(path: Path) -> Path:
    path.write_text("not an image")
    return path


def settings(path: Path, words: str) -> Path:
    path.write_text(words)
    return path


def occupied(path: Path) -> Path:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")
    return path


@pytest.mark.parametrize(
    ("movie", "options", "words"),
    [
        (lambda p: p / "none.tif", lambda p: [], "is not there"),
        (lambda p: text(p / "notes.tif"), lambda p: [], "notes.tif"),
        (lambda p: truncated(p / "m.tif"), lambda p: [], "m.tif.*(truncated|damaged|cut|incomplete)"),
        (lambda p: photo(p / "m.tif"), lambda p: [], "RGB"),
        (lambda p: noise(p / "m.tif", (1, 2, 64, 64)), lambda p: [], "single image"),
        (
            lambda p: noise(p / "m.tif"),
            lambda p: ["--nucleus-channel", 1, "--pixel-size-um", 650],
            "650, which is not credible",
        ),
        (lambda p: noise(p / "m.tif"), lambda p: ["--position", "A1"], "--position A1 is not there"),
        (lambda p: noise(p / "m.tif"), lambda p: ["--nucleus-channel", 5], "channel 5|no channel"),
        (lambda p: noise(p / "m.tif"), lambda p: ["--nucleus-channel", -1], "nucleus_channel"),
        (lambda p: noise(p / "m.tif"), lambda p: ["--pixel-size-um", -1], "pixel_size_um"),
        (lambda p: noise(p / "m.tif"), lambda p: ["--minutes-per-frame", 0], "minutes_per_frame"),
        (
            lambda p: noise(p / "m.tif"),
            lambda p: ["--nucleus-channel", 1, "--labels", noise(p / "l.tif", (14, 1, 32, 32))],
            r"masks are .*the movie is",
        ),
        (lambda p: noise(p / "m.tif"), lambda p: ["--labels", p / "none"], "none is not there"),
        (
            lambda p: noise(p / "m.tif"),
            lambda p: ["--config", settings(p / "c.toml", "speed = 1")],
            "unknown",
        ),
        (
            lambda p: noise(p / "m.tif"),
            lambda p: ["--nucleus-channel", 1, "--out", occupied(p / "thesis")],
            "no run of ours",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(tmp_path, movie, options, words):
    path, given = movie(tmp_path), options(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = start(path, *given)
    assert result.exit_code == 2, result.output
    errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(words, errors[0]), errors[0]
    assert "Traceback" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_told_in_words(capsys):
    with pytest.raises(Exception, match="2"), one_line_errors(debug=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "the disk is full; make room" in capsys.readouterr().err


def test_units_that_are_assumed_are_said_everywhere(tmp_path):
    movie = tmp_path / "bare.tif"
    tifffile.imwrite(movie, np.zeros((14, 64, 64), np.uint8), photometric="minisblack")
    result = start(movie)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "bare.lineage" / "run.json").read_text())
    for number in ("1.1518", "10"):
        for place in (result.output, " ".join(record["video"]["assumed"])):
            assert re.search(rf"assumed.*{number}|{number}.*assumed", place, re.DOTALL), place
    assert "1.1518" in (tmp_path / "bare.lineage" / "report.html").read_text().split("</section>")[0]
