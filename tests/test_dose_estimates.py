"""Estimates over wells against hand, scipy and statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats

from pipelines.dose.estimates import (
    BOOTSTRAP_FROM,
    benjamini_hochberg,
    bootstrap,
    difference,
    holm,
    mean,
    proportion,
    ratio,
    slope,
)

WELLS = [0.10, 0.14, 0.18]
CONTROL = [0.02, 0.03, 0.07]


def test_the_mean_of_three_wells_by_hand():
    one = mean(WELLS)
    assert one.value == pytest.approx(0.14)
    # t(2) = 4.3027, s = 0.04, n = 3
    assert one.high - one.value == pytest.approx(4.302653 * 0.04 / math.sqrt(3))
    assert (one.n, one.df) == (3, 2)


def test_wells_that_are_all_alike_prove_nothing():
    one = mean([0.0, 0.0, 0.0])
    assert (one.value, one.n) == (0, 3)
    assert math.isnan(one.high)
    assert math.isnan(slope([0, 0, 8, 8], [0, 0, 0, 0]).p)


def test_a_missing_well_is_not_a_well():
    assert mean([0.1, math.nan, 0.3]).n == 2


def test_one_well_has_no_interval_and_no_p():
    for one in (mean([0.3]), difference([0.3], CONTROL), ratio([0.3], CONTROL), slope([0, 4], [0.1, 0.3])):
        assert math.isfinite(one.value)
        assert math.isnan(one.low)
        assert math.isnan(one.p)


def test_the_difference_is_welchs():
    one = difference(WELLS, CONTROL)
    theirs = stats.ttest_ind(WELLS, CONTROL, equal_var=False)
    low, high = theirs.confidence_interval()
    assert (one.low, one.high, one.p, one.df) == pytest.approx((low, high, theirs.pvalue, theirs.df))


def test_the_ratio_by_hand():
    one = ratio([0.2, 0.2, 0.3], [0.1, 0.1, 0.2])
    se = math.hypot(1 / 7, 1 / 4)  # s / sqrt(n) / m = 0.0333 / 0.2333 and 0.0333 / 0.1333
    half = stats.t.ppf(0.975, one.df) * se
    assert (one.value, math.log(one.high / one.value)) == pytest.approx((7 / 4, half))
    assert math.isnan(ratio(WELLS, [0, 0]).value)
    assert ratio(WELLS, CONTROL).low < 0.14 / 0.04 < ratio(WELLS, CONTROL).high


def test_the_slope_is_least_squares_with_hc2():
    from statsmodels.regression.linear_model import OLS

    x = np.repeat([0, 2, 4, 8], 3)
    y = np.random.default_rng(0).random(12) * (1 + x)
    one = slope(x, y)
    theirs = OLS(y, np.column_stack([np.ones(12), x])).fit(cov_type="HC2")
    half = 0.5 * (one.high - one.low)
    assert one.value == pytest.approx(theirs.params[1])
    assert half / stats.t.ppf(0.975, one.df) == pytest.approx(theirs.bse[1])
    assert 2 < one.df < 10


def test_over_two_doses_the_slope_is_welchs_difference():
    one, other = slope([0, 0, 0, 2, 2, 2], [*CONTROL, *WELLS]), difference(WELLS, CONTROL)
    assert 2 * one.value == pytest.approx(other.value)
    assert 2 * one.low < other.value < 2 * one.high
    # Bell & McCaffrey's degrees of freedom take the variances as alike, Satterthwaite's as they are.
    assert one.df == pytest.approx(4)


def test_a_dose_with_a_single_well_far_away_has_no_robust_error():
    assert math.isnan(slope([0, 0, 8], [0.1, 0.2, 0.3]).p)


def test_wilson_is_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    one = proportion(3, 40)
    assert (one.low, one.high) == pytest.approx(proportion_confint(3, 40, method="wilson"))
    assert math.isnan(proportion(0, 0).value)


def test_adjustments_are_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(1).random(9) ** 2
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_what_was_not_tested_is_not_counted():
    assert holm([0.01, math.nan, 0.04])[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(holm([0.01, math.nan])[1])


def test_no_bootstrap_below_twenty_wells():
    x = np.random.default_rng(2).random(BOOTSTRAP_FROM)
    few, enough = (bootstrap(values, rng=np.random.default_rng(3)) for values in (x[1:], x))
    assert math.isnan(few.low)
    assert enough.low < x.mean() < enough.high
