"""Numbers of wells -> numbers of doses, against control, over dose: estimates, intervals, tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.dose.columns import SERIES, SUBTYPES, UNSPECIFIED, WELL
from pipelines.dose.correction import NOTHING_KNOWN, Known
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
COUNTS = ["n", "n_by_person", "k_by_person"]
DESCRIPTIVE = "descriptive: one well"
SEED = 1  # of the bootstrap


def by_unit(wells: pd.DataFrame, unit: str) -> pd.DataFrame:
    """One row a unit, dose, measure and stratum: wells as they are, or the mean of an experiment's wells."""
    if unit == "well":
        return wells.assign(unit=wells[list(WELL)].agg(" ".join, axis=1))
    keys = [*SERIES, "dose_gy", "experiment_date", *KEY]
    means = wells.groupby(keys, dropna=False).agg(
        value=("value", "mean"),
        called=("called", "mean"),
        corrected=("corrected", "mean"),
        n=("n", "sum"),
        k=("k", "sum"),
        n_by_person=("n_by_person", "sum"),
        k_by_person=("k_by_person", "sum"),
        n_positions=("n_positions", "sum"),
    )
    return means.reset_index().assign(unit=lambda t: t["experiment_date"])


def groups(table: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Each series, measure and stratum, as columns of a row, with its rows."""
    for key, rows in table.groupby([*SERIES, *KEY], dropna=False, sort=False):
        yield dict(zip([*SERIES, *KEY], key, strict=True)), rows


def doses(
    units: pd.DataFrame, positions: pd.DataFrame, classifiers: Mapping[str, Classifier]
) -> pd.DataFrame:
    """One row a dose, measure and stratum: the mean of the units, its interval, and all n.

    Args:
        units: of `by_unit`.
        positions: likewise, one row a position: they describe a dose that has one well.
        classifiers: cell line -> what corrects its fractions.
    """
    rng = np.random.default_rng(SEED)
    keys = [*SERIES, "dose_gy", *KEY]
    by_position = dict(iter(positions.groupby(keys, dropna=False)))
    rows = []
    key: Any
    for key, of_units in units.groupby(keys, dropna=False, sort=False):
        group: dict[str, Any] = dict(zip(keys, key, strict=True))
        of_positions = by_position.get(key, of_units.iloc[:0])
        counted = bool(of_units["k"].notna().any())
        unit = "share" if counted else UNITS.get(group["measure"], "")
        estimate = _dose(of_units, of_positions, share=unit == "share")
        estimate = _cut(estimate) if unit == "share" else estimate
        row = group | {
            "unit_of_measure": unit,
            "estimate": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "df": estimate.df,
            "method": estimate.method,
            "n_units": int(of_units["value"].notna().sum()),
            "n_positions": int(of_units["n_positions"].sum()),
            "n": int(of_units["n"].sum()),
            "k": float(of_units["k"].sum()) if counted else np.nan,
            "n_by_person": int(of_units["n_by_person"].sum()),
        }
        if of_units["corrected"].notna().any():
            row |= _corrected_dose(group, of_units, of_positions, classifiers)
        if row["n_units"] >= BOOTSTRAP_FROM:
            resampled = bootstrap(of_units["value"].to_numpy(float), rng=rng)
            row |= {"bootstrap_low": resampled.low, "bootstrap_high": resampled.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _corrected_dose(
    group: Mapping[str, Any],
    units: pd.DataFrame,
    positions: pd.DataFrame,
    classifiers: Mapping[str, Classifier],
) -> dict[str, float]:
    """Columns of the corrected fraction, or share of a kind, of one dose."""
    corrected = mean(units["corrected"].to_numpy(float))
    columns = {}
    if group["measure"] == PRIMARY:
        called = _dose(as_called(units), as_called(positions), share=True)
        counted = _dose(units, positions, share=True)
        corrected = classifiers[group["cell_line"]].widen(called, known(units), counted)
        columns["called"] = called.value
    elif group["measure"] == fraction(UNSPECIFIED):  # a remainder: it holds the errors of all other kinds
        corrected = Estimate(corrected.value)
    return columns | _both("corrected", corrected, _cut(corrected))


def as_called(parts: pd.DataFrame) -> pd.DataFrame:
    """Parts of the plate with the fraction that the correction starts from in place of the counted one."""
    n = parts["n"] - parts["n_by_person"]
    return parts.assign(value=parts["called"], n=n, k=parts["called"] * n)


def _known(n: int, n_by_person: int, k_by_person: int) -> Known:
    """What a person decided of `n` judged mitoses."""
    if not n_by_person:
        return NOTHING_KNOWN
    return Known((n_by_person - k_by_person) / n, k_by_person / n)


def known(parts: pd.DataFrame) -> Known:
    """What a person decided, as the mean of the parts that have a judged mitosis."""
    each = [_known(*n) for n in parts.loc[parts["n"] > 0, COUNTS].itertuples(index=False)]
    if not each:
        return NOTHING_KNOWN
    return Known(*(sum(getattr(k, side) for k in each) / len(each) for side in ("normal", "abnormal")))


def _dose(units: pd.DataFrame, positions: pd.DataFrame, *, share: bool) -> Estimate:
    """Mean of the units of one dose; of one unit, an interval that describes it alone."""
    estimate = mean(units["value"].to_numpy(float))
    if estimate.n == 1:
        if positions["value"].notna().sum() > 1:
            over = mean(positions["value"].to_numpy(float))
            shift = estimate.value - over.value
            estimate = replace(
                estimate,
                low=over.low + shift,
                high=over.high + shift,
                df=over.df,
                method=f"{DESCRIPTIVE}, t over positions",
            )
        elif share:
            estimate = replace(_over_cells(units), n=1, method=f"{DESCRIPTIVE}, Wilson over cells")
    elif estimate.method == ALIKE and share:
        # Wells that show the very same share, most often no case at all, do not show that there is no spread.
        over = _over_cells(units)
        estimate = replace(estimate, low=over.low, high=over.high, method=f"{ALIKE}: Wilson over cells")
    return replace(estimate, p=np.nan)


def _cut(share: Estimate) -> Estimate:
    """Cut to 0 to 1."""
    return replace(
        share, value=_cut_share(share.value), low=_cut_share(share.low), high=_cut_share(share.high)
    )


def _cut_share(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))


def _both(name: str, estimate: Estimate, constrained: Estimate) -> dict[str, float]:
    """Columns of an estimate as it comes out, and cut to what is possible."""
    return {
        f"{name}{kind}{edge}": value
        for kind, e in (("", estimate), ("_constrained", constrained))
        for edge, value in (("", e.value), ("_low", e.low), ("_high", e.high))
    }


def _over_cells(units: pd.DataFrame) -> Estimate:
    k = units["k"].fillna(units["value"] * units["n"])
    return proportion(round(float(k.sum())), int(units["n"].sum()))


def effects(units: pd.DataFrame, classifiers: Mapping[str, Classifier]) -> pd.DataFrame:
    """One row a dose above the control, measure and stratum: risk (or mean) difference and ratio.

    `p` is of the difference; `p_adjusted` Holm's for the primary measure, over the doses of a series,
    and Benjamini & Hochberg's for all the rest of a series, which is exploratory.
    """
    rows = []
    lowest = units.groupby(list(SERIES), dropna=False)["dose_gy"].min()
    for group, of_group in groups(units):
        control_gy = lowest[tuple(group[k] for k in SERIES)]
        control = of_group[of_group["dose_gy"] == control_gy]
        for dose, treated in of_group[of_group["dose_gy"] > control_gy].groupby("dose_gy"):
            added, times = against(of_group, dose, control_gy)
            row = group | {"dose_gy": dose, "control_gy": control_gy}
            row |= {"difference": added.value, "difference_low": added.low, "difference_high": added.high}
            row |= {"ratio": times.value, "ratio_low": times.low, "ratio_high": times.high}
            if group["measure"] == PRIMARY:
                raw, _ = against(as_called(of_group), dose, control_gy)
                row |= _corrected_effect(raw, added, treated, control, classifiers[group["cell_line"]])
            row |= {
                "p": added.p,
                "df": added.df,
                "n_units": int(treated["value"].notna().sum()),
                "n_units_control": int(control["value"].notna().sum()),
                "method": added.method,
            }
            rows.append(row)
    if not rows:
        return pd.DataFrame(columns=[*SERIES, *KEY, "dose_gy", "p"])
    return _adjusted(pd.DataFrame(rows))


def shares_of(units: pd.DataFrame) -> Shares | None:
    """Shares of one series, measure and stratum; None for a measure that is no share of counts."""
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
    """Difference and ratio of a dose and the control.

    Args:
        units: of one series, measure and stratum.
        dose: gray.
        control_gy: the dose that it is compared with.
    """
    if shares := shares_of(units):
        return shares.difference(dose, control_gy), shares.ratio(dose, control_gy)
    treated, control = (units.loc[units["dose_gy"] == d, "value"].to_numpy(float) for d in (dose, control_gy))
    return difference(treated, control), ratio(treated, control)


def _corrected_effect(
    raw: Estimate, counted: Estimate, treated: pd.DataFrame, control: pd.DataFrame, classifier: Classifier
) -> dict[str, float]:
    """Columns of the difference of the corrected fractions of a dose and the control.

    Args:
        raw: difference of the fractions that are called abnormal.
        counted: difference of the fractions as counted, with what a person decided.
        treated: units of the dose.
        control: likewise.
        classifier: what corrects them.
    """
    sides = [(float(rows["called"].mean()), known(rows)) for rows in (treated, control)]
    corrected = [classifier.correct(*side) for side in sides]
    value = corrected[0] - corrected[1]
    steepest = max(classifier.slope(*side) for side in sides)
    half = 0.5 * (raw.high - raw.low) * steepest if steepest else 0.0
    if share := max(by_person.share for _, by_person in sides):
        half += 0.5 * (counted.high - counted.low) * share
    # The classifier's own uncertainty scales the difference.
    rest = max(by_person.rest for _, by_person in sides)
    half = float(np.hypot(half, 1.96 * value * classifier.relative_error * rest))
    estimate = replace(raw, value=value, low=value - half, high=value + half)
    constrained = _cut_difference(estimate, _cut_share(corrected[0]) - _cut_share(corrected[1]))
    return _both("corrected_difference", estimate, constrained)


def _cut_difference(estimate: Estimate, value: float) -> Estimate:
    """A difference of two shares lies between -1 and 1; the interval is widened to hold the value.

    Args:
        estimate: the difference as it comes out.
        value: that of the two constrained shares.
    """
    low, high = np.minimum(estimate.low, value), np.maximum(estimate.high, value)
    return replace(estimate, value=value, low=float(np.maximum(low, -1.0)), high=float(np.minimum(high, 1.0)))


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """With `family`, `p_adjusted` and `adjustment`, series by series."""
    primary = (table["measure"] == PRIMARY) & (table["stratum"] == "all")
    table = table.assign(family=np.where(primary, "primary", "exploratory"), p_adjusted=np.nan, adjustment="")
    adjustments = {"primary": ("holm", holm), "exploratory": ("benjamini-hochberg", benjamini_hochberg)}
    for (*_, family), rows in table.groupby([*SERIES, "family"], dropna=False):
        name, adjust = adjustments[str(family)]
        table.loc[rows.index, "p_adjusted"] = adjust(rows["p"].to_numpy(float))
        table.loc[rows.index, "adjustment"] = name
    return table


def trends(units: pd.DataFrame) -> pd.DataFrame:
    """One row a series, measure and stratum: the change for each gray, and its test.

    The one of the fraction abnormal is the primary test. That of the time to the first mitosis is the
    mitotic delay, hours per gray. No p-value unless two doses have two units each.
    """
    rows = []
    for group, of_group in groups(units):
        known = of_group[of_group["value"].notna()]
        estimate = trend(known)
        per_dose = known.groupby("dose_gy").size()
        if (per_dose >= 2).sum() < 2:
            estimate = replace(estimate, p=np.nan, method=f"{estimate.method}; {DESCRIPTIVE} a dose")
        rows.append(
            group
            | {
                "slope_per_gy": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "p": estimate.p,
                "df": estimate.df,
                "n_doses": len(per_dose),
                "n_units": estimate.n,
                "method": estimate.method,
            }
        )
    return _adjusted(pd.DataFrame(rows))


def corrected(
    table: pd.DataFrame, keys: Sequence[str], classifiers: Mapping[str, Classifier], proposals: Proposals
) -> pd.DataFrame:
    """With the corrected share beside the raw one, of the fraction abnormal and of each kind.

    The fraction abnormal is corrected from `called`, the runs' own verdicts, whose errors are known; what a
    person decided has none. The share of a kind that was seen to happen is corrected for mitoses that were
    not proposed. What these leave of the corrected fraction is the share whose kind is unspecified.

    Args:
        table: one row a part of the plate, measure and stratum.
        keys: columns that tell the parts from each other.
        classifiers: cell line -> what corrects its fractions.
        proposals: how often each kind is proposed.
    """
    by_row: list[Any] = [_known(*n) for n in table[COUNTS].itertuples(index=False)]
    table = table.assign(corrected=np.nan, known=by_row)
    primary = table["measure"] == PRIMARY
    rows = table.loc[primary, ["cell_line", "called", "known"]]
    table.loc[primary, "corrected"] = [
        classifiers[line].correct(raw, by_person) for line, raw, by_person in rows.itertuples(index=False)
    ]
    fractions = table[primary & (table["stratum"] == "all")].set_index(list(keys))
    left = fractions["corrected"]
    for kind in SUBTYPES:
        rows = table[table["measure"] == fraction(kind)]
        parts = rows.set_index(list(keys)).index
        if kind == UNSPECIFIED:
            table.loc[rows.index, "corrected"] = left.reindex(parts).to_numpy()
            continue
        recall = proposals.of(Group.of(kind))
        of_part = fractions[["called", "known"]].reindex(parts)
        of_kind = rows[["cell_line", "value", "known"]].itertuples(index=False)
        shares = [
            classifiers[line].correct_kind(
                share, raw, recall=recall, known=by_person, share_known=seen.abnormal
            )
            for (line, share, seen), raw, by_person in zip(
                of_kind, of_part["called"], of_part["known"], strict=True
            )
        ]
        table.loc[rows.index, "corrected"] = shares
        left = left.sub(pd.Series(shares, parts, dtype=float), fill_value=0.0)
    return table.drop(columns="known")
