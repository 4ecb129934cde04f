"""The axes of an array, as a file names them -> which is time, which channels, which z."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.schema import CROP_FRAMES, InputError
from lineage.video.selection import NO_CHOICE, Selection
from lineage.video.zplanes import check_planes_of_z

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHANNELS = 4  # an axis without a name that is no longer than this may hold channels, not frames
# More is what only a damaged or made-up description claims; checked before memory is asked for.
MAX_PLANES, MAX_SIDE, MAX_PIXELS = 10**7, 2**17, 2**30
_PLACES = "PRVM"  # axes of positions, regions, views, tiles: never time, never channels


@dataclass(frozen=True)
class Axes:
    """Where time, channels and z stand among the axes of an array; None for an axis that is not there."""

    names: str
    sizes: tuple[int, ...]
    time: int | None
    channel: int | None
    z: int | None = None
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
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
    def n_planes(self) -> int:
        """Planes of z in each frame: 1 where there is no z axis."""
        return 1 if self.z is None else self.sizes[self.z]

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X)."""
        return self.sizes[self.names.index("Y")], self.sizes[self.names.index("X")]

    def index(self, t: int, channel: int, z: int = 0) -> tuple[int | slice, ...]:
        """The index of one plane of the array."""
        index: list[int | slice] = [slice(None) if a in "YX" else 0 for a in self.names]
        for axis, value in ((self.time, t), (self.channel, channel), (self.z, z)):
            if axis is not None:
                index[axis] = value
        return tuple(index)


def read_axes(
    names: str,
    sizes: tuple[int, ...],
    file: str,
    selection: Selection = NO_CHOICE,
    *,
    named_channels: bool = False,
) -> Axes:
    """Find out which axis is time, which is channels and which is z.

    `T` is time, `C` is channels, `S` (samples of a pixel that are no colours) is channels. A movie whose
    time is in Z, in an axis without a name, or in a C too long for channels is read as such, with a sentence
    in `assumed`. What the user says of the axes goes before all that, and nothing is guessed then; and where
    planes of z are chosen, Z is z.

    Args:
        names: a letter an axis, tifffile's: T, Z, C, S, Y, X, and others for axes without a meaning.
        sizes: the length of each axis.
        file: its name, for messages.
        selection: what the user chose.
        named_channels: the file gives each channel a name of its own.

    Returns:
        Axes.

    Raises:
        InputError: no Y or X, more axes longer than one than a movie has, planes of z without a choice, or a
            choice that does not fit.

    >>> read_axes("ZCYX", (60, 2, 64, 64), "movie.tif").time   # ImageJ's favourite mistake
    0
    """
    check_sizes(names, sizes, file)
    found = " x ".join(f"{n} {a}" for a, n in zip(names, sizes, strict=True))
    notes: tuple[str, ...] = ()
    if given := selection.axes:
        names = _as_given(names, sizes, given, f"{file} has {found}")
        notes = (f"axes: {found} are read as {given}, as given",)
    if not {"Y", "X"} <= set(names) or names.index("Y") > names.index("X"):
        raise InputError(
            f"{file} is no movie of 2D frames: its axes are {found}; give one with T, C, Y and X"
        )
    long = [i for i, (a, n) in enumerate(zip(names, sizes, strict=True)) if a not in "YX" and n > 1]
    time = next((i for i in long if names[i] == "T"), None)
    channel = next((i for i in long if names[i] in "CS"), None)
    z = next((i for i in long if names[i] == "Z"), None)
    rest = [i for i in long if i not in (time, channel, z)]
    assumed: list[str] = []
    unnamed = False
    if channel is None and (short := _short_axis(names, sizes, rest, z, time)) is not None:
        channel, unnamed = short, True
        rest.remove(short)
        assumed.append(f"channels: an axis of length {sizes[short]} without a name is read as channels")
    if time is None and not given:
        long_c = channel is not None and names[channel] == "C" and sizes[channel] >= CROP_FRAMES
        if len(rest) == 1 and names[rest[0]] not in _PLACES and (z is None or selection.z is not None):
            time, where = rest.pop(), "an axis without a name"
        elif not rest and z is not None and selection.z is None:
            time, z, where = z, None, "Z"
        elif not rest and long_c and not named_channels:
            time, channel, where = channel, None, "C"
        if time is not None:
            assumed.append(f"time: the file keeps its {sizes[time]} frames in {where}; they are read as time")
    check_planes_of_z(1 if z is None else sizes[z], selection, file, found)
    if rest:
        raise InputError(
            f"{file} is no movie of single planes: its axes are {found}; say with --axes what they are, "
            "or select one Z plane, position or mosaic tile and save that"
        )
    return Axes(names, sizes, time, channel, z, tuple(assumed), notes, unnamed)


def check_sizes(names: str, sizes: Sequence[int], file: str) -> None:
    """Raise InputError for sizes that only a damaged or made-up file claims.

    Args:
        names: a letter an axis.
        sizes: the length of each axis.
        file: its name, for the message.
    """
    sides = [n for a, n in zip(names, sizes, strict=True) if a in "YX"]
    planes = math.prod(n for a, n in zip(names, sizes, strict=True) if a not in "YX")
    if planes > MAX_PLANES or max(sides, default=0) > MAX_SIDE or math.prod(sides) > MAX_PIXELS:
        claimed = " x ".join(f"{n} {a}" for a, n in zip(names, sizes, strict=True))
        raise InputError(
            f"{file} is damaged: by its own description its axes are {claimed}, and at most {MAX_PLANES} "
            f"planes of {MAX_SIDE} px a side are read; copy or export it again"
        )


def are_names(channels: Sequence[str]) -> bool:
    """Whether channels have names that tell them apart: frames that were taken for channels have not.

    >>> are_names(["DAPI", "Cy5"]), are_names(["Channel 1", "Channel 2"]), are_names(["", ""])
    (True, False, False)
    """
    told = {re.sub(r"[\W_]*\d+$", "", name.strip().lower()) for name in channels}
    return len(told) == len(channels) > 1


def _short_axis(
    names: str, sizes: tuple[int, ...], rest: list[int], z: int | None, time: int | None
) -> int | None:
    """An axis without a name that may hold channels: a short one beside another that may be time."""
    candidates = [i for i in rest if names[i] not in _PLACES]
    shortest = min(candidates, key=lambda i: sizes[i], default=None)
    n_others = len(rest) + (z is not None) + (time is not None)
    return shortest if shortest is not None and sizes[shortest] <= MAX_CHANNELS and n_others == 2 else None


def _as_given(names: str, sizes: tuple[int, ...], given: str, found: str) -> str:
    """The letters that the user gives, for all axes or for those that are longer than one.

    >>> _as_given("QIYX", (60, 2, 8, 8), "TCYX", "")
    'TCYX'
    """
    long = [i for i, (a, n) in enumerate(zip(names, sizes, strict=True)) if n > 1 or a in "YX"]
    named = range(len(names)) if len(given) == len(names) else long
    if len(given) != len(named):
        raise InputError(f"--axes {given} names {len(given)} axes, and {found}; name each of them once")
    letters = ["Q"] * len(names)
    for i, letter in zip(named, given, strict=True):
        letters[i] = letter
    if {"Y", "X"} <= set(names) and any(letters[names.index(a)] != a for a in "YX"):
        raise InputError(f"--axes {given} puts Y and X elsewhere than the file, and {found}")
    return "".join(letters)
