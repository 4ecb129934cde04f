"""Numbers of wells -> numbers of doses, against control, over dose: estimates, intervals, tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.dose.columns import SERIES, SUBTYPES, UNSPECIFIED, WELL
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
from pipelines.dose.measures import PRIMARY, UNITS, fraction
from pipelines.dose.proposals import Group
from pipelines.dose.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipelines.dose.correction import Classifier
    from pipelines.dose.proposals import Proposals

KEY = ["measure", "stratum"]
DESCRIPTIVE = "descriptive: one well"
SEED = 1  # of the bootstrap


def by_unit(wells: pd.DataFrame, unit: str) -> pd.DataFrame:
    """One row a unit, dose, measure and stratum: wells as they are, or the mean of an experiment's wells."""
    if unit == "well":
        return wells.assign(unit=wells[list(WELL)].agg(" ".join, axis=1))
    keys = [*SERIES, "dose_gy", "experiment_date", *KEY]
    means = wells.groupby(keys, dropna=False).agg(
        value=("value", "mean"), called=("called", "mean"), corrected=("corrected", "mean"), n=("n", "sum"),
        k=("k", "sum"), n_positions=("n_positions", "sum"),
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
        of_positions = by_position.get(key, mine.iloc[:0])
        one = _dose(mine, of_positions, share=unit == "share")
        row = place | {"unit_of_measure": unit} | _told(_cut(one) if unit == "share" else one)
        row |= {"n_units": int(mine["value"].notna().sum()), "n_positions": int(mine["n_positions"].sum())}
        row |= {"n": int(mine["n"].sum()), "k": float(mine["k"].sum()) if counted else np.nan}
        if mine["corrected"].notna().any():
            fixed = mean(mine["corrected"].to_numpy(float))
            if place["measure"] == PRIMARY:
                called = _dose(as_called(mine), as_called(of_positions), share=True)
                fixed = classifiers[place["cell_line"]].widen(called)
                row |= {"called": called.value}
            elif place["measure"] == fraction(UNSPECIFIED):  # a remainder: the clips' errors are all in it
                fixed = Estimate(fixed.value)
            row |= _both("corrected", fixed, _cut(fixed))
        if row["n_units"] >= BOOTSTRAP_FROM:
            again = bootstrap(mine["value"].to_numpy(float), rng=rng)
            row |= {"bootstrap_low": again.low, "bootstrap_high": again.high}
        rows.append(row)
    return pd.DataFrame(rows)


def as_called(parts: pd.DataFrame) -> pd.DataFrame:
    """Parts of the plate with the fraction that the correction starts from in place of the counted one."""
    return parts.assign(value=parts["called"], k=parts["called"] * parts["n"])


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
    return replace(one, p=np.nan)


def _cut(one: Estimate) -> Estimate:
    """A share lies between 0 and 1."""
    return replace(one, value=_cut_share(one.value), low=_cut_share(one.low), high=_cut_share(one.high))


def _cut_share(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))


