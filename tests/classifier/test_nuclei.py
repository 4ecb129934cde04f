"""What is measured of a crop's nuclei, on drawn ones whose number, position and size are known."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.measures import N_MEASURES, measures
from classifier.nuclei import N_NUCLEUS_MEASURES, NEAREST, find_nuclei, nuclei_measures, side_by_side
from classifier.pixels import PIXEL_UM, VIEW_PX, at_scale
from lineage.schema import LOOKS

NUCLEI, FIRST = 0, 3 * (3 + len(LOOKS))  # columns: how many within the smallest radius; of the nearest one
ALL_NEAR = 2 * (3 + len(LOOKS))  # how many within the largest radius


def crop(places: list[tuple[float, float]], *, side: int = 66, radius: float = 6.0, frames: int = 12):
    """Bright discs with soft edges at (y, x) from the middle, on a noisy background."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    dna = np.full((side, side), 20.0)
    for y, x in places:
        dna += 150 / (1 + np.exp(2 * (np.hypot(rows - y, columns - x) - radius)))
    noise = np.random.default_rng(0).normal(0, 2, (frames, 2, side, side))
    return (np.stack([np.full_like(dna, 100.0), dna])[None] + noise).astype(np.float32)


@pytest.mark.parametrize("places", [[(0, 0)], [(0, -10), (0, 10)], [(-10, 0), (7, -9), (7, 9)]])
def test_nuclei_near_the_middle_are_counted_in_every_frame(places):
    rows = nuclei_measures(crop(places), PIXEL_UM)
    assert rows.shape == (12, N_NUCLEUS_MEASURES)
    assert rows[:, ALL_NEAR].tolist() == [len(places)] * 12


def test_each_frame_keeps_its_own_nuclei():
    """Frames lie side by side when nuclei are outlined: none is taken for its neighbour's."""
    one, two = crop([(0, 0)]), crop([(0, -10), (0, 10)])
    mixed = np.concatenate([one[:5], two[5:9], one[9:]])
    assert nuclei_measures(mixed, PIXEL_UM)[:, ALL_NEAR].tolist() == [1] * 5 + [2] * 4 + [1] * 3
    found = find_nuclei(at_scale(mixed, PIXEL_UM)[:, 1])
    assert np.abs(found.position_px[found.frame == 0]).max() < 1
    assert np.abs(found.position_px[found.frame == 6]).max(axis=1) == pytest.approx([10, 10], abs=1)


def test_the_view_has_one_physical_scale():
    """A crop with pixels half as wide shows the same nucleus, and a giant one stays a giant."""
    area = FIRST + 1
    coarse = nuclei_measures(crop([(0, 0)]), PIXEL_UM)
    fine = nuclei_measures(crop([(0, 0)], side=132, radius=12.0), PIXEL_UM / 2)
    giant = nuclei_measures(crop([(0, 0)], side=132, radius=12.0), PIXEL_UM)
    assert fine[:, area] == pytest.approx(coarse[:, area], rel=0.15)
    assert np.median(giant[:, area]) > 3 * np.median(coarse[:, area])


def test_gain_and_offset_of_the_camera_hardly_matter():
    plain = crop([(0, -10), (0, 10)])
    np.testing.assert_allclose(
        measures(30 * plain + 400, PIXEL_UM), measures(plain, PIXEL_UM), rtol=0.02, atol=0.02
    )


def test_phase_is_not_looked_at_and_without_dna_there_is_nothing():
    x = crop([(0, 0)])
    other = x.copy()
    other[:, 0] = np.random.default_rng(1).normal(size=x[:, 0].shape)
    np.testing.assert_array_equal(measures(other, PIXEL_UM), measures(x, PIXEL_UM))
    x[:, 1] = 7
    assert measures(x, PIXEL_UM).shape == (12, N_MEASURES)
    assert not measures(x, PIXEL_UM).any()


def test_an_empty_crop_has_no_nuclei_and_no_numbers_that_are_none():
    rows = nuclei_measures(crop([]), PIXEL_UM)
    assert np.isfinite(rows).all()
    absent = rows[0, FIRST:].reshape(-1)[: NEAREST * (6 + len(LOOKS))].reshape(NEAREST, -1)
    assert (absent[-1] == [60, 0, 0, 0, 1, 0, *[0] * len(LOOKS)]).all()


def test_a_small_crop_lies_in_the_middle_of_the_view():
    x = np.arange(12 * 2 * 20 * 21, dtype=np.float32).reshape(12, 2, 20, 21)
    view = at_scale(x, PIXEL_UM)
    assert view.shape == (12, 2, VIEW_PX, VIEW_PX)
    np.testing.assert_array_equal(view[:, :, 20:40, 19:40], x)
    assert np.ptp(view[:, 1, :20]) == 0


def test_frames_are_laid_out_without_touching():
    image = side_by_side(np.ones((5, VIEW_PX, VIEW_PX), np.float32) * np.arange(5)[:, None, None])
    assert image.shape == (2 * (VIEW_PX + 8), 4 * (VIEW_PX + 8))
    assert (image == 4).sum() == VIEW_PX**2
