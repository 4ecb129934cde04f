"""Images + model -> how large the nuclei are, and by how much the images are to be resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.stardist.predict import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineage.stardist.model import Model

ZOOMS = (
    1.0,
    0.5,
    2.0,
    0.25,
    4.0,
)  # tried in this order, until one shows nuclei of a known size
LEAST_NUCLEI = 5  # fewer say nothing of the size
MIDDLE_PX = 20.0  # nuclei of another size than the model knows are brought to this one


def at_own_size(model: Model, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nuclei of one image whose size is not known.

    Args:
        model: the network.
        image: (Y, X), raw grey levels.

    Returns:
        As `lineage.stardist.predict.predict`.
    """
    found = predict(model, image)
    seen = _diameters(found[0])
    if len(seen) >= LEAST_NUCLEI and zoom_of(model, float(np.median(seen))) == 1:
        return found
    zoom = zoom_of(model, diameter_px(model, [image]))
    return found if zoom == 1 else predict(model, image, zoom=zoom)


def diameter_px(model: Model, images: Sequence[np.ndarray]) -> float | None:
    """Diameter of the circle with the nuclei's median area; None where too few are found to tell.

    The images are looked at as they are; if what is found there is not of a size that the model knows, at
    half, double, a quarter and four times the size.

    Args:
        model: the network.
        images: each (Y, X), raw grey levels.
    """
    best: tuple[float, float] | None = None
    for zoom in ZOOMS:
        found = [_diameters(predict(model, image, zoom=zoom)[0]) for image in images]
        every = np.concatenate([*found, np.zeros(0)])
        if len(every) < LEAST_NUCLEI:
            continue
        median = float(np.median(every))
        if zoom_of(model, median * zoom) == 1:
            return median
        miss = abs(float(np.log(median * zoom / MIDDLE_PX)))
        best = min(best or (miss, median), (miss, median))
    return best[1] if best else None


def zoom_of(model: Model, diameter: float | None) -> float:
    """By how much images with such nuclei are resized; 1 if the model knows their size, or nothing is known.

    >>> from types import SimpleNamespace
    >>> zoom_of(SimpleNamespace(diameters_px=(8.0, 60.0)), 80.0)
    0.25
    """
    if diameter is None or model.diameters_px is None:
        return 1.0
    low, high = model.diameters_px
    return 1.0 if low <= diameter <= high else MIDDLE_PX / diameter


def _diameters(labels: np.ndarray) -> np.ndarray:
    areas = np.bincount(labels.ravel())[1:]
    return 2 * np.sqrt(areas[areas > 0] / np.pi)
