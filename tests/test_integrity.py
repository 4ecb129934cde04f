"""A damaged run folder is one clear line, or is made anew; never a traceback or a silently wrong result."""

import json
import shutil
from pathlib import Path

import folders
import numpy as np
import pandas as pd
import plates
import pytest
import tifffile
import worlds
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from classifier import predict
from classifier.corrected import corrected
from classifier.forest import Forest
from lineage import command
from lineage.corrections import journal
from lineage.corrections.events import listed, named
from lineage.corrections.lines import make
from lineage.evaluate.inputs import read_run, read_truth
from lineage.export.__main__ import app as export
from lineage.io import integrity
from lineage.io.files import read_table
from lineage.io.run_folder import RunFolder
from lineage.mitosis import verdict
from lineage.schema import InputError, check_values
from lineage.stardist import keras, model
from pipelines.dose import movies
from pipelines.plate import stages_of

FIXTURES = Path(__file__).parent / "fixtures" / "stardist"
ROW = {"dose_gy": 0.0, "irradiated_min_before_start": 0.0}
ARGUMENTS = ("--nucleus-channel", "1", "--dose-gy", "0")


def start(*words: object, app=command.app):
    return CliRunner().invoke(app, [str(w) for w in words])


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    return plates.write_movie(tmp_path_factory.mktemp("movie") / "m.tif")


@pytest.fixture(scope="module")
def whole(movie):
    """A finished run of masks and a movie."""
    out = movie.parent / "m.lineage"
    result = start(movie, "--labels", movie.with_suffix(".masks.tif"), "--out", out, *ARGUMENTS)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def run(whole, tmp_path):
    """A copy with later times, as a plain copy has: only its bytes say that it is the same."""
    return shutil.copytree(whole, tmp_path / "m.lineage", copy_function=shutil.copyfile)


def go_on(movie, run):
    return start(movie, "--labels", movie.with_suffix(".masks.tif"), "--out", run, *ARGUMENTS)


