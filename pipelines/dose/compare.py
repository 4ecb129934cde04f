"""Numbers of wells -> numbers of doses, against control, over dose: estimates, intervals, tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.dose.columns import SERIES, WELL
from pipelines.dose.estimates import (
    ALIKE,
    BOOTSTRAP_FROM,
    Estimate,
    benjamini_hochberg,
    bootstrap,
    difference,
    holm,
    mean,
    proportion,
    ratio,
    slope,
)
from pipelines.dose.measures import PRIMARY, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipelines.dose import correction
    from pipelines.dose.correction import Classifier

KEY = ["measure", "stratum"]
ONE_WELL = (
    "One well a dose: what the dose did cannot be told from how wells differ by themselves, however many "
    "positions and cells are counted. So there is no p-value, and the intervals describe these wells alone."
)
DESCRIPTIVE = "descriptive: one well"
SEED = 1  # of the bootstrap


def by_unit(wells: pd.DataFrame, unit: str) -> pd.DataFrame:
    """One row a unit, dose, measure and stratum: wells as they are, or the mean of an experiment's wells."""
    if unit == "well":
        return wells.assign(unit=wells[list(WELL)].agg(" ".join, axis=1))
    keys = [*SERIES, "dose_gy", "experiment_date", *KEY]
    means = wells.groupby(keys, dropna=False).agg(
        value=("value", "mean"), corrected=("corrected", "mean"), n=("n", "sum"), k=("k", "sum"),
        n_positions=("n_positions", "sum"),
    )  # fmt: skip
    return means.reset_index().assign(unit=lambda t: t["experiment_date"])


