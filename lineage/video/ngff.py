"""OME-Zarr (NGFF 0.1 to 0.5, Zarr 2 and 3) -> Source. The full-resolution level of a multiscale image."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.arrange import Position
from lineage.video.axes import MAX_PLANES, are_names, check_sizes, read_axes
from lineage.video.ome import read_images
from lineage.video.places import choose_position, name_positions, well_name
from lineage.video.selection import NO_CHOICE, Selection
from lineage.video.source import Source, without_missing
from lineage.video.units import SILENT, Measure, duration, length, pixel_size
from lineage.video.zplanes import over_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import zarr

_MAX_CHUNK_BYTES = 2**32
_MARKERS = (".zgroup", ".zarray", ".zattrs", "zarr.json")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.suffix == ".zarr" or any((path / m).is_file() for m in _MARKERS)


def positions(path: Path) -> list[Position]:
    """The fields of a plate or of one of its wells, or the series of a file that bioformats2raw converted.

    Raises:
        InputError: no multiscale image in it, or damaged.
    """
    import zarr

    with _errors_are_damage(path):
        return [p for p, _ in _images(zarr.open_group(path, mode="r"), path)]


def read_ngff(path: Path, number: int | None = None, selection: Selection = NO_CHOICE) -> Source:
    """Open an OME-Zarr image; one plane is read at a time.

    Args:
        path: the folder, also of a plate, a well or several images.
        number: of the position, as `positions` lists them; None for the only one.
        selection: what the user chose of z and axes.

    Raises:
        InputError: no multiscale image in it, several positions, damaged, axes that are no movie, or a choice
            that does not fit.
    """
    import zarr

    with _errors_are_damage(path):
        group = zarr.open_group(path, mode="r")
        found = _images(group, path)
        if number is None:
            number = choose_position([p for p, _ in found], NO_CHOICE, path.name)
        inner = found[number][1]
        image: Any = group[inner] if inner else group
        source = _describe(image, path, selection)
    return replace(source, files=(path / inner,)) if len(found) > 1 else source


@contextmanager
def _errors_are_damage(path: Path) -> Iterator[None]:
    """Zarr raises all kinds of errors on damaged files, and so does reading its attributes."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path.name} is no OME-Zarr image, or it is damaged ({error!r}): export it again"
        ) from error


def _images(group: zarr.Group, path: Path) -> list[tuple[Position, str]]:
    """Each image of a group with its place in it: of a plate, a well, several series, or the group's own."""
    attributes = _attributes(group)
    if "multiscales" in attributes:
        return [(Position(""), "")]
    if "plate" in attributes:
        # A plate that was copied in part has not all the wells that it names.
        wells = [w["path"] for w in attributes["plate"]["wells"] if w["path"] in group]
        fields = [(well, place) for well in wells for place in _fields(group[well])]
        alone = len(fields) == len(wells)
        stated = [(well_name(w) if alone else "", well_name(w), field) for w, field in fields]
        inner = [f"{well}/{field}" for well, field in fields]
    elif "well" in attributes:
        inner = _fields(group)
        stated = [("", "", field) for field in inner]
    else:
        # zarr warns of folders that are no groups, such as that of the OME-XML.
        numbered = (f.name for f in path.iterdir() if f.is_dir() and f.name.isdigit())
        inner = sorted((name for name in numbered if name in group), key=int)
        stated = _series(path, inner)
    if not inner:
        raise InputError(f"{path.name} has no NGFF image (`multiscales`): export it as OME-Zarr")
    return list(zip(name_positions(stated), inner, strict=True))


