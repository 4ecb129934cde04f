"""What network and forest say -> one calibrated probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SUREST = 0.01  # nearer to 0 or 1 no single voice is heard


@dataclass(frozen=True)
class Calibration:
    """How much each voice weighs in the log-odds of abnormal; 1 / network is the temperature."""

    network: float = 1.0
    forest: float = 0.0
    offset: float = 0.0

    def calibrated(self, network: np.ndarray, forest: np.ndarray | None = None) -> np.ndarray:
        """(N,) and (N,) -> (N,), calibrated; of abnormal given that it is a mitosis, or of none.

        >>> Calibration().calibrated(np.array([0.25])).round(6)
        array([0.25])
        """
        total = self.network * log_odds(network) + self.offset
        if forest is not None:
            total = total + self.forest * log_odds(forest)
        return 1 / (1 + np.exp(-total))


def log_odds(p: np.ndarray) -> np.ndarray:
    """Of probabilities, held between 0.01 and 0.99."""
    p = np.clip(p, SUREST, 1 - SUREST)
    return np.log(p) - np.log1p(-p)


def fit(abnormal: np.ndarray, network: np.ndarray, forest: np.ndarray | None = None) -> Calibration:
    """The calibration under which the labels of clips that neither voice has seen are likeliest.

    Source: Platt 1999, Probabilistic outputs for support vector machines; Wolpert 1992,
    Stacked generalization.
    """
    from scipy.optimize import minimize

    voices = [log_odds(network), *([] if forest is None else [log_odds(forest)])]
    sign = np.where(abnormal, 1, -1)

    def surprise(q: np.ndarray) -> float:
        total = q[0] + sum(w * v for w, v in zip(q[1:], voices, strict=True))
        # As much doubt as half a clip: with few clips no weight runs away.
        return float(np.logaddexp(0, -sign * total).sum() + 0.5 * (q[1:] ** 2).sum())

    best = minimize(surprise, np.zeros(1 + len(voices)), bounds=[(-6, 6), *[(0, 4)] * len(voices)]).x
    return Calibration(float(best[1]), float(best[2]) if forest is not None else 0.0, float(best[0]))


def cross_fitted(
    abnormal: np.ndarray, folds: np.ndarray, network: np.ndarray, forest: np.ndarray | None = None
) -> np.ndarray:
    """(N,): each fold calibrated by the others."""
    p = np.zeros(len(abnormal))
    for k in np.unique(folds):
        out, held = folds != k, folds == k
        voices = [network] if forest is None else [network, forest]
        p[held] = fit(abnormal[out], *(v[out] for v in voices)).calibrated(*(v[held] for v in voices))
    return p
