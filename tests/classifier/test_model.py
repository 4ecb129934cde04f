from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from classifier import checkpoint
from classifier.backbones import MobileNetV2, SameConv
from classifier.checkpoint import Card
from classifier.model import MitosisNet
from lineage.schema import InputError


def small_model(n_classes: int = 2) -> MitosisNet:
    torch.manual_seed(0)
    return MitosisNet(n_classes, n_blocks=2, hidden=8).eval()


def small_card(**changes) -> Card:
    return Card(
        **{"kwargs": {"n_blocks": 2, "hidden": 8}, "classes": ("normal", "abnormal"), "side_px": 32} | changes
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_shapes_follow_from_the_settings(n_classes):
    assert small_model(n_classes)(torch.zeros(3, 12, 2, 32, 40)).shape == (3, n_classes)


def test_a_stride_pads_right_and_below_as_tensorflow_does():
    conv = SameConv(1, 1, 3, stride=2, bias=False)
    conv.weight.data.fill_(1.0)
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 0, 0] = 1.0
    image[0, 0, 3, 3] = 10.0
    # Windows start at 0 and 2; only those that start at 2 reach past the edge.
    assert conv(image)[0, 0].tolist() == [[1.0, 0.0], [0.0, 10.0]]
    assert conv(torch.zeros(1, 1, 5, 7)).shape == (1, 1, 3, 4)


def imagenet_arrays(net: MobileNetV2) -> dict[str, np.ndarray]:
    """Random weights named and shaped as the published file's, RGB in the first convolution."""
    rng = np.random.default_rng(0)
    arrays = {}
    for i, conv in enumerate(m for m in net.modules() if isinstance(m, SameConv)):
        shape = list(conv.weight.shape)
        shape[1] = 3 if i == 0 else shape[1]
        arrays[f"conv{i:02d}_pw_s1.weight"] = rng.normal(size=shape)
        arrays[f"conv{i:02d}_pw_s1.bias"] = rng.normal(size=shape[0])
    return arrays


def test_imagenet_weights_see_dna_as_yellow_and_phase_as_blue():
    net = MobileNetV2(n_blocks=2)
    arrays = imagenet_arrays(net)
    net.load_imagenet(arrays)
    phase, dna = torch.rand(2, 1, 16, 16)
    rgb = torch.stack([dna, dna, phase], dim=1)
    first = torch.nn.functional.conv2d(
        torch.nn.functional.pad(rgb, (0, 1, 0, 1)),
        *(torch.from_numpy(arrays[f"conv00_pw_s1.{part}"]).float() for part in ("weight", "bias")),
        stride=2,
    )
    ours = net.features[0][0](torch.stack([phase, dna], dim=1))
    torch.testing.assert_close(ours, first, atol=1e-5, rtol=1e-4)


def test_a_file_of_another_network_is_refused():
    arrays = imagenet_arrays(MobileNetV2(n_blocks=2))
    with pytest.raises(InputError, match="has 6 convolutions; MobileNetV2 wants 51"):
        MobileNetV2(n_blocks=17).load_imagenet(arrays)
    arrays["conv03_pw_s1.weight"] = arrays["conv03_pw_s1.weight"][:, :3]
    with pytest.raises(InputError, match="conv03_pw_s1 is"):
        MobileNetV2(n_blocks=2).load_imagenet(arrays)


def test_a_checkpoint_gives_back_model_and_card(tmp_path):
    model, path = small_model(), tmp_path / "m.safetensors"
    card = small_card(temperature=1.5, held_out={"f1": 0.9}, licence="MIT", version="1")
    checkpoint.save(model, card, path)
    loaded, read = checkpoint.load(path)
    assert read == card
    crops = torch.rand(2, 12, 2, 32, 32)
    # float16 weights: the outputs keep three digits.
    torch.testing.assert_close(loaded(crops), model(crops), atol=1e-2, rtol=1e-2)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_model_for_another_normalisation_is_refused(tmp_path):
    checkpoint.save(small_model(), small_card(normalisation={"name": "zscore"}), tmp_path / "m.safetensors")
    with pytest.raises(InputError, match=r"wants crops normalised by \{'name': 'zscore'\}"):
        checkpoint.load(tmp_path / "m.safetensors")


def test_what_is_no_checkpoint_says_so(tmp_path):
    with pytest.raises(InputError, match=r"none.safetensors: no such file"):
        checkpoint.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match=r"text.safetensors is damaged or not a classifier"):
        checkpoint.load(tmp_path / "text.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors", metadata={"card": json.dumps({})})
    with pytest.raises(InputError, match=r"other.safetensors is not a classifier of this software"):
        checkpoint.load(tmp_path / "other.safetensors")
