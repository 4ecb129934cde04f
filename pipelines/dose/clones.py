"""Clones of single cells -> clone size, generations, reproductive survival, linear-quadratic fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dose.columns import SERIES
from pipelines.dose.estimates import Estimate, by_t
from pipelines.dose.incidence import CENSORED, aalen_johansen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

MIN_DOSES = 4  # of a curve with two parameters and a start
MAX_GY = 60.0  # to which the area under the curve is taken
NOT_CLONOGENIC = (
    "Reproductive survival is the share of founders whose clone divides {k} times within the {hours:.0f} h "
    "of follow-up. It is not clonogenic survival: a clone that will die out may divide as often before, and "
    "a slow one may be too late."
)


def reproductive_survival(clones: pd.DataFrame, *, divisions: int, follow_up_h: float) -> tuple[float, int]:
    """Share of founders whose clone reaches `divisions` divisions within the follow-up, and of how many.

    Kaplan & Meier's estimate: a clone that lost a cell over the edge and is not seen to get there is censored
    when it did, since that cell may have divided on; one that got there all the same counts, for large
    clones lose more cells; one that died out or stands still stays at risk to the end.

    Args:
        clones: rows of `collect.Tables.clones`.
        divisions: that make a founder a survivor.
        follow_up_h: hours since irradiation.

    Returns:
        The share, NaN where there is no clone; and the number of clones.
    """
    if not len(clones):
        return float("nan"), 0
    reached = clones[f"h_to_{divisions}_divisions"].to_numpy(float)
    gone = np.fmin(clones["first_gone_h"].to_numpy(float), follow_up_h)
    got_there = reached <= follow_up_h
    end = np.where(got_there, reached, gone)
    found = aalen_johansen(
        clones["entry_h"].to_numpy(float), end, np.where(got_there, 1, CENSORED), n_causes=1
    )
    return (float(found.by_cause[0, -1]) if len(found.times) else 0.0), len(clones)


@dataclass(frozen=True)
class LinearQuadratic:
    """ln S = ln S0 - alpha D - beta D2, fitted to wells."""

    alpha_per_gy: Estimate
    beta_per_gy2: Estimate
    plating: float  # S0
    dispersion: float  # of the wells, against Poisson's

    @property
    def mean_inactivation_dose_gy(self) -> float:
        """Area under the curve (Fertil et al. 1984, Radiat Res 99:73); NaN where it does not fall to 0.

        NaN, too, where more than a hundredth is left at MAX_GY: the area would depend on where it is cut.
        """
        a, b = self.alpha_per_gy.value, self.beta_per_gy2.value
        dose = np.linspace(0, MAX_GY, 6001)
        survived = np.exp(-a * dose - b * dose**2)
        if b < 0 or survived[-1] > 0.01:
            return float("nan")
        return float(np.trapezoid(survived, dose))


def linear_quadratic(
    dose_gy: Sequence[float] | np.ndarray,
    survived: Sequence[float] | np.ndarray,
    n: Sequence[int] | np.ndarray,
) -> LinearQuadratic | None:
    """Fit to one value a well; None with fewer than four doses, or fewer wells than four.

    Quasi-Poisson regression of surviving founders with log link and offset ln n: wells without a survivor
    count too. Intervals by t with wells minus three, the wells' dispersion taken into account.

    Args:
        dose_gy: (W,).
        survived: (W,) share of founders.
        n: (W,) founders.

    Source: the curve Kellerer & Rossi 1972; the fit Franken et al. 2006, Nat Protoc 1:2315, by likelihood.
    """
    dose, share, founders = (np.asarray(x, float) for x in (dose_gy, survived, n))
    good = np.isfinite(share) & (founders > 0)
    dose, share, founders = dose[good], share[good], founders[good]
    if len(np.unique(dose)) < MIN_DOSES or len(dose) < MIN_DOSES + 1 or not share[dose == dose.min()].sum():
        return None
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    x = np.column_stack([np.ones(len(dose)), -dose, -(dose**2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is checked below
        fit = GLM(share * founders, x, family=Poisson(), offset=np.log(founders)).fit(scale="X2")
    if not fit.converged or not np.isfinite(fit.bse).all():
        return None
    alpha, beta = (
        by_t(float(b), float(se), len(dose) - 3, n=len(dose), method="quasi-Poisson, log link, t")
        for b, se in zip(fit.params[1:], fit.bse[1:], strict=True)
    )
    return LinearQuadratic(alpha, beta, float(np.exp(fit.params[0])), float(fit.scale))


def fits_of(wells: pd.DataFrame) -> dict[tuple[Any, ...], LinearQuadratic | None]:
    """Series -> the fit to its wells' reproductive survival."""
    survival = wells[wells["measure"] == "reproductive_survival"]
    return {
        tuple(key): linear_quadratic(*(rows[c].to_numpy(float) for c in ("dose_gy", "value", "n")))
        for key, rows in survival.groupby(list(SERIES), dropna=False)
    }


def fit_table(fits: Mapping[tuple[Any, ...], LinearQuadratic | None]) -> pd.DataFrame:
    """One row a series and parameter."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for key, fit in fits.items():
        series = dict(zip(SERIES, key, strict=True))
        if fit is None:
            rows.append(series | {"parameter": "none", "method": "fewer than four doses, or nothing to fit"})
            continue
        for name, one in (("alpha_per_gy", fit.alpha_per_gy), ("beta_per_gy2", fit.beta_per_gy2)):
            row = {"parameter": name, "estimate": one.value, "low": one.low, "high": one.high}
            rows.append(series | row | {"df": one.df, "n_wells": one.n, "method": one.method})
        for name, value in (
            ("reproductive_survival_at_0_gy", fit.plating),
            ("dispersion", fit.dispersion),
            ("mean_inactivation_dose_gy", fit.mean_inactivation_dose_gy),
        ):
            rows.append(series | {"parameter": name, "estimate": value})
    return pd.DataFrame(rows)
