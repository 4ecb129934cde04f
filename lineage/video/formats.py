"""A path -> its format, by its first bytes as names can be wrong, and the positions that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video import leica, ngff, nikon, tiff, zeiss
from lineage.video.arrange import sort_images
from lineage.video.folder import find_positions, read_folder
from lineage.video.ome_tiff import read_set
from lineage.video.places import ALL, choose_position, choose_positions
from lineage.video.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lineage.video.arrange import Position
    from lineage.video.source import Source

_FIRST_BYTES = 256
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Format:
    """How one format is read."""

    positions: Callable[[Path], list[Position]]  # what a file holds, as far as its metadata say
    # One of those, by its number in the list (None: the only one), with the user's choice of z and axes.
    read: Callable[[Path, int | None, Selection], Source]


TIFF = Format(tiff.positions, tiff.read_tiff)
_NGFF = Format(ngff.positions, ngff.read_ngff)
_ND2 = Format(nikon.positions, nikon.read_nd2)
_CZI = Format(zeiss.positions, zeiss.read_czi)
_LIF = Format(leica.positions, leica.read_lif)
FOLDER = Format(lambda folder: sort_images(folder).positions, partial(read_folder, read=tiff.read_tiff))
# The first bytes of a file -> its format.
_BY_MAGIC: tuple[tuple[tuple[bytes, ...], Format], ...] = (
    (_TIFF_MAGIC, TIFF),
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
        return TIFF  # a companion file, which says what is in which TIFF
    for magic, found in _BY_MAGIC:
        if start.startswith(magic):
            return found
    what = "is empty" if not start else "is not an image that can be read here"
    raise InputError(
        f"{path.name} {what}; give a TIFF, a folder of TIFFs, an OME-Zarr, an ND2, a CZI or a LIF file"
    )


def positions(path: Path) -> list[Position]:
    """The positions that a file holds, or that the images in a folder show; none where that is no movie.

    Raises:
        InputError: a file that is damaged, or none that can be read.
    """
    form = format_of(path)
    return find_positions(path, tiff.read_tiff) if form is FOLDER else form.positions(path)


def chosen_positions(path: Path, position: str | None, well: str | None) -> list[str]:
    """The names of the positions to run: one, or every one, of the well if one is given.

    Args:
        path: file or folder.
        position: its name, its number in the list of `positions`, or `all`.
        well: the well of the position.

    Returns:
        Names; an empty one where the file holds one position only.

    Raises:
        InputError: there are several and none is chosen, or the chosen one is not there.
    """
    form = format_of(path)
    found = form.positions(path)
    selection = Selection(position, well)
    if position == ALL:
        return [found[number].name for number in choose_positions(found, selection, path.name)]
    return [found[choose_position(found, selection, path.name)].name]


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that belong to one movie file: those of an OME-TIFF in several files, else itself.

    Raises:
        InputError: a file that is damaged, or none that can be read.
    """
    found = read_set(path) if format_of(path) is TIFF else None
    return tuple(found.files) if found else (path,)
