"""Compiled loops give what scikit-image's `regionprops` gives, of any label image."""

import subprocess
import sys
from pathlib import Path

import movies
import numpy as np
import pytest
import tifffile
from skimage.measure import label, regionprops_table

from lineage.nuclei.background import background
from lineage.nuclei.measure import measures_of

EXAMPLE = Path(__file__).parents[1] / "examples" / "demo.tif"
SHAPE = (40, 60)


def grey(shape):
    return np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)


def compare(labels, above):
    """Assert that both agree; gives what was found."""
    found = measures_of(labels, above)
    table = regionprops_table(
        labels.astype(np.int32),
        above,
        properties=(
            "label", "centroid", "area", "mean_intensity", "intensity_std", "eccentricity", "solidity",
        ),
    )  # fmt: skip
    assert np.array_equal(found.label, table["label"])
    assert np.array_equal(found.area_px, table["area"])
    assert found.solidity == pytest.approx(table["solidity"], abs=1e-12)
    assert found.position_px[:, 0] == pytest.approx(table["centroid-0"])
    assert found.position_px[:, 1] == pytest.approx(table["centroid-1"])
    assert found.eccentricity == pytest.approx(table["eccentricity"], abs=1e-6)
    assert found.mean == pytest.approx(table["mean_intensity"], rel=1e-5)
    assert found.deviation == pytest.approx(table["intensity_std"], rel=1e-4, abs=1e-4)
    return found


def image_of(*masks, numbers=None):
    labels = np.zeros(SHAPE, np.int32)
    for number, mask in zip(numbers or range(1, len(masks) + 1), masks, strict=True):
        labels[mask] = number
    return labels


def box(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def ring():
    return movies.disc(SHAPE, 20, 20, 12) & ~movies.disc(SHAPE, 20, 20, 7)


ODD = {
    "one pixel": image_of(box(5, 5)),
    "a row": image_of(box(5, slice(3, 20))),
    "a column": image_of(box(slice(3, 20), 5)),
    "a slope": image_of(np.eye(*SHAPE, dtype=bool)),
    "a ring and what is in its hole": image_of(ring(), box(slice(18, 22), slice(18, 23))),
    "corners of the image": image_of(
        box(slice(0, 6), slice(0, 4)), box(slice(36, 40), slice(51, 60)), box(slice(0, 1), slice(58, 60))
    ),
    "two pieces, rows apart": image_of(box(slice(2, 5), slice(40, 50)) | box(slice(30, 33), slice(2, 4))),
    "numbers with gaps": image_of(ring(), box(5, 50), numbers=(7, 300)),
    "numbers larger than the image": image_of(ring(), box(5, 50), numbers=(3, 2**24)),
    "rough": image_of(np.random.default_rng(1).random(SHAPE) < 0.02),
    "all of the image": np.ones(SHAPE, np.int32),
    "unsigned": image_of(ring(), box(5, 50)).astype(np.uint16),
}


@pytest.mark.parametrize("labels", ODD.values(), ids=ODD)
def test_odd_labels_are_measured_as_by_scikit_image(labels):
    compare(labels, grey(labels.shape))


def test_many_touching_labels_are_measured_as_by_scikit_image():
    rng = np.random.default_rng(2)
    middles = rng.uniform(0, 150, (80, 2))
    places = np.indices((150, 160)).reshape(2, -1, 1) - middles.T[:, None]
    nearest = np.linalg.norm(places, axis=0).argmin(axis=1).reshape(150, 160)
    found = compare(np.where(rng.random((150, 160)) < 0.9, nearest + 1, 0), grey((150, 160)))
    assert len(found.label) == 80
    assert found.solidity.min() < 0.95


def test_the_example_is_measured_as_by_scikit_image():
    for page in range(1, 152, 30):
        image = tifffile.imread(EXAMPLE, key=page).astype(np.float32)
        assert len(compare(label(image > np.median(image) + 5), image).label) > 20


def test_no_labels_have_no_measures():
    found = measures_of(np.zeros(SHAPE, np.int32), grey(SHAPE))
    assert [len(v) for v in vars(found).values()] == [0] * 7
    assert found.position_px.shape == (0, 2)


def as_defined(image, labels, halo, sigma):
    """The background by scipy's filters of every pixel."""
    from scipy.ndimage import gaussian_filter, minimum_filter, zoom

    free = minimum_filter((labels == 0).astype(np.uint8), 2 * halo + 1)[::4, ::4].astype(np.float32)
    coarse = image[::4, ::4].astype(np.float32)
    weight = gaussian_filter(free, sigma, mode="nearest")
    level = float(np.median(coarse[free > 0])) if free.any() else float(coarse.min())
    smooth = (gaussian_filter(coarse * free, sigma, mode="nearest") + 1e-3 * level) / (weight + 1e-3)
    return zoom(smooth, 4, order=1, mode="nearest", grid_mode=True)[: image.shape[0], : image.shape[1]]


@pytest.mark.parametrize("shape", [(40, 60), (101, 67), (64, 1), (5, 6), (1, 1)])
@pytest.mark.parametrize("taken", [0.0, 0.01, 1.0])
def test_the_background_is_that_of_filters_over_every_pixel(shape, taken):
    rng = np.random.default_rng(3)
    labels = (rng.random(shape) < taken).astype(np.int32)
    image = rng.integers(0, 4096, shape).astype(np.uint16)
    found = background(image, labels, pixel_size_um=0.8)
    assert found.shape == shape
    assert found == pytest.approx(as_defined(image, labels, 4, 17 / 0.8 / 4), rel=1e-5)


def test_it_compiles_where_nothing_can_be_kept():
    code = (
        "from numba.core.caching import CacheImpl; CacheImpl._locator_classes = []\n"
        "import numpy as np; from lineage.nuclei.measure import measures_of\n"
        "print(measures_of(np.eye(3, dtype=int), np.eye(3)).area_px)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[3.]"
