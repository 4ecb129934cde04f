"""Entries, exits and causes of cells -> cumulative incidence of competing ends (Aalen-Johansen, grouped).

Time is seen frame by frame: an end first seen in frame k happened between frames k - 1 and k. So at time k
all cells are at risk that entered before k and had not left before k; what is censored at k was still seen
there. Ties are the rule and are taken together, as Aalen & Johansen 1978 (Scand J Statist 5:141) allow;
with one cause it is Kaplan & Meier's estimator, with late entries as Klein & Moeschberger 2003, section 4.6,
take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    Numbers = Sequence[float] | np.ndarray | pd.Series

CENSORED = 0


@dataclass(frozen=True, eq=False)
class Incidence:
    """Cumulative incidence, as steps: from `times[i]` on it is `by_cause[:, i]`."""

    times: np.ndarray  # (K,) rising: the times of ends
    at_risk: np.ndarray  # (K,) cells
    by_cause: np.ndarray  # (C, K) cumulative incidence of causes 1..C
    n: int  # cells

    def at(self, times: Sequence[float] | np.ndarray) -> np.ndarray:
        """(C, T) cumulative incidence at any times."""
        index = np.searchsorted(self.times, np.asarray(times, float) + 1e-9, side="right")
        return np.column_stack([np.zeros(len(self.by_cause)), self.by_cause])[:, index]

    def quantile(self, cause: int, share: float) -> float:
        """First time at which that share of the cells has had the cause; NaN if it is not reached."""
        reached = np.flatnonzero(self.by_cause[cause - 1] >= share - 1e-12)
        return float(self.times[reached[0]]) if len(reached) else float("nan")


def aalen_johansen(
    entry: Numbers,
    end: Numbers,
    cause: Numbers,
    *,
    n_causes: int,
    min_at_risk: int = 1,
) -> Incidence:
    """Cumulative incidence of each cause.

    Args:
        entry: (N,) when each cell came under observation.
        end: (N,) when it left; a cell that leaves as it enters is left out.
        cause: (N,) 1..n_causes, or CENSORED.
        n_causes: how many causes there are.
        min_at_risk: risk sets with fewer cells are skipped. With late entries the first may hold one or two
            cells, and a single end would then count for all.

    >>> one = aalen_johansen([0, 0, 0, 0], [1, 1, 2, 3], [1, 2, 0, 1], n_causes=2)
    >>> one.times.tolist(), one.by_cause.tolist()
    ([1.0, 3.0], [[0.25, 0.75], [0.25, 0.25]])
    """
    entered, left, causes = np.asarray(entry, float), np.asarray(end, float), np.asarray(cause, int)
    observed = left > entered
    entered, left, causes = entered[observed], left[observed], causes[observed]
    times = np.unique(left[causes != CENSORED])
    # Cells that entered before each time, less those that left before it.
    at_risk = np.searchsorted(np.sort(entered), times) - np.searchsorted(np.sort(left), times)
    kept = at_risk >= min_at_risk
    times, at_risk = times[kept], at_risk[kept]
    hazard = np.zeros((n_causes, len(times)))
    for c in range(n_causes):
        happened = np.sort(left[causes == c + 1])
        n = np.searchsorted(happened, times, side="right") - np.searchsorted(happened, times)
        hazard[c] = n / at_risk
    survival = np.concatenate([[1.0], np.cumprod(1 - hazard.sum(axis=0))])[:-1]
    return Incidence(times, at_risk, np.cumsum(hazard * survival, axis=1), len(entered))
