"""A folder, or a name -> a network ready to predict, with its thresholds."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import torch

    from lineage.stardist.network import StarDist, StarDistConfig

BUNDLED = "sir-dna"
_WEIGHTS = Path(__file__).parent / "weights"
CONFIG, THRESHOLDS, FACTS, TENSORS = "config.json", "thresholds.json", "training.json", "weights.safetensors"

LARGEST_MARGIN_PX = 256
Normalisation = Literal["arcsinh", "percentile"]


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network and what is needed to use it."""

    network: StarDist
    prob_threshold: float
    nms_threshold: float
    normalisation: Normalisation = "arcsinh"  # see `lineage.stardist.normalise`
    diameters_px: tuple[float, float] | None = None  # of nuclei that it finds best; others are resized
    margin_px: int = 0  # the image goes on by so much, mirrored, so that nuclei that its edge cuts are found
    half: bool = False  # bfloat16 where that is faster; StarDist's own keep float32, and its very labels
    ranges: tuple[float, ...] | None = None  # as `lineage.stardist.int8.ranges_of`; None: no whole numbers
    facts: dict[str, Any] = field(default_factory=dict)  # what it was trained on, and its scores

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.prob.weight.device


def find(name: str | Path) -> Path:
    """The folder of a model: one that is given, the bundled one, or one of StarDist's own, downloaded once.

    Raises:
        InputError: there is none of that name.
    """
    from lineage.stardist import official

    if name == BUNDLED:
        return _WEIGHTS / BUNDLED
    if (folder := Path(name)).is_dir():
        return folder
    if name in official.NAMES:
        return official.fetch(str(name))
    known = ", ".join((BUNDLED, *official.NAMES))
    raise InputError(f"{name}: neither a model's folder nor one of {known}")


def load(name: str | Path = BUNDLED, device: torch.device | None = None) -> Model:
    """Read a model of this package or of the stardist package.

    Args:
        name: a folder, or what `find` knows.
        device: as `lineage.device.device_of` gives it; a GPU if there is one if None.

    Raises:
        InputError: no such model, its files do not fit together, or it does not fit into the GPU.
    """
    import torch

    from lineage.device import AUTO, computing, device_of
    from lineage.stardist import keras
    from lineage.stardist.int8 import ready
    from lineage.stardist.network import StarDist, StarDistConfig

    folder = find(name)
    if not (folder / TENSORS).exists():
        config, weights = keras.read(folder)
        prob, nms = keras.thresholds(folder)
        options: dict[str, Any] = {"normalisation": "percentile"}
    else:
        settings = _json(folder / CONFIG)
        weights = _tensors(folder / TENSORS)
        try:
            config = StarDistConfig(**settings["network"])
            options = {
                "normalisation": settings["normalisation"],
                "diameters_px": settings["diameters_px"],
                "margin_px": settings.get("margin_px", 0),
                "half": settings["half"],
                "ranges": _ranges(settings.get("ranges")),
            }
            prob, nms = (float(_json(folder / THRESHOLDS)[k]) for k in ("prob", "nms"))
            _check(prob, nms, config=config, **options)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{folder}: {CONFIG} or {THRESHOLDS} is not one of ours ({error})") from error
        options["facts"] = _json(folder / FACTS) if (folder / FACTS).exists() else {}
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise InputError(f"{folder}: the weights are damaged (not all are numbers); copy the folder again")
    try:
        with torch.device("meta"):  # takes no memory, whatever size is asked for
            wanted = {name: value.shape for name, value in StarDist(config).state_dict().items()}
        if wanted != {name: value.shape for name, value in weights.items()}:
            raise ValueError("other shapes")
        network = StarDist(config)
        network.load_state_dict(weights)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: the weights do not fit {CONFIG}; copy the folder again") from error
    device = device or device_of(AUTO)
    with computing(device):
        return Model(ready(network, device, options.get("ranges")), prob, nms, **options)


def with_ranges(model: Model, images: Iterable[np.ndarray]) -> Model:
    """The model with the ranges that let its U-Net compute in eight bits, if it is of a kind that can.

    Args:
        model: in floating point.
        images: (Y, X) grey levels like those that it will see; some tens do.
    """
    from lineage.stardist import int8, normalise

    if not int8.is_possible(model.network.config):
        return model
    seen = (getattr(normalise, model.normalisation)(image) for image in images)
    ranges = int8.ranges_of(model.network, seen)
    return replace(model, network=int8.ready(model.network, model.device, ranges), ranges=ranges)


def _ranges(stated: Any) -> tuple[float, ...] | None:
    return None if stated is None else tuple(map(float, stated))


def _check(
    prob: float,
    nms: float,
    *,
    config: StarDistConfig,
    normalisation: Any,
    diameters_px: Any,
    margin_px: Any,
    half: Any,
    ranges: tuple[float, ...] | None,
) -> None:
    """Raise ValueError for settings that no model of this package has."""
    if not (0 < prob < 1 and 0 < nms < 1):
        raise ValueError(f"thresholds {prob:g} and {nms:g} are not between 0 and 1")
    if normalisation not in get_args(Normalisation):
        raise ValueError(f"normalisation {normalisation!r}")
    low, high = diameters_px or (1.0, 2.0)
    if not 0 < float(low) < float(high) < math.inf:
        raise ValueError(f"diameters_px {diameters_px}")
    if type(margin_px) is not int or not 0 <= margin_px <= LARGEST_MARGIN_PX:
        raise ValueError(f"margin_px {margin_px!r}")
    if not isinstance(half, bool):
        raise ValueError(f"half {half!r}")
    if ranges is not None:
        from lineage.stardist import int8

        if not int8.is_possible(config):
            raise ValueError("ranges, for a network that does not compute in eight bits")
        if len(ranges) != int8.n_ranges(config) or not all(map(math.isfinite, ranges)):
            raise ValueError(f"ranges {ranges}; {int8.n_ranges(config)} numbers are wanted")


@lru_cache(1)
def of_this_process(name: str, device: str = "auto") -> Model:
    """The model, read once; one thread, so that labels do not depend on how many processes there are.

    Args:
        name: what `find` knows.
        device: as `lineage.device.device_of` knows it.
    """
    import torch

    from lineage.device import device_of

    torch.set_num_threads(1)
    return load(name, device_of(device))


def save(model: Model, folder: Path) -> None:
    """Write a model so that `load` gives it back; the weights to half precision, the thresholds last."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.to("cpu", torch.float16).contiguous() for k, v in model.network.state_dict().items()}
    save_file(weights, folder / f"{TENSORS}.partial")
    (folder / f"{TENSORS}.partial").replace(folder / TENSORS)
    settings = {
        "network": asdict(model.network.config),
        "normalisation": model.normalisation,
        "diameters_px": model.diameters_px,
        "margin_px": model.margin_px,
        "half": model.half,
    } | ({"ranges": model.ranges} if model.ranges else {})
    thresholds = {"prob": model.prob_threshold, "nms": model.nms_threshold}
    for name, content in ((CONFIG, settings), (FACTS, model.facts), (THRESHOLDS, thresholds)):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def digest(name: str | Path = BUNDLED) -> str:
    """SHA-256 of all files that the prediction depends on, for the run's record."""
    files = sorted(p for p in find(name).iterdir() if p.suffix in {".json", ".h5", ".safetensors"})
    return hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); copy the model's folder again") from error


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: tensor.to(torch.float32) for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is damaged; copy the model's folder again") from error
