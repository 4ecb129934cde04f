"""A few faults of every kind, as `benchmarks/faults.py` makes them by the hundred, and what each rests on."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import plates
import pytest
import typer
from typer.testing import CliRunner

from lineage.command import app
from lineage.console import one_line_errors
from lineage.io import files, labels
from lineage.io.files import atomic_write
from lineage.io.frame_journal import FrameJournal
from lineage.io.inputs import Changed, Inputs
from lineage.io.run_folder import RunFolder
from lineage.processes import in_order, method
from lineage.schema import Geometry, InputError

linux = pytest.mark.skipif(sys.platform != "linux", reason="of Linux: forks, /proc, tmpfs")


# --- Real processes


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Where faults are made, with a movie and its masks."""
    pytest.importorskip("psutil")
    sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
    import faults_runs

    folder = tmp_path_factory.mktemp("faults")
    movie = plates.write_movie(folder / "drawn.tif")
    given = {faults_runs.NAME: movie, faults_runs.MASKS: movie.with_suffix(".masks.tif")}
    return faults_runs.World(folder, given)


def done(world, fault: str, number: int, **how):
    """How a fault ended."""
    import faults_cases
    import faults_runs

    do = partial(getattr(faults_cases, fault), **how)
    try:
        return do(world, f"{fault}{number}", np.random.default_rng(number), number)
    except faults_runs.Skipped as skipped:
        pytest.skip(str(skipped))


@linux
@pytest.mark.parametrize("number", [1, 3])
def test_killed_up_to_three_times_a_run_ends_with_the_same_bytes(world, number):
    assert done(world, "kill", number).same


@linux
def test_a_disk_that_fills_is_one_line_and_the_run_goes_on(world):
    ending = done(world, "full_disk", 0)
    assert ending.same
    assert "the disk is full; make room" in ending.line or not ending.line


@linux
def test_of_two_starts_one_works(world):
    assert done(world, "two_starts", 0).same


@linux
def test_kill_without_9_is_one_line_and_the_run_goes_on(world):
    ending = done(world, "signalled", 0, what=signal.SIGTERM, group=False)
    assert ending.same
    assert "stopped; what was finished is kept" in ending.line or not ending.line


def test_a_movie_that_changes_in_a_stage_ends_the_run_and_the_stage_does_not_count(tmp_path, monkeypatch):
    from lineage import quality

    movie, assess = plates.write_movie(tmp_path / "m.tif"), quality.assess
    words = [str(movie), "--labels", str(movie.with_suffix(".masks.tif")), "--nucleus-channel", "1"]

    def while_it_changes(*given, **how):
        found = assess(*given, **how)
        plates.write_movie(movie, seed=1)
        return found

    monkeypatch.setattr(quality, "assess", while_it_changes)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "error: m.tif, m.masks.tif was changed while it was run: give the same" in result.output
    assert not (tmp_path / "m.lineage").exists()  # nothing was finished


# --- Signals and errors as one line


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_signal_is_one_line_and_130(name, capsys):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(typer.Exit) as ended, one_line_errors(debug=False, stopped="all is kept"):
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "stopped; all is kept\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"), "memory ran out"),
        (RuntimeError("std::bad_alloc"), "memory ran out"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full; make room"),
        (OSError(errno.EROFS, "Read-only file system", "a.json"), "a.json may not be written"),
        (PermissionError(errno.EACCES, "Permission denied", "a.json"), "a.json may not be read or written"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.json"), "a.json is not there"),
    ],
)
def test_what_the_system_refuses_is_told_in_words(error, words, capsys):
    with pytest.raises(typer.Exit) as ended, one_line_errors(debug=False):
        raise error
    assert ended.value.exit_code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {words}")
    assert said.count("\n") == 1


def test_an_error_of_ours_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="a mistake"), one_line_errors(debug=False):
        raise RuntimeError("a mistake")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_what_goes_wrong_after_a_signal_is_because_of_it(capsys):
    def closed():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(typer.Exit) as ended, one_line_errors(debug=False, stopped="all is kept"):
        closed()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "stopped; all is kept\n"


