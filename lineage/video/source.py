"""What a reader hands on: the pixels by (t, channel), and what the file says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

MAX_CHANNELS = 4  # an axis without a name that is no longer than this may hold channels, not frames


@dataclass(frozen=True, eq=False)
class Source:
    """A movie as its file has it; None or "" where the file says nothing."""

    n_frames: int
    shape: tuple[int, int]  # (Y, X)
    dtype: np.dtype
    channels: tuple[str, ...]
    read: Callable[[int, int], np.ndarray]  # (t, channel) -> (Y, X)
    pixel_size_um: float | None = None
    minutes_per_frame: float | None = None
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Axes:
    """Where time and channels stand among the axes of an array; None for an axis that is not there."""

    names: str
    sizes: tuple[int, ...]
    time: int | None
    channel: int | None
    assumed: tuple[str, ...] = ()

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
        """What to index the array with to get one plane."""
        place: list[int | slice] = [slice(None) if a in "YX" else 0 for a in self.names]
        for axis, value in ((self.time, t), (self.channel, channel)):
            if axis is not None:
                place[axis] = value
        return tuple(place)


def read_axes(names: str, sizes: tuple[int, ...], file: str) -> Axes:
    """Say which axis is time and which is channels.

    `T` and `C` are what they say, `S` (samples of a pixel that are no colours) is channels. A movie whose
    time is in Z or in an axis without a name is read as such, with a sentence in `assumed`.

    Args:
        names: a letter an axis, tifffile's: T, Z, C, S, Y, X, and others for axes without a meaning.
        sizes: as many.
        file: for the message.

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
    if (
        channel is None
        and shortest is not None
        and sizes[shortest] <= MAX_CHANNELS
        and len(rest) + (time is not None) == 2
    ):
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
    return Axes(names, sizes, time, channel, tuple(assumed))
