"""A plate runs to its end: movies fail, processes are killed, people press Ctrl-C, and it goes on."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from plates import HEADER, write_movie, write_plate, write_slurm
from typer.testing import CliRunner

from lineage import processes
from lineage.console import ENDING
from lineage.progress import Screen
from lineage.run import run
from lineage.schema import InputError
from pipelines import cluster, plate, platemap, slurm, slurm_profile, worker
from pipelines.plate_command import app

TABLES = ("detections.csv", "tracklets.csv", "events.csv", "lineages.csv", "lineage.graphml")
ROOT = Path(__file__).parents[1]
STOPPED = "stopped; what was finished is kept, and the next start goes on\n"
STEMS = ("U251_0Gy_p1", "U251_0Gy_p2")


@pytest.fixture(scope="module")
def movies(tmp_path_factory) -> Path:
    """A plate map of two movies, with their masks."""
    folder = tmp_path_factory.mktemp("movies")
    for n, stem in enumerate(STEMS):
        write_movie(folder / f"{stem}.tif", seed=n)
    rows = [f"{s}.tif,2026-11-30,1,A1,{n},0,U251,none,{s}.masks.tif" for n, s in enumerate(STEMS)]
    return write_plate(folder / "map.csv", *rows, header=f"{HEADER},labels")


@pytest.fixture(scope="module")
def backend():
    # One worker: each has torch to import. That two find the same is for benchmarks/plate_scaling.py to show.
    with cluster.local(1) as backend:
        yield backend


@pytest.fixture(scope="module")
def alone(movies, tmp_path_factory) -> Path:
    """The same movies, each by itself."""
    out = tmp_path_factory.mktemp("alone")
    for movie in platemap.check(movies).movies:
        run(movie.path, out / movie.run_folder, movie.config, screen=Screen())
    return out


@pytest.fixture(scope="module")
def killed(movies, backend, tmp_path_factory):
    """The plate, run while its worker is killed: its folder, and who tried which movie."""
    from distributed import Client

    out, tried = tmp_path_factory.mktemp("runs"), []
    before = {i["pid"] for i in backend.client.run(worker.versions).values()}

    def kill_the_first(event):
        report = event[1]
        if report["stage"] == "segment" and (report["movie"], report["pid"]) not in tried:
            tried.append((report["movie"], report["pid"]))
            if len(tried) == 1:
                os.kill(report["pid"], signal.SIGKILL)

    with Client(backend.client.scheduler.address) as watcher:
        watcher.subscribe_topic(worker.TOPIC, kill_the_first)
        ended = plate.run(platemap.check(movies), out, backend, screen=Screen())
    assert tried[0][1] in before
    assert tried[0][1] not in {i["pid"] for i in backend.client.run(worker.versions).values()}
    assert [(e.reason, e.was_done) for e in ended] == [(None, False)] * 2
    return out, tried


@pytest.fixture(scope="module")
def finished(killed) -> Path:
    return killed[0]


def contents(out: Path) -> dict[str, str]:
    return {
        f"{stem}/{name}": hashlib.sha256((out / f"{stem}.lineage" / name).read_bytes()).hexdigest()
        for stem in STEMS
        for name in TABLES
    }


def test_the_folder_of_the_runs_needs_nothing_else(finished):
    table = platemap.read_copy(finished)
    assert list(table["run_folder"]) == [str(finished / f"{s}.lineage") for s in STEMS]
    assert list(table["dose_gy"]) == [0, 0]
    for run_folder in table["run_folder"]:
        assert json.loads((Path(run_folder) / "run.json").read_text())["dose_gy"] == 0
        assert (Path(run_folder) / "report.html").exists()
        assert len(pd.read_csv(Path(run_folder) / "events.csv")) == 1
    # The copy is a plate map as well, and its copy is itself.
    again = platemap.read(finished / "plate.csv")
    pd.testing.assert_frame_equal(again, platemap.read_copy(finished).assign(run_folder=again["run_folder"]))


def test_done_movies_are_left_alone_and_a_failing_one_stops_no_other(
    finished, movies, backend, tmp_path, capsys
):
    out = tmp_path / "runs"
    out.mkdir()
    (out / f"{STEMS[0]}.lineage").mkdir()
    (out / f"{STEMS[0]}.lineage" / "mine.txt").write_text("not a run")
    (out / f"{STEMS[1]}.lineage").symlink_to(finished / f"{STEMS[1]}.lineage")
    times = {p: p.stat().st_mtime_ns for p in finished.rglob("*.csv")}
    ended = plate.run(platemap.check(movies), out, backend, screen=Screen())
    assert [e.was_done for e in ended] == [False, True]
    assert [bool(e.reason) for e in ended] == [True, False]
    assert "holds something that is no run of ours" in ended[0].reason
    assert {p: p.stat().st_mtime_ns for p in times} == times
    found = capsys.readouterr().out
    assert f"{STEMS[1]}.lineage was done before" in found
    assert f"{STEMS[0]}.lineage failed: " in found


def test_a_killed_worker_costs_nothing_but_time(alone, killed):
    out, tried = killed
    assert [movie for movie, _ in tried].count(tried[0][0]) == 2
    assert contents(out) == contents(alone)


def test_what_workers_are_forked_from_is_there_to_be_read():
    missing = [n for n in (*cluster.PRELOADED, processes.LIBRARIES) if importlib.util.find_spec(n) is None]
    assert missing == []  # a module that is not there would be passed over in silence


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_a_worker_is_forked_from_a_process_of_one_thread_that_has_its_libraries(backend):
    """A fork carries over no other thread, nor what it holds locked; jemalloc's (of pyarrow) sees to that."""
    assert cluster.method() == "forkserver"
    for parent in backend.client.run(os.getppid).values():
        command = Path(f"/proc/{parent}/cmdline").read_bytes()
        assert b"multiprocessing.forkserver" in command
        threads = [(t / "comm").read_text().strip() for t in Path(f"/proc/{parent}/task").iterdir()]
        assert len([name for name in threads if name != "jemalloc_bg_thd"]) == 1, threads
    loaded = backend.client.run(lambda: sorted({m.split(".")[0] for m in sys.modules}))
    assert all({"torch", "numba", "trackpy", "zarr", "classifier"} <= set(names) for names in loaded.values())


