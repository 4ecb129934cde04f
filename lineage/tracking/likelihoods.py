"""Features of a nucleus, or of tracklets -> log-odds that it is what it is taken for.

A logistic model for each question, fitted on simulated truth by `benchmarks/fit_likelihoods.py` and kept in
`likelihoods.json`, where every number can be read. There is a set for nuclei with intensities and one for
masks alone, in which the area stands for the DNA.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

PATH = Path(__file__).with_name("likelihoods.json")
INTENSITIES, MASKS = "intensities", "masks"


@dataclass(frozen=True, eq=False)
class Model:
    """Log-odds, one column a class, linear in features that are each brought to mean 0 and spread 1."""

    features: tuple[str, ...]  # F names
    mean: np.ndarray  # (F,)
    spread: np.ndarray  # (F,)
    weights: np.ndarray  # (F, K)
    offset: np.ndarray  # (K,)
    classes: tuple[str, ...]

    def scores(self, measured: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N, K) from F arrays (N,); what was not measured (NaN) counts as average.

        Raises:
            KeyError: a feature of the model is not among them.
        """
        x = np.stack([np.asarray(measured[name], float) for name in self.features], axis=1)
        x = (x - self.mean) / self.spread
        # Beyond what it was fitted on the model would be ever surer.
        x = np.clip(np.nan_to_num(x, nan=0.0), -6, 6)
        return x @ self.weights + self.offset

    def log_odds(self, measured: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N,) of a model of yes or no."""
        return self.scores(measured)[:, 0]

    def probabilities(self, measured: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N, K) of a model of several classes; rows sum to 1."""
        scores = self.scores(measured)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)


def kind_of(nuclei: pd.DataFrame) -> str:
    """Which set of likelihoods holds for these nuclei: those of masks alone all have an intensity of 1."""
    flat = len(nuclei) > 0 and bool((nuclei["mean_intensity"] == 1).all())
    return MASKS if flat else INTENSITIES


def load(kind: str, name: str) -> Model:
    """One model: `kind` is INTENSITIES or MASKS, `name` a question, as `division`."""
    return _model(_file()[kind][name])


def digest() -> str:
    """Of all the numbers, for a run's record."""
    import hashlib

    return hashlib.sha256(PATH.read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return json.loads(PATH.read_text(encoding="utf-8"))


def _model(stored: Mapping[str, Any]) -> Model:
    features = tuple(stored["features"])
    columns = [stored["features"][f] for f in features]
    return Model(
        features,
        np.array([c["mean"] for c in columns]),
        np.array([c["spread"] for c in columns]),
        np.array([c["weights"] for c in columns], float).reshape(len(features), -1),
        np.array(stored["offset"], float),
        tuple(stored["classes"]),
    )