ENDED_AMID_A_STRING = """
import os, signal, typer
from lineage.console import one_line_errors

app = typer.Typer()

@app.command()
def command():
    with one_line_errors(debug=False):
        exec("os.kill(os.getpid(), signal.SIGTERM)\\nfor _ in range(10**7): pass")  # as dataclasses are made

app()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows ends a process without a word")
def test_a_signal_amid_code_that_python_reads_from_a_string_is_the_same_exit_code(tmp_path):
    (tmp_path / "ended.py").write_text(ENDED_AMID_A_STRING)
    done = subprocess.run([sys.executable, "-m", "ended"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "stopped; what was finished is kept\n")


def test_a_line_that_nobody_can_read_is_no_error(monkeypatch):
    def closed(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(typer, "echo", closed)
    with pytest.raises(typer.Exit) as ended, one_line_errors(debug=False):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130


def die(n: int) -> int:
    if n == 2:
        os._exit(9)
    return n


def test_a_process_that_dies_is_one_line():
    with pytest.raises(
        ChildProcessError, match=r"one of the 2 processes .* died, most likely because memory"
    ):
        list(in_order(die, [(n,) for n in range(9)], workers=2))


def die_with_the_one_it_is_forked_from(n: int) -> int:
    if n == 2:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(9)
    return n


@pytest.mark.skipif(method() != "forkserver", reason="processes are forked on Linux only")
def test_the_death_of_what_processes_are_forked_from_is_one_line():
    with pytest.raises(ChildProcessError, match=r"one of the 2 processes .* died"):
        list(in_order(die_with_the_one_it_is_forked_from, [(n,) for n in range(9)], workers=2))
    for _ in range(600):  # another one is started, as soon as the system has done away with the dead one
        try:
            found = list(in_order(die, [(0,), (1,), (3,)], workers=2))
        except ChildProcessError:
            time.sleep(0.1)
        else:
            break
    assert found == [0, 1, 3]


# --- Files


def test_a_short_write_is_a_full_disk(tmp_path):
    path = tmp_path / "a.npz"

    def write():
        with atomic_write(path) as part:
            part.write_bytes(b"half")
            raise OSError("221184 requested and 155056 written")  # as numpy says it

    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as error:
        write()
    assert error.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_what_stopped_a_write_is_said_and_not_that_tidying_up_failed(tmp_path, monkeypatch):
    def busy(_):
        raise OSError(errno.ENOTEMPTY, "Directory not empty")  # another thread still writes into it

    def write():
        with atomic_write(tmp_path / "a.geff") as part:
            part.mkdir()
            monkeypatch.setattr(files, "remove", busy)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()


def test_a_folder_that_cannot_be_replaced_is_still_there(tmp_path, monkeypatch):
    path, replace = tmp_path / "a.geff", os.replace
    path.mkdir()
    (path / "whole").touch()

    def stopped(one, other):
        if Path(other) == path and Path(one).suffix == ".part":
            raise KeyboardInterrupt
        replace(one, other)

    def write():
        with atomic_write(path) as part:
            part.mkdir()
            monkeypatch.setattr(os, "replace", stopped)

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["a.geff", "a.geff/whole"]


def test_a_movie_that_changes_moves_or_goes_is_noticed(tmp_path):
    movie = tmp_path / "m.tif"
    movie.write_bytes(b"pixels")
    inputs = Inputs(movie)
    inputs.check()
    movie.write_bytes(b"others")
    os.utime(movie, ns=(0, 0))
    for look in (inputs.check, inputs.check_now_and_then):
        with pytest.raises(Changed, match=r"m\.tif was changed while it was run"):
            look()
    movie.unlink()
    with pytest.raises(Changed, match=r"m\.tif was moved or deleted while it was run"):
        inputs.check()
    Inputs().check()  # a movie in memory


@pytest.fixture
def frames(tmp_path):
    """A journal of one frame, which is done."""
    group = tmp_path / "labels.zarr"
    labels.create(group, Geometry(n_frames=2, shape=(8, 8), pixel_size_um=1.0, minutes_per_frame=10.0))
    labels.open_array(group, labels.RAW, mode="r+")[0] = np.eye(8, dtype=np.uint32)
    journal = FrameJournal(tmp_path / "journal", group)
    journal.write(0, pd.DataFrame({"frame": [0, 0], "label": [1, 2]}))
    assert journal.holds(0)
    assert not journal.holds(1)
    return journal


@pytest.mark.parametrize("name", ["journal/000000.npz", "journal/000000.json", "labels.zarr/raw/0/0/0"])
@pytest.mark.parametrize("damage", ["cut", "turn a bit", "delete"])
def test_a_frame_that_lost_something_is_not_done(frames, tmp_path, name, damage):
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "turn a bit":
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    else:
        path.unlink()
    assert not frames.holds(0)


def test_a_run_folder_that_is_deleted_while_it_is_written_begins_anew(tmp_path):
    movie = tmp_path / "m.tif"
    movie.write_bytes(b"pixels")
    folder = RunFolder.open(tmp_path / "m.lineage", video=movie, overwrite=False)
    folder.start({"video": {"path": str(movie), "position": ""}, "input": {}})
    with folder.record_stage("video", "key"):
        pass

    def write():
        with folder.record_stage("quality", "key", folder.quality):
            shutil.rmtree(folder.root)
            folder.stages.mkdir(parents=True)
            folder.quality.write_text("half of a run")

    with pytest.raises(InputError, match=r"m\.lineage was deleted or moved while it was written"):
        write()
    again = RunFolder.open(tmp_path / "m.lineage", video=movie, overwrite=False)
    assert again.record["stages"] == {}
    assert json.loads(again.json.read_text())["format"] == "lineage-run"


def test_a_stage_that_wrote_other_files_in_an_earlier_version_is_not_done(tmp_path):
    movie = tmp_path / "m.tif"
    movie.write_bytes(b"pixels")
    folder = RunFolder.open(tmp_path / "m.lineage", video=movie, overwrite=False)
    folder.start({"video": {"path": str(movie), "position": ""}, "input": {}})
    earlier = folder.stages / "nuclei.csv"
    with folder.record_stage("segment", "key", earlier):
        earlier.touch()
    assert folder.is_done("segment", "key", earlier)
    assert not folder.is_done("segment", "key", folder.nuclei)
