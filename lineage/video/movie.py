"""Any supported file or folder -> Video; what the metadata leave open is assumed, and reported."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.tiff import finite
from lineage.schema import CROP_FRAMES, CROP_INTERVAL_MIN, InputError, Video
from lineage.video.channels import choose_channels
from lineage.video.folder import channels_as_frames
from lineage.video.formats import format_of
from lineage.video.places import ALL, choose_position
from lineage.video.selection import Selection
from lineage.video.source import Source
from lineage.video.units import CREDIBLE_MIN, CREDIBLE_UM, is_credible

if TYPE_CHECKING:
    from lineage.video.units import Measure

ASSUMED_PIXEL_SIZE_UM = 1.1518
ASSUMED_MINUTES_PER_FRAME = 10.0
_PAPER = "Delgado-Rodriguez et al. 2024"


@dataclass(frozen=True)
class _Unit:
    """A number that a movie needs, and how it is called in messages."""

    name: str
    unit: str
    option: str
    assumed: float  # where nobody states it
    credible: tuple[float, float]


_PIXEL_SIZE = _Unit("pixel size", "um a pixel", "--pixel-size-um", ASSUMED_PIXEL_SIZE_UM, CREDIBLE_UM)
_INTERVAL = _Unit("interval", "min a frame", "--minutes-per-frame", ASSUMED_MINUTES_PER_FRAME, CREDIBLE_MIN)


def open_video(
    path: Path,
    *,
    position: str | int | None = None,
    well: str | None = None,
    z: str | int | None = None,
    axes: str | None = None,
    nucleus_channel: int | None = None,
    phase_channel: int | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
) -> Video:
    """Open a movie without loading it.

    Options win over the metadata, and the metadata over the paper's values. Frames come as the file has them,
    in the machine's byte order, with two exceptions: where a TIFF states that 0 is white, grey values are
    inverted; and pixels that are no number get the median of the frame's others (a frame without any number
    becomes zeros, and so is blank). Frames that were not taken or got lost read as zeros.

    Args:
        path: TIFF, BigTIFF, OME-TIFF or ImageJ stack, a folder with one TIFF a frame and channel, OME-Zarr,
            ND2, CZI or LIF.
        position: which of several: its name, or its number in the list of `positions`, from 0.
        well: the well of the position.
        z: of a z-stack: `max` or `mean` of its planes, the one in best `focus`, or the number of one, from 0.
        axes: what the axes of a TIFF or Zarr are, as `TCYX`, where the file says it wrongly or not at all.
        nucleus_channel: the channel with the DNA stain, counted from 0.
        phase_channel: the channel with phase contrast, counted from 0.
        pixel_size_um: side of a pixel, micrometres.
        minutes_per_frame: time from one frame to the next, minutes.

    Returns:
        Video; `assumed` has a sentence for what neither options nor file state.

    Raises:
        InputError: nothing there, nothing that can be read as a movie, damage, units that are not credible,
            or an option that does not fit. `Video.frame` raises it too, for damage that shows only then.
    """
    path = Path(path)
    selection = Selection(position, well, z, axes)
    form = format_of(path)
    found = form.positions(path)
    number = choose_position(found, selection, path.name)
    video = settle(
        form.read(path, number, selection),
        path,
        nucleus_channel=nucleus_channel,
        phase_channel=phase_channel,
        pixel_size_um=pixel_size_um,
        minutes_per_frame=minutes_per_frame,
    )
    called = found[number].name or ("" if position in (None, ALL) else str(position))
    return replace(video, position=called, selection=selection.words)


def open_array(
    array: Any,
    *,
    nucleus_channel: int | None = None,
    phase_channel: int | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
) -> Video:
    """Take an array for a movie.

    Args:
        array: (T, Y, X) or (T, C, Y, X), 8 or 16 bit or float; NumPy's, or any that is indexed like it, such
            as Dask's or Zarr's: a frame is computed when it is asked for.
        nucleus_channel: the channel with the DNA stain, counted from 0.
        phase_channel: the channel with phase contrast, counted from 0.
        pixel_size_um: side of a pixel, micrometres.
        minutes_per_frame: time from one frame to the next, minutes.

    Raises:
        InputError: another shape or type, or units that are missing or not credible.
    """
    if getattr(array, "ndim", None) not in (3, 4):
        raise InputError(
            f"the array is {getattr(array, 'shape', type(array))}; wanted (T, Y, X) or (T, C, Y, X)"
        )
    if pixel_size_um is None or minutes_per_frame is None:
        raise InputError("an array states no units; give pixel_size_um and minutes_per_frame")
    has_channels = array.ndim == 4
    n_channels = array.shape[1] if has_channels else 1

    def read(t: int, channel: int) -> np.ndarray:
        return np.asarray(array[t, channel] if has_channels else array[t])

    source = Source(
        n_frames=array.shape[0],
        shape=(int(array.shape[-2]), int(array.shape[-1])),
        dtypes=(np.dtype(array.dtype),) * n_channels,
        channels=("",) * n_channels,
        read=read,
    )
    video = settle(
        source,
        Path("array"),
        nucleus_channel=nucleus_channel,
        phase_channel=phase_channel,
        pixel_size_um=pixel_size_um,
        minutes_per_frame=minutes_per_frame,
    )
    return replace(video, sha256=_sha256(source))


def _sha256(source: Source) -> str:
    """Of all pixels, and of what tells two arrays with the same bytes apart."""
    digest = hashlib.sha256(repr((source.n_frames, source.shape, source.dtypes)).encode())
    for t in range(source.n_frames):
        for channel in range(len(source.channels)):
            digest.update(np.ascontiguousarray(source.read(t, channel)).tobytes())
    return digest.hexdigest()


def settle(
    source: Source,
    path: Path,
    *,
    nucleus_channel: int | None = None,
    phase_channel: int | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
) -> Video:
    """What a reader gives, with channels and units settled and checked.

    Args:
        source: what the reader gives.
        path: of the file.
        nucleus_channel: the channel with the DNA stain, counted from 0.
        phase_channel: the channel with phase contrast, counted from 0.
        pixel_size_um: side of a pixel, micrometres.
        minutes_per_frame: time from one frame to the next, minutes.

    Returns:
        Video, of the source's position.

    Raises:
        InputError: no movie of grey values, units that are not credible, or channels that are not there.
    """
    _check_positive(pixel_size_um, "--pixel-size-um", "micrometres")
    _check_positive(minutes_per_frame, "--minutes-per-frame", "minutes")
    source = _with_checked_frames(source, path.name)
    _check_movie(source, path.name)
    if source.unnamed_channels and nucleus_channel is None and phase_channel is None:
        source = _channels_or_frames(source)
    choice = choose_channels(source, path.name, nucleus_channel, phase_channel)
    size, size_assumed = _settle(_PIXEL_SIZE, pixel_size_um, source.pixel_size, path.name)
    interval, interval_assumed = _settle(_INTERVAL, minutes_per_frame, source.interval, path.name)
    return Video(
        path,
        source.n_frames,
        source.shape,
        source.dtypes[choice.nucleus].newbyteorder("="),
        tuple(name or f"channel {i}" for i, name in enumerate(source.channels)),
        choice.nucleus,
        choice.phase,
        size,
        interval,
        source.read,
        (*size_assumed, *interval_assumed, *choice.assumed, *source.assumed),
        (*choice.notes, *source.notes),
        warnings=(*source.warnings, *warn_of_length(source.n_frames, interval)),
        missing=source.missing,
        files=source.files,
        started_min=source.started_min,
    )


def _check_positive(value: float | None, option: str, unit: str) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"{option} is {value}; a number of {unit} above 0 is wanted")


_PROBED_STEPS = 5
_MAX_DIFFERENCE = 1.5  # times: how much more neighbours may differ than images one round apart


def _channels_or_frames(source: Source) -> Source:
    """Decide whether an axis without a name holds frames or channels.

    Images of one channel change little from one to the next, so where neighbours along that axis are about as
    alike as images that lie a full round apart, they are frames.
    """
    rounds = np.unique(np.linspace(0, source.n_frames - 2, _PROBED_STEPS).astype(int))
    if source.n_frames < 2 or len(set(source.dtypes)) > 1:
        return source
    apart, along = [], []
    for t in rounds:
        here, neighbour, later = (
            source.read(int(i), c).astype(np.float32) for i, c in ((t, 0), (t, 1), (t + 1, 0))
        )
        along.append(float(np.abs(here - neighbour).mean()))
        apart.append(float(np.abs(here - later).mean()))
    return channels_as_frames(source) if np.median(along) <= _MAX_DIFFERENCE * np.median(apart) else source


def _check_movie(source: Source, file: str) -> None:
    for dtype in source.dtypes:
        if dtype.kind not in "uif":
            raise InputError(f"{file} has {dtype} pixels; grey values (8 or 16 bit, or float) are wanted")
    if source.n_frames < 2:
        raise InputError(f"{file} is a single image; give a movie, or a folder of its frames")


def warn_of_length(n_frames: int, minutes_per_frame: float) -> tuple[str, ...]:
    """A crop spans two hours; in those of a shorter movie some frames are repeated."""
    lasts, wanted = n_frames * minutes_per_frame, CROP_FRAMES * CROP_INTERVAL_MIN
    if lasts >= wanted:
        return ()
    return (
        f"the movie lasts {lasts:.3g} min, and a crop of a mitosis {wanted:g} min: "
        "the crops repeat the first or the last frame",
    )


def _settle(unit: _Unit, given: float | None, stated: Measure, file: str) -> tuple[float, tuple[str, ...]]:
    """The value to use, whatever its source, and a sentence for the user where it is only assumed.

    Args:
        unit: which number.
        given: by an option; None if it is not given.
        stated: by the file.
        file: its name, for messages.

    Raises:
        InputError: a value that is not credible, or a statement of the file that cannot be used.
    """
    low, high = unit.credible
    wanted = f"between {low:.3g} and {high:g} {unit.unit}"
    if given is not None:
        if not is_credible(given, unit.credible):
            raise InputError(f"{unit.option} is {given:g}, which is not credible: wanted is a value {wanted}")
        return float(given), ()
    if stated.value is not None and not is_credible(stated.value, unit.credible):
        raise InputError(
            f"{file} gives as its {unit.name} {stated.stated}, that is {stated.value:.3g} {unit.unit}, which "
            f"is not credible; wanted is a value {wanted}: give {unit.option}"
        )
    if stated.value is not None:
        return stated.value, ()
    if stated.unclear:
        raise InputError(
            f"{file} gives as its {unit.name} {stated.stated}: {stated.unclear}; give {unit.option}"
        )
    says = f"the file gives {stated.stated}" if stated.stated else "the file gives none"
    return unit.assumed, (
        f"{unit.name}: {says}; {unit.assumed:g} {unit.unit} ({_PAPER}) is assumed; give {unit.option}",
    )


def _with_checked_frames(source: Source, file: str) -> Source:
    """The source with planes that are contiguous, in the machine's byte order, every pixel a number."""

    def read(t: int, channel: int) -> np.ndarray:
        try:
            plane = source.read(t, channel)
        except Exception as error:  # each format's decoder meets damage with errors of its own
            raise InputError(
                f"{file}: frame {t} cannot be read ({error}): copy or export the movie again"
            ) from error
        return finite(np.ascontiguousarray(plane, source.dtypes[channel].newbyteorder("=")))

    return replace(source, read=read)
