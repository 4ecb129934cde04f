"""Expert labels and probabilities -> figures such as accuracy; abnormal is the positive class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURES = ("accuracy", "precision", "recall", "f1", "auc")
BINS = 10  # of the probability, in the curve of calibration


def figures(abnormal: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall, F1, area under the ROC curve.

    Args:
        abnormal: (N,) bool, the expert's label.
        p: (N,) the model's probability of abnormal; called abnormal from 0.5 on.

    Returns:
        Those five and `n`. Where nothing is called abnormal, precision is 0; where only one class
        occurs, `auc` is nan.

    >>> figures(np.array([True, False, False]), np.array([0.9, 0.6, 0.1]))["auc"]
    1.0
    """
    from scipy.stats import rankdata

    called = p >= 0.5
    hits = int((called & abnormal).sum())
    precision, recall = hits / max(called.sum(), 1), hits / max(abnormal.sum(), 1)
    positives, negatives = int(abnormal.sum()), int((~abnormal).sum())
    above = rankdata(p)[abnormal].sum() - positives * (positives + 1) / 2
    return {
        "n": len(p),
        "accuracy": float((called == abnormal).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(2 * precision * recall / max(precision + recall, 1e-12)),
        "auc": float(above / (positives * negatives)) if positives and negatives else float("nan"),
    }


def intervals(
    abnormal: np.ndarray, p: np.ndarray, fields: Sequence[str], *, n: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals by bootstrap: fields of view are drawn with replacement, each with all of its clips.

    Args:
        abnormal: (N,) bool, the expert's label.
        p: (N,) the model's probability of abnormal.
        fields: N fields of view.
        n: number of draws.
        seed: of the draws.

    Returns:
        Lower and upper end of each figure; nan where a figure could never be computed.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(np.array(fields))
    members = [np.flatnonzero(np.array(fields) == f) for f in names]
    found = []
    for _ in range(n):
        drawn = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        found.append([figures(abnormal[drawn], p[drawn])[k] for k in FIGURES])
    rows = np.array(found)  # (n, 5)
    rows = rows[~np.isnan(rows).any(axis=1)]
    if not len(rows):
        return {k: (float("nan"), float("nan")) for k in FIGURES}
    low, high = np.percentile(rows, (2.5, 97.5), axis=0)
    return {k: (float(a), float(b)) for k, a, b in zip(FIGURES, low, high, strict=True)}


def auc_within(abnormal: np.ndarray, p: np.ndarray, groups: np.ndarray) -> float:
    """AUC over the pairs of a normal and an abnormal clip of the same group, such as the dose.

    Args:
        abnormal: (N,) bool, the expert's label.
        p: (N,) the model's probability of abnormal.
        groups: (N,) the group of each clip.

    Returns:
        0 to 1; nan where no group has both classes.

    >>> float(auc_within(np.array([True, False]), np.array([0.9, 0.1]), np.array([0, 0])))
    1.0
    """
    ordered = pairs = 0.0
    for g in np.unique(groups):
        members = groups == g
        difference = p[members & abnormal][:, None] - p[members & ~abnormal][None]
        ordered += (difference > 0).sum() + 0.5 * (difference == 0).sum()
        pairs += difference.size
    return float(ordered / pairs) if pairs else float("nan")


def threshold_curves(abnormal: np.ndarray, p: np.ndarray) -> dict[str, np.ndarray]:
    """At each threshold, the highest first: rate of `false` alarms, `recall`, `precision`."""
    order = np.argsort(-p, kind="stable")
    hits, misses = np.cumsum(abnormal[order]), np.cumsum(~abnormal[order])
    return {
        "false": np.concatenate([[0.0], misses / max((~abnormal).sum(), 1)]),
        "recall": np.concatenate([[0.0], hits / max(abnormal.sum(), 1)]),
        "precision": np.concatenate([[1.0], hits / (hits + misses)]),
    }


def reliability(abnormal: np.ndarray, p: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean p, share abnormal, number of clips) of each tenth of 0..1 that holds a clip."""
    tenth = np.minimum((p * BINS).astype(int), BINS - 1)
    return [
        (float(p[tenth == k].mean()), float(abnormal[tenth == k].mean()), int((tenth == k).sum()))
        for k in np.unique(tenth)
    ]


def calibration_error(abnormal: np.ndarray, p: np.ndarray) -> float:
    """Mean difference of predicted and true share of abnormal, over tenths of 0..1, weighted by clips."""
    return sum(n * abs(predicted - true) for predicted, true, n in reliability(abnormal, p)) / len(p)


def table_row(name: str, found: dict[str, float]) -> str:
    """One line of the table on the screen."""
    return (
        f"{name} {found['n']:.0f} clips: accuracy {found['accuracy']:.3f} precision {found['precision']:.3f} "
        f"recall {found['recall']:.3f} F1 {found['f1']:.3f} AUC {found['auc']:.3f}"
    )
