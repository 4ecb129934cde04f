"""One row a mitosis -> marginal model of abnormal over dose: GEE over wells, corrected for small samples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dose.columns import SERIES, WELL, series_name
from pipelines.dose.estimates import LEVEL, Estimate, exponential

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

COLUMNS = (
    "quantity", "dose_gy", "estimate", "low", "high", "p", "df", "n_units", "correlation_in_unit", "method",
)  # fmt: skip
METHOD = "GEE, exchangeable within wells, Mancl-DeRouen, t"


@dataclass(frozen=True)
class Marginal:
    """What a GEE says; empty with a `reason` where it says nothing."""

    odds_ratio_per_gy: Estimate | None = None
    # dose -> against the lowest dose
    differences: dict[float, Estimate] | None = None
    ratios: dict[float, Estimate] | None = None
    correlation: float = math.nan  # of two mitoses of a well
    reason: str = ""


def marginal(
    abnormal: Sequence[int] | np.ndarray,
    dose_gy: Sequence[float] | np.ndarray,
    unit: Sequence[str] | np.ndarray,
) -> Marginal:
    """Logistic GEE with units as clusters: over dose as a number, and dose by dose against the lowest.

    Covariance as Mancl & DeRouen 2001 (Biometrics 57:126) correct it; intervals from t with units minus
    parameters. Differences and ratios of the dose-by-dose model by the delta method.

    Args:
        abnormal: (N,) 0 or 1, one a mitosis.
        dose_gy: (N,) likewise.
        unit: (N,) the well or experiment.

    Source: the model Liang & Zeger 1986, Biometrika 73:13; software statsmodels.
    """
    y, dose, group = np.asarray(abnormal, float), np.asarray(dose_gy, float), np.asarray(unit)
    doses, units = np.unique(dose), np.unique(group)
    if len(doses) < 2:
        return Marginal(reason="one dose")
    least = min(len(np.unique(group[dose == d])) for d in doses)
    if least < 2:
        return Marginal(
            reason=(
                "a dose has one well with a judged mitosis: without a second nothing tells how wells differ"
            )
        )
    if len(units) <= len(doses):
        return Marginal(reason="fewer wells than parameters")
    if any(y[dose == d].min() == y[dose == d].max() for d in doses):
        return Marginal(reason="at one dose all mitoses, or none, are abnormal")
    # Sorted, since statsmodels takes clusters in the order in which they come.
    order = np.argsort(group, kind="stable")
    y, dose, group = y[order], dose[order], group[order]
    trend = _fit(y, np.column_stack([np.ones(len(y)), dose]), group)
    by_dose = _fit(y, (dose[:, None] == doses).astype(float), group)
    if trend is None or by_dose is None:
        return Marginal(reason="its equations did not converge, or the wells of a dose are all alike")
    beta, cov, _ = trend
    per_gy = _t(beta[1], math.sqrt(cov[1, 1]), len(units) - 2, len(units))
    odds = replace(
        per_gy, value=exponential(per_gy.value), low=exponential(per_gy.low), high=exponential(per_gy.high)
    )  # fmt: skip
    beta, cov, correlation = by_dose
    risk = 1 / (1 + np.exp(-beta))
    var = np.diag(cov) * (risk * (1 - risk)) ** 2
    df = len(units) - len(doses)
    differences, ratios = {}, {}
    for i in range(1, len(doses)):
        differences[float(doses[i])] = _t(risk[i] - risk[0], math.sqrt(var[i] + var[0]), df, len(units))
        se = math.sqrt(var[i] / risk[i] ** 2 + var[0] / risk[0] ** 2)
        log = _t(math.log(risk[i] / risk[0]), se, df, len(units))
        ratios[float(doses[i])] = replace(
            log, value=math.exp(log.value), low=exponential(log.low), high=exponential(log.high)
        )
    return Marginal(odds, differences, ratios, correlation)


def _fit(y: np.ndarray, x: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Coefficients, their corrected covariance, and the correlation within a cluster, which is 0 or more.

    Units that are more alike than chance have a negative one. It would weigh a unit of many mitoses below 0,
    and the equations would run away or give what no unit shows.
    """
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    class NotBelowZero(Exchangeable):  # type: ignore[misc]
        dep_params: float

        def update(self, params: np.ndarray) -> None:
            super().update(params)
            self.dep_params = max(self.dep_params, 0.0)

    structure = NotBelowZero()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is asked below
        result = GEE(y, x, group, family=Binomial(), cov_struct=structure).fit()
    beta, rho = np.asarray(result.params), float(structure.dep_params)
    if not (bool(result.converged) and np.isfinite(beta).all()):
        return None
    cov = _mancl_derouen(y, x, group, beta, rho)
    return (beta, cov, rho) if (np.diag(cov) > 0).all() else None


