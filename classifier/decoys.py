"""A clip -> crops of the same movie that show no mitosis: what a proposer takes for one by mistake."""

from __future__ import annotations

import numpy as np

from classifier.pixels import VIEW_PX, empty
from lineage.schema import CROP_FRAMES

SIDES_PX = (40, 34, 28)  # of quiet squares, the widest that fits
CONDENSED = 0.45  # of the clip's brightest chromatin: above it something is in mitosis
NUCLEUS = 0.07  # likewise: by so much a nucleus stands out
TAIL = 4  # last frames of a clip, played forth and back
DECONDENSED = 0.6


def decoys(pixels: np.ndarray, rng: np.random.Generator, *, normal: bool) -> list[np.ndarray]:
    """Crops without a mitosis cut out of a clip with one.

    Interphase neighbours: what is around a square in which nothing condenses, the clip's own mitosis at its
    edge perhaps, with debris drifting across half of them.
    Where the daughters of a normal mitosis are far into interphase, the last frames, forth and back: a
    window that comes too late.

    Args:
        pixels: (12, 2, H, W), channels (phase, dna), the clip's own numbers.
        rng: all that is random comes from here.
        normal: whether the clip's mitosis is normal.

    Returns:
        None to two of (12, 2, h, w) float32.
    """
    found = []
    square = quiet_square(pixels)
    if square is not None:
        y, x, side = square
        crop = around(pixels, y + side // 2, x + side // 2)
        found.append(with_debris(crop, rng) if rng.random() < 0.5 else crop)
    if normal and is_over(pixels):
        found.append(pixels[forth_and_back(rng)])
    return found


def _relative(dna: np.ndarray) -> np.ndarray:
    """DNA with 0 at the background and 1 at the brightest chromatin."""
    low, high = np.percentile(dna, (10, 99.9))
    return (dna - low) / max(high - low, 1e-6)


def quiet_square(pixels: np.ndarray) -> tuple[int, int, int] | None:
    """(y, x, side) of a square with a nucleus in its middle and nothing condensed; None if there is none."""
    from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

    dna = uniform_filter(_relative(pixels[:, 1]), (0, 3, 3))  # noise is no chromatin
    usual = uniform_filter(np.median(dna, axis=0), 7)  # (H, W)
    height, width = usual.shape
    for side in SIDES_PX:
        half = side // 2
        middle = (slice(half, height - half), slice(half, width - half))
        if half >= min(height, width) - half:
            continue
        peak = maximum_filter(dna.max(axis=0), side)[middle]
        contrast = (usual - minimum_filter(usual, side))[middle]
        allowed = (peak < np.minimum(CONDENSED, 2.5 * usual[middle])) & (contrast > NUCLEUS)
        if allowed.any():
            y, x = np.unravel_index(np.where(allowed, contrast, -1).argmax(), peak.shape)
            return int(y), int(x), side
    return None


def around(pixels: np.ndarray, y: int, x: int) -> np.ndarray:
    """(T, 2, VIEW_PX, VIEW_PX) float32 with (y, x) in the middle; background where the clip has ended."""
    half = VIEW_PX // 2
    padded = empty(pixels, *(n + 2 * half for n in pixels.shape[-2:]))
    padded[:, :, half:-half, half:-half] = pixels
    return padded[:, :, y : y + VIEW_PX, x : x + VIEW_PX]


def is_over(pixels: np.ndarray) -> bool:
    """Whether nothing is condensed any more in the last frames."""
    dna = _relative(pixels[:, 1])
    return bool(np.percentile(dna[-TAIL:], 99.9) < DECONDENSED)


def forth_and_back(rng: np.random.Generator) -> np.ndarray:
    """(12,) indices of the last frames, up and down from a random one."""
    cycle = [*range(TAIL), *range(TAIL - 2, 0, -1)]
    start = int(rng.integers(len(cycle)))
    return np.array([CROP_FRAMES - TAIL + cycle[(start + t) % len(cycle)] for t in range(CROP_FRAMES)])


def with_debris(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A small bright body, or two, drifting about: what dead cells leave."""
    side = crop.shape[-1]
    rows, columns = np.mgrid[:side, :side]
    crop = crop.astype(np.float32)
    span = np.ptp(np.percentile(crop[:, 1], (10, 99.9)))
    contrast = np.ptp(np.percentile(crop[:, 0], (1, 99)))
    for _ in range(int(rng.integers(1, 3))):
        place = rng.uniform(0.2, 0.8, 2) * side
        walk = place + np.cumsum(rng.normal(0, rng.uniform(0.2, 2.0), (CROP_FRAMES, 2)), axis=0)
        size = rng.uniform(1.0, 2.5)
        square = (rows - walk[:, 0, None, None]) ** 2 + (columns - walk[:, 1, None, None]) ** 2
        body = np.exp(-square / (2 * size**2))  # (12, side, side)
        ring = np.exp(-square / (8 * size**2)) - 2 * body
        crop[:, 1] += rng.uniform(0.7, 4.0) * span * body
        crop[:, 0] -= rng.uniform(0.2, 0.8) * contrast * ring
    return crop
