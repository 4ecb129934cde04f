from __future__ import annotations

import numpy as np

from classifier.decoys import back_and_forth, decoys, mitosis_is_over, quiet_window


def clip() -> np.ndarray:
    """A mitosis in one corner, a calm nucleus in another."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.5, (12, 2, 100, 100))
    x[:, 0] += 100
    x[:, 1, 66:80, 66:80] += 14
    x[:8, 1, 10:20, 10:20] += 70
    x[8:, 1, 10:20, 10:20] += 14
    return x


def test_a_quiet_square_holds_the_calm_nucleus_and_not_the_mitosis():
    y, x, side = quiet_window(clip())
    assert y <= 66 < 80 <= y + side
    assert x <= 66 < 80 <= x + side
    assert min(y, x) > 20


def test_a_clip_full_of_mitosis_has_no_quiet_square():
    bright = clip()
    bright[:, 1] += 70 * (np.arange(100) % 20 < 8)
    assert quiet_window(bright) is None


def test_late_windows_are_cut_only_where_the_mitosis_is_over():
    x = clip()
    assert mitosis_is_over(x)
    assert len(decoys(x, np.random.default_rng(0), normal=True)) == 2
    assert len(decoys(x, np.random.default_rng(0), normal=False)) == 1
    x[:, 1, 10:20, 10:20] += 70
    assert not mitosis_is_over(x)


def test_late_windows_are_made_of_the_last_frames_alone():
    assert set(back_and_forth(np.random.default_rng(0))) == {8, 9, 10, 11}
