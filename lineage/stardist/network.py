"""Image (B, C, Y, X) -> object probability and radial distances, the network of StarDist2D."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}
BATCH_NORM_EPS = 1e-3  # Keras's
LARGEST = 4096  # of every number of a network
DEEPEST = 10  # U-Net: filters double with each level


@dataclass(frozen=True)
class StarDistConfig:
    """The architecture; names and defaults are those of StarDist's `config.json`, but for the last two."""

    n_rays: int = 32
    grid: int = 2  # one prediction every `grid` pixels
    n_channel_in: int = 1
    unet_n_depth: int = 3
    unet_kernel_size: int = 3
    unet_n_filter_base: int = 32
    unet_n_conv_per_depth: int = 2
    unet_activation: str = "relu"
    unet_last_activation: str = "relu"
    unet_batch_norm: bool = False
    net_conv_after_unet: int = 128
    unshuffle: bool = False
    """The grid is reached by turning blocks of pixels into channels, in place of StarDist's convolutions at
    full resolution, which are a quarter of its work."""
    sparse: bool = False
    """The probability is read off the U-Net, so that features and distances are computed only where an
    object is: a fiftieth of the image."""

    def __post_init__(self) -> None:
        for name, default in ((f.name, f.default) for f in fields(self)):
            value = getattr(self, name)
            if type(value) is not type(default) or (type(value) is int and not 0 <= value <= LARGEST):
                raise ValueError(f"{name} is {value!r}")
        if self.unet_n_depth > DEEPEST or min(self.grid, self.unet_kernel_size, self.n_rays) < 1:
            raise ValueError(f"no such network: {self}")
        if not {self.unet_activation, self.unet_last_activation} <= set(ACTIVATIONS):
            raise ValueError(f"activations {self.unet_activation!r} and {self.unet_last_activation!r}")

    @property
    def multiple(self) -> int:
        """Both sides of an input image must be multiples of this."""
        return self.grid * 2**self.unet_n_depth


