"""TIFF, BigTIFF, OME-TIFF, ImageJ, LSM and MetaMorph stacks -> Source."""

from __future__ import annotations

import weakref
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.tiff import check_planes, damaged, dark_is_low, is_inverted, series_of
from lineage.schema import InputError
from lineage.video.arrange import Position
from lineage.video.axes import Axes, are_names, read_axes
from lineage.video.folder import join_parts
from lineage.video.metadata import Metadata, micro_manager_summary, settle_interval
from lineage.video.ome import read_ome_xml
from lineage.video.ome_tiff import open_image, read_set
from lineage.video.selection import NO_CHOICE, Selection
from lineage.video.source import Source, without_missing
from lineage.video.units import (
    CREDIBLE_UM,
    SILENT,
    SLOWEST_PLAYBACK_FPS,
    Measure,
    duration,
    is_credible,
    length,
    number,
    pixel_size,
)
from lineage.video.zplanes import over_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tifffile import FileHandle, TiffFile, TiffPageSeries

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}  # TIFF 6.0, tag 296
_COLOURS = (2, 5, 6, 8)  # photometric: RGB, separated, YCbCr, CIELab


def positions(path: Path) -> list[Position]:
    """The images of an OME-TIFF, also of one in several files; any other TIFF is one position.

    Raises:
        InputError: no TIFF, damaged, or described in a file that is not there.
    """
    found = read_set(path)
    return found.positions if found else [Position("")]


def read_tiff(
    path: Path,
    number: int | None = None,
    selection: Selection = NO_CHOICE,
    *,
    as_stored: bool = False,
) -> Source:
    """Open a TIFF of any dialect; pixels are read a plane at a time.

    Args:
        path: the file; of an OME-TIFF in several files any of them, or its companion file.
        number: of the position, as `positions` lists them; None for the only one.
        selection: what the user chose of z and axes.
        as_stored: leave the numbers as they are where the file states that 0 is white; for labels.

    Raises:
        InputError: not a TIFF, damaged, in colour, several positions, axes that are no movie, or a choice
            that does not fit.
    """
    with ExitStack() as files:
        tif, parts, warning = open_image(path, number, files)
        try:
            series = _series(tif, path)
            metadata = _read_metadata(tif, path)
            sources = [_describe(s, metadata, path, selection, as_stored=as_stored) for s in series]
        except InputError as error:
            if warning:
                raise InputError(f"{error}; {warning}") from error
            raise
        source = sources[0] if len(sources) == 1 else join_parts(sources, path.name)
        weakref.finalize(source.read, files.pop_all().close)
    return replace(source, files=parts, warnings=(*source.warnings, warning) if warning else source.warnings)


def _series(tif: TiffFile, path: Path) -> list[TiffPageSeries]:
    """The image series of a file; several only where they may be parts of one movie."""
    series = series_of(tif, path)
    if series[0].keyframe.photometric in _COLOURS and series[0].keyframe.samplesperpixel > 1:
        raise InputError(
            f"{path.name} is an RGB picture; a movie with its channels apart is wanted: "
            "export the raw channels, not the coloured view"
        )
    if tif.is_ome and (len(series) > 1 or series[0].kind != "ome"):
        raise damaged(path, "its planes are not those that its OME-XML describes")
    for parent in {id(p.parent): p.parent for s in series for p in s.pages if p is not None}.values():
        parent.filehandle.set_lock(True)  # of other files of a set, too; see open_tiff
    return series


