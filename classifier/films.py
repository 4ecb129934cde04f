"""Clips -> the tensors that a network learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from classifier.augment import TYPICAL_SEPARATION, Batch
from classifier.decoys import decoys
from classifier.measures import measures
from classifier.pixels import pixel_size, read_clip, shown
from lineage.schema import CROP_FRAMES, SEPARATION_INDEX, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from classifier.data import Clip
    from classifier.recipes import Recipe


@dataclass(frozen=True)
class Films:
    """What a network learns from or is tried on, on one device."""

    pixels: Tensor  # (N, 12, C, S, S) float16, normalised; or the measures, where the network takes them
    measures: Tensor  # (N, 12, F) float32; F is 0 where nobody asks for them
    labels: Tensor  # (N,) int64, index of the class
    separations: Tensor  # (N,) int64, about where the chromatin first separates

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, chosen: Tensor) -> Batch:
        """Some of them, to be varied."""
        return Batch(self.pixels[chosen].float(), self.separations[chosen])

    def some(self, chosen: np.ndarray) -> Films:
        """Those at some indices, or where a mask holds."""
        index = torch.as_tensor(np.flatnonzero(chosen) if chosen.dtype == bool else chosen)
        index = index.to(self.labels.device)
        return Films(self.pixels[index], self.measures[index], self.labels[index], self.separations[index])


def films(clips: Sequence[Clip], recipe: Recipe, device: torch.device) -> Films:
    """Every clip as the recipe wants it."""
    raw = [(read_clip(clip.path), pixel_size(clip.path)) for clip in clips]
    labels = [recipe.classes.index(clip.label) for clip in clips]
    separations = [TYPICAL_SEPARATION.get(clip.name.line, SEPARATION_INDEX) for clip in clips]
    return _stack(raw, labels, separations, recipe, device)


def decoy_films(clips: Sequence[Clip], recipe: Recipe, device: torch.device) -> tuple[Films, np.ndarray]:
    """Crops without a mitosis cut from the clips, and the index of the clip that each comes from."""
    raw, sources = [], []
    for i, clip in enumerate(clips):
        rng = np.random.default_rng(i)
        found = decoys(read_clip(clip.path), rng, normal=clip.label == MitosisClass.NORMAL)
        raw += [(pixels, pixel_size(clip.path)) for pixels in found]
        sources += [i] * len(found)
    none = recipe.classes.index(MitosisClass.NONE)
    middle = [SEPARATION_INDEX] * len(raw)
    return _stack(raw, [none] * len(raw), middle, recipe, device), np.array(sources, int)


def _stack(
    raw: list[tuple[np.ndarray, float]],
    labels: list[int],
    separations: list[int],
    recipe: Recipe,
    device: torch.device,
) -> Films:
    """`raw` are crops and their pixel sizes in micrometres."""
    measured = recipe.forest or not recipe.side_px
    rows = torch.tensor(
        np.array([measures(*one) for one in raw]) if measured else np.zeros((len(raw), CROP_FRAMES, 0)),
        dtype=torch.float32,
    )
    pixels = rows
    if recipe.side_px:
        each = [shown(p, side=recipe.side_px, normalisation=recipe.normalisation) for p, _ in raw]
        pixels = torch.stack([torch.from_numpy(one).half() for one in each])
    return Films(
        pixels.to(device),
        rows.to(device),
        torch.tensor(labels, device=device),
        torch.tensor(separations, device=device),
    )
