"""OME-TIFF of several images, or in several files -> its positions, and one of them opened by itself.

What is in which file is said by OME-XML in one of the TIFFs, in all of them, or in a companion file beside
them. tifffile follows it; here it is given the chosen image's part alone, so that no other file is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING

from lineage.io.tiff import ome_xml_of, open_tiff
from lineage.schema import InputError
from lineage.video.arrange import Position
from lineage.video.ome import OmeImage, metadata_file, only_image, read_images
from lineage.video.places import choose_position, name_positions
from lineage.video.selection import NO_CHOICE
from lineage.video.source import listed

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tifffile import TiffFile


@dataclass(frozen=True)
class OmeSet:
    """What a document describes: images, and the files that they are in."""

    path: Path  # what was given
    document: Path  # where the XML stands
    text: str
    images: tuple[OmeImage, ...]

    @property
    def positions(self) -> list[Position]:
        """One for each image, by its name where the names tell images apart."""
        distinct = len({i.name for i in self.images}) == len(self.images)
        found = [(i.name if distinct else "", i.well, i.position) for i in self.images]
        return name_positions(found) or [Position("")]

    @property
    def files(self) -> list[Path]:
        """All files that belong together, there or not."""
        named = [self.path.parent / name for image in self.images for name in image.files]
        return list(dict.fromkeys([self.path, self.document, *named]))

    def files_of(self, number: int) -> list[Path]:
        """The files that hold one image; the given one where none is named, or where it was renamed."""
        named = [self.path.parent / name for name in self.images[number].files] if self.images else []
        alone = len(named) < 2 and self.document == self.path and not _is_xml(self.path)
        return [self.path] if alone and not any(f.is_file() for f in named) else named or [self.path]


def read_set(path: Path) -> OmeSet | None:
    """What a TIFF or a companion file describes; None for a TIFF without OME-XML.

    Raises:
        InputError: the XML is broken, or stands in a file that is not there.
    """
    text = _document_in(path)
    return _set_of(path, text) if text else None


def open_image(path: Path, number: int | None, files: ExitStack) -> tuple[TiffFile, tuple[Path, ...], str]:
    """Open one image of a TIFF or a companion file, as a TIFF with that image alone.

    Args:
        path: the file.
        number: of the image, as `OmeSet.positions` lists them; None for the only one.
        files: closes it.

    Returns:
        The TIFF; the files that are read, empty where that is the given one; and a warning of those that are
        missing, or nothing.

    Raises:
        InputError: no TIFF, damaged, several images and no number, or files that are not there.
    """
    found: OmeSet | None
    if _is_xml(path):
        found = read_set(path)
    else:
        tif = open_tiff(path, files)
        found = _set_of(path, tif.ome_metadata) if tif.ome_metadata else None
        single = found is None or (found.document == path and len(found.images) < 2)
        if found is None or (single and found.files_of(0) == [path]):
            return tif, (), ""
    if found is None or not found.images:
        raise InputError(f"{path.name} describes no images: give the TIFF that holds them")
    if number is None:
        number = choose_position(found.positions, NO_CHOICE, path.name)
    named = found.files_of(number)
    there = [f for f in named if f.is_file()]
    if not there and found.document == path and not _is_xml(path):
        there = [path]  # it was renamed, or is all that is left of a set; tifffile knows it by its UUID
    if not there:
        names = listed(f.name for f in named)
        raise InputError(f"{path.name} refers to {names}, which are not there: copy them beside it")
    gone = [f.name for f in named if f not in there]
    warning = f"files that {path.name} refers to are not there: {listed(gone)}" if gone else ""
    shell = path if path in there else there[0]
    tif = open_tiff(shell, files, omexml=only_image(found.text, number, path.name))
    return tif, () if there == [path] else tuple(dict.fromkeys([found.document, *there])), warning


def _set_of(path: Path, text: str) -> OmeSet:
    """The document that a file holds, or the one that it refers to."""
    document = path
    if name := metadata_file(text, path.name):
        document = path.parent / name
        if not document.is_file():
            raise InputError(f"{path.name} is described in {name}, which is not there: copy it beside it")
        text = _document_in(document)
    return OmeSet(path, document, text, tuple(read_images(text, document.name)))


def _document_in(path: Path) -> str:
    """The OME-XML in a file."""
    if _is_xml(path):
        return path.read_text(encoding="utf-8", errors="replace")
    return ome_xml_of(path)


def _is_xml(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")
