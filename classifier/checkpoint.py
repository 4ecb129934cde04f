"""A trained classifier <-> one safetensors file that works with nothing beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from classifier.calibrate import Calibration
from classifier.forest import Forest
from classifier.measures import N_SUMMARY
from classifier.nuclei import model_digests
from classifier.pixels import NORMALISATIONS
from classifier.pretrained import sha256
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from classifier.model import Network

__all__ = ["FORMAT", "Card", "load", "read_card", "save", "sha256"]

FORMAT = "mitosis-classifier-5"
FOREST = "forest."


@dataclass(frozen=True)
class Card:
    """What is needed to use the weights, and what tells how far to trust them."""

    model: str  # its name in classifier.model
    options: dict[str, Any]  # of the network
    members: int  # networks whose probabilities are averaged
    classes: tuple[str, ...]  # K names, in the order of the outputs
    side_px: int  # crops are resampled to this; 0: the networks take measures
    normalisation: dict[str, Any]
    calibration: Calibration = field(default_factory=Calibration)
    without_dna: Calibration = field(default_factory=Calibration)  # for crops without DNA: networks alone
    none: Calibration = field(default_factory=Calibration)  # of p(none), which the forest knows nothing of
    nucleus_models: dict[str, str] = field(default_factory=dict)  # SHA-256 of those that measures come from
    training: dict[str, Any] = field(default_factory=dict)  # settings, data hash, counts
    held_out: dict[str, Any] = field(default_factory=dict)  # figures on clips that it was not trained on
    licence: str = ""
    version: str = ""  # of this software


def save(models: Sequence[nn.Module], forest: Forest | None, card: Card, path: Path) -> None:
    """Write a checkpoint, atomically.

    Args:
        models: the networks; their weights are written as float16.
        forest: None without one.
        card: goes with them.
        path: a .safetensors file; replaced if it is there.
    """
    import torch
    from safetensors.torch import save_file

    tensors = {
        f"{i}.{name}": p.detach().to("cpu", torch.float16 if p.is_floating_point() else p.dtype).contiguous()
        for i, model in enumerate(models)
        for name, p in model.state_dict().items()
    }
    if forest is not None:
        tensors |= {FOREST + name: torch.from_numpy(a) for name, a in forest.arrays().items()}
    part = path.with_name(f"{path.name}.part")
    save_file(tensors, part, metadata={"format": FORMAT, "card": json.dumps(asdict(card))})
    os.replace(part, path)


def read_card(path: Path) -> Card:
    """Read the card of a checkpoint.

    Raises:
        InputError: no such file, or no checkpoint of this software.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a classifier's .safetensors")
    try:
        with safe_open(path, "np") as file:  # its header alone, without torch
            header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise InputError(f"{path.name} is not a classifier of this software; wanted format {FORMAT}")
        card = json.loads(header["card"])
        for name in ("calibration", "without_dna", "none"):
            card[name] = Calibration(**card[name])
        classes = tuple(card["classes"])
        if not {"normal", "abnormal"} <= set(classes) <= {"normal", "abnormal", "none"}:
            raise ValueError(f"classes {str(classes)[:100]}")
        return Card(**{**card, "classes": classes})
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} is damaged or not a classifier's .safetensors ({error})") from error


def load(path: Path) -> tuple[list[Network], Forest | None, Card]:
    """Load a checkpoint: networks in evaluation mode and float32, forest, card.

    Raises:
        InputError: no such file, no checkpoint of this software, or one of a version with other networks,
            normalisations or models of nuclei.
    """
    import torch
    from safetensors.torch import load_file

    from classifier.model import build

    card = read_card(path)
    name = card.normalisation.get("name", "")
    if card.normalisation != NORMALISATIONS.get(name):
        raise InputError(
            f"{path.name} wants crops normalised by {card.normalisation}; this version does "
            f"{NORMALISATIONS.get(name)}; use version {card.version} or train again"
        )
    if card.nucleus_models and card.nucleus_models != model_digests():
        raise InputError(
            f"{path.name} was trained on measures by other models of nuclei than this version has; "
            f"use version {card.version} or train again"
        )
    tensors = load_file(path)
    if not all(bool(p.isfinite().all()) for p in tensors.values()):
        raise InputError(f"{path.name} is damaged (not all weights are numbers); copy it again")
    models = []
    try:
        for i in range(card.members):
            own = {n.removeprefix(f"{i}."): p for n, p in tensors.items() if n.startswith(f"{i}.")}
            with torch.device("meta"):  # takes no memory, whatever sizes the card asks for
                wanted = build(
                    card.model, len(card.classes), side_px=card.side_px, **card.options
                ).state_dict()
            if {n: p.shape for n, p in wanted.items()} != {n: p.shape for n, p in own.items()}:
                raise ValueError("other shapes")
            model = build(card.model, len(card.classes), side_px=card.side_px, **card.options)
            model.load_state_dict({n: p.float() if p.is_floating_point() else p for n, p in own.items()})
            models.append(model.eval())
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name} is of another version of the network, {card.version}; train again"
        ) from error
    trees = {n.removeprefix(FOREST): p.numpy() for n, p in tensors.items() if n.startswith(FOREST)}
    try:
        forest = Forest(**trees) if trees else None
        if forest and len(forest.measure) and forest.measure.max() >= N_SUMMARY:
            raise ValueError("a feature that does not exist")
        return models, forest, card
    except (TypeError, ValueError) as error:
        raise InputError(f"{path.name} is damaged (its forest: {error}); copy it again") from error
