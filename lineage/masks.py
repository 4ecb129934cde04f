"""A TIFF stack, a CTC folder or a Zarr of instance masks -> labels, a frame at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError, Video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def open_masks(path: Path, *, n_frames: int, shape: tuple[int, int]) -> Callable[[int], np.ndarray]:
    """Open existing masks in place of a segmentation.

    Args:
        path: a TIFF stack (T, Y, X), a folder of TIFFs one a frame (CTC's `mask000.tif`, `man_seg000.tif`,
            `man_track000.tif`), or a Zarr array (T, Y, X), also as the first array of a group.
        n_frames: of the movie.
        shape: (Y, X) of the movie.

    Returns:
        A function t -> (Y, X) int32, 0 is background.

    Raises:
        InputError: no such masks, or not of the movie's shape.
    """
    read, found = _open(path)
    if found != (n_frames, *shape):
        raise InputError(f"{path.name}: masks are {found} (T, Y, X), the movie is {(n_frames, *shape)}")
    return lambda t: _checked(read(t), path.name, t, shape)


def as_video(path: Path, *, pixel_size_um: float | None, minutes_per_frame: float | None) -> Video:
    """Masks as a movie of their own, where there are no intensities: 1 within a nucleus, 0 outside.

    Args:
        path: as for `open_masks`.
        pixel_size_um: side of a pixel; none is read from masks.
        minutes_per_frame: interval.

    Raises:
        InputError: no such masks, or their pixel size or interval is not given.
    """
    if pixel_size_um is None or minutes_per_frame is None:
        raise InputError(
            f"{path.name}: masks alone tell neither the size of their pixels nor the time between frames; "
            "give --pixel-size-um and --minutes-per-frame"
        )
    read, (n_frames, *shape) = _open(path)
    return Video(
        path=path,
        n_frames=n_frames,
        shape=(shape[0], shape[1]),
        dtype=np.dtype(np.uint8),
        channels=("masks",),
        nucleus=0,
        phase=None,
        pixel_size_um=pixel_size_um,
        minutes_per_frame=minutes_per_frame,
        read=lambda t, _: (np.asarray(read(t)) > 0).astype(np.uint8),
        notes=("masks alone: the area of a nucleus stands for its DNA",),
        intensities=False,
    )


def _open(path: Path) -> tuple[Callable[[int], np.ndarray], tuple[int, ...]]:
    """A function t -> mask, and (T, Y, X)."""
    if not path.exists():
        raise InputError(f"no such masks: {path}; give a TIFF stack, a folder of TIFFs or a Zarr")
    if path.suffix == ".zarr" or (path / "zarr.json").exists() or (path / ".zarray").exists():
        return _zarr(path)
    return _folder(path) if path.is_dir() else _stack(path)


def _checked(mask: np.ndarray, name: str, t: int, shape: tuple[int, int]) -> np.ndarray:
    if mask.shape != shape:
        raise InputError(f"{name}: the mask of frame {t} is {mask.shape}, the movie is {shape} (Y, X)")
    if mask.min() < 0 or mask.max() > np.iinfo(np.int32).max or not np.issubdtype(mask.dtype, np.integer):
        raise InputError(f"{name}: frame {t} is no mask of instances; wanted whole numbers from 0 up")
    return mask.astype(np.int32)


def _zarr(path: Path) -> tuple[Callable[[int], np.ndarray], tuple[int, ...]]:
    import zarr

    try:
        node = zarr.open(path, mode="r")
        array = node if isinstance(node, zarr.Array) else next(a for _, a in sorted(node.arrays()))
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise InputError(f"{path.name} holds no Zarr array of masks; wanted (T, Y, X)") from error
    # OME-Zarr may carry channel and depth of length one between T and Y.
    middle = (0,) * (array.ndim - 3)
    if array.ndim < 3 or any(n != 1 for n in array.shape[1:-2]):
        raise InputError(f"{path.name}: masks are {array.shape}; wanted (T, Y, X)")
    return lambda t: np.asarray(array[(t, *middle)]), (array.shape[0], *array.shape[-2:])


def _folder(path: Path) -> tuple[Callable[[int], np.ndarray], tuple[int, ...]]:
    import tifffile

    def number(file: Path) -> int:
        return int(re.findall(r"\d+", file.stem)[-1])

    files = [f for f in path.iterdir() if f.suffix.lower() in (".tif", ".tiff") and re.search(r"\d", f.stem)]
    files.sort(key=number)
    if not files:
        raise InputError(f"{path} holds no numbered TIFFs; wanted one mask a frame")
    if [number(f) for f in files] != list(range(number(files[0]), number(files[0]) + len(files))):
        raise InputError(f"{path}: the masks' numbers have gaps; wanted one a frame")
    return lambda t: tifffile.imread(files[t]), (len(files), *tifffile.imread(files[0]).shape)


def _stack(path: Path) -> tuple[Callable[[int], np.ndarray], tuple[int, ...]]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            shape = series.shape
    except (OSError, tifffile.TiffFileError, IndexError) as error:
        raise InputError(f"{path.name} is no TIFF of masks ({error})") from error
    if len(shape) != 3:
        raise InputError(f"{path.name}: masks are {shape}; wanted (T, Y, X)")

    def read(t: int) -> np.ndarray:
        return tifffile.imread(path, key=t)

    return read, shape
