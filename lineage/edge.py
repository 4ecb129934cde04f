"""Places of nuclei and the image's shape -> what its edge cuts, and who may have come or gone over it.

One rule for tracking, events, fates and evaluation, in diameters of the movie's own nuclei, whatever the
pixel size: a nucleus nearer than CUT is cut; a cell nearer than CROSSING may be out of sight in the next
frame, or have been in the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

CUT = 0.5  # diameters: nearer the edge lies within the nucleus
CROSSING = 1.3  # diameters: the radius, and a step


def diameter_um(nuclei: pd.DataFrame) -> float:
    """Of the circle with the nuclei's median area; the unit of every length in tracking.

    Args:
        nuclei: with `area_um2`.
    """
    return float(2 * np.sqrt(nuclei["area_um2"].median() / np.pi)) if len(nuclei) else 1.0


def to_edge(positions_px: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N,) pixels from positions (N, 2) to the edge of an image of `shape`; below 0 outside it.

    >>> to_edge(np.array([[5.0, 50.0], [50.0, 98.0], [50.0, 102.0]]), (100, 100)).tolist()
    [5.0, 1.0, -3.0]
    """
    return np.minimum(positions_px, np.asarray(shape, float) - 1 - positions_px).min(axis=1, initial=np.inf)


def is_cut(positions_px: np.ndarray, shape: tuple[int, int], diameter_px: float) -> np.ndarray:
    """(N,) whether the edge cuts nuclei: these look small and dense.

    Args:
        positions_px: (N, 2) y, x.
        shape: (Y, X) of the image.
        diameter_px: of the movie's nuclei.

    >>> is_cut(np.array([[5.0, 50.0], [50.0, 93.0]]), (100, 100), 10.0).tolist()
    [False, False]
    """
    return to_edge(positions_px, shape) < CUT * diameter_px


def may_cross(positions_px: np.ndarray, shape: tuple[int, int], diameter_px: float) -> np.ndarray:
    """(N,) whether cells are so near the edge that they may have come in over it, or be about to leave.

    Args:
        positions_px: (N, 2) y, x.
        shape: (Y, X) of the image.
        diameter_px: of the movie's nuclei.

    >>> may_cross(np.array([[13.0, 50.0], [50.0, 85.0]]), (100, 100), 10.0).tolist()
    [True, False]
    """
    return to_edge(positions_px, shape) <= CROSSING * diameter_px
