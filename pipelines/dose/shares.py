"""Shares of units at their doses -> means, slopes, differences, ratios.

The variance of a unit's share is the binomial p (1 - p) / n, times a dispersion, since cells of one clone,
position and well are alike (McCullagh & Nelder 1989, Generalized Linear Models, 2nd ed., 4.5). The dispersion
is taken to be the same at all doses and is estimated from how units of one dose differ, so that a curve which
is no line does not add to it; t has as many degrees of freedom as there are units less doses. In a mean every
unit counts once. Where each day holds all doses alike, effects of the day are removed first (randomised
blocks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.dose.estimates import Estimate, by_t, exponential

if TYPE_CHECKING:
    from collections.abc import Sequence

METHOD = "t, one dispersion for all doses"
WITHIN_DAYS = ", within days"


@dataclass(frozen=True, eq=False)
class Mean:
    """Mean of the units of one dose."""

    value: float
    variance: float  # squared standard error
    n: int  # units


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of units at some doses, with their variances."""

    at: np.ndarray  # (U,) gray
    values: np.ndarray  # (U,)
    variances: np.ndarray  # (U,) of the values
    df: int  # of the dispersion: units less doses, less days, plus one
    method: str

    @classmethod
    def of(
        cls,
        at: Sequence[float] | np.ndarray,
        values: Sequence[float] | np.ndarray,
        n: Sequence[float] | np.ndarray,
        day: Sequence[str] | np.ndarray | None = None,
    ) -> Shares:
        """Shares of units, with the dispersion that they show.

        Args:
            at: dose of each unit.
            values: its share; units without one are left out.
            n: of how many cells or mitoses it is a share.
            day: of the experiment; None if there was one.
        """
        table = np.column_stack([np.asarray(column, float) for column in (at, values, n)])
        known = np.isfinite(table).all(axis=1) & (table[:, 2] > 0)
        dose, value, size = table[known].T
        days = np.zeros(len(value)) if day is None else np.asarray(day)[known]
        _, of = np.unique(dose, return_inverse=True)
        total = np.bincount(of, size)
        # Half a case where none was seen, since the binomial variance of 0 or n cases would be 0.
        share = np.clip(np.bincount(of, value * size), 0.5, total - 0.5) / total
        binomial = (share * (1 - share))[of] / size
        residual, df = _residual(dose, days)
        method = METHOD + WITHIN_DAYS * (df < len(dose) - len(total))
        if df < 1:
            return cls(dose, value, np.full(len(value), math.nan), df, method)
        # The denominator is the expected sum of squared deviations at a dispersion of 1.
        dispersion = ((residual @ value) ** 2 / binomial).sum() / (residual**2 @ binomial / binomial).sum()
        return cls(dose, value, float(dispersion) * binomial, df, method)

    def mean(self, dose: float) -> Mean:
        """Mean of the units of a dose."""
        of_dose = self.at == dose
        n = int(of_dose.sum())
        if not n:
            return Mean(math.nan, math.nan, 0)
        return Mean(float(self.values[of_dose].mean()), float(self.variances[of_dose].sum()) / n**2, n)

    def slope(self) -> Estimate:
        """Change for each gray: least squares, every unit counting once."""
        n = len(self.at)
        if n < 2 or np.ptp(self.at) == 0:
            return Estimate(math.nan, n=n)
        centred = self.at - self.at.mean()
        weight = centred / (centred**2).sum()
        return self._by_t(float(weight @ self.values), float(weight**2 @ self.variances), n)

    def difference(self, treated: float, control: float) -> Estimate:
        """Difference of the means of two doses."""
        a, b = self.mean(treated), self.mean(control)
        return self._by_t(a.value - b.value, a.variance + b.variance, a.n + b.n, alone=min(a.n, b.n) < 2)

    def ratio(self, treated: float, control: float) -> Estimate:
        """Ratio of the means of two doses, by the delta method on the logarithm; NaN where one is 0."""
        a, b = self.mean(treated), self.mean(control)
        n = a.n + b.n
        if not (a.value > 0 and b.value > 0):
            return Estimate(math.nan, n=n)
        variance = a.variance / a.value**2 + b.variance / b.value**2
        log = self._by_t(math.log(a.value / b.value), variance, n, alone=min(a.n, b.n) < 2)
        return Estimate(
            a.value / b.value,
            exponential(log.low),
            exponential(log.high),
            log.p,
            log.df,
            n,
            f"{self.method}, of the logarithm",
        )

    def _by_t(self, value: float, variance: float, n: int, *, alone: bool = False) -> Estimate:
        if alone or self.df < 1:  # differences between single units may be those of dose
            return Estimate(value, n=n)
        return by_t(value, math.sqrt(variance), self.df, n=n, method=self.method)


def _residual(dose: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, int]:
    """(U, U) matrix that subtracts the means of doses and days from values, and the degrees of freedom left.

    Days count only if each holds as many units of every dose: otherwise their effects are mixed with those of
    dose.
    """
    if not len(dose):
        return np.zeros((0, 0)), 0
    alike = dose[:, None] == dose
    same_day = day[:, None] == day
    crossed = (alike & same_day).sum(axis=1)
    n_doses, n_days = len(np.unique(dose)), len(np.unique(day))
    if len(set(crossed.tolist())) > 1 or crossed.sum() * n_doses * n_days != len(dose) ** 2:
        same_day, n_days = np.ones_like(alike), 1
    means = sum(same / same.sum(axis=1, keepdims=True) for same in (alike, same_day)) - 1 / len(dose)
    return np.eye(len(dose)) - means, len(dose) - n_doses - (n_days - 1)
