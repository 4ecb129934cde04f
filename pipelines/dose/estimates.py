"""Values of wells -> estimates with intervals by Student's t: means, differences, ratios, slopes.

The unit is the well (or the experiment): whatever is given here is one number a unit, and each counts once.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.95  # of every interval
ALIKE = "the units are all alike"
BOOTSTRAP_FROM = 20  # units; with fewer the bootstrap's intervals are too narrow


@dataclass(frozen=True)
class Estimate:
    """A number, its interval, and the test against 0 (of a ratio, against 1); NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    df: float = math.nan
    n: int = 0  # units
    method: str = "none"


def mean(values: Sequence[float] | np.ndarray, *, level: float = LEVEL) -> Estimate:
    """Unweighted mean of the units, mean +- t(n - 1) s / sqrt(n).

    >>> mean([0.3])  # one unit has no interval
    Estimate(value=0.3, low=nan, high=nan, p=nan, df=nan, n=1, method='none')
    """
    x = _finite(values)
    if len(x) < 2:
        return Estimate(float(x[0]) if len(x) else math.nan, n=len(x))
    error = float(x.std(ddof=1) / math.sqrt(len(x)))
    return by_t(float(x.mean()), error, len(x) - 1, n=len(x), method="t over units", level=level)


def difference(
    treated: Sequence[float] | np.ndarray, control: Sequence[float] | np.ndarray, *, level: float = LEVEL
) -> Estimate:
    """Difference of two means, with unequal variances (Welch 1947, Biometrika 34:28).

    Args:
        treated: (A,) values of the units; NaN are left out.
        control: (B,) likewise.
        level: of the interval.

    Returns:
        treated - control; without interval where one of them has fewer than two units.
    """
    a, b = _finite(treated), _finite(control)
    value = float(a.mean() - b.mean()) if len(a) and len(b) else math.nan
    n = len(a) + len(b)
    if min(len(a), len(b)) < 2:
        return Estimate(value, n=n)
    if np.ptp(a) == np.ptp(b) == 0:  # units that are all alike do not show that units never differ
        return Estimate(value, df=n - 2, n=n, method=ALIKE)
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of units that are all alike on one side
        test = ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(level)
    return Estimate(value, float(low), float(high), float(test.pvalue), float(test.df), n, "Welch")


def ratio(
    treated: Sequence[float] | np.ndarray, control: Sequence[float] | np.ndarray, *, level: float = LEVEL
) -> Estimate:
    """Ratio of two means; the interval is Welch's, of its logarithm, by the delta method.

    Args:
        treated: (A,) values of the units; NaN are left out.
        control: (B,) likewise.
        level: of the interval.

    Returns:
        treated / control, `p` of a ratio of 1. NaN where a mean is not positive or a unit is negative: such
        values have no ratio.
    """
    a, b = _finite(treated), _finite(control)
    n = len(a) + len(b)
    if not len(a) or not len(b) or a.mean() <= 0 or b.mean() <= 0 or min(a.min(), b.min()) < 0:
        return Estimate(math.nan, n=n)
    value = float(a.mean() / b.mean())
    log = difference(_linear_log(a), _linear_log(b), level=level)
    if math.isnan(log.low):
        return Estimate(value, df=log.df, n=n, method=log.method)
    low, high = exponential(log.low), exponential(log.high)
    return Estimate(value, low, high, log.p, log.df, n, "Welch, of the logarithm")


def _linear_log(x: np.ndarray) -> np.ndarray:
    """The logarithm of x, replaced by its tangent at the mean of x: the delta method."""
    return math.log(x.mean()) + x / x.mean() - 1


