"""The XML and the time stamps in a CZI -> scenes' and channels' names, pixel size, when frames were taken."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from lineage.video.places import place_of
from lineage.video.units import SILENT, Measure, duration, length, number, pixel_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from xml.etree.ElementTree import Element

_IMAGE = "./Metadata/Information/Image"
_SEGMENT_BYTES = 32  # a name of 16 bytes, and two lengths
_DIRECTORY_BYTES, _ATTACHMENTS_BYTES = 128, 256  # before the entries of the two directories
_TILE_BYTES, _AXIS_BYTES = 32, 20  # of an entry for a tile, which has further bytes for each axis
_ENTRY_BYTES = 128  # of an entry for an attachment
_ATTACHMENT_BYTES = 256  # between a segment's head and what is attached
_MAX_AXES = 12  # as many have a name


def read_xml(text: str) -> Element:
    """The document; entities, as an attack would define them, are refused."""
    from defusedxml.ElementTree import fromstring

    root: Element = fromstring(text)
    return root


def scene_names(metadata: Element, scenes: Sequence[int | None]) -> list[tuple[str, str, str]]:
    """Name, well and place in the well of each scene, "" where it has none."""
    described = {s.get("Index"): s for s in metadata.iterfind(f"{_IMAGE}/Dimensions/S/Scenes/Scene")}
    return [_called(described.get(str(index))) for index in scenes]


def _called(scene: Element | None) -> tuple[str, str, str]:
    if scene is None:
        return "", "", ""
    name, shape = scene.get("Name", ""), scene.find("Shape")
    well = "" if shape is None else place_of(shape.get("Name", ""))[0]
    # In each well the names begin with P1 again.
    return ("", well, name) if well and name else (name, well, "")


def channel_names(metadata: Element, channels: Sequence[int]) -> tuple[str, ...]:
    """The names of channels: what the user called them, the dye, and how the contrast comes about."""
    found = metadata.findall(f"{_IMAGE}/Dimensions/Channels/Channel")
    return tuple(_in_words(found[c]) if c < len(found) else "" for c in channels)


def _in_words(channel: Element) -> str:
    """A channel's name and what else tells stain from transmitted light, each word once."""
    words = channel.get("Name", "")
    more = [channel.findtext(tag, "") for tag in ("Fluor", "ContrastMethod", "IlluminationType")]
    for word, says_nothing in zip(more, ("", "Fluorescence", "Epifluorescence"), strict=True):
        if word not in ("", says_nothing, "Other") and word.lower() not in words.lower():
            words = f"{words} {word}".strip()
    return words


def planned_frames(metadata: Element) -> int:
    """How many frames were to be taken; 1 where it is not said."""
    return int(number(metadata.findtext(f"{_IMAGE}/SizeT")) or 1)


def stated_pixel_size(metadata: Element) -> Measure:
    """The side of a pixel; where it is not known, programs write 0."""
    sides = {
        d.get("Id"): number(d.findtext("Value"))
        for d in metadata.iterfind("./Metadata/Scaling/Items/Distance")
    }
    return pixel_size(*(length(sides.get(a) or None, "m") for a in "YX"))


def stated_interval(metadata: Element) -> Measure:
    """The interval as it was set, or as the program measured it."""
    step = number(metadata.findtext(f"{_IMAGE}/Dimensions/T/Positions/Interval/Increment"))
    return duration(step, "s") if step else SILENT


def check_directory(path: Path) -> None:
    """Refuse a directory of tiles by which libCZI 0.67 would end the process: one that counts too many axes.

    Raises:
        ValueError: it does.
    """
    with path.open("rb") as file:
        (directory,) = struct.unpack("<q", _read_at(file, _SEGMENT_BYTES + 52, 8))
        (n_bytes,) = struct.unpack("<q", _read_at(file, directory + 24, 8))
        contents = _read_at(file, directory + _SEGMENT_BYTES, min(n_bytes, path.stat().st_size))
    (n_tiles,), at = struct.unpack_from("<i", contents), _DIRECTORY_BYTES
    for _ in range(n_tiles):
        (n_axes,) = struct.unpack_from("<i", contents, at + _TILE_BYTES - 4)
        if not 0 < n_axes <= _MAX_AXES:
            raise ValueError(f"its directory counts {n_axes} axes")
        at += _TILE_BYTES + _AXIS_BYTES * n_axes


def time_stamps(path: Path) -> tuple[float, ...]:
    """When each frame was taken, minutes; empty where the file does not say it.

    The stamps are attached to the images. libCZI does not give attachments out, so they are looked up here,
    in the order that the format prescribes: file header, directory of attachments, attachment.
    """
    try:
        with path.open("rb") as file:
            (directory,) = struct.unpack("<q", _read_at(file, _SEGMENT_BYTES + 72, 8))
            (n_entries,) = struct.unpack("<i", _read_at(file, directory + _SEGMENT_BYTES, 4))
            start = directory + _SEGMENT_BYTES + _ATTACHMENTS_BYTES
            for i in range(n_entries if directory else 0):
                entry = _read_at(file, start + i * _ENTRY_BYTES, _ENTRY_BYTES)
                if len(entry) < _ENTRY_BYTES:  # it counts more of them than there are
                    return ()
                if entry[40:48].rstrip(b"\0") == b"CZTIMS":
                    (attached,) = struct.unpack_from("<q", entry, 12)
                    return _stamps(file, attached + _SEGMENT_BYTES + _ATTACHMENT_BYTES)
    except (struct.error, OSError, OverflowError, ValueError):
        pass  # broken off or damaged: the images do not need them
    return ()


def _stamps(file: BinaryIO, at: int) -> tuple[float, ...]:
    _, n = struct.unpack("<ii", _read_at(file, at, 8))
    return tuple(seconds / 60 for seconds in struct.unpack(f"<{n}d", _read_at(file, at + 8, 8 * n)))


def _read_at(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)
