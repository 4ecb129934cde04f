"""Nikon ND2 -> Source. The only module that knows nd2."""

from __future__ import annotations

import math
import weakref
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.axes import read_axes
from lineage.video.places import choose_position, name_positions, place_of
from lineage.video.selection import NO_CHOICE, Selection
from lineage.video.source import Source, without_missing
from lineage.video.units import SILENT, Measure, duration, length, pixel_size
from lineage.video.zplanes import over_planes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import nd2

    from lineage.video.arrange import Position

MAGIC = (b"\xda\xce\xbe\x0a", b"\x00\x00\x00\x0cjP  ")  # of today's files, and of those before 2009


def positions(path: Path) -> list[Position]:
    """The points of the stage that a file's experiment went to, with the names and wells given to them.

    Raises:
        InputError: damaged.
    """
    with _open(path) as file:
        return _positions(file)


def read_nd2(path: Path, number: int | None = None, selection: Selection = NO_CHOICE) -> Source:
    """Open one position of an ND2 file; one plane is read at a time, with all its channels.

    Args:
        path: the file.
        number: of the position, as `positions` lists them; None for the only one.
        selection: what the user chose of z.

    Raises:
        InputError: damaged, in colour, several positions, planes of z without a choice, or a choice that
            the file does not have.
    """
    if selection.axes:
        raise InputError(f"--axes is for TIFF and Zarr; {path.name} is an ND2, which says what its axes are")
    with ExitStack() as files:
        file = files.enter_context(_open(path))
        if number is None:
            number = choose_position(_positions(file), NO_CHOICE, path.name)
        source = _describe(file, path, number, selection)
        weakref.finalize(source.read, files.pop_all().close)
    return source


@contextmanager
def _open(path: Path) -> Iterator[nd2.ND2File]:
    import nd2

    file = None
    try:
        file = nd2.ND2File(path)
        yield file
    except InputError:
        raise
    except Exception as error:  # nd2 raises all kinds of errors on damaged files
        raise InputError(f"{path.name} is damaged or cut short ({error}): copy or export it again") from error
    finally:
        if file is not None:
            file.close()


def _positions(file: nd2.ND2File) -> list[Position]:
    points = [p for loop in file.experiment if loop.type == "XYPosLoop" for p in loop.parameters.points]
    n = file.sizes.get("P", 1)
    names = [str(p.name or "") for p in points] if len(points) == n else [""] * n
    return name_positions([(name, *place_of(name)) for name in names])


def _describe(file: nd2.ND2File, path: Path, number: int, selection: Selection) -> Source:
    if file.is_rgb:
        raise InputError(
            f"{path.name} is an RGB picture; a movie with its channels apart is wanted: "
            "export the raw channels, not the coloured view"
        )
    sizes = dict(file.sizes)
    one = sizes | {"P": 1} if "P" in sizes else sizes
    axes = read_axes("".join(one), tuple(one.values()), path.name, selection)
    loops = {a: n for a, n in sizes.items() if a not in "CYXS"}  # in the order of the frames in the file

    def place(t: int, z: int) -> int:
        """The number of a frame in the file."""
        index: dict[str, Any] = dict(zip(axes.names, axes.index(t, 0, z), strict=True)) | {"P": number}
        return int(np.ravel_multi_index([index[a] for a in loops], tuple(loops.values()))) if loops else 0

    n_there = file.attributes.sequenceCount or math.inf
    absent = [t for t in range(axes.n_frames) if any(place(t, z) >= n_there for z in range(axes.n_planes))]
    n_frames, missing, warnings = without_missing(absent, axes.n_frames, "were planned and not taken")
    holes = frozenset(missing)
    dtype = np.dtype(file.dtype)

    def read(t: int, channel: int, z: int) -> np.ndarray:
        if t in holes:
            return np.zeros(axes.shape, dtype)
        planes = file.read_frame(
            place(t, z)
        )  # (C, Y, X), a view into the mapped file; (Y, X) with one channel
        return np.array(planes[channel] if planes.ndim == 3 else planes)

    channels = _read_channels(file)
    names = tuple(c.channel.name or "" for c in channels)
    flat, notes = over_planes(read, axes.n_planes, selection)
    return Source(
        n_frames,
        axes.shape,
        (dtype,) * axes.n_channels,
        names if len(names) == axes.n_channels else ("",) * axes.n_channels,
        flat,
        _pixel_size(channels),
        _interval(file.experiment),
        missing,
        started_min=_started_min(file),
        assumed=axes.assumed,
        notes=(*axes.notes, *notes),
        warnings=tuple(warnings),
        n_planes=axes.n_planes,
    )


def _read_channels(file: nd2.ND2File) -> list[Any]:
    """The metadata of the channels; none where nd2 cannot make sense of them, as the pixels do not need it.

    nd2 0.12 fails so on a channel that has no fluorescent probe.
    """
    try:
        metadata = file.metadata
    except Exception:
        return []
    return list(getattr(metadata, "channels", None) or [])


def _started_min(file: nd2.ND2File) -> float | None:
    """When the first frame was taken, minutes on the microscope's clock; None where the file does not say."""
    try:
        first: Any = file.frame_metadata(0)
        day = first.channels[0].time.absoluteJulianDayNumber
    except Exception:  # metadata that nd2 cannot make sense of are not needed for the pixels
        return None
    return float(day) * 24 * 60 if day else None


def _pixel_size(channels: list[Any]) -> Measure:
    """The pixel size; none where the objective was not calibrated, as nd2 gives 1.0 then."""
    if not channels or not all(channels[0].volume.axesCalibrated[:2]):
        return SILENT
    x, y = channels[0].volume.axesCalibration[:2]
    return pixel_size(length(y, "um"), length(x, "um"))


def _interval(loops: list[Any]) -> Measure:
    """The mean of the measured intervals, else the one that the acquisition was set to."""
    for loop in loops:
        if loop.type in ("TimeLoop", "NETimeLoop"):
            phase = loop.parameters if loop.type == "TimeLoop" else loop.parameters.periods[0]
            measured = duration(phase.periodDiff.avg if phase.periodDiff else None, "ms")
            return measured if measured.value else duration(phase.periodMs or None, "ms")
    return SILENT
