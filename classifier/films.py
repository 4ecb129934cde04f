"""Clips -> the tensors that a network learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from classifier.augment import TYPICAL_SEPARATION, Batch
from classifier.decoys import decoys
from classifier.pixels import read_clip, shown
from lineage.schema import SEPARATION_INDEX, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from classifier.data import Clip
    from classifier.recipes import Recipe


@dataclass(frozen=True)
class Films:
    """What a network learns from or is tried on, on one device."""

    pixels: Tensor  # (N, 12, C, S, S) float16, normalised
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
        return Films(self.pixels[index], self.labels[index], self.separations[index])


def films(clips: Sequence[Clip], recipe: Recipe, device: torch.device) -> Films:
    """Every clip as the recipe wants it."""
    raw = [read_clip(clip.path) for clip in clips]
    labels = [recipe.classes.index(clip.label) for clip in clips]
    separations = [TYPICAL_SEPARATION.get(clip.name.line, SEPARATION_INDEX) for clip in clips]
    return _stack(raw, labels, separations, recipe, device)


def decoy_films(clips: Sequence[Clip], recipe: Recipe, device: torch.device) -> tuple[Films, np.ndarray]:
    """Crops without a mitosis cut from the clips, and the index of the clip that each comes from."""
    raw, sources = [], []
    for i, clip in enumerate(clips):
        rng = np.random.default_rng(i)
        found = decoys(read_clip(clip.path), rng, normal=clip.label == MitosisClass.NORMAL)
        raw += found
        sources += [i] * len(found)
    none = recipe.classes.index(MitosisClass.NONE)
    middle = [SEPARATION_INDEX] * len(raw)
    return _stack(raw, [none] * len(raw), middle, recipe, device), np.array(sources, int)


def _stack(
    raw: list[np.ndarray], labels: list[int], separations: list[int], recipe: Recipe, device: torch.device
) -> Films:
    pixels = [
        torch.from_numpy(shown(p, side=recipe.side_px, normalisation=recipe.normalisation)).half()
        for p in raw
    ]
    return Films(
        torch.stack(pixels).to(device),
        torch.tensor(labels, device=device),
        torch.tensor(separations, device=device),
    )