def _describe(
    series: TiffPageSeries, metadata: Metadata, path: Path, selection: Selection, *, as_stored: bool
) -> Source:
    named = are_names(metadata.channels)
    axes = read_axes(series.axes, series.shape, path.name, selection, named_channels=named)
    names = metadata.channels if len(metadata.channels) == axes.n_channels else ("",) * axes.n_channels
    absent = _missing_frames(series, axes, check_planes(series, path))
    n_frames, missing, warnings = without_missing(absent, axes.n_frames, "were planned and not taken")
    if n_frames == 0:
        raise damaged(path, "no image in it")
    inverted = is_inverted(series.keyframe) and not as_stored
    plane = _plane_reader(series, axes, path)
    holes = frozenset(missing)
    dtype = np.dtype(series.dtype)

    def read(t: int, channel: int, z: int) -> np.ndarray:
        if t in holes:
            return np.zeros(axes.shape, dtype)
        found = plane(t, channel, z)
        return dark_is_low(found, series.keyframe) if inverted else found

    flat, notes = over_planes(read, axes.n_planes, selection)
    return Source(
        n_frames,
        axes.shape,
        (dtype,) * axes.n_channels,
        names,
        flat,
        metadata.pixel_size,
        metadata.interval,
        missing,
        axes.unnamed_channels,
        metadata.started_min,
        axes.assumed,
        (
            *metadata.notes,
            *(["grey values are inverted: in the file 0 is white"] if inverted else []),
            *axes.notes,
            *notes,
        ),
        (*metadata.warnings, *warnings),
        frames_in_z=axes.time is not None and axes.names[axes.time] == "Z",
        n_planes=axes.n_planes,
    )


def _outer(series: TiffPageSeries) -> tuple[int, ...]:
    """The axes along which a series' planes are numbered."""
    return series.shape[: len(series.shape) - len(series.keyframe.axes)]


def _missing_frames(series: TiffPageSeries, axes: Axes, absent: list[int]) -> list[int]:
    """Frames of which a plane is absent."""
    if axes.time is None or not absent:
        return [0] if absent else []
    return sorted({int(np.unravel_index(i, _outer(series))[axes.time]) for i in absent})


def _plane_reader(series: TiffPageSeries, axes: Axes, path: Path) -> Callable[[int, int, int], np.ndarray]:
    """How to read one plane without the others."""
    if series.dataoffset is not None:
        # Mapped anew for each plane, so that the resident memory does not grow with the movie; an ImageJ
        # stack past 4 GB has one directory entry only and can be read in no other way.
        dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
        offset, shape, file = series.dataoffset, series.shape, series.keyframe.parent.filehandle.path
        return lambda t, c, z: np.array(np.memmap(file, dtype, "r", offset, shape)[axes.index(t, c, z)])
    pages: Sequence[Any] = series.pages
    outer = _outer(series)
    if len(pages) != int(np.prod(outer)):
        raise damaged(path, f"{len(pages)} of {int(np.prod(outer))} planes")

    def read(t: int, channel: int, z: int) -> np.ndarray:
        index = axes.index(t, channel, z)
        position = [int(i) for i in index[: len(outer)] if not isinstance(i, slice)]
        page = pages[int(np.ravel_multi_index(position, outer)) if outer else 0]
        with _opened(page.parent.filehandle):
            return page.asarray()[index[len(outer) :]]

    return read


@contextmanager
def _opened(handle: FileHandle) -> Iterator[None]:
    """Of a set in thousands of files tifffile keeps none open but the first."""
    with handle.lock:
        closed = handle.closed
        if closed:
            handle.open()
        try:
            yield
        finally:
            if closed:
                handle.close()


def _read_metadata(tif: TiffFile, path: Path) -> Metadata:
    """The file's metadata, in whichever dialect it has them."""
    if tif.ome_metadata:
        return read_ome_xml(tif.ome_metadata, path.name)
    try:
        for read in (_imagej, _lsm, _stack_of_metamorph, _plane_of_metamorph, _micro_manager):
            if (found := read(tif)) is not None:
                return found
        return Metadata(pixel_size=_by_resolution(tif, ""))
    except Exception as error:  # tifffile raises all kinds of errors on damaged descriptions
        raise damaged(path, f"its description: {error}") from error


