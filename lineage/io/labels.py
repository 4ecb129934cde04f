"""The label images of a run: an OME-NGFF Zarr, written frame by frame so that a killed run can go on."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lineage.io.integrity import RUN_AGAIN, reading

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from lineage.schema import Geometry

RAW, TRACKED = "raw", "tracked"


class Frames(Protocol):
    """Labels of a movie to read from, a frame at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X)."""

    @property
    def dtype(self) -> np.dtype:
        """Of the labels."""

    def __getitem__(self, t: int, /) -> np.ndarray:
        """(Y, X) of frame t."""


def create(path: Path, geometry: Geometry) -> None:
    """Make the group and its raw array, (T, Y, X) uint32, one chunk a frame; nothing if they are there."""
    import zarr

    if not (path / RAW / ".zarray").exists():
        group = zarr.open_group(path, mode="a", zarr_format=2)
        _array(group, RAW, (geometry.n_frames, *geometry.shape))
        _describe(group, (RAW,), geometry)
    _clear(path)


def _clear(path: Path) -> None:
    """Take away what a killed write left."""
    for leftover in path.glob("**/*.partial"):
        if leftover.is_file():
            leftover.unlink()


def _array(group: Any, name: str, shape: tuple[int, ...]) -> Any:
    chunks = (1, *shape[1:])
    return group.create_array(
        name, shape=shape, chunks=chunks, dtype="uint32", fill_value=0,
        chunk_key_encoding={"name": "v2", "separator": "/"}, overwrite=True,
    )  # fmt: skip


def _describe(group: Any, names: tuple[str, ...], geometry: Geometry) -> None:
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    scale = [
        {
            "type": "scale",
            "scale": [geometry.minutes_per_frame, geometry.pixel_size_um, geometry.pixel_size_um],
        }
    ]
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "name": name,
            "axes": axes,
            "datasets": [{"path": name, "coordinateTransformations": scale}],
        }
        for name in names
    ]
    group.attrs["image-label"] = {"version": "0.4"}


def open_array(path: Path, name: str, mode: str = "r") -> Any:
    """The array `raw` or `tracked`; what is written to it is written whole, empty frames too.

    Args:
        path: the Zarr group.
        name: RAW or TRACKED.
        mode: `r`, or `r+` to write.
    """
    import zarr

    with reading(path / name, f"delete it, {RUN_AGAIN}, and it is made anew"):
        array = zarr.open_array(path / name, mode=mode)
    return array.with_config({"write_empty_chunks": True}) if mode != "r" else Labels(path / name, array)


@dataclass(frozen=True)
class Labels:
    """A (T, Y, X) array of labels to read from; a frame that is not there is damage, and no background."""

    path: Path
    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X)."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of the labels."""
        return np.dtype(self.array.dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        with reading(self.path, f"delete it, {RUN_AGAIN}, and it is made anew"):
            t = index[0] if isinstance(index, tuple) else index
            every = range(self.shape[0])
            frames = every[t] if isinstance(t, slice) else [every[int(t)]]
            is_ours = (self.path / ".zarray").exists()  # else an empty frame may have no file
            for frame in frames if is_ours else ():
                if not is_written(self.path.parent, self.path.name, frame):
                    raise ValueError(f"frame {frame} is not there")
            return np.asarray(self.array[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def is_written(path: Path, name: str, t: int) -> bool:
    """Whether frame `t` has been written.

    Args:
        path: the Zarr group.
        name: RAW or TRACKED.
        t: the frame.
    """
    return chunk(path, name, t).exists()


def chunk(path: Path, name: str, t: int) -> Path:
    """The file of frame `t`.

    Args:
        path: the Zarr group.
        name: RAW or TRACKED.
        t: the frame.
    """
    return path / name / str(t) / "0" / "0"


def write_tracked(
    path: Path,
    detections: pd.DataFrame,
    geometry: Geometry,
    *,
    raw: Frames | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write `tracked` beside `raw`: the same objects, numbered by cell; those of no cell are left out.

    It is written under another name and then renamed, so that it is there whole or not at all.

    Args:
        path: the group; its raw array is complete.
        detections: `frame, label, tracklet_id`.
        geometry: of the movie.
        raw: what is numbered, where that is not what the file has: outlines that a person corrected.
        progress: called with (done, total) frames.
    """
    import zarr

    if raw is None:
        raw = open_array(path, RAW)
    # Written anew: they may be what is damaged.
    (path / ".zattrs").unlink(missing_ok=True)
    (path / ".zgroup").write_text(json.dumps({"zarr_format": 2}), encoding="utf-8")
    group = zarr.open_group(path, mode="r+")
    partial = TRACKED + ".partial"
    shutil.rmtree(path / partial, ignore_errors=True)
    _clear(path)
    out = _array(group, partial, raw.shape).with_config({"write_empty_chunks": True})
    by_frame = dict(tuple(detections.groupby("frame")[["label", "tracklet_id"]]))
    for t in range(raw.shape[0]):
        frame = np.asarray(raw[t])
        number = np.zeros(int(frame.max()) + 1, np.uint32)
        if t in by_frame:
            number[by_frame[t]["label"]] = np.maximum(by_frame[t]["tracklet_id"], 0)
        out[t] = number[frame]
        progress(t + 1, raw.shape[0])
    shutil.rmtree(path / TRACKED, ignore_errors=True)
    (path / partial).rename(path / TRACKED)
    _describe(group, (TRACKED, RAW), geometry)
