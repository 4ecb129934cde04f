"""The XML of one series in a LIF -> its axes, channels and their names, when its frames were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

_LETTERS = {1: "X", 2: "Y", 3: "Z", 4: "T"}
_OTHER_AXES = {5: "wavelengths", 6: "rotations", 9: "wavelengths", 10: "tiles of a mosaic", 11: "loops"}
_IN_COLOUR = {1, 2, 3}  # tags of channels that are the red, green and blue of one picture
_FLOAT, _BITS = 1, (8, 16, 32, 64)
_FILETIME_PER_MIN = 600_000_000  # Windows counts 100 ns


@dataclass(frozen=True)
class Dimension:
    """One axis of a series."""

    size: int = 1
    step: int = 0  # bytes from one index to the next
    length: float = 0.0  # from the first to the last
    unit: str = ""

    @property
    def spacing(self) -> float | None:
        """What one step is long; LAS X measures from the middle of the first pixel to that of the last."""
        return abs(self.length) / (self.size - 1) if self.size > 1 and self.length else None


@dataclass(frozen=True)
class Channel:
    """One channel of a series."""

    dtype: np.dtype
    start: int  # bytes from a frame's beginning
    in_colour: bool


def read_dimensions(series: Element) -> tuple[dict[str, Dimension], list[str]]:
    """The axes T, Z, Y and X, as far as they are there; and others that are longer than one, in words."""
    found: dict[str, Dimension] = {}
    others: list[str] = []
    for described in series.iterfind("./Data/Image/ImageDescription/Dimensions/DimensionDescription"):
        axis, size = int(described.attrib["DimID"]), int(described.attrib["NumberOfElements"])
        if axis in _LETTERS:
            found[_LETTERS[axis]] = Dimension(
                size,
                int(described.attrib["BytesInc"]),
                float(described.get("Length", 0)),
                described.get("Unit", ""),
            )
        elif size > 1:
            others.append(f"{size} {_OTHER_AXES.get(axis, f'of its dimension {axis}')}")
    return found, others


def read_channels(series: Element) -> list[Channel]:
    """The channels, in the order in which the series describes them."""
    found = []
    for described in _described_channels(series):
        bits = next(b for b in _BITS if int(described.attrib["Resolution"]) <= b)
        kind = "f" if int(described.attrib["DataType"]) == _FLOAT else "u"
        found.append(
            Channel(
                np.dtype(f"<{kind}{bits // 8}"),
                int(described.attrib["BytesInc"]),
                int(described.get("ChannelTag", 0)) in _IN_COLOUR,
            )
        )
    return found


def _described_channels(series: Element) -> list[Element]:
    return series.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")


def channel_names(series: Element) -> tuple[str, ...]:
    """The names of the channels; LAS X keeps them in a place of its own for each kind of microscope.

    Where it is not certain which name belongs to which channel, as in sequential scans, all are "".
    """
    channels = _described_channels(series)
    hardware = "./Data/Image/Attachment[@Name='HardwareSetting']"
    luts = [c.get("LUTName", "") for c in channels]
    own = [_by_properties(c) for c in channels]
    camera = series.findall(f"{hardware}//WideFieldChannelInfo")
    if any(own):
        return tuple(own)
    if (
        len(camera) == len(channels)
        and [c.get("LUT", lut) for c, lut in zip(camera, luts, strict=True)] == luts
    ):
        return tuple(map(_by_camera, camera))
    confocal = series.findall(f"{hardware}/ATLConfocalSettingDefinition")
    return _by_detectors(confocal[0], luts) if len(confocal) == 1 else ("",) * len(channels)


def _by_properties(channel: Element) -> str:
    """The dye of a channel, else its detector: one of them is called PMT Trans."""
    values = {p.findtext("Key", ""): p.findtext("Value", "") for p in channel.iterfind("ChannelProperty")}
    return values.get("DyeName", "").split("/")[-1].strip() or values.get("DetectorName", "").strip()


def _by_camera(channel: Element) -> str:
    """What the user called a channel, how its contrast comes about, its filter cube: each word once."""
    words = ""
    for key in ("UserDefName", "ContrastingMethodName", "FluoCubeName"):
        word = channel.get(key, "").strip()
        if word.lower() not in ("fluo", "none") and word.lower() not in words.lower():
            words = f"{words} {word}".strip()
    return words


def _by_detectors(settings: Element, luts: list[str]) -> tuple[str, ...]:
    """The dyes that the detectors are set to, or that one sees transmitted light; each makes a channel."""
    active = [d for d in settings.iter("Detector") if d.get("IsActive") == "1"]
    colours = {e.get("Channel"): e.get("LutName", "") for e in settings.iter("LUT")}
    dyes = {b.get("Channel"): b.get("DyeName", "") for b in settings.iter("MultiBand")}
    numbers = [d.get("Channel") for d in active]
    if (
        len(active) != len(luts)
        or [colours.get(n, lut) for n, lut in zip(numbers, luts, strict=True)] != luts
    ):
        return ("",) * len(luts)
    return tuple(
        d.get("Name", "") if "trans" in d.get("Name", "").lower() else dyes.get(n) or ""
        for d, n in zip(active, numbers, strict=True)
    )


def frame_times(series: Element, n_frames: Sequence[int], planes: tuple[int, int]) -> dict[int, float]:
    """Frame -> when it was taken, by a clock, in minutes; empty where it is not said.

    Args:
        series: in whose planes time is the outermost axis.
        n_frames: how many frames there may be stamps of, the likeliest first.
        planes: channels and planes of z in each frame; there is a stamp for each, for one kind, or a frame.
    """
    listed = series.find("./Data/Image/TimeStampList")
    if listed is None:
        return {}
    stamps = [int(word, 16) for word in (listed.text or "").split()] or [
        (int(s.attrib["HighInteger"]) << 32) + int(s.attrib["LowInteger"])
        for s in listed.iterfind("TimeStamp")
    ]
    for n in n_frames:
        each, left = divmod(len(stamps), n)
        if not left and each in (1, *planes, planes[0] * planes[1]):
            first = dict(enumerate(stamps[::each]))
            return {t: stamp / _FILETIME_PER_MIN for t, stamp in first.items() if stamp}
    return {}
