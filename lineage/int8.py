"""Convolutions in whole numbers of eight bits: four to five times as fast as float32 on processors with VNNI.

Weights get a step for each output channel. What a layer gives out lies between 0 and its range, which was
measured on images; what is brighter is cut off there. Sums are whole numbers of 32 bits, so that results do
not depend on how the work is shared out. Used for prediction alone, on the processor alone: elsewhere the
same weights are used in floating point.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

LEVELS = 255
WEIGHT_LEVELS = 127  # on either side of 0
USUAL = 0.99  # of the images


def is_fast(device: torch.device) -> bool:
    """Whether whole numbers of eight bits are faster here than other numbers."""
    return device.type == "cpu" and torch.cpu._is_vnni_supported()


class Scale(NamedTuple):
    """What whole numbers stand for: (whole - zero) * step."""

    step: float
    zero: int


def scale_of(low: float, high: float) -> Scale:
    """The scale of numbers between two, 0 among them.

    >>> scale_of(-51.0, 204.0)
    Scale(step=1.0, zero=51)
    """
    low, high = min(low, 0.0), max(high, 1e-6)
    step = (high - low) / LEVELS
    return Scale(step, round(-low / step))


def whole(x: Tensor, scale: Scale) -> Tensor:
    """(B, C, Y, X) float32 -> the same as uint8, channels last; what is out of range becomes its end."""
    numbers = (x / scale.step).add_(scale.zero).round_().clamp_(0, LEVELS)
    return numbers.to(torch.uint8, memory_format=torch.channels_last)


def halved(x: Tensor) -> Tensor:
    """(B, C, Y, X) -> (B, C, Y/2, X/2), the highest of 2 x 2; torch has no such pooling of uint8."""
    b, c, height, width = x.shape
    blocks = x.permute(0, 2, 3, 1).view(b, height // 2, 2, width // 2, 2, c)
    rows = torch.maximum(blocks[:, :, 0], blocks[:, :, 1])
    return torch.maximum(rows[:, :, :, 0], rows[:, :, :, 1]).permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution and its ReLU, if it has one, by oneDNN: uint8 -> uint8, or float32 if it is the last."""

    weight: Tensor  # int8, as oneDNN packs it
    steps: Tensor  # (C',) of the weights of each output channel
    zeros: Tensor  # (C',) all 0
    bias: Tensor  # (C',)
    padding: int
    reads: Scale
    gives: Scale | None  # None: float32
    relu: bool

    @classmethod
    def of(cls, layer: nn.Conv2d, reads: Scale, gives: Scale | None, *, relu: bool = True) -> Convolution:
        """A layer with a step of 1.

        Args:
            layer: its weights.
            reads: the scale of its input.
            gives: of its output; None for float32.
            relu: whether a ReLU comes after it.
        """
        weight = layer.weight.detach()
        steps = weight.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / WEIGHT_LEVELS
        numbers = torch.round(weight / steps[:, None, None, None]).to(torch.int8)
        padding = int(layer.padding[0])
        packed = torch.ops.onednn.qconv_prepack(numbers, steps, *reads, [1, 1], [padding] * 2, [1, 1], 1)
        bias = torch.zeros(len(steps)) if layer.bias is None else layer.bias.detach().float()
        zeros = torch.zeros_like(steps, dtype=torch.int64)
        return cls(packed, steps, zeros, bias, padding, reads, gives, relu)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, Y, X) uint8 of the scale `reads` -> (B, C', Y, X)."""
        gives = self.gives or Scale(1.0, 0)
        dtype = torch.float32 if self.gives is None else torch.uint8
        weights = (self.weight, self.steps, self.zeros, self.bias)
        sizes = ([1, 1], [self.padding] * 2, [1, 1], 1)
        return torch.ops.onednn.qconv2d_pointwise(
            x, *self.reads, *weights, *sizes, *gives, dtype, "relu" if self.relu else "none", [], ""
        )  # fmt: skip


@contextmanager
def watched(layers: Sequence[nn.Module]) -> Iterator[list[list[float]]]:
    """Note the highest number that each layer gives out, each time it is called while the block runs."""
    highest: list[list[float]] = [[] for _ in layers]
    hooks = [
        layer.register_forward_hook(lambda _layer, _read, given, own=own: own.append(float(given.max())))
        for layer, own in zip(layers, highest, strict=True)
    ]
    try:
        yield highest
    finally:
        for hook in hooks:
            hook.remove()


def usual(highest: Sequence[float]) -> float:
    """A range from the highest numbers of many images: one in a hundred is cut off somewhere."""
    return round(max(0.0, float(np.quantile(highest, USUAL))), 4)
