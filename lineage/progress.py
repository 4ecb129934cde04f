"""What a stage is doing and how long it still takes, on a terminal or in a log."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_EVERY_S = 30.0
_COMMANDS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Screen:
    """One line a stage: a bar on a terminal, a line now and then in a log.

    Args:
        stderr: write to stderr, where stdout is for results.
        quiet: show nothing at all.
        after_s: show nothing of a stage in its first so many seconds, and so nothing at all of shorter ones.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, after_s: float = 0.0) -> None:
        self.console = Console(stderr=stderr, highlight=False, soft_wrap=True, quiet=quiet)
        self.after_s = after_s

    def log(self, text: str, style: str | None = None) -> None:
        """Print one line."""
        self.console.print(printable(text), style=style, markup=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Show a stage's progress while the block runs; call what it gives with (done, total)."""
        start = time.monotonic()
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description:<10}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=self.console, transient=True) as progress:
                task = progress.add_task(name, total=None, visible=not self.after_s)

                def update(done: int, total: int) -> None:
                    visible = time.monotonic() - start >= self.after_s
                    progress.update(task, completed=done, total=total, visible=visible)

                yield update
        else:
            yield self._logger(name, start)
        if time.monotonic() - start >= self.after_s:
            self.log(f"{name:<10} {duration(time.monotonic() - start)}")

    def _logger(self, name: str, start: float) -> Callable[[int, int], None]:
        next_line = start + (self.after_s or LOG_EVERY_S)

        def report(done: int, total: int) -> None:
            nonlocal next_line
            now = time.monotonic()
            if done and now >= next_line:
                next_line = now + LOG_EVERY_S
                left = (now - start) / done * (total - done)
                self.log(f"{name:<10} {done} of {total}, {duration(left)} left")

        return report


def printable(text: str) -> str:
    r"""Text for a terminal, which takes control characters for commands; names come from files of others.

    Line breaks and tabs stay; other control characters, and those that turn the direction of writing, are
    shown as their numbers.

    >>> printable("a\x1b[2Jb") == "a" + chr(92) + "x1b[2Jb"
    True
    """
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(0.04), duration(75), duration(7300)
    ('0.0 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
