"""Clip files and crops -> the pixels that a network takes: read, decoded, resampled, normalised."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from lineage.io.tiff import finite, open_tiff, read_image
from lineage.schema import CROP_FRAMES, MAX_CLIP_FRAMES, InputError
from lineage.video.units import CREDIBLE_UM, is_credible, length

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHASE_PERCENTILES = [0.5, 50.0, 99.5]
DNA_PERCENTILES = [10.0, 99.9]
LIMIT = 2.0  # normalised values are clipped to it, on both sides of 0
PHASE, DNA = 0, 1
LEVELS = 255  # of the paper's 8-bit composites
PIXEL_UM = 1.1518  # of the paper's clips, by their own metadata; crops are measured at this scale
VIEW_PX = 60  # 69 um of it, around the middle
BODIES_PX = 96  # side of the view in which bodies are counted
SAME_SCALE = 0.01  # scales that differ by less count as one


def read_clip(path: Path) -> np.ndarray:
    """Read a clip's raw intensities: (T, 2, H, W) float32, channels (phase, dna).

    Takes the paper's RGB composites, (T, H, W, 3) with G = phase and R = phase + SiR-DNA, and
    two-channel stacks, (T, 2, H, W), as a run cuts them; T from CROP_FRAMES to MAX_CLIP_FRAMES.

    Raises:
        InputError: not a TIFF, or of another shape.
    """
    stack = read_image(path)
    if stack.dtype.kind not in "uif":
        raise InputError(
            f"{path.name} has {stack.dtype} pixels; grey values (8 or 16 bit, or float) are wanted"
        )
    if stack.ndim == 4 and CROP_FRAMES <= stack.shape[0] <= MAX_CLIP_FRAMES:
        if stack.shape[3] == 3:
            return decode(np.stack([finite(frame) for frame in stack]))
        if stack.shape[1] == 2:
            return np.stack([[finite(c) for c in frame] for frame in stack]).astype(np.float32)
    raise InputError(
        f"{path.name} is {stack.shape}; wanted {CROP_FRAMES} to {MAX_CLIP_FRAMES} RGB frames, "
        f"({CROP_FRAMES}, H, W, 3), or as many of phase and DNA, ({CROP_FRAMES}, 2, H, W)"
    )


def pixel_size(path: Path) -> float:
    """Side of a clip's pixels in micrometres, by its file; that of the paper's clips if the file states none.

    Raises:
        InputError: not a TIFF, or a size that no microscope has.
    """
    with ExitStack() as files:
        tif = open_tiff(path, files)
        unit = (tif.imagej_metadata or {}).get("unit")
        dots = tif.pages.first.tags.valueof("XResolution")
    if not unit or not dots or not all(dots):
        return PIXEL_UM
    stated = length(f"{dots[1] / dots[0]:.9g}", unit)
    if stated.value is None and not stated.unclear:
        return PIXEL_UM  # in pixels
    if stated.value is None or not is_credible(stated.value, CREDIBLE_UM):
        raise InputError(f"{path.name} has pixels of {stated.stated}; wanted 0.02 to 10 um: set its scale")
    return stated.value


def at_scale(pixels: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """Cut the middle of a crop, at the scale of the paper's clips.

    Args:
        pixels: (T, 2, H, W), channels (phase, DNA).
        pixel_size_um: side of a pixel.

    Returns:
        (T, 2, VIEW_PX, VIEW_PX) float32, PIXEL_UM a pixel. Beyond the crop there is background: the median
        of the phase and the 10th percentile of the DNA.
    """
    zoom = pixel_size_um / PIXEL_UM
    if abs(zoom - 1) > SAME_SCALE:
        height, width = (max(1, round(n * zoom)) for n in pixels.shape[-2:])
        pixels = resample(pixels, (height, width))
    view = background_only(pixels, VIEW_PX, VIEW_PX)
    (from_y, to_y), (from_x, to_x) = (_middle(n) for n in pixels.shape[-2:])
    view[:, :, to_y, to_x] = pixels[:, :, from_y, from_x]
    return view


def background_only(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Frames that show nothing but a crop's background.

    Args:
        pixels: (T, 2, H, W), the crop.
        height: of the new frames, pixels.
        width: likewise.

    Returns:
        (T, 2, height, width) float32: the median of the phase, the 10th percentile of the DNA.
    """
    view = np.empty((*pixels.shape[:2], height, width), np.float32)
    view[:, PHASE] = np.median(pixels[:, PHASE])
    view[:, DNA] = np.percentile(pixels[:, DNA], DNA_PERCENTILES[0])
    return view


