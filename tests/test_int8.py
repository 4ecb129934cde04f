"""Whole numbers of eight bits: what they compute is what floating point computes, but for the rounding."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from stardist.matching import matching
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from lineage import int8
from lineage.int8 import Convolution, Scale, halved, scale_of, whole
from lineage.nuclei import appearance
from lineage.schema import InputError
from lineage.stardist import model, network
from lineage.stardist.__main__ import app
from lineage.stardist.int8 import n_ranges, ranges_of
from lineage.stardist.predict import predict

CPU = torch.device("cpu")
DEMO = Path(__file__).parents[1] / "examples" / "demo.tif"
needs_vnni = pytest.mark.skipif(not int8.is_fast(CPU), reason="this processor has no VNNI")


@pytest.fixture(scope="module")
def frame():
    return tifffile.imread(DEMO, key=21)


@pytest.fixture
def in_float(monkeypatch):
    """The bundled model as a processor without VNNI loads it."""
    monkeypatch.setattr(network, "is_fast", lambda _: False)
    return model.load(device=CPU)


def numbers(*shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return low + (high - low) * torch.rand(shape, generator=random)


@needs_vnni
@pytest.mark.parametrize(("low", "high"), [(0.0, 3.0), (-0.5, 1.3)])
def test_a_convolution_is_that_of_its_rounded_numbers(low, high):
    layer = nn.Conv2d(5, 7, 3, padding=1)
    reads = scale_of(low, high)
    seen = whole(numbers(2, 5, 16, 12, low=low, high=high), reads)
    given = Convolution.of(layer, reads, None)(seen)
    steps = layer.weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    layer.weight.data = torch.round(layer.weight.detach() / steps) * steps
    wanted = F.relu(layer((seen.float() - reads.zero) * reads.step)).detach()
    assert given.dtype == torch.float32
    assert torch.allclose(given, wanted, atol=1e-4)  # padding is 0, not the lowest number
    gives = scale_of(0.0, float(wanted.max()))
    rounded = Convolution.of(layer, reads, gives)(seen)
    assert rounded.dtype == torch.uint8
    assert (rounded.float() * gives.step - wanted).abs().max() <= 0.51 * gives.step


def test_numbers_out_of_range_become_its_ends():
    scale = Scale(0.1, 10)
    seen = whole(torch.tensor([[[[-5.0, -1.0, 0.0, 1.0, 99.0]]]]), scale)
    assert seen.flatten().tolist() == [0, 0, 10, 20, 255]


def test_halving_takes_the_highest_of_four():
    x = (255 * numbers(2, 3, 8, 6)).to(torch.uint8)
    assert torch.equal(halved(x).float(), F.max_pool2d(x.float(), 2))


@needs_vnni
def test_nuclei_of_the_example_are_found_as_in_floating_point(frame, in_float, monkeypatch):
    by_float, _ = predict(in_float, frame)
    assert in_float.network.int8 is None
    monkeypatch.undo()
    bundled = model.load(device=CPU)
    assert bundled.network.int8 is not None
    by_int8, _ = predict(bundled, frame)
    agreement = matching(by_float, by_int8, thresh=0.8)
    assert by_float.max() > 10
    assert agreement.f1 > 0.95


def test_without_vnni_the_model_computes_in_floating_point(frame, in_float):
    assert in_float.network.int8 is None
    assert predict(in_float, frame)[0].max() > 10


@needs_vnni
def test_what_nuclei_look_like_is_said_as_in_floating_point():
    net = appearance.network("cpu")
    assert net.int8
    seen = numbers(64, 2, appearance.SIDE, appearance.SIDE, high=2.0).numpy()
    seen[:, 1] = seen[:, 1] > 1
    by_float = appearance.probabilities(appearance.ready(net.layers, CPU), seen)
    by_int8 = appearance.probabilities(net, seen)
    assert np.abs(by_float - by_int8).mean() < 0.02
    assert np.allclose(by_int8.sum(axis=1), 1, atol=1e-5)


def test_ranges_are_what_the_layers_give(frame, in_float):
    image = frame[:64, :64].astype(np.float32) / 100
    ranges = ranges_of(in_float.network, [image])
    assert len(ranges) == n_ranges(in_float.network.config)
    assert ranges[1] == pytest.approx(float(image.max()), rel=0.02)
    with torch.inference_mode():
        last = in_float.network.unet(torch.from_numpy(image)[None, None])
    assert ranges[-1] == pytest.approx(float(last.max()), rel=1e-3)


@pytest.mark.parametrize("ranges", [[0.0, 1.0], "wide", [float("nan")] * 20])
def test_ranges_that_are_none_are_refused(tmp_path, ranges):
    folder = shutil.copytree(model.find(model.BUNDLED), tmp_path / "model")
    config = json.loads((folder / model.CONFIG).read_text())
    (folder / model.CONFIG).write_text(json.dumps(config | {"ranges": ranges}))
    with pytest.raises(InputError, match="not one of ours"):
        model.load(folder, CPU)


def test_a_model_without_ranges_gets_them_by_a_command(tmp_path, frame, in_float):
    without, images = tmp_path / "model", tmp_path / "images"
    model.save(replace(in_float, ranges=None), without)
    images.mkdir()
    tifffile.imwrite(images / "a.tif", frame)
    before = (without / model.TENSORS).read_bytes()
    result = CliRunner().invoke(app, ["ranges", str(without), str(images)])
    assert result.exit_code == 0, result.output
    assert len(json.loads((without / model.CONFIG).read_text())["ranges"]) == n_ranges(
        in_float.network.config
    )
    assert (without / model.TENSORS).read_bytes() == before


def test_ranges_of_a_network_that_has_none_are_not_measured(tmp_path):
    fixture = Path(__file__).parent / "fixtures" / "stardist"
    keras = next(p for p in sorted(fixture.iterdir()) if (p / "config.json").is_file())
    result = CliRunner().invoke(app, ["ranges", str(keras), str(DEMO)])
    assert result.exit_code == 2
    assert "does not compute in eight bits" in result.output
