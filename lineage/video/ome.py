"""OME-XML -> channel names, pixel size, interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError
from lineage.video.units import square_um, to_minutes, to_um

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class Metadata:
    """What a file says of its pixels; None or empty where it says nothing."""

    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    minutes_per_frame: float | None = None


def read_ome_xml(text: str, file: str) -> Metadata:
    """Read the first image of an OME-XML document.

    Raises:
        InputError: the XML is broken, or defines entities, as an attack would.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException) as error:
        raise InputError(
            f"{file} has OME-XML that cannot be read ({error}): export the movie again"
        ) from error
    pixels = root.find(".//{*}Image/{*}Pixels")
    if pixels is None:
        return Metadata()
    return Metadata(
        tuple(c.get("Name", "") for c in pixels.findall("{*}Channel")),
        square_um(_size_um(pixels, "PhysicalSizeY"), _size_um(pixels, "PhysicalSizeX")),
        to_minutes(_number(pixels, "TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
        or _median_interval(pixels),
    )


def _size_um(pixels: Element, key: str) -> float | None:
    return to_um(_number(pixels, key), pixels.get(f"{key}Unit", "µm"))


def _median_interval(pixels: Element) -> float | None:
    """Minutes between the first planes of consecutive frames, where the planes carry times."""
    first: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        minutes = to_minutes(_number(plane, "DeltaT"), plane.get("DeltaTUnit", "s")) or 0.0
        if plane.get("DeltaT") is not None:
            frame = int(plane.get("TheT", 0))
            first[frame] = min(minutes, first.get(frame, minutes))
    steps = [first[t + 1] - first[t] for t in first if t + 1 in first]
    return to_minutes(float(np.median(steps)), "min") if steps else None


def _number(element: Element, key: str) -> float | None:
    try:
        return float(element.get(key, ""))
    except ValueError:
        return None
