"""Measures of labelled clips -> extremely randomised trees, kept as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

TREES = 300


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees, one after another in the same arrays; both children of a leaf are the leaf itself."""

    roots: np.ndarray  # (T,) int32, the first node of each tree
    measure: np.ndarray  # (N,) int32, the feature that a node looks at
    threshold: np.ndarray  # (N,) float32, up to it the left child follows, above it the right
    left: np.ndarray  # (N,) int32
    right: np.ndarray  # (N,) int32
    share: np.ndarray  # (N,) float32, of abnormal clips among those it was grown on

    def __post_init__(self) -> None:
        n = len(self.share)
        if any(len(a) != n for a in (self.measure, self.threshold, self.left, self.right)):
            raise ValueError("its arrays differ in length")
        if any(a.ndim != 1 for a in (self.roots, self.share)) or any(
            a.dtype.kind != "i" for a in (self.roots, self.measure, self.left, self.right)
        ):
            raise ValueError("its nodes are no whole numbers in a row")
        if (self.roots < 0).any() or (self.roots >= n).any() or (self.measure < 0).any():
            raise ValueError("a root or a feature that does not exist")
        own = np.arange(n)
        for child in (self.left, self.right):
            # A child before its parent could make a loop without end.
            if (child < own).any() or (child >= n).any():
                raise ValueError("a child that does not come after its parent")

    def p_abnormal(self, features: np.ndarray) -> np.ndarray:
        """(N, F) -> (N,) probabilities."""
        node = np.repeat(self.roots[None], len(features), axis=0)  # (N, T)
        rows = np.arange(len(features))[:, None]
        while True:
            goes_left = features.astype(np.float32)[rows, self.measure[node]] <= self.threshold[node]
            following = np.where(goes_left, self.left[node], self.right[node])
            if (following == node).all():
                return self.share[node].mean(axis=1)
            node = following

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, for a file."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def grow(features: np.ndarray, abnormal: np.ndarray, *, seed: int, n_trees: int = TREES) -> Forest:
    """Grow a forest in which both classes weigh alike.

    Args:
        features: (N, F), see `measures.time_summary`.
        abnormal: (N,) bool, labels.
        seed: of everything random.
        n_trees: number of trees.

    Returns:
        The forest.

    Source: Geurts, Ernst & Wehenkel 2006, Extremely randomized trees.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    grown = ExtraTreesClassifier(
        n_trees, min_samples_leaf=5, max_features=0.3, class_weight="balanced", random_state=seed
    ).fit(features.astype(np.float32), abnormal)
    trees = [t.tree_ for t in grown.estimators_]
    starts = np.cumsum([0, *(t.node_count for t in trees)])[:-1]
    children: dict[str, list[np.ndarray]] = {"left": [], "right": []}
    for tree, start in zip(trees, starts, strict=True):
        own = np.arange(tree.node_count)
        for side, given in (("left", tree.children_left), ("right", tree.children_right)):
            children[side].append(np.where(given < 0, own, given) + start)
    shares = [t.value[:, 0, 1] / t.value[:, 0].sum(axis=1) for t in trees]
    return Forest(
        starts.astype(np.int32),
        np.concatenate([np.maximum(t.feature, 0) for t in trees]).astype(np.int32),
        # Rounded down: scikit-learn compares float32 measures with float64 thresholds.
        np.concatenate([_rounded_down(t.threshold) for t in trees]),
        np.concatenate(children["left"]).astype(np.int32),
        np.concatenate(children["right"]).astype(np.int32),
        np.concatenate(shares).astype(np.float32),
    )


def _rounded_down(x: np.ndarray) -> np.ndarray:
    near = x.astype(np.float32)
    return np.where(near > x, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)
