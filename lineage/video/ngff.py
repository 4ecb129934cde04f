"""OME-Zarr (NGFF 0.1 to 0.5, Zarr 2 and 3) -> Source. The full-resolution level of a multiscale image."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.source import Source, read_axes
from lineage.video.units import square_um, to_minutes, to_um

if TYPE_CHECKING:
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
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        image, attributes = _find_image(group, path)
        multiscale = attributes["multiscales"][0]
        level = multiscale["datasets"][0]
        array: Any = image[level["path"]]
        filled = array.nchunks_initialized
    except InputError:
        raise
    except Exception as error:  # zarr meets damage with whatever its parsing runs into
        raise InputError(
            f"{path.name} is no OME-Zarr image, or it is damaged ({error!r}): export it again"
        ) from error
    if not filled:
        raise InputError(f"{path.name} holds no pixels: all chunks are missing; copy or export it again")
    names, units = _read_axis_names(multiscale, array.ndim)
    if len(names) != array.ndim:
        raise InputError(f"{path.name} names {len(names)} axes for {array.ndim}: export it again")
    axes = read_axes(names, array.shape, path.name)
    step = dict(zip(names, _read_scale(multiscale, level, array.ndim), strict=True))
    labels = [c.get("label", "") for c in attributes.get("omero", {}).get("channels", [])]
    return Source(
        axes.n_frames,
        axes.shape,
        array.dtype,
        tuple(map(str, labels)) if len(labels) == axes.n_channels else ("",) * axes.n_channels,
        lambda t, channel: np.asarray(array[axes.index(t, channel)]),
        square_um(to_um(step["Y"], units.get("Y")), to_um(step["X"], units.get("X"))),
        to_minutes(step.get("T"), units.get("T")),
        axes.assumed,
    )


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
