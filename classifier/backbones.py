"""Image -> feature map. MobileNetV2 with its batch norm folded into the convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

# Sandler et al. 2018, table 2: expansion, channels, repeats, stride of the first.
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: what is odd goes to the right and below."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride))."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if down == right and down % 2 == 0:
            return nn.functional.conv2d(
                x, self.weight, self.bias, self.stride, down // 2, self.dilation, self.groups
            )
        x = pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def conv_relu6(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution with a bias (its batch norm, folded), then ReLU6."""
    return nn.Sequential(SameConv(inputs, outputs, kernel, stride, groups=groups), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([conv_relu6(inputs, hidden, 1)] if expansion > 1 else []),
            conv_relu6(hidden, hidden, 3, stride, groups=hidden),
            SameConv(hidden, outputs, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 1.0 up to and including one of its 17 residual blocks.

    Parameters are named as torchvision's, without the batch norms. The two channels (phase, dna) take the
    place of the colours: DNA that of red and green, the brighter two, phase that of blue.

    Source: Sandler et al. 2018, MobileNetV2: inverted residuals and linear bottlenecks.
    """

    def __init__(self, n_blocks: int = 17) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_relu6(2, 32, 3, stride=2)]
        channels = 32
        widths: list[int] = []
        for expansion, outputs, repeats, stride in BLOCKS:
            for i in range(repeats):
                layers.append(InvertedResidual(channels, outputs, stride if i == 0 else 1, expansion))
                channels = outputs
                widths.append(channels)
        self.features = nn.Sequential(*layers[: n_blocks + 1])
        self.n_features = widths[n_blocks - 1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2, H, W) -> (B, n_features, H / 16, W / 16), or / 32 past block 13."""
        return self.features(x)

    def load_imagenet(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the ImageNet weights: convolutions in order, `conv00_... .weight, .bias`, RGB in -1..1.

        Raises:
            InputError: the arrays are not those of this network.
        """
        convs = [m for m in self.modules() if isinstance(m, SameConv)]
        names = sorted({name.rpartition(".")[0] for name in arrays})
        if len(names) < len(convs):
            raise InputError(
                f"the pretrained file has {len(names)} convolutions; MobileNetV2 wants {len(convs)}"
            )
        for conv, name in zip(convs, names, strict=False):
            weight, bias = (torch.from_numpy(arrays[f"{name}.{part}"]).float() for part in ("weight", "bias"))
            if conv is convs[0]:
                red, green, blue = weight.unbind(1)
                weight = torch.stack([blue, red + green], dim=1)  # (32, 2, 3, 3): phase, dna
            if weight.shape != conv.weight.shape:
                raise InputError(
                    f"the pretrained file's {name} is {tuple(weight.shape)}; "
                    f"MobileNetV2 wants {tuple(conv.weight.shape)}"
                )
            conv.load_state_dict({"weight": weight, "bias": bias})


BACKBONES = {"mobilenet_v2": MobileNetV2}
