"""The network, the bundled model, the sizes of nuclei, and `... predict`."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import zoom as enlarge
from stardist_models import SMALL, command

from lineage.schema import InputError
from lineage.simulate.bodies import Body, paint
from lineage.simulate.nuclei import nucleus_field
from lineage.stardist import images, model, predict, scale
from lineage.stardist.network import StarDist, ready


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
    assert (overlaps(labels, masks) > 0.55).all()


def test_nuclei_that_the_edge_cuts_are_found_and_once(bundled):
    """Their middles lie up to a sixth of a diameter beyond the edge, or just inside it."""
    image, masks = drawn(
        nucleus(-2, 40),
        nucleus(3, 100),
        nucleus(70, -3),
        nucleus(120, 157),
        nucleus(161, 60),
        nucleus(80, 80),
    )
    labels = found(bundled, image)
    assert labels.max() == 6
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


@pytest.mark.parametrize("seed", [3, 5])
def test_squares_of_haze_around_nuclei_are_no_huge_nuclei(bundled, seed):
    """As in movies that are laid out of cut-out films, and in a field of clumps that glow."""
    rng = np.random.default_rng(seed)
    image = np.full((560, 560), 6.0)
    for y in range(70, 540, 100):
        for x in range(70, 540, 100):
            square = np.s_[y - 40 : y + 40, x - 40 : x + 40]
            image[square] += rng.uniform(25, 45)
            bodies = [nucleus(40 + dy, 40 + dx, 13.0, 60.0) for dy, dx in rng.uniform(-25, 25, (3, 2))]
            image[square] += paint(enumerate(bodies, start=1), (80, 80))[0]
    image = np.clip(image + rng.normal(0, 1, image.shape), 0, 255).round().astype(np.uint8)
    assert 9 < scale.diameter_px(bundled, [image]) < 25


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
    ("make", "message"),
    [
        (lambda p: p.mkdir(), "no TIFF there"),
        (lambda p: p.write_bytes(b"II*\0 and then nothing"), "bad.tif is damaged"),
        (lambda p: tifffile.imwrite(p, np.zeros((3, 32, 32), np.uint8)), "the model wants (Y, X)"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_predict_says_what_is_wrong_with_an_image(tmp_path, make, message):
    make(tmp_path / "bad.tif")
    done = command("predict", tmp_path / "bad.tif", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
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


def test_many_nuclei_make_a_wider_label_image(bundled, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "at_own_size", lambda *_: (np.full((8, 8), 70_000, np.int32), np.zeros(0)))
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((8, 8), np.uint8))
    images.label_images(tmp_path / "one.tif", tmp_path / "out", model=model.BUNDLED, workers=1)
    assert tifffile.imread(tmp_path / "out" / "one.tif").dtype == np.uint32
