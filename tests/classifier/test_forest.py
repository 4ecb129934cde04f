from __future__ import annotations

import numpy as np
import pytest

from classifier.calibrate import Calibration, cross_fitted, fit
from classifier.forest import grow
from classifier.measures import bodies, time_summary


def crop(bodies: int) -> np.ndarray:
    """So many bright squares, in all frames."""
    x = np.zeros((12, 2, 96, 96), np.float32)
    for i in range(bodies):
        x[:, 1, 30 : 30 + 8 + i, 26 + 18 * i : 34 + 18 * i] = 1.0
    return x


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_bodies_are_counted_and_measured(n):
    row = bodies(crop(n))[0]
    assert row[0] == n
    assert row[4] == pytest.approx(row[1:4].sum())
    assert (row[7] > 10) == (n > 1)  # how far apart


def test_phase_is_not_looked_at():
    x = crop(2)
    x[:, 0] = np.random.default_rng(0).normal(size=x[:, 0].shape)
    np.testing.assert_array_equal(bodies(x), bodies(crop(2)))


def test_a_summary_over_time_sees_when_the_number_changes():
    rows = np.concatenate([bodies(crop(1))[:6], bodies(crop(2))[:6]])
    assert time_summary(rows).shape == (8 * rows.shape[1],)
    assert time_summary(rows)[-rows.shape[1]] == pytest.approx(1 / 11)


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
