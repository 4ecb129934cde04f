"""A StarDist2D model's folder, as the stardist package saves it -> our network's architecture and weights."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lineage.schema import InputError
from lineage.stardist.network import ACTIVATIONS, DEEPEST, LARGEST, StarDist, StarDistConfig

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import h5py

    Layer = list[np.ndarray]  # a convolution's kernel and bias; a batch norm's gamma, beta, mean, variance

_MAX_BYTES = 2**30  # of one array of weights; StarDist's own have some MB in all
DEFAULT_THRESHOLDS = {"prob": 0.5, "nms": 0.4}  # StarDist's own

# What the network is built for; StarDist's defaults, so that `config.json` may leave them out.
FIXED: dict[str, Any] = {
    "n_dim": 2,
    "axes": "YXC",
    "backbone": "unet",
    "unet_pool": [2, 2],
    "unet_expansion": 2,
}
NUMBERS = {  # StarDist's default, and the smallest that makes sense
    "n_rays": (32, 3),
    "n_channel_in": (1, 1),
    "unet_n_depth": (3, 0),
    "unet_n_filter_base": (32, 1),
    "unet_n_conv_per_depth": (2, 1),
    "net_conv_after_unet": (128, 0),
}


def read(folder: Path) -> tuple[StarDistConfig, dict[str, torch.Tensor]]:
    """Read a StarDist2D model.

    Dropout, which does nothing at prediction, is left out, and so is the head for classes, which changes
    neither probability nor distances.

    Args:
        folder: with `config.json` and `weights_best.h5` or `weights_last.h5`, from Keras 2 or 3; files of
            other names are read where these are missing.

    Returns:
        The architecture, and what `StarDist(config).load_state_dict` takes, float32.

    Raises:
        InputError: a file is missing or damaged, they do not belong together, or the architecture is one
            that the network cannot express.
    """
    settings = _json(folder / "config.json")
    config = _config(settings, folder / "config.json")
    return config, _state(config, _weights(folder), classes=settings.get("n_classes") is not None)


def thresholds(folder: Path) -> tuple[float, float]:
    """The thresholds of probability and of non-maximum suppression, from `thresholds.json`.

    As in StarDist, 0.5 and 0.4 where the file is missing or a value is not between 0 and 1.
    """
    path = folder / "thresholds.json"
    stated = _json(path) if path.exists() else {}
    prob, nms = (
        float(stated[name]) if _is_share(stated.get(name)) else default
        for name, default in DEFAULT_THRESHOLDS.items()
    )
    return prob, nms


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < 1


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path.parent} is no StarDist model: it has no {path.name}; give the folder that StarDist saved"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); copy it anew") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no settings by name; give the folder that StarDist saved")
    return found


def _weights(folder: Path) -> Path:
    files = [path for path in folder.glob("*.h5") if not path.name.startswith(".")]
    if not files:
        raise InputError(f"{folder} has no weights; put StarDist's weights_best.h5 or weights_last.h5 there")
    return min(files, key=lambda path: ("best" not in path.name, "last" not in path.name, path.name))


def _config(settings: dict[str, Any], path: Path) -> StarDistConfig:
    def refuse(key: str, wanted: str) -> InputError:
        return InputError(
            f"{path}: {key} is {json.dumps(settings[key])}, and this reader wants {wanted}; "
            f"use a StarDist2D model that was trained so"
        )

    for key, wanted in FIXED.items():
        if settings.get(key, wanted) != wanted:
            raise refuse(key, json.dumps(wanted))
    numbers = {key: settings.get(key, default) for key, (default, _) in NUMBERS.items()}
    for key, number in numbers.items():
        smallest = NUMBERS[key][1]
        largest = DEEPEST if key == "unet_n_depth" else LARGEST
        if type(number) is not int or not smallest <= number <= largest:
            raise refuse(key, f"a whole number from {smallest} to {largest}")
    grid, kernel = settings.get("grid", [1, 1]), settings.get("unet_kernel_size", [3, 3])
    if not _is_square(grid) or grid[0].bit_count() != 1:
        raise refuse("grid", "a power of two, the same for both axes")
    if not _is_square(kernel) or kernel[0] % 2 == 0:
        raise refuse("unet_kernel_size", "an odd number, the same for both axes")
    activation = settings.get("unet_activation", "relu")
    last = settings.get("unet_last_activation", "relu") or activation
    for key, name in {"unet_activation": activation, "unet_last_activation": last}.items():
        if name not in ACTIVATIONS:
            raise refuse(key, "one of " + ", ".join(ACTIVATIONS))
    return StarDistConfig(
        **numbers,
        grid=grid[0],
        unet_kernel_size=kernel[0],
        unet_activation=activation,
        unet_last_activation=last,
        unet_batch_norm=bool(settings.get("unet_batch_norm", False)),
    )


def _is_square(sides: object) -> bool:
    """Two equal whole numbers from 1."""
    if not isinstance(sides, list) or len(sides) != 2:
        return False
    return all(type(n) is int and n > 0 for n in sides) and sides[0] == sides[1]


def _state(config: StarDistConfig, path: Path, *, classes: bool) -> dict[str, torch.Tensor]:
    """The weights, matched by the order of layers: numbers in names depend on what else the session built."""
    layers = _layers(path)
    found: dict[type[nn.Module], list[Layer]] = {
        nn.Conv2d: [layer for layer in layers if layer[0].ndim == 4],
        nn.BatchNorm2d: [layer for layer in layers if layer[0].ndim == 1],
    }
    if classes:
        found[nn.Conv2d] = _without_classes(found[nn.Conv2d], features=config.net_conv_after_unet > 0)
    with torch.device("meta"):
        network = StarDist(config)
    state: dict[str, torch.Tensor] = {}
    for kind, of_kind in found.items():
        modules = {name: module for name, module in network.named_modules() if type(module) is kind}
        if len(modules) != len(of_kind):
            raise InputError(
                f"{path} has {len(of_kind)} layers of the kind {kind.__name__} where config.json describes "
                f"{len(modules)}; give the two files of one model"
            )
        for (name, module), layer in zip(modules.items(), of_kind, strict=True):
            tensors = [torch.from_numpy(array) for array in layer]
            tensors[0] = tensors[0].permute(3, 2, 0, 1).contiguous() if kind is nn.Conv2d else tensors[0]
            wanted = {key: value for key, value in module.state_dict().items() if value.ndim}
            if [t.shape for t in tensors] != [value.shape for value in wanted.values()]:
                raise InputError(
                    f"{path}: the weights for {name} are {_shapes(tensors)} where config.json describes "
                    f"{_shapes(wanted.values())}; give the two files of one model"
                )
            state |= {f"{name}.{key}": tensor for key, tensor in zip(wanted, tensors, strict=True)}
            if kind is nn.BatchNorm2d:
                state[f"{name}.num_batches_tracked"] = torch.tensor(0)
    return state


def _shapes(arrays: Iterable[torch.Tensor]) -> str:
    return " and ".join("x".join(map(str, array.shape)) for array in arrays)


def _without_classes(convolutions: list[Layer], *, features: bool) -> list[Layer]:
    """Leave out the head for classes: the last layer, and its features, which follow those of the others."""
    kept = convolutions[:-1]
    return kept[:-3] + kept[-2:] if features else kept


def _layers(path: Path) -> list[Layer]:
    """The weights of each layer that has some, in the order of the network."""
    import h5py

    try:
        _check_length(path)
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            groups = _by_name(root) if "layer_names" in root.attrs else _by_number(root["layers"])
            read = [[_values(dataset, file) for dataset in group] for group in groups]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be read as the weights of a Keras model (it is damaged, or something else: "
            f"{' '.join(str(error).split())[:200]}); copy it anew from where the model was trained"
        ) from error
    return [layer for layer in read if layer]


def _values(dataset: h5py.Dataset, file: h5py.File) -> np.ndarray:
    """The numbers of a dataset, if they lie in this very file and are no more than a network's."""
    if dataset.file.filename != file.filename or dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} lies in another file")
    if dataset.nbytes > _MAX_BYTES:
        raise ValueError(f"{dataset.name} would have {dataset.nbytes} bytes")
    return np.asarray(dataset[()], np.float32)


