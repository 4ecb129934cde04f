"""StarDist2D models say the same here as in TensorFlow, which `benchmarks/keras_models.py` asked."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lineage.schema import InputError
from lineage.stardist import keras, model, predict
from lineage.stardist.network import StarDist
from lineage.stardist.normalise import percentile

FIXTURES = Path(__file__).parent / "fixtures" / "stardist"
MODELS = sorted(folder.name for folder in FIXTURES.iterdir())


def network(folder: Path) -> StarDist:
    config, weights = keras.read(folder)
    built = StarDist(config)
    built.load_state_dict(weights)
    return built.eval()


def answer(built: StarDist, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability (Y/g, X/g) and distances (Y/g, X/g, n_rays), as StarDist2D.predict gives them."""
    c = built.config
    seen = np.atleast_3d(percentile(image))
    padded = np.pad(seen, [(0, -n % c.multiple) for n in seen.shape[:2]] + [(0, 0)], mode="reflect")
    with torch.inference_mode():
        logits, dist = built(torch.from_numpy(padded).permute(2, 0, 1)[None])
    rows, columns = (-(-n // c.grid) for n in image.shape[:2])
    prob, dist = torch.sigmoid(logits[0, 0]), dist[0].permute(1, 2, 0).clamp(min=1e-3)
    return prob[:rows, :columns].numpy(), dist[:rows, :columns].numpy()


def test_there_are_models_of_all_kinds():
    configs = [keras.read(FIXTURES / name)[0] for name in MODELS]
    assert {c.grid for c in configs} == {1, 2, 4}
    assert {c.unet_n_depth for c in configs} == {1, 2, 3}
    assert {c.unet_n_conv_per_depth for c in configs} == {1, 2, 3}
    assert {c.unet_kernel_size for c in configs} == {3, 5}
    assert {c.n_channel_in for c in configs} == {1, 3}
    assert {c.unet_batch_norm for c in configs} == {False, True}
    assert {c.unet_last_activation for c in configs} >= {"relu", "tanh", "linear"}
    assert 0 in {c.net_conv_after_unet for c in configs}


def test_there_are_files_of_all_layouts():
    def first_weight(name: str) -> str | None:
        (path,) = (FIXTURES / name).glob("weights_best*.h5")
        with h5py.File(path) as file:
            layers = file.attrs.get("layer_names")
            return None if layers is None else file[layers[1]].attrs["weight_names"][0]

    assert first_weight("grid2_keras2") == "conv2d_4/kernel:0"  # counted on from another model
    assert first_weight("grid2") == "conv2d_4/kernel"
    assert first_weight("batch_norm_own_layout") is None


@pytest.mark.parametrize("name", MODELS)
def test_probability_and_distances_are_those_of_tensorflow(name):
    truth = np.load(FIXTURES / name / "truth.npz")
    assert truth["prob"].max() > 0.6
    assert truth["dist"].max() > 5
    prob, dist = answer(network(FIXTURES / name), truth["image"])
    step = int(truth["step"])
    assert prob.shape == truth["prob"].shape
    np.testing.assert_allclose(prob, truth["prob"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(dist[::step, ::step], truth["dist"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_labels_are_those_of_tensorflow(name):
    truth = np.load(FIXTURES / name / "truth.npz")
    assert truth["labels"].max() >= 5
    loaded = model.load(FIXTURES / name, torch.device("cpu"))
    labels, probability = predict.predict(loaded, truth["image"])
    np.testing.assert_array_equal(labels, truth["labels"])
    np.testing.assert_allclose(probability, truth["scores"], rtol=0, atol=1e-4)


def test_batch_norm_is_not_trivial():
    _, weights = keras.read(FIXTURES / "grid2_keras2")
    means = torch.cat([value for key, value in weights.items() if key.endswith("running_mean")])
    assert means.abs().max() > 0.1


@pytest.fixture
def folder(tmp_path):
    """A copy of a model, to spoil."""
    return Path(shutil.copytree(FIXTURES / "grid2", tmp_path / "grid2"))


def change(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_dim": 3}, r"n_dim is 3, and this reader wants 2"),
        ({"axes": "ZYXC"}, r'axes is "ZYXC", and this reader wants "YXC"'),
        ({"backbone": "resnet"}, r'backbone is "resnet", and this reader wants "unet"'),
        ({"unet_pool": [2, 4]}, r"unet_pool is \[2, 4\], and this reader wants \[2, 2\]"),
        ({"unet_expansion": 1.5}, r"unet_expansion is 1.5, and this reader wants 2"),
        ({"grid": [2, 1]}, r"grid is \[2, 1\], and this reader wants a power of two, the same for both"),
        ({"grid": [3, 3]}, r"grid is \[3, 3\], and this reader wants a power of two"),
        ({"grid": [2, 2, 2]}, r"grid is \[2, 2, 2\], and this reader wants a power of two"),
        ({"unet_kernel_size": [3, 5]}, r"unet_kernel_size is \[3, 5\], and this reader wants an odd number"),
        ({"unet_kernel_size": [4, 4]}, r"unet_kernel_size is \[4, 4\], and this reader wants an odd number"),
        ({"unet_activation": "gelu"}, r'unet_activation is "gelu", and this reader wants one of relu, elu'),
        ({"unet_last_activation": "?"}, r'unet_last_activation is "\?", and this reader wants one of relu'),
        ({"n_rays": "many"}, r'n_rays is "many", and this reader wants a whole number from 3'),
        ({"unet_n_depth": -1}, r"unet_n_depth is -1, and this reader wants a whole number from 0"),
    ],
)
def test_an_architecture_that_cannot_be_expressed_is_refused(folder, settings, words):
    keras.read(folder)
    change(folder, **settings)
    with pytest.raises(InputError, match=words):
        keras.read(folder)


def test_dropout_and_what_stardist_leaves_out_change_nothing(folder):
    config, _ = keras.read(folder)
    settings = json.loads((folder / "config.json").read_text())
    for key in ("unet_expansion", "unet_pool", "unet_kernel_size", "unet_prefix", "n_classes", "backbone"):
        del settings[key]
    (folder / "config.json").write_text(json.dumps(settings | {"unet_dropout": 0.3}))
    assert keras.read(folder)[0] == config


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"unet_n_depth": 2}, r"has 19 layers of the kind Conv2d where config.json describes 15"),
        ({"unet_batch_norm": True}, r"has 0 layers of the kind BatchNorm2d where config.json describes 14"),
        ({"n_rays": 32}, r"for dist are 16x16x1x1 and 16 where config.json describes 32x16x1x1 and 32"),
        ({"n_classes": 2}, r"has 17 layers of the kind Conv2d where"),
        ({"unet_n_filter_base": 8}, r"for to_grid.0.0 are 4x1x3x3 and 4 where config.json describes 8x1x3x3"),
    ],
)
def test_a_config_that_does_not_fit_its_weights_is_refused(folder, settings, words):
    change(folder, **settings)
    with pytest.raises(InputError, match=words + r".*; give the two files of one model"):
        keras.read(folder)


def test_the_last_weights_are_read_where_there_are_no_best(folder):
    _, best = keras.read(folder)
    (folder / "weights_best.h5").rename(folder / "weights_last.h5")
    _, last = keras.read(folder)
    assert all(torch.equal(best[key], last[key]) for key in best)


def test_a_whole_saved_model_is_read_too(folder):
    _, alone = keras.read(folder)
    (folder / "weights_best.h5").rename(folder / "alone.h5")
    with h5py.File(folder / "alone.h5") as source, h5py.File(folder / "weights_best.h5", "w") as target:
        source.copy(source, target, "model_weights")
    _, whole = keras.read(folder)
    assert all(torch.equal(alone[key], whole[key]) for key in alone)


def test_files_that_are_missing_or_damaged_are_refused(folder):
    weights = folder / "weights_best.h5"
    whole = weights.read_bytes()
    for damaged in (b"", b"not HDF5", whole[: len(whole) // 2]):
        weights.write_bytes(damaged)
        with pytest.raises(InputError, match=r"weights_best.h5 cannot be read .*; copy it anew"):
            keras.read(folder)
    weights.unlink()
    with h5py.File(weights, "w") as file:
        file["something"] = 1
    with pytest.raises(InputError, match=r"weights_best.h5 cannot be read .*; copy it anew"):
        keras.read(folder)
    weights.unlink()
    with pytest.raises(InputError, match=r"has no weights; put StarDist's weights_best.h5 or weights_last"):
        keras.read(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json is damaged .*; copy it anew"):
        keras.read(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config.json holds no settings by name"):
        keras.read(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"is no StarDist model: it has no config.json"):
        keras.read(folder)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('{"prob": 0.6, "nms": 0.3}', (0.6, 0.3)),
        ('{"prob": null, "nms": 0.3}', (0.5, 0.3)),  # as StarDist: its default
        ('{"prob": 0.6, "nms": 1.0}', (0.6, 0.4)),
        ('{"prob": 0.6}', (0.6, 0.4)),
        ('{"prob": true, "nms": "0.3", "more": 1}', (0.5, 0.4)),
    ],
)
def test_thresholds(folder, written, read):
    (folder / "thresholds.json").write_text(written)
    assert keras.thresholds(folder) == read


def test_thresholds_without_a_file_are_those_of_stardist(folder):
    (folder / "thresholds.json").unlink()
    assert keras.thresholds(folder) == (0.5, 0.4)
    (folder / "thresholds.json").write_text("")
    with pytest.raises(InputError, match=r"thresholds.json is damaged"):
        keras.thresholds(folder)
