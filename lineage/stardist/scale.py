"""Images + model -> how large the nuclei are, and by how much the images are to be resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.stardist.predict import candidates, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineage.stardist.model import Model

ZOOMS = (1.0, 0.5, 2.0, 0.25, 4.0)  # tried in this order, until one shows nuclei of a size that the model knows
LEAST_NUCLEI = 5  # fewer say nothing of the size
MIDDLE_PX = 20.0  # nuclei of another size than the model knows are brought to this one
MARGIN = 1.25  # near the ends of the range, the estimate is not believed


def diameter_px(model: Model, images: Sequence[np.ndarray]) -> float | None:
    """Diameter of the circle with the nuclei's median area; None where too few are found to tell.

    The images are looked at as they are; if what is found there is not of a size that the model knows, at half,
    double, a quarter and four times the size.

    Args:
        model: must know its range of diameters.
        images: each (Y, X), raw grey levels.
    """
    assert model.diameters_px is not None
    low, high = model.diameters_px[0] * MARGIN, model.diameters_px[1] / MARGIN
    best: tuple[float, float] | None = None
    for zoom in ZOOMS:
        found = _diameters(model, images, zoom)
        if len(found) < LEAST_NUCLEI:
            continue
        median = float(np.median(found))
        if low <= median * zoom <= high:
            return median
        miss = abs(np.log(median * zoom / MIDDLE_PX))
        if best is None or miss < best[0]:
            best = (float(miss), median)
    return best[1] if best else None


def _diameters(model: Model, images: Sequence[np.ndarray], zoom: float) -> np.ndarray:
    areas = []
    for image in images:
        found = candidates(model, image, zoom=zoom)
        labels, _ = draw(found, model.prob_threshold, model.nms_threshold)
        areas.append(np.bincount(labels.ravel())[1:])
    every = np.concatenate(areas)
    return 2 * np.sqrt(every[every > 0] / np.pi)


def zoom_of(model: Model, diameter: float | None) -> float:
    """By how much images with such nuclei are resized; 1 where the model knows their size, or nothing is known.

    >>> from types import SimpleNamespace
    >>> zoom_of(SimpleNamespace(diameters_px=(9.0, 45.0)), 80.0)
    0.25
    """
    if diameter is None or model.diameters_px is None:
        return 1.0
    low, high = model.diameters_px[0] * MARGIN, model.diameters_px[1] / MARGIN
    return 1.0 if low <= diameter <= high else MIDDLE_PX / diameter


def zoom_for(model: Model, images: Sequence[np.ndarray]) -> float:
    """The zoom for images whose nuclei's size is not known."""
    return 1.0 if model.diameters_px is None else zoom_of(model, diameter_px(model, images))
