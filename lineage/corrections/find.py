"""A nucleus as a correction names it -> the one of this run, if it is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from lineage.corrections.lines import Nucleus


class Finder:
    """Looks nuclei up by frame and position."""

    def __init__(self, nuclei: pd.DataFrame, *, pixel_size_um: float) -> None:
        """Of one run.

        Args:
            nuclei: NUCLEUS_COLUMNS.
            pixel_size_um: of the movie.
        """
        frame = nuclei["frame"].to_numpy(int)
        self._rows = {int(t): np.flatnonzero(frame == t) for t in np.unique(frame)}
        self._position = nuclei[["y_px", "x_px"]].to_numpy(float)
        self._radius = np.sqrt(nuclei["area_um2"].to_numpy(float) / np.pi) / pixel_size_um
        self._id = nuclei["detection_id"].to_numpy(int)

    def __call__(self, nucleus: Nucleus) -> int | None:
        """The `detection_id` of the nearest nucleus of that frame; None if the point lies outside of it."""
        rows = self._rows.get(nucleus.frame)
        if rows is None:
            return None
        far = np.hypot(*(self._position[rows] - (nucleus.y_px, nucleus.x_px)).T)
        nearest = int(far.argmin())
        return int(self._id[rows[nearest]]) if far[nearest] <= self._radius[rows[nearest]] else None


def cell_finder(detections: pd.DataFrame, *, pixel_size_um: float) -> Callable[[Nucleus], int | None]:
    """What finds the cell of a nucleus; None where the nucleus, or its cell, is not there.

    Args:
        detections: DETECTION_COLUMNS.
        pixel_size_um: of the movie.
    """
    find = Finder(detections, pixel_size_um=pixel_size_um)
    cells = dict(zip(detections["detection_id"].tolist(), detections["tracklet_id"].tolist(), strict=True))

    def cell_of(nucleus: Nucleus) -> int | None:
        cell = cells.get(find(nucleus), -1)
        return int(cell) if cell > 0 else None

    return cell_of