class StarDist(nn.Module):
    """U-Net with two heads, as in the stardist package's `StarDist2D`."""

    def __init__(self, config: StarDistConfig) -> None:
        super().__init__()
        self.config = c = config
        # For prediction, in place of `unet` and `prob`: maps, logits, what a step of the maps stands for.
        self.int8: Callable[[Tensor], tuple[Tensor, Tensor, float]] | None = None
        depth, base, repeats = c.unet_n_depth, c.unet_n_filter_base, c.unet_n_conv_per_depth
        width = c.n_channel_in * (c.grid**2 if c.unshuffle else 1)
        self.to_grid = nn.ModuleList()
        for _ in range(0 if c.unshuffle else c.grid.bit_length() - 1):
            self.to_grid.append(self._convolutions(width, *[base] * repeats, batch_norm=False))
            width = base
        self.down = nn.ModuleList()
        for n in range(depth):
            self.down.append(self._convolutions(width, *[base * 2**n] * repeats))
            width = base * 2**n
        self.middle = self._convolutions(
            width, *[base * 2**depth] * (repeats - 1), base * 2 ** max(0, depth - 1)
        )
        self.up = nn.ModuleList()
        for n in reversed(range(depth)):
            widths = [base * 2**n] * (repeats - 1) + [base * 2 ** max(0, n - 1)]
            last = c.unet_last_activation if n == 0 else c.unet_activation
            self.up.append(self._convolutions(2 * base * 2**n, *widths, last=last))
        after = c.net_conv_after_unet
        self.features = self._convolutions(base, *[after] * (after > 0), batch_norm=False)
        self.prob = nn.Conv2d(base, 1, 3, padding=1) if c.sparse else nn.Conv2d(after or base, 1, 1)
        self.dist = nn.Conv2d(after or base, c.n_rays, 1)

    def _convolutions(
        self, width: int, *widths: int, batch_norm: bool | None = None, last: str | None = None
    ) -> nn.Sequential:
        """Convolution, batch norm and activation for each of `widths`; defaults are the U-Net's."""
        c = self.config
        names = [c.unet_activation] * (len(widths) - 1) + [last or c.unet_activation]
        layers: list[nn.Module] = []
        for w, name in zip(widths, names, strict=False):
            layers.append(nn.Conv2d(width, w, c.unet_kernel_size, padding=c.unet_kernel_size // 2))
            if c.unet_batch_norm if batch_norm is None else batch_norm:
                layers.append(nn.BatchNorm2d(w, eps=BATCH_NORM_EPS))
            layers.append(ACTIVATIONS[name]())
            width = w
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, Y, X) -> logits (B, 1, Y/grid, X/grid), distances in pixels (B, n_rays, Y/grid, X/grid).

        The heads run in float32 under autocast: bfloat16 there costs a quarter of a pixel of distance.
        """
        x = self.unet(x)
        features = self.features(x)
        with torch.autocast(x.device.type, enabled=False):
            features = features.float()
            return self.prob(x.float() if self.config.sparse else features), self.dist(features)

    def unet(self, x: Tensor) -> Tensor:
        """(B, C, Y, X) -> (B, base, Y/grid, X/grid)."""
        if self.config.unshuffle:
            x = F.pixel_unshuffle(x, self.config.grid)
        for block in self.to_grid:
            x = F.max_pool2d(block(x), 2)
        skips = []
        for block in self.down:
            skips.append(block(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.middle(x)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1))
        return x

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor, float]:
        """The U-Net's maps and their logits in float32, and 1: as `int8` gives them."""
        x = self.unet(x)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            return x, self.prob(x), 1.0

    def candidates(self, x: Tensor, logit: float) -> tuple[Tensor, Tensor, Tensor]:
        """Where one image may have an object.

        Args:
            x: (1, C, Y, X).
            logit: grid points below it are left out, as are those within two of the edge (as in the stardist
                package).

        Returns:
            Grid points (N, 2), logits (N,) and distances (N, n_rays), pixels.
        """
        if not self.config.sparse:
            logits, dist = self(x)
            points = _above(logits[0, 0], logit)
            rows, columns = points.T
            return points, logits[0, 0, rows, columns], dist[0].permute(1, 2, 0)[rows, columns]
        x, logits, step = self.int8(x) if self.int8 else self._maps(x)
        with torch.autocast(x.device.type, enabled=False):
            logits = logits[0, 0]
            points = _above(logits, logit)
            rows, columns = points.T
            side = torch.arange(self.config.unet_kernel_size, device=x.device) - (
                self.config.unet_kernel_size // 2
            )
            patches = (
                x[0]
                .permute(1, 2, 0)[rows[:, None, None] + side[:, None], columns[:, None, None] + side]
                .float()
                * step
            )  # (N, k, k, base)
            convolution = cast("nn.Conv2d", self.features[0])
            kernel = convolution.weight.permute(0, 2, 3, 1).flatten(1)
            features = self.features[1](F.linear(patches.flatten(1), kernel, convolution.bias))
            dist = F.linear(features, self.dist.weight.flatten(1), self.dist.bias)
        return points, logits[rows, columns], dist


def _above(logits: Tensor, min_logit: float, edge: int = 2) -> Tensor:
    """Points (N, 2) above `min_logit`; at most the best quarter, as early in training all may be above."""
    inside = logits[edge:-edge, edge:-edge]
    above = inside > min_logit
    if (max_points := inside.numel() // 4) < int(above.sum()):
        above &= inside > inside.flatten().topk(max_points).values[-1]
    return torch.nonzero(above) + edge


def ready(network: StarDist, device: torch.device) -> StarDist:
    """A copy for predicting: batch norm folded into the convolutions before it, channels last."""
    folded = StarDist(replace(network.config, unet_batch_norm=False))
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    convolutions = [m for m in folded.modules() if isinstance(m, nn.Conv2d)]
    following = {id(a): b for a, b in pairwise(layers) if isinstance(b, nn.BatchNorm2d)}
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            norm = following.get(id(layer))
            fused = nn.utils.fuse_conv_bn_eval(deepcopy(layer).eval(), norm.eval()) if norm else layer
            convolutions.pop(0).load_state_dict(fused.state_dict())
    return folded.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def half_precision(device: torch.device, *, allowed: bool = True) -> torch.autocast:
    """bfloat16 where it is faster than float32: on NVIDIA's GPUs, and on processors with AMX."""
    has = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_amx_tile_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=has and allowed)
