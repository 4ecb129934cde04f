"""Neighbours of a mitosis that die: what the classifier is shown as no mitosis."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from classifier.decoys import decoys
from classifier.dying import dies, digest, read_pictures
from lineage.schema import InputError

DNA = 1


def write_picture(path, *, pixel_um=0.6):
    """A dying nucleus in three bodies, and a neighbour in the corner."""
    image = np.full((64, 64), 10, np.uint8)
    for y, x in ((26, 28), (36, 30), (32, 40)):
        image[y : y + 5, x : x + 5] = 200
    image[:14, :14] = 255
    tifffile.imwrite(
        path, image, imagej=True, resolution=(1 / pixel_um, 1 / pixel_um), metadata={"unit": "um"}
    )


@pytest.fixture
def pictures(tmp_path):
    write_picture(tmp_path / "one.tif")
    return read_pictures(tmp_path)


def calm(side=60):
    """A nucleus in interphase in the middle, another beside it."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    crop = np.random.default_rng(0).normal(0, 0.5, (12, 2, side, side))
    crop += np.array([100, 20])[:, None, None]
    crop[:, DNA] += 60 * (np.hypot(rows, columns) < 8)
    crop[:, DNA] += 60 * (np.hypot(rows - 20, columns) < 5)
    return crop


def test_a_picture_is_brought_to_the_clips_scale_without_its_neighbours(pictures):
    (body,) = pictures
    assert body.max() == pytest.approx(1, abs=0.3)
    rows, _ = np.nonzero(body > 0.5)
    assert np.ptp(rows) < 64 * 0.6 / 1.15 / 2  # the three bodies alone
    assert abs(rows.mean() - (len(body) - 1) / 2) < 3


def test_the_nucleus_gives_way_to_bodies_and_its_neighbour_stays(pictures):
    for seed in range(10):
        before = calm()
        after = dies(before, pictures, np.random.default_rng(seed))
        assert np.array_equal(after[:, 0], before[:, 0].astype(np.float32))  # phase
        middle = np.s_[22:38, 22:38]
        changed = [
            not np.allclose(a[middle], b[middle]) for a, b in zip(after[:, DNA], before[:, DNA], strict=True)
        ]
        onset = changed.index(True)
        assert onset <= 5
        assert all(changed[onset:])
        assert np.percentile(after[-1, DNA][middle], 25) < 40  # between the bodies it is dark
        assert after[-1, DNA][46:52, 28:32].mean() == pytest.approx(80, abs=8)


def test_neighbours_die_only_where_there_are_pictures(pictures):
    clip = np.random.default_rng(0).normal(0, 0.5, (12, 2, 100, 100))
    clip[:, DNA, 66:80, 66:80] += 14
    clip[:, DNA, 10:20, 10:20] += 70
    plain = decoys(clip, np.random.default_rng(0), normal=False)
    with_deaths = decoys(clip, np.random.default_rng(0), normal=False, dying=pictures)
    assert len(with_deaths) == len(plain) + 1
    assert np.array_equal(with_deaths[0], plain[0])  # the others are what they were


def test_other_pictures_are_another_training(pictures, tmp_path):
    (tmp_path / "other").mkdir()
    write_picture(tmp_path / "other" / "one.tif", pixel_um=0.9)
    assert digest(pictures) == digest(read_pictures(tmp_path))
    assert digest(pictures) != digest(read_pictures(tmp_path / "other"))


def test_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no TIFF"):
        read_pictures(tmp_path)
    tifffile.imwrite(tmp_path / "film.tif", np.zeros((3, 40, 40), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"film.tif is \(3, 40, 40\)"):
        read_pictures(tmp_path)
