"""Series with and without a drug -> enhancement ratios."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.dose.columns import SERIES
from pipelines.dose.compare import against, trend
from pipelines.dose.estimates import LEVEL, Estimate, by_t
from pipelines.dose.measures import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.dose.clones import LinearQuadratic

COLUMNS = [
    "cell_line",
    "treatment",
    "drug_uM",
    "without",
    "quantity",
    "dose_gy",
    "ratio_or_excess",
    "low",
    "high",
    "df",
    "note",
]


def enhancement(units: pd.DataFrame, fits: Mapping[tuple[Any, ...], LinearQuadratic | None]) -> pd.DataFrame:
    """One row a drugged series and quantity, against the same line's wells without drug.

    `slope ratio`: how many times steeper the fraction abnormal rises over dose. `mean inactivation dose
    ratio`: dose without drug over dose with it (Fertil et al. 1984), above 1 if the drug sensitises; no
    interval. `excess over additive`: (with drug and dose - with drug alone) - (with dose alone - with
    neither), a dose a row.

    Args:
        units: of `compare.by_unit`.
        fits: series -> its reproductive survival.
    """
    fractions = units[(units["measure"] == PRIMARY) & (units["stratum"] == "all") & units["value"].notna()]
    rows: list[dict[str, Any]] = []
    for line, of_line in fractions.groupby("cell_line"):
        plain = of_line[of_line["drug_uM"] == 0]
        for key, drugged in of_line[of_line["drug_uM"] > 0].groupby(list(SERIES)):
            for treatment, control in plain.groupby("treatment"):
                pair = dict(zip(SERIES, key, strict=True)) | {"without": treatment}
                rows += [pair | row for row in _pair(drugged, control)]
                fit, fit_without = fits.get(tuple(key)), fits.get((line, treatment, 0.0))
                if fit and fit_without:
                    value = fit_without.mean_inactivation_dose_gy / fit.mean_inactivation_dose_gy
                    rows.append(pair | {"quantity": "mean inactivation dose ratio", "ratio_or_excess": value})
    return pd.DataFrame(rows, columns=COLUMNS)


def _pair(drugged: pd.DataFrame, control: pd.DataFrame) -> list[dict[str, Any]]:
    slopes = [_tested(t) for t in (drugged, control)]
    ratio = slope_ratio(*slopes)
    note = "" if math.isfinite(ratio.low) else "the slope without drug is not clearly above 0: no interval"
    if not all(math.isfinite(slope.low) for slope in slopes):
        note = "a slope has no interval: too few wells, or all alike"
    rows = [{"quantity": "slope ratio", **_columns(ratio), "note": note}]
    both = sorted(set(drugged["dose_gy"]) & set(control["dose_gy"]))
    for dose in both[1:]:
        more = excess(*(against(t, dose, both[0])[0] for t in (drugged, control)))
        rows.append({"quantity": "excess over additive", "dose_gy": dose, **_columns(more)})
    return rows


def _columns(estimate: Estimate) -> dict[str, float]:
    return {
        "ratio_or_excess": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "df": estimate.df,
    }


def _tested(units: pd.DataFrame) -> Estimate:
    """The slope; without interval unless two doses have two wells each."""
    slope = trend(units)
    replicated = (units.groupby("dose_gy").size() >= 2).sum() >= 2
    return slope if replicated else Estimate(slope.value, n=slope.n)


def slope_ratio(with_drug: Estimate, without: Estimate) -> Estimate:
    """Ratio of two independent slopes with Fieller's interval (1954, J R Stat Soc B 16:175).

    No interval where the slope without drug may be 0: the ratio may then be any number.
    """
    from scipy.special import stdtrit

    value = with_drug.value / without.value if without.value > 0 else math.nan
    if not (math.isfinite(with_drug.low) and without.low > 0):
        return Estimate(value)
    se = [standard_error(e) for e in (with_drug, without)]
    df = min(with_drug.df, without.df)
    g = (float(stdtrit(df, (1 + LEVEL) / 2)) / without.value) ** 2
    if g * se[1] ** 2 >= 1:
        return Estimate(value)
    half = math.sqrt(g * (se[0] ** 2 * (1 - g * se[1] ** 2) + value**2 * se[1] ** 2))
    below = 1 - g * se[1] ** 2
    return Estimate(value, (value - half) / below, (value + half) / below, df=df, method="Fieller, t")


def excess(with_drug: Estimate, without: Estimate) -> Estimate:
    """Difference of two independent differences, with unequal variances (Satterthwaite 1946)."""
    value = with_drug.value - without.value
    errors = [standard_error(e) for e in (with_drug, without)]
    below = sum(se**4 / e.df for se, e in zip(errors, (with_drug, without), strict=True))
    if not below > 0:
        return Estimate(value)
    total = sum(se**2 for se in errors)
    return by_t(value, math.sqrt(total), total**2 / below, n=with_drug.n + without.n, method="Satterthwaite")


def standard_error(estimate: Estimate) -> float:
    """Standard error of an estimate whose interval is by t; NaN where it has none."""
    from scipy.special import stdtrit

    return 0.5 * (estimate.high - estimate.low) / float(stdtrit(estimate.df, (1 + LEVEL) / 2))
