"""The files of a movie while it is run -> are they still what they were when it began."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lineage.io.integrity import RUN_AGAIN, fingerprint
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

SHARE = 0.05  # of a run's time may go into looking: a movie in thousands of files is looked at less often


class Changed(InputError):
    """The movie was changed while it was run."""


class Inputs:
    """Files and folders, and how they were when this was made.

    A run reads a movie several times. If another one takes its place meanwhile, the results would be of both.

    Args:
        paths: files or folders; none of what lies in memory.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._before = fingerprint(*paths)
        self._next = 0.0

    def check(self) -> None:
        """Raise Changed if a size, a time or a name is another than it was, or a file is gone."""
        if not self._paths:
            return
        names = ", ".join(path.name for path in self._paths[:3]) + (" ..." if len(self._paths) > 3 else "")
        try:
            now = fingerprint(*self._paths)
        except FileNotFoundError as error:
            raise Changed(
                f"{names} was moved or deleted while it was run ({error.filename} is not there): {RUN_AGAIN} "
                "once it is back"
            ) from error
        if now != self._before:
            raise Changed(f"{names} was changed while it was run: {RUN_AGAIN} once it is whole")

    def check_now_and_then(self) -> None:
        """The same, as often as it takes no more than `SHARE` of the time."""
        begun = time.monotonic()
        if begun >= self._next:
            self.check()
            ended = time.monotonic()
            self._next = ended + (ended - begun) / SHARE
