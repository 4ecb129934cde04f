"""A run folder is whole, ours, and says what is done."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from lineage.io import files
from lineage.io.files import atomic_write, read_table, write_table
from lineage.io.run_folder import RunFolder
from lineage.schema import InputError


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "movie.tif"
    path.write_bytes(b"pixels")
    return path


def started(root, video) -> RunFolder:
    folder = RunFolder.open(root, video=video, overwrite=False)
    known = {"path": str(video.resolve())}
    folder.start({"video": known, "input": {"sha256": files.content_sha256(video)}})
    return folder


def do(folder, stage, *, settings=None, after=()):
    key = folder.key(stage, settings=settings, after=after)
    done = folder.is_done(stage, key)
    if not done:
        with folder.record_stage(stage, key, folder.root / f"{stage}.csv"):
            (folder.root / f"{stage}.csv").write_text("x\n")
    return done


def test_a_stage_is_done_once(tmp_path, video):
    folder = started(tmp_path / "run", video)
    assert not do(folder, "a", settings=1)
    again = started(tmp_path / "run", video)
    assert do(again, "a", settings=1)


def test_changed_settings_redo_what_depends_on_them(tmp_path, video):
    folder = started(tmp_path / "run", video)
    for stage, after in (("a", ()), ("b", ("a",)), ("c", ())):
        do(folder, stage, settings=1, after=after)
    again = started(tmp_path / "run", video)
    assert not do(again, "a", settings=2)
    assert not do(again, "b", settings=1, after=("a",))
    assert do(again, "c", settings=1)


def test_a_stage_whose_file_is_gone_is_not_done(tmp_path, video):
    folder = started(tmp_path / "run", video)
    do(folder, "a")
    (folder.root / "a.csv").unlink()
    assert not do(folder, "a")


def test_a_stage_that_fails_is_not_done(tmp_path, video):
    folder = started(tmp_path / "run", video)
    key = folder.key("a", settings=None, after=())
    with pytest.raises(ZeroDivisionError), folder.record_stage("a", key):
        raise ZeroDivisionError
    assert not started(tmp_path / "run", video).is_done("a", key)


def test_warnings_are_kept_for_the_next_start(tmp_path, video):
    folder = started(tmp_path / "run", video)
    with folder.record_stage("a", "key") as warnings:
        warnings.append("look out")
    assert started(tmp_path / "run", video).warnings == ["look out"]


def test_a_folder_of_something_else_is_refused(tmp_path, video):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("text")
    with pytest.raises(InputError, match="holds something that is no run"):
        RunFolder.open(tmp_path / "thesis", video=video, overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.tex").exists()
    with pytest.raises(InputError, match="is a file"):
        RunFolder.open(video, video=video, overwrite=False)


def test_the_run_of_another_movie_is_kept_unless_asked(tmp_path, video):
    folder = started(tmp_path / "run", video)
    do(folder, "a")
    other = tmp_path / "other.tif"
    other.write_bytes(b"other pixels")
    with pytest.raises(InputError, match=r"holds the run of .*movie\.tif"):
        RunFolder.open(tmp_path / "run", video=other, overwrite=False)
    assert (folder.root / "a.csv").exists()
    (tmp_path / "run" / "corrections.jsonl").write_text("")
    with pytest.raises(InputError, match=r"corrections of .*movie.tif, and this is another movie"):
        RunFolder.open(tmp_path / "run", video=other, overwrite=True)
    (tmp_path / "run" / "corrections.jsonl").unlink()
    RunFolder.open(tmp_path / "run", video=other, overwrite=True)
    assert not folder.root.exists()


def test_a_start_that_was_killed_before_its_first_record_is_no_hindrance(tmp_path, video):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.part").write_text("{")
    assert not RunFolder.open(tmp_path / "run", video=video, overwrite=False).record


def test_a_movie_that_was_moved_is_the_same_movie(tmp_path, video):
    started(tmp_path / "run", video)
    moved = video.rename(tmp_path / "renamed.tif")
    assert RunFolder.open(tmp_path / "run", video=moved, overwrite=False).record


def test_what_is_written_is_there_whole_or_not_at_all(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(target) as part:
        part.write_text(f"half {1 / 0}")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    with atomic_write(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"


def test_tables_come_back_as_they_are_after_one_writing(tmp_path):
    table = pd.DataFrame({"a": np.random.default_rng(0).random(50) * 1e6, "flags": ["", "x y"] * 25})
    write_table(table, tmp_path / "t.csv")
    once = read_table(tmp_path / "t.csv", text=("flags",))
    write_table(once, tmp_path / "u.csv")
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "u.csv").read_bytes()
    assert once["flags"].tolist() == table["flags"].tolist()
    assert once["a"].to_numpy() == pytest.approx(table["a"].to_numpy(), rel=1e-6)


def test_the_sum_of_a_movie_is_the_one_that_other_tools_give(video):
    assert files.content_sha256(video) == hashlib.sha256(b"pixels").hexdigest()
    assert files.content_sha256(video.parent) != files.content_sha256(video)


def test_a_small_disk_is_noticed_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="MB free, this run may need"):
        files.check_space(tmp_path / "run", n_frames=10**9, shape=(1024, 1024))
    assert not (tmp_path / "run").exists()
