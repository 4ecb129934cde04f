"""A file or folder -> what it holds, in lines for people: positions, channels, frames, planes of z, units."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lineage.schema import InputError
from lineage.video.formats import format_of
from lineage.video.movie import settle
from lineage.video.places import choose_positions
from lineage.video.selection import Z_WORDS, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lineage.schema import Video
    from lineage.video.arrange import Position
    from lineage.video.formats import Format
    from lineage.video.source import Source


def list_contents(path: Path, *, selection: Selection, **given: Any) -> list[str]:
    """Say what a file holds and what would be assumed of it; nothing is run.

    Args:
        path: file or folder.
        selection: what the user chose so far; positions that it leaves out are not described.
        given: channels and units, as `open_video` takes them.

    Returns:
        Lines. Positions that are alike are described together.

    Raises:
        InputError: it cannot be read at all, or the chosen position is not there.
    """
    form = format_of(path)
    found = form.positions(path)
    chosen = choose_positions(found, selection, path.name)
    count = f"{len(found)} positions" if len(found) > 1 else "one position"
    lines = [f"{path.name} holds {count}"]
    alike: dict[tuple[str, ...], list[int]] = {}
    for number in chosen:
        try:
            block = tuple(_describe(form, path, number, selection, given))
        except InputError as error:
            if len(chosen) == 1:
                raise
            block = (f"cannot be read: {error}",)
        alike.setdefault(block, []).append(number)
    for described, numbers in alike.items():
        if len(found) > 1:
            lines += [_name_of(number, found[number]) for number in numbers]
        lines += [f"    {line}" for line in described]
    if len(found) > 1:
        lines.append("choose with --position and a name or number, with --well, or take --position all")
    return lines


def _name_of(number: int, position: Position) -> str:
    parts = (("well", position.well), ("position", position.position))
    where = ", ".join(f"{what} {value}" for what, value in parts if value)
    return f"  {number}  {position.name}{f' ({where})' if where else ''}"


def _describe(
    form: Format, path: Path, number: int, selection: Selection, given: dict[str, Any]
) -> list[str]:
    """One position in lines; a stack of z is described though its planes are not chosen yet."""
    of_z = []
    try:
        source = form.read(path, number, selection)
    except InputError as error:
        if selection.z is not None:
            raise
        try:
            source = form.read(path, number, replace(selection, z=0))
        except InputError:
            raise error from None  # what is wrong is not that z was not chosen
        words = ", ".join(Z_WORDS)
        of_z = [f"is refused without a choice of z: --z {words}, or 0 to {source.n_planes - 1}"]
    try:
        video = settle(source, path, **given)
    except InputError as error:
        return [_size(source, source.n_frames, source.channels), *of_z, f"is refused: {error}"]
    # What the file calls channels may have been read as time.
    names = source.channels if len(source.channels) == len(video.channels) else ("",) * len(video.channels)
    return [_size(source, video.n_frames, names), *of_z, *_settled(video)]


def _size(source: Source, n_frames: int, channels: Sequence[str]) -> str:
    frames = f"{n_frames} frame{'s' * (n_frames != 1)}"
    planes = f"{source.n_planes} plane{'s' * (source.n_planes > 1)} of z"
    size = f"{frames} of {source.shape[1]} x {source.shape[0]} px"
    return f"{size}, {planes}; channels: {_channels(channels)}"


def _channels(names: Sequence[str]) -> str:
    return ", ".join(f"{i} {name or 'without a name'}" for i, name in enumerate(names))


def _settled(video: Video) -> list[str]:
    """Units and channels as a run would take them."""
    return [
        _in_words(video),
        *(f"would be assumed: {sentence}" for sentence in video.assumed),
        *(f"read: {sentence}" for sentence in video.notes if not sentence.startswith("z:")),
        *(f"warning: {sentence}" for sentence in video.warnings),
    ]


def _in_words(video: Video) -> str:
    phase = "no phase contrast" if video.phase is None else f"phase in channel {video.phase}"
    return (
        f"{video.pixel_size_um:g} um a pixel, {video.minutes_per_frame:g} min a frame; "
        f"nuclei in channel {video.nucleus}, {phase}"
    )
