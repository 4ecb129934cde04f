"""OME-XML -> channel names, pixel size, interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video.metadata import Metadata, settle_interval
from lineage.video.units import Measure, duration, length, number, pixel_size

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def read_ome_xml(text: str, file: str) -> Metadata:
    """Read the first image of an OME-XML document.

    The planes' own times win over a nominal interval that contradicts them: some writers give how fast the
    camera could have been.

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
    interval, notes, warnings = settle_interval(
        duration(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")), _frame_times(pixels)
    )
    return Metadata(
        tuple(c.get("Name", "") for c in pixels.findall("{*}Channel")),
        pixel_size(_side(pixels, "PhysicalSizeY"), _side(pixels, "PhysicalSizeX")),
        interval,
        notes=notes,
        warnings=warnings,
    )


def _side(pixels: Element, key: str) -> Measure:
    return length(pixels.get(key), pixels.get(f"{key}Unit", "µm"))


def _frame_times(pixels: Element) -> dict[int, float]:
    """Frame -> minutes at which its first plane was taken, where the planes carry times."""
    first: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        value, unit = number(plane.get("DeltaT")), duration(1, plane.get("DeltaTUnit", "s")).value
        frame = plane.get("TheT", "0")
        if value is not None and unit is not None and frame.isdigit():
            first[int(frame)] = min(value * unit, first.get(int(frame), math.inf))
    return first
