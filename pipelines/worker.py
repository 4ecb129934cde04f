"""One movie -> its run folder, inside a process of dask's; what it is doing is told to whoever waits."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from lineage.progress import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lineage.config import Config

TOPIC = "lineage-plate"
TELL_EVERY_S = 1.0
# torch's and numba's threads are a process's, not a movie's: a worker of several threads takes turns.
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Told:
    """What a movie is at."""

    movie: str
    stage: str
    done: int
    total: int
    pid: int

    def __post_init__(self) -> None:
        if not 0 <= self.done <= self.total:
            raise ValueError(f"{self.stage} of {self.movie}: {self.done} of {self.total} done")


class Teller(Screen):
    """A screen whose progress goes to dask's scheduler; its sentences are in run.json anyway."""

    def __init__(self, movie: str) -> None:
        super().__init__()
        self.movie = movie

    def say(self, text: str, style: str | None = None) -> None:
        """Nothing: twenty movies at once would not be understood."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Tell when a stage begins, and about every second how far it is."""
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if done == total or time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                self._tell(name, done, total)

        self._tell(name, 0, 0)
        yield progress

    def _tell(self, stage: str, done: int, total: int) -> None:
        from distributed import get_worker

        get_worker().log_event(TOPIC, Told(self.movie, stage, int(done), int(total), os.getpid()).__dict__)


def run_movie(path: Path, out: Path, config: Config) -> str:
    """Take a movie through every stage that is not done yet; begun again, it goes on.

    Returns:
        The run folder.

    Raises:
        InputError: the movie, a setting or the folder cannot be used.
    """
    from lineage.run import run

    with _one_at_a_time:
        return str(run(path, out, config, screen=Teller(out.name)).root)


def versions() -> dict[str, Any]:
    """What a worker runs; fails where it has none of our packages."""
    from lineage import __version__

    return {"lineage": __version__, "pid": os.getpid()}
