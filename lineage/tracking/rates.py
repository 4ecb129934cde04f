"""Hypotheses about a movie -> by how much more often its cells divide than the likelihoods expect.

The likelihoods were fitted on other movies, in which divisions were so and so frequent among all that looked
like one. Here they may be more frequent (long intervals, dividing cells) or less (a segmentation that cuts
nuclei in two). One step of expectation-maximisation reads that off the movie itself: how many divisions the
likeliest lineage has, beside how many were expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.schema import Hypothesis
from lineage.tracking.resolve import relaxed, worth_it

if TYPE_CHECKING:
    import numpy as np

    from lineage.schema import Hypotheses

SPREAD = 1.0  # of the log-odds by which movies differ, before anything is seen of one
BOUND = 20.0  # log-odds


def division_offset(hypotheses: Hypotheses, n_tracklets: int) -> float:
    """What to add to the log-odds of every division.

    Args:
        hypotheses: about the movie's tracklets.
        n_tracklets: numbered from 0.
    """
    hypotheses = worth_it(hypotheses, n_tracklets)
    is_division = hypotheses.kind == Hypothesis.DIVISION
    if not is_division.any():
        return 0.0
    return offset(hypotheses.log_odds[is_division], relaxed(hypotheses, n_tracklets)[is_division].sum())


def offset(log_odds: np.ndarray, n_true: float) -> float:
    """With which as many of them are expected to be true as are, drawn towards 0 where they are few.

    >>> import numpy as np
    >>> offset(np.full(1000, -5.0), 7) < 0.1, round(offset(np.full(10_000, -5.0), 500), 1)
    (True, 2.1)
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    return float(brentq(lambda d: expit(log_odds + d).sum() + d / SPREAD**2 - n_true, -BOUND, BOUND))
