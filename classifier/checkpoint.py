"""A trained model <-> one safetensors file that works with nothing beside it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from classifier.data import NORMALISATION
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from classifier.model import MitosisNet

FORMAT = "mitosis-classifier-1"


@dataclass(frozen=True)
class Card:
    """What must be known about the weights to use them, and should be to trust them."""

    kwargs: dict[str, Any]  # of MitosisNet, beside the number of classes
    classes: tuple[str, ...]  # K names, in the order of the outputs
    side_px: int  # crops are resampled to this
    temperature: float = 1.0  # logits are divided by it,
    offset: float = 0.0  # and that of abnormal is then raised by this
    normalisation: dict[str, Any] = field(default_factory=lambda: dict(NORMALISATION))
    training: dict[str, Any] = field(default_factory=dict)  # settings, data hash, counts
    held_out: dict[str, Any] = field(default_factory=dict)  # figures on clips that the model has not seen
    licence: str = ""
    version: str = ""  # of this software


def save(model: MitosisNet, card: Card, path: Path) -> None:
    """Write weights (float16) and card; whole or not at all."""
    import torch
    from safetensors.torch import save_file

    halves = {
        name: p.detach().to("cpu", torch.float16).contiguous() for name, p in model.state_dict().items()
    }
    part = path.with_name(f"{path.name}.part")
    save_file(halves, part, metadata={"format": FORMAT, "card": json.dumps(asdict(card))})
    os.replace(part, path)


def read_card(path: Path) -> Card:
    """The card of a checkpoint.

    Raises:
        InputError: no such file, or not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a classifier's .safetensors")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise InputError(f"{path.name} is not a classifier of this software; wanted format {FORMAT}")
        fields = json.loads(header["card"])
        return Card(**{**fields, "classes": tuple(fields["classes"])})
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path.name} is damaged or not a classifier's .safetensors ({error})") from error


def load(path: Path) -> tuple[MitosisNet, Card]:
    """The model, in evaluation mode and float32, and its card.

    Raises:
        InputError: no such file, not one of ours, or made for another normalisation or network.
    """
    from safetensors.torch import load_file

    from classifier.model import MitosisNet

    card = read_card(path)
    if card.normalisation != NORMALISATION:
        raise InputError(
            f"{path.name} wants crops normalised by {card.normalisation}; this version does {NORMALISATION}; "
            f"use version {card.version} or train again"
        )
    model = MitosisNet(len(card.classes), **card.kwargs)
    try:
        model.load_state_dict({name: p.float() for name, p in load_file(path).items()})
    except RuntimeError as error:
        raise InputError(
            f"{path.name} is of another version of the network, {card.version}; train again"
        ) from error
    return model.eval(), card


def sha256(path: Path) -> str:
    """Of the file's bytes, for run.json."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
