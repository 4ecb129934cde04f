"""A path -> the format that it is in, by its first bytes, as names can be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video import leica, ngff, nikon, tiff, zeiss
from lineage.video.arrange import sort_images
from lineage.video.folder import read_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lineage.video.arrange import Position
    from lineage.video.selection import Selection
    from lineage.video.source import Source

_FIRST_BYTES = 256
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Format:
    """How one format is read."""

    positions: Callable[[Path], list[Position]]  # what a file holds, as far as its metadata say
    # One of those, by its number in the list (None: the only one), with the user's choice of z and axes.
    read: Callable[[Path, int | None, Selection], Source]


_TIFF = Format(tiff.positions, tiff.read_tiff)
_NGFF = Format(ngff.positions, ngff.read_ngff)
_ND2 = Format(nikon.positions, nikon.read_nd2)
_CZI = Format(zeiss.positions, zeiss.read_czi)
_LIF = Format(leica.positions, leica.read_lif)
FOLDER = Format(lambda folder: sort_images(folder).positions, partial(read_folder, read=tiff.read_tiff))
# The first bytes of a file -> its format.
_BY_MAGIC: tuple[tuple[tuple[bytes, ...], Format], ...] = (
    (_TIFF_MAGIC, _TIFF),
    (nikon.MAGIC, _ND2),
    (zeiss.MAGIC, _CZI),
    (leica.MAGIC, _LIF),
)


def format_of(path: Path) -> Format:
    """The format of a file or folder.

    Raises:
        InputError: it is not there, cannot be read, or is none of the formats.
    """
    if path.is_dir():
        return _NGFF if ngff.is_zarr(path) else FOLDER
    if not path.exists():
        raise InputError(f"{path} is not there: check the name")
    try:
        with path.open("rb") as file:
            start = file.read(_FIRST_BYTES)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and path.suffix.lower() in (".ome", ".xml"):
        return _TIFF  # a companion file, which says what is in which TIFF
    for magic, found in _BY_MAGIC:
        if start.startswith(magic):
            return found
    what = "is empty" if not start else "is not an image that can be read here"
    raise InputError(
        f"{path.name} {what}; give a TIFF, a folder of TIFFs, an OME-Zarr, an ND2, a CZI or a LIF file"
    )
