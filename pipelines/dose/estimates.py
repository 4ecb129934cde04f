"""Values of wells -> estimates with intervals by Student's t: means, differences, ratios, slopes.

The unit is the well (or the experiment): whatever is given here is one number a unit, and each counts once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEVEL = 0.95  # of every interval
ALIKE = "the units are all alike"
BOOTSTRAP_FROM = 20  # units; with fewer the bootstrap's intervals are too narrow


@dataclass(frozen=True)
class Estimate:
    """A number, its interval, and the test against `null`; NaN where there is none."""

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
    return by_t(float(x.mean()), _se(x), len(x) - 1, n=len(x), method="t over units", level=level)


def difference(
    treated: Sequence[float] | np.ndarray, control: Sequence[float] | np.ndarray, *, level: float = LEVEL
) -> Estimate:
    """Difference of two means, with unequal variances (Welch 1947, Biometrika 34:28)."""
    a, b = _finite(treated), _finite(control)
    value = float(a.mean() - b.mean()) if len(a) and len(b) else math.nan
    n = len(a) + len(b)
    if min(len(a), len(b)) < 2:
        return Estimate(value, n=n)
    va, vb = _se(a) ** 2, _se(b) ** 2
    return by_t(
        value, math.sqrt(va + vb), _welch_df(va, vb, len(a), len(b)), n=n, method="Welch", level=level
    )


def ratio(
    treated: Sequence[float] | np.ndarray, control: Sequence[float] | np.ndarray, *, level: float = LEVEL
) -> Estimate:
    """Ratio of two means; the interval is Welch's, of its logarithm, by the delta method.

    NaN where a mean is not positive, or a unit is negative: then it is no ratio that the values have. `p` is
    of a ratio of 1.
    """
    a, b = _finite(treated), _finite(control)
    n = len(a) + len(b)
    if not len(a) or not len(b) or a.mean() <= 0 or b.mean() <= 0 or min(a.min(), b.min()) < 0:
        return Estimate(math.nan, n=n)
    value = float(a.mean() / b.mean())
    if min(len(a), len(b)) < 2:
        return Estimate(value, n=n)
    va, vb = (_se(a) / a.mean()) ** 2, (_se(b) / b.mean()) ** 2
    df = _welch_df(va, vb, len(a), len(b))
    log = by_t(math.log(value), math.sqrt(va + vb), df, n=n, method="Welch, of the logarithm", level=level)
    return Estimate(value, exponential(log.low), exponential(log.high), log.p, log.df, n, log.method)


def slope(
    x: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray, *, level: float = LEVEL
) -> Estimate:
    """Change of the units' values for each unit of x: least squares, every unit counting once.

    For what is no share of counts (those are `shares.Shares`): how much units differ may change with dose in
    any way, so the standard error is HC2 (MacKinnon & White 1985, J Econometrics 29:305), and t has the
    degrees of freedom of Bell & McCaffrey 2002 (Survey Methodology 28:169; Imbens & Kolesar 2016, Rev Econ
    Stat 98:701).
    """
    table = np.column_stack([np.asarray(x, float), np.asarray(values, float)])
    at, y = table[np.isfinite(table).all(axis=1)].T
    n = len(y)
    if n < 2 or np.ptp(at) == 0:
        return Estimate(math.nan, n=n)
    design = np.column_stack([np.ones(n), at])
    map_ = np.linalg.pinv(design)  # (2, n)
    hat = design @ map_
    b, leverage = float(map_[1] @ y), np.diag(hat)
    if n < 3 or leverage.max() > 1 - 1e-9:
        return Estimate(b, n=n)
    weight = map_[1] / np.sqrt(1 - leverage)
    residual = np.eye(n) - hat
    g = residual * weight  # variance is the squared length of g' y
    spread = g.T @ g
    df = float(np.trace(spread) ** 2 / (spread**2).sum())
    se = float(np.sqrt(((weight * (residual @ y)) ** 2).sum()))
    return by_t(b, se, df, n=n, method="least squares on units, HC2, Bell-McCaffrey t", level=level)


def bootstrap(
    values: Sequence[float] | np.ndarray, *, rng: np.random.Generator, n: int = 4000, level: float = LEVEL
) -> Estimate:
    """Mean, and the percentile interval of units drawn again; nothing below BOOTSTRAP_FROM units."""
    x = _finite(values)
    value = float(x.mean()) if len(x) else math.nan
    if len(x) < BOOTSTRAP_FROM:
        return Estimate(value, n=len(x))
    means = rng.choice(x, (n, len(x))).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), n=len(x), method="bootstrap of units")


def proportion(k: int, n: int, *, level: float = LEVEL) -> Estimate:
    """Share of n things, each counted as if it were independent (Wilson 1927): they seldom are.

    >>> [round(edge, 3) for edge in (proportion(0, 10).low, proportion(0, 10).high)]
    [0.0, 0.278]
    """
    from scipy.stats import norm

    if not n:
        return Estimate(math.nan)
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    centre = (k + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    return Estimate(k / n, max(centre - half, 0.0), min(centre + half, 1.0), n=n, method="Wilson, over cells")


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusted for how many they are, so that the chance of any false one is held (Holm 1979).

    NaN stays NaN and is not counted.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    return _adjusted(np.asarray(p, float), lambda s: np.maximum.accumulate(s * (len(s) - np.arange(len(s)))))


def benjamini_hochberg(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusted so that the share of false ones among those found is held (Benjamini & Hochberg 1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjusted(
        np.asarray(p, float),
        lambda s: np.minimum.accumulate((s * len(s) / (np.arange(len(s)) + 1))[::-1])[::-1],
    )


def _adjusted(p: np.ndarray, rule: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    result = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    if len(order):
        result[order] = np.minimum(rule(p[order]), 1.0)
    return result


def by_t(value: float, se: float, df: float, *, n: int, method: str, level: float = LEVEL) -> Estimate:
    """Value +- t(df) se, and the test against 0; no interval where the standard error is 0."""
    from scipy.special import stdtr, stdtrit  # scipy.stats' own, without its checks: a hundred times faster

    if not se > 0:  # units that are all alike do not show that units never differ
        return Estimate(value, df=df, n=n, method=ALIKE)
    half = float(stdtrit(df, (1 + level) / 2)) * se
    p = 2 * float(stdtr(df, -abs(value) / se))
    return Estimate(value, value - half, value + half, p, df, n, method)


def exponential(x: float) -> float:
    """Of an edge of an interval of a logarithm; infinite where no number is as large.

    >>> exponential(0.0), exponential(1000.0)
    (1.0, inf)
    """
    return math.inf if x > 700 else math.exp(x)


def _welch_df(va: float, vb: float, na: int, nb: int) -> float:
    """Satterthwaite's, from the squared standard errors; where nothing varies, that of equal variances."""
    below = va**2 / (na - 1) + vb**2 / (nb - 1)
    return (va + vb) ** 2 / below if below > 0 else float(na + nb - 2)


def _se(x: np.ndarray) -> float:
    return float(x.std(ddof=1) / math.sqrt(len(x)))


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    x = np.asarray(values, float)
    return x[np.isfinite(x)]
