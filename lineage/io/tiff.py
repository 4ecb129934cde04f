"""TIFF files that a user gives -> opened and read with care: one clear line for whatever is wrong with them.

tifffile opens most damaged files without an exception, as images with fewer planes or with planes of zeros,
and warns of much that is harmless. So its warnings are not asked; the file itself is: does the chain of
its directories end where it should, and is every byte there that they point to?
"""

from __future__ import annotations

import logging
import math
import struct
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tifffile import TiffFile, TiffPage, TiffPageSeries

WHITE_IS_ZERO = 0  # photometric interpretation: the value 0 is white
_NO_OTHER = dict.fromkeys(("is_shaped", "is_lsm", "is_mmstack"), False)  # tifffile asks for these before OME
SUFFIXES = (".tif", ".tiff")
_TYPE_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}  # fmt: skip
_MOST_PLANES = 10**7
_MOST_BYTES = 2**32  # of one plane: more is a damaged size


def open_tiff(path: Path, files: ExitStack, *, omexml: str = "") -> TiffFile:
    """Open a TIFF and walk all its directories.

    Args:
        path: the file.
        files: closes it.
        omexml: what is to be taken for its OME-XML, in place of its own and of all other descriptions.

    Raises:
        InputError: it is not there, no TIFF, or damaged.
    """
    with _errors_are_damage(path):
        described: dict[str, Any] = {"omexml": omexml, "is_ome": True, **_NO_OTHER} if omexml else {}
        tif = files.enter_context(_opened(path, **described))
        tif.filehandle.set_lock(True)  # planes may be asked for from several threads
        _check_chain(tif, path)
        _check_tags(tif, path)
    return tif


def ome_xml_of(path: Path) -> str:
    """The OME-XML in a TIFF's first directory, "" where there is none; the others are not looked at.

    Raises:
        InputError: it is not there, no TIFF, or damaged so far.
    """
    with _errors_are_damage(path), _opened(path) as tif:
        return tif.ome_metadata or ""


def _opened(path: Path, **described: Any) -> TiffFile:
    import tifffile

    try:
        tif = tifffile.TiffFile(path, **described)
    except tifffile.TiffFileError as error:
        raise InputError(f"{path.name} is not a TIFF image ({error}): give a whole TIFF") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    if not len(tif.pages):
        tif.close()
        raise damaged(path, "no image in it")
    return tif


def series_of(tif: TiffFile, path: Path) -> list[TiffPageSeries]:
    """The image series of a file, without reduced copies (previews, pyramids).

    Raises:
        InputError: there is none, or the file is damaged.
    """
    with _errors_are_damage(path):
        _check_xml(tif, path)
        series = [s for s in tif.series if not s.keyframe.is_reduced]
        if not series:
            raise damaged(path, "no image in it")
        for one in series:
            _check_contiguous(one, path)
            _check_page(one.keyframe, path, "its first plane")
    return series


def check_planes(series: TiffPageSeries, path: Path) -> list[int]:
    """Check that every plane's bytes are in the file.

    Returns:
        The numbers of planes that were planned and never written.

    Raises:
        InputError: a plane reaches past the end of the file, or is too small.
    """
    if series.dataoffset is not None:
        return []
    absent, parent = [], series.keyframe.parent
    parent.filehandle.set_lock(True)
    with _errors_are_damage(path):
        for i, page in enumerate(series.pages):
            if page is None or not any(page.databytecounts):
                absent.append(i)
                continue
            if page.parent is not parent:  # another file of a set, which is read from several threads as well
                parent = page.parent
                parent.filehandle.set_lock(True)
            _check_page(page, path, f"plane {i} of {len(series.pages)}")
    return absent


def read_image(path: Path, *, as_stored: bool = False) -> np.ndarray:
    """The whole image of a file, in the machine's byte order, dark pixels low.

    Args:
        path: a TIFF with one series of images; the first is read where there are more.
        as_stored: leave the numbers as they are where the file says that 0 is white, as labels want it.

    Returns:
        An array of any shape, as the file has it.

    Raises:
        InputError: it is not there, no TIFF, damaged, or a part of it is missing.
    """
    with ExitStack() as files, _errors_are_damage(path):
        tif = open_tiff(path, files)
        series = series_of(tif, path)[0]
        if absent := check_planes(series, path):
            raise damaged(path, f"{len(absent)} of {len(series.pages)} planes are missing")
        image = np.asarray(series.asarray())
        if image.size == 0:
            raise damaged(path, "no image in it")
        image = np.ascontiguousarray(image, image.dtype.newbyteorder("="))
        return image if as_stored else dark_is_low(image, series.keyframe)


def check_image(path: Path) -> None:
    """Raise InputError for what can be seen to be wrong with a file without decoding its pixels."""
    with ExitStack() as files:
        for series in series_of(open_tiff(path, files), path):
            check_planes(series, path)


def is_inverted(page: TiffPage) -> bool:
    """Whether a page says that its lowest value is white."""
    return int(page.photometric) == WHITE_IS_ZERO and page.dtype is not None and page.dtype.kind in "uif"


