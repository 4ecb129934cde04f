from __future__ import annotations

import numpy as np
import pytest

from classifier.calibrate import Calibration, cross_fitted, fit
from classifier.forest import grow
from classifier.measures import ABSENT_PX, blobs, bodies, measures, time_summary
from classifier.pixels import PIXEL_UM, VIEW_PX
from lineage.schema import CROP_FRAMES


def dna(n: int) -> np.ndarray:
    """So many round spots in a row, 11 px apart and each dimmer than the one before, in all frames."""
    y, x = np.mgrid[:VIEW_PX, :VIEW_PX]
    frame = np.zeros((VIEW_PX, VIEW_PX), np.float32)
    for i in range(n):
        frame += (1 - 0.1 * i) * np.exp(-((y - 30) ** 2 + (x - 19 - 11 * i) ** 2) / (2 * 2.5**2))
    return np.repeat(frame[None], CROP_FRAMES, axis=0)


def squares(n: int) -> np.ndarray:
    """So many bright squares, in all frames."""
    x = np.zeros((12, 96, 96), np.float32)
    for i in range(n):
        x[:, 30 : 30 + 8 + i, 26 + 18 * i : 34 + 18 * i] = 1.0
    return x


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_bodies_are_counted_and_measured(n):
    row = bodies(squares(n))[0]
    assert row[0] == n
    assert row[4] == pytest.approx(row[1:4].sum())
    assert (row[7] > 10) == (n > 1)  # how far apart


def test_bodies_of_one_frame_are_not_those_of_the_next():
    x = squares(3)
    x[1] = squares(1)[0]
    x[2, -1], x[3, 0] = 1.0, 1.0  # at the edges that frames share where they lie below each other
    found = bodies(x)
    assert found[:4, 0].tolist() == [3, 1, 3, 3]
    np.testing.assert_array_equal(found[0, :24], found[2, :24])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_blobs_are_counted_by_how_they_stand_out_and_their_distances_measured(n):
    row = blobs(dna(n))[0]
    strengths, (first, _, third, least) = row[:5], row[5:9]
    assert np.count_nonzero(strengths > 0.2) == n
    assert (np.diff(strengths) <= 0).all()
    assert first == pytest.approx(11 if n > 1 else ABSENT_PX, abs=1)
    assert third == pytest.approx(11 if n > 2 else ABSENT_PX, abs=1)
    assert least == min(first, third)


def test_blobs_far_from_the_middle_belong_to_neighbours():
    np.testing.assert_array_equal(blobs(np.roll(dna(1), 25, axis=1))[0], blobs(dna(0))[0])


def test_phase_is_not_looked_at():
    x = np.stack([np.zeros_like(dna(2)), dna(2)], axis=1)
    y = x.copy()
    y[:, 0] = np.random.default_rng(0).normal(size=y[:, 0].shape)
    np.testing.assert_array_equal(measures(y, PIXEL_UM), measures(x, PIXEL_UM))


def test_a_summary_over_time_sees_when_the_number_changes():
    rows = np.concatenate([blobs(dna(1))[:6], blobs(dna(2))[:6]])
    assert time_summary(rows).shape == (8 * rows.shape[1],)
    second = rows[6, 1] - rows[0, 1]
    assert time_summary(rows)[-rows.shape[1] + 1] == pytest.approx(second / 11) != 0


def test_the_arrays_say_what_scikit_learn_would():
    from sklearn.ensemble import ExtraTreesClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6)).astype(np.float32)
    y = x[:, 0] + 0.5 * rng.normal(size=120) > 0
    theirs = ExtraTreesClassifier(
        20, min_samples_leaf=5, max_features=0.3, class_weight="balanced", random_state=4
    ).fit(x, y)
    np.testing.assert_allclose(
        grow(x, y, seed=4, n_trees=20).p_abnormal(x), theirs.predict_proba(x)[:, 1], atol=1e-6
    )


def odds_and_labels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1.2, 6000)
    return odds, rng.random(6000) < 1 / (1 + np.exp(-odds))


@pytest.mark.parametrize(("temperature", "offset"), [(1.0, 0.0), (1.5, 0.0), (0.7, -0.5)])
def test_calibration_finds_what_was_done_to_true_odds(temperature, offset):
    odds, abnormal = odds_and_labels()
    found = fit(abnormal, 1 / (1 + np.exp(-temperature * (odds - offset))))
    assert 1 / found.network == pytest.approx(temperature, rel=0.1)
    assert found.offset == pytest.approx(offset, abs=0.1)


def test_a_voice_that_knows_nothing_is_not_heard():
    odds, abnormal = odds_and_labels()
    noise = np.random.default_rng(1).random(len(odds))
    found = fit(abnormal, 1 / (1 + np.exp(-odds)), noise)
    assert found.forest < 0.05
    assert found.network == pytest.approx(1, abs=0.1)


def test_a_fold_is_not_calibrated_by_itself():
    """All folds are alike but one, whose labels are turned round: its own fit would mend them."""
    odds, abnormal = odds_and_labels()
    folds = np.arange(len(odds)) % 5
    turned = np.where(folds == 0, ~abnormal, abnormal)
    p = cross_fitted(turned, folds, 1 / (1 + np.exp(-odds)))
    assert ((p >= 0.5) == turned)[folds == 0].mean() < 0.4 < ((p >= 0.5) == turned)[folds == 1].mean()
    assert Calibration().calibrated(np.array([0.5])) == 0.5
