"""An option of the command -> the dask workers that run movies: this machine's, a scheduler's, or SLURM's."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.device import AUTO, is_gpu, may_be_gpu
from lineage.processes import cores, method, read_ahead
from lineage.schema import InputError
from pipelines.signals import start_semaphore_tracker
from pipelines.worker import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distributed import Client

    from lineage.progress import Screen

LOCALHOST = "127.0.0.1"
BYTES_A_MOVIE = 1_500_000_000  # five days of 1024 x 1024 pixels needed 0.96 GB at most
SHARE_OF_MEMORY = 0.9  # the rest is left to the system
DASHBOARD = f"{LOCALHOST}:0"  # by default dask would listen on every interface
KEY = "movie"  # the first word of every task's key
SETTINGS = {
    # A worker may start processes that segment its movie, which a daemon may not.
    "distributed.worker.daemon": False,
    # Memory that numpy and torch use, which dask cannot move to disk.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # What dask does many times a second, for tasks of milliseconds, would cost a tenth of a core.
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    # So that the longest movie is given out first; it does not matter to which worker.
    "distributed.scheduler.worker-saturation": 1.0,
    # By default dask expects tasks to be short, and would let all movies wait for one SLURM job.
    "distributed.scheduler.default-task-durations": {KEY: "1h"},
}
# What a worker needs beside the libraries of a run: read once, by what the workers are forked from.
PRELOADED = (
    *("distributed.nanny", "distributed.worker", "matplotlib.pyplot", "trackpy", "btrack", "zarr"),
    *("lineage.run", "lineage.report", "lineage.quality", "lineage.tracking.track"),
    *("lineage.export.geff", "lineage.export.graphml", "pipelines.plate_command"),
)
ENVIRONMENT = {"MPLBACKEND": "Agg"}  # of a worker
# What dask's nanny sets for a worker unless it is given, which is too late for libraries that have been read.
TRIM = "MALLOC_TRIM_THRESHOLD_"
MOVIES_A_GPU = 4  # at a time: each holds networks and a context in its memory, 1 to 2 GB
EXTRA = "dask or dask-jobqueue is not installed: pip install 'mitosis-lineage[plates]'"


def _needs_no_supervision(movies_left: int) -> str:
    return ""


@dataclass(frozen=True, eq=False)
class Backend:
    """The dask workers that run the movies."""

    client: Client
    processes: int | None  # that share the frames of one movie; None: as many as there are cores
    description: str
    # Number of movies left -> the state of the workers, in words; called again and again.
    supervise: Callable[[int], str] = _needs_no_supervision


def workers_for(n_movies: int, device: str = AUTO) -> int:
    """How many movies to run at a time on this machine, by its cores and memory.

    Args:
        n_movies: of the plate.
        device: that computes; a GPU is shared by few.
    """
    by_memory = int(memory_bytes() * SHARE_OF_MEMORY // BYTES_A_MOVIE)
    by_gpu = MOVIES_A_GPU if may_be_gpu(device) and is_gpu(device) else n_movies
    return max(1, min(cores(), n_movies, by_memory, by_gpu))


def memory_bytes() -> int:
    """Memory of this machine, or the part that this process is allowed."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)


