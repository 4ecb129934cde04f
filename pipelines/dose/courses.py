"""Usable frames of wells -> mitotic index and live cells over time, by well and by dose."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.dose.columns import SERIES, WELL
from pipelines.dose.estimates import mean

STEP_H = 2.0
COLUMNS = [*SERIES, "dose_gy", "hours_from", "quantity", "estimate", "low", "high", "n_wells"]  # by dose
MIN_SHARE_WATCHED = 0.9  # of a well's movies, in each bin


def by_well(frames: pd.DataFrame) -> pd.DataFrame:
    """One row a well and two hours: mitotic index, live cells, and these relative to the well's first bin."""
    bins = (STEP_H * np.floor(frames["hours"] / STEP_H)).rename("hours_from")
    keys = [*WELL, *SERIES, "dose_gy"]
    movies = frames.groupby([*keys, bins, "movie"], dropna=False).agg(
        live=("n_live", "mean"), in_mitosis=("n_in_mitosis", "sum"), seen=("n_live", "sum")
    )
    wells = (
        movies.groupby([*keys, "hours_from"], dropna=False)
        .agg(
            n_live=("live", "sum"),
            in_mitosis=("in_mitosis", "sum"),
            seen=("seen", "sum"),
            n_movies=("live", "size"),
        )
        .reset_index()
    )
    # In a bin that half of the positions miss half of the cells would seem to be gone.
    all_movies = wells.groupby(keys, dropna=False)["n_movies"].transform("max")
    wells = wells[wells["n_movies"] >= MIN_SHARE_WATCHED * all_movies]
    wells["mitotic_index"] = (wells.pop("in_mitosis") / wells.pop("seen")).where(wells["n_live"] > 0)
    first = wells.sort_values("hours_from").groupby(keys, dropna=False)["n_live"].transform("first")
    return wells.assign(growth=(wells["n_live"] / first).where(first > 0))


def by_dose(wells: pd.DataFrame) -> pd.DataFrame:
    """One row a dose, two hours and quantity: mean of the wells and its interval by t at that time.

    Growth is averaged as logarithms: doublings add.
    """
    keys = [*SERIES, "dose_gy", "hours_from"]
    rows: list[dict[str, object]] = []
    for key, of_bin in wells.groupby(keys, dropna=False):
        group = dict(zip(keys, key, strict=True))
        index = mean(of_bin["mitotic_index"].to_numpy(float))
        growth = of_bin["growth"].to_numpy(float)
        doublings = mean(np.log2(growth[growth > 0]))
        for quantity, n, value, low, high in (
            ("mitotic_index", index.n, index.value, max(index.low, 0.0), index.high),
            ("growth", doublings.n, 2**doublings.value, 2**doublings.low, 2**doublings.high),
        ):
            row = {"quantity": quantity, "estimate": value, "low": low, "high": high, "n_wells": n}
            rows.append(group | row)
    return pd.DataFrame(rows, columns=COLUMNS)
