"""A TIFF stack, a CTC folder or a Zarr of instance masks -> labels, a frame at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.tiff import SUFFIXES, read_image
from lineage.schema import InputError, Video
from lineage.video.source import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lineage.io.labels import Labels

MAX_LABEL = 2**24  # a larger number is damage, or no label
_PROBED_FRAMES = 5
_FAR_APART = 1.0  # diameters of the larger piece
_MIN_PIECE = 0.2  # of the larger piece's area: smaller ones are no nucleus


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks, read a frame at a time."""

    shape: tuple[int, ...]  # (T, Y, X)
    read: Callable[[int], np.ndarray]  # t -> (Y, X), as the file has it
    name: str
    is_binary: bool = False  # one value for all nuclei: each connected piece is one
    warnings: tuple[str, ...] = ()

    def __call__(self, t: int) -> np.ndarray:
        """(Y, X) int32 of frame t, 0 is background.

        Raises:
            InputError: it cannot be read, or is no mask of instances.
        """
        mask = _whole_numbers(self.read(t), self.name, t, self.shape[1:])
        if not self.is_binary:
            return mask
        from skimage.measure import label

        if len(np.unique(mask)) > 2:
            raise InputError(
                f"{self.name}: frame {t} has several labels, others have one value for all nuclei: "
                "give each nucleus a number"
            )
        return label(mask > 0, connectivity=1).astype(np.int32)

    def warnings_of(self, labels: Labels) -> list[str]:
        """What to be wary of, once all frames have been read.

        Args:
            labels: (T, Y, X) as they were read.
        """
        return [*self.warnings, *shared_labels(np.asarray(labels[t]) for t in range(labels.shape[0]))]


def open_masks(path: Path | np.ndarray, *, n_frames: int, shape: tuple[int, int]) -> Masks:
    """Open existing masks in place of a segmentation.

    Args:
        path: a TIFF stack (T, Y, X), a folder of TIFFs one a frame (CTC's `mask000.tif`, `man_seg000.tif`,
            `man_track000.tif`), or a Zarr array (T, Y, X), also as the first array of a group. Further axes
            of length one are passed over, and whole numbers may be kept as floats. Or an array (T, Y, X).
        n_frames: of the movie.
        shape: (Y, X) of the movie.

    Raises:
        InputError: no such masks, or not of the movie's shape.
    """
    masks = _open(path)
    if masks.shape != (n_frames, *shape):
        raise InputError(
            f"{masks.name}: masks are {masks.shape} (T, Y, X), the movie is {(n_frames, *shape)}"
        )
    return masks


def as_video(
    path: Path | np.ndarray, *, pixel_size_um: float | None, minutes_per_frame: float | None
) -> Video:
    """Masks as a movie of their own, where there are no intensities: 1 within a nucleus, 0 outside.

    Args:
        path: as for `open_masks`.
        pixel_size_um: side of a pixel; none is read from masks.
        minutes_per_frame: interval.

    Raises:
        InputError: no such masks, or their pixel size or interval is not given.
    """
    masks = _open(path)
    if pixel_size_um is None or minutes_per_frame is None:
        raise InputError(
            f"{masks.name}: masks alone tell neither the size of their pixels nor the time between frames; "
            "give pixel_size_um (--pixel-size-um) and minutes_per_frame (--minutes-per-frame)"
        )
    n_frames, *shape = masks.shape
    return Video(
        path=path if isinstance(path, Path) else Path(masks.name),
        n_frames=n_frames,
        shape=(shape[0], shape[1]),
        dtype=np.dtype(np.uint8),
        channels=("masks",),
        nucleus=0,
        phase=None,
        pixel_size_um=pixel_size_um,
        minutes_per_frame=minutes_per_frame,
        read=lambda t, _: (masks(t) > 0).astype(np.uint8),
        notes=("masks alone: the area of a nucleus stands for its DNA",),
        intensities=False,
    )


