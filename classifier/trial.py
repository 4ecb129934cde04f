"""One fold of a cross-validation: trained on the other folds, tried on this one under every condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from classifier.augment import move_in_time
from classifier.learn import probabilities, train
from classifier.model import build
from classifier.pretrained import load_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from classifier.films import Films
    from classifier.recipes import Recipe

SHIFTS = (-2, -1, 1, 2, 3, 4, 5)
PLAIN = "both"


def conditions(pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Name and (N, 12, 2, S, S) of each way in which clips are shown: whole, one channel, shifted in time."""
    yield PLAIN, pixels
    for name, channel in (("dna_only", 0), ("phase_only", 1)):
        one = pixels.clone()
        one[:, :, channel] = 0
        yield name, one
    for shift in SHIFTS:
        n = len(pixels)
        yield f"shift{shift:+d}", move_in_time(
            pixels, torch.full((n,), shift, device=pixels.device), torch.ones(n, device=pixels.device)
        )


def member_seed(seed: int, member: int) -> int:
    """The seed of one of several networks that vote.

    >>> member_seed(0, 0), member_seed(2, 1)
    (0, 201)
    """
    return 100 * seed + member


def learn(
    name: str,
    films: Films,
    decoys: Films | None,
    recipe: Recipe,
    *,
    seed: int,
    start: dict[str, Tensor] | None,
    graphs: bool = True,
    progress: Callable[..., None] = lambda *_: None,
) -> nn.Module:
    """One network trained from its seed."""
    torch.manual_seed(seed)
    model = build(name, len(recipe.classes), side_px=recipe.side_px, **recipe.options)
    if start is not None:
        load_into(model, start)
    train(model, films, recipe, seed=seed, decoys=decoys, graphs=graphs, progress=progress)
    return model


def tell(models: list[nn.Module], films: Films, *, every: bool = True, mirrored: bool = True) -> dict[str, np.ndarray]:
    """Condition -> (N, K) probabilities."""
    shown = conditions(films.pixels) if every else ((PLAIN, films.pixels),)
    return {name: probabilities(models, x, mirrored=mirrored).cpu().numpy() for name, x in shown}


def split(n: int, share: float, seed: int) -> np.ndarray:
    """(N,) bool, a random `share` of the clips, as the paper splits; fields fall on both sides."""
    chosen = np.zeros(n, bool)
    chosen[np.random.default_rng(seed).permutation(n)[: round(share * n)]] = True
    return chosen
