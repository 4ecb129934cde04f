"""A StarDist network in whole numbers of eight bits, but for its distances; and its ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lineage.int8 import Convolution, halved, is_fast, scale_of, usual, watched, whole
from lineage.stardist.network import ready as in_floating_point

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from lineage.stardist.network import StarDist, StarDistConfig


class UNet:
    """As `StarDist.unet` and `StarDist.prob`, several times as fast."""

    def __init__(self, network: StarDist, ranges: tuple[float, ...]) -> None:
        """Round a network's weights.

        Args:
            network: of a kind that is possible, batch norm folded in.
            ranges: as `ranges_of` measured them.
        """
        blocks = _blocks(network)
        low, high, *tops = ranges
        last = scale_of(0.0, tops[-1])
        ends = [sum(map(len, blocks[: k + 1])) - 1 for k in range(len(blocks))]
        self.depth = len(network.down)
        # A level's map and the one below it are laid on top of each other: both get the same scale.
        for k in range(self.depth):
            pair = ends[self.depth + k], ends[self.depth - 1 - k]
            tops[pair[0]] = tops[pair[1]] = max(tops[n] for n in pair)
        scales = [*(scale_of(0.0, top) for top in tops[:-1]), last]
        self.grid, self.sees, self.step = network.config.grid, scale_of(low, high), last.step
        self.prob = Convolution.of(network.prob, last, None, relu=False)
        reads = self.sees
        self.blocks: list[list[Convolution]] = []
        k = 0
        for block in blocks:
            self.blocks.append([])
            for layer in block:
                self.blocks[-1].append(Convolution.of(layer, reads, scales[k]))
                reads = scales[k]
                k += 1

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor, float]:
        """(B, C, Y, X) float32 -> maps (B, base, Y/grid, X/grid) uint8, their logits (B, 1, Y/grid, X/grid).

        And what a step of the maps' whole numbers stands for.
        """
        x = whole(F.pixel_unshuffle(x, self.grid), self.sees)
        skips = []
        for block in self.blocks[: self.depth]:
            skips.append(_through(block, x))
            x = halved(skips[-1])
        x = _through(self.blocks[self.depth], x)
        for block, skip in zip(self.blocks[self.depth + 1 :], reversed(skips), strict=True):
            x = _through(block, torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1))
        return x, self.prob(x), self.step


def ready(network: StarDist, device: torch.device, ranges: tuple[float, ...] | None) -> StarDist:
    """A copy for predicting that computes in eight bits where that is faster.

    Args:
        network: as it was trained.
        device: where it will compute.
        ranges: as `ranges_of` measured them; None for floating point.
    """
    copy = in_floating_point(network, device)
    if ranges and is_fast(device):
        copy.int8 = UNet(copy, ranges)
    return copy


def _through(block: list[Convolution], x: Tensor) -> Tensor:
    for convolution in block:
        x = convolution(x)
    return x


def is_possible(c: StarDistConfig) -> bool:
    """Whether a U-Net is of the kind that `UNet` computes: all ReLU, no batch norm, an unshuffled grid."""
    return (
        c.unshuffle
        and c.sparse
        and not c.unet_batch_norm
        and (c.unet_activation, c.unet_last_activation) == ("relu", "relu")
        and c.unet_n_depth > 0
    )


def n_ranges(c: StarDistConfig) -> int:
    """How many numbers `ranges_of` gives for a network."""
    return 2 + (2 * c.unet_n_depth + 1) * c.unet_n_conv_per_depth


def ranges_of(network: StarDist, images: Iterable[np.ndarray]) -> tuple[float, ...]:
    """Measure what goes into the U-Net and comes out of its layers.

    Args:
        network: in floating point.
        images: (Y, X) or (Y, X, C) float32, normalised; cut to multiples of what the network takes.

    Returns:
        The lowest and the highest number that it sees, then the highest that each of its convolutions gives.
    """
    layers = [layer for block in _blocks(network) for layer in block]
    multiple = network.config.multiple
    lows, highs = [0.0], [0.0]
    with watched(layers) as tops, torch.inference_mode():
        for image in images:
            cut = image[tuple(slice(n // multiple * multiple) for n in image.shape[:2])]
            if not cut.size:
                continue
            x = torch.from_numpy(np.ascontiguousarray(cut)).reshape(1, *cut.shape[:2], -1)
            network.unet(x.permute(0, 3, 1, 2).to(network.prob.weight.device))
            lows.append(-float(cut.min()))
            highs.append(float(cut.max()))
    return (-usual(lows), usual(highs), *map(usual, tops))


def _blocks(network: StarDist) -> list[list[nn.Conv2d]]:
    blocks = [*network.down, network.middle, *network.up]
    return [[layer for layer in block if isinstance(layer, nn.Conv2d)] for block in blocks]
