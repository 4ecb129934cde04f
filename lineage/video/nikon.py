"""Nikon ND2 -> Source. The only module that knows nd2."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.source import Source, read_axes
from lineage.video.units import SILENT, Measure, duration, length, pixel_size

if TYPE_CHECKING:
    from pathlib import Path

    import nd2

MAGIC = (b"\xda\xce\xbe\x0a", b"\x00\x00\x00\x0cjP  ")  # of today's files, and of those before 2009


def read_nd2(path: Path) -> Source:
    """Open an ND2 file; one frame, with all its channels, is read at a time.

    Raises:
        InputError: damaged, in colour, or several positions or Z planes.
    """
    import nd2

    try:
        file = nd2.ND2File(path)
    except Exception as error:  # nd2 raises all kinds of errors on damaged files
        raise _damaged(path, error) from error
    try:
        source = _describe(file, path)
    except InputError:
        file.close()
        raise
    except Exception as error:
        file.close()
        raise _damaged(path, error) from error
    weakref.finalize(source.read, file.close)
    return source


def _describe(file: nd2.ND2File, path: Path) -> Source:
    if file.is_rgb:
        raise InputError(
            f"{path.name} is an RGB picture; a movie with its channels apart is wanted: "
            "export the raw channels, not the coloured view"
        )
    sizes = dict(file.sizes)
    axes = read_axes("".join(sizes), tuple(sizes.values()), path.name)

    def read(t: int, channel: int) -> np.ndarray:
        planes = file.read_frame(t)  # (C, Y, X), a view into the mapped file; (Y, X) with one channel
        return np.array(planes[channel] if planes.ndim == 3 else planes)

    channels = _read_channels(file)
    names = tuple(c.channel.name or "" for c in channels)
    return Source(
        axes.n_frames,
        axes.shape,
        (np.dtype(file.dtype),) * axes.n_channels,
        names if len(names) == axes.n_channels else ("",) * axes.n_channels,
        read,
        _pixel_size(channels),
        _interval(file.experiment),
        assumed=axes.assumed,
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


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path.name} is damaged or cut short ({error}): copy or export it again")
