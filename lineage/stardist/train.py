"""Images with masks, and simulated fields -> a trained StarDist model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lineage.device import AUTO, device_of
from lineage.simulate.nuclei import nucleus_field
from lineage.stardist import normalise
from lineage.stardist.data import BEST_SEEN_PX, MARGIN_PX, disturb, patch, targets
from lineage.stardist.model import Model, with_ranges
from lineage.stardist.network import StarDist, StarDistConfig, half_precision, ready
from lineage.stardist.predict import predict
from lineage.stardist.thresholds import average_precisions, with_best_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from torch.optim.swa_utils import AveragedModel

    from lineage.stardist.data import Annotated

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]
SMOOTHING = 0.998  # of the moving average of the weights, from step to step
DISTANCE_WEIGHT = 0.2  # of the distances in the loss, as in StarDist


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train."""

    steps: int = 10_000
    batch: int = 4
    size: int = 256  # side of a patch, pixels
    simulated: float = 0.3  # share of the patches that are drawn by `lineage.simulate.nuclei`
    learning_rate: float = 1e-3  # the highest
    seed: int = 0
    workers: int = 1  # processes that make patches
    reports: int = 6  # how often the validation images are scored, and a checkpoint is written


class Patches(IterableDataset[Sample]):
    """Endless augmented patches: image (1, S, S), probability (S/g, S/g), distances (n_rays, S/g, S/g)."""

    def __init__(
        self, pairs: list[Annotated], config: StarDistConfig, schedule: Schedule, first_step: int
    ) -> None:
        self.pairs, self.config, self.schedule, self.first_step = pairs, config, schedule, first_step

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.schedule.seed, self.first_step, worker.id if worker else 0])
        while True:
            if rng.random() < self.schedule.simulated:
                image, mask = nucleus_field(rng, size=self.schedule.size)
            else:
                pair = self.pairs[rng.integers(len(self.pairs))]
                image, mask = patch(pair, rng, self.schedule.size)
            image = disturb(image, mask, rng)
            yield normalise.arcsinh(image)[None], *targets(mask, self.config.n_rays, self.config.grid)


def loss(logits: Tensor, dist: Tensor, prob_true: Tensor, dist_true: Tensor) -> Tensor:
    """StarDist's loss: cross-entropy of the probability, and the distances' absolute error inside objects.

    Args:
        logits: (B, 1, h, w), predicted.
        dist: (B, n_rays, h, w), predicted, pixels.
        prob_true: (B, 1, h, w).
        dist_true: (B, n_rays, h, w), pixels.

    Returns:
        One number.
    """
    error = (prob_true * (dist - dist_true).abs()).mean() / (prob_true.mean() + 1e-7)
    outside = ((1 - prob_true) * dist.abs()).mean()
    of_prob = F.binary_cross_entropy_with_logits(logits, prob_true)
    return of_prob + DISTANCE_WEIGHT * (error + 1e-4 * outside)


@dataclass(eq=False)
class Learner:
    """A network in training, with all that a checkpoint keeps of it."""

    network: StarDist
    smooth: AveragedModel  # a moving average of the weights over the steps, which is what is saved
    optimiser: Optimizer
    rates: LRScheduler

    def learn(self, error: Tensor) -> None:
        """One step down the error."""
        self.optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.rates.step()
        self.smooth.update_parameters(self.network)

    def model(self, device: torch.device) -> Model:
        """What has been learned so far, with StarDist's own thresholds."""
        network = ready(cast("StarDist", self.smooth.module), device)
        return Model(network, 0.5, 0.4, diameters_px=BEST_SEEN_PX, margin_px=MARGIN_PX, half=True)


