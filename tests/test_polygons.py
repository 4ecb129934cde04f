"""Non-maximum suppression and drawing give what the stardist package gives."""

import numpy as np
import pytest
from stardist.geometry import polygons_to_label
from stardist.nms import non_maximum_suppression_sparse

from lineage.stardist.polygons import best, drawn

SHAPE = (120, 150)


def candidates(seed, *, n_objects=25, each=30, n_rays=32, radius=9.0):
    """Points, probabilities and rays of rough objects, of which some overlap and some are cut by the edge."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(n_objects), each)
    middle = rng.uniform(-3, np.array(SHAPE) + 3, (n_objects, 2))[of]
    outline = rng.uniform(0.5, 1.5, (n_objects, 1)) * rng.uniform(0.8, 1.2, (n_objects, n_rays))
    points = np.rint(middle + rng.normal(0, 0.3 * radius, middle.shape))
    rays = radius * outline[of] * rng.uniform(0.9, 1.1, (len(of), n_rays))
    return points, rng.uniform(0.1, 0.9, len(of)).astype(np.float32), rays.astype(np.float32)


WORLDS = {
    "nuclei": candidates(0),
    "small": candidates(1, radius=2.5),
    "large": candidates(2, n_objects=6, each=60, radius=30.0),
    "crowded": candidates(3, n_objects=80),
    "four rays": candidates(4, n_rays=4),
    "sixteen rays": candidates(4, n_rays=16, radius=4.0),
    "hardly any": candidates(5, n_objects=1, each=1),
    "whole numbers": tuple(np.rint(part * (100 if k == 1 else 1)) for k, part in enumerate(candidates(6))),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.4, 0.6, 0.95])
def test_the_same_is_suppressed_as_by_stardist(world, threshold):
    points, probability, rays = world
    *_, theirs = non_maximum_suppression_sparse(rays, probability, points, nms_thresh=threshold)
    assert np.array_equal(best(points, probability, rays, threshold), theirs)


def test_something_is_suppressed_and_something_kept():
    points, probability, rays = WORLDS["crowded"]
    assert 20 < len(best(points, probability, rays, 0.4)) < 200 < len(points)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_same_is_drawn_as_by_stardist(world):
    points, probability, rays = world
    labels = drawn(points, probability, rays, SHAPE)
    assert labels.max() > 0
    assert np.array_equal(labels, polygons_to_label(rays, points, shape=SHAPE, prob=probability))


def test_what_lies_outside_is_not_drawn():
    labels = drawn(np.array([[-50.0, 20.0], [20.0, 400.0]]), np.ones(2), np.full((2, 32), 8.0), SHAPE)
    assert not labels.any()


def test_nothing_gives_nothing():
    nothing = np.zeros((0, 2)), np.zeros(0, np.float32), np.zeros((0, 32), np.float32)
    assert best(*nothing, 0.4).shape == (0,)
    assert drawn(*nothing, SHAPE).shape == SHAPE