def shared_labels(masks: Iterable[np.ndarray]) -> list[str]:
    """Warn of labels that lie on nuclei far apart: each is measured as one nucleus between them.

    Args:
        masks: (Y, X) labels of each frame.
    """
    found = [(t, label) for t, mask in enumerate(masks) for label in _in_pieces(mask)]
    if not found:
        return []
    t, label = found[0]
    return [
        f"{len(found)} labels lie on pieces that are far apart, first label {label} in frame {t}: each is "
        "measured as one nucleus; within a frame every nucleus needs a number of its own"
    ]


def _in_pieces(mask: np.ndarray) -> list[int]:
    """The labels of a frame whose pieces are far apart."""
    from scipy import ndimage

    areas = np.bincount(mask.ravel())
    found = []
    for label, box in enumerate(ndimage.find_objects(mask.astype(np.int32)), start=1):
        # A nucleus fills its box by far more than this; only what does not is looked at closely.
        if box is None or areas[label] > 0.3 * np.prod([s.stop - s.start for s in box]):
            continue
        pieces, n = ndimage.label(mask[box] == label, np.ones((3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        largest = int(np.argmax(sizes)) + 1
        others = [
            i for i in range(1, n + 1) if i != largest and sizes[i - 1] >= _MIN_PIECE * sizes[largest - 1]
        ]
        if not others:
            continue
        far = ndimage.distance_transform_edt(pieces != largest)[np.isin(pieces, others)].min()
        if far > _FAR_APART * 2 * np.sqrt(sizes[largest - 1] / np.pi):
            found.append(label)
    return found


def _open(path: Path | np.ndarray) -> Masks:
    if not isinstance(path, Path):
        array = path
        if getattr(array, "ndim", None) != 3:
            found = getattr(array, "shape", type(array).__name__)
            raise InputError(
                f"masks are {found}; wanted three axes, (T, Y, X), in an array, or a file or folder"
            )
        masks = Masks(tuple(array.shape), lambda t: np.asarray(array[t]), "masks")
        return _as_binary(masks) if _is_binary(masks) else masks
    if not path.exists():
        raise InputError(f"no such masks: {path}; give a TIFF stack, a folder of TIFFs or a Zarr")
    if path.suffix == ".zarr" or (path / "zarr.json").exists() or (path / ".zarray").exists():
        masks = _zarr(path)
    else:
        masks = _folder(path) if path.is_dir() else _stack(path)
    return _as_binary(masks) if _is_binary(masks) else masks


def _is_binary(masks: Masks) -> bool:
    """Whether all nuclei have one value: 1, 255 or the like, on pieces that do not touch."""
    from scipy import ndimage

    frames = np.unique(np.linspace(0, masks.shape[0] - 1, _PROBED_FRAMES).astype(int))
    probed = [_whole_numbers(masks.read(int(t)), masks.name, int(t), masks.shape[1:]) for t in frames]
    values = np.unique(np.concatenate([np.unique(m) for m in probed]))
    values = values[values > 0]
    if len(values) != 1 or values[0] not in (1, 255, 65535):
        return False
    return any(ndimage.label(m, np.ones((3, 3)))[1] > 1 for m in probed)


def _as_binary(masks: Masks) -> Masks:
    warning = (
        f"{masks.name} has one value for all nuclei: each connected piece is taken as one nucleus, "
        "and so are nuclei that touch"
    )
    return Masks(masks.shape, masks.read, masks.name, True, (*masks.warnings, warning))


def _whole_numbers(mask: np.ndarray, name: str, t: int, shape: tuple[int, ...]) -> np.ndarray:
    if mask.shape != shape:
        raise InputError(f"{name}: the mask of frame {t} is {mask.shape}, the movie is {shape} (Y, X)")
    whole = mask.dtype.kind in "uib" or (mask.dtype.kind == "f" and bool((mask == np.round(mask)).all()))
    if not whole or mask.min() < 0 or mask.max() > MAX_LABEL:
        raise InputError(
            f"{name}: frame {t} is no mask of instances ({mask.dtype}, {mask.min():g} to {mask.max():g}); "
            f"wanted are whole numbers from 0 to {MAX_LABEL}"
        )
    return mask.astype(np.int32)


def _zarr(path: Path) -> Masks:
    import zarr

    from lineage.video.ngff import check_array

    try:
        node = zarr.open(path, mode="r")
        array = node if isinstance(node, zarr.Array) else next(a for _, a in sorted(node.arrays()))
    except Exception as error:  # zarr meets damage with whatever its parsing runs into
        raise InputError(f"{path.name} holds no Zarr array of masks ({error}); wanted (T, Y, X)") from error
    # OME-Zarr may carry channel and depth of length one between T and Y.
    middle = (0,) * (array.ndim - 3)
    if array.ndim < 3 or any(n != 1 for n in array.shape[1:-2]):
        raise InputError(f"{path.name}: masks are {array.shape}; wanted (T, Y, X)")
    check_array(array, f"T{'Q' * len(middle)}YX", path.name)

    def read(t: int) -> np.ndarray:
        try:
            return np.asarray(array[(t, *middle)])
        except Exception as error:  # likewise
            raise InputError(f"{path.name}: frame {t} cannot be read ({error}): copy it again") from error

    shape = (array.shape[0], *array.shape[-2:])
    return Masks(shape, read, path.name, warnings=_without_chunks(array, path.name))


def _without_chunks(array: Any, name: str) -> tuple[str, ...]:
    """Say which frames of a Zarr lack a chunk: they are empty, or were lost in a copy."""
    from lineage.video.ngff import lost_frames

    if not (found := lost_frames(array, 0)):
        return ()
    return (f"{name}: chunks of {len(found)} frames are not there ({listed(found)}): no nucleus is there",)


def _folder(path: Path) -> Masks:
    def number(file: Path) -> int:
        return int(re.findall(r"\d+", file.stem)[-1])

    numbered = [f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and re.search(r"\d", f.stem)]
    files = sorted((f for f in numbered if not f.name.startswith(".")), key=number)
    hidden = len(numbered) - len(files)
    if not files:
        raise InputError(f"{path} holds no numbered TIFFs; wanted one mask a frame")
    numbers = [number(f) for f in files]
    if twice := [i for i in range(1, len(files)) if numbers[i] == numbers[i - 1]]:
        raise InputError(
            f"{path}: {files[twice[0] - 1].name} and {files[twice[0]].name} have one number; "
            "wanted one mask a frame"
        )
    if numbers != list(range(numbers[0], numbers[0] + len(files))):
        raise InputError(f"{path}: the masks' numbers have gaps; wanted one a frame")

    def read(t: int) -> np.ndarray:
        image = read_image(files[t], as_stored=True)
        return image.squeeze() if image.ndim > 2 else image

    warnings = (f"{hidden} files of the system's own, ._ and the like, are left out",) if hidden else ()
    return Masks((len(files), *read(0).shape), read, path.name, warnings=warnings)


def _stack(path: Path) -> Masks:
    from lineage.video.tiff import read_tiff

    source = read_tiff(path, as_stored=True)
    if len(source.channels) != 1:
        raise InputError(f"{path.name}: masks have {len(source.channels)} channels; wanted (T, Y, X)")
    if source.missing:
        raise InputError(f"{path.name}: masks of frames {source.missing} are missing; wanted one a frame")

    def read(t: int) -> np.ndarray:
        try:
            return source.read(t, 0)
        except Exception as error:  # tifffile meets damage with whatever its decoders run into
            raise InputError(f"{path.name}: frame {t} cannot be read ({error}): copy it again") from error

    return Masks((source.n_frames, *source.shape), read, path.name)
