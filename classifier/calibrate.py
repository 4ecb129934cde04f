"""Probabilities of network and forest -> one calibrated probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_PROBABILITY = 0.01  # probabilities nearer to 0 or 1 than this are taken for it


@dataclass(frozen=True)
class Calibration:
    """Weights of network and forest in the log-odds of abnormal; 1 / network is the temperature."""

    network: float = 1.0
    forest: float = 0.0
    offset: float = 0.0

    def calibrated(self, network: np.ndarray, forest: np.ndarray | None = None) -> np.ndarray:
        """Combine and calibrate probabilities.

        Args:
            network: (N,) of abnormal given that it is a mitosis; or of none.
            forest: (N,) of the same; None where it has nothing to say.

        Returns:
            (N,) of the same, calibrated.

        >>> Calibration().calibrated(np.array([0.25])).round(6)
        array([0.25])
        """
        total = self.network * log_odds(network) + self.offset
        if forest is not None:
            total = total + self.forest * log_odds(forest)
        return 1 / (1 + np.exp(-total))


def log_odds(p: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, which are first limited to 0.01 to 0.99."""
    p = np.clip(p, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.log(p) - np.log1p(-p)


def fit(abnormal: np.ndarray, network: np.ndarray, forest: np.ndarray | None = None) -> Calibration:
    """Find the calibration under which the labels are likeliest.

    Args:
        abnormal: (N,) bool, labels of clips that neither network nor forest was trained on.
        network: (N,) its probabilities.
        forest: (N,) its probabilities; None without a forest.

    Returns:
        The calibration.

    Source: Platt 1999, Probabilistic outputs for support vector machines; Wolpert 1992,
    Stacked generalization.
    """
    from scipy.optimize import minimize

    inputs = [log_odds(network), *([] if forest is None else [log_odds(forest)])]
    sign = np.where(abnormal, 1, -1)

    def loss(q: np.ndarray) -> float:
        total = q[0] + sum(w * v for w, v in zip(q[1:], inputs, strict=True))
        # A penalty as weak as half a clip: with few clips, no weight grows without bound.
        return float(np.logaddexp(0, -sign * total).sum() + 0.5 * (q[1:] ** 2).sum())

    best = minimize(loss, np.zeros(1 + len(inputs)), bounds=[(-6, 6), *[(0, 4)] * len(inputs)]).x
    return Calibration(float(best[1]), float(best[2]) if forest is not None else 0.0, float(best[0]))


def cross_fitted(
    abnormal: np.ndarray, folds: np.ndarray, network: np.ndarray, forest: np.ndarray | None = None
) -> np.ndarray:
    """Calibrate each fold by the others.

    Args:
        abnormal: (N,) bool, labels.
        folds: (N,) the fold of each clip.
        network: (N,) probabilities of clips that the network was not trained on.
        forest: (N,) likewise; None without a forest.

    Returns:
        (N,) calibrated probabilities.
    """
    p = np.zeros(len(abnormal))
    for k in np.unique(folds):
        out, held = folds != k, folds == k
        inputs = [network] if forest is None else [network, forest]
        p[held] = fit(abnormal[out], *(v[out] for v in inputs)).calibrated(*(v[held] for v in inputs))
    return p
