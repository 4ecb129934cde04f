"""A model and images with masks -> its average precision on them, and the thresholds that give the best."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.simulate.nuclei import nucleus_field
from lineage.stardist.data import disturb
from lineage.stardist.predict import candidates, draw
from lineage.stardist.scale import at_own_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage.stardist.data import Annotated
    from lineage.stardist.model import Model

    Found = tuple[np.ndarray, np.ndarray]

PROB_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
NMS_THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
FIGURE_FIELDS, FIGURES_SEED = 24, 1  # drawn fields on which the thresholds are chosen, beside real images
IOUS = (0.5, 0.6, 0.7, 0.8, 0.9)


def average_precisions(
    model: Model, pairs: list[Annotated], find: Callable[[Model, np.ndarray], Found] = at_own_size
) -> dict[float, float]:
    """StarDist's average precision, TP / (TP + FP + FN), pooled over the images.

    Args:
        model: the network.
        pairs: images with their masks.
        find: image -> labels and probabilities.

    Returns:
        IoU -> average precision.
    """
    from stardist.matching import matching_dataset

    found = [find(model, p.image)[0] for p in pairs]
    matches = matching_dataset([p.mask for p in pairs], found, thresh=IOUS, show_progress=False)
    return {iou: float(m.accuracy) for iou, m in zip(IOUS, matches, strict=True)}


def with_best_thresholds(model: Model, pairs: list[Annotated]) -> Model:
    """The model with the thresholds of the best mean average precision over `IOUS`.

    `pairs` count for one half, drawn fields rich in mitotic figures for the other: real images hold few, and
    thin chromatin is found at lower probabilities than round nuclei are.
    """
    from stardist.matching import matching_dataset

    rng = np.random.default_rng(FIGURES_SEED)
    fields = [
        (disturb(image, mask, rng), mask)
        for image, mask in (nucleus_field(rng, mitotic=0.5) for _ in range(FIGURE_FIELDS))
    ]
    lowest = min(PROB_THRESHOLDS)
    sets = [
        [(mask, candidates(model, image, min_probability=lowest)) for image, mask in images]
        for images in ([(p.image, p.mask) for p in pairs], fields)
    ]

    def score(thresholds: tuple[float, float]) -> float:
        total = 0.0
        for images in sets:
            truth = [mask for mask, _ in images]
            found = [draw(seen, *thresholds)[0] for _, seen in images]
            total += sum(m.accuracy for m in matching_dataset(truth, found, thresh=IOUS, show_progress=False))
        return total

    prob = max(PROB_THRESHOLDS, key=lambda prob: score((prob, model.nms_threshold)))
    nms = max(NMS_THRESHOLDS, key=lambda nms: score((prob, nms)))
    return replace(model, prob_threshold=prob, nms_threshold=nms)
