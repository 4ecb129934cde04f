"""One row a mitosis -> marginal model of abnormal over dose: GEE over wells, corrected for small samples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dose.columns import SERIES, WELL, series_name
from pipelines.dose.estimates import Estimate, by_t, exponential

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

COLUMNS = (
    "quantity",
    "dose_gy",
    "estimate",
    "low",
    "high",
    "p",
    "df",
    "n_units",
    "correlation_in_unit",
    "method",
)
METHOD = "GEE, exchangeable within wells, Mancl-DeRouen, t"


@dataclass(frozen=True)
class Marginal:
    """The estimates of a GEE; where it cannot be fitted there are none, and `reason` says why."""

    odds_ratio_per_gy: Estimate | None = None
    # dose -> against the lowest dose
    differences: dict[float, Estimate] | None = None
    ratios: dict[float, Estimate] | None = None
    correlation: float = math.nan  # of two mitoses of a well
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Fit:
    coefficients: np.ndarray  # (P,)
    covariance: np.ndarray  # (P, P), corrected for small samples
    correlation: float  # of two mitoses of a unit


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
    doses, n = np.unique(dose), len(np.unique(group))
    if reason := _obstacle(y, dose, group):
        return Marginal(reason=reason)
    # Sorted, since statsmodels takes clusters in the order in which they come.
    order = np.argsort(group, kind="stable")
    y, dose, group = y[order], dose[order], group[order]
    trend = _fit(y, np.column_stack([np.ones(len(y)), dose]), group)
    by_dose = _fit(y, (dose[:, None] == doses).astype(float), group)
    if trend is None or by_dose is None:
        return Marginal(reason="its equations did not converge, or the wells of a dose are all alike")
    log_odds, se = float(trend.coefficients[1]), math.sqrt(trend.covariance[1, 1])
    odds_ratio = _exponentiated(by_t(log_odds, se, n - 2, n=n, method=METHOD))
    risk = 1 / (1 + np.exp(-by_dose.coefficients))
    variance = np.diag(by_dose.covariance) * (risk * (1 - risk)) ** 2
    df = n - len(doses)
    differences, ratios = {}, {}
    for i in range(1, len(doses)):
        se = math.sqrt(variance[i] + variance[0])
        differences[float(doses[i])] = by_t(float(risk[i] - risk[0]), se, df, n=n, method=METHOD)
        se = math.sqrt(variance[i] / risk[i] ** 2 + variance[0] / risk[0] ** 2)
        log_ratio = by_t(math.log(risk[i] / risk[0]), se, df, n=n, method=METHOD)
        ratios[float(doses[i])] = _exponentiated(log_ratio)
    return Marginal(odds_ratio, differences, ratios, by_dose.correlation)


def _obstacle(abnormal: np.ndarray, dose: np.ndarray, unit: np.ndarray) -> str:
    """Why no GEE can be fitted to these mitoses; empty where one can."""
    doses = np.unique(dose)
    if len(doses) < 2:
        return "there is only one dose"
    if min(len(np.unique(unit[dose == d])) for d in doses) < 2:
        return "a dose has one well with a judged mitosis, and differences between wells need a second"
    if len(np.unique(unit)) <= len(doses):
        return "there are too few wells for its parameters"
    if any(np.ptp(abnormal[dose == d]) == 0 for d in doses):
        return "at one dose all mitoses, or none, are abnormal"
    return ""


def _exponentiated(log: Estimate) -> Estimate:
    return replace(log, value=exponential(log.value), low=exponential(log.low), high=exponential(log.high))


def _fit(y: np.ndarray, x: np.ndarray, group: np.ndarray) -> _Fit | None:
    """Fit with a correlation within clusters of 0 or more; None where the fit fails.

    Units that are more alike than chance have a negative correlation. It would weigh a unit of many mitoses
    below 0, and the equations would diverge or give what no unit shows.
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
        warnings.simplefilter("ignore")  # convergence is checked below
        result = GEE(y, x, group, family=Binomial(), cov_struct=structure).fit()
    coefficients, correlation = np.asarray(result.params), float(structure.dep_params)
    if not (bool(result.converged) and np.isfinite(coefficients).all()):
        return None
    covariance = _mancl_derouen(y, x, group, coefficients, correlation)
    return _Fit(coefficients, covariance, correlation) if (np.diag(covariance) > 0).all() else None


def _mancl_derouen(
    y: np.ndarray, x: np.ndarray, group: np.ndarray, coefficients: np.ndarray, correlation: float
) -> np.ndarray:
    """Their covariance where all rows of a cluster have the same covariates.

    The leverage of a cluster is then a number instead of a matrix of its size squared. statsmodels'
    `bias_reduced` inverts that matrix: the same figures (a test compares them), but a cluster of ten thousand
    mitoses does not fit into memory.
    """
    _, first, which, n = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    rows = x[first]  # (G, P)
    risk = 1 / (1 + np.exp(-rows @ coefficients))
    shrink = 1 / (1 + (n - 1) * correlation)
    information = n * risk * (1 - risk) * shrink
    bread = np.linalg.inv(rows.T @ (rows * information[:, None]))
    leverage = information * np.einsum("gp,pq,gq->g", rows, bread, rows)
    score = (np.bincount(which, weights=y) - n * risk) * shrink / (1 - leverage)
    meat = rows.T @ (rows * (score**2)[:, None])
    return bread @ meat @ bread


def by_series(mitoses: pd.DataFrame, unit: str) -> dict[tuple[Any, ...], Marginal]:
    """Series -> its marginal model.

    Args:
        mitoses: one row a mitosis, with the plate map's columns.
        unit: well or experiment.
    """
    judged = mitoses[mitoses["judged"]]
    models = {}
    for key, rows in judged.groupby(list(SERIES), dropna=False):
        columns = list(WELL) if unit == "well" else ["experiment_date"]
        units = rows[columns].astype(str).agg(" ".join, axis=1)
        if unit != "well":  # an experiment holds all doses: its mitoses are alike within each dose
            units = units + " " + rows["dose_gy"].astype(str)
        abnormal = (rows["counted_class"] == "abnormal").to_numpy(int)
        models[tuple(key)] = marginal(abnormal, rows["dose_gy"].to_numpy(float), units.to_numpy(str))
    return models


def table_of(models: Mapping[tuple[Any, ...], Marginal]) -> tuple[pd.DataFrame, list[str]]:
    """One row a series and quantity; and a note on each series that has no model."""
    import pandas as pd

    rows, notes = [], []
    for key, model in models.items():
        if model.odds_ratio_per_gy is None:
            notes.append(f"{series_name(*key)}: no marginal model (GEE): {model.reason}.")
            continue
        estimates: list[tuple[str, float, Estimate]] = [
            ("odds ratio per gray", np.nan, model.odds_ratio_per_gy)
        ]
        estimates += [("risk difference", d, e) for d, e in (model.differences or {}).items()]
        estimates += [("risk ratio", d, e) for d, e in (model.ratios or {}).items()]
        rows += [
            {
                **dict(zip(SERIES, key, strict=True)),
                "quantity": quantity,
                "dose_gy": dose,
                "estimate": e.value,
                "low": e.low,
                "high": e.high,
                "p": e.p,
                "df": e.df,
                "n_units": e.n,
                "correlation_in_unit": model.correlation,
                "method": e.method,
            }
            for quantity, dose, e in estimates
        ]
    return pd.DataFrame(rows, columns=[*SERIES, *COLUMNS]), notes
