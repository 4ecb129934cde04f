"""Courses of further channels, aligned to birth and mitosis -> means by well and by dose."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.dose.columns import SERIES, WELL
from pipelines.dose.estimates import mean

STEP_H = 1.0
FROM_H, TO_H = -24.0, 48.0  # courses beyond are left out
MIN_CELLS = 3  # of a well, in each hour
KEYS = ["channel", "aligned", "hours_from"]
SUMS = ["n_values", "sum_mean", "sum_ring", "sum_mean_with_ring"]
QUANTITIES = ("mean", "ring_ratio")
BY_DOSE = [*SERIES, "dose_gy", *KEYS, "quantity", "estimate", "low", "high", "n_wells"]


def of_movie(signals: pd.DataFrame | None) -> pd.DataFrame:
    """One row a channel, alignment and hour: sums over its cells and frames.

    Args:
        signals: SIGNAL_COLUMNS; None where a run measured no further channel.

    Returns:
        KEYS, `n_cells` and SUMS; `ring` is of the values that have one.
    """
    if signals is None:
        return pd.DataFrame(columns=[*KEYS, "n_cells", *SUMS])
    hours = STEP_H * np.floor(signals["time_min"] / 60 / STEP_H + 1e-9)
    rows = signals.assign(
        hours_from=hours,
        # One mother may have slipped before she divided.
        course=signals["event_id"].fillna(signals["tracklet_id"]),
        sum_ring=signals["ring_ratio"] * signals["mean"],
        sum_mean_with_ring=signals["mean"].where(signals["ring_ratio"].notna()),
    )
    rows = rows[rows["hours_from"].between(FROM_H, TO_H - STEP_H) & rows["mean"].notna()]
    return (
        rows.groupby(KEYS)
        .agg(
            n_cells=("course", "nunique"),
            n_values=("mean", "size"),
            sum_mean=("mean", "sum"),
            sum_ring=("sum_ring", "sum"),
            sum_mean_with_ring=("sum_mean_with_ring", "sum"),
        )
        .reset_index()
    )


def by_well(movies: pd.DataFrame) -> pd.DataFrame:
    """One row a well, channel, alignment and hour; hours with fewer than MIN_CELLS cells are left out.

    Args:
        movies: rows of `of_movie`, with the plate map's columns.

    Returns:
        `mean`, over all cells and frames of the hour, and `ring_ratio`, the rings' mean over the nuclei's:
        cells count by their brightness, so that those which are hardly brighter than the background do not
        scatter it.
    """
    keys = [*WELL, *SERIES, "dose_gy", *KEYS]
    sums = movies.groupby(keys, dropna=False)[["n_cells", *SUMS]].sum().reset_index()
    sums = sums[sums["n_cells"] >= MIN_CELLS].reset_index(drop=True)
    ratio = sums["sum_ring"] / sums["sum_mean_with_ring"].where(sums["sum_mean_with_ring"] > 0)
    return sums[[*keys, "n_cells"]].assign(mean=sums["sum_mean"] / sums["n_values"], ring_ratio=ratio)


def by_dose(wells: pd.DataFrame) -> pd.DataFrame:
    """One row a dose, channel, alignment, hour and quantity: mean of the wells and its interval by t."""
    keys = [*SERIES, "dose_gy", *KEYS]
    rows: list[dict[str, object]] = []
    for key, of_hour in wells.groupby(keys, dropna=False):
        group = dict(zip(keys, key, strict=True))
        for quantity in QUANTITIES:
            found = mean(of_hour[quantity].to_numpy(float))
            interval = {"estimate": found.value, "low": found.low, "high": found.high, "n_wells": found.n}
            rows.append(group | {"quantity": quantity} | interval)
    return pd.DataFrame(rows, columns=BY_DOSE)
