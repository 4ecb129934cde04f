"""Durations between two bounds -> their distribution (Turnbull 1976, J R Stat Soc B 38:290)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    Numbers = Sequence[float] | np.ndarray | pd.Series

TOLERANCE = 1e-8
MAX_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Mass:
    """A distribution of durations: a probability of `share[i]` somewhere in (low[i], high[i]]."""

    low: np.ndarray  # (K,)
    high: np.ndarray  # (K,), infinite where durations are only known to exceed `low`
    share: np.ndarray  # (K,), sums to 1
    n: int

    def quantile(self, share: float) -> tuple[float, float]:
        """The bounds between which the quantile lies; where in between, the data do not show."""
        if not self.n:
            return float("nan"), float("nan")
        i = int(np.searchsorted(np.cumsum(self.share), share - 1e-9))
        i = min(i, len(self.share) - 1)
        return float(self.low[i]), float(self.high[i])

    def middle(self, share: float = 0.5) -> float:
        """The quantile, as the middle of its bounds; infinite where it is not reached."""
        low, high = self.quantile(share)
        return 0.5 * (low + high)


def turnbull(low: Numbers, high: Numbers) -> Mass:
    """The nonparametric maximum likelihood of durations in (low, high], by self-consistency.

    Probability can only lie where a lower bound is followed by an upper one with none between (Peto 1973,
    Appl Statist 22:86); Turnbull's iteration distributes it among those.

    Args:
        low: (N,) lower bounds.
        high: (N,) upper bounds, infinite where a duration is only known to exceed `low`.

    Raises:
        ValueError: a lower bound is not below its upper bound.

    >>> one = turnbull([0, 10, 10], [20, 20, 30])
    >>> one.low.tolist(), one.high.tolist(), one.share.tolist()
    ([10.0], [20.0], [1.0])
    """
    left, right = np.asarray(low, float), np.asarray(high, float)
    if not len(left):
        return Mass(np.zeros(0), np.zeros(0), np.zeros(0), 0)
    if not (left < right).all():
        raise ValueError("a lower bound is not below its upper bound")
    pairs, weights = np.unique(np.column_stack([left, right]), axis=0, return_counts=True)
    lows, highs = _innermost(pairs[:, 0], pairs[:, 1])
    covers = (pairs[:, :1] <= lows) & (highs <= pairs[:, 1:])  # (N, K)
    share = np.full(len(lows), 1 / len(lows))
    for _ in range(MAX_STEPS):
        within = covers * share
        new = (weights[:, None] * within / within.sum(axis=1, keepdims=True)).sum(axis=0) / weights.sum()
        done = np.abs(new - share).max() < TOLERANCE
        share = new
        if done:
            break
    return Mass(lows, highs, share, len(left))


def _innermost(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each lower bound whose next bound is an upper one, with it; intervals are open below, closed above."""
    bounds = sorted([(h, 0) for h in np.unique(high)] + [(x, 1) for x in np.unique(low)])
    found = [(a, b) for (a, lower), (b, also) in itertools.pairwise(bounds) if lower and not also]
    lows, highs = zip(*found, strict=True)
    return np.array(lows), np.array(highs)
