"""Single images -> one Source: the frames of a folder, or of a file that was written frame by frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video.source import MAX_CHANNELS, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def list_frames(folder: Path) -> list[Path]:
    """The TIFFs of a folder in natural order.

    Raises:
        InputError: there are none.
    """
    files = [f for f in folder.iterdir() if f.suffix.lower() in (".tif", ".tiff") and f.name[0] != "."]
    if not files:
        raise InputError(f"{folder} holds no TIFF files; give a movie, or a folder with one TIFF a frame")
    return sorted(files, key=lambda f: _natural_key(f.name))


def as_still(source: Source, name: str) -> Source:
    """A source as one frame; a few planes along an axis without a name are its channels.

    Raises:
        InputError: it is a movie already.
    """
    if source.n_frames == 1:
        return source
    if source.n_frames > MAX_CHANNELS or len(source.channels) > 1:
        raise InputError(
            f"{name} holds {source.n_frames} frames; in a folder each file is one frame: give the file itself"
        )
    return Source(
        1,
        source.shape,
        source.dtype,
        ("",) * source.n_frames,
        lambda _, channel: source.read(channel, 0),
        source.pixel_size_um,
    )


def join_stills(
    stills: Iterable[Source], name: Callable[[int], str], still: Callable[[int], Source]
) -> Source:
    """One movie of many stills.

    Args:
        stills: the frames in order; looked at once, and not kept.
        name: of frame t, for messages.
        still: frame t, when it is read.

    Raises:
        InputError: frames that differ in shape, channels or number type.
    """
    first: Source | None = None
    n_frames = 0
    for t, frame in enumerate(stills):
        first = first or frame
        n_frames = t + 1
        for what, found, wanted in (
            ("shape", frame.shape, first.shape),
            ("number type", frame.dtype, first.dtype),
            ("channels", len(frame.channels), len(first.channels)),
        ):
            if found != wanted:
                raise InputError(
                    f"{name(t)} has {what} {found}, {name(0)} has {wanted}; "
                    "all frames of a movie must be alike: take it out, or convert it"
                )
    if first is None:
        raise ValueError("no frames")
    return Source(
        n_frames,
        first.shape,
        first.dtype,
        first.channels,
        lambda t, channel: still(t).read(0, channel),
        first.pixel_size_um,
        first.minutes_per_frame,
        first.assumed,
    )


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key under which numbers count as numbers.

    >>> sorted(["t10.tif", "t9.tif"], key=_natural_key)
    ['t9.tif', 't10.tif']
    """
    return [(int(p), "") if p.isdigit() else (0, p.lower()) for p in re.split(r"(\d+)", name)]
