from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small import random_crops, small_card, small_classifier, small_network

from classifier import checkpoint
from classifier.backbones.mobilenet import MobileNetV2, SameConv, mix_frames
from classifier.measures import N_MEASURES
from classifier.model import PAPER_BACKBONES, build
from classifier.recipes import PIXELS, recipe
from lineage.schema import InputError


@pytest.mark.parametrize("n_classes", [2, 3])
def test_shapes_follow_from_the_settings(n_classes):
    assert small_network(n_classes=n_classes)(torch.zeros(3, 12, 2, 32, 40)).shape == (3, n_classes)


@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    # Without their classifiers; the first three as torchvision and Keras count them.
    [
        ("resnet50", 23_508_032, 2048),
        ("vgg16", 14_714_688, 512),
        ("xception", 20_806_952, 2048),
        ("gao", 7_188, 32),
    ],
)
def test_the_paper_s_backbones_are_of_the_published_size(name, parameters, features):
    backbone = PAPER_BACKBONES[name]()
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert backbone.n_features == features


def test_the_paper_s_network_reads_composites_of_78_pixels():
    network = build("gao", 2, side_px=78)
    assert network.lstm.input_size == 32 * 3 * 3
    assert network.eval()(torch.rand(1, 12, 3, 78, 78)).shape == (1, 2)


def test_the_volume_has_12_frames_for_depth():
    pytest.importorskip("monai")
    assert build("resnet50_3d", 2, side_px=32).eval()(torch.rand(1, 12, 3, 32, 32)).shape == (1, 2)


@pytest.mark.skipif(find_spec("monai") is not None, reason="monai is installed")
def test_the_volume_says_what_to_install():
    with pytest.raises(
        InputError, match=r"needs monai, which is not installed: pip install 'mitosis-lineage\[train\]'"
    ):
        build("resnet50_3d", 2, side_px=32)


def test_an_unknown_network_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="no model alexnet; known: nuclei_lstm, mobilenet_v2, resnet50"):
        build("alexnet", 2, side_px=78)
    with pytest.raises(InputError, match="gao has no published weights"):
        recipe("gao", pretrained=True)


def test_the_paper_s_training_is_in_two_steps_from_published_weights():
    first, second = recipe("resnet50", pretrained=True).stages
    assert (first.backbone_rate, first.rate, second.backbone_rate) == (0, 1e-3, 1e-5)
    assert len(recipe("resnet50", pretrained=False).stages) == 1


def test_a_shortened_recipe_cuts_the_last_stages_first():
    assert [s.epochs for s in PIXELS.shortened(10, None).stages] == [4, 6]
    assert [s.epochs for s in PIXELS.shortened(3, None).stages] == [3]


def test_frames_learn_of_their_neighbours_and_clips_do_not():
    x = torch.zeros(24, 8, 1, 1)
    x[11] = 1  # the last frame of the first clip
    mixed = mix_frames(x)
    assert mixed[10, 1] == 1  # from the next frame
    assert mixed[11, :2].sum() == 0
    assert not mixed[12:].any()


def test_a_stride_pads_right_and_below_as_tensorflow_does():
    conv = SameConv(1, 1, 3, stride=2, bias=False)
    conv.weight.data.fill_(1.0)
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 0, 0] = 1.0
    image[0, 0, 3, 3] = 10.0
    # Windows start at 0 and 2; only those that start at 2 reach past the edge.
    assert conv(image)[0, 0].tolist() == [[1.0, 0.0], [0.0, 10.0]]
    assert conv(torch.zeros(1, 1, 5, 7)).shape == (1, 1, 3, 4)


def imagenet_arrays(net: MobileNetV2) -> dict[str, torch.Tensor]:
    """Random weights named and shaped as the published file's, RGB in the first convolution."""
    rng = np.random.default_rng(0)
    arrays = {}
    for i, conv in enumerate(m for m in net.modules() if isinstance(m, SameConv)):
        shape = list(conv.weight.shape)
        shape[1] = 3 if i == 0 else shape[1]
        arrays[f"conv{i:02d}_pw_s1.weight"] = torch.from_numpy(rng.normal(size=shape))
        arrays[f"conv{i:02d}_pw_s1.bias"] = torch.from_numpy(rng.normal(size=shape[0]))
    return arrays


def test_imagenet_weights_see_dna_as_yellow_and_phase_as_blue():
    net = MobileNetV2(n_blocks=2)
    arrays = imagenet_arrays(net)
    net.load_pretrained(arrays)
    phase, dna = torch.rand(2, 1, 16, 16)
    rgb = torch.stack([dna, dna, phase], dim=1)
    first = torch.nn.functional.conv2d(
        torch.nn.functional.pad(rgb, (0, 1, 0, 1)),
        arrays["conv00_pw_s1.weight"].float(),
        arrays["conv00_pw_s1.bias"].float(),
        stride=2,
    )
    ours = net.features[0][0](torch.stack([phase, dna], dim=1))
    torch.testing.assert_close(ours, first, atol=1e-5, rtol=1e-4)


def test_a_file_of_another_network_is_refused():
    with pytest.raises(InputError, match=r"has 1 convolutions; MobileNetV2 wants"):
        MobileNetV2(2).load_pretrained({"a.weight": torch.zeros(1), "a.bias": torch.zeros(1)})


def test_a_checkpoint_works_with_nothing_beside_it(tmp_path):
    whole = small_classifier()
    path = tmp_path / "m.safetensors"
    checkpoint.save(whole.models, whole.forest, whole.card, path)
    models, forest, card = checkpoint.load(path)
    assert card == whole.card
    crops = torch.from_numpy(random_crops(2))
    for loaded, model in zip(models, whole.models, strict=True):
        # float16 weights: the outputs keep three digits.
        torch.testing.assert_close(loaded(crops), model(crops), atol=1e-2, rtol=1e-2)
    for name, values in whole.forest.arrays().items():
        np.testing.assert_array_equal(forest.arrays()[name], values)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_model_for_another_normalisation_is_refused(tmp_path):
    card = small_card(members=1, normalisation={"name": "zscore"})
    checkpoint.save([small_network()], None, card, tmp_path / "m.safetensors")
    with pytest.raises(InputError, match=r"wants crops normalised by \{'name': 'zscore'\}"):
        checkpoint.load(tmp_path / "m.safetensors")


def test_a_classifier_trained_on_measures_by_other_models_is_refused(tmp_path):
    found = small_classifier(nucleus_models={"nuclei": "0" * 64, "appearance": "0" * 64})
    checkpoint.save(found.models, found.forest, found.card, tmp_path / "m.safetensors")
    with pytest.raises(InputError, match=r"m\.safetensors was trained on measures by other models of nuclei"):
        checkpoint.load(tmp_path / "m.safetensors")


@pytest.mark.parametrize("frames", [12, 20])
def test_the_default_network_takes_windows_of_any_length(frames):
    network = build("nuclei_lstm", 3, side_px=0)
    rows = torch.rand(2, frames, N_MEASURES)
    network.standardise(rows)
    assert network.eval()(rows).shape == (2, 3)


def test_what_is_no_checkpoint_says_so(tmp_path):
    with pytest.raises(InputError, match=r"none.safetensors: no such file"):
        checkpoint.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match=r"text.safetensors is damaged or not a classifier"):
        checkpoint.load(tmp_path / "text.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors", metadata={"card": json.dumps({})})
    with pytest.raises(InputError, match=r"other.safetensors is not a classifier of this software"):
        checkpoint.load(tmp_path / "other.safetensors")
