from __future__ import annotations

import hashlib

import pytest
import torch

from classifier.model import build
from classifier.pretrained import fetch, load_backbone, read_weights
from lineage.schema import InputError


def published(tmp_path, state):
    """A file named as torchvision names its own."""
    path = tmp_path / "gao.pth"
    torch.save(state, path)
    return path.rename(tmp_path / f"gao-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")


def test_a_published_file_loads_and_its_classifier_is_left_out(tmp_path):
    donor, network = (build("gao", 2, side_px=78) for _ in range(2))
    state = donor.backbone.state_dict() | {"fc.weight": torch.zeros(1000, 32)}
    load_backbone(network, read_weights(fetch(str(published(tmp_path, state)))))
    for name, values in donor.backbone.state_dict().items():
        assert torch.equal(network.backbone.state_dict()[name], values)


def test_resnet_s_names_are_torchvision_s():
    names = set(build("resnet50", 2, side_px=78).backbone.state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.downsample.0.weight", "layer4.2.bn3.bias"} <= names
    assert len([n for n in names if not n.endswith("num_batches_tracked")]) == 265


def test_a_damaged_file_is_refused(tmp_path):
    path = published(tmp_path, {})
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"has the SHA-256 [0-9a-f]{64}; wanted [0-9a-f]{8}: damaged"):
        fetch(str(path))


def test_an_address_without_a_hash_is_refused():
    with pytest.raises(InputError, match="nothing to check the file by; add #sha256=DIGITS"):
        fetch("https://example.org/weights.pth")


def test_weights_of_another_network_are_refused():
    with pytest.raises(
        InputError, match=r"of another network: \d+ parameters are missing .* 1 unknown \(conv9"
    ):
        load_backbone(build("gao", 2, side_px=78), {"conv9.weight": torch.zeros(1)})
