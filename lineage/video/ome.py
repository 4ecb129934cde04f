"""OME-XML -> its images and where they were taken; of one image channel names, pixel size, interval."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video.metadata import Metadata, settle_interval
from lineage.video.places import place_of
from lineage.video.units import Measure, duration, length, number, pixel_size

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ROWS = 26  # a plate's rows have letters


@dataclass(frozen=True)
class OmeImage:
    """One image of a document: a position."""

    name: str
    well: str = ""
    position: str = ""  # in its well
    files: tuple[str, ...] = ()  # names of the TIFFs that hold its planes, where they are named


def read_images(text: str, file: str) -> list[OmeImage]:
    """The images of an OME-XML document, as far as they have planes.

    Raises:
        InputError: the XML is broken, defines entities, as an attack would, or names files elsewhere.
    """
    root = _parsed(text, file)
    places = _places(root)
    found = []
    images = _with_planes(root)
    for image in images:
        named = [u.get("FileName", "") for u in image.iterfind("{*}Pixels/{*}TiffData/{*}UUID")]
        for other in dict.fromkeys(named):
            _check_beside(other, file)
        name = image.get("Name", "")
        # The name of a movie by itself may be anything: C2-movie.tif is a channel.
        told = place_of(name) if len(images) > 1 else ("", "")
        well, position = places.get(image.get("ID", ""), told)
        found.append(OmeImage(name, well, position, tuple(dict.fromkeys(filter(None, named)))))
    return found


def only_image(text: str, number: int, file: str) -> str:
    """The document without its other images; `number` counts those that `read_images` lists."""
    from xml.etree.ElementTree import tostring

    root = _parsed(text, file)
    kept = _with_planes(root)[number]
    for image in root.findall("{*}Image"):
        if image is not kept:
            root.remove(image)
    return str(tostring(root, encoding="unicode"))


def metadata_file(text: str, file: str) -> str:
    """The name of the file that holds the document, for one that only refers to it; else empty."""
    reference = _parsed(text, file).find("{*}BinaryOnly")
    name = "" if reference is None else reference.get("MetadataFile", "")
    _check_beside(name, file)
    return name


def read_ome_xml(text: str, file: str) -> Metadata:
    """Read the first image of an OME-XML document.

    The planes' own times win over a nominal interval that contradicts them: some writers give how fast the
    camera could have been.

    Raises:
        InputError: the XML is broken, or defines entities, as an attack would.
    """
    pixels = _parsed(text, file).find(".//{*}Image/{*}Pixels")
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


def _check_beside(name: str, file: str) -> None:
    """Raise InputError for the name of a file elsewhere: a set of files lies in one folder, or below it."""
    parts = re.split(r"[/\\]", name)
    if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0] or not name.isprintable():
        raise InputError(
            f"{file} refers to {name!r}, which is not in its folder: copy that file beside it, export again"
        )


def _parsed(text: str, file: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(text)
    except DefusedXmlException as error:
        raise InputError(f"{file} has XML that defines entities ({error}): export it again") from error
    except (ParseError, ValueError) as error:
        raise InputError(
            f"{file} has OME-XML that cannot be read ({error}): export the movie again"
        ) from error
    return root


def _with_planes(root: Element) -> list[Element]:
    """The images that say where their planes are; all of them where none says it, as in a Zarr."""
    images = root.findall("{*}Image")
    return [i for i in images if i.find("{*}Pixels/{*}TiffData") is not None] or images


def _places(root: Element) -> dict[str, tuple[str, str]]:
    """The ID of an image -> its well and its place in the well, from the document's plate."""
    places = {}
    for well in root.iterfind("{*}Plate/{*}Well"):
        row, column = well.get("Row", ""), well.get("Column", "")
        if not (row.isdigit() and column.isdigit() and int(row) < _ROWS):
            continue
        samples = well.findall("{*}WellSample")
        for i, sample in enumerate(samples):
            reference = sample.find("{*}ImageRef")
            if reference is not None:
                places[reference.get("ID", "")] = (f"{chr(65 + int(row))}{int(column) + 1}", str(i))
    return places


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
