"""An image and its nuclei -> what each looks like: interphase, a mitotic figure, dying, debris, ...

A small convolutional network sees each nucleus, and what is around it, zoomed so that the usual nucleus of a
frame has the same size in every movie. It judges a single picture; brightness beside other nuclei, size and
rounding are measured, and `state.py` puts both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from lineage.compiled import compiled
from lineage.device import AUTO
from lineage.schema import LOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

    from lineage.int8 import Convolution
    from lineage.nuclei.measure import Measures

PATH = Path(__file__).with_name("appearance.safetensors")
SIDE = 32  # of what the network sees, pixels
DIAMETER = 13.0  # of a usual nucleus of the frame in it, pixels
BRIGHTEST = 4.0  # grey levels are given over the nucleus's own mean, up to this
FILTERS = (16, 32, 64)
BATCH = 256  # nuclei at a time
RANGES = "ranges"  # beside the weights: the highest number that each convolution gives


def looks(above: np.ndarray, labels: np.ndarray, found: Measures, *, device: str = AUTO) -> np.ndarray:
    """Judge each nucleus by its pixels.

    Args:
        above: (Y, X) grey levels above the background.
        labels: (Y, X), 0 is background.
        found: the labels' measures.
        device: as `lineage.device.device_of` knows it.

    Returns:
        (N, len(LOOKS)) float32 probabilities, as if all looks were equally frequent; rows sum to 1.
    """
    if not len(found.label):
        return np.zeros((0, len(LOOKS)), np.float32)
    return probabilities(network(device), crops(above, labels, found))


def crops(
    above: np.ndarray,
    labels: np.ndarray,
    found: Measures,
    *,
    diameter_px: float | None = None,
    side: int = SIDE,
) -> np.ndarray:
    """Cut out each nucleus with what is around it.

    Args:
        above: (Y, X) grey levels above the background.
        labels: (Y, X), 0 is background.
        found: the labels' measures.
        diameter_px: of the usual nucleus; None takes the frame's median.
        side: of what is cut out.

    Returns:
        (N, 2, side, side) float32: grey levels over the nucleus's own mean, and where it lies itself.
    """
    diameter = diameter_px or float(2 * np.sqrt(np.median(found.area_px) / np.pi))
    step = max(diameter, 1.0) / DIAMETER  # pixels of the image to one that is seen
    coarser = max(1, int(step))  # a mean over so many, so that nothing is passed over
    image = np.ascontiguousarray(_coarser(above, coarser), np.float32)
    offsets = (np.arange(side) - (side - 1) / 2) * step
    return _cut(
        image,
        coarser,
        np.ascontiguousarray(labels, np.int32),
        found.label,
        np.ascontiguousarray(found.position_px, np.float64),
        np.maximum(found.mean, 1e-6),
        offsets,
    )


@compiled
def _cut(
    image: np.ndarray,
    coarser: int,
    labels: np.ndarray,
    names: np.ndarray,
    positions: np.ndarray,
    means: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """(N, 2, S, S): grey levels over the mean, linear between pixels, and whether the nucleus is there.

    Args:
        image: (Y // coarser, X // coarser), grey levels.
        coarser: pixels of `labels` to one of `image`.
        labels: (Y, X).
        names: (N,) the nuclei's labels.
        positions: (N, 2) their middles, in pixels of `labels`.
        means: (N,) their mean grey levels.
        offsets: (S,) from the middle, in pixels of `labels`.
    """
    n, side = len(names), len(offsets)
    seen = np.zeros((n, 2, side, side), np.float32)
    shift = (coarser - 1) / 2
    bottom, right = image.shape[0] - 1, image.shape[1] - 1
    for k in range(n):
        for i in range(side):
            y = positions[k, 0] + offsets[i]
            row, v = round(y), (y - shift) / coarser
            for j in range(side):
                x = positions[k, 1] + offsets[j]
                column, u = round(x), (x - shift) / coarser
                if 0 <= v <= bottom and 0 <= u <= right:  # beyond the image it is dark
                    above, before = min(int(v), max(bottom - 1, 0)), min(int(u), max(right - 1, 0))
                    below, after = min(above + 1, bottom), min(before + 1, right)
                    down, across = v - above, u - before
                    upper = image[above, before] * (1 - across) + image[above, after] * across
                    lower = image[below, before] * (1 - across) + image[below, after] * across
                    grey = np.float32(upper * (1 - down) + lower * down)
                    seen[k, 0, i, j] = min(max(grey / means[k], 0.0), BRIGHTEST)
                if 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]:
                    seen[k, 1, i, j] = labels[row, column] == names[k]
    return seen


def _coarser(image: np.ndarray, by: int) -> np.ndarray:
    """Means of squares of `by` pixels; what is left at the far edges goes into none."""
    if by == 1:
        return image
    height, width = (n // by for n in image.shape)
    return image[: height * by, : width * by].reshape(height, by, width, by).mean(axis=(1, 3))


def probabilities(net: Network, seen: np.ndarray) -> np.ndarray:
    """(N, len(LOOKS)) probabilities from (N, 2, SIDE, SIDE)."""
    import torch

    from lineage.device import computing

    with torch.inference_mode(), computing(net.device):
        parts = [
            net(_filled(part).to(net.device))[: len(part)].softmax(dim=1).cpu()
            for part in torch.from_numpy(seen).split(BATCH)
        ]
    return torch.cat(parts).numpy()


def _filled(part: torch.Tensor) -> torch.Tensor:
    """Black pictures behind some, up to a power of two: torch keeps something for each number it sees."""
    from torch.nn import functional

    wanted = 1 << max(0, len(part) - 1).bit_length()
    return functional.pad(part, (0, 0, 0, 0, 0, 0, 0, wanted - len(part)))


def new_network() -> torch.nn.Sequential:
    """The network, with random weights: (N, 2, SIDE, SIDE) -> (N, len(LOOKS)) logits."""
    from torch import nn

    layers: list[nn.Module] = []
    before = 2
    for n in FILTERS:
        layers += [nn.Conv2d(before, n, 3, padding=1), nn.ReLU(), nn.Conv2d(n, n, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        before = n
    side = SIDE // 2 ** len(FILTERS)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(before * side**2, len(LOOKS)))


@dataclass(frozen=True, eq=False)
class Network:
    """The network ready to predict: in whole numbers of eight bits where that is faster, else in float32."""

    layers: torch.nn.Sequential
    device: torch.device
    int8: list[Convolution] | None = None

    def __call__(self, seen: torch.Tensor) -> torch.Tensor:
        """(N, 2, SIDE, SIDE) -> (N, len(LOOKS)) logits."""
        from torch.nn import functional

        from lineage.int8 import halved, whole

        if self.int8 is None:
            return cast("torch.Tensor", self.layers(seen))
        x = whole(seen, self.int8[0].reads)
        for k, convolution in enumerate(self.int8):
            x = convolution(x)
            if k % 2 and k < len(self.int8) - 1:
                x = halved(x)
        return cast("torch.Tensor", self.layers[-1](functional.max_pool2d(x, 2).flatten(1)))


def ready(
    layers: torch.nn.Sequential, device: torch.device, ranges: Sequence[float] | None = None
) -> Network:
    """A network for predicting.

    Args:
        layers: as `new_network` makes them.
        device: where it computes.
        ranges: the highest number that each of its convolutions gives, as `ranges_of` measured it.
    """
    import torch

    from lineage.int8 import Convolution, is_fast, scale_of

    layers = layers.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if ranges is None or not is_fast(device):
        return Network(layers, device)
    scales = [scale_of(0.0, BRIGHTEST), *(scale_of(0.0, top) for top in ranges[:-1])]
    found = [
        Convolution.of(layer, reads, gives)
        for layer, reads, gives in zip(_convolutions(layers), scales, [*scales[1:], None], strict=True)
    ]
    return Network(layers, device, found)


def ranges_of(layers: torch.nn.Sequential, pictures: Iterable[np.ndarray]) -> list[float]:
    """Measure the highest number that each convolution gives, for `ready`.

    Args:
        layers: in float32.
        pictures: (N, 2, SIDE, SIDE) each, as `crops` cuts them out of an image.
    """
    import torch

    from lineage.int8 import usual, watched

    with watched(_convolutions(layers)) as tops, torch.inference_mode():
        for seen in pictures:
            layers(torch.from_numpy(seen))
    return [usual(own) for own in tops]


def _convolutions(layers: torch.nn.Sequential) -> list[torch.nn.Conv2d]:
    from torch import nn

    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


def save(layers: torch.nn.Sequential, ranges: Sequence[float], path: Path) -> None:
    """Write a network as `network` reads it."""
    import torch
    from safetensors.torch import save_file

    weights = {name: tensor.contiguous() for name, tensor in layers.state_dict().items()}
    save_file(weights | {RANGES: torch.tensor(ranges)}, path)


def digest() -> str:
    """SHA-256 of the bundled network's file, for a run's record."""
    import hashlib

    return hashlib.sha256(PATH.read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def network(device: str = AUTO) -> Network:
    """The bundled one, on a device that `lineage.device.device_of` knows."""
    from safetensors.torch import load_file

    from lineage.device import computing, device_of

    layers, tensors = new_network(), load_file(PATH)
    ranges = tensors.pop(RANGES).tolist()
    layers.load_state_dict(tensors)
    with computing(device_of(device)):
        return ready(layers, device_of(device), ranges)
