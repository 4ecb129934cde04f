"""Leica LIF -> Source. The only module that knows liffile."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError
from lineage.video.axes import read_axes
from lineage.video.leica_metadata import (
    Dimension,
    channel_names,
    frame_times,
    read_channels,
    read_dimensions,
)
from lineage.video.metadata import settle_interval
from lineage.video.places import choose_position, name_positions, place_of
from lineage.video.selection import NO_CHOICE, Selection
from lineage.video.source import Source, listed, without_missing
from lineage.video.units import SILENT, duration, length, pixel_size
from lineage.video.zplanes import over_planes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from liffile import LifFile

    from lineage.video.arrange import Position
    from lineage.video.axes import Axes
    from lineage.video.leica_metadata import Channel

MAGIC = (b"\x70\0\0\0",)
_MAX_SIZE = 10**6  # frames, planes or pixels along an axis; no microscope takes more


def positions(path: Path) -> list[Position]:
    """The series of a file that have several frames; all series where none has.

    Raises:
        InputError: damaged, without series, or liffile is not installed.
    """
    with _open(path) as lif:
        chosen, _ = _movies(lif, path.name)
        return name_positions([(name, *place_of(name)) for name, _ in chosen])


def read_lif(path: Path, number: int | None = None, selection: Selection = NO_CHOICE) -> Source:
    """Open one series of a LIF; the file is mapped anew for each plane, so that nothing grows or stays open.

    Args:
        path: the file.
        number: of the series, as `positions` lists them; None for the only one.
        selection: what the user chose of z.

    Raises:
        InputError: damaged, in colour, a mosaic, several series, planes of z without a choice, a choice that
            the series does not have, or liffile is not installed.
    """
    if selection.axes:
        raise InputError(f"--axes is for TIFF and Zarr; {path.name} is a LIF, which says what its axes are")
    if number is None:
        number = choose_position(positions(path), NO_CHOICE, path.name)
    with _open(path) as lif:
        return _describe(lif, path, number, selection)


@contextmanager
def _open(path: Path) -> Iterator[LifFile]:
    try:
        from liffile import LifFile
    except ImportError as error:
        raise InputError(
            f"{path.name} is a LIF, and liffile, which reads those, is not installed: "
            "pip install 'mitosis-lineage[formats]'"
        ) from error
    try:
        with LifFile(path) as lif:
            yield lif
    except InputError:
        raise
    except Exception as error:  # liffile raises all kinds of errors on damaged files, and so does _describe
        raise _damaged(path.name, repr(error)) from error


def _damaged(file: str, what: str) -> InputError:
    return InputError(f"{file} is damaged or cut short ({what}): copy or export it again")


def _movies(lif: LifFile, file: str) -> tuple[list[tuple[str, Element]], list[str]]:
    """The series of several frames, else all, by their names; and the names of those left out."""
    every = list(_series(lif.xml_element, ""))
    if not every:
        raise InputError(f"{file} holds no images: copy or export it again")
    moving = [s for s in every if read_dimensions(s[1])[0].get("T", Dimension()).size > 1]
    chosen = moving or every
    return chosen, [name for name, element in every if all(element is not e for _, e in chosen)]


def _series(element: Element, within: str) -> Iterator[tuple[str, Element]]:
    """Name and XML of all series below an element; a folder's name goes before those of what is in it.

    liffile's own list misses series of the same name before its version 2026.10.3.
    """
    for child in (*element.findall("./Element"), *element.findall("./Children/Element")):
        name = f"{within}/{child.get('Name', '')}".lstrip("/")
        if child.find("./Data/Image") is not None:
            yield name, child
        # The outermost element is the file itself.
        yield from _series(child, name if element.tag == "Element" else "")


def _describe(lif: LifFile, path: Path, number: int, selection: Selection) -> Source:
    chosen, left_out = _movies(lif, path.name)
    name, series = chosen[number]
    called = f"{path.name}, {name}" if len(chosen) + len(left_out) > 1 else path.name
    dimensions, others = read_dimensions(series)
    channels = read_channels(series)
    _check(dimensions, channels, others, called)
    sizes = {a: dimensions[a].size for a in "TZYX" if a in dimensions} | {"C": len(channels)}
    names = channel_names(series)
    order = "".join(a for a in "TCZYX" if a in sizes)
    axes = read_axes(
        order, tuple(sizes[a] for a in order), called, selection, named_channels=bool(names) and all(names)
    )
    pixels = _Pixels(path, *_block(lif, series, path), dimensions, tuple(channels), axes)
    n_frames, missing, warnings = without_missing(pixels.absent, axes.n_frames, "were planned and not taken")
    if n_frames == 0:
        raise _damaged(called, "not a single frame is whole")
    flat, notes = over_planes(pixels.read, axes.n_planes, selection)
    stated, taken = SILENT, {}
    if axes.time is not None and axes.names[axes.time] == "T":
        stated = duration(dimensions["T"].spacing, dimensions["T"].unit)
        per_frame = (len(channels), sizes.get("Z", 1)) if pixels.time_is_outermost else (1, 1)
        taken = frame_times(series, (axes.n_frames, n_frames), per_frame)
    interval, interval_notes, interval_warnings = settle_interval(
        stated, {t: at for t, at in taken.items() if t < n_frames}
    )
    single = (f"series of single images are left out: {listed(left_out)}",) if left_out else ()
    return Source(
        n_frames,
        axes.shape,
        tuple(pixels.channel(c).dtype for c in range(axes.n_channels)),
        names[: axes.n_channels],
        flat,
        pixel_size(*(length(dimensions[a].spacing, dimensions[a].unit) for a in "YX")),
        interval,
        missing,
        assumed=axes.assumed,
        notes=(*axes.notes, *notes, *interval_notes, *single),
        warnings=(*warnings, *interval_warnings),
        n_planes=axes.n_planes,
    )


def _check(dimensions: dict[str, Dimension], channels: list[Channel], others: list[str], called: str) -> None:
    """Refuse what is no movie of grey planes, and numbers that only a damaged description has."""
    steps = [d.step for d in dimensions.values() if d.size > 1]
    sizes = [d.size for d in dimensions.values()]
    if not channels or min((*steps, *sizes), default=1) < 1 or max(sizes, default=1) > _MAX_SIZE:
        raise _damaged(called, f"{len(channels)} channels of size {sizes} in steps of {steps} bytes")
    if any(c.in_colour for c in channels):
        raise InputError(
            f"{called} is an RGB picture; a movie with its channels apart is wanted: "
            "export the raw channels, not the coloured view"
        )
    if others:
        raise InputError(
            f"{called} has {' and '.join(others)}, and one is wanted: merge or select them in LAS X, "
            "and give the result"
        )


def _block(lif: LifFile, series: Element, path: Path) -> tuple[int, int]:
    """Where the pixels of a series begin in the file, and how many bytes they are.

    A file that is cut short loses its last series; liffile passes that over.
    """
    memory = series.find("./Memory")
    block = lif.memory_blocks.get("" if memory is None else memory.get("MemoryBlockID", ""))
    if block is None:
        raise _damaged(path.name, f"the pixels of {series.get('Name')} are not in it")
    if block.offset + block.size > path.stat().st_size:
        raise _damaged(path.name, f"the pixels of {series.get('Name')} end after it")
    return block.offset, block.size


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Where in the file the planes of a series lie."""

    path: Path
    offset: int  # of all its planes, bytes
    n_bytes: int
    dimensions: dict[str, Dimension]
    channels: tuple[Channel, ...]
    axes: Axes

    def channel(self, channel: int) -> Channel:
        """A channel; where they are read as time, all are like the first."""
        return self.channels[0 if self.axes.channel is None else channel]

    def start(self, t: int, channel: int, z: int) -> int:
        """Where a plane begins, in bytes from the first."""
        index = dict(zip(self.axes.names, self.axes.index(t, channel, z), strict=True))
        place = {a: i for a, i in index.items() if isinstance(i, int)}
        return self.channels[place.pop("C")].start + sum(
            self.dimensions[a].step * i for a, i in place.items()
        )

    def extent(self, dtype: np.dtype) -> int:
        """How many bytes a plane spans; it need not fill them."""
        return int(
            dtype.itemsize + sum(d.step * (d.size - 1) for a, d in self.dimensions.items() if a in "YX")
        )

    @property
    def absent(self) -> list[int]:
        """Frames of which a plane lies beyond the pixels that are there, as in a series that was stopped."""
        every = [(c, z) for c in range(self.axes.n_channels) for z in range(self.axes.n_planes)]
        return [
            t
            for t in range(self.axes.n_frames)
            if any(self.start(t, c, z) + self.extent(self.channel(c).dtype) > self.n_bytes for c, z in every)
        ]

    @property
    def time_is_outermost(self) -> bool:
        """Whether a frame's planes follow each other."""
        z, time = self.dimensions.get("Z", Dimension()), self.dimensions["T"]
        return time.step > max(z.step * (z.size - 1), *(c.start for c in self.channels))

    def read(self, t: int, channel: int, z: int) -> np.ndarray:
        """(Y, X); zeros for a frame that is not there."""
        dtype, start = self.channel(channel).dtype, self.start(t, channel, z)
        n_bytes = self.extent(dtype)
        if start + n_bytes > self.n_bytes:
            return np.zeros(self.axes.shape, dtype)
        mapped = np.memmap(self.path, np.uint8, "r", self.offset + start, (n_bytes,))
        steps = tuple(self.dimensions[a].step for a in "YX")
        return np.array(np.ndarray(self.axes.shape, dtype, mapped, strides=steps))
