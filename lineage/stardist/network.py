"""Image (B, C, Y, X) -> object probability and radial distances, the network of StarDist2D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StarDistConfig:
    """The architecture; names are those of StarDist's `config.json`."""

    n_rays: int = 32
    grid: int = 2  # one prediction every `grid` pixels
    n_channel_in: int = 1
    unet_n_depth: int = 3
    unet_n_filter_base: int = 32
    unet_n_conv_per_depth: int = 2
    net_conv_after_unet: int = 128

    @property
    def multiple(self) -> int:
        """Both sides of an input image must be multiples of this."""
        return self.grid * 2**self.unet_n_depth


def half_precision() -> torch.autocast:
    """bfloat16 where this processor computes in it; emulated, it is several times slower than float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


class StarDist(nn.Module):
    """U-Net with two heads, as in the stardist package's `StarDist2D`."""

    def __init__(self, config: StarDistConfig) -> None:
        super().__init__()
        self.config = config
        c, depth, base, n_conv = (
            config,
            config.unet_n_depth,
            config.unet_n_filter_base,
            config.unet_n_conv_per_depth,
        )
        self.to_grid = nn.ModuleList()
        width, grid = c.n_channel_in, c.grid
        while grid > 1:
            self.to_grid.append(_convolutions(width, *[base] * n_conv))
            width, grid = base, grid // 2
        self.down = nn.ModuleList()
        for n in range(depth):
            self.down.append(_convolutions(width, *[base * 2**n] * n_conv))
            width = base * 2**n
        middle = [base * 2**depth] * (n_conv - 1)
        self.middle = _convolutions(width, *middle, base * 2 ** (depth - 1))
        self.up = nn.ModuleList()
        for n in reversed(range(depth)):
            narrowed = base * 2 ** max(0, n - 1)
            self.up.append(_convolutions(base * 2**n * 2, *[base * 2**n] * (n_conv - 1), narrowed))
        self.features = _convolutions(base, c.net_conv_after_unet)
        self.prob = nn.Conv2d(c.net_conv_after_unet, 1, 1)
        self.dist = nn.Conv2d(c.net_conv_after_unet, c.n_rays, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, Y, X) -> logits (B, 1, Y/grid, X/grid), distances in pixels (B, n_rays, Y/grid, X/grid).

        The heads run in float32 under autocast: bfloat16 there costs a quarter of a pixel of distance.
        """
        for block in self.to_grid:
            x = nn.functional.max_pool2d(block(x), 2)
        skips = []
        for block in self.down:
            skips.append(block(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.middle(x)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(torch.cat([nn.functional.interpolate(x, scale_factor=2.0), skip], dim=1))
        x = self.features(x)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            return self.prob(x), self.dist(x)


def _convolutions(width: int, *widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for w in widths:
        layers += [nn.Conv2d(width, w, 3, padding=1), nn.ReLU(inplace=True)]
        width = w
    return nn.Sequential(*layers)
