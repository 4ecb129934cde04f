"""Clips as tensors and a recipe -> a network, a forest, and what they predict of other clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from classifier.augment import move_in_time
from classifier.forest import grow
from classifier.learn import probabilities, train
from classifier.measures import time_summary
from classifier.model import NucleiLSTM, build
from classifier.pixels import DNA, PHASE
from classifier.pretrained import load_backbone
from lineage.schema import MitosisClass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from classifier.forest import Forest
    from classifier.learn import Progress
    from classifier.model import Network
    from classifier.recipes import Recipe
    from classifier.state import History
    from classifier.tensors import ClipTensors

SHIFTS = (-2, -1, 1, 2, 3, 4, 5)  # frames
# Of the training clips of a forest, which copes only with shifts that it has seen.
FOREST_SHIFTS = (0, -2, 2, 3)
UNCHANGED = "both"  # the condition in which both channels are shown, at the frames of the clip


@dataclass(frozen=True)
class Start:
    """What a training starts from, and where it leaves its state."""

    weights: dict[str, Tensor] | None = None  # published ones, of the backbone
    state_path: Path | None = None
    identity: dict[str, Any] | None = None


def train_network(
    name: str,
    clips: ClipTensors,
    decoys: ClipTensors | None,
    recipe: Recipe,
    *,
    seed: int,
    start: Start,
    validation: ClipTensors | None = None,
    progress: Progress = lambda *_: None,
) -> tuple[Network, History]:
    """Train one network from its seed.

    Args:
        name: one of `model.MODELS`.
        clips: learned from.
        decoys: crops without a mitosis, learned from as well; None without the class `none`.
        recipe: how the network is trained.
        seed: of everything random.
        start: first weights, and where to leave the state of the training.
        validation: the epoch that is best on these is kept; without them, the last.
        progress: called with epochs done, epochs at most, loss, validation accuracy.

    Returns:
        The network, in evaluation mode, and how the training went.

    Raises:
        InputError: the state that was left is of other clips or settings, or the first weights do not fit.
    """
    torch.manual_seed(seed)
    model = build(name, len(recipe.classes), side_px=recipe.side_px, **recipe.options)
    if start.weights is not None:
        load_backbone(model, start.weights)
    if isinstance(model, NucleiLSTM):
        model.standardise(clips.measures.cpu())
    history = train(
        model,
        clips,
        recipe,
        seed=seed,
        decoys=decoys,
        validation=validation,
        state_path=start.state_path,
        identity=start.identity,
        progress=progress,
    )
    return model, history


def train_forest(clips: ClipTensors, recipe: Recipe, *, seed: int) -> Forest:
    """Grow a forest from measures, each clip at several shifts in time.

    Args:
        clips: with measures.
        recipe: names the classes.
        seed: of everything random.

    Returns:
        The forest.
    """
    rows = clips.measures.cpu()
    abnormal = (clips.labels == recipe.classes.index(MitosisClass.ABNORMAL)).cpu().numpy()
    copies = [shifted(rows, shift).numpy() for shift in FOREST_SHIFTS]
    features = np.array([time_summary(row) for copy in copies for row in copy])
    return grow(features, np.tile(abnormal, len(copies)), seed=seed)


def conditions(pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Name and (N, 12, ...) of each way in which clips are shown: as they are, one channel, shifted in time.

    Measures are of the DNA alone, so that there is nothing to take out of them.
    """
    yield UNCHANGED, pixels
    if pixels.ndim == 5:
        for name, lost in (("dna_only", PHASE), ("phase_only", DNA)):
            changed = pixels.clone()
            changed[:, :, lost] = 0
            yield name, changed
    for shift in SHIFTS:
        yield f"shift{shift:+d}", shifted(pixels, shift)


def shifted(x: Tensor, shift: int) -> Tensor:
    """(N, 12, ...) later by `shift` frames, earlier if negative."""
    ones = torch.ones(len(x), device=x.device)
    return move_in_time(x, shift * ones, ones)


def network_probabilities(model: nn.Module, clips: ClipTensors) -> dict[str, np.ndarray]:
    """Condition -> (N, K) probabilities."""
    return {
        name: probabilities([model], x, mirrored=True).cpu().numpy() for name, x in conditions(clips.pixels)
    }


def forest_probabilities(forest: Forest, clips: ClipTensors) -> dict[str, np.ndarray]:
    """Condition -> (N,) probabilities of abnormal; there are none without DNA."""
    rows = clips.measures.cpu()
    by_condition = {UNCHANGED: rows, "dna_only": rows}
    by_condition |= {f"shift{shift:+d}": shifted(rows, shift) for shift in SHIFTS}
    return {
        name: forest.p_abnormal(np.array([time_summary(row) for row in x.numpy()]))
        for name, x in by_condition.items()
    }


def random_split(n: int, share: float, seed: int) -> np.ndarray:
    """Choose clips at random, as the paper does; clips of one field may fall on both sides.

    Args:
        n: number of clips.
        share: of them to choose.
        seed: of the choice.

    Returns:
        (n,) bool.
    """
    chosen = np.zeros(n, bool)
    chosen[np.random.default_rng(seed).permutation(n)[: round(share * n)]] = True
    return chosen
