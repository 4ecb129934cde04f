"""After a signal that ends a plate (`lineage.console`) it tidies up undisturbed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lineage.console import ENDING
from lineage.processes import ignored_by_children

if TYPE_CHECKING:
    from collections.abc import Iterator


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

    with ignored_by_children():
        resource_tracker.ensure_running()
