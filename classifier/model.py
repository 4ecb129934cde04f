"""(B, 12, F) measures or (B, 12, C, H, W) pixels -> (B, K) logits: the networks, made by `build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from classifier.backbones.gao import Gao
from classifier.backbones.mobilenet import MobileNetV2
from classifier.backbones.resnet import ResNet50
from classifier.backbones.vgg import VGG16
from classifier.backbones.xception import Xception
from classifier.measures import N_OF_NETWORK
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


class Network(nn.Module):
    """A network with a backbone and a head; `Volume` has no head."""

    backbone: nn.Module
    head: nn.Sequential


class NucleiLSTM(Network):
    """The default: an LSTM in both directions over measures of the nuclei, attention over the frames.

    The measures come from models that learned from far more nuclei than there are clips: StarDist outlines
    them, `lineage.nuclei.appearance` says what each looks like. What is learned here is how they change.

    Args:
        n_classes: K.
        hidden: width of the LSTM in each direction, and of its input.
        noise: added to the measures in training, in standard deviations.
    """

    def __init__(self, n_classes: int, *, hidden: int = 48, noise: float = 0.2) -> None:
        super().__init__()
        self.noise = noise
        self.mean: torch.Tensor
        self.spread: torch.Tensor
        self.register_buffer("mean", torch.zeros(N_OF_NETWORK))
        self.register_buffer("spread", torch.ones(N_OF_NETWORK))
        self.backbone = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(N_OF_NETWORK, hidden), nn.ReLU(), nn.Dropout(0.3)
        )
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * hidden, 1)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(4 * hidden, n_classes))

    def standardise(self, measures: torch.Tensor) -> None:
        """Set mean and spread from the (M, 12, F) measures of the training clips."""
        x = signed_log(measures[..., :N_OF_NETWORK])
        self.mean.copy_(x.mean((0, 1)))
        self.spread.copy_(x.std((0, 1)) + 1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, F) measures, T any number of frames -> logits; the first N_OF_NETWORK measures count."""
        with torch.autocast(x.device.type, enabled=False):
            x = (signed_log(x[..., :N_OF_NETWORK].float()) - self.mean) / self.spread
            if self.training:
                x = x + self.noise * torch.randn_like(x)
            x, _ = self.lstm(self.backbone(x))  # (B, T, 2 hidden)
            weights = self.attention(x).softmax(dim=1)  # (B, T, 1)
            return self.head(torch.cat([(weights * x).sum(dim=1), x.amax(dim=1)], dim=1))


def signed_log(x: torch.Tensor) -> torch.Tensor:
    """The logarithm of 1 + |x|, with the sign of x: small numbers hardly change."""
    return x.sign() * x.abs().log1p()


class MitosisNet(Network):
    """MobileNetV2 per frame, an LSTM in both directions, attention over the frames.

    Args:
        n_classes: K.
        hidden: width of the LSTM in each direction, and of its input.
        dropout: of the backbone's features and before the last layer.
        n_blocks: of MobileNetV2's 17.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        hidden: int = 96,
        dropout: float = 0.3,
        n_blocks: int = 17,
    ) -> None:
        super().__init__()
        self.backbone = MobileNetV2(n_blocks)
        pooled = 2 * self.backbone.n_features
        # With its batch norms folded, the backbone's features may have any mean and spread.
        self.squeeze = nn.Sequential(
            nn.BatchNorm1d(pooled), nn.Dropout(dropout), nn.Linear(pooled, hidden), nn.ReLU()
        )
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        width = 2 * hidden
        self.attention = nn.Linear(width, 1)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, 64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, n_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised crops, channels (phase, dna) -> logits."""
        b, t = x.shape[:2]
        maps = self.backbone(x.flatten(0, 1).contiguous(memory_format=torch.channels_last))  # (B*12, F, h, w)
        x = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)  # (B*12, 2F)
        with torch.autocast(x.device.type, enabled=False):
            x, _ = self.lstm(self.squeeze(x.float()).unflatten(0, (b, t)))  # (B, 12, width)
            weights = self.attention(x).softmax(dim=1)  # (B, 12, 1)
            return self.head((weights * x).sum(dim=1))  # (B, K)


