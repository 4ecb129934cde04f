"""A clip -> crops of the same movie that show no mitosis, such as the tracking proposes by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from classifier.dying import dies
from classifier.pixels import VIEW_PX, background_only
from lineage.schema import CROP_FRAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDES_PX = (40, 34, 28)  # of windows without a mitosis; the widest that fits is taken
CONDENSED = 0.45  # share of the clip's brightest chromatin; what is brighter is taken for mitotic
NUCLEUS = 0.07  # likewise; by how much a nucleus is brighter than what is around it
TAIL = 4  # last frames of a clip, played back and forth
DECONDENSED = 0.6  # likewise; below it no chromatin is condensed any more


def decoys(
    pixels: np.ndarray, rng: np.random.Generator, *, normal: bool, dying: Sequence[np.ndarray] = ()
) -> list[np.ndarray]:
    """Cut crops without a mitosis out of a clip of a mitosis.

    There are three kinds. A window around an interphase neighbour, in which nothing condenses; the clip's own
    mitosis may lie at its edge, and half of them get drifting debris. The same with the neighbour dying. And,
    where the daughters of a normal mitosis are far into interphase, the last frames, back and forth: as if
    cut too late.

    Args:
        pixels: (12, 2, H, W), channels (phase, dna), raw intensities.
        rng: source of everything random.
        normal: whether the clip's mitosis is normal.
        dying: pictures of dying nuclei, as `classifier.dying.read_pictures` gives them; without them no
            neighbour dies.

    Returns:
        Crops, (12, 2, h, w) float32, at most one of each kind.
    """
    found = []
    (deaths,) = rng.spawn(1)
    window = quiet_window(pixels)
    if window is not None:
        y, x, side = window
        crop = crop_around(pixels, y + side // 2, x + side // 2)
        found.append(with_debris(crop, rng) if rng.random() < 0.5 else crop)
        found += [dies(crop, dying, deaths)] if len(dying) else []
    if normal and mitosis_is_over(pixels):
        found.append(pixels[back_and_forth(rng)])
    return found


def _relative(dna: np.ndarray) -> np.ndarray:
    """DNA, scaled to 0 at the background and 1 at the brightest chromatin."""
    low, high = np.percentile(dna, (10, 99.9))
    return (dna - low) / max(high - low, 1e-6)


def quiet_window(pixels: np.ndarray) -> tuple[int, int, int] | None:
    """Find a square window with a nucleus in its middle and nothing condensed.

    Args:
        pixels: (12, 2, H, W), channels (phase, dna).

    Returns:
        (y, x, side) of its first row and column and its width, in pixels; None if there is no such window.
    """
    from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

    dna = uniform_filter(_relative(pixels[:, 1]), (0, 3, 3))  # so that noise does not count as chromatin
    typical = uniform_filter(np.median(dna, axis=0), 7)  # (H, W)
    height, width = typical.shape
    for side in SIDES_PX:
        half = side // 2
        middle = (slice(half, height - half), slice(half, width - half))
        if half >= min(height, width) - half:
            continue
        peak = maximum_filter(dna.max(axis=0), side)[middle]
        contrast = (typical - minimum_filter(typical, side))[middle]
        allowed = (peak < np.minimum(CONDENSED, 2.5 * typical[middle])) & (contrast > NUCLEUS)
        if allowed.any():
            y, x = np.unravel_index(np.where(allowed, contrast, -1).argmax(), peak.shape)
            return int(y), int(x), side
    return None


def crop_around(pixels: np.ndarray, y: int, x: int) -> np.ndarray:
    """Cut a crop with one pixel in its middle; beyond the clip's edge there is background.

    Args:
        pixels: (T, 2, H, W), the clip.
        y: row of the middle, pixels.
        x: column of the middle, pixels.

    Returns:
        (T, 2, VIEW_PX, VIEW_PX) float32.
    """
    half = VIEW_PX // 2
    padded = background_only(pixels, *(n + 2 * half for n in pixels.shape[-2:]))
    padded[:, :, half:-half, half:-half] = pixels
    return padded[:, :, y : y + VIEW_PX, x : x + VIEW_PX]


def mitosis_is_over(pixels: np.ndarray) -> bool:
    """Whether nothing is condensed any more in the last frames."""
    dna = _relative(pixels[:, 1])
    return bool(np.percentile(dna[-TAIL:], 99.9) < DECONDENSED)


def back_and_forth(rng: np.random.Generator) -> np.ndarray:
    """(12,) indices of the last frames, back and forth from a random one."""
    cycle = [*range(TAIL), *range(TAIL - 2, 0, -1)]
    start = int(rng.integers(len(cycle)))
    return np.array([CROP_FRAMES - TAIL + cycle[(start + t) % len(cycle)] for t in range(CROP_FRAMES)])


def with_debris(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop with one or two small bright bodies drifting about, as dead cells leave them."""
    side = crop.shape[-1]
    rows, columns = np.mgrid[:side, :side]
    crop = crop.astype(np.float32)
    span = np.ptp(np.percentile(crop[:, 1], (10, 99.9)))
    contrast = np.ptp(np.percentile(crop[:, 0], (1, 99)))
    for _ in range(int(rng.integers(1, 3))):
        start = rng.uniform(0.2, 0.8, 2) * side
        walk = start + np.cumsum(rng.normal(0, rng.uniform(0.2, 2.0), (CROP_FRAMES, 2)), axis=0)
        size = rng.uniform(1.0, 2.5)
        distance2 = (rows - walk[:, 0, None, None]) ** 2 + (columns - walk[:, 1, None, None]) ** 2
        body = np.exp(-distance2 / (2 * size**2))  # (12, side, side)
        ring = np.exp(-distance2 / (8 * size**2)) - 2 * body
        crop[:, 1] += rng.uniform(0.7, 4.0) * span * body
        crop[:, 0] -= rng.uniform(0.2, 0.8) * contrast * ring
    return crop
