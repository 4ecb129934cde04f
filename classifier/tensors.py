"""Labelled clips -> the tensors that a network is trained and validated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from classifier.augment import TYPICAL_SEPARATION, Batch
from classifier.decoys import decoys
from classifier.measures import measures
from classifier.pixels import normalised, pixel_size, read_clip
from lineage.schema import CROP_FRAMES, SEPARATION_INDEX, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from classifier.data import Clip
    from classifier.recipes import Recipe


@dataclass(frozen=True)
class ClipTensors:
    """N clips or decoys with their labels, on one device."""

    pixels: Tensor  # (N, 12, C, S, S) float16, normalised; or the measures, where the network takes those
    measures: Tensor  # (N, 12, F) float32; F is 0 where the recipe needs no measures
    labels: Tensor  # (N,) int64, index of the class
    separations: Tensor  # (N,) int64, about where the chromatin first separates

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, chosen: Tensor) -> Batch:
        """The clips at some indices, as the augmentation takes them."""
        return Batch(self.pixels[chosen].float(), self.separations[chosen])

    def subset(self, chosen: np.ndarray) -> ClipTensors:
        """The clips at some indices, or those where a mask holds."""
        index = torch.as_tensor(np.flatnonzero(chosen) if chosen.dtype == bool else chosen)
        index = index.to(self.labels.device)
        return ClipTensors(
            self.pixels[index], self.measures[index], self.labels[index], self.separations[index]
        )


def clip_tensors(clips: Sequence[Clip], recipe: Recipe, device: torch.device) -> ClipTensors:
    """Read and prepare every clip.

    Args:
        clips: N, their labels among the recipe's classes; of longer ones the first CROP_FRAMES count.
        recipe: says whether measures, pixels or both are needed, and at which size.
        device: where the tensors are kept.

    Returns:
        N clips, in the order given.
    """
    raw = [(read_clip(clip.path)[:CROP_FRAMES], pixel_size(clip.path)) for clip in clips]
    labels = [recipe.classes.index(clip.label) for clip in clips]
    separations = [TYPICAL_SEPARATION.get(clip.name.line, SEPARATION_INDEX) for clip in clips]
    return _prepare(raw, labels, separations, recipe, device)


def decoy_tensors(
    clips: Sequence[Clip], recipe: Recipe, device: torch.device, *, dying: Sequence[np.ndarray] = ()
) -> tuple[ClipTensors, np.ndarray]:
    """Cut crops without a mitosis out of the clips, and prepare them.

    Args:
        clips: to cut from.
        recipe: one that knows the class `none`.
        device: where the tensors are kept.
        dying: pictures of dying nuclei, as `classifier.dying.read_pictures` gives them.

    Returns:
        M decoys, and (M,) the index of the clip that each was cut from.
    """
    raw, sources = [], []
    for i, clip in enumerate(clips):
        rng = np.random.default_rng(i)
        normal = clip.label == MitosisClass.NORMAL
        found = decoys(read_clip(clip.path)[:CROP_FRAMES], rng, normal=normal, dying=dying)
        raw += [(pixels, pixel_size(clip.path)) for pixels in found]
        sources += [i] * len(found)
    none = recipe.classes.index(MitosisClass.NONE)
    separations = [SEPARATION_INDEX] * len(raw)
    return _prepare(raw, [none] * len(raw), separations, recipe, device), np.array(sources, int)


def _prepare(
    raw: list[tuple[np.ndarray, float]],
    labels: list[int],
    separations: list[int],
    recipe: Recipe,
    device: torch.device,
) -> ClipTensors:
    """`raw` holds crops and their pixel sizes in micrometres."""
    is_measured = recipe.forest or not recipe.side_px
    rows = torch.tensor(
        np.array([measures(*crop, device=str(device)) for crop in raw])
        if is_measured
        else np.zeros((len(raw), CROP_FRAMES, 0)),
        dtype=torch.float32,
    )
    pixels = rows
    if recipe.side_px:
        crops = [normalised(p, side_px=recipe.side_px, normalisation=recipe.normalisation) for p, _ in raw]
        pixels = torch.stack([torch.from_numpy(crop).half() for crop in crops])
    return ClipTensors(
        pixels.to(device),
        rows.to(device),
        torch.tensor(labels, device=device),
        torch.tensor(separations, device=device),
    )
