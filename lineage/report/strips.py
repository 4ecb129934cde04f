"""A crop -> a film strip: SiR-DNA above, phase below, and under them the minutes from separation.

What of a crop lies outside the image is hatched: its pixels only repeat the image's edge.
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import numpy as np

from lineage.io.integrity import RUN_AGAIN, Damaged, reading
from lineage.io.tiff import quiet
from lineage.report.svg import hatching, picture, tag, text
from lineage.schema import CROP_FRAMES, CROP_INTERVAL_MIN, IMAGE_BOXES, SEPARATION_INDEX

TILE, SEAM = 90.0, 2.0  # SVG units
LEFT, TOP, BOTTOM = 58.0, 10.0, 22.0
BAR_UM = 20.0
HATCH, HATCH_STEP = "#5B6675", 7.0
OUTSIDE = "#20262E"  # colour beneath the hatching
PHASE, DNA = 0, 1  # order of the channels in a crop
NO_CROP = "There is no crop of this event."
ADVICE = f"copy it again from where it came, or delete its folder, {RUN_AGAIN}, and it is made anew"


def tile_pixels(n_events: int) -> int:
    """Pixels a tile, fewer as there are more events, so that the page stays below some 30 MB.

    >>> [tile_pixels(n) for n in (10, 200, 5000)]
    [96, 72, 48]
    """
    return 96 if n_events <= 100 else 72 if n_events <= 400 else 48


def stretch(channel: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """Grey levels 0 to 255 between two percentiles, the same for all frames; zeros are padding.

    >>> stretch(np.array([0, 10, 20, 30]), (0, 100))
    array([  0,   0, 127, 255], dtype=uint8)
    """
    seen = channel[channel != 0]
    low, high = np.percentile(seen, percentiles) if seen.size else (0.0, 1.0)
    return (np.clip((channel - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)


def montage(pixels: np.ndarray, side: int) -> np.ndarray:
    """All frames of a crop as one image: SiR-DNA, and phase below it where there is any.

    Args:
        pixels: (12, 2, H, W).
        side: of a frame in the result, pixels.

    Returns:
        (rows * side, 12 * side) uint8.
    """
    from skimage.transform import resize

    rows = [stretch(pixels[:, DNA], (1.0, 99.8))]
    if pixels[:, PHASE].any():
        rows.append(stretch(pixels[:, PHASE], (0.5, 99.5)))
    if pixels.shape[2:] != (side, side):
        rows = [
            (resize(row / 255.0, (len(row), side, side), order=1, anti_aliasing=False) * 255).astype(np.uint8)
            for row in rows
        ]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def jpeg_uri(image: np.ndarray, quality: int = 82) -> str:
    """A grey image as a data URI."""
    from imagecodecs import jpeg8_encode

    return (
        "data:image/jpeg;base64,"
        + b64encode(jpeg8_encode(np.ascontiguousarray(image), level=quality)).decode()
    )


def strip_or_reason(crop: Path, *, side_um: float, tile_px: int) -> tuple[str, str]:
    """The film strip of one event; where its crop is not there or damaged "", and the reason in a sentence.

    A page is made without a strip, which is no result, and says so.

    Args:
        crop: of a run folder.
        side_um: as in `film_strip`.
        tile_px: likewise.
    """
    if not crop.exists():
        return "", NO_CROP
    try:
        with reading(Path(*crop.parts[-3:]), ADVICE):  # run folder, its folder of crops, the file
            return film_strip(crop, side_um=side_um, tile_px=tile_px), ""
    except Damaged as damaged:
        return "", str(damaged)


def film_strip(crop: Path, *, side_um: float, tile_px: int) -> str:
    """Draw the film strip of one event.

    Args:
        crop: TIFF of (12, 2, H, W), channels (phase, dna).
        side_um: side of the crop window, micrometres; 0 if it is not known, and then there is no scale bar.
        tile_px: side of a frame in the page, pixels.

    Returns:
        SVG, with the pixels in it as JPEG.
    """
    pixels, boxes = read_crop(crop)
    inside = _inside(boxes, pixels.shape[2:])
    image = montage(np.where(inside[:, None], pixels, 0), tile_px)
    n_rows = image.shape[0] // tile_px
    width, height = CROP_FRAMES * TILE, n_rows * TILE
    pieces = [
        tag(
            "image",
            href=jpeg_uri(image),
            x=LEFT,
            y=TOP,
            width=width,
            height=height,
            preserveAspectRatio="none",
        ),
        *_outside(boxes, pixels.shape[2:], n_rows),
        *(_seam(LEFT + k * TILE, TOP, 0, height) for k in range(1, CROP_FRAMES)),
        *([_seam(LEFT, TOP + TILE, width, 0)] if n_rows > 1 else []),
        *(_minutes(k, TOP + height + 16) for k in range(CROP_FRAMES)),
        tag("rect", class_="separation", x=LEFT + SEPARATION_INDEX * TILE, y=TOP, width=TILE, height=height),
        *(
            text(name, LEFT - 8, TOP + (k + 0.5) * TILE + 4, text_anchor="end")
            for k, name in enumerate(("SiR-DNA", "phase")[:n_rows])
        ),
    ]
    if side_um > 0:
        pieces.append(_scale_bar(BAR_UM * TILE / side_um))
    return picture("".join(pieces), LEFT + width, TOP + height + BOTTOM, "film strip of twelve frames")


def film(crop: Path, tile_px: int) -> bytes:
    """The frames of a crop side by side, as a PNG; what lies outside the image is black.

    Args:
        crop: TIFF of (12, 2, H, W), channels (phase, dna).
        tile_px: side of a frame, pixels.
    """
    from imagecodecs import png_encode

    pixels, boxes = read_crop(crop)
    inside = _inside(boxes, pixels.shape[2:])
    return bytes(png_encode(montage(np.where(inside[:, None], pixels, 0), tile_px), level=1))


def read_crop(crop: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (12, 2, H, W), and what of each frame lies within the image: (12, 4), see IMAGE_BOXES.

    Raises:
        ValueError: it has another shape; of a file that is no TIFF, or cut short, whatever tifffile raises.
    """
    import tifffile

    with quiet(), tifffile.TiffFile(crop) as tif:
        pixels = tif.asarray()
        stated = (tif.imagej_metadata or {}).get(IMAGE_BOXES)
    if pixels.ndim != 4 or pixels.shape[:2] != (CROP_FRAMES, 2):
        raise ValueError(f"its pixels are {pixels.shape}; wanted ({CROP_FRAMES}, 2, H, W)")
    height, width = pixels.shape[-2:]
    boxes = json.loads(stated) if stated else [[0, height, 0, width]] * CROP_FRAMES
    return pixels, np.array(boxes)