def _both(name: str, one: Estimate, constrained: Estimate) -> dict[str, float]:
    """Columns of an estimate as it comes out, and of what it can be."""
    return {
        f"{name}{kind}{edge}": value
        for kind, e in (("", one), ("_constrained", constrained))
        for edge, value in (("", e.value), ("_low", e.low), ("_high", e.high))
    }


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

    `p` is of the difference; `p_adjusted` Holm's for the primary measure, over the doses of a series,
    and Benjamini & Hochberg's for all the rest of a series, which is exploratory.
    """
    rows = []
    lowest = units.groupby(list(SERIES), dropna=False)["dose_gy"].min()
    for place, mine in groups(units):
        control_gy = lowest[tuple(place[k] for k in SERIES)]
        control = mine[mine["dose_gy"] == control_gy]
        for dose, treated in mine[mine["dose_gy"] > control_gy].groupby("dose_gy"):
            told, times = against(mine, dose, control_gy)
            row = place | {"dose_gy": dose, "control_gy": control_gy}
            row |= {"difference": told.value, "difference_low": told.low, "difference_high": told.high}
            row |= {"ratio": times.value, "ratio_low": times.low, "ratio_high": times.high}
            if place["measure"] == PRIMARY:
                called = [float(t["called"].mean()) for t in (treated, control)]
                raw, _ = against(as_called(mine), dose, control_gy)
                by = classifiers[place["cell_line"]]
                fixed = _corrected_difference(raw, called[0], called[1], by)
                ends = [_cut_share(by.correct(value)) for value in called]
                row |= _both("corrected_difference", fixed, _cut_difference(fixed, ends[0] - ends[1]))
            row |= {"p": told.p, "df": told.df, "n_units": int(treated["value"].notna().sum()),
                    "n_units_control": int(control["value"].notna().sum())}  # fmt: skip
            rows.append(row | {"method": told.method})
    if not rows:
        return pd.DataFrame(columns=[*SERIES, *KEY, "dose_gy", "p"])
    return _adjusted(pd.DataFrame(rows), holm)


def shares_of(units: pd.DataFrame) -> Shares | None:
    """Of one series, measure and stratum; None for what is no share of counts."""
    if not units["k"].notna().any():
        return None
    dose, value, n = (units[c].to_numpy(float) for c in ("dose_gy", "value", "n"))
    return Shares.of(dose, value, n, units["experiment_date"].to_numpy(str))


def trend(units: pd.DataFrame) -> Estimate:
    """Change for each gray, of one series, measure and stratum."""
    shares = shares_of(units)
    if shares and shares.df > 0:
        return shares.slope()
    return slope(units["dose_gy"].to_numpy(float), units["value"].to_numpy(float))


def against(units: pd.DataFrame, dose: float, control_gy: float) -> tuple[Estimate, Estimate]:
    """Difference and ratio of a dose and the control, of one series, measure and stratum."""
    if shares := shares_of(units):
        return shares.difference(dose, control_gy), shares.ratio(dose, control_gy)
    treated, control = (units.loc[units["dose_gy"] == d, "value"].to_numpy(float) for d in (dose, control_gy))
    return difference(treated, control), ratio(treated, control)


def _corrected_difference(raw: Estimate, treated: float, control: float, by: Classifier) -> Estimate:
    """Of the corrected fractions; the classifier's own uncertainty scales the whole difference.

    Args:
        raw: difference of the fractions that the classifier calls abnormal.
        treated: the fraction that it calls so.
        control: likewise.
        by: what corrects them.
    """
    value = by.correct(treated) - by.correct(control)
    steepest = max(by.slope(treated), by.slope(control)) if by.usable else np.nan
    half = float(np.hypot(0.5 * (raw.high - raw.low) * steepest, 1.96 * value * by.relative_error))
    return replace(raw, value=value, low=value - half, high=value + half)


def _cut_difference(one: Estimate, value: float) -> Estimate:
    """A difference of two shares lies between -1 and 1; the interval is widened to hold the value.

    Args:
        one: the difference as it comes out.
        value: that of the two constrained shares.
    """
    low, high = np.minimum(one.low, value), np.maximum(one.high, value)
    return replace(one, value=value, low=float(np.maximum(low, -1.0)), high=float(np.minimum(high, 1.0)))


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
        one = trend(known)
        per_dose = known.groupby("dose_gy").size()
        if (per_dose >= 2).sum() < 2:
            one = replace(one, p=np.nan, method=f"{one.method}; {DESCRIPTIVE} a dose")
        row = place | {"slope_per_gy": one.value, "low": one.low, "high": one.high, "p": one.p, "df": one.df}
        rows.append(row | {"n_doses": len(per_dose), "n_units": one.n, "method": one.method})
    return _adjusted(pd.DataFrame(rows), holm)


def corrected(
    table: pd.DataFrame, keys: Sequence[str], classifiers: Mapping[str, Classifier], proposals: Proposals
) -> pd.DataFrame:
    """With the corrected share beside the raw one, of the fraction abnormal and of each kind.

    The fraction abnormal is corrected from `called`, the runs' own verdicts, whose errors are known.
    A kind that was seen to happen is corrected for those that were not proposed; what is of
    no told kind is what these leave of the corrected fraction.

    Args:
        table: one row a part of the plate, measure and stratum.
        keys: columns that tell the parts from each other.
        classifiers: cell line -> what corrects its fractions.
        proposals: how often each kind is proposed.
    """
    table = table.assign(corrected=np.nan)
    primary = table["measure"] == PRIMARY
    table.loc[primary, "corrected"] = [
        classifiers[line].correct(value)
        for line, value in zip(table.loc[primary, "cell_line"], table.loc[primary, "called"], strict=True)
    ]
    whole = table[primary & (table["stratum"] == "all")].set_index(list(keys))
    left = whole["corrected"]
    for kind in SUBTYPES:
        mine = table.index[table["measure"] == fraction(kind)]
        of = table.loc[mine].set_index(list(keys)).index
        if kind == UNSPECIFIED:
            table.loc[mine, "corrected"] = left.reindex(of).to_numpy()
            continue
        recall = proposals.of(Group.of(kind))
        shares = [
            classifiers[line].correct_kind(share, raw, recall=recall)
            for line, share, raw in zip(
                table.loc[mine, "cell_line"],
                table.loc[mine, "value"],
                whole["called"].reindex(of),
                strict=True,
            )
        ]
        table.loc[mine, "corrected"] = shares
        left = left.sub(pd.Series(shares, of, dtype=float), fill_value=0.0)
    return table
