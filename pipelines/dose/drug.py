"""Series with and without a drug -> enhancement ratios."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.dose.columns import SERIES
from pipelines.dose.estimates import LEVEL, Estimate, slope
from pipelines.dose.measures import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from pipelines.dose.clones import LinearQuadratic

COLUMNS = [
    "cell_line", "treatment", "drug_uM", "without", "quantity", "dose_gy", "ratio_or_excess", "low", "high",
    "df", "note",
]  # fmt: skip


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
    mine = units[(units["measure"] == PRIMARY) & (units["stratum"] == "all") & units["value"].notna()]
    rows: list[dict[str, Any]] = []
    for line, of_line in mine.groupby("cell_line"):
        plain = of_line[of_line["drug_uM"] == 0]
        for key, drugged in of_line[of_line["drug_uM"] > 0].groupby(list(SERIES)):
            for treatment, control in plain.groupby("treatment"):
                place = dict(zip(SERIES, key, strict=True)) | {"without": treatment}
                rows += [place | row for row in _pair(drugged, control)]
                one, other = fits.get((line, treatment, 0.0)), fits.get(tuple(key))
                if one and other:
                    value = one.mean_inactivation_dose_gy / other.mean_inactivation_dose_gy
                    rows.append(
                        place | {"quantity": "mean inactivation dose ratio", "ratio_or_excess": value}
                    )
    return pd.DataFrame(rows, columns=COLUMNS)


def _pair(drugged: pd.DataFrame, control: pd.DataFrame) -> list[dict[str, Any]]:
    a, b = (slope(t["dose_gy"].to_numpy(float), t["value"].to_numpy(float)) for t in (drugged, control))
    told = slope_ratio(a, b)
    note = "" if math.isfinite(told.low) else "the slope without drug is not clearly above 0: no interval"
    rows = [{"quantity": "slope ratio", "ratio_or_excess": told.value, "low": told.low, "high": told.high,
             "df": told.df, "note": note}]  # fmt: skip
    both = sorted(set(drugged["dose_gy"]) & set(control["dose_gy"]))
    for dose in both[1:]:
        cells = [t.loc[t["dose_gy"] == d, "value"].to_numpy(float) for t, d in
                 ((drugged, dose), (drugged, both[0]), (control, dose), (control, both[0]))]  # fmt: skip
        one = contrast(cells, [1, -1, -1, 1])
        rows.append({"quantity": "excess over additive", "dose_gy": dose, "ratio_or_excess": one.value,
                     "low": one.low, "high": one.high, "df": one.df})  # fmt: skip
    return rows


def slope_ratio(with_drug: Estimate, without: Estimate) -> Estimate:
    """Ratio of two independent slopes with Fieller's interval (1954, J R Stat Soc B 16:175).

    No interval where the slope without drug may be 0: the ratio then has none.
    """
    from scipy.special import stdtrit

    value = with_drug.value / without.value if without.value > 0 else math.nan
    if not (math.isfinite(with_drug.low) and without.low > 0):
        return Estimate(value)
    se = [0.5 * (e.high - e.low) / float(stdtrit(e.df, (1 + LEVEL) / 2)) for e in (with_drug, without)]
    df = min(with_drug.df, without.df)
    g = (float(stdtrit(df, (1 + LEVEL) / 2)) / without.value) ** 2
    if g * se[1] ** 2 >= 1:
        return Estimate(value)
    half = math.sqrt(g * (se[0] ** 2 * (1 - g * se[1] ** 2) + value**2 * se[1] ** 2))
    below = 1 - g * se[1] ** 2
    return Estimate(value, (value - half) / below, (value + half) / below, df=df, method="Fieller, t")


def contrast(groups: list[np.ndarray], weights: list[int]) -> Estimate:
    """Weighted sum of means, with unequal variances (Satterthwaite 1946)."""
    from scipy.special import stdtrit

    value = sum(w * float(g.mean()) for w, g in zip(weights, groups, strict=True))
    if min(map(len, groups)) < 2:
        return Estimate(value)
    variances = [float(g.var(ddof=1)) / len(g) for g in groups]
    total = sum(variances)
    below = sum(v**2 / (len(g) - 1) for v, g in zip(variances, groups, strict=True))
    if not below:
        return Estimate(value)
    df = total**2 / below
    half = float(stdtrit(df, (1 + LEVEL) / 2)) * math.sqrt(total)
    return Estimate(value, value - half, value + half, df=df, method="Welch")