def _inside(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(12, H, W) bool."""
    y, x = np.indices(shape)
    top, bottom, left, right = boxes.T[:, :, None, None]
    return (top <= y) & (y < bottom) & (left <= x) & (x < right)


def _outside(boxes: np.ndarray, shape: tuple[int, ...], n_rows: int) -> list[str]:
    """The hatched part of every tile, and the image's edge along it; nothing where all lies inside."""
    outlines, lines = "", ""
    for k, box in enumerate(boxes * np.repeat(TILE / np.array(shape), 2)):
        for x, y in ((LEFT + k * TILE, TOP + row * TILE) for row in range(n_rows)):
            for rectangle in (parts := _around(*box)):
                lines += hatching(x + rectangle[0], y + rectangle[1], *rectangle[2:], HATCH_STEP)
            if parts:
                outlines += _frame(x, y, *box)
    if not outlines:
        return []
    return [
        tag("path", d=outlines, class_="outside", fill=OUTSIDE, fill_rule="evenodd", stroke=HATCH),
        tag("path", d=lines, stroke=HATCH, fill="none"),
    ]


def _around(top: float, bottom: float, left: float, right: float) -> list[tuple[float, float, float, float]]:
    """The part of a tile around a box, as up to four rectangles (x, y, width, height).

    >>> _around(30.0, 90.0, 0.0, 90.0)
    [(0.0, 0.0, 90.0, 30.0)]
    """
    if bottom <= top or right <= left:
        return [(0.0, 0.0, TILE, TILE)]
    above, below = (0.0, 0.0, TILE, top), (0.0, bottom, TILE, TILE - bottom)
    beside = (0.0, top, left, bottom - top), (right, top, TILE - right, bottom - top)
    return [r for r in (above, below, *beside) if r[2] > 0 and r[3] > 0]


def _frame(x: float, y: float, top: float, bottom: float, left: float, right: float) -> str:
    """Path of a tile with a hole where the image is."""
    tile = f"M{x:.1f} {y:.1f}h{TILE:.1f}v{TILE:.1f}h{-TILE:.1f}z"
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        return tile
    return f"{tile}M{x + left:.1f} {y + top:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"


def _seam(x: float, y: float, dx: float, dy: float) -> str:
    return tag("line", x1=x, y1=y, x2=x + dx, y2=y + dy, stroke="#fff", stroke_width=SEAM)


def _minutes(k: int, y: float) -> str:
    minutes = (k - SEPARATION_INDEX) * CROP_INTERVAL_MIN
    label = f"{minutes:+.0f}" if minutes else "0 min"
    return text(
        label.replace("-", "−"),
        LEFT + (k + 0.5) * TILE,
        y,
        text_anchor="middle",
        class_="" if minutes else "zero",
    )


def _scale_bar(length: float) -> str:
    right, y = LEFT + CROP_FRAMES * TILE - 7, TOP + TILE - 9
    bar = tag("line", x1=right - length, x2=right, y1=y, y2=y, class_="bar")
    return bar + text(f"{BAR_UM:g} µm", right, y - 5, text_anchor="end", class_="bar-text")
