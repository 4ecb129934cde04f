"""TIFF, BigTIFF, OME-TIFF, ImageJ stack -> Source. The only module that knows tifffile."""

from __future__ import annotations

import logging
import weakref
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.ome import Metadata, read_ome_xml
from lineage.video.source import Axes, Source, read_axes
from lineage.video.stills import as_still, join_stills
from lineage.video.units import square_um, to_minutes, to_um

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tifffile import TiffFile, TiffPageSeries

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}  # TIFF 6.0, tag 296
_COLOURS = (2, 5, 6, 8)  # photometric: RGB, separated, YCbCr, CIELab
_CREDIBLE_UM = (0.02, 20.0)  # resolution tags are mostly a printer's 72 dpi: 353 um


def read_tiff(path: Path) -> Source:
    """Open a TIFF of any dialect; pixels are read a plane at a time.

    Raises:
        InputError: not a TIFF, damaged, in colour, several positions, or axes that are no movie.
    """
    with ExitStack() as files:
        tif = _open(path, files)
        series = _read_series(tif, path)
        metadata = _read_metadata(tif, path)
        sources = [_describe(s, metadata, path) for s in series]
        source = sources[0] if len(sources) == 1 else _join(sources, path)
        weakref.finalize(source.read, files.pop_all().close)
    return source


def _describe(series: TiffPageSeries, metadata: Metadata, path: Path) -> Source:
    axes = read_axes(series.axes, series.shape, path.name)
    names = metadata.channels if len(metadata.channels) == axes.n_channels else ("",) * axes.n_channels
    return Source(
        axes.n_frames,
        axes.shape,
        series.dtype,
        names,
        _plane_reader(series, axes, path),
        metadata.pixel_size_um,
        metadata.minutes_per_frame,
        axes.assumed,
    )


def _join(sources: list[Source], path: Path) -> Source:
    """The frames of a file whose writer added them one by one, which makes each a series of its own."""
    try:
        stills = [as_still(s, path.name) for s in sources]
        return join_stills(stills, lambda t: f"image {t} of {path.name}", stills.__getitem__)
    except InputError as error:
        raise InputError(
            f"{path.name} holds {len(sources)} series of images, which are no frames of one movie ({error}): "
            "save each position apart"
        ) from error


def _open(path: Path, files: ExitStack) -> TiffFile:
    import tifffile

    with _warnings_are_damage(path):
        try:
            tif = files.enter_context(tifffile.TiffFile(path))
        except tifffile.TiffFileError as error:
            raise InputError(f"{path.name} is not a TIFF image ({error}): give a movie") from error
    tif.filehandle.set_lock(True)  # planes may be asked for from several threads
    return tif


class _Collect(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _warnings_are_damage(path: Path) -> Iterator[None]:
    """Raise for what tifffile only logs: a truncated file mostly opens, as one with fewer frames."""
    handler = _Collect(logging.WARNING)
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:  # tifffile meets damage with whatever its parsing runs into
        raise _damaged(path, str(error)) from error
    finally:
        logger.removeHandler(handler)
    if handler.messages:
        raise _damaged(path, handler.messages[0])


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path.name} is damaged or cut short ({why}): copy or export it again")


def _read_series(tif: TiffFile, path: Path) -> list[TiffPageSeries]:
    """The image series of a file, every byte of them there; several only where they may be single frames."""
    with _warnings_are_damage(path):
        if tif.ome_metadata:
            read_ome_xml(tif.ome_metadata, path.name)  # before tifffile's own parser, which trusts it
        len(tif.pages)  # walks the directory to its end
        series: list[TiffPageSeries] = tif.series
    if not series:
        raise _damaged(path, "no image in it")
    if series[0].keyframe.photometric in _COLOURS and series[0].keyframe.samplesperpixel > 1:
        raise InputError(
            f"{path.name} is an RGB picture; a movie with its channels apart is wanted: "
            "export the raw channels, not the coloured view"
        )
    if tif.is_ome and len(series) > 1:
        raise InputError(f"{path.name} holds {len(series)} positions; one movie is wanted: save each apart")
    for one in series:
        _check_complete(one, path)
    return series


def _check_complete(series: TiffPageSeries, path: Path) -> None:
    """Raise unless every byte that the directory promises is in the file."""
    if series.dataoffset is not None:
        end, size = series.dataoffset + series.nbytes, path.stat().st_size
        if end > size:
            raise _damaged(path, f"{size} bytes of at least {end}")
        return
    with _warnings_are_damage(path):
        for i, page in enumerate(series.pages):
            if page is None:
                raise _damaged(path, f"plane {i} of {len(series.pages)} is missing")
            ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True))
            if max(ends, default=0) > page.parent.filehandle.size:
                raise _damaged(path, f"plane {i} of {len(series.pages)} reaches past the end of the file")


def _plane_reader(series: TiffPageSeries, axes: Axes, path: Path) -> Callable[[int, int], np.ndarray]:
    """How to read one plane without the others."""
    if series.dataoffset is not None:
        # Mapped anew for each plane, so that the resident memory does not grow with the movie; an ImageJ
        # stack past 4 GB has one directory entry only and can be read in no other way.
        dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
        offset, shape = series.dataoffset, series.shape
        return lambda t, c: np.array(np.memmap(path, dtype, "r", offset, shape)[axes.index(t, c)])
    pages: Sequence[Any] = series.pages  # complete: none is None
    outer = series.shape[: len(series.shape) - len(pages[0].axes)]
    if len(pages) != int(np.prod(outer)):
        raise _damaged(path, f"{len(pages)} of {int(np.prod(outer))} planes")

    def read(t: int, channel: int) -> np.ndarray:
        index = axes.index(t, channel)
        place = [int(i) for i in index[: len(outer)] if not isinstance(i, slice)]
        page = pages[int(np.ravel_multi_index(place, outer)) if outer else 0]
        return page.asarray()[index[len(outer) :]]

    return read


def _read_metadata(tif: TiffFile, path: Path) -> Metadata:
    """OME-XML where there is some, else ImageJ's description, else the resolution tags."""
    if tif.ome_metadata:
        return read_ome_xml(tif.ome_metadata, path.name)
    imagej: dict[str, Any] = tif.imagej_metadata or {}
    tags = tif.pages.first.tags
    unit = imagej.get("unit") or _RESOLUTION_UNITS.get(int(tags.valueof("ResolutionUnit", default=1)))
    y_um, x_um = (_tag_um(tags.valueof(f"{axis}Resolution"), unit) for axis in "YX")
    pixel_size = square_um(y_um, x_um)
    if pixel_size is not None and not _CREDIBLE_UM[0] <= pixel_size <= _CREDIBLE_UM[1]:
        pixel_size = None
    interval = to_minutes(imagej.get("finterval"), str(imagej.get("tunit", "sec")))
    return Metadata((), pixel_size, interval)


def _tag_um(resolution: tuple[int, int] | None, unit: str | None) -> float | None:
    """Micrometres a pixel, from a resolution tag: pixels a unit, as a fraction."""
    if resolution is None or 0 in resolution:
        return None
    return to_um(resolution[1] / resolution[0], unit)
