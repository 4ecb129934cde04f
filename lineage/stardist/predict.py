"""Image + model -> instance labels, equal to those of the stardist package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.stardist import normalise

if TYPE_CHECKING:
    from lineage.stardist.model import Model

TILE_PX = 2080  # larger images are taken in squares of this side; a camera's 2048 and margins fit in
HALO_PX = 128  # a tile is read this much beyond its square: more than the network's field of view


@dataclass(frozen=True, eq=False)
class Candidates:
    """Every point of an image that may be the middle of an object, with its polygon."""

    points: np.ndarray  # (N, 2) y, x in pixels
    probability: np.ndarray  # (N,)
    rays: np.ndarray  # (N, n_rays) pixels
    shape: tuple[int, int]  # (Y, X) of the image


def predict(model: Model, image: np.ndarray, *, zoom: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Find the nuclei of one image.

    Args:
        model: as `lineage.stardist.model.load` gives it.
        image: (Y, X), or (Y, X, C) where the model has channels; raw grey levels.
        zoom: the image is resized by this for the network; labels have the image's own size.

    Returns:
        labels (Y, X) int32, 0 is background, and the probability (N,) of label 1, 2, ... N.
    """
    return draw(candidates(model, image, zoom=zoom), model.prob_threshold, model.nms_threshold)


def candidates(
    model: Model,
    image: np.ndarray,
    *,
    zoom: float = 1.0,
    min_probability: float | None = None,
    near: tuple[float, float] | None = None,
) -> Candidates:
    """What the network predicts for an image, before non-maximum suppression.

    Args:
        model: the network.
        image: (Y, X) or (Y, X, C), raw grey levels.
        zoom: as in `predict`.
        min_probability: above which a point is a candidate; the model's threshold if None.
        near: y, x in pixels; the network looks there alone, which is quick. Everywhere if None.

    Returns:
        Candidates, in pixels of the image.
    """
    from lineage.stardist.resize import resized

    shape = image.shape[:2]
    if min_probability is None:
        min_probability = model.prob_threshold
    seen = getattr(normalise, model.normalisation)(image)
    if zoom != 1:
        seen = resized(seen, (max(1, round(shape[0] * zoom)), max(1, round(shape[1] * zoom))))
    scale, size, margin = np.array(shape) / seen.shape[:2], seen.shape[:2], model.margin_px
    seen = np.pad(seen, [(margin, margin)] * 2 + [(0, 0)] * (seen.ndim - 2), mode="reflect")
    corner = np.zeros(2, int)
    if near is not None:
        middle = (near / scale).astype(int) + margin
        # From such a corner on, the network's coarser levels lie as they do in the whole image.
        corner = (
            np.maximum(middle - HALO_PX, 0) // model.network.config.multiple * model.network.config.multiple
        )
        seen = seen[corner[0] : middle[0] + HALO_PX, corner[1] : middle[1] + HALO_PX]
    found = [_tile(model, seen, y, x, min_probability) for y, x in _corners(seen.shape)]
    points, probability, rays = (np.concatenate(part) for part in zip(*found, strict=True))
    inside = (points < seen.shape[:2]).all(axis=1)
    points = points + corner - margin
    inside &= ((points >= 0) & (points < size)).all(axis=1)
    return Candidates(
        points[inside] * scale, probability[inside], rays[inside] * np.float32(scale.mean()), shape
    )


def _corners(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    if max(shape[:2]) <= TILE_PX:
        return [(0, 0)]
    return [(y, x) for y in range(0, shape[0], TILE_PX) for x in range(0, shape[1], TILE_PX)]


def _tile(
    model: Model, image: np.ndarray, y: int, x: int, min_probability: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The candidates whose middle lies in the square at (y, x): points, probability, rays."""
    import torch

    from lineage.device import computing
    from lineage.stardist.network import half_precision

    config = model.network.config
    is_untiled = max(image.shape[:2]) <= TILE_PX
    top, left = (max(0, n - HALO_PX) for n in (y, x))
    cut = image if is_untiled else image[top : y + TILE_PX + HALO_PX, left : x + TILE_PX + HALO_PX]
    margins = [(0, -n % config.multiple) for n in cut.shape[:2]]
    padded = np.pad(cut, margins + [(0, 0)] * (cut.ndim - 2), mode="reflect")
    planes = torch.from_numpy(padded).reshape(1, *padded.shape[:2], -1)
    min_logit = float(np.log(min_probability / (1 - min_probability)))
    with torch.inference_mode(), computing(model.device, tf32=model.half):
        with half_precision(model.device, allowed=model.half):
            found = model.network.candidates(planes.to(model.device).permute(0, 3, 1, 2), min_logit)
        grid_points, logits, rays = (part.cpu().numpy() for part in found)
    points = grid_points * config.grid + (top, left)
    own = np.ones(len(points), bool) if is_untiled else _between(points, (y, x), (y + TILE_PX, x + TILE_PX))
    probability = 1 / (1 + np.exp(-logits[own]))
    return points[own], probability, np.maximum(rays[own], 1e-3)


def _between(points: np.ndarray, low: tuple[int, int], high: tuple[int, int]) -> np.ndarray:
    return np.asarray(((points >= low) & (points < high)).all(axis=1))


def draw(found: Candidates, prob_threshold: float, nms_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Candidates above the threshold -> non-maximum suppression -> polygons -> labels.

    Args:
        found: of one image.
        prob_threshold: candidates below it are left out.
        nms_threshold: polygons that overlap more than this are one object.

    Returns:
        labels (Y, X) int32 and the probability (N,) of label 1, 2, ... N.
    """
    from lineage.stardist.polygons import best, drawn

    above = np.flatnonzero(found.probability > prob_threshold)
    kept = above[best(found.points[above], found.probability[above], found.rays[above], nms_threshold)]
    points, scores = found.points[kept], found.probability[kept]
    return drawn(points, scores, found.rays[kept], found.shape), scores.astype(np.float32)
