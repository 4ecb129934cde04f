"""A function and its tasks -> the results in order, worked out by several processes."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import starmap
from multiprocessing import get_context, parent_process
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_WORKERS = 61 if sys.platform == "win32" else None  # Windows waits for no more at once
LIBRARIES = "lineage.preloaded"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # a fork carries over no other
_kept: dict[int, ProcessPoolExecutor] | None = None  # by their number, within `kept`


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def method() -> str:
    """How a process starts: on Linux forked from one that has read what it needs, elsewhere from nothing.

    On macOS libraries of the system do not bear a fork, and Windows has none.
    """
    return "forkserver" if sys.platform == "linux" and hasattr(os, "fork") else "spawn"


def read_ahead(modules: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
    """Start, on Linux, the process from which others are forked; it reads their libraries meanwhile.

    What it has read they share, in memory too. It computes nothing and has one thread. Ctrl-C and a closing
    terminal, which reach all processes, do not end it: it ends with the last of those that it serves.

    Args:
        modules: that it imports before `lineage.preloaded`; a process that is there already is left alone.
        environment: what it, and those that are forked from it, find in their environment, where libraries
            look when they are read.
    """
    if method() != "forkserver":
        return
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload([*modules, LIBRARIES])
    given = {name: "1" for name in ONE_THREAD if name not in os.environ}
    given |= {"PYTHONSAFEPATH": "1", **(environment or {})}  # no module of the folder one is in
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        # A worker of a plate runs its movies in a thread, and only the main one may say what signals do.
        with ignored_by_children() if current_thread() is main_thread() else _signals_held():
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def ignored_by_children() -> Iterator[None]:
    """Let processes that the block starts ignore Ctrl-C and a closing terminal."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_order(
    work: Callable[..., Result],
    tasks: Iterable[tuple[Any, ...]],
    *,
    workers: int,
    begin: Callable[..., None] | None = None,
    shared: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """`work(*task)` for each task, in the order of the tasks; few are under way at a time.

    Args:
        work: a function of a module, as processes know no other.
        tasks: its arguments; drawn as they are needed.
        workers: processes; with one, all is done in this process.
        begin: called once in each process, with `shared`.
        shared: what is sent once to each process, not with each task.

    Raises:
        ChildProcessError: a process died.
    """
    workers = min(workers, MAX_WORKERS or workers)
    if workers == 1:
        if begin:
            begin(*shared)
        yield from starmap(work, tasks)
        return
    pools = {} if _kept is None or begin else _kept
    if workers not in pools:
        pools[workers] = ProcessPoolExecutor(workers, get_context(method()), _begin, (begin, shared))
    pool, is_done = pools[workers], False
    under_way: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            under_way.append(_submit(pool, work, task))
            if len(under_way) > 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
        is_done = True
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f"one of the {workers} processes that worked on the movie died, most likely because memory ran "
            "out: give the same command again, which goes on, with fewer `workers` under [segment]"
        ) from error
    finally:
        if pools is not _kept or not is_done:
            pools.pop(workers, None)
            pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, work: Callable[..., Result], task: tuple[Any, ...]) -> Future[Result]:
    try:
        with _signals_held():
            return pool.submit(work, *task)
    except (EOFError, ConnectionError) as error:  # the process from which others are forked died
        raise BrokenProcessPool from error


@contextmanager
def _signals_held() -> Iterator[None]:
    """Processes that are started in the block hear neither Ctrl-C nor a closing terminal.

    Both reach every process of a terminal, and only the one that started the others should act on them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` for each item, in order; a few are worked out ahead, in threads, one a core.

    Args:
        work: numpy and its kind, which let other threads go on.
        items: drawn in this thread, as they are needed.
    """
    n = cores()
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n) as pool:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) > n:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def give_back_memory() -> None:
    """Give what was freed back to the system: glibc keeps it, after tracking several hundred megabytes."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextmanager
def kept() -> Iterator[None]:
    """Let processes that are started in the block go on to later tasks: starting them takes seconds."""
    global _kept
    if _kept is not None:
        yield
        return
    _kept = {}
    try:
        yield
    finally:
        pools, _kept = _kept, None
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)


def _begin(begin: Callable[..., None] | None, shared: tuple[Any, ...]) -> None:
    Thread(target=end_with_parent, daemon=True).start()
    if begin:
        begin(*shared)


def end_with_parent() -> None:
    """End with the parent: a worker whose parent was killed would wait for its next task for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
