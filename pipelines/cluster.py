"""Where the movies run: this machine, a dask scheduler that is there already, or SLURM."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.processes import cores
from lineage.schema import InputError
from pipelines.signals import begin_tracker
from pipelines.worker import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distributed import Client

    from lineage.progress import Screen

LOCALHOST = "127.0.0.1"
BYTES_A_MOVIE = 1_500_000_000  # five days of 1024 x 1024 took 0.96 GB at the peak
SHARE_OF_MEMORY = 0.9  # the rest is the system's
DASHBOARD = f"{LOCALHOST}:0"  # dask's own choice is every interface
KEY = "movie"  # the first word of every task's key
SETTINGS = {
    # Movies of one worker may be segmented by processes of its own, which daemons may not start.
    "distributed.worker.daemon": False,
    # A worker's memory is numpy's and torch's, of which dask can write nothing to disk.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # The longest movie is placed first; where a movie is does not matter.
    "distributed.scheduler.worker-saturation": 1.0,
    # Taken for as short as dask takes what it does not know, all movies would wait for one SLURM job.
    "distributed.scheduler.default-task-durations": {KEY: "1h"},
}
EXTRA = "dask or dask-jobqueue is not installed; say: pip install 'mitosis-lineage[plates]'"


def _needs_nothing(movies_left: int) -> str:
    return ""


@dataclass(frozen=True, eq=False)
class Place:
    """Where the movies run."""

    client: Client
    processes: int | None  # that share a movie's frames; None leaves it to the movie, which takes all cores
    words: str
    look_after: Callable[[int], str] = _needs_nothing  # movies left -> how its workers stand, in words


def workers_for(n_movies: int) -> int:
    """As many as there are cores, movies, and memory for."""
    return max(1, min(cores(), n_movies, int(memory_bytes() * SHARE_OF_MEMORY // BYTES_A_MOVIE)))


def memory_bytes() -> int:
    """Of this machine, or what of it this process may have."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)


def processes_a_movie(workers: int) -> int | None:
    """How many processes share a movie's frames; None leaves it to the movie, which takes all cores.

    >>> processes_a_movie(1), processes_a_movie(10_000)
    (None, 1)
    """
    return None if workers == 1 else max(1, cores() // workers)


@contextmanager
def local(workers: int) -> Iterator[Place]:
    """A cluster of this machine's; each worker is a process of one thread with its share of memory."""
    dask, distributed = _dask()
    memory = int(memory_bytes() * SHARE_OF_MEMORY / workers)
    with _quiet_end(), dask.config.set(SETTINGS), distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, memory_limit=memory, host=LOCALHOST,
        dashboard_address=DASHBOARD, silence_logs=logging.CRITICAL, env={"MPLBACKEND": "Agg"},
    ) as cluster, distributed.Client(cluster) as client:  # fmt: skip
        client.register_plugin(_ignore_interrupts(distributed))
        words = f"{workers} worker{'s' * (workers > 1)} on this machine, {memory / 1e9:.1f} GB each"
        yield Place(client, processes_a_movie(workers), f"{words}; dashboard: {_own_dashboard(client)}")


@contextmanager
def remote(address: str) -> Iterator[Place]:
    """A scheduler that is running, with its workers.

    Raises:
        InputError: nobody answers there.
    """
    _, distributed = _dask()
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no dask scheduler answers at {address}; it looks like tcp://HOST:8786") from error
    with client:
        threads = client.nthreads().values()
        try:
            client.run(versions)
        except ImportError as error:
            raise InputError(
                f"a worker of {address} cannot run movies ({error}); install this package there"
            ) from error
        words = f"{len(threads)} worker{'s' * (len(threads) != 1)} of {client.scheduler.address}"
        if any(n > 1 for n in threads):
            words += "; some have several threads, of which one works (start them with --nthreads 1)"
        yield Place(client, 1, f"{words}; dashboard: {client.dashboard_link}")


@contextmanager
def slurm(profile: Path, n_movies: int, *, screen: Screen) -> Iterator[Place]:
    """Jobs of one movie at a time each, begun and ended as there is work.

    Raises:
        InputError: the profile cannot be used, or SLURM's commands are not there.
    """
    from pipelines.slurm import answers, jobs_of
    from pipelines.slurm_profile import read_profile

    dask, distributed = _dask()
    told = read_profile(profile)
    answers()
    with (
        dask.config.set(SETTINGS),
        _scheduler(distributed, told.interface) as cluster,
        distributed.Client(cluster) as client,
        jobs_of(told, client, screen=screen) as jobs,
    ):
        client.register_plugin(_end_at_once(distributed))
        words = (
            f"up to {min(told.jobs, n_movies)} SLURM jobs of {told.cores} cores, {told.memory}, "
            f"{told.walltime}, called {jobs.name}"
        )
        yield Place(client, told.cores, f"{words}; dashboard: {_own_dashboard(client)}", jobs.look_after)


def _scheduler(distributed: Any, interface: str | None) -> Any:
    """A scheduler in this process, without a worker."""
    options = {"dashboard_address": DASHBOARD, "interface": interface}
    try:
        return distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": options}, silence_logs=logging.CRITICAL
        )
    except RuntimeError as error:
        raise InputError(f"the scheduler cannot start: {error.__cause__ or error}") from error


def _dask() -> tuple[Any, Any]:
    try:
        import dask
        import distributed
    except ImportError as error:
        raise InputError(EXTRA) from error
    return dask, distributed


@contextmanager
def _quiet_end() -> Iterator[None]:
    """Workers that are ended in the middle of a movie leave a semaphore, which Python would warn of."""
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = f"{before},{quiet}" if before else quiet
    try:
        begin_tracker()
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _ignore_interrupts(distributed: Any) -> Any:
    class IgnoreInterrupts(distributed.WorkerPlugin):  # type: ignore[misc]
        """Ctrl-C and the terminal's end reach every process of it; only the first should act on them."""

        name = "ignore-interrupts"

        def setup(self, worker: Any) -> None:
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if hasattr(signal, "SIGHUP"):
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

    return IgnoreInterrupts()


def _end_at_once(distributed: Any) -> Any:
    class EndAtOnce(distributed.WorkerPlugin):  # type: ignore[misc]
        """A worker that closes has handed its movie on, and must not write to the run folder any more."""

        name = "end-at-once"

        def teardown(self, worker: Any) -> None:
            import os

            os._exit(0)

    return EndAtOnce()


def _own_dashboard(client: Client) -> str:
    """Of a scheduler in this process; dask would name another interface than the one it listens on."""
    return f"http://{LOCALHOST}:{client.scheduler_info()['services']['dashboard']}/status"
