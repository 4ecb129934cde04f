"""A recipe on some clips, tried on others under every condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from classifier.augment import move_in_time
from classifier.forest import grow
from classifier.learn import probabilities, train
from classifier.measures import course
from classifier.model import NucleiLSTM, build
from classifier.pixels import DNA, PHASE
from classifier.pretrained import load_into
from lineage.schema import MitosisClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from classifier.films import Films
    from classifier.forest import Forest
    from classifier.model import Network
    from classifier.recipes import Recipe
    from classifier.state import History

SHIFTS = (-2, -1, 1, 2, 3, 4, 5)
FOREST_SHIFTS = (0, -2, 2, 3)  # frames: a forest sees no shift that it has not been shown
PLAIN = "both"


@dataclass(frozen=True)
class Start:
    """Where a training begins and what it leaves behind."""

    weights: dict[str, Tensor] | None = None  # published ones of the backbone
    state_path: Path | None = None
    identity: dict[str, Any] | None = None


def learn(
    name: str,
    films: Films,
    decoys: Films | None,
    recipe: Recipe,
    *,
    seed: int,
    start: Start,
    validation: Films | None = None,
    progress: Callable[[int, int, float, float | None], None] = lambda *_: None,
) -> tuple[Network, History]:
    """One network trained from its seed."""
    torch.manual_seed(seed)
    model = build(name, len(recipe.classes), side_px=recipe.side_px, **recipe.options)
    if start.weights is not None:
        load_into(model, start.weights)
    if isinstance(model, NucleiLSTM):
        model.standardise(films.measures.cpu())
    history = train(
        model, films, recipe, seed=seed, decoys=decoys, validation=validation,
        state_path=start.state_path, identity=start.identity, progress=progress,
    )  # fmt: skip
    return model, history


def learn_forest(rows: np.ndarray, labels: Tensor, recipe: Recipe, *, seed: int) -> Forest:
    """A forest from the (N, 12, F) measures of labelled clips, each shown at several times."""
    abnormal = (labels == recipe.classes.index(MitosisClass.ABNORMAL)).cpu().numpy()
    copies = [moved(torch.from_numpy(rows), s).numpy() for s in FOREST_SHIFTS]
    courses = np.array([course(row) for copy in copies for row in copy])
    return grow(courses, np.tile(abnormal, len(copies)), seed=seed)


def conditions(pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Name and (N, 12, ...) of each way in which clips are shown: whole, one channel, shifted in time.

    Measures are of the DNA alone: nothing is left without it.
    """
    yield PLAIN, pixels
    if pixels.ndim == 5:
        for name, lost in (("dna_only", PHASE), ("phase_only", DNA)):
            one = pixels.clone()
            one[:, :, lost] = 0
            yield name, one
    for shift in SHIFTS:
        yield f"shift{shift:+d}", moved(pixels, shift)


def moved(films: Tensor, shift: int) -> Tensor:
    """(N, 12, ...) later by `shift` frames, earlier if negative."""
    still = torch.ones(len(films), device=films.device)
    return move_in_time(films, shift * still, still)


def tell(model: nn.Module, films: Films) -> dict[str, np.ndarray]:
    """Condition -> (N, K) probabilities."""
    return {
        name: probabilities([model], x, mirrored=True).cpu().numpy() for name, x in conditions(films.pixels)
    }


def tell_forest(forest: Forest, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Condition -> (N,) probabilities of abnormal, from (N, 12, F) measures; without DNA there are none."""
    shown = {PLAIN: rows, "dna_only": rows}
    shown |= {f"shift{s:+d}": moved(torch.from_numpy(rows), s).numpy() for s in SHIFTS}
    return {name: forest.p_abnormal(np.array([course(r) for r in x])) for name, x in shown.items()}


def split(n: int, share: float, seed: int) -> np.ndarray:
    """(N,) bool, a random `share` of the clips, as the paper splits; fields fall on both sides."""
    chosen = np.zeros(n, bool)
    chosen[np.random.default_rng(seed).permutation(n)[: round(share * n)]] = True
    return chosen
