"""The faults, each a function: a case's folder and chance -> how it ended."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import damages
import psutil
from faults_runs import (
    LIMIT_S,
    NAME,
    OF_THE_RUN,
    OTHER_PART,
    OUT,
    POLL_S,
    ROOT,
    Command,
    Ending,
    Settings,
    Skipped,
    World,
    Wrong,
    contents,
    differences,
    ended_well,
    one_line,
    orphans,
    run,
    same,
    small_disk,
    start,
    wait_for_moment,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Do = Callable[[World, str, np.random.Generator, int], Ending]

FIRST, LAST = 0.03, 0.97  # of a run's processor time
FIRST_ANEW = 0.2  # where Python starts anew, and loads its libraries before
REAL_EVERY = 10  # kill
TWO_WORKERS = Settings("two.toml", "[segment]\nworkers = 2\n")
YEAR_NS = 365 * 24 * 3600 * 10**9
OLDER = "0332c43"  # of 29 November 2026, 385 commits before this benchmark was written
STOPPED = "stopped; "


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and how often it is done."""

    name: str
    do: Do
    share: float = 0.0  # of the kills
    cases: int = 0  # a fixed number of times in place of a share


def moment(
    world: World, rng: np.random.Generator, *words: object, last: float = LAST, real: bool = False
) -> float:
    """A random moment of a run, in processor seconds."""
    first = FIRST_ANEW if real else FIRST
    return float(rng.uniform(first, last)) * world.undisturbed(*words, real=real)[1]


def disturbed(
    world: World,
    name: str,
    rng: np.random.Generator,
    *words: object,
    last: float = LAST,
    case: Callable[[Path], Any] = lambda at: None,
    real: bool = False,
    **how: Any,
) -> tuple[Path, Command]:
    """A case whose run is at a random moment; begun anew if it ended before."""
    for _ in range(20):
        at = world.case(name)
        for word in words:
            if isinstance(word, Settings):
                (at / word).write_text(word.text)
        case(at)
        seconds = moment(world, rng, *words, last=last, real=real)
        command = run(at, *words, real=real, **how)
        if wait_for_moment(command, seconds):
            return at, command
        ended_well(command.wait())
    raise Wrong("it always ended before the moment")


def killed(world: World, name: str, rng: np.random.Generator, *words: object, last: float = LAST) -> Path:
    """A case whose run was killed at a random moment."""
    at, command = disturbed(world, name, rng, *words, last=last)
    command.end(signal.SIGKILL)
    command.wait()
    return at


# --- Processes that die