def _attributes(group: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = dict(group.attrs)
    found: dict[str, Any] = attributes.get("ome", attributes)  # NGFF 0.5 keeps its own under one key
    return found


def _fields(well: Any) -> list[str]:
    return [str(image["path"]) for image in _attributes(well)["well"]["images"]]


def _series(path: Path, inner: list[str]) -> list[tuple[str, str, str]]:
    """Names and places of the series that bioformats2raw wrote, by the OME-XML that it writes beside them."""
    xml = path / "OME" / "METADATA.ome.xml"
    images = read_images(xml.read_text(encoding="utf-8"), path.name) if xml.is_file() else []
    if len(images) != len(inner):
        return [("", "", "")] * len(inner)
    return [(i.name, i.well, i.position) for i in images]


def _describe(image: Any, path: Path, selection: Selection) -> Source:
    attributes = _attributes(image)
    multiscale = attributes["multiscales"][0]
    level = multiscale["datasets"][0]
    array: Any = image[level["path"]]
    names, units = _read_axis_names(multiscale, array.ndim)
    if len(names) != array.ndim:
        raise InputError(f"{path.name} names {len(names)} axes for {array.ndim}: export it again")
    check_array(array, names, path.name)
    if not array.nchunks_initialized:
        raise InputError(f"{path.name} holds no pixels: all chunks are missing; copy or export it again")
    labels = tuple(str(c.get("label", "")) for c in attributes.get("omero", {}).get("channels", []))
    axes = read_axes(names, array.shape, path.name, selection, named_channels=are_names(labels))
    step = dict(zip(axes.names, _read_scale(multiscale, level, array.ndim), strict=True))
    n_frames, missing, warnings = without_missing(
        [] if axes.time is None else lost_frames(array, axes.time),
        axes.n_frames,
        "hold no pixels, since chunks are not there",
    )
    holes = frozenset(missing)

    def read(t: int, channel: int, z: int) -> np.ndarray:
        if t in holes:
            return np.zeros(axes.shape, array.dtype)
        return np.asarray(array[axes.index(t, channel, z)])

    flat, notes = over_planes(read, axes.n_planes, selection)
    return Source(
        n_frames,
        axes.shape,
        (array.dtype,) * axes.n_channels,
        labels if len(labels) == axes.n_channels else ("",) * axes.n_channels,
        flat,
        pixel_size(*(_measure(length, step[a], units.get(a)) for a in "YX")),
        SILENT if "T" not in names else _measure(duration, step.get("T"), units.get("T")),
        missing,
        assumed=axes.assumed,
        notes=(*axes.notes, *notes),
        warnings=tuple(warnings),
        n_planes=axes.n_planes,
    )


def _measure(read: Callable[[object, str | None], Measure], value: float | None, unit: str | None) -> Measure:
    """The measure; a scale of 1 without a unit means that the format states nothing."""
    return SILENT if value is None or (unit is None and value in (0.0, 1.0)) else read(value, unit)


def check_array(array: Any, names: str, file: str) -> None:
    """Raise InputError for sizes that only a damaged or made-up array states, before it is looked at.

    Args:
        array: a Zarr array.
        names: a letter an axis.
        file: its name, for the message.
    """
    check_sizes(names, array.shape, file)
    chunk = array.metadata.chunk_grid.chunk_shape
    n_chunks = prod(-(-n // c) for n, c in zip(array.shape, chunk, strict=True))
    n_bytes = prod(chunk) * array.dtype.itemsize
    if n_chunks > MAX_PLANES or n_bytes > _MAX_CHUNK_BYTES:
        raise InputError(
            f"{file} is damaged: by its own description it has {n_chunks} chunks of {n_bytes} bytes; "
            "export it again"
        )


def lost_frames(array: Any, time: int) -> list[int]:
    """Frames with a chunk that should be there and is not.

    A chunk of zeros need not be written, so a chunk is lost only if most other frames have the same one.

    Args:
        array: a Zarr array in a folder.
        time: which of its axes is time.

    Returns:
        The frames, in order.

    Raises:
        InputError: a chunk's file is larger than its pixels can be: it would unpack to far more than them.
    """
    grid = array.metadata.chunk_grid.chunk_shape
    counts = tuple(-(-n // c) for n, c in zip(array.shape, grid, strict=True))
    there = np.zeros(counts, bool)
    # Of packed pixels; what is packed anew never gets much larger than it was.
    largest = 2 * prod(grid) * array.dtype.itemsize + 2**16
    folder = array.store_path.store.root / array.store_path.path
    for chunk in np.ndindex(*counts):
        file = folder / array.metadata.encode_chunk_key(chunk)
        there[chunk] = file.is_file()
        if there[chunk] and file.stat().st_size > largest:
            raise InputError(
                f"{array.store_path.store.root.name} is damaged: its chunk {file.relative_to(folder)} has "
                f"{file.stat().st_size} bytes, more than its pixels: copy or export it again"
            )
    lost = ~there & (there.mean(axis=time, keepdims=True) >= 0.5)
    chunks = np.flatnonzero(lost.any(axis=tuple(i for i in range(lost.ndim) if i != time)))
    frames = (range(k * grid[time], (k + 1) * grid[time]) for k in chunks)
    return [t for of_chunk in frames for t in of_chunk if t < array.shape[time]]


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