def test_the_dashboard_and_all_else_listens_on_this_machine_only(backend):
    import psutil

    assert "dashboard: http://127.0.0.1:" in backend.description
    me = psutil.Process()
    listening = [
        c.laddr.ip
        for process in (me, *me.children(recursive=True))
        for c in process.net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4
    assert set(listening) == {"127.0.0.1"}


def of_group(group: int) -> list:
    """The processes of a group that still live."""
    import psutil

    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):  # one of another test, which has ended since it was listed
            if process.info["status"] != psutil.STATUS_ZOMBIE and process.pid:
                found += [process] * (os.getpgid(process.pid) == group)
    return found


def heed_signals() -> None:
    """Who runs the tests in the background, or by nohup, ignores these, and children take that over."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def ended_by(number: int, *arguments: str, when: str, whole_terminal: bool = True) -> tuple[int, str, list]:
    """Start a plate and end it: its exit code, what it said, and its processes that live on.

    Those that end when the command does may need a moment for it, on a busy machine.
    """
    import psutil

    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.plate", "run", *arguments],
        cwd=ROOT,
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_signals,
    ) as process:
        for line in process.stdout:
            if when in line:
                (os.killpg if whole_terminal else os.kill)(process.pid, number)
        found = process.stderr.read()
    return process.returncode, found, psutil.wait_procs(of_group(process.pid), timeout=120)[1]


@pytest.mark.parametrize(
    ("number", "whole_terminal"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)],
    ids=["Ctrl-C", "kill", "terminal closed"],
)
def test_what_is_ended_ends_cleanly_and_the_next_start_goes_on(
    movies, finished, backend, tmp_path, number, whole_terminal
):
    arguments = [str(movies), "--out", str(tmp_path), "--workers", "1"]
    ended = ended_by(number, *arguments, when="dashboard", whole_terminal=whole_terminal)
    assert ended == (130, STOPPED, [])
    assert not all((tmp_path / f"{s}.lineage" / "report.html").exists() for s in STEMS)
    ended = plate.run(platemap.check(movies), tmp_path, backend, screen=Screen())
    assert [e.reason for e in ended] == [None] * 2
    assert contents(tmp_path) == contents(finished)


def test_a_plate_map_with_mistakes_runs_nothing(movies, tmp_path):
    bad = write_plate(movies.parent / "bad.csv", "gone.tif,2026-11-30,1,A1,1,0,U251,none")
    result = CliRunner().invoke(app, ["run", str(bad), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "line 2: " in result.output
    assert not (tmp_path / "out").exists()


def test_a_file_of_the_user_is_not_replaced_by_the_copy(movies, backend, tmp_path):
    checked = platemap.check(movies)
    write_plate(tmp_path / "plate.csv", "mine")
    with pytest.raises(InputError, match="no checked plate map"):
        plate.run(checked, tmp_path, backend, screen=Screen())
    own = write_plate(
        movies.parent / "plate.csv", *movies.read_text().splitlines()[1:], header=HEADER + ",labels"
    )
    result = CliRunner().invoke(app, ["run", str(own), "--out", str(own.parent)])
    assert result.exit_code == 2
    assert "would replace" in result.output


def test_a_scheduler_that_runs_already_is_used(backend, finished, movies, tmp_path):
    address = backend.client.scheduler.address
    result = CliRunner().invoke(app, ["run", str(movies), "--out", str(finished), "--scheduler", address])
    assert result.exit_code == 0, result.output
    assert f"1 worker of {address}" in result.output
    assert "2 of them before this start" in result.output
    both = CliRunner().invoke(
        app, ["run", str(movies), "--out", str(finished), "--scheduler", "x", "--workers", "1"]
    )
    assert both.exit_code == 2
    assert "exclude each other" in both.output


def test_time_remaining_leaves_out_what_was_done_before():
    tally = plate.Tally({"a": 100, "b": 100, "c": 50})
    tally.end("a", was_done=True)
    tally.report("b", "segment", 41, 100)  # 40 lay there
    assert (tally.done, tally.total) == (0, 110)
    tally.report("b", "segment", 91, 100)
    assert (tally.done, tally.total) == (40, 110)
    tally.end("b", was_done=False)
    tally.end("c", was_done=False)
    assert (tally.done, tally.total) == (110, 110)


def test_a_slurm_profile_becomes_a_job_script(tmp_path):
    profile = tmp_path / "slurm.toml"
    profile.write_text(
        'jobs = 3\ncores = 4\nmemory = "8GB"\nwalltime = "06:00:00"\npartition = "short"\naccount = "cells"\n'
        'directives = ["--constraint=avx512"]\nbefore = ["module load python"]\npython = "/there/python"\n'
        'interface = "ib0"\n'
    )
    script = slurm.job_script(slurm_profile.read_profile(profile), "tcp://10.0.0.1:40001", "plate-1")
    for line in (
        "#SBATCH -J plate-1",
        "#SBATCH -p short",
        "#SBATCH -A cells",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=8G",
        "#SBATCH -t 06:00:00",
        "#SBATCH --constraint=avx512",
        "module load python",
        "export DASK_DISTRIBUTED__WORKER__DAEMON=False",
    ):
        assert line in script.splitlines()
    start = script.splitlines()[-1] or script.splitlines()[-2]
    assert start.startswith(
        "/there/python -m distributed.cli.dask_worker tcp://10.0.0.1:40001 --name $SLURM_JOB_ID "
    )
    assert "--nthreads 1 --memory-limit 7.45GiB --nanny" in start
    assert "--lifetime 357m" in start
    assert start.endswith("--interface ib0")


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Path:
    """The folder of a stand-in for SLURM's commands, which are the first on the path."""
    folder = write_slurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "POLL_EVERY_S", 0)
    monkeypatch.setattr(slurm, "SETTLE_S", 0)
    monkeypatch.chdir(ROOT)
    return folder


