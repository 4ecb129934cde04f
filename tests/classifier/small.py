"""Small classifiers, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from classifier.checkpoint import Card
from classifier.forest import Forest, grow
from classifier.measures import measures, time_summary
from classifier.model import build
from classifier.pixels import NORMALISATIONS, PIXEL_UM
from classifier.predict import Classifier

if TYPE_CHECKING:
    from classifier.model import Network

THREE = ("normal", "abnormal", "none")
OPTIONS = {"n_blocks": 2, "hidden": 8}


def small_network(seed: int = 0, n_classes: int = 3) -> Network:
    torch.manual_seed(seed)
    return build("mobilenet_v2", n_classes, side_px=32, **OPTIONS).eval()


def small_card(**changes) -> Card:
    given = {
        "model": "mobilenet_v2",
        "options": OPTIONS,
        "members": 2,
        "classes": THREE,
        "side_px": 32,
        "normalisation": NORMALISATIONS["percentiles"],
    }
    return Card(**given | changes)


def random_crops(n: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 0.3, (n, 12, 2, side, side)).astype(np.float32)


def small_forest() -> Forest:
    features = np.array([time_summary(measures(crop, PIXEL_UM)) for crop in random_crops(12)])
    return grow(features, np.arange(12) % 2 == 0, seed=0, n_trees=5)


def small_classifier(**changes) -> Classifier:
    return Classifier([small_network(0), small_network(1)], small_forest(), small_card(**changes), "hash")
