"""What ends a process from outside -> one KeyboardInterrupt, after which it tidies up undisturbed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ctrl-C, `kill`, and a terminal that closes, which Windows does not tell of.
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """`kill` and a terminal that closes do to the block what Ctrl-C does, but for what is ignored (nohup)."""
    before = {s: signal.getsignal(s) for s in ENDING}
    try:
        for one, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(one, signal.default_int_handler)
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def undisturbed_afterwards() -> Iterator[None]:
    """Once the block has ended, within `ended_by_signals`, a second Ctrl-C leaves no job behind."""
    try:
        yield
    finally:
        for one in ENDING:
            signal.signal(one, signal.SIG_IGN)


def begin_tracker() -> None:
    """Begin the process that keeps count of semaphores, one for all; the end of the terminal would end it."""
    from multiprocessing import resource_tracker

    if not hasattr(signal, "SIGHUP"):
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.signal(signal.SIGHUP, before)
