"""The network, the bundled model, the sizes of nuclei, and the commands."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import binary_dilation
from scipy.ndimage import zoom as enlarge
from typer.testing import CliRunner

from lineage.schema import InputError
from lineage.simulate.bodies import Body, paint
from lineage.simulate.nuclei import nucleus_field
from lineage.stardist import data, images, model, predict, scale
from lineage.stardist.__main__ import app
from lineage.stardist.network import Block, StarDist, StarDistConfig, half_precision, ready

SMALL = StarDistConfig(
    unet_n_depth=2, unet_n_filter_base=4, net_conv_after_unet=8, unet_batch_norm=True, unshuffle=True,
    sparse=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def bundled():
    torch.set_num_threads(1)
    return model.load(device=torch.device("cpu"))


def drawn(*bodies: Body, size=160, background=20.0, noise=0.5):
    """An 8-bit image of bodies on a noisy background, and their masks."""
    density, masks = paint(enumerate(bodies, start=1), (size, size))
    image = background + density + np.random.default_rng(0).normal(0, noise, density.shape)
    return np.clip(image, 0, 255).round().astype(np.uint8), masks


def nucleus(y, x, diameter=18.0, level=14.0):
    return Body(
        y=y, x=x, length=diameter, width=diameter, angle=0, mass=0.8 * level * np.pi / 4 * diameter**2, seed=1
    )


def plate(y, x, level=65.0):
    return Body(y=y, x=x, length=14, width=4.5, angle=0, mass=0.8 * level * np.pi / 4 * 14 * 4.5, seed=2)


def found(bundled, image):
    return scale.at_own_size(bundled, image)[0]


def overlaps(labels, masks):
    """For each object of the masks: intersection over union with the label that covers most of it."""
    best = []
    for i in range(1, masks.max() + 1):
        mask = masks == i
        counts = np.bincount(labels[mask], minlength=2)
        counts[0] = 0
        label = labels == counts.argmax() if counts.any() else np.zeros_like(mask)
        best.append((mask & label).sum() / (mask | label).sum())
    return np.array(best)


def test_distances_are_the_same_where_only_some_are_computed():
    torch.manual_seed(0)
    network = ready(StarDist(SMALL), torch.device("cpu"))
    x = torch.rand(1, 1, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, dist = network(x)
        least = float(logits.median())
        places, some, rays = network.candidates(x, least)
    rows, columns = places.T
    inside = logits[0, 0, 2:-2, 2:-2]
    assert 0 < len(places) <= inside.numel() // 4
    assert torch.allclose(some, logits[0, 0, rows, columns])
    assert torch.allclose(rays, dist[0, :, rows, columns].T, atol=1e-5)
    assert (some.min() >= inside.flatten().sort().values[-len(places)]).all()


def test_batch_norm_is_folded_into_the_convolutions():
    torch.manual_seed(0)
    network = StarDist(SMALL).train()
    x = torch.rand(4, 1, 32, 32)
    for _ in range(3):
        network(x)  # moving means and variances that are not 0 and 1
    network.eval()
    folded = ready(network, torch.device("cpu"))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.inference_mode():
        for theirs, ours in zip(network(x), folded(x), strict=True):
            assert torch.allclose(theirs, ours, atol=1e-5)


def test_a_convolution_fused_with_its_relu_gives_the_same_numbers(bundled, monkeypatch):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bfloat16")
    x = torch.rand(1, 1, 128, 160, generator=torch.Generator().manual_seed(0))
    fusible, seen = Block._is_fused, []
    monkeypatch.setattr(Block, "_is_fused", lambda *told: seen.append(fusible(*told)) or seen[-1])
    with torch.inference_mode(), half_precision(bundled.device):
        fused = bundled.network(x)
    assert seen
    assert all(seen)
    monkeypatch.setattr(Block, "_is_fused", lambda self, x: False)
    with torch.inference_mode(), half_precision(bundled.device):
        plain = bundled.network(x)
    assert all(torch.equal(a, b) for a, b in zip(fused, plain, strict=True))


def test_the_bundled_model_is_small_and_says_what_it_learned_from():
    folder = model.find(model.BUNDLED)
    assert sum(p.stat().st_size for p in folder.iterdir()) < 12e6
    facts = json.loads((folder / model.FACTS).read_text())
    assert len(facts["data_sha256"]) == 64
    assert facts["validation"]["AP@0.5"] > 0.5


def test_a_dim_nucleus_beside_a_bright_mitotic_figure_is_found(bundled):
    image, masks = drawn(nucleus(60, 60), plate(60, 84), nucleus(110, 100))
    assert image[84 - 24, 84] > 4 * (image[60, 60] - 20)
    assert (overlaps(found(bundled, image), masks) > 0.5).all()


def test_two_anaphase_plates_eight_pixels_apart_are_two(bundled):
    image, masks = drawn(replace(plate(80, 76), angle=np.pi / 2), replace(plate(80, 84), angle=np.pi / 2))
    labels = found(bundled, image)
    assert labels.max() == 2
    assert (overlaps(labels, masks) > 0.4).all()


@pytest.mark.parametrize("diameter", [10, 16, 25, 40, 60])
def test_nuclei_of_any_size_are_found(bundled, diameter):
    step = 1.6 * diameter
    places = [(step * (i + 0.6), step * (j + 0.6)) for i in range(3) for j in range(3)]
    image, masks = drawn(*[nucleus(y, x, diameter) for y, x in places], size=round(3.2 * step))
    labels = found(bundled, image)
    assert labels.max() == 9
    assert (overlaps(labels, masks) > 0.6).all()


def test_the_depth_of_the_pixels_does_not_matter(bundled):
    image, _ = nucleus_field(np.random.default_rng(5), size=192, n_nuclei=15)
    eight = np.clip(image, 0, 255).round().astype(np.uint8)
    sixteen = eight.astype(np.uint16) * 200 + 1000
    labels = found(bundled, eight)
    assert labels.max() >= 9
    assert np.array_equal(labels > 0, found(bundled, sixteen) > 0)


def test_nuclei_larger_than_the_model_knows_are_measured_and_found(bundled):
    image, _ = drawn(*[nucleus(y, x) for y in (20, 60, 100, 140) for x in (30, 80, 130)])
    large = enlarge(image.astype(np.float32), 6, order=1)
    diameter = scale.diameter_px(bundled, [large])
    assert 85 < diameter < 130
    assert scale.zoom_of(bundled, diameter) < 0.3
    labels, _ = scale.at_own_size(bundled, large)
    assert labels.shape == large.shape
    assert labels.max() == 12


def test_a_size_is_not_made_up_where_nothing_is_seen(bundled):
    noise = np.random.default_rng(0).normal(100, 3, (128, 128))
    assert scale.diameter_px(bundled, [noise]) is None
    assert scale.at_own_size(bundled, noise)[0].max() == 0


def test_tiles_show_what_the_whole_image_shows(bundled, monkeypatch):
    image, _ = nucleus_field(np.random.default_rng(6), size=512, n_nuclei=60)
    whole, _ = predict.predict(bundled, image)
    monkeypatch.setattr(predict, "TILE_PX", 256)
    tiled, _ = predict.predict(bundled, image)
    assert whole.max() > 40
    assert abs(int(whole.max()) - int(tiled.max())) <= 1
    assert ((whole > 0) == (tiled > 0)).mean() > 0.999


def command(*words):
    return CliRunner().invoke(app, [str(w) for w in words])


def test_predict_writes_a_label_image_under_the_same_name(bundled, tmp_path):
    source, out = tmp_path / "images", tmp_path / "labels"
    source.mkdir()
    for name in ("b.tif", "a.tiff"):
        image, _ = drawn(nucleus(40, 40), nucleus(90, 100))
        tifffile.imwrite(source / name, image)
    (source / "notes.txt").write_text("no image")
    done = command("predict", source, out, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in out.iterdir()) == ["a.tiff", "b.tif"]
    labels = tifffile.imread(out / "b.tif")
    assert labels.dtype == np.uint16
    assert np.array_equal(labels, found(bundled, image))
    again = command("predict", source, out, "--workers", 1)
    assert again.exit_code == 2
    assert "already there" in again.output
    assert command("predict", source / "b.tif", out, "--workers", 1, "--overwrite").exit_code == 0
    onto_themselves = command("predict", source, source, "--workers", 1, "--overwrite")
    assert onto_themselves.exit_code == 2
    assert np.array_equal(tifffile.imread(source / "b.tif"), image)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda p: p.mkdir(), "no TIFF there"),
        (lambda p: p.write_bytes(b"II*\0 and then nothing"), "bad.tif is damaged"),
        (lambda p: tifffile.imwrite(p, np.zeros((3, 32, 32), np.uint8)), "the model wants (Y, X)"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_predict_says_what_is_wrong_with_an_image(tmp_path, make, told):
    make(tmp_path / "bad.tif")
    done = command("predict", tmp_path / "bad.tif", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither a model's folder nor one of sir-dna"):
        model.find("2D_versatile_fluor")
    (tmp_path / model.TENSORS).write_bytes(b"no weights")
    (tmp_path / model.CONFIG).write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        model.load(tmp_path)


def test_a_model_says_the_same_after_it_was_saved(tmp_path, bundled):
    model.save(bundled, tmp_path / "copy")
    again = model.load(tmp_path / "copy", torch.device("cpu"))
    image, _ = drawn(nucleus(40, 40), plate(90, 100))
    assert np.array_equal(found(again, image), found(bundled, image))
    assert again.facts == bundled.facts


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for k in range(6):
        image, mask = nucleus_field(np.random.default_rng(k), size=96, n_nuclei=8)
        tifffile.imwrite(folder / "images" / f"{k}.tif", image)
        tifffile.imwrite(folder / "masks" / f"{k}.tif", mask)
    return folder


def test_training_goes_on_from_its_checkpoint_and_leaves_a_model(pairs, tmp_path, monkeypatch):
    from lineage.stardist import train

    monkeypatch.setattr(train, "_save", stopping_after := StopAfter(train._save, 1))
    words = [
        "train", pairs / "images", pairs / "masks", "--out", tmp_path, "--steps", 6, "--batch", 2,
        "--aside", 0.5, "--device", "cpu", "--start", "sir-dna",
    ]  # fmt: skip
    assert isinstance(command(*words).exception, KeyboardInterrupt | SystemExit)
    stopping_after.calls = -100
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert "step 1 of 6" not in done.output
    assert "step 2 of 6" in done.output
    assert "step 6 of 6" in done.output
    assert "AP@0.5" in done.output
    trained = model.load(tmp_path, torch.device("cpu"))
    assert trained.facts["n_train"] + trained.facts["n_validation"] == 6
    assert 0 < trained.prob_threshold < 1


def test_a_network_with_more_filters_begins_with_what_the_smaller_one_says():
    from lineage.stardist.train import widened

    torch.manual_seed(0)
    small = StarDist(SMALL)
    large = StarDist(replace(SMALL, unet_n_filter_base=8))
    large.load_state_dict(widened(small.state_dict(), large.state_dict()))
    x = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        for before, after in zip(small.eval()(x), large.eval()(x), strict=True):
            assert torch.allclose(before, after, atol=1e-5)


def test_training_widens_the_network_it_goes_on_from(pairs, tmp_path):
    small = tmp_path / "small"
    model.save(model.Model(StarDist(SMALL), 0.5, 0.4), small)
    done = command(
        "train", pairs / "images", pairs / "masks", "--out", tmp_path / "large", "--steps", 1, "--batch", 1,
        "--size", 64, "--aside", 0.5, "--device", "cpu", "--start", small, "--filters", 8,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert model.load(tmp_path / "large").network.config.unet_n_filter_base == 8


class StopAfter:
    """A killed run: the function works `calls` times more, then the process is interrupted."""

    def __init__(self, function, calls):
        self.function, self.calls = function, calls

    def __call__(self, *args):
        self.function(*args)
        self.calls -= 1
        if self.calls == 0:
            raise KeyboardInterrupt


def test_training_wants_images_for_both_of_its_parts(pairs, tmp_path):
    done = command("train", pairs / "images", pairs / "masks", "--out", tmp_path / "m", "--aside", 0.01)
    assert done.exit_code == 2
    assert "for validation" in done.output


def test_the_images_set_aside_are_the_same_every_time_and_for_each_purpose_others():
    every = [data.Annotated(str(k), np.zeros((1, 1)), np.zeros((1, 1))) for k in range(200)]
    kept, aside = data.split(every, 0.2)
    assert 20 < len(aside) < 60
    assert data.split(every[::-1], 0.2)[1] == aside[::-1]
    assert data.split(kept, 0.2, "validation")[1], "a share of the rest, not what was set aside before"


def test_patches_show_the_same_nuclei_in_image_and_mask():
    image, mask = nucleus_field(np.random.default_rng(8), size=128, n_nuclei=12)
    pair = data.Annotated("one", image, mask)
    for seed in range(5):
        seen, labels = data.patch(pair, np.random.default_rng(seed), 96)
        assert seen.shape == labels.shape == (96, 96)
        if labels.any():
            assert seen[labels > 0].mean() > seen[labels == 0].mean() + 3
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
        assert data.disturb(seen, labels, np.random.default_rng(seed)).shape == (96, 96)


def test_spots_holes_and_light_around_change_grey_levels_only_where_they_should():
    image, mask = nucleus_field(np.random.default_rng(8), size=128, n_nuclei=12)
    low = float(np.percentile(image, 5))
    large, large_mask = enlarge(image, 3, order=1), enlarge(mask, 3, order=0)
    far = binary_dilation(large_mask > 0, iterations=6)
    for seed in range(5):
        spotted = data._textured(large, large_mask, low, np.random.default_rng(seed))
        assert np.allclose(spotted[~far], large[~far], rtol=0.01)
        assert not np.allclose(spotted[large_mask > 0], large[large_mask > 0], rtol=0.01)
        glowing = data._glowing(image, mask, low, np.random.default_rng(seed))
        assert (glowing >= image - 1e-3).all()


def test_many_nuclei_make_a_wider_label_image(bundled, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "at_own_size", lambda *_: (np.full((8, 8), 70_000, np.int32), np.zeros(0)))
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((8, 8), np.uint8))
    images.label_images(tmp_path / "one.tif", tmp_path / "out", model=model.BUNDLED, workers=1)
    assert tifffile.imread(tmp_path / "out" / "one.tif").dtype == np.uint32
