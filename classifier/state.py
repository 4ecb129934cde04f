"""Weights, their average and the best so far <-> a file, from which a killed training goes on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from classifier.model import Network
    from classifier.recipes import Recipe


@dataclass
class History:
    """How a training went, one value an epoch."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    kept: int = -1  # the epoch whose weights were kept; -1: the last


class State:
    """The state of a training; taken from `path` if a killed training left it there.

    Args:
        model: in training; its weights are replaced by those in `path`.
        recipe: says how weights are averaged and decay.
        path: where the state is written after each epoch; None: nowhere.
        identity: what the weights depend on, written with them.

    Raises:
        InputError: `path` holds a training of other clips or settings.
    """

    def __init__(self, model: Network, recipe: Recipe, path: Path | None, identity: dict[str, Any]) -> None:
        self.model, self.path, self.identity = model, path, identity
        head = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
        self.has_head = bool(head)
        groups = [{"params": p, "lr": 0.0} for p in (list(model.backbone.parameters()), head) if p]
        fused = next(model.parameters()).device.type == "cuda"
        self.optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=fused)
        averaging = get_ema_multi_avg_fn(recipe.averaging)
        self.averaged = (
            AveragedModel(model, multi_avg_fn=averaging, use_buffers=True) if recipe.averaging else None
        )
        # The network that is validated, and that the training ends with.
        self.result: nn.Module = self.averaged.module if self.averaged else model
        self.history = History()
        self.best: dict[str, Any] = {"rank": (-1.0, 0.0), "weights": None, "since": 0}
        self.stage = self.epoch = 0
        if path is not None and path.exists():
            self._resume(path)

    @property
    def epochs_since_best(self) -> int:
        """Epochs since the best one of this stage."""
        return int(self.best["since"])

    def update_average(self) -> None:
        """Take the weights of one more step into their average."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)

    def record_validation(self, accuracy: float, loss: float) -> None:
        """Keep this epoch's weights if they are the most accurate so far; of equals, those of lower loss."""
        self.history.validation_accuracy.append(accuracy)
        self.history.validation_loss.append(loss)
        self.best["since"] += 1
        if (accuracy, -loss) > tuple(self.best["rank"]):
            weights = {name: p.detach().clone() for name, p in self.result.state_dict().items()}
            self.best = {"rank": (accuracy, -loss), "weights": weights, "since": 0}
            self.history.kept = len(self.history.loss)

    def restore_best(self) -> None:
        """Go back to the best weights, if there was a validation; the next stage starts to wait anew."""
        if self.best["weights"] is not None:
            self.result.load_state_dict(self.best["weights"])
        self.best["since"] = 0

    def record_epoch(self, loss: float, stage: int, next_epoch: int) -> None:
        """Note the loss of an epoch that is over, and write the state atomically.

        Args:
            loss: of the epoch.
            stage: index of its stage.
            next_epoch: the epoch of that stage from which a killed training goes on.
        """
        self.history.loss.append(loss)
        if self.path is None:
            return
        part = self.path.with_name(f"{self.path.name}.part")
        state = {
            "identity": self.identity,
            "history": vars(self.history),
            "best": self.best,
            "position": (stage, next_epoch),
            "parts": [p.state_dict() for p in self._parts()],
        }
        torch.save(state, part)
        os.replace(part, self.path)

    def _parts(self) -> list[Any]:
        return [p for p in (self.model, self.averaged, self.optimiser) if p is not None]

    def _resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["identity"] != self.identity:
            raise InputError(f"{path.parent} holds a training of other clips or settings; give another --out")
        for part, saved in zip(self._parts(), state["parts"], strict=True):
            part.load_state_dict(saved)
        self.history, self.best = History(**state["history"]), state["best"]
        self.stage, self.epoch = state["position"]