def _mancl_derouen(
    y: np.ndarray, x: np.ndarray, group: np.ndarray, beta: np.ndarray, rho: float
) -> np.ndarray:
    """Their covariance where all rows of a cluster have the same covariates.

    The leverage of a cluster is then a number instead of a matrix of its size squared, which statsmodels'
    `bias_reduced` inverts: the same figures (a test compares them) in no time.
    """
    _, first, which, n = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    rows = x[first]  # (G, P)
    mu = 1 / (1 + np.exp(-rows @ beta))
    shrink = 1 / (1 + (n - 1) * rho)
    information = n * mu * (1 - mu) * shrink
    bread = np.linalg.inv(rows.T @ (rows * information[:, None]))
    leverage = information * np.einsum("gp,pq,gq->g", rows, bread, rows)
    score = (np.bincount(which, weights=y) - n * mu) * shrink / (1 - leverage)
    meat = rows.T @ (rows * (score**2)[:, None])
    return bread @ meat @ bread


def _t(value: float, se: float, df: int, n: int) -> Estimate:
    from scipy.stats import t

    half = float(t.ppf((1 + LEVEL) / 2, df)) * se
    return Estimate(
        float(value), value - half, value + half, 2 * float(t.sf(abs(value) / se, df)), df, n, METHOD
    )


def by_series(mitoses: pd.DataFrame, unit: str) -> dict[tuple[Any, ...], Marginal]:
    """Series -> its marginal model.

    Args:
        mitoses: one row a mitosis, with the plate map's columns.
        unit: well or experiment.
    """
    judged = mitoses[mitoses["judged"]]
    found = {}
    for key, mine in judged.groupby(list(SERIES), dropna=False):
        columns = list(WELL) if unit == "well" else ["experiment_date"]
        units = mine[columns].astype(str).agg(" ".join, axis=1)
        if unit != "well":  # an experiment holds all doses: what is alike in it is so at each dose
            units = units + " " + mine["dose_gy"].astype(str)
        abnormal = (mine["counted_class"] == "abnormal").to_numpy(int)
        found[tuple(key)] = marginal(abnormal, mine["dose_gy"].to_numpy(float), units.to_numpy(str))
    return found


def table_of(found: Mapping[tuple[Any, ...], Marginal]) -> tuple[pd.DataFrame, list[str]]:
    """One row a series and quantity; and why a series has none."""
    import pandas as pd

    rows, notes = [], []
    for key, one in found.items():
        place = dict(zip(SERIES, key, strict=True))
        if one.odds_ratio_per_gy is None:
            notes.append(f"{series_name(*key)}: no GEE: {one.reason}.")
            continue
        told: list[tuple[str, float, Any]] = [("odds ratio per gray", np.nan, one.odds_ratio_per_gy)]
        told += [("risk difference", d, e) for d, e in (one.differences or {}).items()]
        told += [("risk ratio", d, e) for d, e in (one.ratios or {}).items()]
        for quantity, dose, e in told:
            rows.append(place | {"quantity": quantity, "dose_gy": dose, "estimate": e.value, "low": e.low,
                                 "high": e.high, "p": e.p, "df": e.df, "n_units": e.n,
                                 "correlation_in_unit": one.correlation, "method": e.method})  # fmt: skip
    return pd.DataFrame(rows, columns=[*SERIES, *COLUMNS]), notes
