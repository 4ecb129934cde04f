"""Planes of z -> one image: a projection, the plane in best focus, or one plane; a frame at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError
from lineage.video.selection import Z_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lineage.video.selection import Selection

_IN_WORDS = {
    "max": "the brightest of {n} planes at each pixel",
    "mean": "the mean of {n} planes",
    "focus": "of {n} planes the one in best focus, by frame and channel",
}


def check_planes_of_z(n_planes: int, selection: Selection, file: str, found: str) -> None:
    """Refuse a stack without a choice, and a choice that the file does not have.

    Args:
        n_planes: planes of z in each frame.
        selection: what the user chose.
        file: its name, for messages.
        found: its axes, for messages.

    Raises:
        InputError: there are several planes and no choice; a choice and one plane; or no such plane.
    """
    z = selection.z
    if n_planes > 1 and z is None:
        raise InputError(
            f"{file} holds {n_planes} planes of z in each frame ({found}); project them or "
            f"select one Z plane: --z {', '.join(Z_WORDS)}, or 0 to {n_planes - 1}"
        )
    if n_planes == 1 and z is not None:
        raise InputError(
            f"--z {z} is given, and {file} has no planes of z ({found}): leave it out, "
            "or say with --axes which axis is Z"
        )
    if isinstance(z, int) and z >= n_planes:
        raise InputError(f"--z {z} is not there: {file} has {n_planes} planes of z, 0 to {n_planes - 1}")


def over_planes(
    read: Callable[[int, int, int], np.ndarray], n_planes: int, selection: Selection
) -> tuple[Callable[[int, int], np.ndarray], tuple[str, ...]]:
    """Make one image of the planes of each frame and channel, when it is asked for.

    Args:
        read: (t, channel, z) -> (Y, X).
        n_planes: planes of z in each frame.
        selection: what the user chose; checked by `check_planes_of_z`.

    Returns:
        (t, channel) -> (Y, X), and a note on what was chosen.
    """
    z = selection.z
    if z is None or n_planes == 1:
        return lambda t, channel: read(t, channel, 0), ()
    if isinstance(z, int):
        return lambda t, channel: read(t, channel, z), (f"z: plane {z} of {n_planes}, counted from 0",)
    combine = {"max": _brightest, "mean": _mean, "focus": sharpest}[z]
    return (
        lambda t, channel: combine(read(t, channel, k) for k in range(n_planes)),
        (f"z: {_IN_WORDS[z].format(n=n_planes)}",),
    )


def focus_of(plane: np.ndarray) -> float:
    """How much detail a plane has: the variance of its Laplacian after a blur of 1 px.

    The blur takes most of a camera's noise out, which would count as detail in every plane. The measure is
    for planes of one field at one time: there the contents are the same, and blur alone changes it.
    """
    from scipy.ndimage import gaussian_laplace

    return float(np.var(gaussian_laplace(plane.astype(np.float32), 1.0), dtype=np.float64))


def sharpest(planes: Iterable[np.ndarray]) -> np.ndarray:
    """The plane in best focus, the lowest of several that are equally sharp."""
    best, found = -np.inf, None
    for plane in planes:
        focus = focus_of(plane)
        if found is None or focus > best:
            best, found = focus, plane
    if found is None:
        raise ValueError("no plane")
    return found


def _brightest(planes: Iterable[np.ndarray]) -> np.ndarray:
    found: np.ndarray | None = None
    for plane in planes:
        found = plane if found is None else np.maximum(found, plane)
    if found is None:
        raise ValueError("no plane")
    return found


def _mean(planes: Iterable[np.ndarray]) -> np.ndarray:
    """Rounded to the planes' own type."""
    n, dtype = 0, np.dtype(float)
    total: np.ndarray | float = 0.0
    for plane in planes:
        n, dtype, total = n + 1, plane.dtype, total + plane.astype(float)
    mean = np.asarray(total) / n
    return (np.rint(mean) if dtype.kind in "ui" else mean).astype(dtype)
