"""A folder of images, or a file that was written in parts -> one Source."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError
from lineage.video.arrange import Image, Position, Sorted, natural_key, sort_images
from lineage.video.axes import MAX_CHANNELS
from lineage.video.metadata import Metadata, micro_manager_summary, settle_interval
from lineage.video.places import choose_position
from lineage.video.selection import NO_CHOICE, Z_WORDS, Selection
from lineage.video.source import Source, listed, without_missing
from lineage.video.units import SILENT, Measure
from lineage.video.zplanes import check_planes_of_z, over_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Read = Callable[[Path, int | None, Selection], Source]

_UNEVEN = 0.25  # of an interval: by so much a frame may come late
_MAX_MISSING = 0.5  # of the frames: with more of them gone the names count something else


def find_positions(folder: Path, read: Read) -> list[Position]:
    """The positions that a folder's images show; none where it is no movie of single images or stacks."""
    try:
        found = sort_images(folder)
        first = found.images[0].path
        source = read(first, None, NO_CHOICE)
        # What reads as a movie whose time is in Z is a stack here.
        _as_still(read(first, None, Selection(z=0)) if source.frames_in_z else source, first.name)
    except InputError:
        return []
    return found.positions if found.timed else []


def read_folder(folder: Path, number: int | None, selection: Selection, read: Read) -> Source:
    """The movie in a folder of images.

    Args:
        folder: with one TIFF for each frame and channel, or one TIFF of all frames for each channel.
        number: of the position, among those that `sort_images` finds; None for the only one.
        selection: what the user chose of z and axes.
        read: opens one of the images: its path, None for the only position in it, and a selection.

    Returns:
        Source.

    Raises:
        InputError: names that do not say which frame is which, several positions, or images that differ.
    """
    everything = sort_images(folder)
    found = everything.positions
    chosen = found[choose_position(found, NO_CHOICE, folder.name) if number is None else number]
    images = [i for i in everything.images if i.position == chosen]
    # Planes of z are either files of their own or in the files, each of which then has them all.
    of_images = Selection(z=None if any(i.z for i in images) else selection.z, axes=selection.axes)

    def open_image(path: Path) -> Source:
        return read(path, None, of_images)

    if not everything.timed and len(images) > 1:
        frames = _of_stacks(images, open_image, folder)
    elif not everything.timed:
        raise InputError(f"{folder} holds one file, {images[0].path.name}: give the file itself")
    else:
        frames = _of_frames(images, everything, open_image, folder, selection)
    return replace(
        frames,
        assumed=(*everything.assumed, *frames.assumed),
        warnings=(*everything.warnings, *frames.warnings),
        files=tuple(i.path for i in images),
    )


