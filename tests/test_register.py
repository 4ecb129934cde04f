"""Pairs are registered as by scikit-image; images are blurred as by scipy."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift
from skimage.registration import phase_cross_correlation

from lineage.blur import blurred
from lineage.quality.register import shifts


def pairs(shape, moves):
    """Smooth random images, and the same moved, with a little noise."""
    rng = np.random.default_rng(0)
    there = gaussian_filter(rng.normal(size=(len(moves), *shape)), (0, 2, 2))
    moved = np.stack([shift(image, move, mode="wrap") for image, move in zip(there, moves, strict=True)])
    return there.astype(np.float32), (moved + rng.normal(0, 0.01, moved.shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(42, 42), (33, 40), (32, 1)])
@pytest.mark.parametrize("upsampling", [1, 4, 20])
def test_shifts_are_those_of_scikit_image(shape, upsampling):
    moves = np.random.default_rng(1).uniform(-12, 12, (10, 2)) * (np.array(shape) > 1)
    references, moved = pairs(shape, moves)
    found = shifts(references, moved, upsampling=upsampling)
    for one, reference, image in zip(found, references, moved, strict=True):
        theirs = phase_cross_correlation(reference, image, upsample_factor=upsampling, normalization=None)[0]
        assert one == pytest.approx(theirs, abs=1e-5)
    assert np.abs(found).max() > 5


@pytest.mark.parametrize(("beyond", "theirs"), [("symmetric", "reflect"), ("edge", "nearest")])
@pytest.mark.parametrize("shape", [(40, 50), (3, 70), (1, 1)])
@pytest.mark.parametrize("sigma", [0.8, 3.7, 12.0])
def test_an_image_is_blurred_as_by_scipy(shape, sigma, beyond, theirs):
    image = np.random.default_rng(2).normal(100, 10, shape).astype(np.float32)
    found = blurred(image, sigma, beyond=beyond)
    assert found.dtype == np.float32
    assert found == pytest.approx(gaussian_filter(image, sigma, mode=theirs), rel=1e-5)
    short = gaussian_filter(image, sigma, mode=theirs, truncate=3)
    assert blurred(image, sigma, truncate=3, beyond=beyond) == pytest.approx(short, rel=1e-5)