def processes_a_movie(workers: int) -> int | None:
    """How many processes share the frames of one movie; None: as many as there are cores.

    >>> processes_a_movie(1), processes_a_movie(10_000)
    (None, 1)
    """
    return None if workers == 1 else max(1, cores() // workers)


@contextmanager
def local(workers: int) -> Iterator[Backend]:
    """Start workers on this machine; each is a process of one thread, with its share of the memory."""
    with _no_semaphore_warnings():
        # While this process reads others.
        read_ahead(PRELOADED, {TRIM: os.environ.get(TRIM, "65536")} | ENVIRONMENT)
        with _local_cluster(workers) as (client, memory):
            description = f"{workers} worker{'s' * (workers > 1)} on this machine, {memory / 1e9:.1f} GB each"
            yield Backend(
                client, processes_a_movie(workers), f"{description}; dashboard: {_own_dashboard(client)}"
            )


@contextmanager
def _local_cluster(workers: int) -> Iterator[tuple[Client, int]]:
    """The client of a scheduler in this process, and the memory of each of its workers."""
    dask, distributed = _dask()
    memory = int(memory_bytes() * SHARE_OF_MEMORY / workers)
    with (
        dask.config.set(SETTINGS | {"distributed.worker.multiprocessing-method": method()}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            host=LOCALHOST,
            dashboard_address=DASHBOARD,
            silence_logs=logging.CRITICAL,
            env=ENVIRONMENT,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(_ignore_interrupts(distributed))
        yield client, memory


@contextmanager
def remote(address: str) -> Iterator[Backend]:
    """Use a scheduler that is already running, with its workers.

    Raises:
        InputError: no scheduler answers there, or its workers lack this package.
    """
    _, distributed = _dask()
    # A scheduler that dies is said of each movie that it loses, in one line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
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
        description = f"{len(threads)} worker{'s' * (len(threads) != 1)} of {client.scheduler.address}"
        if any(n > 1 for n in threads):
            description += "; some have several threads, of which one is used (start them with --nthreads 1)"
        yield Backend(client, 1, f"{description}; dashboard: {client.dashboard_link}")


@contextmanager
def slurm(profile: Path, n_movies: int, *, screen: Screen) -> Iterator[Backend]:
    """Start a scheduler whose workers are SLURM jobs, submitted and cancelled as there is work.

    Args:
        profile: TOML file that says what a job asks for.
        n_movies: of the plate.
        screen: gets a line if SLURM refuses to cancel the jobs at the end.

    Yields:
        The backend.

    Raises:
        InputError: the profile cannot be used, or SLURM's commands are not installed.
    """
    from pipelines.slurm import check_slurm, slurm_jobs
    from pipelines.slurm_profile import read_profile

    dask, distributed = _dask()
    settings = read_profile(profile)
    check_slurm()
    with (
        dask.config.set(SETTINGS),
        _scheduler(distributed, settings.interface) as cluster,
        distributed.Client(cluster) as client,
        slurm_jobs(settings, client, screen=screen) as jobs,
    ):
        client.register_plugin(_end_at_once(distributed))
        description = (
            f"up to {min(settings.jobs, n_movies)} SLURM jobs of {settings.cores} cores, {settings.memory}, "
            f"{settings.walltime}, called {jobs.name}"
        )
        yield Backend(
            client, settings.cores, f"{description}; dashboard: {_own_dashboard(client)}", jobs.supervise
        )


def _scheduler(distributed: Any, interface: str | None) -> Any:
    """A scheduler in this process, without workers."""
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
def _no_semaphore_warnings() -> Iterator[None]:
    """Silence Python's warning of a semaphore that is left when a worker is stopped amid a movie."""
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = f"{before},{quiet}" if before else quiet
    try:
        start_semaphore_tracker()
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _ignore_interrupts(distributed: Any) -> Any:
    class IgnoreInterrupts(distributed.WorkerPlugin):  # type: ignore[misc]
        """Ctrl-C and a closing terminal reach all processes; only the main one should act on them."""

        name = "ignore-interrupts"

        def setup(self, worker: Any) -> None:
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if hasattr(signal, "SIGHUP"):
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

    return IgnoreInterrupts()


def _end_at_once(distributed: Any) -> Any:
    class EndAtOnce(distributed.WorkerPlugin):  # type: ignore[misc]
        """A worker that closes has given its movie to another: it must write no more to the run folder."""

        name = "end-at-once"

        def teardown(self, worker: Any) -> None:
            import os

            os._exit(0)

    return EndAtOnce()


def _own_dashboard(client: Client) -> str:
    """The dashboard of a scheduler in this process; dask would name an interface not listened on."""
    return f"http://{LOCALHOST}:{client.scheduler_info()['services']['dashboard']}/status"
