"""What the network sees: resized as by scikit-image, normalised alike whatever type the image has."""

import numpy as np
import pytest
from skimage.transform import resize

from lineage.stardist import normalise
from lineage.stardist.resize import resized

SHAPES = [(40, 50), (7, 3), (1, 5), (2, 2), (30, 41, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zoom", [0.25, 0.37, 0.5, 0.9, 1.3, 2.0, 4.0])
def test_an_image_is_resized_as_by_scikit_image(shape, zoom):
    image = np.random.default_rng(0).random(shape, np.float32)
    size = tuple(max(1, round(n * zoom)) for n in shape[:2])
    found = resized(image, size)
    assert found.dtype == np.float32
    assert found == pytest.approx(resize(image, size, order=1, anti_aliasing=zoom < 1), abs=3e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int64])
@pytest.mark.parametrize("shape", [(60, 80), (61, 79), (2, 2)])
def test_whole_numbers_are_normalised_as_the_same_floats(kind, shape):
    image = np.random.default_rng(1).integers(0, 200, shape).astype(kind)
    assert normalise.arcsinh(image) == pytest.approx(normalise.arcsinh(image.astype(float)), abs=1e-6)


def test_what_is_below_zero_is_normalised_too():
    image = np.random.default_rng(1).integers(-900, 900, (60, 80)).astype(np.int16)
    assert np.array_equal(normalise.arcsinh(image), normalise.arcsinh(image.astype(float)))
