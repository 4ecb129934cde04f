"""Small movies, real commands on them, and what they leave: started, ended at a moment, compared."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import tifffile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import ForkServerProcess

ROOT = Path(__file__).resolve().parents[1]
NAME = "m.ome.tif"
OUT = "m.lineage"
MASKS = "masks.tif"  # in a case that has them they take the place of a segmentation
# Frames, rows and columns of examples/demo.tif: a dozen cells and three mitoses.
PART = slice(18, 32), slice(190, 290), slice(180, 280)
OTHER_PART = slice(17, 31), slice(190, 290), slice(180, 280)
LIMIT_S = 600.0  # for one command
POLL_S = 0.01
# What run.json says of the run and not of its results; report.html lists the same.
OF_THE_RUN = ("seconds", "peak_memory_mb", "modified_ns")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def write_movie(path: Path, part: tuple[slice, slice, slice] = PART) -> Path:
    """A part of the example movie."""
    frames, rows, columns = part
    pixels = tifffile.imread(ROOT / "examples" / "demo.tif")[frames, :, rows, columns]
    size = {"PhysicalSizeX": 1.1518, "PhysicalSizeY": 1.1518}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm", "TimeIncrementUnit": "s"}
    channels = {"Channel": {"Name": ["phase", "SiR-DNA"]}}
    tifffile.imwrite(
        path, pixels, metadata={"axes": "TCYX", "TimeIncrement": 600.0} | size | units | channels
    )
    return path


@dataclass
class Command:
    """A command under way, and what it said once it has ended."""

    process: subprocess.Popen | ForkServerProcess
    said_at: Path  # stdout; stderr beside it
    code: int = 0

    @property
    def pid(self) -> int:
        """Of its first process, and of the session and group of all."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def said(self) -> str:
        """On stdout."""
        return self.said_at.read_text(encoding="utf-8", errors="replace")

    @property
    def errors(self) -> str:
        """On stderr."""
        return self.said_at.with_suffix(".err").read_text(encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if isinstance(self.process, subprocess.Popen):
            return self.process.poll()
        with _STARTING:
            return self.process.exitcode

    def wait(self, limit_s: float = LIMIT_S) -> Command:
        """Wait until it ends; one that hangs is killed, and has the code -9."""
        until = time.monotonic() + limit_s
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                self.end(signal.SIGKILL)
            time.sleep(POLL_S)
        self.code = code
        return self

    def end(self, number: int, *, group: bool = True) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    @property
    def has_ended(self) -> bool:
        """Whether its first process is no more."""
        return self.poll() is not None


def heed_signals() -> None:
    """A benchmark that is run in the background, or by nohup, ignores these, and children take that over."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def start(
    module: str,
    *words: object,
    at: Path,
    before: Callable[[], None] | None = None,
    env: dict[str, str] | None = None,
    real: bool = False,
) -> Command:
    """Start `python -m module words` in a session of its own, in the folder `at`.

    Args:
        module: a command.
        words: of its command line.
        at: the folder of the case; what the command says is kept beside it.
        before: called in the new process before the command.
        env: further variables of its environment.
        real: start Python anew; else a process is forked in which the libraries are loaded already, which
            takes a third of the time.
    """
    said_at = at.parent / f"{at.name}.{time.monotonic_ns()}.out"
    path = os.pathsep.join([*(v for v in [(env or {}).get("PYTHONPATH")] if v), str(ROOT)])
    variables = {"OMP_NUM_THREADS": "1"} | (env or {}) | {"PYTHONPATH": path}
    given = [*map(str, words)]
    if not real:
        arguments = (module, given, at, said_at, variables, before)
        with _STARTING:
            process = _LOADED.Process(target=_in_loaded_process, args=arguments)
            process.start()
        command = Command(process, said_at)
        while not said_at.with_suffix(".err").exists():  # before, it is not in its own session
            if command.has_ended:
                raise Wrong(f"it did not start: {process}")
            time.sleep(POLL_S)
        return command

    def prepare() -> None:
        heed_signals()
        if before:
            before()

    with said_at.open("wb") as out, said_at.with_suffix(".err").open("wb") as err:
        anew = subprocess.Popen(
            [sys.executable, "-m", module, *given],
            cwd=at,
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=prepare,
        )
    return Command(anew, said_at)


_STARTING = threading.Lock()  # multiprocessing keeps a list of its processes that knows no threads
_LOADED = get_context("forkserver")
_LOADED.set_forkserver_preload(["faults_loaded"])


def _in_loaded_process(
    module: str,
    words: list[str],
    at: Path,
    said_at: Path,
    variables: dict[str, str],
    before: Callable[[], None] | None,
) -> None:
    """What `python -m module` does, in a process that was forked for it."""
    os.setsid()
    heed_signals()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(at)
    os.environ.update(variables)
    for number, path in ((1, said_at), (2, said_at.with_suffix(".err"))):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = [module, *words]
    if before:
        before()
    sys.modules.pop(module, None)  # as a command is not loaded before it is run
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def run(at: Path, *words: object, **how: Any) -> Command:
    """Start the run of a case's movie; of another if `words` begin with its path."""
    movie = () if words and str(words[0]).endswith(".tif") else (NAME,)
    out = () if "--out" in words else ("--out", OUT)
    masks = ("--labels", MASKS) if (at / MASKS).exists() else ()
    return start("lineage.run", *movie, *words, *out, *masks, at=at, **how)


def cpu_s(pid: int) -> float:
    """Processor seconds of a process, without those that it started; 0 if it has ended."""
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def wait_for_moment(command: Command, seconds: float) -> bool:
    """Wait until a command has worked so long; says whether it still runs then.

    Processor seconds, so that moments fall where they should on a busy machine, too.
    """
    while not command.has_ended:
        if cpu_s(command.pid) >= seconds:
            return not command.has_ended
        time.sleep(POLL_S)
    return False


def of_session(session: int) -> list[psutil.Process]:
    """The processes of a session that still live."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(psutil.Error, ProcessLookupError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session:
                found.append(process)
    return found


def orphans(command: Command, patience_s: float = 20.0) -> str:
    """Names of processes that a command left; those that are ending may need a moment."""
    left = psutil.wait_procs(of_session(command.pid), timeout=patience_s)[1]
    names = []
    for process in left:
        with suppress(psutil.Error):
            names.append(" ".join(process.cmdline())[:120])
    return "; ".join(names)


# --- What is left


def contents(folder: Path, at: Path, *, but: tuple[str, ...] = OF_THE_RUN) -> dict[str, str]:
    """Name -> checksum of every file of a run folder, without what differs between two undisturbed runs.

    Args:
        folder: a run folder, or several in a folder.
        at: of the case; where it lies is left out.
        but: keys of run.json, and of the list of it on the report, that are left out.
    """
    in_report = re.compile(rb"((?:%s)</td><td>)[\w.]+" % "|".join(but).encode())
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.name == "run.json":
            content = json.dumps(_lasting(json.loads(content), but), sort_keys=True).encode()
        if path.name == "report.html":
            content = in_report.sub(rb"\1", content)
        content = content.replace(str(at).encode(), b"HERE")
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def _lasting(record: Any, but: tuple[str, ...]) -> Any:
    if isinstance(record, list):
        return [_lasting(v, but) for v in record]
    if not isinstance(record, dict):
        return record
    # The report holds the times, so that its own size and sum differ, and so does the sum of all of run.json.
    left_out = {*but, "report.html", *(["sha256"] if "format_version" in record else [])}
    return {k: _lasting(v, but) for k, v in record.items() if k not in left_out}


def differences(before: dict[str, str], after: dict[str, str]) -> str:
    """Files that are not the same; empty if all are."""
    names = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


@dataclass
class Ending:
    """How one fault ended."""

    same: bool = False  # the results at the end are those of an undisturbed run, byte for byte
    line: str = ""  # the one line that was said
    wrong: str = ""  # what went wrong


class Wrong(Exception):
    """What a fault led to that it must not."""


class Skipped(Exception):
    """Why a fault cannot be made here."""


def one_line(command: Command, *, code: int = 2, names: tuple[str, ...] = ()) -> str:
    """The one line of a command that did not end well.

    Args:
        command: it has ended.
        code: the exit code that is documented.
        names: words of which the line must have one.

    Raises:
        Wrong: it hung, crashed, said more or less, or nothing of `names`.
    """
    errors = [line for line in command.errors.splitlines() if line.strip()]
    words = f"exit code {command.code}; {command.said[-400:]} {command.errors[-1500:]}"
    if command.code != code:
        raise Wrong(f"not exit code {code}: {words}")
    if len(errors) != 1 or not errors[0].startswith(("error: ", "stopped; ")):
        raise Wrong(f"not one line: {words}")
    if "Traceback" in command.said or (names and not any(n in errors[0] for n in names)):
        raise Wrong(f"the line does not say what is wrong: {words}")
    return errors[0]


def ended_well(command: Command) -> Command:
    """The command, which must have ended well.

    Raises:
        Wrong: it did not.
    """
    if command.code != 0 or command.errors.strip():
        raise Wrong(f"exit code {command.code}: {command.said[-600:]} {command.errors[-2000:]}")
    return command


# --- The same without a fault


@dataclass
class World:
    """Where cases lie, and what undisturbed runs come to."""

    folder: Path
    movies: dict[str, Path] = field(default_factory=dict)  # in place of a part of the example, and masks
    references: dict[Any, tuple[dict[str, str], float, Path]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    making: threading.Lock = field(default_factory=threading.Lock)

    def case(self, name: str, *, part: tuple[slice, slice, slice] = PART) -> Path:
        """A new folder with the movie in it."""
        at = self.folder / name
        shutil.rmtree(at, ignore_errors=True)
        at.mkdir(parents=True)
        shutil.copy2(self.movies.get(NAME) or self.movie(part), at / NAME)
        if MASKS in self.movies:
            shutil.copy2(self.movies[MASKS], at / MASKS)
        return at

    def movie(self, part: tuple[slice, slice, slice]) -> Path:
        """A part of the example movie; made once, as each time it would get another identifier."""
        path = self.folder / f"movie{part[0].start}.ome.tif"
        with self.making:
            return path if path.exists() else write_movie(path, part)

    def undisturbed(
        self, *words: object, part: tuple[slice, slice, slice] = PART, real: bool = False
    ) -> tuple[dict[str, str], float, Path]:
        """Contents of an undisturbed run with some options, its processor seconds, and its case."""
        key = (*map(str, words), str(part), real)
        with self.lock:
            if key not in self.references:
                at = self.case(f"whole{len(self.references)}", part=part)
                for word in words:
                    if isinstance(word, Settings):
                        (at / word).write_text(word.text)
                ended_well(run(at, *words, "--overwrite", real=real).wait())  # loops are compiled, once
                command, most = run(at, *words, "--overwrite", real=real), 0.0
                while not command.has_ended:
                    most = max(most, cpu_s(command.pid))
                    time.sleep(POLL_S)
                ended_well(command.wait())
                self.references[key] = contents(at / OUT, at), most, at
        return self.references[key]


class Settings(str):
    """The name of a file of settings, with what is in it."""

    __slots__ = ("text",)

    def __new__(cls, name: str, text: str) -> Settings:  # noqa: D102
        found = super().__new__(cls, name)
        found.text = text
        return found


def same(world: World, at: Path, *words: object, out: Path | None = None,
         part: tuple[slice, slice, slice] = PART) -> bool:  # fmt: skip
    """True if a case's run folder is as an undisturbed run leaves it.

    Raises:
        Wrong: it is not.
    """
    other = differences(world.undisturbed(*words, part=part)[0], contents(out or at / OUT, at))
    if other:
        raise Wrong(f"not as without the fault: {other}")
    left = [p.name for p in at.iterdir() if p.name.endswith((".part", ".old", ".lock"))]
    if left:
        raise Wrong(f"left behind: {', '.join(left)}")
    return True


@contextmanager
def small_disk(at: Path, size: str = "64m") -> Iterator[Path]:
    """A file system in memory, `at/disk`.

    Raises:
        Skipped: none may be mounted here.
    """
    disk = at / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "faults", str(disk)]
    if not shutil.which("mount") or subprocess.run(words, check=False, capture_output=True).returncode:
        raise Skipped("no file system may be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)