def _of_frames(
    images: list[Image],
    found: Sorted,
    read: Callable[[Path], Source],
    folder: Path,
    selection: Selection,
) -> Source:
    """One file a frame, channel and plane of z."""
    at, interval = _frame_numbers(images, in_minutes=found.in_minutes, folder=folder)
    n_planned = max(at.values()) + 1
    grid = {(at[i.time], i.channel, i.z): i.path for i in images}
    seen = Counter(channel for _, channel in {(t, c) for t, c, _ in grid})
    rare = sorted(c for c, n in seen.items() if n < (1 - _MAX_MISSING) * max(seen.values()))
    channels = sorted(set(seen) - set(rare), key=lambda c: natural_key(" ".join(c)))
    warnings = [
        f"channel {' '.join(c)} is left out: it is there in {seen[c]} of {max(seen.values())} frames"
        for c in rare
    ]
    planes = [sorted({z for _, k, z in grid if k == c}, key=natural_key) for c in channels]
    stacks = [zs for zs in planes if len(zs) > 1]  # a channel may have one plane beside another's stack
    if any(i.z for i in images) and not stacks:
        check_planes_of_z(1, selection, folder.name, "by its names")
    for zs in stacks:
        check_planes_of_z(len(zs), selection, folder.name, f"by its names {listed(zs)}")
    wanted = [(c, z) for c, zs in zip(channels, planes, strict=True) for z in zs]
    missing = [t for t in range(n_planned) if any((t, c, z) not in grid for c, z in wanted)]
    if len(missing) > _MAX_MISSING * n_planned:
        raise InputError(
            f"{folder}: by their names, {len(missing)} of {n_planned} frames are not there; "
            "number the frames without gaps, or give the missing files"
        )
    n_frames, holes, holes_warned = without_missing(missing, n_planned, "were not taken, by the files' names")
    files = (
        (t, k, grid[t, c, z])
        for t in range(n_frames)
        if t not in holes
        for k, c in enumerate(channels)
        for z in planes[k]
    )
    first, started = _look_through(
        (t, k, path.name, _as_still(read(path), path.name)) for t, k, path in files
    )
    inner = [(k, i) for k, still in enumerate(first) for i in range(len(still.channels))]
    uneven: tuple[str, ...] = ()
    if interval.value is None:
        interval, _, uneven = settle_interval(first[0].interval, started)
    own = _micro_manager(images[0].path.parent)
    shape = first[0].shape

    def plane(t: int, channel: int, z: int) -> np.ndarray:
        k, i = inner[channel]
        if t in holes:
            return np.zeros(shape, first[k].dtypes[i])
        path = grid[t, channels[k], planes[k][z]]
        return _as_still(read(path), path.name).read(0, i)

    flat = [over_planes(plane, len(planes[k]), selection) for k, _ in inner]
    return Source(
        n_frames,
        shape,
        tuple(first[k].dtypes[i] for k, i in inner),
        tuple(first[k].channels[i] or _channel_name(channels[k]) for k, i in inner),
        lambda t, channel: flat[channel][0](t, channel),
        first[0].pixel_size if first[0].pixel_size.stated else own.pixel_size,
        interval if interval.stated else own.interval,
        holes,
        unnamed_channels=any(s.unnamed_channels for s in first),
        assumed=first[0].assumed,
        notes=(*first[0].notes, *dict.fromkeys(note for _, notes in flat for note in notes)),
        warnings=(*warnings, *holes_warned, *uneven, *first[0].warnings),
        n_planes=max(*map(len, planes), *(still.n_planes for still in first)),
    )


def _of_stacks(images: list[Image], read: Callable[[Path], Source], folder: Path) -> Source:
    """One file a channel, each with all frames."""
    order = sorted(images, key=lambda i: natural_key(" ".join(i.channel)))
    stacks = [read(i.path) for i in order]
    if any(len(s.channels) != 1 for s in stacks) or len({(s.n_frames, s.shape) for s in stacks}) > 1:
        raise InputError(
            f"{folder} holds {len(stacks)} files that are no frames and no channels of one movie "
            f"({listed(i.path.name for i in order)}): give one of the files"
        )
    return replace(
        stacks[0],
        dtypes=tuple(s.dtypes[0] for s in stacks),
        channels=tuple(s.channels[0] or _channel_name(i.channel) for s, i in zip(stacks, order, strict=True)),
        read=lambda t, channel: stacks[channel].read(t, 0),
        missing=tuple(sorted({t for s in stacks for t in s.missing})),
    )


def _frame_numbers(
    images: list[Image], *, in_minutes: bool, folder: Path
) -> tuple[dict[float, int], Measure]:
    """Time -> frame, from 0, and the interval where the names hold times."""
    times = np.array(sorted({i.time for i in images}))
    if len(times) < 2:
        return {float(t): 0 for t in times}, SILENT
    steps = np.diff(times)
    if not np.isfinite(times).all():
        raise InputError(f"{folder}: the names of its files hold times that do not exist; rename them")
    unit = float(np.median(steps)) if in_minutes else float(gcd(*map(int, steps)))
    ratio = steps / unit
    n = np.maximum(np.round(ratio), 1)
    if (np.abs(ratio - n) > _UNEVEN).any():
        raise InputError(
            f"{folder}: by their names the frames are not evenly spaced "
            f"({steps.min():g} to {steps.max():g} min); give a part of the movie whose interval is one"
        )
    numbers = np.concatenate([[0], np.cumsum(n)]).astype(int)
    found = dict(zip(times.tolist(), numbers.tolist(), strict=True))
    return found, Measure(unit, f"{unit:g} min by the files' names") if in_minutes else SILENT


