"""Images + model -> the size of the nuclei, and by how much the images are to be resized."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lineage.stardist import normalise
from lineage.stardist.predict import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineage.stardist.model import Model

SMALLER, LARGER = (1.0, 0.5, 0.25), (2.0, 4.0)  # zooms to try; the larger ones if nothing is found
MIN_NUCLEI = 5  # for their size to be known
SAME = 0.2  # |log| of two diameters, below which they are the same
BETTER = 1.3  # a smaller zoom must explain this much more of the image than a larger one
GROWTH = 2.0  # of fragments, as large as the network can see, from a zoom to half of it
LOST = 0.5  # a smaller zoom that explains less than this part loses nuclei: they were no fragments
FRAGMENT = 0.45  # objects below this part of the usual diameter are no nuclei
MIDDLE_PX = 20.0  # nuclei larger than those that the model finds best are brought to this size


@dataclass(frozen=True, eq=False)
class Look:
    """What the model finds in some images resized by `zoom`."""

    zoom: float
    found: list[tuple[np.ndarray, np.ndarray]]  # labels and probabilities, as `predict` gives them
    light: list[np.ndarray]  # of the images, above their background

    @cached_property
    def areas(self) -> np.ndarray:
        """(N,) areas in pixels of the images themselves; 0 where another object hides a nucleus."""
        every = [np.bincount(labels.ravel(), minlength=len(p) + 1)[1:] for labels, p in self.found]
        return np.concatenate([*every, np.zeros(0, np.int64)])

    @property
    def explained(self) -> float:
        """The light that lies in nuclei, weighted by their probabilities.

        A label that covers several nuclei and the dark between them explains no more than they do.
        """
        return float(
            sum(
                np.bincount(labels.ravel(), light.ravel(), len(p) + 1)[1:] @ p
                for (labels, p), light in zip(self.found, self.light, strict=True)
            )
        )

    @property
    def diameter_px(self) -> float | None:
        """Diameter of the circle with the nuclei's median area, without fragments; None if there are few."""
        diameters = np.sort(2 * np.sqrt(self.areas[self.areas > 0] / np.pi))
        if len(diameters) < MIN_NUCLEI:
            return None
        half = np.searchsorted(np.cumsum(diameters**2), np.sum(diameters**2) / 2)
        return float(np.median(diameters[diameters > FRAGMENT * diameters[half]]))


def look(model: Model, images: Sequence[np.ndarray]) -> Look:
    """Find the nuclei at the zoom that explains most of the light in the images.

    Large nuclei fall into fragments that are easily taken for nuclei; smaller zooms show if that happened.

    Args:
        model: the network.
        images: each (Y, X), raw grey levels.
    """
    seen = [normalise.arcsinh(image) for image in images]
    light = [np.clip(one - np.median(one[::2, ::2]), 0, 1) for one in seen]

    def at(zoom: float) -> Look:
        return Look(zoom, [predict(model, image, zoom=zoom) for image in images], light)

    best = at(SMALLER[0])
    for zoom in SMALLER[1:]:
        other = at(zoom)
        if best.diameter_px and other.explained < LOST * best.explained:
            break
        is_better = bool(other.diameter_px) and other.explained > BETTER * best.explained
        # Fragments grow as the image shrinks, and what they are of explains more; what does not are nuclei.
        within = SAME if is_better else np.log(GROWTH)
        if (
            best.diameter_px
            and other.diameter_px
            and abs(np.log(other.diameter_px / best.diameter_px)) < within
        ):
            break
        if is_better:
            best = other
    for zoom in LARGER:
        if best.diameter_px is None:
            best = at(zoom)
    return best


def diameter_px(model: Model, images: Sequence[np.ndarray]) -> float | None:
    """The usual diameter of the nuclei; None where too few are found.

    Args:
        model: the network.
        images: each (Y, X), raw grey levels.
    """
    return look(model, images).diameter_px


def zoom_of(model: Model, diameter: float | None) -> float:
    """By how much images with nuclei of this diameter are resized for the model.

    1 if the model finds nuclei of this size best, or if the diameter is not known.

    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(diameters_px=(14.0, 60.0))
    >>> [zoom_of(model, diameter) for diameter in (80.0, 20.0, 7.0)]
    [0.25, 1.0, 2.0]
    """
    if diameter is None or model.diameters_px is None:
        return 1.0
    low, high = model.diameters_px
    if diameter < low:
        return low / diameter
    return 1.0 if diameter <= high else MIDDLE_PX / diameter


def at_own_size(model: Model, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nuclei of one image whose size is not known.

    Args:
        model: the network.
        image: (Y, X), raw grey levels.

    Returns:
        As `lineage.stardist.predict.predict`.
    """
    if model.diameters_px is None:
        return predict(model, image)
    seen = look(model, [image])
    zoom = zoom_of(model, seen.diameter_px)
    return seen.found[0] if seen.zoom == zoom else predict(model, image, zoom=zoom)