def cut_at_a_line_end(path):
    """As a full disk or an editor leaves a table: nothing but the rows that are gone tells of it."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) * 2 // 3]), encoding="utf-8")


def overwrite(path):
    """As a disk that lost a sector."""
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\xff" * 8 + content[middle + 8 :])


FILES = (
    "detections.csv", "tracklets.csv", "events.csv", "lineages.csv", "lineage.graphml", "report.html",
    "stages/quality.csv", "stages/nuclei.npz", "stages/tracked_nuclei.npz", "stages/tracked_edges.csv",
    "stages/tracked_cells.csv", "stages/proposed_events.csv", "stages/crop_windows.csv",
    "stages/predictions.csv",
    "labels.zarr/raw/3/0/0", "labels.zarr/.zgroup", "labels.zarr/.zattrs",
    "labels.zarr/tracked/3/0/0", "crops/event_0001.tif", "lineage.geff/nodes/ids/0",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_run_that_goes_on_makes_a_damaged_file_anew(movie, run, whole, name):
    before = (whole / name).read_bytes()
    overwrite(run / name)
    assert (run / name).read_bytes() != before

    result = go_on(movie, run)

    assert result.exit_code == 0, result.output
    assert "changed since it was written" in result.output
    if not name.endswith(".html"):  # it says how long the stages took
        assert (run / name).read_bytes() == before


def test_a_copied_run_is_done_and_nothing_of_it_is_made_again(movie, run):
    result = go_on(movie, run)
    assert result.exit_code == 0, result.output
    assert "changed" not in result.output
    stages = json.loads((run / "run.json").read_text())["stages"]
    assert stages == json.loads((movie.parent / "m.lineage" / "run.json").read_text())["stages"]


def test_rows_that_are_lost_at_a_line_end_are_noticed_by_every_reader(run, tmp_path):
    for name in ("events.csv", "detections.csv"):
        cut_at_a_line_end(run / name)
    for read in (lambda: read_run(run), lambda: movies.read(run, ROW)):
        with pytest.raises(InputError, match=r"events\.csv was changed or damaged .*run` again"):
            read()
    result = start("csv", run, tmp_path / "out", app=export)
    assert result.exit_code == 2
    assert "detections.csv was changed or damaged" in result.output
    assert not (tmp_path / "out").exists()


def test_trackmate_is_told_where_the_movie_lies_and_damaged_outlines_are_noticed(movie, run, tmp_path):
    result = start("trackmate", run, tmp_path / "out.xml", app=export)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert f'filename="{movie.name}" folder="{movie.parent.resolve()}"' in text
    overwrite(run / "labels.zarr/tracked/3/0/0")

    result = start("trackmate", run, tmp_path / "out.xml", "--overwrite", app=export)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "tracked was changed or damaged" in result.stderr
    assert (tmp_path / "out.xml").read_text(encoding="utf-8") == text


def test_damaged_crops_are_noticed_by_who_classifies_and_who_learns(run, tmp_path):
    events = listed(read_table(run / "events.csv", text=("daughter_ids",)))
    place = named(events, read_table(run / "detections.csv"))[1].model_dump()
    journal.append(
        run / journal.NAME, make({"what": "verdict", "event": place, "verdict": "normal"}, who="a")
    )
    assert [clip.label for clip in corrected(run)] == ["normal"]
    film = run / "crops" / "event_0001.tif"
    tifffile.imwrite(film, tifffile.imread(film)[:, :, ::-1])  # a whole TIFF, but another
    result = start(run, "--out", tmp_path / "o.csv", app=predict.app)
    assert result.exit_code == 2
    assert "crops was changed or damaged" in result.output
    with pytest.raises(InputError, match="crops was changed or damaged"):
        corrected(run)


def test_labels_that_are_gone_are_damage_and_no_background(run):
    shutil.rmtree(run / "labels.zarr" / "tracked" / "5")
    with pytest.raises(InputError, match="tracked was changed or damaged"):
        read_run(run)
    without_sums(run)
    tracked = read_run(run).tracked
    assert np.asarray(tracked[4]).any()
    with pytest.raises(InputError, match=r"tracked is damaged .*frame 5 is not there"):
        tracked[5]


# --- run.json


def without_sums(run):
    """As an earlier version wrote it."""
    record = json.loads((run / "run.json").read_text())
    record.pop(integrity.CHECKSUM)
    for stage in record["stages"].values():
        stage.pop("sums", None)
    (run / "run.json").write_text(json.dumps(record))


def reworded(run, old, new):
    text = (run / "run.json").read_text()
    assert old in text
    (run / "run.json").write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: cut_at_a_line_end(run / "run.json"), "run.json is damaged"),
        (lambda run: overwrite(run / "run.json"), "run.json is damaged"),
        (
            lambda run: reworded(run, '"minutes_per_frame": 10', '"minutes_per_frame": 15'),
            "changed since it was",
        ),
        (lambda run: (run / "run.json").write_text(""), "is no run"),
    ],
)
def test_a_damaged_record_is_one_line_for_every_reader(movie, run, tmp_path, damage, words):
    damage(run)
    for read in (lambda: read_run(run), lambda: movies.read(run, ROW), lambda: integrity.read_record(run)):
        with pytest.raises(InputError, match=words) as refused:
            read()
        assert "\n" not in str(refused.value)
    assert stages_of(run) == {}
    before = sorted(run.rglob("*"))
    result = go_on(movie, run)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert sorted(run.rglob("*")) == before


def test_a_run_with_a_damaged_record_can_be_begun_anew_and_a_strange_folder_cannot(movie, run, tmp_path):
    cut_at_a_line_end(run / "run.json")
    with pytest.raises(InputError, match="with --overwrite, or another folder"):
        RunFolder.open(run, video=movie, overwrite=False)
    RunFolder.open(run, video=movie, overwrite=True)
    assert not run.exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "run.json").write_text("{ half of something else")
    with pytest.raises(InputError, match="no run of ours"):
        RunFolder.open(tmp_path / "thesis", video=movie, overwrite=True)
    assert (tmp_path / "thesis" / "run.json").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("stages",), None), (("stages",), []), (("video",), "x"), (("video", "n_frames"), "14"),
        (("video", "pixel_size_um"), -1), (("video", "minutes_per_frame"), None), (("warnings",), ["x"]),
        (("dose_gy",), "much"),
    ],
)  # fmt: skip
def test_the_record_of_an_earlier_version_is_looked_at_too(run, key, value):
    without_sums(run)
    assert integrity.read_record(run)["stages"]
    record = json.loads((run / "run.json").read_text())
    holder = record
    for name in key[:-1]:
        holder = holder[name]
    holder[key[-1]] = value
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"run\.json is damaged"):
        integrity.read_record(run)


def test_a_run_of_an_earlier_version_is_not_done_again(movie, run):
    without_sums(run)
    before = (run / "stages" / "nuclei.npz").stat().st_mtime_ns
    result = go_on(movie, run)
    assert result.exit_code == 0, result.output
    assert (run / "stages" / "nuclei.npz").stat().st_mtime_ns == before


# --- Truth, tables, models


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("settings.json", b'{"dose_gy": NaN}', "dose_gy is nan"),
        ("settings.json", b'{"dose_gy": []}', "is not the simulator's settings"),
        ("settings.json", b'{"blank_frames": 3}', "blank_frames is 3"),
        ("TRA/man_track.txt", b"1 0 9 0\n2 \xff 9 0\n", "lines that are not four whole numbers"),
        ("TRA/man_track.txt", b"1 0 99999999999999999999 0\n", "lines that are not four whole numbers"),
        ("events.csv", b"event_id,frame\n,3\n", "event_id is 'nan'"),
    ],
)
def test_a_damaged_truth_is_one_line(tmp_path, name, content, words):
    folder = folders.write_truth(tmp_path / "a.truth", worlds.as_lineage(worlds.one_division()))
    assert read_truth(folder).settings
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        read_truth(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("thresholds.json", "prob", 7), ("thresholds.json", "nms", None), ("config.json", "half", "yes"),
        ("config.json", "normalisation", "none"), ("config.json", "diameters_px", [60, 8]),
        ("config.json", "network", {"unet_n_depth": 10**20}), ("config.json", "network", {"n_rays": 33}),
    ],
)  # fmt: skip
def test_a_damaged_model_is_one_line(tmp_path, name, key, value):
    folder = shutil.copytree(model.find(model.BUNDLED), tmp_path / "model")
    told = json.loads((folder / name).read_text())
    told[key] = told[key] | value if isinstance(value, dict) else value
    (folder / name).write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"is not one of ours|do not fit config\.json"):
        model.load(str(folder))


def test_weights_that_are_no_numbers_are_damage(tmp_path):
    folder = shutil.copytree(model.find(model.BUNDLED), tmp_path / "model")
    weights = load_file(folder / model.TENSORS)
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, folder / model.TENSORS)
    with pytest.raises(InputError, match="not all are numbers"):
        model.load(str(folder))


def test_keras_weights_of_another_length_are_not_read(tmp_path):
    folder = shutil.copytree(FIXTURES / "grid4", tmp_path / "model")
    content = (folder / "weights_best.h5").read_bytes()
    # So damaged, the HDF5 library reads for ever.
    (folder / "weights_best.h5").write_bytes(content[:2334] + content[405:])
    with pytest.raises(InputError, match="cannot be read as the weights of a Keras model"):
        keras.read(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is damaged"),
        ("frame,usable\n0,True\n1,maybe\n", "usable is 'maybe' in row 2"),
        ("event_id,frame\n1,2.5\n", "frame is '2.5' in row 1"),
        ("event_id,frame\n1,\n", "frame is 'nan' in row 1"),
        ("tracklet_id,fate\n1,eaten\n", "fate is 'eaten'"),
        ("tracklet_id,y_um\n1,1;2\n", "y_um is '1;2'"),
        ('a,b\n1,"2\n', "is damaged"),
        ("a,b\n1,2,3\n1,2\n1,2,3,4\n", "is damaged"),
    ],
)
def test_a_damaged_table_is_one_line_that_names_it(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words) as refused:
        read_table(tmp_path / "t.csv")
    assert str(refused.value).startswith(str(tmp_path / "t.csv"))
    assert "\n" not in str(refused.value)


def test_what_tables_hold_passes_and_one_wrong_value_among_it_does_not():
    table = pd.DataFrame({
        "event_id": [1, 2], "fate": ["lost", None], "separated": [True, None], "frame": [1.0, 2.0],
        "n_micronuclei": ["not assessable", 1], "y_um": [1.5, np.nan], "note": ["anything", 3],
    })  # fmt: skip
    check_values(table)
    with pytest.raises(ValueError, match="fate is 'eaten' in row 2"):
        check_values(table.assign(fate=["lost", "eaten"]))


def test_a_damaged_forest_does_not_go_round_for_ever():
    def forest(left, right):
        two = np.zeros(3, np.float32)
        return Forest(np.zeros(1, np.int32), np.zeros(3, np.int32), two, np.array(left), np.array(right), two)

    assert forest([1, 1, 2], [2, 1, 2]).p_abnormal(np.zeros((1, 4))).shape == (1,)
    for left, right in (([1, 0, 2], [2, 1, 2]), ([1, 1, 2], [7, 1, 2])):
        with pytest.raises(ValueError, match="child"):
            forest(left, right)


# What the verdicts depend on


def keys(run):
    """Stage -> what its result depended on."""
    stages = json.loads((run / "run.json").read_text())["stages"]
    return {name: stage["key"] for name, stage in stages.items()}


def of_earlier_version(run):
    """As if written before there were verdicts: without the columns, and with other keys of the stages."""
    for name, gone in (
        ("events.csv", ["verdict", "p_verdict", "verdict_because"]),
        ("tracklets.csv", ["verdict"]),
    ):
        table = pd.read_csv(run / name, dtype=str, keep_default_na=False)
        table.drop(columns=gone).to_csv(run / name, index=False)
    without_sums(run)
    record = json.loads((run / "run.json").read_text())
    for stage in ("events", "reject", "tree"):
        record["stages"][stage]["key"] = "earlier"
    (run / "run.json").write_text(json.dumps(record))


def test_other_weights_do_again_what_follows_from_verdicts_and_nothing_else(
    movie, run, tmp_path, monkeypatch
):
    before = keys(run)
    other = tmp_path / "verdict.json"
    other.write_text(json.dumps(verdict.load() | {"held_out": {"n": 0, "note": "other"}}))
    monkeypatch.setattr(verdict, "PATH", other)

    result = go_on(movie, run)

    assert result.exit_code == 0, result.output
    after = keys(run)
    assert {stage for stage in before if before[stage] != after[stage]} == {"tree", "report"}


def test_a_run_of_an_earlier_version_is_refused_by_readers_and_gets_verdicts_when_given_again(movie, run):
    of_earlier_version(run)
    for read, words in (
        (lambda: read_run(run), "lacks verdict, p_verdict"),
        (
            lambda: movies.read(run, ROW),
            "lacks verdict, verdict_because; it was written by another version",
        ),
    ):
        with pytest.raises(InputError, match=words):
            read()
    result = go_on(movie, run)
    assert result.exit_code == 0, result.output
    assert read_run(run).events["verdict"].isin(["normal", "abnormal", "undecided", "not_a_mitosis"]).all()
