"""Films with labels -> a trained network. The loop in plain sight."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from classifier.augment import vary, vary_as_the_paper, vary_measures
from classifier.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from classifier.films import Films
    from classifier.model import Network
    from classifier.recipes import Recipe, Stage
    from classifier.state import History

AUGMENTATIONS = {"ours": vary, "paper": vary_as_the_paper, "measures": vary_measures}


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def autocast(device: torch.device) -> Any:
    """bfloat16 where the device has it: emulated, it takes longer than float32."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, cache_enabled=False)
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
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


def graphed(forward: nn.Module, sample: Tensor) -> nn.Module:
    """`forward` as CUDA graphs: launching a small network's kernels takes longer than running them."""
    before = {name: b.clone() for name, b in forward.named_buffers()}
    found = torch.cuda.make_graphed_callables(forward, (sample,))
    for name, b in forward.named_buffers():
        b.copy_(before[name])  # the trial runs moved the norms' means
    return cast("nn.Module", found)


def cosine(progress: float) -> float:
    """Share of the highest rate at 0..1 of a stage: a twentieth of warm-up, then a cosine to 0.

    >>> cosine(0.0), cosine(0.05), round(cosine(1.0), 6)
    (0.0, 1.0, 0.0)
    """
    return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * max(progress - 0.05, 0) / 0.95))


def class_weights(labels: Tensor, n_classes: int, *, full: bool) -> Tensor:
    """(K,) by rarity, or by its root: full balance calls too much abnormal at the usual rates."""
    counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
    weights = len(labels) / (n_classes * counts)
    return weights if full else weights.sqrt()


def soft_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross entropy with (B, K) targets that may be blends."""
    per_clip = -(targets * weights * logits.log_softmax(dim=1)).sum(dim=1)
    return per_clip.sum() / (targets * weights).sum()


def softened(n_classes: int, smoothing: float) -> Tensor:
    """(K, K): the target of each class."""
    return torch.eye(n_classes) * (1 - smoothing) + smoothing / n_classes


class Draw:
    """Batches of clips and decoys, varied and blended, with their targets."""

    def __init__(self, films: Films, decoys: Films | None, recipe: Recipe) -> None:
        self.films, self.decoys, self.recipe = films, decoys, recipe
        share = recipe.none_share / (1 + recipe.none_share)
        self.n_decoys = round(share * recipe.batch) if decoys is not None and len(decoys) else 0
        self.n_real = recipe.batch - self.n_decoys
        self.steps = max(len(films) // self.n_real, 1)
        self.targets = softened(len(recipe.classes), recipe.label_smoothing).to(films.pixels.device)
        self.vary = AUGMENTATIONS[recipe.augmentation]

    def order(self, random: torch.Generator) -> Tensor:
        """Indices of the clips of one epoch."""
        order = torch.randperm(len(self.films), generator=random, device=random.device)
        return order.repeat(-(-self.n_real // len(order))) if len(order) < self.n_real else order

    def batch(self, chosen: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, 12, C, S, S) and (B, K)."""
        x, y = self.vary(self.films.batch(chosen), random), self.targets[self.films.labels[chosen]]
        if self.decoys is not None and self.n_decoys:
            others = torch.randint(len(self.decoys), (self.n_decoys,), generator=random, device=random.device)
            x = torch.cat([x, self.vary(self.decoys.batch(others), random)])
            y = torch.cat([y, self.targets[self.decoys.labels[others]]])
        return blend(x, y, random, self.recipe.mixing) if self.recipe.mixing else (x, y)


def train(
    model: Network,
    films: Films,
    recipe: Recipe,
    *,
    seed: int,
    decoys: Films | None = None,
    validation: Films | None = None,
    state_path: Path | None = None,
    identity: dict[str, Any] | None = None,
    progress: Callable[[int, int, float, float | None], None] = lambda *_: None,
) -> History:
    """Train in place, going on from `state_path` if a killed training left one there.

    Args:
        model: on any device; ends on that of `films`, in evaluation mode.
        films: learned from.
        recipe: rates, batches, augmentation.
        seed: of everything random.
        decoys: shown beside the films, where the recipe knows `none`.
        validation: the epoch that is best on it is kept; without it, the last.
        state_path: where to leave what a resumption needs.
        identity: what the weights depend on; a state of another identity is refused.
        progress: told epochs done, epochs at most, loss, validation accuracy.

    Raises:
        InputError: `state_path` holds a training of other clips or settings.
    """
    device = films.pixels.device
    model.to(device)
    draw = Draw(films, decoys, recipe)
    state = State(model, recipe, state_path, identity or {})
    weights = class_weights(films.labels.cpu(), len(recipe.classes), full=recipe.full_balance).to(device)
    total = sum(s.epochs for s in recipe.stages)
    random = torch.Generator(device)
    for s, stage in enumerate(recipe.stages):
        if s < state.stage:
            continue
        model.backbone.requires_grad_(stage.backbone_rate > 0 or not state.has_head)
        model.train()
        forward: nn.Module = Forward(model, device)
        if device.type == "cuda" and recipe.augmentation == "ours":
            forward = graphed(forward, torch.zeros(recipe.batch, *films.pixels.shape[1:], device=device))
        for epoch in range(state.epoch if s == state.stage else 0, stage.epochs):
            # Seeded anew each epoch, so that a resumed training draws what an undisturbed one would.
            for generator in (random.manual_seed, torch.manual_seed):
                generator(seed * 1_000_003 + s * 10_007 + epoch)
            model.train()
            order = draw.order(random)
            loss = torch.zeros((), device=device)
            for step in range(draw.steps):
                chosen = order[step * draw.n_real : (step + 1) * draw.n_real]
                x, y = draw.batch(chosen, random)
                set_rates(state.optimiser, stage, (epoch + step / draw.steps) / stage.epochs)
                part = soft_loss(forward(x), y, weights)
                if recipe.head_l2:
                    part = part + recipe.head_l2 * next(model.head[1].parameters()).square().sum()
                state.optimiser.zero_grad(set_to_none=True)
                part.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
                state.optimiser.step()
                state.average()
                loss += part.detach() / draw.steps
            accuracy = None
            if validation is not None:
                accuracy, surprise = tried(state.kept, validation)
                state.compare(accuracy, surprise)
            state.told(float(loss), s, epoch + 1)
            progress(len(state.history.loss), total, float(loss), accuracy)
            if stage.patience is not None and state.since >= stage.patience:
                break
        state.take_best()
    model.load_state_dict(state.kept.state_dict())
    model.requires_grad_(True)
    model.eval()
    return state.history


def set_rates(optimiser: torch.optim.Optimizer, stage: Stage, progress: float) -> None:
    """The rates at 0..1 of a stage: of the backbone, and of the rest."""
    share = cosine(progress) if stage.anneals else 1.0
    for group, rate in zip(optimiser.param_groups, (stage.backbone_rate, stage.rate), strict=False):
        group["lr"] = rate * share


def tried(model: nn.Module, films: Films) -> tuple[float, float]:
    """Accuracy, and mean negative log of the right class's probability."""
    p = probabilities([model], films.pixels)
    right = p[torch.arange(len(p), device=p.device), films.labels]
    return float((p.argmax(1) == films.labels).float().mean()), float(-right.clamp(min=1e-6).log().mean())


def blend(x: Tensor, y: Tensor, random: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
    """Mixup in a share of the clips: each with another, mostly a little of it.

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
    """(N, 12, C, S, S) or (N, 12, F) -> (N, K): the mean over models and, if asked, mirror images."""
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
