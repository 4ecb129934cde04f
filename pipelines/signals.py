"""After a signal that ends a plate (`lineage.console`) it tidies up undisturbed."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lineage.console import ENDING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@contextmanager
def undisturbed_afterwards() -> Iterator[None]:
    """Ignore signals once the block has ended, so that a second Ctrl-C does not stop the cancelling of jobs.

    To be used within `lineage.console.one_line_errors`, which brings the handlers back.
    """
    try:
        yield
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)


def start_semaphore_tracker() -> None:
    """Start Python's process that counts semaphores so that a closing terminal does not end it."""
    from multiprocessing import resource_tracker

    with _ignored_by_children():
        resource_tracker.ensure_running()


def start_forkserver(modules: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start Python's process from which others are forked; it reads modules, and computes nothing.

    Ctrl-C and a closing terminal, which reach all processes, do not end it: it ends with the last of those
    that it serves.

    Args:
        modules: that it imports.
        environment: what it is to find in its environment, where libraries look when they are read.
    """
    from multiprocessing import forkserver

    before = dict(os.environ)
    forkserver.set_forkserver_preload(list(modules))
    os.environ.update(environment)
    try:
        with _ignored_by_children():
            forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _ignored_by_children() -> Iterator[None]:
    """Let processes that the block starts ignore Ctrl-C and a closing terminal."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
