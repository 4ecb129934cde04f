"""VGG16 without its classifier; parameters named as torchvision's `vgg16`."""

from __future__ import annotations

import torch
from torch import nn

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions before each pooling


class VGG16(nn.Module):
    """(B, 3, H, W) -> (B, 512, H / 32, W / 32), halves rounded down.

    Source: Simonyan & Zisserman 2015, Very deep convolutional networks for large-scale image recognition.
    """

    n_features = 512

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, repeats in STAGES:
            for _ in range(repeats):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """RGB frames -> feature maps."""
        return self.features(x)
