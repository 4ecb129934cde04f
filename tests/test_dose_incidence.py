"""Competing ends and interval-censored durations against hand and lifelines."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from pipelines.dose.collect import ENDS
from pipelines.dose.fates import COLUMNS, ends_of, incidence_table
from pipelines.dose.incidence import aalen_johansen
from pipelines.dose.turnbull import turnbull


def cells(*lives, born=False):
    """(entry_h, exit_h, end), ...: founders, or cells born in view."""
    table = pd.DataFrame(lives, columns=["entry_h", "exit_h", "end"])
    table["born_in_view"] = born
    return table.assign(age_at_exit_h=(table["exit_h"] - table["entry_h"]).where(table["born_in_view"]))


def test_by_hand_with_ties_and_a_late_entry():
    """At 2: one of 3 divides, one dies. At 4: of the survivor and the late one, one divides."""
    one = aalen_johansen([0, 0, 0, 3], [2, 2, 4, 5], [1, 2, 1, 0], n_causes=2)
    assert one.times.tolist() == [2, 4]
    assert one.at_risk.tolist() == [3, 2]
    assert one.by_cause.ravel() == pytest.approx([1 / 3, 1 / 3 + 1 / 3 * 1 / 2, 1 / 3, 1 / 3])
    assert one.at([0, 2, 3, 9])[0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 2])


def test_what_is_censored_in_a_frame_was_at_risk_there():
    assert aalen_johansen([0, 0], [1, 1], [1, 0], n_causes=1).by_cause[0, 0] == 0.5


def test_a_cell_that_comes_in_the_very_frame_is_not_at_risk_yet():
    assert aalen_johansen([0, 2], [2, 3], [1, 1], n_causes=1).at_risk.tolist() == [1, 1]


def test_without_ties_it_is_lifelines():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import AalenJohansenFitter

    rng = np.random.default_rng(5)
    entry = rng.choice([0.0, 0.0, 0.35], 60)
    end = entry + 0.5 + rng.permutation(60) + rng.random(60) / 100
    cause = rng.integers(0, 3, 60)
    ours = aalen_johansen(entry, end, cause, n_causes=2)
    for c in (1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = AalenJohansenFitter(calculate_variance=False).fit(
                end, cause, event_of_interest=c, entry=entry
            )
        steps = theirs.cumulative_density_
        at = np.searchsorted(steps.index, ours.times, side="right") - 1
        assert ours.by_cause[c - 1] == pytest.approx(steps.iloc[at, 0].to_numpy(), abs=1e-9)


def test_one_cause_with_ties_is_kaplan_meier():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import KaplanMeierFitter

    rng = np.random.default_rng(6)
    end, seen = rng.integers(1, 9, 50), rng.random(50) < 0.6
    ours = aalen_johansen(np.zeros(50), end, seen.astype(int), n_causes=1)
    theirs = KaplanMeierFitter().fit(end, seen).survival_function_at_times(ours.times)
    assert 1 - ours.by_cause[0] == pytest.approx(theirs.to_numpy())


def test_the_quantile_is_a_time_or_nothing():
    one = aalen_johansen([0] * 4, [1, 2, 3, 9], [1, 1, 0, 0], n_causes=1)
    assert one.quantile(1, 0.5) == 2
    assert math.isnan(one.quantile(1, 0.9))


def test_bounds_of_the_lost():
    lives = cells((0, 5, "division"), (0, 5, "lost"), (0, 9, "censored"), (0, 9, "death"))
    at = {
        lost: ends_of(lives, since_birth=False, lost_as=lost).at([9])[:, 0]
        for lost in ("censored", "division", "death")
    }
    division, death = ENDS.index("division"), ENDS.index("death")
    assert at["division"][division] == 0.5 > at["censored"][division] == 0.25
    assert at["death"][death] == pytest.approx(0.25 + 0.5 * 0.5)
    assert at["division"][death] < at["censored"][death] < at["death"][death]


def test_the_two_clocks():
    lives = cells((10, 30, "division"), born=True)
    assert ends_of(lives, since_birth=True).times.tolist() == [20]
    assert ends_of(lives, since_birth=False).times.tolist() == [30]
    assert ends_of(lives.assign(born_in_view=False), since_birth=True).n == 0


def test_wells_of_few_cells_have_no_curve_and_a_table_all_the_same():
    few = cells((0, 5, "division"), (0, 9, "death")).assign(generation=0, dose_gy=0.0, cell_line="L")
    few = few.assign(treatment="none", drug_uM=0.0, experiment_date="d", plate="p", well="A1")
    assert incidence_table(few).columns.tolist() == COLUMNS


def test_durations_seen_every_ten_minutes_by_hand():
    """Two within (20, 40], one within (30, 50], one beyond 30: all may lie within (30, 40]."""
    one = turnbull([20, 20, 30, 30], [40, 40, 50, np.inf])
    assert one.quantile(0.5) == (30, 40)
    assert one.middle() == 35


def test_durations_of_the_frame_interval_and_no_more():
    one = turnbull([20, 40, 40], [40, 60, 60])
    assert (one.low.tolist(), one.high.tolist()) == ([20, 40], [40, 60])
    assert one.share == pytest.approx([1 / 3, 2 / 3])


def test_turnbull_is_as_likely_as_lifelines():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines.fitters.npmle import npmle

    rng = np.random.default_rng(7)
    true, width = rng.gamma(8, 6, 40), rng.choice([10, 20], 40)
    high = np.floor(true / width) * width + width
    low = high - width + 0.01  # lifelines' intervals are closed: bounds that touch would overlap there
    ours = turnbull(low, high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares, places = npmle(low, high, tol=1e-9)
    both = [
        (ours.low, ours.high, ours.share),
        (np.array([p.left for p in places]), np.array([p.right for p in places]), np.asarray(shares)),
    ]
    likelihoods = [
        np.log((((low[:, None] <= lo) & (hi <= high[:, None])) * share).sum(axis=1)).sum()
        for lo, hi, share in both
    ]
    assert len(ours.share) > 3
    assert likelihoods[0] == pytest.approx(likelihoods[1], abs=1e-4)


def test_a_duration_without_length_is_refused():
    with pytest.raises(ValueError, match="lower bound is not below"):
        turnbull([3], [3])
