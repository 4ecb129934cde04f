"""One movie -> its run folder, in a dask worker, which sends its progress to the scheduler."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from lineage.progress import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lineage.config import Config

TOPIC = "lineage-plate"
REPORT_EVERY_S = 1.0
# Threads of torch and numba belong to the process: a worker of several threads runs one movie after another.
_one_at_a_time = Lock()


@dataclass(frozen=True)
class ProgressEvent:
    """How far a movie is."""

    movie: str
    stage: str
    done: int
    total: int
    pid: int

    def __post_init__(self) -> None:
        if not 0 <= self.done <= self.total:
            raise ValueError(f"{self.stage} of {self.movie}: {self.done} of {self.total} done")


class EventScreen(Screen):
    """A screen that sends progress to dask's scheduler; messages are left out, they are in run.json too."""

    def __init__(self, movie: str) -> None:
        super().__init__()
        self.movie = movie

    def log(self, text: str, style: str | None = None) -> None:
        """Print nothing: the lines of many movies at once could not be told apart."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Send an event when a stage begins, and then about one a second."""
        last_sent = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal last_sent
            if done == total or time.monotonic() - last_sent > REPORT_EVERY_S:
                last_sent = time.monotonic()
                self._send(name, done, total)

        self._send(name, 0, 0)
        yield progress

    def _send(self, stage: str, done: int, total: int) -> None:
        from distributed import get_worker

        event = ProgressEvent(self.movie, stage, int(done), int(total), os.getpid())
        get_worker().log_event(TOPIC, asdict(event))


def run_movie(path: Path, out: Path, config: Config) -> str:
    """Run all stages of a movie that are not done yet.

    Args:
        path: the movie.
        out: its run folder.
        config: its settings.

    Returns:
        The path of the run folder.

    Raises:
        InputError: the movie, a setting or the folder cannot be used.
    """
    from lineage.run import run

    with _one_at_a_time:
        return str(run(path, out, config, screen=EventScreen(out.name)).root)


def versions() -> dict[str, Any]:
    """The version and process id of a worker; an ImportError where this package is not installed."""
    from lineage import __version__

    return {"lineage": __version__, "pid": os.getpid()}