def slope(
    x: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray, *, level: float = LEVEL
) -> Estimate:
    """Change of the units' values for each unit of x: least squares, every unit counting once.

    For what is no share of counts (those are `shares.Shares`): how much units differ may change with dose in
    any way, so the standard error is HC2 (MacKinnon & White 1985, J Econometrics 29:305), and t has the
    degrees of freedom of Bell & McCaffrey 2002 (Survey Methodology 28:169; Imbens & Kolesar 2016, Rev Econ
    Stat 98:701), which statsmodels does not have.

    Args:
        x: (U,) for example doses.
        values: (U,) of the units; pairs with a NaN are left out.
        level: of the interval.
    """
    table = np.column_stack([np.asarray(x, float), np.asarray(values, float)])
    at, y = table[np.isfinite(table).all(axis=1)].T
    n = len(y)
    if n < 2 or np.ptp(at) == 0:
        return Estimate(math.nan, n=n)
    design = np.column_stack([np.ones(n), at])
    inverse = np.linalg.pinv(design)  # (2, n)
    hat = design @ inverse
    b, leverage = float(inverse[1] @ y), np.diag(hat)
    if n < 3 or leverage.max() > 1 - 1e-9:
        return Estimate(b, n=n)
    weight = inverse[1] / np.sqrt(1 - leverage)
    residual = np.eye(n) - hat
    g = residual * weight  # variance is the squared length of g' y
    spread = g.T @ g
    df = float(np.trace(spread) ** 2 / (spread**2).sum())
    se = float(np.sqrt(((weight * (residual @ y)) ** 2).sum()))
    return by_t(b, se, df, n=n, method="least squares on units, HC2, Bell-McCaffrey t", level=level)


def bootstrap(
    values: Sequence[float] | np.ndarray, *, rng: np.random.Generator, n: int = 4000, level: float = LEVEL
) -> Estimate:
    """Mean of the units, and its percentile interval over resampled units.

    Args:
        values: (U,) of the units; NaN are left out.
        rng: of the resampling.
        n: how often units are resampled.
        level: of the interval.

    Returns:
        The mean; without interval below BOOTSTRAP_FROM units.
    """
    x = _finite(values)
    value = float(x.mean()) if len(x) else math.nan
    if len(x) < BOOTSTRAP_FROM:
        return Estimate(value, n=len(x))
    from scipy.stats import bootstrap as resample

    found = resample(
        (x,), np.mean, n_resamples=n, confidence_level=level, method="percentile", random_state=rng
    ).confidence_interval
    return Estimate(value, float(found.low), float(found.high), n=len(x), method="bootstrap of units")


def proportion(k: int, n: int, *, level: float = LEVEL) -> Estimate:
    """Share k / n with Wilson's interval (1927), as if all n were independent, which cells seldom are.

    Args:
        k: how many of the n.
        n: how many there are.
        level: of the interval.

    >>> [round(edge, 3) for edge in (proportion(0, 10).low, proportion(0, 10).high)]
    [0.0, 0.278]
    """
    if not n:
        return Estimate(math.nan)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(k, n, alpha=1 - level, method="wilson")
    # Wilson's interval of none begins at 0, that of all ends at 1; rounding may miss either by 1e-17.
    low, high = float(low) if k else 0.0, float(high) if k < n else 1.0
    return Estimate(k / n, low, high, n=n, method="Wilson, over cells")


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """(N,) p-values adjusted so that the chance of any false positive is held (Holm 1979).

    NaN stays NaN and is not counted.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    return _adjusted(p, "holm")


def benjamini_hochberg(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """(N,) p-values adjusted so that the false discovery rate is held (Benjamini & Hochberg 1995).

    NaN stays NaN and is not counted.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjusted(p, "fdr_bh")


def _adjusted(p: Sequence[float] | np.ndarray, method: str) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    values = np.asarray(p, float)
    tested = np.isfinite(values)
    result = np.full(len(values), np.nan)
    if tested.any():
        result[tested] = multipletests(values[tested], method=method)[1]
    return result


def by_t(value: float, se: float, df: float, *, n: int, method: str, level: float = LEVEL) -> Estimate:
    """Value +- t(df) se, and the test against 0.

    Args:
        value: the estimate.
        se: its standard error.
        df: degrees of freedom of t.
        n: how many units it is from.
        method: what the interval is called in tables.
        level: of the interval.

    Returns:
        The estimate; without interval where the standard error is 0.
    """
    from scipy.special import stdtr, stdtrit  # scipy.stats' own, without its checks: a hundred times faster

    if not se > 0:  # units that are all alike do not show that units never differ
        return Estimate(value, df=df, n=n, method=ALIKE)
    half = float(stdtrit(df, (1 + level) / 2)) * se
    p = 2 * float(stdtr(df, -abs(value) / se))
    return Estimate(value, value - half, value + half, p, df, n, method)


def exponential(x: float) -> float:
    """The exponential of an edge of an interval; infinite where no float is as large.

    >>> exponential(0.0), exponential(1000.0)
    (1.0, inf)
    """
    return math.inf if x > 700 else math.exp(x)


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    x = np.asarray(values, float)
    return x[np.isfinite(x)]