def initialise_weights(model: nn.Module) -> None:
    """Draw random weights: of convolutions as torchvision does, of an LSTM as Keras does.

    With torch's own, each layer's output in VGG16 would be a third of the one before, so that nothing arrives
    at its end; and an LSTM of 18 432 inputs would saturate, since its weights are drawn as for one of 64.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.LSTM):
            inputs, hidden, *biases = layer.parameters()
            nn.init.xavier_uniform_(inputs)
            nn.init.orthogonal_(hidden)
            for bias in biases:
                nn.init.zeros_(bias)
            with torch.no_grad():
                biases[0][layer.hidden_size : 2 * layer.hidden_size] = 1.0  # the forget gate


class PaperNet(Network):
    """The paper's network: a backbone for each frame, its features flattened, LSTM, dense layers.

    Args:
        backbone: (B, 3, H, W) -> feature maps.
        n_classes: K.
        side_px: H and W; the size of the LSTM's input depends on it.

    Source: Delgado-Rodriguez et al. 2024, figure 5, and its published notebook for the sizes.
    """

    def __init__(self, backbone: nn.Module, n_classes: int, *, side_px: int) -> None:
        super().__init__()
        self.backbone = backbone
        with torch.no_grad():
            training, _ = backbone.training, backbone.eval()
            n_features = backbone(torch.zeros(1, 3, side_px, side_px)).numel()
            backbone.train(training)
        self.lstm = nn.LSTM(n_features, 64, batch_first=True)
        self.head = nn.Sequential(
            nn.Dropout(0.4), nn.Linear(64, 150), nn.ReLU(), nn.Dropout(0.2), nn.Linear(150, n_classes)
        )
        initialise_weights(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Composites -> logits."""
        b, t = x.shape[:2]
        maps = self.backbone(x.flatten(0, 1).contiguous(memory_format=torch.channels_last))  # (B*12, F, h, w)
        with torch.autocast(x.device.type, enabled=False):
            x, _ = self.lstm(maps.float().flatten(1).unflatten(0, (b, t)))  # (B, 12, 64)
            return self.head(x[:, -1])  # (B, K)


class Volume(Network):
    """The paper's comparison without an LSTM: the 12 frames as one volume, 3D ResNet50.

    Parameters below `backbone` are named as monai's, which follow torchvision's.

    Source: Hara, Kataoka & Satoh 2018, Can spatiotemporal 3D CNNs retrace the history of 2D CNNs?
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        try:
            from monai.networks.nets.resnet import resnet50
        except ImportError as error:
            raise InputError(
                "3D ResNet50 needs monai, which is not installed: pip install 'mitosis-lineage[train]'"
            ) from error
        self.backbone = resnet50(
            spatial_dims=3, n_input_channels=3, num_classes=n_classes, bias_downsample=False
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Composites -> logits."""
        return self.backbone(x.transpose(1, 2))  # (B, 3, 12, H, W) -> (B, K)


PAPER_BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "resnet50": ResNet50,
    "vgg16": VGG16,
    "xception": Xception,
    "gao": Gao,
}
DEFAULT = "nuclei_lstm"
MOBILENET = "mobilenet_v2"
VOLUME = "resnet50_3d"
MODELS = (DEFAULT, MOBILENET, *PAPER_BACKBONES, VOLUME)


def build(name: str, n_classes: int, *, side_px: int, **options: Any) -> Network:
    """A network before training.

    Args:
        name: one of MODELS.
        n_classes: K.
        side_px: height and width of its input, where it takes pixels.
        options: keyword arguments of the default network or of MitosisNet.

    Returns:
        The network, with random weights.

    Raises:
        InputError: no such network, or monai is missing.
    """
    if name == DEFAULT:
        return NucleiLSTM(n_classes, **options)
    if name == MOBILENET:
        return MitosisNet(n_classes, **options)
    if name in PAPER_BACKBONES:
        return PaperNet(PAPER_BACKBONES[name](), n_classes, side_px=side_px)
    if name == VOLUME:
        return Volume(n_classes)
    raise InputError(f"no model {name}; known: {', '.join(MODELS)}")