def on_slurm(movies: Path, out: Path, *profile: str):
    """Run a plate on SLURM."""
    path = out.parent / "slurm.toml"
    path.write_text("\n".join(profile), encoding="utf-8")
    return CliRunner().invoke(app, ["run", str(movies), "--out", str(out), "--slurm", str(path)])


def test_slurm_jobs_run_a_plate(stand_in, movies, finished, tmp_path):
    result = on_slurm(movies, tmp_path / "runs", "jobs = 1", 'interface = "lo"')
    assert result.exit_code == 0, result.output
    assert "SLURM jobs: 1 waiting\nSLURM jobs: 1 starting\nSLURM jobs: 1 running\n" in result.output
    assert contents(tmp_path / "runs") == contents(finished)
    assert len(list(stand_in.glob("pid.*"))) == 1
    assert not list(stand_in.glob("job.*"))


def idle_nodes() -> str:
    """Those of a SLURM that is really there."""
    if not shutil.which("sbatch") or not shutil.which("sinfo"):
        return ""
    return subprocess.run(["sinfo", "--noheader", "--states=idle"], capture_output=True, text=True).stdout


def test_a_real_slurm_runs_a_plate(movies, finished, tmp_path, monkeypatch):
    if not idle_nodes():
        pytest.skip("no SLURM here, or no idle node")
    # Where the nodes are other machines, they must see pytest's --basetemp.
    monkeypatch.chdir(ROOT)
    logs = f'logs = "{tmp_path / "logs"}"'
    result = on_slurm(movies, tmp_path / "runs", "jobs = 1", 'memory = "2GB"', 'walltime = "00:10:00"', logs)
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "runs") == contents(finished)
    name = re.search(r"called (plate-\w+)", result.output)[1]
    left = ["squeue", "--noheader", "--states=PENDING,RUNNING", "--name", name]
    assert subprocess.run(left, capture_output=True, text=True, check=True).stdout == ""


