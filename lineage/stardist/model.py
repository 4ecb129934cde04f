"""A safetensors file <-> a network ready to predict, with its thresholds. Nothing lies beside the file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage.schema import InputError

if TYPE_CHECKING:
    from lineage.stardist.network import StarDist

BUNDLED = Path(__file__).parent / "weights" / "nuclei.safetensors"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network and what is needed to use it."""

    network: StarDist
    prob_threshold: float
    nms_threshold: float
    facts: dict[str, Any] = field(default_factory=dict)  # what it was trained on, and its scores


def load(path: Path = BUNDLED) -> Model:
    """Read a model; the weights are stored as float16 and used as float32.

    Raises:
        InputError: the file is not one that `save` wrote.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    from lineage.stardist.network import StarDist, StarDistConfig

    try:
        with safe_open(path, "pt") as f:
            header = json.loads((f.metadata() or {})["stardist"])
            weights = {name: f.get_tensor(name).to(torch.float32) for name in f.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is no StarDist model of ours; give a .safetensors file") from error
    network = StarDist(StarDistConfig(**header["config"]))
    network.load_state_dict(weights)
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(network, **header["thresholds"], facts=header["facts"])


def save(model: Model, path: Path) -> None:
    """Write a model so that `load` gives it back, to half precision."""
    import torch
    from safetensors.torch import save_file

    header = {
        "config": asdict(model.network.config),
        "thresholds": {"prob_threshold": model.prob_threshold, "nms_threshold": model.nms_threshold},
        "facts": model.facts,
    }
    weights = {k: v.to(torch.float16).contiguous() for k, v in model.network.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    save_file(weights, partial, {"stardist": json.dumps(header)})
    partial.replace(path)


def digest(path: Path = BUNDLED) -> str:
    """SHA-256 of the weights' file, for the run's record."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
