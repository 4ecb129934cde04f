"""Any supported file or folder -> Video, with what its metadata leaves open filled in and said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import CROP_FRAMES, InputError, Video
from lineage.video.channels import choose_channels
from lineage.video.ngff import is_zarr, read_ngff
from lineage.video.nikon import MAGIC as ND2_MAGIC
from lineage.video.nikon import read_nd2
from lineage.video.stills import as_still, join_stills, list_frames
from lineage.video.tiff import read_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage.video.source import Source

ASSUMED_PIXEL_SIZE_UM = 1.1518
ASSUMED_MINUTES_PER_FRAME = 10.0
_PAPER = "Delgado-Rodriguez et al. 2024"
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_video(
    path: Path,
    *,
    nucleus_channel: int | None = None,
    phase_channel: int | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
) -> Video:
    """Open a movie without loading it.

    What is given wins over the metadata, and the metadata over the paper's values. Frames come as the file
    has them, in the machine's byte order, but for pixels that are no number: these get the median of the
    frame's others, since they mostly are borders left by an earlier registration (a frame of nothing else
    becomes zeros, and so is blank).

    Args:
        path: TIFF, BigTIFF, OME-TIFF or ImageJ stack, a folder with one TIFF a frame, OME-Zarr, or ND2.
        nucleus_channel: the channel with the DNA stain, counted from 0.
        phase_channel: the channel with phase contrast, counted from 0.
        pixel_size_um: side of a pixel, micrometres.
        minutes_per_frame: time from one frame to the next, minutes.

    Returns:
        Video; `assumed` says what neither the options nor the file settled.

    Raises:
        InputError: nothing there, nothing that can be read as a movie of at least 12 frames, damage, or an
            option that does not fit. `Video.frame` raises it too, for damage that shows only then.
    """
    path = Path(path)
    _check_positive(pixel_size_um, "--pixel-size-um", "micrometres")
    _check_positive(minutes_per_frame, "--minutes-per-frame", "minutes")
    source = _reader(path)(path)
    _check_movie(source, path.name)
    choice = choose_channels(source, path.name, nucleus_channel, phase_channel)
    size, size_assumed = _settle(
        pixel_size_um,
        source.pixel_size_um,
        ASSUMED_PIXEL_SIZE_UM,
        "pixel size",
        "um a pixel",
        "--pixel-size-um",
    )
    interval, interval_assumed = _settle(
        minutes_per_frame,
        source.minutes_per_frame,
        ASSUMED_MINUTES_PER_FRAME,
        "interval",
        "min a frame",
        "--minutes-per-frame",
    )
    return Video(
        path,
        source.n_frames,
        source.shape,
        source.dtype.newbyteorder("="),
        tuple(name or f"channel {i}" for i, name in enumerate(source.channels)),
        choice.nucleus,
        choice.phase,
        size,
        interval,
        _whole_frames(source, path.name),
        (*size_assumed, *interval_assumed, *choice.assumed, *source.assumed),
        choice.notes,
    )


def _check_positive(value: float | None, option: str, unit: str) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"{option} is {value}; a number of {unit} above 0 is wanted")


def _reader(path: Path) -> Callable[[Path], Source]:
    """The function that reads what is there: told by its first bytes, as names can be wrong."""
    if path.is_dir():
        return read_ngff if is_zarr(path) else _read_folder
    if not path.exists():
        raise InputError(f"{path} is not there: check the name")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    if start.startswith(_TIFF_MAGIC):
        return read_tiff
    if start.startswith(ND2_MAGIC):
        return read_nd2
    found = "is empty" if not start else "is not an image that can be read here"
    raise InputError(f"{path.name} {found}; give a TIFF, a folder of TIFFs, an OME-Zarr or an ND2 file")


def _read_folder(path: Path) -> Source:
    files = list_frames(path)

    def still(t: int) -> Source:
        return as_still(read_tiff(files[t]), files[t].name)

    return join_stills(map(still, range(len(files))), lambda t: files[t].name, still)


def _check_movie(source: Source, file: str) -> None:
    if source.dtype.kind not in "uif":
        raise InputError(f"{file} has {source.dtype} pixels; grey values (8 or 16 bit, or float) are wanted")
    if source.n_frames < CROP_FRAMES:
        found = "is a single image" if source.n_frames == 1 else f"has {source.n_frames} frames"
        raise InputError(f"{file} {found}; a mitosis crop needs {CROP_FRAMES} frames: give a longer movie")


def _settle(
    given: float | None, found: float | None, usual: float, what: str, unit: str, option: str
) -> tuple[float, tuple[str, ...]]:
    """The value to use, and the sentence that says so where it is only assumed."""
    if given is not None or found is not None:
        return float(given if given is not None else found or usual), ()
    return usual, (f"{what}: the file gives none; {usual:g} {unit} ({_PAPER}) is assumed; give {option}",)


def _whole_frames(source: Source, file: str) -> Callable[[int, int], np.ndarray]:
    """The source's planes, contiguous, in the machine's byte order, every pixel a number."""

    def read(t: int, channel: int) -> np.ndarray:
        try:
            plane = source.read(t, channel)
        except Exception as error:  # each format's decoder meets damage with errors of its own
            raise InputError(
                f"{file}: frame {t} cannot be read ({error}): copy or export the movie again"
            ) from error
        plane = np.ascontiguousarray(plane, source.dtype.newbyteorder("="))
        return _without_gaps(plane) if plane.dtype.kind == "f" else plane

    return read


def _without_gaps(plane: np.ndarray) -> np.ndarray:
    """Pixels that are no finite number, replaced by the median of the others; zeros if there are none.

    >>> _without_gaps(np.array([[1.0, np.nan], [3.0, 3.0]]))
    array([[1., 3.],
           [3., 3.]])
    """
    finite = np.isfinite(plane)
    if finite.all():
        return plane
    return np.where(finite, plane, np.median(plane[finite]) if finite.any() else 0).astype(plane.dtype)