def dark_is_low(image: np.ndarray, page: TiffPage) -> np.ndarray:
    """The image with its grey values turned over where its page says that 0 is white."""
    if not is_inverted(page):
        return image
    if image.dtype.kind == "u":
        return image.dtype.type(2**page.bitspersample - 1) - image
    return -image


def finite(image: np.ndarray) -> np.ndarray:
    """Pixels that are no finite number, replaced by the median of the others; zeros if there are none.

    Such pixels mostly are borders that an earlier registration left.

    >>> finite(np.array([[1.0, np.nan], [3.0, 3.0]]))
    array([[1., 3.],
           [3., 3.]])
    """
    if image.dtype.kind != "f":
        return image
    good = np.isfinite(image)
    if good.all():
        return image
    return np.where(good, image, np.median(image[good]) if good.any() else 0).astype(image.dtype)


def damaged(path: Path, why: str) -> InputError:
    """The error for a file that is not whole."""
    return InputError(f"{path.name} is damaged or cut short ({why}): copy or export it again")


@contextmanager
def _errors_are_damage(path: Path) -> Iterator[None]:
    """Tifffile meets damage with whatever its parsing runs into."""
    with quiet():
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise damaged(path, str(error) or type(error).__name__) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Let tifffile log nothing: it warns of much that is harmless, and of damage there is a line of ours."""
    logger = logging.getLogger("tifffile")
    was = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was


def _check_xml(tif: TiffFile, path: Path) -> None:
    """Raise if the description is XML that attacks its readers: tifffile trusts it."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    text = (tif.ome_metadata or tif.pages.first.description).strip()
    if text.startswith("<"):
        try:
            root = fromstring(text)
        except DefusedXmlException as error:
            raise InputError(
                f"{path.name} has XML that defines entities ({error}): export it again"
            ) from error
        except ParseError:
            return  # no XML, or broken: only who needs what stands in it minds
        for pixels in root.iterfind("{*}Image/{*}Pixels"):
            sizes = [pixels.get(f"Size{axis}", "1") for axis in "TCZ"]
            # tifffile makes a list of all planes that are described, before it looks which of them are there.
            if math.prod(int(n) if n.isdecimal() else 1 for n in sizes) > _MOST_PLANES:
                raise damaged(path, f"its OME-XML describes {' x '.join(sizes)} planes")


def _check_chain(tif: TiffFile, path: Path) -> None:
    """Raise unless the last directory says that it is the last: a chain that breaks off lost its end."""
    last = tif.pages[-1]
    form = tif.tiff
    count_size, tag_size, offset_size = form.tagnosize, form.tagsize, form.offsetsize
    handle = tif.filehandle
    handle.seek(last.offset)
    (n_tags,) = struct.unpack(form.tagnoformat, handle.read(count_size))
    handle.seek(last.offset + count_size + n_tags * tag_size)
    (following,) = struct.unpack(form.offsetformat, handle.read(offset_size))
    if following != 0 and not tif.is_ndpi:
        raise damaged(path, f"the directory after image {len(tif.pages) - 1} is not there")


def _check_tags(tif: TiffFile, path: Path) -> None:
    """Raise unless all that is said of the first plane is in the file.

    A description mostly stands at the file's end, and tifffile passes over a tag whose value is not there.
    """
    handle, form = tif.filehandle, tif.tiff
    offset_code = form.offsetformat[-1]  # I, or Q in a BigTIFF
    handle.seek(tif.pages.first.offset)
    (n_tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    entries = handle.read(n_tags * form.tagsize)
    for code, kind, count, value in struct.iter_unpack(
        f"{form.byteorder}HH{offset_code}{offset_code}", entries
    ):
        n_bytes = count * _TYPE_BYTES.get(kind, 0)
        if n_bytes > form.offsetsize and value + n_bytes > handle.size:
            raise damaged(path, f"its tag {code} reaches past the end of the file")


def _check_contiguous(series: TiffPageSeries, path: Path) -> None:
    """Raise unless the file holds every byte of a series that lies in it in one piece."""
    if series.dataoffset is not None:
        end, size = series.dataoffset + series.nbytes, path.stat().st_size
        if end > size:
            raise damaged(path, f"{size} bytes of at least {end}")


def _check_page(page: Any, path: Path, name: str) -> None:
    """Raise unless the file holds every byte that a plane's directory promises."""
    size = page.parent.filehandle.size
    pieces = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if any(count == 0 for _, count in pieces):
        if any(count for _, count in pieces):
            raise damaged(path, f"{name} has pieces without pixels")
        return
    if max((offset + count for offset, count in pieces), default=0) > size:
        raise damaged(path, f"{name} reaches past the end of the file")
    key = page.keyframe
    if key.nbytes > _MOST_BYTES:
        raise damaged(path, f"{name} would have {key.nbytes} bytes")
    plain = int(key.compression) == 1 and sum(count for _, count in pieces)
    # More than a plane's bytes is no damage: one directory of ImageJ or MetaMorph may stand for many planes.
    if plain is not False and plain * 8 < key.imagewidth * key.imagelength * key.bitspersample:
        raise damaged(path, f"{name} has {plain} bytes, too few for {key.imagewidth} x {key.imagelength} px")
