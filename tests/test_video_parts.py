"""Files that follow each other are one movie, and the time between them is missing frames."""

import json

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from lineage.command import app
from lineage.config import Config
from lineage.run import reopen
from lineage.schema import InputError
from lineage.stages.movie import facts
from lineage.video import open_parts
from lineage.video.parts import open_video


def write(path, n_frames, value, *, shape=(32, 40), interval_s=600.0, size=2.0):
    pixels = np.full((n_frames, *shape), value, np.uint8)
    metadata = {"axes": "TYX", "unit": "um", "finterval": interval_s}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(size, size), metadata=metadata)
    return path


@pytest.fixture
def parts(tmp_path):
    return [write(tmp_path / f"part{k}.tif", n, 10 * k) for k, n in ((1, 5), (2, 7))]


def test_parts_follow_each_other(parts):
    video = open_parts(parts)
    assert (video.n_frames, video.missing, video.pixel_size_um) == (12, (), 0.5)
    assert [int(video.frame(t, 0)[0, 0]) for t in (0, 4, 5, 11)] == [10, 10, 20, 20]
    assert "one interval (10 min) is assumed; give --gap-min" in video.assumed[0]
    assert "part1.tif (frames 0 to 4), part2.tif (frames 5 to 11)" in video.notes[0]
    assert video.inputs == tuple(parts)


def test_the_time_between_parts_is_missing_frames(parts):
    video = open_parts(parts, gap_min=40.0)
    assert (video.n_frames, video.missing) == (15, (5, 6, 7))
    assert [int(video.frame(t, 0)[0, 0]) for t in (4, 5, 7, 8)] == [10, 0, 0, 20]
    assert not video.assumed


def test_clocks_of_the_files_tell_the_time_between_them(parts, monkeypatch):
    from dataclasses import replace

    starts = {parts[0].name: 1000.0, parts[1].name: 1000.0 + 40 + 30}
    monkeypatch.setattr(
        "lineage.video.parts.open_video",
        lambda path, **options: replace(open_video(path, **options), started_min=starts[path.name]),
    )
    assert open_parts(parts).missing == (5, 6)
    with pytest.raises(InputError, match="give the parts in order of time"):
        open_parts(parts[::-1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (32, 41)}, r"\(32, 41\) uint8 and part1.tif \(32, 40\)"),
        ({"size": 1.0}, "pixel size of other.tif is 1 um, that of part1.tif 0.5 um"),
        ({"interval_s": 300.0}, "interval of other.tif is 5 min"),
    ],
)
def test_parts_of_another_kind_are_refused(parts, tmp_path, change, words):
    other = write(tmp_path / "other.tif", 4, 3, **change)
    with pytest.raises(InputError, match=words):
        open_parts([parts[0], other])


def test_a_gap_that_is_none_is_refused(parts):
    with pytest.raises(InputError, match="with --gap-min"):
        open_parts(parts, gap_min=-20.0)


def test_the_movie_of_a_run_of_parts_is_opened_again_also_where_it_was_moved(parts, tmp_path):
    video = open_parts(parts, gap_min=40.0)
    record = {"video": facts(video), "settings": Config().model_dump(mode="json")}
    again, _ = reopen(tmp_path / "m.lineage", json.loads(json.dumps(record)))
    assert (again.n_frames, again.missing, again.inputs) == (video.n_frames, video.missing, video.inputs)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = [part.rename(elsewhere / part.name) for part in parts]
    again, _ = reopen(elsewhere / "m.lineage", record)
    assert again.inputs == tuple(moved)
    moved[1].unlink()
    with pytest.raises(InputError, match=r"part2\.tif is not there, nor is it beside m\.lineage"):
        reopen(elsewhere / "m.lineage", record)


def test_a_run_of_parts_has_the_time_between_them(tmp_path):
    parts = [write(tmp_path / f"part{k}.tif", 13, 0, shape=(64, 64)) for k in (1, 2)]
    given = [*map(str, parts), "--gap-min", "120"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "time of day" not in result.output
    assert "the movie lasts" not in result.output
    record = json.loads((tmp_path / "part1_to_part2.lineage" / "run.json").read_text())
    assert (record["video"]["n_frames"], record["video"]["minutes_per_frame"]) == (13 + 11 + 13, 10)
    assert "2 parts: part1.tif (frames 0 to 12), part2.tif (frames 24 to 36)" in record["video"]["notes"]
    again = CliRunner().invoke(app, given)
    assert again.exit_code == 0, again.output


def test_a_gap_between_parts_is_refused_where_there_is_one_file(tmp_path):
    result = CliRunner().invoke(app, [str(write(tmp_path / "a.tif", 13, 0)), "--gap-min", "120"])
    assert result.exit_code == 2
    assert "--gap-min is between the parts" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
