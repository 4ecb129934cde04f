"""Runs whose results lack what was said -> `lineage.run`, one at a time, in a process beside the server.

Their report.html is written once nobody says anything for a while, or when the server ends: film strips of a
long movie take longer than all else that a correction changes.
"""

from __future__ import annotations

import atexit
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING

from lineage import __version__
from lineage.io.integrity import RUN_AGAIN, read_record
from lineage.processes import end_with_parent
from lineage.schema import InputError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from lineage.review.movie import Movie

PAUSE_S = 0.7  # lines that follow each other so fast are taken together
REPORT_PAUSE_S = 10.0  # after the last line, until reports are written
WAIT_S = 5.0  # for a run to stop where it is
RETRY_S = 30.0  # after an error, if nothing else was said meanwhile: another run may have held the folder


@dataclass(frozen=True)
class Progress:
    """How it stands with a movie."""

    working: bool = False
    error: str | None = None
    seconds: float | None = None  # that the last time took
    tried: str | None = None  # digest of the lines that it was last tried with
    again_at: float = 0.0  # when they are tried again


class Redo:
    """Redoes runs in a process of its own; the server never waits for it."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._progress: dict[int, Progress] = {}
        self._waiting: dict[int, Movie] = {}
        self._without_report: dict[int, Movie] = {}
        self._under_way: Movie | None = None
        self._last_line = 0.0
        self._is_closed = False
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._thread: Thread | None = None

    def progress(self, movie: Movie) -> Progress:
        """How it stands with a movie."""
        return self._progress.get(movie.number, Progress())

    def ask(self, movie: Movie, *, after_line: bool = False) -> None:
        """Redo a movie if its results do not hold what was said.

        Args:
            movie: the one.
            after_line: a line was just added, and more may follow.
        """
        with self._condition:
            if after_line:
                self._last_line = time.monotonic()
            # Of the one that is under way it is asked again once it is done.
            if self._is_closed or movie is self._under_way or not is_due(movie, self.progress(movie)):
                return
            self._waiting[movie.number] = movie
            self._set(movie, working=True)
            if self._thread is None:
                self._thread = Thread(target=self._work, daemon=True)
                self._thread.start()
            self._condition.notify()

    def warm_up(self) -> None:
        """Start the process beforehand: it reads its libraries for some seconds."""
        with self._condition:
            if not self._is_closed:
                self._worker()

    def close(self) -> None:
        """Write the reports that are left, and end the process.

        A run that is under way goes on where it was the next time.
        """
        with self._condition:
            was_closed, self._is_closed = self._is_closed, True
            self._condition.notify()
            left = [] if was_closed or self._under_way else list(self._without_report.values())
        for movie in left:
            self._redo(movie, report=True)
        with self._condition:
            if self._process is not None:
                self._process.terminate()
                self._process.join(WAIT_S)
                self._process.kill()

    def _set(self, movie: Movie, **changed: object) -> None:
        self._progress[movie.number] = replace(self.progress(movie), **changed)  # type: ignore[arg-type]

    def _work(self) -> None:
        while True:
            with self._condition:
                found = self._next()
                if found is None:
                    return
                movie, report = found
                self._under_way = movie
            self._redo(movie, report=report)

    def _next(self) -> tuple[Movie, bool] | None:
        """What is to be done next, and whether only its report is; None once the server ends."""
        while not self._is_closed:
            due = self._waiting or self._without_report
            pause = PAUSE_S if self._waiting else REPORT_PAUSE_S
            left = self._last_line + pause - time.monotonic() if due else None
            if left is not None and left <= 0:
                return due.pop(next(iter(due))), due is self._without_report
            self._condition.wait(left)
        return None

    def _redo(self, movie: Movie, *, report: bool) -> None:
        """Redo a movie, and leave its report for later; or write that alone."""
        digest, start = None, time.monotonic()
        movie.is_written = not report
        try:
            digest = movie.digest
            with self._condition:
                connection = self._worker()
            connection.send((str(movie.root.resolve()), report))
            error = connection.recv()
        except (EOFError, OSError) as lost:
            error = f"the run could not be redone ({lost or 'its process ended'}): it is tried again"
            with self._condition:
                self._process = self._connection = None
        movie.is_written = False
        now = time.monotonic()
        with self._condition:
            self._under_way = None
            self._set(movie, error=error, tried=digest, again_at=now + RETRY_S)
            if not report:
                self._set(movie, working=False, seconds=round(now - start, 2))
                if error is None:
                    self._without_report[movie.number] = movie
        with suppress(OSError):  # a folder that is gone is asked for again by the page
            self.ask(movie)  # what was said meanwhile

    def _worker(self) -> Connection:
        """The line to the process, which is started if it is not there."""
        if self._connection is None or self._process is None or not self._process.is_alive():
            context = get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,))
            self._process.start()
            theirs.close()
            atexit.register(self.close)  # a server that is stopped twice leaves without a word
        return self._connection


def is_due(movie: Movie, progress: Progress) -> bool:
    """Whether the results lack what was said, and it is not known that they cannot have it."""
    digest = movie.digest
    if progress.tried == digest and time.monotonic() < progress.again_at:
        return False
    return not is_held(movie, digest)


def is_held(movie: Movie, digest: str) -> bool:
    """Whether the results of a run hold some lines."""
    try:
        record = read_record(movie.root)
    except (InputError, OSError):
        return True  # nothing can be redone; whoever reads the tables says why
    return applied(record) == digest and ("tree" in record["stages"] or not digest)


def applied(record: dict) -> str:
    """The digest of the lines that the results of a run hold.

    Args:
        record: run.json.
    """
    return str(record.get("corrections", {}).get("digest", ""))


# --- In the other process


def _serve(connection: Connection) -> None:
    """Redo one run after the other, until the server ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and leaves nothing half done
    Thread(target=end_with_parent, daemon=True).start()
    import lineage.run  # noqa: F401

    while True:
        try:
            root, report = connection.recv()
        except EOFError:
            return
        connection.send(redo(Path(root), report=report))


def redo(root: Path, *, report: bool = True) -> str | None:
    """Run a run again.

    Args:
        root: the run folder.
        report: write its report.html as well.

    Returns:
        What went wrong, in one line; None where nothing did.
    """
    from lineage.progress import Screen
    from lineage.run import reopen, run

    try:
        record = read_record(root)
        if record.get("lineage") != __version__:
            raise InputError(
                f"the run was made by version {record.get('lineage')}, and this is {__version__}: "
                f"{RUN_AGAIN}, which takes the corrections with it"
            )
        movie, config = reopen(root, record)
        run(movie, root, config, screen=Screen(quiet=True), report=report)
    except Exception as error:  # whatever it is, the server goes on, and shows it
        words = " ".join(str(error).split())[:500]
        return words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"
    return None
