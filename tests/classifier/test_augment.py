from __future__ import annotations

import numpy as np
import pytest
from clips import rgb_clip

from classifier.augment import (
    augment,
    background,
    deform,
    drop_channel,
    random_scale,
    random_shift,
    shift_in_time,
)
from classifier.data import decode


def spot_clip() -> np.ndarray:
    """A bright square off the centre, the same in all frames and both channels."""
    clip = np.zeros((12, 2, 48, 48), np.float32)
    clip[:, :, 10:16, 20:26] = 100
    return clip


def test_the_separation_lands_anywhere_from_0_to_8_and_mostly_near_3():
    rng = np.random.default_rng(0)
    for separation in (1, 5):
        landed = [separation + random_shift(separation, rng) for _ in range(2000)]
        assert set(landed) == set(range(9))
        assert np.median(landed) == 3


def test_the_side_that_an_expert_cut_says_little_about_the_side_that_is_shown():
    rng = np.random.default_rng(0)
    shown = {side: np.median([side * random_scale(side, rng) for _ in range(500)]) for side in (65, 85, 115)}
    assert max(shown.values()) < 1.1 * min(shown.values())


def test_end_frames_stand_still_where_a_clip_ends():
    frames = np.arange(12)
    assert shift_in_time(frames, -3).tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 11, 11]
    assert shift_in_time(frames, 0).tolist() == frames.tolist()


def test_all_frames_and_channels_move_alike():
    rng = np.random.default_rng(1)
    clip = spot_clip()
    moved = deform(clip, 1.0, rng)
    assert not np.allclose(moved, clip)
    assert (np.abs(moved - moved[:1, :1]) < 1e-3).all()


def test_the_clip_keeps_its_event_in_view():
    rng = np.random.default_rng(2)
    clip = np.zeros((12, 2, 48, 48), np.float32)
    clip[:, :, 21:27, 21:27] = 100
    assert all(deform(clip, 1.3, rng).max() > 50 for _ in range(50))


def test_an_empty_place_is_the_median_of_phase_and_dark_in_dna():
    clip = decode(rgb_clip(0))
    phase, dna = background(clip).ravel()
    assert 95 < phase < 105
    assert dna == 0


def test_equal_seeds_give_equal_clips_and_the_input_is_left_alone():
    clip = decode(rgb_clip(0))
    before = clip.copy()
    first, again, other = (augment(clip, 4, 80.0, np.random.default_rng(s)) for s in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(clip, before)
    assert first.dtype == np.float32
    assert first.shape == clip.shape


@pytest.mark.parametrize(("channel", "share"), [(0, 1 / 6), (1, 1 / 20)])
def test_each_channel_is_sometimes_lost_and_never_both(channel, share):
    rng = np.random.default_rng(3)
    crop = np.ones((12, 2, 2, 2), np.float32)
    lost = np.array([~drop_channel(crop, rng).any((0, 2, 3)) for _ in range(2000)])
    assert lost[:, channel].mean() == pytest.approx(share, abs=0.02)
    assert not lost.all(1).any()
