"""Images with masks, and simulated fields -> a trained StarDist model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from lineage.simulate.nuclei import nucleus_field
from lineage.stardist.data import Annotated, disturb, patch, targets
from lineage.stardist.model import Model
from lineage.stardist.network import StarDist, StarDistConfig, half_precision
from lineage.stardist.predict import draw, forward, normalise, predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]
PROB_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
NMS_THRESHOLDS = (0.3, 0.4, 0.5)


class Patches(IterableDataset[Sample]):
    """Endless augmented patches: image (1, S, S), probability (S/g, S/g), distances (n_rays, S/g, S/g)."""

    def __init__(
        self, pairs: list[Annotated], config: StarDistConfig, *, size: int, simulated: float, seed: int
    ) -> None:
        self.pairs, self.config, self.size, self.simulated, self.seed = pairs, config, size, simulated, seed

    def __iter__(self) -> Iterator[Sample]:
        rng = np.random.default_rng(self.seed)
        while True:
            if rng.random() < self.simulated:
                image, mask = nucleus_field(rng, size=self.size)
            else:
                image, mask = patch(self.pairs[rng.integers(len(self.pairs))], rng, self.size)
                image = disturb(image, rng)
            prob, dist = targets(mask, self.config.n_rays, self.config.grid)
            yield normalise(image)[None], prob, dist


def loss(logits: Tensor, dist: Tensor, prob_true: Tensor, dist_true: Tensor) -> Tensor:
    """StarDist's: cross-entropy of the probability, and the distances' absolute error inside objects.

    Shapes: (B, 1, h, w), (B, n_rays, h, w), (B, h, w), (B, n_rays, h, w).
    """
    weight = prob_true[:, None]
    error = (weight * (dist - dist_true).abs()).mean() / (weight.mean() + 1e-7)
    outside = ((1 - weight) * dist.abs()).mean()
    return F.binary_cross_entropy_with_logits(logits[:, 0], prob_true) + 0.2 * (error + 1e-4 * outside)


def train(
    pairs: list[Annotated],
    validation: list[Annotated],
    config: StarDistConfig,
    checkpoint: Path,
    *,
    steps: int = 10_000,
    batch: int = 4,
    size: int = 224,
    simulated: float = 0.5,
    learning_rate: float = 1e-3,
    seed: int = 0,
    every: int = 500,
    start: Model | None = None,
    say: Callable[[str], None],
) -> Model:
    """Train, optimise the thresholds on `validation`, and return the model.

    `start` gives the first weights in place of random ones; its architecture must be that of `config`.
    A checkpoint is written every `every` steps; where one lies at `checkpoint`, training goes on from it.
    """
    torch.manual_seed(seed)
    network = StarDist(config)
    if start:
        network.load_state_dict(start.network.state_dict())
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=steps, pct_start=0.05
    )

    def smooth() -> Model:
        return Model(cast("StarDist", average.module).eval(), prob_threshold=0.5, nms_threshold=0.4)

    parts: dict[str, Any] = {"net": network, "ema": average, "optimiser": optimiser, "schedule": schedule}
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        first = saved["step"]
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    patches = Patches(pairs, config, size=size, simulated=simulated, seed=seed + first)
    samples = iter(DataLoader(patches, batch_size=batch, num_workers=1, prefetch_factor=4))
    began, running = time.monotonic(), 0.0
    for step in range(first, steps):
        x, prob, dist = next(samples)
        with half_precision(torch.device("cpu")):
            logits, rays = network(x.contiguous(memory_format=torch.channels_last))
        error = loss(logits, rays, prob, dist)
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        running = error.item() if step == first else 0.99 * running + 0.01 * error.item()
        if (step + 1) % every == 0 or step + 1 == steps:
            state = {name: part.state_dict() for name, part in parts.items()}
            torch.save({"step": step + 1, **state}, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)
            left = (time.monotonic() - began) / (step + 1 - first) * (steps - step - 1) / 60
            score = average_precision(smooth(), validation[:20], 0.5)
            say(f"step {step + 1} of {steps}, loss {running:.3f}, AP {score:.3f}, {left:.0f} min left")
    return with_best_thresholds(smooth(), validation)


def average_precision(model: Model, pairs: list[Annotated], iou: float) -> float:
    """StarDist's average precision, TP / (TP + FP + FN), pooled over the images."""
    from stardist.matching import matching_dataset

    truth = [p.mask for p in pairs]
    found = [predict(model, p.image)[0] for p in pairs]
    return float(matching_dataset(truth, found, thresh=iou, show_progress=False).accuracy)


def with_best_thresholds(model: Model, pairs: list[Annotated]) -> Model:
    """The model with the thresholds of the best mean average precision at IoU 0.5 and 0.7 on `pairs`."""
    from stardist.matching import matching_dataset

    truth = [p.mask for p in pairs]
    seen = [forward(model, normalise(p.image)) for p in pairs]

    def score(candidate: Model) -> float:
        found = [draw(candidate, *s, t.shape)[0] for s, t in zip(seen, truth, strict=True)]
        matches = matching_dataset(truth, found, thresh=(0.5, 0.7), show_progress=False)
        return sum(float(m.accuracy) for m in matches)

    candidates = [
        replace(model, prob_threshold=p, nms_threshold=n) for p in PROB_THRESHOLDS for n in NMS_THRESHOLDS
    ]
    return max(candidates, key=score)