def _channel_name(values: tuple[str, ...]) -> str:
    """The words among the fields that distinguish a channel; a number is no name."""
    return " ".join(v for v in values if not v.isdigit() and not re.fullmatch(r"C\d", v))


def _micro_manager(folder: Path) -> Metadata:
    """The contents of Micro-Manager's metadata.txt, where it lies beside the images."""
    try:
        content = json.loads((folder / "metadata.txt").read_text(encoding="utf-8"))
        found = micro_manager_summary(content["Summary"])
        times = {
            int(key.split("-")[1]): float(frame["ElapsedTime-ms"]) / 60_000
            for key, frame in content.items()
            if key.startswith("FrameKey-") and key.endswith("-0-0") and "ElapsedTime-ms" in frame
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return Metadata()  # another program's notes, or broken off: the images do not need it
    interval, notes, warnings = settle_interval(found.interval, times)
    return replace(found, interval=interval, notes=notes, warnings=warnings)


def _as_still(source: Source, name: str) -> Source:
    """A source as one frame; a few planes along an axis without a name are its channels.

    Raises:
        InputError: it is a movie already.
    """
    if source.n_frames == 1:
        return source
    if source.frames_in_z:
        raise InputError(
            f"{name} holds {source.n_frames} planes of z: choose with --z {', '.join(Z_WORDS)}, "
            f"or 0 to {source.n_frames - 1}"
        )
    if source.n_frames > MAX_CHANNELS or len(source.channels) > 1:
        raise InputError(
            f"{name} holds {source.n_frames} frames; in a folder each file is one frame: give the file itself"
        )
    return replace(
        source,
        n_frames=1,
        dtypes=source.dtypes * source.n_frames,
        channels=("",) * source.n_frames,
        read=lambda _, channel: source.read(channel, 0),
        unnamed_channels=True,
        assumed=(),
    )


def _look_through(
    stills: Iterable[tuple[int, int, str, Source]],
) -> tuple[list[Source], dict[int, float]]:
    """Look at every image once, without keeping it open.

    Args:
        stills: (frame, channel, name, image), the first frame's before all others.

    Returns:
        The first image of each channel, and frame -> when it was taken, where the images say so.

    Raises:
        InputError: images that differ in shape, or those of a channel in number type.
    """
    first: dict[int, tuple[str, Source]] = {}
    started: dict[int, float] = {}
    for t, k, name, still in stills:
        first.setdefault(k, (name, still))
        if k == 0 and still.started_min is not None:
            started.setdefault(t, still.started_min)
        (name_0, like_0), (name_k, like_k) = first[0], first[k]
        for what, found, wanted, other in (
            ("shape", still.shape, like_0.shape, name_0),
            ("number type", still.dtypes[0], like_k.dtypes[0], name_k),
            ("channels", len(still.channels), len(like_k.channels), name_k),
        ):
            if found != wanted:
                raise InputError(
                    f"{name} has {what} {found}, {other} has {wanted}; "
                    "all frames of a movie must be alike: take it out, or convert it"
                )
    return [still for _, still in first.values()], started


def join_parts(parts: list[Source], name: str) -> Source:
    """One movie of the parts that a writer appended to a file, which makes each a series of its own.

    Raises:
        InputError: parts that are no frames of one movie.
    """
    try:
        stills = [_as_still(part, name) for part in parts]
        _look_through((t, 0, f"image {t} of {name}", still) for t, still in enumerate(stills))
    except InputError as error:
        raise InputError(
            f"{name} holds {len(parts)} series of images, which are no frames of one movie ({error}): "
            "save each position apart"
        ) from error
    return replace(stills[0], n_frames=len(parts), read=lambda t, channel: stills[t].read(0, channel))


def channels_as_frames(source: Source) -> Source:
    """The planes of unnamed channels as frames in a row."""
    n = len(source.channels)
    return replace(
        source,
        n_frames=source.n_frames * n,
        dtypes=source.dtypes[:1],
        channels=("",),
        read=lambda t, _: source.read(t // n, t % n),
        unnamed_channels=False,
        assumed=(
            *(a for a in source.assumed if not a.startswith("channels:")),
            f"time: the file was written in {source.n_frames} parts of {n} images that are as alike as "
            f"consecutive frames; they are read as {source.n_frames * n} frames of one channel",
        ),
    )
