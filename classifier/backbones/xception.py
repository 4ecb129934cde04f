"""Xception without its classifier.

Torchvision has no Xception; parameters are named as in the widely used port of Keras's weights to torch
(Cadene's `pretrained-models.pytorch`, later timm's `legacy_xception`).
"""

from __future__ import annotations

import torch
from torch import nn


class SeparableConv(nn.Module):
    """3 x 3 a channel, then 1 x 1 across them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    """Two or three separable convolutions around a shortcut."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        repeats: int,
        stride: int = 1,
        *,
        relu_first: bool = True,
        grows_first: bool = True,
    ) -> None:
        super().__init__()
        self.skip = None if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.skipbn = None if stride == 1 else nn.BatchNorm2d(outputs)
        grows_at = 0 if grows_first else repeats - 1
        layers: list[nn.Module] = []
        for i in range(repeats):
            a, b = inputs if i <= grows_at else outputs, inputs if i < grows_at else outputs
            # Not in place: the block's input goes on along the shortcut.
            layers += [nn.ReLU(inplace=i > 0), SeparableConv(a, b), nn.BatchNorm2d(b)]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, 1))
        self.rep = nn.Sequential(*(layers if relu_first else layers[1:]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        shortcut = x if self.skip is None or self.skipbn is None else self.skipbn(self.skip(x))
        return self.rep(x) + shortcut


class Xception(nn.Module):
    """(B, 3, H, W) -> (B, 2048, h, w); 78 px give 3 x 3.

    Source: Chollet 2017, Xception: deep learning with depthwise separable convolutions.
    """

    n_features = 2048

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.block1 = Block(64, 128, 2, 2, relu_first=False)
        self.block2 = Block(128, 256, 2, 2)
        self.block3 = Block(256, 728, 2, 2)
        for i in range(4, 12):
            self.add_module(f"block{i}", Block(728, 728, 3))
        self.block12 = Block(728, 1024, 2, 2, grows_first=False)
        self.conv3 = SeparableConv(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """RGB frames -> feature maps."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        for i in range(1, 13):
            x = self.get_submodule(f"block{i}")(x)
        x = self.relu(self.bn3(self.conv3(x)))
        return self.relu(self.bn4(self.conv4(x)))
