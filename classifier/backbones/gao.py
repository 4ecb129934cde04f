"""Gao's small network for cells, as the paper has it."""

from __future__ import annotations

import torch
from torch import nn

STAGES = ((6, 7, 2), (16, 4, 3), (32, 3, 3))  # channels, kernel, pooling


class Gao(nn.Module):
    """(B, 3, H, W) -> (B, 32, h, w); 78 px give 3 x 3.

    Source: Gao et al. 2017, HEp-2 cell image classification with deep convolutional neural networks, by way
    of Delgado-Rodriguez et al. 2024.
    """

    n_features = 32

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, kernel, pooling in STAGES:
            layers += [
                nn.Conv2d(channels, width, kernel),
                nn.ReLU(inplace=True),
                nn.BatchNorm2d(width),
                nn.MaxPool2d(pooling),
            ]
            channels = width
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """RGB frames -> feature maps."""
        return self.features(x)
