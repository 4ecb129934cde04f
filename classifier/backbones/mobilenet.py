"""MobileNetV2 with batch norms folded into convolutions; frames exchange features with their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

from lineage.schema import CROP_FRAMES, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
SHIFTED = 8  # one feature channel in so many comes from the frame before, as many from the frame after


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: an odd pixel goes to the right and below."""

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
    """Convolution with a bias (its batch norm, folded), then ReLU6.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: side, pixels.
        stride: pixels.
        groups: of channels that do not mix.
    """
    return nn.Sequential(SameConv(inputs, outputs, kernel, stride, groups=groups), nn.ReLU6(inplace=True))


def mix_frames(x: torch.Tensor) -> torch.Tensor:
    """(B * 12, C, H, W) -> the same, an eighth of the channels from the frame before and from the next.

    Source: Lin, Gan & Han 2019, TSM: temporal shift module for efficient video understanding.
    """
    clips = x.unflatten(0, (-1, CROP_FRAMES))  # (B, 12, C, H, W)
    n = x.shape[1] // SHIFTED
    before = pad(clips[:, :-1, :n], (0, 0, 0, 0, 0, 0, 1, 0))
    after = pad(clips[:, 1:, n : 2 * n], (0, 0, 0, 0, 0, 0, 0, 1))
    mixed = torch.cat([before, after, clips[:, :, 2 * n :]], dim=2).flatten(0, 1)
    return mixed.contiguous(memory_format=torch.channels_last)


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
        y = self.conv(mix_frames(x) if self.adds else x)
        return x + y if self.adds else y


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
        """(B * 12, 2, H, W) -> (B * 12, n_features, H / 16, W / 16), or / 32 past block 13."""
        return self.features(x)

    def load_pretrained(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take ImageNet's weights: torchvision's state dict, or convolutions in order with folded norms.

        The latter are named `conv00_... .weight, .bias` and want RGB in -1..1.

        Raises:
            InputError: the weights are not those of this network.
        """
        convs = [m for m in self.modules() if isinstance(m, SameConv)]
        found = _folded(state) if "features.0.0.weight" in state else _in_order(state)
        if len(found) < len(convs):
            raise InputError(
                f"the pretrained file has {len(found)} convolutions; MobileNetV2 wants {len(convs)}"
            )
        for conv, (name, weight, bias) in zip(convs, found, strict=False):
            kernel = weight
            if conv is convs[0]:
                red, green, blue = weight.unbind(1)
                kernel = torch.stack([blue, red + green], dim=1)  # (32, 2, 3, 3): phase, dna
            if kernel.shape != conv.weight.shape:
                raise InputError(
                    f"the pretrained file's {name} is {tuple(kernel.shape)}; "
                    f"MobileNetV2 wants {tuple(conv.weight.shape)}"
                )
            conv.load_state_dict({"weight": kernel, "bias": bias})


Convolution = tuple[str, torch.Tensor, torch.Tensor]  # its name, weight, bias


def _in_order(state: Mapping[str, torch.Tensor]) -> list[Convolution]:
    names = sorted({name.rpartition(".")[0] for name in state})
    try:
        return [(n, state[f"{n}.weight"].float(), state[f"{n}.bias"].float()) for n in names]
    except KeyError as error:
        raise InputError(f"the pretrained file is not MobileNetV2's: it has no {error}") from error


def _folded(state: Mapping[str, torch.Tensor]) -> list[Convolution]:
    """Torchvision's convolutions, each with the batch norm after it folded in."""
    names = [n for n, p in state.items() if n.startswith("features.") and p.ndim == 4]
    found = []
    for name in names:
        stem, _, index = name.removesuffix(".weight").rpartition(".")
        norm = f"{stem}.{int(index) + 1}"
        scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + 1e-5)
        bias = state[f"{norm}.bias"] - scale * state[f"{norm}.running_mean"]
        found.append((name, state[name].float() * scale.float()[:, None, None, None], bias.float()))
    return found
