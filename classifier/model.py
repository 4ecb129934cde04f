"""(B, 12, 2, H, W) -> (B, K) logits: a backbone for each frame, an LSTM over them, a head."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from classifier.backbones import BACKBONES


class MitosisNet(nn.Module):
    """Backbone per frame, mean and maximum over the frame, LSTM over the frames, dense head.

    Args:
        n_classes: K.
        backbone: a name in BACKBONES.
        hidden: width of the LSTM and of what it is given.
        dropout: of the backbone's features and before the last layer.
        backbone_kwargs: handed to the backbone.

    Source: Delgado-Rodriguez et al. 2024 (backbone, LSTM, dense layers), with a smaller backbone.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        backbone: str = "mobilenet_v2",
        hidden: int = 96,
        dropout: float = 0.3,
        **backbone_kwargs: Any,
    ) -> None:
        super().__init__()
        self.backbone = BACKBONES[backbone](**backbone_kwargs)
        pooled = 2 * self.backbone.n_features
        # With its batch norms folded the backbone gives features of any mean and size.
        self.squeeze = nn.Sequential(
            nn.BatchNorm1d(pooled), nn.Dropout(dropout), nn.Linear(pooled, hidden), nn.ReLU()
        )
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(hidden, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, n_classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised crops, channels (phase, dna) -> logits."""
        b, t = x.shape[:2]
        maps = self.backbone(x.flatten(0, 1).contiguous(memory_format=torch.channels_last))  # (B*12, F, h, w)
        x = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)  # (B*12, 2F)
        x, _ = self.lstm(self.squeeze(x).unflatten(0, (b, t)))  # (B, 12, hidden)
        return self.head(x[:, -1])  # (B, K)
