"""What every reader returns: the pixels by (t, channel), and what the file states about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.video.units import SILENT, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np


@dataclass(frozen=True, eq=False)
class Source:
    """A movie as its file has it."""

    n_frames: int
    shape: tuple[int, int]  # (Y, X)
    dtypes: tuple[np.dtype, ...]  # of each channel
    channels: tuple[str, ...]  # names; "" where the file has none
    read: Callable[[int, int], np.ndarray]  # (t, channel) -> (Y, X)
    pixel_size: Measure = SILENT
    interval: Measure = SILENT
    missing: tuple[int, ...] = ()  # frames that were not taken, or got lost; they read as zeros
    unnamed_channels: bool = False  # read from an axis that has no name and may as well be time
    started_min: float | None = None  # when the first frame was taken, by a clock
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    frames_in_z: bool = False  # what is read as time is called z in the file
    n_planes: int = 1  # planes of z in the file, of which each frame is made
    files: tuple[Path, ...] = ()  # those that are read, where they are not all that was given


def listed(items: Iterable[object], max_items: int = 8) -> str:
    """Items for a sentence; of a long list the first few.

    >>> listed(range(12), max_items=3)
    '0, 1, 2, ... (12 in all)'
    """
    every = list(items)
    some = ", ".join(map(str, every[:max_items]))
    return some if len(every) <= max_items else f"{some}, ... ({len(every)} in all)"


def without_missing(
    missing: Sequence[int], n_planned: int, what: str
) -> tuple[int, tuple[int, ...], list[str]]:
    """Deal with frames that are not there: at the end they are cut off, elsewhere they stay as holes.

    Args:
        missing: frames without pixels, in order.
        n_planned: frames that were planned.
        what: what happened to those in between, for the sentence: `were not taken`.

    Returns:
        How many frames the movie has, which of them are missing, and warnings.

    >>> without_missing([2, 8, 9], 10, "were not taken")[:2]
    (8, (2,))
    """
    gone, n = set(missing), n_planned
    while n and n - 1 in gone:
        n -= 1
    holes = tuple(t for t in sorted(gone) if t < n)
    warnings = []
    if n < n_planned:
        warnings.append(f"the movie stops early: {n} of {n_planned} planned frames are there")
    if holes:
        warnings.append(f"{len(holes)} of {n} frames {what} ({listed(holes)}): these frames are unusable")
    return n, holes, warnings