def _middle(n: int) -> tuple[slice, slice]:
    """Which of `n` pixels lie in the view, and where in it."""
    size = min(n, VIEW_PX)
    first, to = (n - size) // 2, (VIEW_PX - size) // 2
    return slice(first, first + size), slice(to, to + size)


def decode(rgb: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) composites, G = phase, R = phase + dna -> (T, 2, H, W) float32 (phase, dna)."""
    red, green = (rgb[..., c].astype(np.float32) for c in (0, 1))
    return np.stack([green, np.clip(red - green, 0, None)], axis=1)


def resample(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(T, C, H, W) -> (T, C, *size) float32, anti-aliased where it shrinks."""
    import torch
    from torch.nn.functional import interpolate

    x = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))
    if x.shape[-2:] == size:
        return x.numpy()
    return interpolate(x, size=size, mode="bilinear", antialias=True).numpy()


def by_percentiles(pixels: np.ndarray) -> np.ndarray:
    """Normalise one crop, so that the gain and offset of each channel no longer matter.

    DNA: 0 at the 10th percentile over all 12 frames, 1 at the 99.9th, so that mitotic chromatin is about
    1 and an interphase nucleus about 0.2. Phase: 0 at the median, and 2 between the 0.5th and the 99.5th
    percentile. The percentiles are extreme ones so that a wider crop, or an empty border, hardly moves them.
    Both channels are clipped to -2..2. All frames share one scale, as condensation is a change over
    time. A constant channel, such as one that the movie lacks, becomes zeros.

    Args:
        pixels: (12, 2, H, W), any unit.

    Returns:
        (12, 2, H, W) float32.

    >>> crop = np.random.default_rng(0).normal(size=(12, 2, 8, 8))
    >>> bool(np.allclose(by_percentiles(crop), by_percentiles(40 * crop + 1000), atol=1e-4))
    True
    """
    x = pixels.astype(np.float32)
    low, centre, high = np.percentile(x[:, 0], PHASE_PERCENTILES)
    dark, bright = np.percentile(x[:, 1], DNA_PERCENTILES)
    phase = 2 * (x[:, 0] - centre) / (high - low) if high > low else np.zeros_like(x[:, 0])
    dna = (x[:, 1] - dark) / (bright - dark) if bright > dark else np.zeros_like(x[:, 1])
    return np.clip(np.stack([phase, dna], axis=1), -LIMIT, LIMIT).astype(np.float32)


def as_composite(pixels: np.ndarray) -> np.ndarray:
    """(12, 2, H, W), 8 bit -> the paper's composites, (12, 3, H, W) float32 in 0..1.

    The three are phase + dna, phase, phase.

    Raises:
        InputError: a value beyond 8 bit.

    >>> as_composite(np.array([[[[51]], [[204]]]])).ravel().tolist()
    [1.0, 0.20000000298023224, 0.20000000298023224]
    """
    # Resampling rounds, and may leave a little more than the brightest pixel had.
    if pixels.max(initial=0) >= LEVELS + 0.5:
        raise InputError(
            f"a value of {pixels.max():g}: the paper's networks want 8-bit clips; use the default one"
        )
    phase, dna = pixels[:, 0].astype(np.float32), pixels[:, 1].astype(np.float32)
    red = np.minimum(phase + dna, LEVELS)
    return np.stack([red, phase, phase], axis=1) / np.float32(LEVELS)


NORMALISERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "percentiles": by_percentiles,
    "composite": as_composite,
}
# Written into every checkpoint, and compared with it when it is loaded.
NORMALISATIONS = {
    "percentiles": {
        "name": "percentiles",
        "phase": PHASE_PERCENTILES,
        "dna": DNA_PERCENTILES,
        "limit": LIMIT,
    },
    "composite": {"name": "composite", "levels": LEVELS},
    "measures": {"name": "measures", "pixel_um": PIXEL_UM, "view_px": VIEW_PX},
}


def normalised(pixels: np.ndarray, *, side_px: int, normalisation: str) -> np.ndarray:
    """Resample and normalise a crop for a network that takes pixels.

    Args:
        pixels: (12, 2, H, W), raw intensities.
        side_px: height and width that the network takes.
        normalisation: a key of NORMALISERS.

    Returns:
        (12, C, side_px, side_px) float32.
    """
    return NORMALISERS[normalisation](resample(pixels, (side_px, side_px)))
