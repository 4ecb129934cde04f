"""What every reader returns: the pixels by (t, channel), and what the file states about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video.units import SILENT, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np

MAX_CHANNELS = 4  # an axis without a name that is no longer than this may hold channels, not frames


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
    files: tuple[Path, ...] = ()  # those that are read, where they are not all that was given


@dataclass(frozen=True)
class Axes:
    """Where time and channels stand among the axes of an array; None for an axis that is not there."""

    names: str
    sizes: tuple[int, ...]
    time: int | None
    channel: int | None
    assumed: tuple[str, ...] = ()
    unnamed_channels: bool = False

    @property
    def n_frames(self) -> int:
        """Frames: 1 where there is no time axis."""
        return 1 if self.time is None else self.sizes[self.time]

    @property
    def n_channels(self) -> int:
        """Channels: 1 where there is no channel axis."""
        return 1 if self.channel is None else self.sizes[self.channel]

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X)."""
        return self.sizes[self.names.index("Y")], self.sizes[self.names.index("X")]

    def index(self, t: int, channel: int) -> tuple[int | slice, ...]:
        """The index of one plane of the array."""
        index: list[int | slice] = [slice(None) if a in "YX" else 0 for a in self.names]
        for axis, value in ((self.time, t), (self.channel, channel)):
            if axis is not None:
                index[axis] = value
        return tuple(index)


def read_axes(names: str, sizes: tuple[int, ...], file: str) -> Axes:
    """Find out which axis is time and which is channels.

    `T` is time, `C` is channels, `S` (samples of a pixel that are no colours) is channels. A movie whose
    time is in Z or in an axis without a name is read as such, with a sentence in `assumed`.

    Args:
        names: a letter an axis, tifffile's: T, Z, C, S, Y, X, and others for axes without a meaning.
        sizes: the length of each axis.
        file: its name, for messages.

    Returns:
        Axes.

    Raises:
        InputError: no Y or X, or more axes longer than one than a movie has.

    >>> read_axes("ZCYX", (60, 2, 64, 64), "movie.tif").time   # ImageJ's favourite mistake
    0
    """
    found = " x ".join(f"{n} {a}" for a, n in zip(names, sizes, strict=True))
    if not {"Y", "X"} <= set(names):
        raise InputError(
            f"{file} is no movie of 2D frames: its axes are {found}; give one with T, C, Y and X"
        )
    long = [i for i, (a, n) in enumerate(zip(names, sizes, strict=True)) if a not in "YX" and n > 1]
    time = next((i for i in long if names[i] == "T"), None)
    channel = next((i for i in long if names[i] in "CS"), None)
    rest = [i for i in long if i not in (time, channel)]
    assumed: list[str] = []
    shortest = min((i for i in rest if names[i] != "Z"), key=lambda i: sizes[i], default=None)
    unnamed = (
        channel is None
        and shortest is not None
        and sizes[shortest] <= MAX_CHANNELS
        and len(rest) + (time is not None) == 2
    )
    if unnamed and shortest is not None:
        channel = shortest
        rest.remove(channel)
        assumed.append(f"channels: an axis of length {sizes[channel]} without a name is read as channels")
    if time is None and len(rest) == 1:
        time = rest.pop()
        where = "Z" if names[time] == "Z" else "an axis without a name"
        assumed.append(f"time: the file keeps its {sizes[time]} frames in {where}; they are read as time")
    if rest:
        raise InputError(
            f"{file} is no movie of single planes: its axes are {found}; "
            "project or select one Z plane, position or mosaic tile and save that"
        )
    return Axes(names, sizes, time, channel, tuple(assumed), unnamed)


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