def test_a_job_that_ends_is_replaced_and_one_without_a_movie_is_cancelled(stand_in, backend):
    profile = slurm_profile.SlurmProfile(jobs=3, before=["exec sleep 1000"])
    with slurm.slurm_jobs(profile, backend.client, screen=Screen()) as jobs:
        jobs.supervise(2)
        first = set(jobs.queue())
        assert len(first) == 2
        assert jobs.supervise(2) == "SLURM jobs: 2 starting"
        assert set(jobs.queue()) == first
        slurm._slurm("scancel", min(first))
        jobs.supervise(2)
        assert len(jobs.queue()) == 2
        assert max(first) in jobs.queue()
        jobs.supervise(5)
        assert len(jobs.queue()) == 3
        (stand_in / "held").write_text("Resources")
        slurm._slurm("scancel", max(first))
        jobs.supervise(5)
        assert jobs.supervise(5) == "SLURM jobs: 2 starting, 1 waiting (Resources)"
        jobs.supervise(2)
        assert jobs.supervise(2) == "SLURM jobs: 2 starting"
        (stand_in / "scancel").rename(stand_in / "scancel.real")
        (stand_in / "scancel").write_text("#!/bin/sh\necho scancel: error: too late >&2; exit 1\n")
        (stand_in / "scancel").chmod(0o755)
        (stand_in / "held").write_text("Resources")
        jobs.supervise(3)
        assert jobs.supervise(2) == "SLURM jobs: 2 starting; scancel refused: too late"
        assert f"too late; jobs called {jobs.name} may be left" in jobs.cancel_all()
        (stand_in / "scancel.real").replace(stand_in / "scancel")
    assert jobs.queue() == {}


def test_a_job_that_slurm_refuses_is_reported(stand_in, movies, tmp_path, backend):
    (stand_in / "refused").write_text("sbatch: error: invalid partition specified: nowhere\n")
    result = on_slurm(movies, tmp_path / "runs", 'interface = "lo"')
    assert result.exit_code == 2
    assert "error: sbatch refused: invalid partition specified: nowhere\n" in result.output
    (stand_in / "refused").unlink()
    with slurm.slurm_jobs(
        slurm_profile.SlurmProfile(before=["exec sleep 1000"]), backend.client, screen=Screen()
    ) as jobs:
        jobs.supervise(1)
        (stand_in / "refused").write_text("sbatch: error: QOSMaxSubmitJobPerUserLimit\n")
        assert jobs.supervise(2) == "SLURM jobs: 1 starting; sbatch refused: QOSMaxSubmitJobPerUserLimit"
        (stand_in / "squeue").write_text("#!/bin/sh\nexit 1\n")
        assert jobs.supervise(2) == "squeue refused: exit code 1; trying again"


def test_jobs_that_end_before_they_work_are_reported(stand_in, movies, tmp_path):
    result = on_slurm(movies, tmp_path / "runs", "jobs = 1", 'interface = "lo"', 'python = "/gone/python"')
    assert result.exit_code == 2
    assert "3 SLURM jobs ended before they could work" in result.output
    assert ["/gone/python" in p.read_text() for p in stand_in.glob("out.*")] == [True] * 3


def test_slurm_where_there_is_none(movies, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = on_slurm(movies, tmp_path / "runs")
    assert result.exit_code == 2
    assert "sbatch is not there" in result.output


def test_ctrl_c_cancels_the_jobs_of_this_start_and_no_other(stand_in, movies, tmp_path):
    (stand_in / "held").write_text("PartitionDown")
    (stand_in / "job.1").write_text("#SBATCH -J plate-other\n")
    (tmp_path / "slurm.toml").write_text('interface = "lo"')
    arguments = [str(movies), "--out", str(tmp_path / "runs"), "--slurm", str(tmp_path / "slurm.toml")]
    assert ended_by(signal.SIGINT, *arguments, when="SLURM jobs: 2 waiting") == (130, STOPPED, [])
    assert [p.name for p in stand_in.glob("job.*")] == ["job.1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cpus = 3", "cpus: Extra inputs"),
        ("jobs = 0", "jobs: Input should be"),
        ('walltime = "1h"', "walltime: "),
        ('memory = "much"', "memory: "),
        ('walltime = "00:05:00"', "a movie takes longer"),
        ("jobs =", "is not TOML"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(tmp_path, text, words):
    (tmp_path / "slurm.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        slurm_profile.read_profile(tmp_path / "slurm.toml")
