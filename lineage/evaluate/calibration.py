"""Outcomes -> whether the verdict's p(abnormal) can be taken at its word.

Of the mitoses given 0.8, are four fifths abnormal? Counted are the true events that were proposed and given
a probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.evaluate.events import is_matched
from lineage.schema import MitosisClass

if TYPE_CHECKING:
    import pandas as pd

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The events whose probability lies in one tenth."""

    low: float
    high: float
    n: int
    mean_p: float
    abnormal: float  # fraction of them


@dataclass(frozen=True)
class Calibration:
    """Bins that hold events; `brier` is the mean squared error, `error` the expected calibration error."""

    n: int
    bins: tuple[Bin, ...]
    brier: float
    error: float


def calibrate(table: pd.DataFrame) -> Calibration | None:
    """None where no true event was given a probability.

    Args:
        table: OUTCOME_COLUMNS.
    """
    told = table[is_matched(table) & table["p_abnormal"].notna()]
    p = told["p_abnormal"].to_numpy(float)
    true = (told["truth_class"] == MitosisClass.ABNORMAL).to_numpy(float)
    if not len(p):
        return None
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(k / BINS, (k + 1) / BINS, int(n), float(p[place == k].mean()), float(true[place == k].mean()))
        for k, n in enumerate(np.bincount(place, minlength=BINS))
        if n
    )
    error = sum(b.n * abs(b.mean_p - b.abnormal) for b in bins) / len(p)
    return Calibration(len(p), bins, float(((p - true) ** 2).mean()), error)
