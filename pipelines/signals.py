"""Signals that end a process -> one KeyboardInterrupt, after which it tidies up undisturbed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ctrl-C, `kill`, and a terminal that closes (there is no such signal on Windows).
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let `kill` and a closing terminal act like Ctrl-C; signals that are ignored stay so (nohup)."""
    before = {s: signal.getsignal(s) for s in ENDING}
    try:
        for number, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed_afterwards() -> Iterator[None]:
    """Ignore signals once the block has ended, so that a second Ctrl-C does not stop the cancelling of jobs.

    To be used within `ended_by_signals`, which brings the handlers back.
    """
    try:
        yield
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)


def start_semaphore_tracker() -> None:
    """Start Python's process that counts semaphores so that a closing terminal does not end it."""
    from multiprocessing import resource_tracker

    if not hasattr(signal, "SIGHUP"):
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.signal(signal.SIGHUP, before)