def train(
    pairs: list[Annotated],
    validation: list[Annotated],
    config: StarDistConfig,
    schedule: Schedule,
    *,
    checkpoint: Path,
    teacher: Model | None = None,
    start: Model | None = None,
    device: torch.device | None = None,
    log: Callable[[str], None],
) -> Model:
    """Train, and choose the thresholds on `validation`.

    A checkpoint is written at every report; if there is one already, training continues from it.

    Args:
        pairs: images to learn from.
        validation: images scored in every report; the thresholds are chosen on them.
        config: the architecture; the grid must be the teacher's.
        schedule: how long and how hard.
        checkpoint: file of the checkpoint.
        teacher: a larger model, whose predictions weigh as much as the truth (distillation).
        start: gives the first weights in place of random ones; `config` may have more filters than this
            model, and must otherwise be the same.
        device: as `lineage.device.device_of` gives it; a GPU if there is one if None.
        log: called with one line at every report.

    Returns:
        The model, with the thresholds that suit it best.
    """
    device = device or device_of(AUTO)
    torch.manual_seed(schedule.seed)
    learner = _learner(config, schedule, start, device)
    first = _resume(checkpoint, vars(learner), device)
    batches = _batches(Patches(pairs, config, schedule, first), device)
    every = max(1, schedule.steps // schedule.reports)
    began, running = time.monotonic(), torch.zeros((), device=device)
    for step in range(first + 1, schedule.steps + 1):
        x, prob, dist = next(batches)  # (B, 1, S, S), (B, 1, h, w), (B, n_rays, h, w)
        with half_precision(device):
            logits, rays = learner.network(x)
        error = loss(logits, rays, prob, dist)
        if teacher:
            with torch.no_grad(), half_precision(device):
                teacher_logits, teacher_rays = teacher.network(x)
            error = 0.5 * error + 0.5 * loss(logits, rays, torch.sigmoid(teacher_logits), teacher_rays)
        learner.learn(error)
        running = error.detach() if step == first + 1 else 0.99 * running + 0.01 * error.detach()
        if step % every == 0 or step == schedule.steps:
            _save(checkpoint, step, vars(learner))
            left = (time.monotonic() - began) / (step - first) * (schedule.steps - step) / 60
            score = average_precisions(learner.model(device), validation[:20], predict)[0.5]
            log(
                f"step {step} of {schedule.steps}, loss {running.item():.3f}, "
                f"AP@0.5 {score:.3f}, {left:.0f} min left"
            )
    with_int8 = with_ranges(learner.model(device), [pair.image for pair in validation])
    return with_best_thresholds(with_int8, validation)


def _learner(
    config: StarDistConfig, schedule: Schedule, start: Model | None, device: torch.device
) -> Learner:
    network = StarDist(config)
    if start:
        network.load_state_dict(widened(start.network.state_dict(), network.state_dict()))
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    smooth = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(SMOOTHING), use_buffers=True
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.learning_rate, total_steps=schedule.steps, pct_start=0.05
    )
    return Learner(network, smooth, optimiser, rates)


def widened(narrow: dict[str, Tensor], wide: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network for one with more filters, which then computes the same.

    The new filters keep their random weights, and the old ones start by giving them no weight (as in Net2Net,
    Chen et al. 2016). Where two maps are joined, each half is widened on its own.

    Args:
        narrow: state of the smaller network.
        wide: state of the larger, of the same depth.
    """
    return {name: _widened(narrow[name], random, _joins(name)) for name, random in wide.items()}


def _joins(name: str) -> bool:
    """Whether these weights belong to a convolution that reads two maps: the level below, and this one."""
    return name.startswith("up.") and name.endswith(".0.weight")


def _widened(narrow: Tensor, random: Tensor, joins: bool) -> Tensor:
    if narrow.ndim == 0:
        return narrow
    out = random.clone()
    out[: len(narrow)] = 0
    if narrow.ndim == 1:
        out[: len(narrow)] = narrow
        return out
    parts = 2 if joins else 1
    for old, new in zip(narrow.chunk(parts, dim=1), out.chunk(parts, dim=1), strict=True):
        new[: old.shape[0], : old.shape[1]] = old
    return out


def _batches(patches: Patches, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless: images (B, 1, S, S), probabilities (B, 1, h, w), distances (B, n_rays, h, w)."""
    loader = DataLoader(
        patches,
        batch_size=patches.schedule.batch,
        num_workers=patches.schedule.workers,
        prefetch_factor=4,
        pin_memory=device.type == "cuda",
    )
    for batch in loader:
        x, prob, dist = (part.to(device, non_blocking=True) for part in batch)
        yield x.contiguous(memory_format=torch.channels_last), prob[:, None], dist


def _save(checkpoint: Path, step: int, parts: dict) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"step": step, **state}, checkpoint.with_suffix(".partial"))
    checkpoint.with_suffix(".partial").replace(checkpoint)


def _resume(checkpoint: Path, parts: dict, device: torch.device) -> int:
    """Load the checkpoint, if there is one; returns the number of steps done."""
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True, map_location=device)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return saved["step"]