def _imagej(tif: TiffFile) -> Metadata | None:
    info: dict[str, Any] | None = tif.imagej_metadata
    if info is None:
        return None
    unit = str(info.get("unit", ""))
    size = _by_resolution(tif, unit, str(info.get("yunit", unit)))
    interval = duration(info.get("finterval"), str(info.get("tunit", "sec")))
    rate = number(info.get("fps"))
    if not interval.stated and rate is not None:
        slow = 0 < rate < SLOWEST_PLAYBACK_FPS
        interval = duration(rate, "fps") if slow else Measure(None, f"{rate:g} fps, a playback speed")
    return Metadata(pixel_size=size, interval=interval)


def _by_resolution(tif: TiffFile, unit: str, y_unit: str = "") -> Measure:
    """The pixel size by the resolution tags, which hold pixels a unit; often they are a printer's."""
    tags = tif.pages.first.tags
    printed = _RESOLUTION_UNITS.get(int(tags.valueof("ResolutionUnit", default=1)), "")
    sides = []
    for axis, own in (("Y", y_unit or unit), ("X", unit)):
        resolution = tags.valueof(f"{axis}Resolution")
        if resolution is None or 0 in resolution:
            sides.append(SILENT)
        else:
            sides.append(length(f"{resolution[1] / resolution[0]:.9g}", own or printed))
    if not unit and not printed:
        return SILENT  # a resolution without any unit is the shape of a pixel
    size = pixel_size(*sides)
    if not unit and not (size.value and is_credible(size.value, CREDIBLE_UM)):
        dots = tags.valueof("XResolution")
        return (
            Measure(None, f"{dots[0] / dots[1]:g} pixels a {printed}, a printer's resolution")
            if dots
            else SILENT
        )
    return size


def _lsm(tif: TiffFile) -> Metadata | None:
    info: dict[str, Any] | None = tif.lsm_metadata
    if info is None:
        return None
    size = pixel_size(length(info.get("VoxelSizeY"), "m"), length(info.get("VoxelSizeX"), "m"))
    stamps = np.asarray(info.get("TimeStamps", ()), float)
    interval, notes, warnings = settle_interval(
        duration(info.get("TimeIntervall") or None, "s"), {t: s / 60 for t, s in enumerate(stamps)}
    )
    names = tuple(map(str, info.get("ChannelColors", {}).get("ColorNames", ())))
    return Metadata(names, size, interval, notes=notes, warnings=warnings)


def _stack_of_metamorph(tif: TiffFile) -> Metadata | None:
    info: dict[str, Any] | None = tif.stk_metadata
    if info is None:
        return None
    unit = info.get("CalibrationUnits") if info.get("SpatialCalibration", 1) else None
    sides = (length(info.get(f"{axis}Calibration"), unit) for axis in "YX")
    taken = np.asarray(info.get("DatetimeCreated", ()), "datetime64[ms]")
    times = {t: float(m) for t, m in enumerate((taken - taken[:1]) / np.timedelta64(1, "m"))}
    interval, notes, warnings = settle_interval(SILENT, times)
    started = float(taken[0].astype("int64")) / 60_000 if len(taken) else None
    return Metadata((), pixel_size(*sides), interval, started, notes, warnings)


def _plane_of_metamorph(tif: TiffFile) -> Metadata | None:
    plane = (tif.metaseries_metadata or {}).get("PlaneInfo") if tif.is_metaseries else None
    if plane is None:
        return None
    unit = plane.get("spatial-calibration-units") if plane.get("spatial-calibration-state", True) else None
    taken = plane.get("acquisition-time-local")
    started = taken.timestamp() / 60 if isinstance(taken, datetime) else None
    sides = (length(plane.get(f"spatial-calibration-{axis}"), unit) for axis in "yx")
    name = str(plane.get("_IllumSetting_") or "")
    return Metadata((name,), pixel_size(*sides), SILENT, started)


def _micro_manager(tif: TiffFile) -> Metadata | None:
    summary = (tif.micromanager_metadata or {}).get("Summary") if tif.is_micromanager else None
    if summary is None:
        return None
    return micro_manager_summary(summary)
