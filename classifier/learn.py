"""Films with labels -> a trained network. The loop in plain sight."""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classifier.augment import vary, vary_as_the_paper
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from classifier.films import Films
    from classifier.recipes import Recipe

AUGMENTATIONS = {"ours": vary, "paper": vary_as_the_paper}


@dataclass
class History:
    """What a training went through, a value an epoch."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    kept: int = -1  # the epoch whose weights were kept


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
    """`forward` as CUDA graphs, which small networks need: launching their kernels takes longer than they do."""
    before = {name: b.clone() for name, b in forward.named_buffers()}
    found = torch.cuda.make_graphed_callables(forward, (sample,))
    for name, b in forward.named_buffers():
        b.copy_(before[name])  # the trial runs moved the norms' means
    return found


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


def train(
    model: nn.Module,
    films: Films,
    recipe: Recipe,
    *,
    seed: int,
    decoys: Films | None = None,
    validation: Films | None = None,
    state_path: Path | None = None,
    identity: dict[str, Any] | None = None,
    graphs: bool = True,
    progress: Callable[[int, int, float, float | None], None] = lambda *_: None,
) -> History:
    device = films.pixels.device
    model.to(device)
    head = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    backbone = list(model.backbone.parameters())
    groups = [{"params": backbone, "lr": 0.0}, *([{"params": head, "lr": 0.0}] if head else [])]
    fused = device.type == "cuda"
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=fused)
    decay = recipe.averaging
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True) if decay else None
    kept = average.module if average else model
    n_classes = len(recipe.classes)
    weights = class_weights(films.labels.cpu(), n_classes, full=recipe.full_balance).to(device)
    hard = torch.eye(n_classes, device=device) * (1 - recipe.label_smoothing) + recipe.label_smoothing / n_classes
    augment = AUGMENTATIONS[recipe.augmentation]
    n_decoys = round(recipe.none_share * recipe.batch / (1 + recipe.none_share)) if decoys is not None and len(decoys) else 0
    n_real = recipe.batch - n_decoys
    steps = max(len(films) // n_real, 1)

    history, best, position = resume(state_path, identity, model, average, optimiser)
    total = sum(s.epochs for s in recipe.stages)
    random = torch.Generator(device)
    for s, stage in enumerate(recipe.stages):
        if s < position[0]:
            continue
        rests = stage.backbone_rate == 0 and bool(head)
        model.backbone.requires_grad_(not rests)
        model.train()
        forward: nn.Module = Forward(model, device)
        if device.type == "cuda" and graphs:
            forward = graphed(forward, torch.zeros(n_real + n_decoys, *films.pixels.shape[1:], device=device))
        since = 0
        for epoch in range(position[1] if s == position[0] else 0, stage.epochs):
            # Seeded anew each epoch, so that a resumed training draws what an undisturbed one would.
            random.manual_seed(seed * 1_000_003 + s * 10_007 + epoch)
            torch.manual_seed(seed * 1_000_003 + s * 10_007 + epoch)
            model.train()
            order = torch.randperm(len(films), generator=random, device=device)
            if len(order) < n_real:
                order = order.repeat(-(-n_real // len(order)))
            losses = torch.zeros((), device=device)
            for step in range(steps):
                chosen = order[step * n_real : (step + 1) * n_real]
                x, y = augment(films.batch(chosen), random, **recipe.augment_options), hard[films.labels[chosen]]
                if n_decoys:
                    others = torch.randint(len(decoys), (n_decoys,), generator=random, device=device)
                    x = torch.cat([x, augment(decoys.batch(others), random, **recipe.augment_options)])
                    y = torch.cat([y, hard[decoys.labels[others]]])
                if recipe.mixing:
                    x, y = blend(x, y, random, recipe.mixing)
                share = cosine((epoch + step / steps) / stage.epochs) if stage.anneals else 1.0
                for group, rate in zip(optimiser.param_groups, (stage.backbone_rate, stage.rate), strict=False):
                    group["lr"] = rate * share
                loss = soft_loss(forward(x), y, weights)
                if recipe.head_l2:
                    loss = loss + recipe.head_l2 * model.head[1].weight.square().sum()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
                optimiser.step()
                if average:
                    average.update_parameters(model)
                losses += loss.detach()
            history.loss.append(float(losses) / steps)
            accuracy = None
            if validation is not None:
                p = probabilities([kept], validation.pixels)
                right = p.argmax(1) == validation.labels
                accuracy = float(right.float().mean())
                history.validation_accuracy.append(accuracy)
                history.validation_loss.append(float(-p[range(len(p)), validation.labels].clamp(min=1e-6).log().mean()))
                rank = (accuracy, -history.validation_loss[-1])  # of equally accurate epochs, the surest
                if rank > tuple(best["rank"]):
                    best = {"rank": rank, "state": {k: v.detach().clone() for k, v in kept.state_dict().items()}}
                    history.kept, since = len(history.loss) - 1, 0
                else:
                    since += 1
            progress(len(history.loss), total, history.loss[-1], accuracy)
            if state_path:
                save_state(state_path, identity, history, best, (s, epoch + 1), model, average, optimiser)
            if stage.patience is not None and since >= stage.patience:
                break
        if best["state"]:
            kept.load_state_dict(best["state"])
    if average:
        model.load_state_dict(average.module.state_dict())
    model.requires_grad_(True)
    model.eval()
    return history


def blend(x: Tensor, y: Tensor, random: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
    """Mixup in a share of the clips: each with the next, mostly a little of it.

    Source: Zhang et al. 2018, mixup: beyond empirical risk minimization.
    """
    n = len(x)
    part = torch.rand((n,), generator=random, device=x.device) ** 2 / 2  # 0 to 0.5, mostly little
    part = part * (torch.rand((n,), generator=random, device=x.device) < share)
    order = torch.randperm(n, generator=random, device=x.device)
    a = part.view(-1, 1, 1, 1, 1)
    return x * (1 - a) + x[order] * a, y * (1 - part[:, None]) + y[order] * part[:, None]


@torch.no_grad()
def probabilities(models: list[nn.Module], pixels: Tensor, *, mirrored: bool = False, batch: int = 64) -> Tensor:
    """(N, 12, C, S, S) normalised -> (N, K): the mean over models and, if asked, mirror images."""
    device = pixels.device
    rows = []
    training = [m.training for m in models]
    for m in models:
        m.eval()
    flips: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-1, -2)) if mirrored else ((),)
    for start in range(0, len(pixels), batch):
        x = pixels[start : start + batch].float()
        views = torch.stack(
            [Forward(m, device)(x.flip(f) if f else x).softmax(1) for m in models for f in flips]
        )
        rows.append(views.mean(0))
    for m, t in zip(models, training, strict=True):
        m.train(t)
    return torch.cat(rows)


def save_state(path, identity, history, best, position, model, average, optimiser):
    part = path.with_name(f"{path.name}.part")
    torch.save(
        {
            "identity": identity, "history": vars(history), "best": best, "position": position,
            "parts": [p.state_dict() for p in (model, average, optimiser) if p is not None],
        },
        part,
    )
    os.replace(part, path)


def resume(path, identity, model, average, optimiser):
    if path is None or not path.exists():
        return History(), {"rank": (-1.0, 0.0), "state": None}, (0, 0)
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["identity"] != identity:
        raise InputError(f"{path.parent} holds a training of other clips or settings; give another --out")
    for part, saved in zip([p for p in (model, average, optimiser) if p is not None], state["parts"], strict=True):
        part.load_state_dict(saved)
    return History(**state["history"]), state["best"], tuple(state["position"])
