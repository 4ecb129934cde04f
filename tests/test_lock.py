"""Two runs never write to one folder."""

import subprocess
import sys

import pytest
import tifffile
from typer.testing import CliRunner

from lineage.command import app
from lineage.io import lock
from lineage.io.lock import locked
from lineage.schema import InputError

HOLDER = """
import sys
from pathlib import Path
from lineage.io.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()  # until whoever started it says so, or is gone
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "WAIT_S", 0.0)


@pytest.fixture
def holder(tmp_path):
    """A process that holds `m.lineage`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "m.lineage")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_run_is_one_line_that_names_the_first(tmp_path, holder):
    import numpy as np

    tifffile.imwrite(tmp_path / "m.tif", np.zeros((14, 64, 64), np.uint8), photometric="minisblack")
    result = CliRunner().invoke(app, [str(tmp_path / "m.tif")])
    assert result.exit_code == 2
    assert f"is being written by another run (process {holder.pid} on " in result.output
    assert not (tmp_path / "m.lineage").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_run_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with locked(tmp_path / "m.lineage"):
        assert (tmp_path / ".m.lineage.lock").exists()


def test_nothing_is_left_behind(tmp_path):
    folder = tmp_path / "new" / "m.lineage"
    with locked(folder), pytest.raises(InputError, match="another run"), locked(folder):
        pass
    assert list(tmp_path.iterdir()) == []


def test_two_folders_do_not_wait_for_each_other(tmp_path):
    with locked(tmp_path / "a.lineage"), locked(tmp_path / "b.lineage"):
        (tmp_path / "b.lineage").mkdir(exist_ok=True)
        (tmp_path / "b.lineage" / "run.json").touch()
    assert (tmp_path / "b.lineage" / "run.json").exists()
