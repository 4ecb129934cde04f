"""Positions of nuclei -> mean squared displacement before and after mitosis (trackpy)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd

from lineage.schema import MitosisClass, State

if TYPE_CHECKING:
    import numpy as np

WINDOW_H = 5.0  # of interphase before rounding up, and after a daughter has spread
SPREAD_H = 1.0  # after birth, before which a daughter still moves with its sister
MAX_LAG_H = 2.0
COLUMNS = ["when", "mitosis_class", "lag_min", "msd_um2", "n_cells"]


def displacements(
    live: pd.DataFrame, mitoses: pd.DataFrame, cells: pd.DataFrame, *, minutes_per_frame: float
) -> pd.DataFrame:
    """Mean squared displacement of mothers before, and of daughters after, normal and abnormal mitoses.

    Args:
        live: detections of live cells, with the stage's drift taken out.
        mitoses: with `mother_id`, `counted_class`, `time_min`.
        cells: with `tracklet_id`, `parent_ids`.
        minutes_per_frame: interval.

    Returns:
        COLUMNS; `mitosis_class` is the verdict that the mitoses are counted under; lags up to two hours;
        `n_cells` that were averaged.
    """
    interphase = live[live["state"] == State.INTERPHASE.value]
    rows = []
    mother = pd.to_numeric(cells["parent_ids"].where(cells["born_in_view"]), errors="coerce")
    births = cells.assign(mother=mother).dropna(subset="mother")
    for kind in (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value):
        these = mitoses[mitoses["counted_class"] == kind].drop_duplicates("mother_id")
        at = these.set_index("mother_id")["time_min"]
        born = births[births["mother"].isin(at.index)].set_index("tracklet_id")["mother"].map(at)
        before = _window(interphase, at, -WINDOW_H - 1, -1.0)  # the last hour is the mitosis itself
        after = _window(interphase, born, SPREAD_H, SPREAD_H + WINDOW_H)
        for when, table in (("before", before), ("after", after)):
            rows += [
                dict(zip(COLUMNS, (when, kind, lag, msd, n), strict=True))
                for lag, msd, n in _msd(table, minutes_per_frame)
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _window(table: pd.DataFrame, at_min: pd.Series, from_h: float, to_h: float) -> pd.DataFrame:
    """Detections of the cells in `at_min`'s index, from and to so many hours after it."""
    moment = table["tracklet_id"].map(at_min)
    since_h = (table["time_min"] - moment) / 60
    return table[(since_h >= from_h) & (since_h < to_h)]


def _msd(table: pd.DataFrame, minutes_per_frame: float) -> list[tuple[float, float, int]]:
    """(lag in minutes, um2, cells); nothing of fewer than two frames."""
    longest = round(60 * MAX_LAG_H / minutes_per_frame)
    lengths = table.groupby("tracklet_id").size()
    table = table[table["tracklet_id"].isin(lengths[lengths > longest].index)]
    if table.empty or longest < 1:
        return []
    from trackpy.motion import emsd

    walks = pd.DataFrame(
        {
            "particle": table["tracklet_id"],
            "frame": table["frame"].astype(int),
            "x": table["x_um"],
            "y": table["y_um"],
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas, about trackpy
        found: pd.Series[float] = emsd(walks, mpp=1.0, fps=1.0 / minutes_per_frame, max_lagtime=longest)
    n = int(walks["particle"].nunique())
    lags = found.index.to_numpy(float)
    # Rounded, so that the same lag of two movies is one lag.
    return [(round(float(lag), 6), float(value), n) for lag, value in zip(lags, found, strict=True)]


def diffusion_um2_h(lag_min: np.ndarray, msd_um2: np.ndarray) -> float:
    """Slope of the mean squared displacement over time, a quarter of it (two dimensions), through zero.

    >>> import numpy as np
    >>> diffusion_um2_h(np.array([30.0, 60.0]), np.array([2.0, 4.0]))
    1.0
    """
    hours = lag_min / 60
    return float((hours * msd_um2).sum() / (hours**2).sum() / 4)