def groups(table: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Each series, measure and stratum, with its rows."""
    for key, rows in table.groupby([*SERIES, *KEY], dropna=False, sort=False):
        yield dict(zip([*SERIES, *KEY], key, strict=True)), rows


def doses(
    units: pd.DataFrame, positions: pd.DataFrame, classifiers: Mapping[str, Classifier]
) -> pd.DataFrame:
    """One row a dose, measure and stratum: the mean of the units, its interval, and all n.

    Args:
        units: of `by_unit`.
        positions: likewise, one row a position: what is left to describe where a dose has one well.
        classifiers: cell line -> what corrects its fractions.
    """
    rng = np.random.default_rng(SEED)
    by_position = dict(iter(positions.groupby([*SERIES, "dose_gy", *KEY], dropna=False)))
    rows = []
    key: Any
    for key, mine in units.groupby([*SERIES, "dose_gy", *KEY], dropna=False, sort=False):
        place: dict[str, Any] = dict(zip([*SERIES, "dose_gy", *KEY], key, strict=True))
        counted = bool(mine["k"].notna().any())
        unit = "share" if counted else UNITS.get(place["measure"], "")
        one = _dose(mine, by_position.get(key, mine.iloc[:0]), share=unit == "share")
        row = place | {"unit_of_measure": unit} | _told(one)
        row |= {"n_units": int(mine["value"].notna().sum()), "n_positions": int(mine["n_positions"].sum())}
        row |= {"n": int(mine["n"].sum()), "k": float(mine["k"].sum()) if counted else np.nan}
        if place["measure"] == PRIMARY:
            fixed = classifiers[place["cell_line"]].widen(one)
            row |= {"corrected": fixed.value, "corrected_low": fixed.low, "corrected_high": fixed.high}
        if row["n_units"] >= BOOTSTRAP_FROM:
            again = bootstrap(mine["value"].to_numpy(float), rng=rng)
            row |= {"bootstrap_low": again.low, "bootstrap_high": again.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _dose(mine: pd.DataFrame, positions: pd.DataFrame, *, share: bool) -> Estimate:
    values = mine["value"].to_numpy(float)
    one = mean(values)
    if one.n == 1:
        if positions["value"].notna().sum() > 1:
            over = mean(positions["value"].to_numpy(float))
            one = replace(one, low=over.low + one.value - over.value, high=over.high + one.value - over.value,
                          df=over.df, method=f"{DESCRIPTIVE}, t over positions")  # fmt: skip
        elif share:
            one = replace(_over_cells(mine), n=1, method=f"{DESCRIPTIVE}, Wilson over cells")
    elif one.method == ALIKE and share:
        # Wells that show the very same share, most often no case at all, do not show that there is no spread.
        over = _over_cells(mine)
        one = replace(one, low=over.low, high=over.high, method=f"{ALIKE}: Wilson over cells")
    if share:
        one = replace(one, low=np.maximum(one.low, 0.0), high=np.minimum(one.high, 1.0))
    return replace(one, p=np.nan)


def _over_cells(mine: pd.DataFrame) -> Estimate:
    k = mine["k"].fillna(mine["value"] * mine["n"])
    return proportion(round(float(k.sum())), int(mine["n"].sum()))


def _told(one: Estimate, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}estimate": one.value, f"{prefix}low": one.low, f"{prefix}high": one.high,
        f"{prefix}df": one.df, f"{prefix}method": one.method,
    }  # fmt: skip


def effects(units: pd.DataFrame, classifiers: Mapping[str, Classifier]) -> pd.DataFrame:
    """One row a dose above the control, measure and stratum: risk (or mean) difference and ratio.

    `p` is Welch's of the difference; `p_adjusted` Holm's for the primary measure, over the doses of a series,
    and Benjamini & Hochberg's for all the rest of a series, which is exploratory.
    """
    rows = []
    for place, mine in groups(units):
        control_gy = mine["dose_gy"].min()
        control = mine[mine["dose_gy"] == control_gy]
        for dose, treated in mine[mine["dose_gy"] > control_gy].groupby("dose_gy"):
            told = difference(treated["value"].to_numpy(float), control["value"].to_numpy(float))
            times = ratio(treated["value"].to_numpy(float), control["value"].to_numpy(float))
            row = place | {"dose_gy": dose, "control_gy": control_gy}
            row |= {"difference": told.value, "difference_low": told.low, "difference_high": told.high}
            row |= {"ratio": times.value, "ratio_low": times.low, "ratio_high": times.high}
            if place["measure"] == PRIMARY:
                fixed = _corrected_difference(treated, control, classifiers[place["cell_line"]])
                row |= {"corrected_difference": fixed.value, "corrected_difference_low": fixed.low,
                        "corrected_difference_high": fixed.high}  # fmt: skip
            row |= {"p": told.p, "df": told.df, "n_units": len(treated), "n_units_control": len(control)}
            rows.append(row | {"method": told.method})
    if not rows:
        return pd.DataFrame(columns=[*SERIES, *KEY, "dose_gy", "p"])
    return _adjusted(pd.DataFrame(rows), holm)


def _corrected_difference(treated: pd.DataFrame, control: pd.DataFrame, by: Classifier) -> Estimate:
    """Of the corrected fractions; the classifier's own uncertainty scales the whole difference."""
    if not by.usable:
        return Estimate(np.nan)
    one = difference(treated["corrected"].to_numpy(float), control["corrected"].to_numpy(float))
    half = 0.5 * (one.high - one.low)
    extra = 1.96 * abs(one.value) * by.relative_error
    half = float(np.hypot(half, extra))
    return replace(one, low=one.value - half, high=one.value + half)


def _adjusted(table: pd.DataFrame, primary_rule: Any) -> pd.DataFrame:
    """With `family` and `p_adjusted`, series by series."""
    primary = (table["measure"] == PRIMARY) & (table["stratum"] == "all")
    table = table.assign(family=np.where(primary, "primary", "exploratory"), p_adjusted=np.nan, adjustment="")
    for _, rows in table.groupby(list(SERIES), dropna=False):
        for name, which in (("primary", primary_rule), ("exploratory", benjamini_hochberg)):
            index = rows.index[rows["family"] == name]
            table.loc[index, "p_adjusted"] = which(table.loc[index, "p"].to_numpy(float))
            table.loc[index, "adjustment"] = getattr(which, "__name__", "").replace("_", "-")
    return table


def trends(units: pd.DataFrame) -> pd.DataFrame:
    """One row a series, measure and stratum: the change for each gray, and its test.

    The one of the fraction abnormal is the primary test. That of the time to the first mitosis is the
    mitotic delay, hours per gray. No p-value unless two doses have two units each.
    """
    rows = []
    for place, mine in groups(units):
        known = mine[mine["value"].notna()]
        one = slope(known["dose_gy"].to_numpy(float), known["value"].to_numpy(float))
        per_dose = known.groupby("dose_gy").size()
        if (per_dose >= 2).sum() < 2:
            one = replace(one, p=np.nan, method=f"{one.method}; {DESCRIPTIVE} a dose")
        row = place | {"slope_per_gy": one.value, "low": one.low, "high": one.high, "p": one.p, "df": one.df}
        rows.append(row | {"n_doses": len(per_dose), "n_units": one.n, "method": one.method})
    return _adjusted(pd.DataFrame(rows), holm)


def corrected(wells: pd.DataFrame, classifiers: Mapping[str, correction.Classifier]) -> pd.DataFrame:
    """With the corrected fraction beside the raw one."""
    lines = zip(wells["measure"], wells["cell_line"], wells["value"], strict=True)
    told = [
        classifiers[line].correct(value) if measure == PRIMARY else np.nan for measure, line, value in lines
    ]
    return wells.assign(corrected=np.array(told, float))
