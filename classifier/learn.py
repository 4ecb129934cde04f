"""Labelled clips as tensors -> a trained network: the training loop."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from classifier.augment import vary, vary_as_the_paper, vary_measures
from classifier.state import State
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from classifier.model import Network
    from classifier.recipes import Recipe, Stage
    from classifier.state import History
    from classifier.tensors import ClipTensors

    # Epochs done, epochs at most, loss, validation accuracy if there is a validation.
    Progress = Callable[[int, int, float, float | None], None]

AUGMENTATIONS = {"ours": vary, "paper": vary_as_the_paper, "measures": vary_measures}


def autocast(device: torch.device) -> Any:
    """Use bfloat16 where it is faster than float32: on NVIDIA's GPUs, and on processors with AMX.

    Not with AVX-512's: there the gradient of a convolution in 3D ResNet50 was now and then not a number.
    """
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, cache_enabled=False)
    if device.type == "cpu" and torch.cpu._is_amx_tile_supported():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


class Forward(nn.Module):
    """The network in mixed precision, logits in float32."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.model, self.device = model, device

    def forward(self, x: Tensor) -> Tensor:
        """(B, 12, C, H, W) -> (B, K)."""
        with autocast(self.device):
            return self.model(x).float()


def as_cuda_graphs(forward: nn.Module, sample: Tensor) -> nn.Module:
    """`forward` as CUDA graphs: launching a small network's kernels takes longer than running them."""
    before = {name: b.clone() for name, b in forward.named_buffers()}
    found = torch.cuda.make_graphed_callables(forward, (sample,))
    for name, b in forward.named_buffers():
        b.copy_(before[name])  # capturing the graphs has changed the means of the batch norms
    return cast("nn.Module", found)


def cosine(progress: float) -> float:
    """Share of the highest rate: a warm-up over the first twentieth of a stage (0..1), then a cosine to 0.

    >>> cosine(0.0), cosine(0.05), round(cosine(1.0), 6)
    (0.0, 1.0, 0.0)
    """
    return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * max(progress - 0.05, 0) / 0.95))


def class_weights(labels: Tensor, n_classes: int, *, full: bool) -> Tensor:
    """Weigh classes by how rare they are.

    Args:
        labels: (N,) int64.
        n_classes: K.
        full: all classes weigh the same in total; else by the square root of rarity, since with full balance
            too many clips are called abnormal where abnormal ones are as rare as usual.

    Returns:
        (K,).
    """
    counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
    weights = len(labels) / (n_classes * counts)
    return weights if full else weights.sqrt()


def weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy with targets that may be blends of classes.

    Args:
        logits: (B, K).
        targets: (B, K), rows sum to 1.
        weights: (K,) of the classes.

    Returns:
        The weighted mean.
    """
    per_clip = -(targets * weights * logits.log_softmax(dim=1)).sum(dim=1)
    return per_clip.sum() / (targets * weights).sum()


def smoothed_targets(n_classes: int, smoothing: float) -> Tensor:
    """(K, K): the target of each class, label smoothing included."""
    return torch.eye(n_classes) * (1 - smoothing) + smoothing / n_classes


class Batches:
    """Clips and decoys in random batches, augmented and blended, with their targets."""

    def __init__(self, clips: ClipTensors, decoys: ClipTensors | None, recipe: Recipe) -> None:
        self.clips, self.decoys, self.recipe = clips, decoys, recipe
        share = recipe.none_share / (1 + recipe.none_share)
        self.n_decoys = round(share * recipe.batch) if decoys is not None and len(decoys) else 0
        self.n_clips = recipe.batch - self.n_decoys
        self.steps = max(len(clips) // self.n_clips, 1)
        self.targets = smoothed_targets(len(recipe.classes), recipe.label_smoothing).to(clips.pixels.device)
        self.augment = AUGMENTATIONS[recipe.augmentation]

    def of_epoch(self, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of one epoch: (B, 12, C, S, S) or (B, 12, F), and targets (B, K)."""
        order = torch.randperm(len(self.clips), generator=random, device=random.device)
        if len(order) < self.n_clips:
            order = order.repeat(-(-self.n_clips // len(order)))
        for step in range(self.steps):
            yield self._batch(order[step * self.n_clips : (step + 1) * self.n_clips], random)

    def _batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        x, y = self.augment(self.clips.batch(chosen), random), self.targets[self.clips.labels[chosen]]
        if self.decoys is not None and self.n_decoys:
            others = torch.randint(len(self.decoys), (self.n_decoys,), generator=random, device=random.device)
            x = torch.cat([x, self.augment(self.decoys.batch(others), random)])
            y = torch.cat([y, self.targets[self.decoys.labels[others]]])
        return blend(x, y, random, share=self.recipe.mixing) if self.recipe.mixing else (x, y)


def train(
    model: Network,
    clips: ClipTensors,
    recipe: Recipe,
    *,
    seed: int,
    decoys: ClipTensors | None = None,
    validation: ClipTensors | None = None,
    state_path: Path | None = None,
    identity: dict[str, Any] | None = None,
    progress: Progress = lambda *_: None,
) -> History:
    """Train a network in place; goes on from `state_path` if a killed training left its state there.

    Args:
        model: on any device; ends on that of `clips`, in evaluation mode.
        clips: learned from.
        recipe: rates, batches, augmentation.
        seed: of everything random.
        decoys: mixed with the clips, where the recipe knows the class `none`.
        validation: the epoch that is best on these is kept; without them, the last.
        state_path: where to leave the state after each epoch.
        identity: what the weights depend on; a state with another identity is refused.
        progress: called with epochs done, epochs at most, loss, validation accuracy.

    Returns:
        Losses and accuracies by epoch.

    Raises:
        InputError: `state_path` holds a training of other clips or settings, or the loss is not a number.
    """
    device = clips.pixels.device
    model.to(device)
    batches = Batches(clips, decoys, recipe)
    state = State(model, recipe, state_path, identity or {})
    weights = class_weights(clips.labels.cpu(), len(recipe.classes), full=recipe.full_balance).to(device)
    total = sum(stage.epochs for stage in recipe.stages)
    random = torch.Generator(device)
    for s in range(state.stage, len(recipe.stages)):
        stage = recipe.stages[s]
        model.backbone.requires_grad_(stage.backbone_rate > 0 or not state.has_head)
        model.train()
        forward: nn.Module = Forward(model, device)
        if device.type == "cuda" and recipe.augmentation == "ours":
            forward = as_cuda_graphs(
                forward, torch.zeros(recipe.batch, *clips.pixels.shape[1:], device=device)
            )
        for epoch in range(state.epoch if s == state.stage else 0, stage.epochs):
            # Seeded anew each epoch, so that a resumed training draws what an undisturbed one would.
            for generator in (random.manual_seed, torch.manual_seed):
                generator(seed * 1_000_003 + s * 10_007 + epoch)
            model.train()
            loss = torch.zeros((), device=device)
            for step, (x, y) in enumerate(batches.of_epoch(random)):
                set_learning_rates(state.optimiser, stage, (epoch + step / batches.steps) / stage.epochs)
                step_loss = weighted_cross_entropy(forward(x), y, weights)
                if recipe.head_l2:
                    step_loss = step_loss + recipe.head_l2 * next(model.head[1].parameters()).square().sum()
                state.optimiser.zero_grad(set_to_none=True)
                step_loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
                state.optimiser.step()
                state.update_average()
                loss += step_loss.detach() / batches.steps
            if not torch.isfinite(loss):
                raise InputError(
                    f"the loss of epoch {len(state.history.loss) + 1} is not a number: the training has "
                    "diverged; give another --device, or fewer --epochs and another --out"
                )
            accuracy = None
            if validation is not None:
                accuracy, validation_loss = validate(state.result, validation)
                state.record_validation(accuracy, validation_loss)
            state.record_epoch(float(loss), s, epoch + 1)
            progress(len(state.history.loss), total, float(loss), accuracy)
            if stage.patience is not None and state.epochs_since_best >= stage.patience:
                break
        state.restore_best()
    model.load_state_dict(state.result.state_dict())
    model.requires_grad_(True)
    model.eval()
    return state.history


def set_learning_rates(optimiser: torch.optim.Optimizer, stage: Stage, progress: float) -> None:
    """Set the rates of the backbone and of the rest.

    Args:
        optimiser: with the backbone's parameters in its first group.
        stage: says the highest rates.
        progress: how much of the stage is done, 0 to 1.
    """
    share = cosine(progress) if stage.anneals else 1.0
    for group, rate in zip(optimiser.param_groups, (stage.backbone_rate, stage.rate), strict=False):
        group["lr"] = rate * share


def validate(model: nn.Module, clips: ClipTensors) -> tuple[float, float]:
    """Accuracy, and the mean negative logarithm of the right class's probability."""
    p = probabilities([model], clips.pixels)
    right = p[torch.arange(len(p), device=p.device), clips.labels]
    return float((p.argmax(1) == clips.labels).float().mean()), float(-right.clamp(min=1e-6).log().mean())


def blend(x: Tensor, y: Tensor, random: torch.Generator, *, share: float) -> tuple[Tensor, Tensor]:
    """Blend clips with others of the batch (mixup), mostly a little.

    Args:
        x: (B, ...), clips.
        y: (B, K), their targets, which are blended alike.
        random: source of everything random, on their device.
        share: of the clips that are blended.

    Returns:
        `x` and `y`, blended.

    Source: Zhang et al. 2018, mixup: beyond empirical risk minimization.
    """
    n = len(x)
    part = torch.rand((n,), generator=random, device=x.device) ** 2 / 2  # 0 to 0.5, mostly little
    part = part * (torch.rand((n,), generator=random, device=x.device) < share)
    order = torch.randperm(n, generator=random, device=x.device)
    a = part.view(-1, *[1] * (x.ndim - 1))
    return x * (1 - a) + x[order] * a, y * (1 - part[:, None]) + y[order] * part[:, None]


@torch.no_grad()
def probabilities(
    models: Sequence[nn.Module], pixels: Tensor, *, mirrored: bool = False, batch: int = 64
) -> Tensor:
    """Predict the classes of clips.

    Args:
        models: networks, of which the mean is taken.
        pixels: (N, 12, C, S, S) or (N, 12, F), what the networks take.
        mirrored: average over the clip and its three mirror images as well, where there are pixels.
        batch: clips at a time.

    Returns:
        (N, K).
    """
    training = [m.training for m in models]
    for m in models:
        m.eval()
    flips: tuple[tuple[int, ...], ...] = (
        ((), (-1,), (-2,), (-1, -2)) if mirrored and pixels.ndim == 5 else ((),)
    )
    rows = []
    for start in range(0, len(pixels), batch):
        x = pixels[start : start + batch].float()
        views = [m(x.flip(f) if f else x).softmax(1) for m in models for f in flips]
        rows.append(torch.stack(views).mean(0))
    for m, t in zip(models, training, strict=True):
        m.train(t)
    return torch.cat(rows)
