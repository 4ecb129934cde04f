"""Training StarDist: patches, validation images, checkpoints, and networks that grow."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import binary_dilation
from scipy.ndimage import zoom as enlarge
from stardist_models import SMALL, command

from lineage.simulate.nuclei import nucleus_field
from lineage.stardist import data, model
from lineage.stardist.network import StarDist


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


def train_command(pairs, **options):
    """`... train` on these pairs, on the processor."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return command("train", pairs / "images", pairs / "masks", "--device", "cpu", *words)


def test_training_goes_on_from_its_checkpoint_and_leaves_a_model(pairs, tmp_path, monkeypatch):
    from lineage.stardist import train

    monkeypatch.setattr(train, "_save", stopping_after := StopAfter(train._save, 1))
    options = {"out": tmp_path, "steps": 6, "batch": 2, "aside": 0.5, "start": "sir-dna"}
    assert isinstance(train_command(pairs, **options).exception, KeyboardInterrupt | SystemExit)
    stopping_after.calls = -100
    done = train_command(pairs, **options)
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
    small, network = tmp_path / "small", StarDist(SMALL)
    # Nearly all is background to it, as to one that is trained: else every pixel is a candidate.
    torch.nn.init.constant_(network.prob.bias, -4.0)
    model.save(model.Model(network, 0.5, 0.4), small)
    options = {"steps": 1, "batch": 1, "size": 64, "aside": 0.5, "start": small, "filters": 8}
    done = train_command(pairs, out=tmp_path / "large", **options)
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
    done = train_command(pairs, out=tmp_path / "m", aside=0.01)
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