def kill(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """All processes get kill -9, up to three times in a row; every tenth run is Python started anew."""
    real = number % REAL_EVERY == 0
    at, command = disturbed(world, name, rng, real=real)
    for n in range(1 + number % 3):
        if n:
            seconds = moment(world, rng, real=real) / 2
            command = run(at, real=real)
            wait_for_moment(command, seconds)
        command.end(signal.SIGKILL)
        command.wait()
        if left := orphans(command):
            raise Wrong(f"processes that live on: {left}")
    ended_well(run(at, real=real).wait())
    return Ending(same(world, at))


def kill_a_worker(world: World, name: str, rng: np.random.Generator, _: int) -> Ending:
    """One of two processes that find nuclei gets kill -9, or the one from which they are forked."""
    words = ("--config", TWO_WORKERS)
    at = world.case(name)
    (at / TWO_WORKERS).write_text(TWO_WORKERS.text)
    command = run(at, *words)
    worker = None
    while worker is None and not command.has_ended:
        with suppress(psutil.Error):
            workers = [
                child
                for child in psutil.Process(command.pid).children(recursive=True)
                if any(word in " ".join(child.cmdline()) for word in ("spawn_main", "forkserver"))
            ]
            if len(workers) > 2:  # the one from which they are forked, too
                worker = workers[rng.integers(len(workers))]
        time.sleep(POLL_S)
    if worker is None:
        raise Wrong(f"no worker was seen: {command.wait().said}")
    until = time.monotonic() + rng.uniform(0, 3)
    while not command.has_ended and time.monotonic() < until:
        time.sleep(POLL_S)
    with suppress(psutil.Error):
        worker.kill()
    line = ""
    if command.wait().code:
        line = one_line(command, names=("died",))
    if left := orphans(command):
        raise Wrong(f"processes that live on: {left}")
    ended_well(run(at, *words).wait())
    return Ending(same(world, at, *words), line)


def cpu_of(process: psutil.Process) -> float:
    """Its processor seconds; very many if it has ended."""
    with suppress(psutil.Error):
        return float(sum(process.cpu_times()[:2]))
    return 1e9


# --- Disks


def full_disk(world: World, name: str, rng: np.random.Generator, _: int) -> Ending:
    """The disk of the run folder fills."""
    at = world.case(name)
    with small_disk(at) as disk:
        words, seconds = ("--out", disk / OUT), moment(world, rng)
        command = run(at, *words)
        if not wait_for_moment(command, seconds):
            raise Wrong(f"it ended before the moment: {command.wait().said}")
        filler = disk / "filler"
        fill(filler, leave=int(rng.integers(0, 200_000)))
        line = one_line(command, names=("full",)) if command.wait().code else ""
        if left := orphans(command):
            raise Wrong(f"processes that live on: {left}")
        if line and "full" not in (again := one_line(run(at, *words).wait())):
            raise Wrong(f"given again while it is full: {again}")
        filler.unlink()
        ended_well(run(at, *words).wait())
        return Ending(same(world, at, out=disk / OUT), line)


def fill(filler: Path, *, leave: int) -> None:
    """Take what a disk has left, but for some bytes."""
    block = b"x" * 65536
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(block)
    with suppress(OSError):
        os.truncate(filler, max(0, filler.stat().st_size - leave))


def read_only(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """The folder may not be written any more: the file system, or the rights of who runs it."""
    if number % 2:
        return read_only_rights(world, name, rng)
    at = world.case(name)
    with small_disk(at) as disk:
        words, seconds = ("--out", disk / OUT), moment(world, rng)
        command = run(at, *words)
        wait_for_moment(command, seconds)
        command.end(signal.SIGKILL)
        command.wait()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        line = one_line(run(at, *words).wait(), names=("may not be written", "read-only"))
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        ended_well(run(at, *words).wait())
        return Ending(same(world, at, out=disk / OUT), line)


def read_only_rights(world: World, name: str, rng: np.random.Generator) -> Ending:
    """While it runs, nothing in its folders may be made, deleted or renamed any more."""
    at, command = disturbed(world, name, rng, last=0.8)
    folders = [at / OUT, *(p for p in (at / OUT).rglob("*") if p.is_dir())]
    try:
        if not shutil.which("chattr") or any(_attribute("+i", p) for p in folders if p.exists()):
            command.end(signal.SIGKILL)
            command.wait()
            raise Skipped("no folder can be made immutable here")
        line = one_line(command, names=("may not be read or written",)) if command.wait().code else ""
    finally:
        for path in folders:
            _attribute("-i", path)
    ended_well(run(at).wait())
    return Ending(same(world, at), line)


def _attribute(word: str, path: Path) -> int:
    """Give or take an attribute of ext4; other than 0 where it may not be."""
    return subprocess.run(["chattr", word, str(path)], check=False, capture_output=True).returncode


def vanishing(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """The folder is deleted while it is written, or its file system goes."""
    if number % 2:
        at, command = disturbed(world, name, rng, last=0.8)
        for _ in range(50):  # what is written meanwhile may be in the way
            shutil.rmtree(at / OUT, ignore_errors=True)
            if not (at / OUT).exists():
                break
        line = one_line(command.wait(), names=(OUT,))
        ended_well(run(at).wait())
        return Ending(same(world, at), line)
    at = world.case(name)
    with small_disk(at) as disk:
        out, seconds = disk / "runs" / OUT, moment(world, rng, last=0.8)
        command = run(at, "--out", out)
        if not wait_for_moment(command, seconds):
            raise Wrong(f"it ended before the moment: {command.wait().said}")
        subprocess.run(["umount", "-l", str(disk)], check=True)
        line = one_line(command.wait(), names=(OUT,))
        ended_well(run(at, "--out", out).wait())
        return Ending(same(world, at, out=out), line)


# --- The movie


def changed(world: World, name: str, rng: np.random.Generator, number: int, *, between: bool) -> Ending:
    """Other pixels of the same size in its place: written over it, or renamed to it."""
    at, command = disturbed(world, name, rng)
    if between:
        command.end(signal.SIGKILL)
        command.wait()
    other = shutil.copy(world.movie(OTHER_PART), at / "other.tif")
    if number % 2:
        other.replace(at / NAME)
    else:
        with (at / NAME).open("r+b") as file:
            file.write(other.read_bytes())
        other.unlink()
    line = ""
    if not between:
        if command.wait().code:
            line = one_line(command, names=(NAME,))
        else:
            same(world, at)  # it had read all of it
    again = run(at).wait()
    if again.code:
        one_line(again, names=(NAME,))
        raise Wrong(f"the other movie is not taken: {again.errors}")
    return Ending(same(world, at, part=OTHER_PART), line)


def broken(world: World, name: str, rng: np.random.Generator, number: int, *, between: bool) -> Ending:
    """It is cut off, moved away or deleted; later it is as it was."""
    at, command = disturbed(world, name, rng)
    if between:
        command.end(signal.SIGKILL)
        command.wait()
    movie, kept = at / NAME, at / "kept"
    shutil.copy2(movie, kept)
    if number % 3 == 0:
        os.truncate(movie, int(movie.stat().st_size * rng.uniform(0.1, 0.9)))
    elif number % 3 == 1:
        movie.unlink()
    else:
        (at / "moved").mkdir()
        movie.replace(at / "moved" / NAME)
    line = ""
    if not between and command.wait().code:
        line = one_line(command, names=(NAME,))
    if number % 3 == 2:
        ended_well(run(at, Path("moved") / NAME).wait())
        (at / "moved" / NAME).replace(movie)
    else:
        line = one_line(run(at).wait(), names=(NAME,))
    kept.replace(movie)
    ended_well(run(at).wait())
    return Ending(same(world, at), line)


# --- Two starts, clocks, memory


def two_starts(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """The same command twice: at once, or the second at a random moment of the first."""
    at, seconds = world.case(name), moment(world, rng, last=0.8)
    first = run(at)
    if number % 2:
        wait_for_moment(first, seconds)
    second = run(at)
    ended = [first.wait(), second.wait()]
    failed = [c for c in ended if c.code]
    if len(failed) == 2:
        raise Wrong(f"both ended: {first.errors} {second.errors}")
    for one in ended:
        if one not in failed:
            ended_well(one)
    line = one_line(failed[0], names=("another run",)) if failed else ""
    return Ending(same(world, at), line)


def clock(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """Files get times a year away between starts; or the clock jumps while it runs."""
    if number % 2:
        at = world.case(name)
        jumps = at.parent / f"{name}.jumps"
        jumps.mkdir(exist_ok=True)
        (jumps / "sitecustomize.py").write_text(JUMPING)
        ended_well(
            run(
                at, env={"PYTHONPATH": str(jumps), "JUMPS": str(int(rng.integers(1, 10**6)))}, real=True
            ).wait()
        )
        shutil.rmtree(jumps)
        return Ending(same(world, at))
    at = killed(world, name, rng)
    away = YEAR_NS if number % 4 else -YEAR_NS
    for path in [p for p in at.rglob("*") if p.is_file()]:
        stamp = path.stat().st_mtime_ns + away
        os.utime(path, ns=(stamp, stamp))
    ended_well(run(at).wait())
    return Ending(same(world, at))


JUMPING = """
import os, random, time
jumps, real, real_ns = random.Random(int(os.environ["JUMPS"])), time.time, time.time_ns
time.time = lambda: real() + jumps.uniform(-1e8, 1e8)
time.time_ns = lambda: real_ns() + jumps.randrange(-10**17, 10**17)
"""


def memory(world: World, name: str, _rng: np.random.Generator, number: int) -> Ending:
    """No process may have more than 2 GB of addresses, or less."""
    limits = (2000, 2000, 1500, 1200, 1000, 800)
    limit = limits[number % len(limits)] * 10**6
    words = ("--config", TWO_WORKERS) if number % 2 else ()
    at = world.case(name)
    if words:
        (at / TWO_WORKERS).write_text(TWO_WORKERS.text)
    command = run(at, *words, before=partial(limit_memory, limit), real=True).wait()
    if not command.code:
        ended_well(command)
        return Ending(same(world, at, *words))
    line = one_line(command, names=("memory",))
    ended_well(run(at, *words).wait())
    return Ending(same(world, at, *words), line)


def limit_memory(n_bytes: int) -> None:
    """Let this process, and each that it starts, have so many addresses."""
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))


# --- Signals


def signalled(
    world: World, name: str, rng: np.random.Generator, number: int, *, what: int, group: bool
) -> Ending:
    """A signal at a random moment; every second run has two workers."""
    words = ("--config", TWO_WORKERS) if number % 2 else ()
    at, command = disturbed(world, name, rng, *words)
    command.end(what, group=group)
    return gone_on(world, at, command.wait(), *words)


def gone_on(world: World, at: Path, command: Command, *words: object) -> Ending:
    """What was stopped has said so, left no process, and goes on."""
    line = ""
    if command.code and "tables, graphs and crops" not in command.said:  # else it was at its end
        line = one_line(command, code=130, names=(STOPPED,))
    if left := orphans(command):
        raise Wrong(f"processes that live on: {left}")
    ended_well(run(at, *words).wait())
    return Ending(same(world, at, *words), line)


def closed_terminal(world: World, name: str, rng: np.random.Generator, _: int) -> Ending:
    """It runs in a terminal, which closes: there is nobody to say a line to."""
    at, seconds = world.case(name), moment(world, rng, real=True)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(at)
        os.environ["PYTHONPATH"], os.environ["OMP_NUM_THREADS"] = str(ROOT), "1"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-m", "lineage.run", NAME, "--out", OUT])
    status = 0
    begun = time.monotonic()
    try:
        os.set_blocking(terminal, False)
        while time.monotonic() - begun < LIMIT_S:
            with suppress(BlockingIOError, OSError):
                os.read(terminal, 4096)
            if psutil.pid_exists(child) and cpu_now(child) >= seconds:
                break
            time.sleep(POLL_S)
    finally:
        os.close(terminal)
    until = time.monotonic() + 60
    ended = 0
    while not ended and time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(POLL_S)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise Wrong("it runs on for a minute after its terminal closed")
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 130):
        raise Wrong(f"exit code {code}")
    gone = Command(subprocess.Popen(["true"]), at)
    gone.wait()
    gone.process.pid = child
    if left := orphans(gone):
        raise Wrong(f"processes that live on: {left}")
    ended_well(run(at).wait())
    return Ending(same(world, at))


def cpu_now(pid: int) -> float:
    """Processor seconds of a process; very many if it has ended."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return cpu_of(process)
    return 1e9


# --- Files of a run folder


def kinds_of_files(folder: Path) -> list[str]:
    """One file of each kind in a run folder: by its name without numbers, and its place."""
    found: dict[str, str] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        kind = re.sub(r"\d+", "0", name)
        if name.startswith("lineage.geff/"):
            kind = "geff " + re.sub(r"\d+", "0", path.name)
        found[kind] = name
    return list(found.values())


WAYS = (damages.truncate, damages.zeros, damages.noise, damages.flip, damages.empty, damages.delete,
        damages.cut_out)  # fmt: skip


def corrupt(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """A file of a finished run is damaged: it is named, and made again or refused."""
    whole_at = world.undisturbed()[2]
    kinds = kinds_of_files(whole_at / OUT)
    at = world.case(name)
    shutil.copytree(whole_at / OUT, at / OUT)
    chosen = kinds[number % len(kinds)]
    path = at / OUT / chosen
    before = path.read_bytes()
    what = ""
    while not path.exists() or path.read_bytes() == before:
        what = WAYS[int(rng.integers(len(WAYS)))](path, rng)
        if not path.exists():
            break
    command = run(at).wait()
    try:
        if command.code:
            if chosen != "run.json":
                raise Wrong(f"exit code {command.code}: {command.said} {command.errors}")
            line = one_line(command, names=("run.json", "no run"))
            if "no run" in line:  # of which nothing may be overwritten
                return Ending(line=line)
            ended_well(run(at, "--overwrite").wait())
            return Ending(same(world, at), line)
        ended_well(command)
        of = [line for line in command.said.splitlines() if "changed since it was written" in line]
        if not of or not any(chosen.startswith(n.strip()) for n in of[0].split(":")[0].split(",")):
            raise Wrong(f"not named: {command.said}")
        return Ending(same(world, at), of[0])
    except Wrong as wrong:
        raise Wrong(f"{chosen}: {what}: {wrong}") from None


def corrupt_half(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """A file that a killed run left of its segmentation is damaged, as by a power cut."""
    at = world.case(name)
    command = run(at)
    while not command.has_ended and len(list(at.glob(f"{OUT}/stages/nuclei/*/*"))) < 6:
        time.sleep(POLL_S)
    command.end(signal.SIGKILL)
    command.wait()
    patterns = ("stages/nuclei/*/*", "labels.zarr/raw/*/0/0")
    files = sorted((at / OUT).glob(patterns[number % 2]))
    path = files[int(rng.integers(len(files)))]
    before, what = path.read_bytes(), ""
    while not path.exists() or path.read_bytes() == before:
        ways = (*WAYS, damages.lose_line, damages.lose_end) if path.suffix == ".csv" else WAYS
        what = ways[int(rng.integers(len(ways)))](path, rng)
        if not path.exists():
            break
    try:
        ended_well(run(at).wait())
        return Ending(same(world, at))
    except Wrong as wrong:
        raise Wrong(f"{path.relative_to(at)}: {what}: {wrong}") from None


def older(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """A run of an older version: without checksums, of another format, and by the older program itself."""
    whole, _, whole_at = world.undisturbed()
    at = world.case(name)
    if number == 2:
        return older_program(world, at)
    shutil.copytree(whole_at / OUT, at / OUT)
    record = json.loads((at / OUT / "run.json").read_text())
    record.pop("sha256")
    if number == 0:
        for stage in record["stages"].values():
            stage.pop("sums", None)
    else:
        record["format_version"] = {1: 0, 3: 1, 4: 2}[number]
        if number == 3:
            record["lineage"] = "0.1.0"
            for stage in record["stages"].values():
                stage["key"] = "earlier"
    (at / OUT / "run.json").write_text(json.dumps(record))
    command = run(at).wait()
    if number in (0, 3):
        ended_well(command)
        found = contents(at / OUT, at)
        other = differences(whole, {**found, "run.json": whole["run.json"]} if number == 0 else found)
        if other:
            raise Wrong(f"not as without the fault: {other}")
        return Ending(same=True)
    line = one_line(command, names=("version",))
    ended_well(run(at, "--overwrite").wait())
    return Ending(same(world, at), line)


def older_program(world: World, at: Path) -> Ending:
    """Half a run by an older program, and the rest by this one, which must say that it is another's."""
    old = at.parent / f"{at.name}.program"
    old.mkdir(exist_ok=True)
    words = ["git", "-C", str(ROOT), "archive", OLDER]
    archive = subprocess.run(words, check=False, capture_output=True)
    if archive.returncode:
        raise Skipped(f"there is no {OLDER} here")
    subprocess.run(["tar", "-x", "-C", str(old)], input=archive.stdout, check=True)
    begun = subprocess.run(
        [sys.executable, "-m", "lineage.run", NAME, "--out", OUT], cwd=at, capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": str(old), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if begun.returncode:
        raise Skipped(f"{OLDER} does not run here: {begun.stderr[-200:]}")
    shutil.rmtree(old)
    command = run(at).wait()
    if command.code:
        line = one_line(command, names=("version",))
        ended_well(run(at, "--overwrite").wait())
        return Ending(same(world, at), line)
    ended_well(command)
    # Of the same version number stages that have the same keys are kept, so the bytes may be the older ones.
    whole, found = world.undisturbed()[0], contents(at / OUT, at)
    other = differences(whole, {n: s for n, s in found.items() if n in whole})  # of names of its own
    if other:
        raise Wrong(f"a mixture: {other}")
    return Ending(same=True)


# --- Plates


def write_plate(at: Path) -> Path:
    """A plate map of four tiny movies with masks."""
    import plates

    movies = [plates.write_movie(at / f"{n}.tif", seed=n) for n in range(4)]
    rows = [f"{m.name},2026-11-30,1,A{n + 1},1,0,U251,none,{m.stem}.masks.tif" for n, m in enumerate(movies)]
    return plates.write_plate(at / "plate.csv", *rows, header=f"{plates.HEADER},labels")


def plate_reference(world: World) -> tuple[dict[str, str], float]:
    """Contents of an undisturbed plate, and its processor seconds."""
    sys.path.append(str(ROOT / "tests"))
    with world.lock:
        if "plate" not in world.references:
            at = world.folder / "whole_plate"
            at.mkdir()
            write_plate(at)
            begun = time.monotonic()
            ended_well(run_plate(at).wait())
            found = of_plate(at)
            world.references["plate"] = found, time.monotonic() - begun, at
    return world.references["plate"][:2]


def of_plate(at: Path) -> dict[str, str]:
    """Contents of its run folders; a stage's key holds where the masks lie, and their time."""
    return contents(at / "runs", at, but=(*OF_THE_RUN, "key"))


def run_plate(at: Path, *words: object) -> Command:
    """Start a plate, with two workers unless `words` say otherwise."""
    return start(
        "pipelines.plate", "run", "plate.csv", "--out", "runs", *(words or ("--workers", 2)), at=at, real=True
    )


def plate(world: World, name: str, rng: np.random.Generator, number: int) -> Ending:
    """The scheduler dies in the middle: with the command that it belongs to, or one of its own."""
    whole, seconds = plate_reference(world)
    at = world.case(name)
    write_plate(at)
    line = ""
    others: list[Command] = []
    try:
        if number % 2:
            line = lost_scheduler(at, rng, others)
        else:
            command = run_plate(at)
            time.sleep(float(rng.uniform(0.2, 0.9)) * seconds)
            command.end(signal.SIGKILL)
            command.wait()
            if left := orphans(command, 60.0):
                raise Wrong(f"processes that live on: {left}")
    finally:
        for one in others:
            one.end(signal.SIGKILL)
            one.wait()
    ended_well(run_plate(at).wait())
    if other := differences(whole, of_plate(at)):
        raise Wrong(f"not as without the fault: {other}")
    return Ending(same=True, line=line)


def lost_scheduler(at: Path, rng: np.random.Generator, others: list[Command]) -> str:
    """Kill a scheduler that ran by itself; the plate's last line."""
    address = at / "scheduler.json"
    scheduler = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", 0,
                      "--no-dashboard", "--scheduler-file", address, at=at, real=True)  # fmt: skip
    others.append(scheduler)
    for _ in range(2):
        words = ("--nthreads", 1, "--host", "127.0.0.1", "--no-dashboard", "--no-nanny")
        worker = start("distributed.cli.dask_worker", "--scheduler-file", address, *words, at=at, real=True)
        others.append(worker)
    while not address.exists():
        time.sleep(0.05)
    command = run_plate(at, "--scheduler", json.loads(address.read_text())["address"])
    while not command.has_ended and not list((at / "runs").glob("*/run.json")):
        time.sleep(0.05)
    time.sleep(float(rng.uniform(0, 5)))
    scheduler.end(signal.SIGKILL)
    if command.wait(180.0).code == 0:
        return ""
    if command.code not in (1, 2) or "Traceback" in command.said + command.errors:
        raise Wrong(f"exit code {command.code}: {command.said[-600:]} {command.errors[-2000:]}")
    lines = [x for x in command.errors.splitlines() if x.strip()]
    if len(lines) > 1:
        raise Wrong(f"not one line: {command.errors[-2000:]}")
    return lines[0] if lines else command.said.splitlines()[-1]


FAULTS = (
    Fault("kill -9 of all processes, up to three times in a row", kill, share=1),
    Fault("kill -9 of a worker, or of what it is forked from", kill_a_worker, share=0.1),
    Fault("disk full", full_disk, share=0.2),
    Fault("run folder read-only", read_only, share=0.04),
    Fault("run folder vanishes", vanishing, share=0.06),
    Fault("movie changed during the run", partial(changed, between=False), share=0.08),
    Fault("movie changed between starts", partial(changed, between=True), share=0.04),
    Fault("movie cut off, deleted or moved during the run", partial(broken, between=False), share=0.09),
    Fault("movie cut off, deleted or moved between starts", partial(broken, between=True), share=0.06),
    Fault("two starts on one folder", two_starts, share=0.06),
    Fault("clock jumps, times a year away", clock, share=0.06),
    Fault("SIGTERM", partial(signalled, what=signal.SIGTERM, group=False), share=0.06),
    Fault("SIGTERM to all processes", partial(signalled, what=signal.SIGTERM, group=True), share=0.06),
    Fault("SIGHUP to all processes", partial(signalled, what=signal.SIGHUP, group=True), share=0.06),
    Fault("Ctrl-C", partial(signalled, what=signal.SIGINT, group=True), share=0.06),
    Fault("terminal closed", closed_terminal, share=0.04),
    Fault("2 GB of memory a process, and less", memory, cases=6),
    Fault("damaged file in a finished run", corrupt, cases=40),
    Fault("damaged file in a killed run", corrupt_half, share=0.08),
    Fault("run of an older version", older, cases=5),
    Fault("scheduler of a plate dies", plate, share=0.04),
)