def _check_length(path: Path) -> None:
    """Raise ValueError unless a file has the length that its header states; HDF5 may hang on a longer one.

    Format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, "Superblock".
    """
    with path.open("rb") as file:
        head = file.read(64)
    offset = {0: 40, 1: 44, 2: 28, 3: 28}.get(head[8] if len(head) > 8 else -1)
    if offset is None or int.from_bytes(head[offset : offset + 8], "little") != path.stat().st_size:
        raise ValueError("its length is not the one that it was written with")


def _by_name(root: h5py.Group) -> list[list[h5py.Dataset]]:
    """The layout of Keras 2, which the stardist package keeps to with Keras 3: the layers' order is noted."""
    groups = [root[name] for name in root.attrs["layer_names"]]
    return [[group[name] for name in group.attrs["weight_names"]] for group in groups]


def _by_number(layers: h5py.Group) -> list[list[h5py.Dataset]]:
    """Keras 3's own layout (`.weights.h5`): `conv2d`, `conv2d_1`, ..., whatever the layers' names."""
    order = sorted(layers, key=lambda name: int((re.findall(r"_(\d+)$", name) or ["0"])[0]))
    variables = [layers[name].get("vars", {}) for name in order]
    return [[group[str(n)] for n in range(len(group))] for group in variables]
