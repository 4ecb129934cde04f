"""OME-Zarr (NGFF 0.1 to 0.5, Zarr 2 and 3) -> Source. The full-resolution level of a multiscale image."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.source import Source, read_axes, without_missing
from lineage.video.units import SILENT, Measure, duration, length, pixel_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import zarr

_MARKERS = (".zgroup", ".zarray", ".zattrs", "zarr.json")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.suffix == ".zarr" or any((path / m).is_file() for m in _MARKERS)


def read_ngff(path: Path) -> Source:
    """Open an OME-Zarr image; one plane is read at a time.

    Raises:
        InputError: no multiscale image in it, several positions, damaged, or axes that are no movie.
    """
    try:
        return _describe(path)
    except InputError:
        raise
    except Exception as error:  # zarr raises all kinds of errors on damaged files, and so does _describe
        raise InputError(
            f"{path.name} is no OME-Zarr image, or it is damaged ({error!r}): export it again"
        ) from error


def _describe(path: Path) -> Source:
    import zarr

    group = zarr.open_group(path, mode="r")
    image, attributes = _find_image(group, path)
    multiscale = attributes["multiscales"][0]
    level = multiscale["datasets"][0]
    array: Any = image[level["path"]]
    if not array.nchunks_initialized:
        raise InputError(f"{path.name} holds no pixels: all chunks are missing; copy or export it again")
    names, units = _read_axis_names(multiscale, array.ndim)
    if len(names) != array.ndim:
        raise InputError(f"{path.name} names {len(names)} axes for {array.ndim}: export it again")
    axes = read_axes(names, array.shape, path.name)
    step = dict(zip(names, _read_scale(multiscale, level, array.ndim), strict=True))
    labels = [c.get("label", "") for c in attributes.get("omero", {}).get("channels", [])]
    n_frames, missing, warnings = without_missing(
        [] if axes.time is None else lost_frames(array, axes.time),
        axes.n_frames,
        "hold no pixels, since chunks are not there",
    )
    holes = frozenset(missing)
    return Source(
        n_frames,
        axes.shape,
        (array.dtype,) * axes.n_channels,
        tuple(map(str, labels)) if len(labels) == axes.n_channels else ("",) * axes.n_channels,
        lambda t, channel: (
            np.zeros(axes.shape, array.dtype) if t in holes else np.asarray(array[axes.index(t, channel)])
        ),
        pixel_size(*(_measure(length, step[a], units.get(a)) for a in "YX")),
        _measure(duration, step.get("T"), units.get("T")),
        missing,
        assumed=axes.assumed,
        warnings=tuple(warnings),
    )


def _measure(read: Callable[[object, str | None], Measure], value: float | None, unit: str | None) -> Measure:
    """The measure; a scale of 1 without a unit means that the format states nothing."""
    return SILENT if value is None or (unit is None and value in (0.0, 1.0)) else read(value, unit)


def lost_frames(array: Any, time: int) -> list[int]:
    """Frames with a chunk that should be there and is not.

    A chunk of zeros need not be written, so a chunk is lost only if most other frames have the same one.

    Args:
        array: a Zarr array in a folder.
        time: which of its axes is time.

    Returns:
        The frames, in order.
    """
    grid = array.metadata.chunk_grid.chunk_shape
    counts = tuple(-(-n // c) for n, c in zip(array.shape, grid, strict=True))
    there = np.zeros(counts, bool)
    folder = array.store_path.store.root / array.store_path.path
    for chunk in np.ndindex(*counts):
        there[chunk] = (folder / array.metadata.encode_chunk_key(chunk)).is_file()
    lost = ~there & (there.mean(axis=time, keepdims=True) >= 0.5)
    chunks = np.flatnonzero(lost.any(axis=tuple(i for i in range(lost.ndim) if i != time)))
    frames = (range(k * grid[time], (k + 1) * grid[time]) for k in chunks)
    return [t for of_chunk in frames for t in of_chunk if t < array.shape[time]]


def _find_image(group: zarr.Group, path: Path) -> tuple[zarr.Group, dict[str, Any]]:
    """The group with the multiscale image: this one, or the only series that bioformats2raw wrote into it."""
    attributes: dict[str, Any] = dict(group.attrs)
    attributes = attributes.get("ome", attributes)  # NGFF 0.5 keeps its own under one key
    if "multiscales" in attributes:
        return group, attributes
    series = sorted((k for k in group.group_keys() if k.isdigit()), key=int)
    if "plate" in attributes or len(series) > 1:
        raise InputError(f"{path.name} holds several positions; one movie is wanted: give the folder of one")
    if not series:
        raise InputError(f"{path.name} has no NGFF image (`multiscales`): export it as OME-Zarr")
    child: Any = group[series[0]]
    return _find_image(child, path)


def _read_axis_names(multiscale: dict[str, Any], ndim: int) -> tuple[str, dict[str, str]]:
    """Letters of the axes, and their units. NGFF 0.3 has names without units, 0.1 neither."""
    axes = multiscale.get("axes", list("tczyx")[-ndim:])
    entries = [a if isinstance(a, dict) else {"name": a} for a in axes]
    names = "".join(e["name"][0].upper() for e in entries)
    return names, {n: e["unit"] for n, e in zip(names, entries, strict=True) if "unit" in e}


def _read_scale(multiscale: dict[str, Any], level: dict[str, Any], ndim: int) -> tuple[float, ...]:
    """Step along each axis: the level's scale times that of the whole image."""
    scales = [
        t["scale"]
        for holder in (multiscale, level)
        for t in holder.get("coordinateTransformations", ())
        if t.get("type") == "scale" and len(t.get("scale", ())) == ndim
    ]
    return tuple(float(prod(s[i] for s in scales)) if scales else 0.0 for i in range(ndim))
