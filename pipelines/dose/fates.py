"""Cells -> cumulative incidence of how they end, by dose, clock and generation, with bands over wells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.dose.collect import ENDS
from pipelines.dose.columns import SERIES, WELL
from pipelines.dose.estimates import mean
from pipelines.dose.incidence import CENSORED, Incidence, aalen_johansen

if TYPE_CHECKING:
    from collections.abc import Iterator

STEP_H = 2.0  # of the table
MIN_CELLS = 5  # of a well, in a curve
# Lost tracks may differ from others: curves are also drawn as if all lost cells had divided, or had died.
LOST_AS = ("censored", "division", "death")
CLOCKS = ("since irradiation", "since birth")
LAST_GENERATION = 3
COLUMNS = [
    *SERIES,
    "dose_gy",
    "clock",
    "generation",
    "lost_as",
    "end",
    "hours",
    "incidence",
    "low",
    "high",
    "n_wells",
    "n_at_risk",
    "n_cells",
]


def ends_of(cells: pd.DataFrame, *, since_birth: bool, lost_as: str = "censored") -> Incidence:
    """Cumulative incidence of ENDS.

    Args:
        cells: rows of `collect.Tables.cells`.
        since_birth: hours count from birth, of the cells born in view; else from irradiation, with late
            entry.
        lost_as: what a lost track counts as.
    """
    if since_birth:
        cells = cells[cells["born_in_view"]]
        entry, end = np.zeros(len(cells)), cells["age_at_exit_h"].to_numpy(float)
    else:
        entry, end = cells["entry_h"].to_numpy(float), cells["exit_h"].to_numpy(float)
    code = {name: i + 1 for i, name in enumerate(ENDS)}
    code["lost"] = code.get(lost_as, CENSORED)
    cause = cells["end"].map(code).fillna(CENSORED).to_numpy(int)
    # Rounded, so that the same frame of two movies is one time.
    return aalen_johansen(np.round(entry, 6), np.round(end, 6), cause, n_causes=len(ENDS))


def groups(cells: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(clock, generation, cells): founders since irradiation; since birth all born in view, then each."""
    yield CLOCKS[0], "0", cells[cells["generation"] == 0]
    born = cells[cells["born_in_view"]]
    yield CLOCKS[1], "all", born
    for g in range(1, LAST_GENERATION + 1):
        yield CLOCKS[1], str(g), born[born["generation"] == g]


def incidence_table(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a series, dose, clock, generation, cause, treatment of the lost, and time.

    `incidence` is the mean of the wells' curves, `low, high` its interval by t at that time; `n_at_risk` the
    cells of all wells just before. The curve of a well ends where its last cell was seen.
    """
    keys = [*SERIES, "dose_gy"]
    rows = []
    for key, of_dose in cells.groupby(keys, dropna=False):
        for clock, generation, of_group in groups(of_dose):
            for lost_as in LOST_AS:
                group = dict(zip(keys, key, strict=True))
                group |= {"clock": clock, "generation": generation, "lost_as": lost_as}
                rows += [group | row for row in _curves(of_group, clock == CLOCKS[1], lost_as)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _curves(cells: pd.DataFrame, since_birth: bool, lost_as: str) -> list[dict[str, object]]:
    """One row a time and end."""
    wells = [w for _, w in cells.groupby(list(WELL)) if len(w) >= MIN_CELLS]
    if not wells:
        return []
    end = "age_at_exit_h" if since_birth else "exit_h"
    last = [float(w[end].max()) for w in wells]
    times = np.arange(0.0, max(last) + STEP_H, STEP_H)
    curves = [ends_of(w, since_birth=since_birth, lost_as=lost_as) for w in wells]
    values = np.array([c.at(times) for c in curves])  # (W, C, T)
    for w, until in enumerate(last):
        values[w][:, times > until + STEP_H] = np.nan
    entry = np.zeros(len(cells)) if since_birth else cells["entry_h"].to_numpy(float)
    exit_ = cells[end].to_numpy(float)
    rows = []
    for t, hours in enumerate(times):
        at_risk = int(((entry < hours) & (exit_ >= hours)).sum()) if hours else int((entry <= 0).sum())
        for c, cause in enumerate(ENDS):
            over_wells = mean(values[:, c, t])
            rows.append(
                {
                    "end": cause,
                    "hours": hours,
                    "incidence": over_wells.value,
                    "low": over_wells.low,
                    "high": over_wells.high,
                    "n_wells": over_wells.n,
                    "n_at_risk": at_risk,
                    "n_cells": len(cells),
                }
            )
    return rows
