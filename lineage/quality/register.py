"""Pairs of small images -> how far each has moved; the numbers of scikit-image's phase correlation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def shifts(references: np.ndarray, moved: np.ndarray, *, upsampling: int) -> np.ndarray:
    """The shift that brings each image onto its reference.

    Args:
        references: (N, Y, X) float32, at least one.
        moved: (N, Y, X) float32.
        upsampling: precision, in parts of a pixel: 20 for a twentieth.

    Returns:
        (N, 2) float32: y, x. As `skimage.registration.phase_cross_correlation` without normalisation.
    """
    from scipy.fft import fft2, ifft2

    product = fft2(references) * fft2(moved).conj()
    size = np.array(product.shape[1:])
    pixels = _highest(ifft2(product))
    pixels = np.where(pixels > size // 2, pixels - size, pixels)
    # The correlation again, finely, in a square of 1.5 px around the highest.
    down, across = (
        fine * np.exp(2j * np.pi * (-pixels[:, axis, None] * frequencies))[:, None]
        for axis, (fine, frequencies) in enumerate(_fine(int(n), upsampling) for n in size)
    )
    fine = down.astype(np.complex64) @ product.conj() @ across.astype(np.complex64).transpose(0, 2, 1)
    found = pixels + (_highest(fine) - _reach(upsampling)) / upsampling
    return np.where(size == 1, 0, found).astype(np.float32)


def _highest(correlation: np.ndarray) -> np.ndarray:
    """(N, 2) index of the highest value of each of (N, Y, X)."""
    flat = np.abs(correlation).reshape(len(correlation), -1)
    return np.stack(np.unravel_index(flat.argmax(axis=1), correlation.shape[1:]), axis=1)


def _reach(upsampling: int) -> int:
    """Fine steps on one side of the middle."""
    return -(-3 * upsampling // 2) // 2


@lru_cache
def _fine(n: int, upsampling: int) -> tuple[np.ndarray, np.ndarray]:
    """(steps, n) waves at fine steps around zero, and their (n,) frequencies in turns a pixel."""
    frequencies = np.fft.fftfreq(n)
    steps = np.arange(-(-3 * upsampling // 2)) - _reach(upsampling)
    return np.exp(-2j * np.pi * np.outer(steps / upsampling, frequencies)), frequencies
