"""Estimates over wells against hand, scipy and statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats

from pipelines.dose.estimates import (
    ALIKE,
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
from pipelines.dose.shares import Shares

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


def test_the_difference_is_welchs_by_hand():
    one = difference(WELLS, CONTROL)
    a, b = 0.04**2 / 3, 0.0007 / 3  # squared standard errors: s2 / n
    df = (a + b) ** 2 / (a**2 / 2 + b**2 / 2)
    half = stats.t.ppf(0.975, df) * math.sqrt(a + b)
    p = 2 * stats.t.sf(0.10 / math.sqrt(a + b), df)
    assert (one.low, one.high, one.p, one.df) == pytest.approx((0.10 - half, 0.10 + half, p, df))


def test_units_that_are_alike_on_one_side_have_an_interval_and_on_both_sides_none():
    one = difference([0.1, 0.1, 0.1], [0.2, 0.4])
    assert (one.value, one.df) == pytest.approx((-0.2, 1))
    assert one.low < one.value < one.high
    for both in (difference([0.1] * 3, [0.2] * 2), ratio([0.1] * 3, [0.2] * 2)):
        assert (both.df, both.n, both.method) == (3, 5, ALIKE)
        assert math.isnan(both.low)


def test_the_ratio_by_hand():
    one = ratio([0.2, 0.2, 0.3], [0.1, 0.1, 0.2])
    se = math.hypot(1 / 7, 1 / 4)  # s / sqrt(n) / m = 0.0333 / 0.2333 and 0.0333 / 0.1333
    half = stats.t.ppf(0.975, one.df) * se
    assert (one.value, math.log(one.high / one.value)) == pytest.approx((7 / 4, half))
    assert math.isnan(ratio(WELLS, [0, 0]).value)
    assert ratio(WELLS, CONTROL).low < 0.14 / 0.04 < ratio(WELLS, CONTROL).high


def test_what_may_be_negative_has_no_ratio():
    """Correlations of relatives in two wells whose mean is all but 0."""
    one = ratio([0.3, 0.4], [0.30, -0.299])
    assert math.isnan(one.value)
    assert math.isnan(one.high)


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


# Shares of counts

AT = np.repeat([0, 4, 8], 3)
COUNTED = np.array([60, 60, 60, 40, 40, 40, 20, 20, 20])
CASES = np.array([2, 5, 3, 6, 9, 5, 9, 12, 7])


def test_the_dispersion_is_pearsons():
    """Where the units of a dose count as many things, the means are the binomial model's own."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    design = (AT[:, None] == [0, 4, 8]).astype(float)
    theirs = GLM(np.column_stack([CASES, COUNTED - CASES]), design, family=Binomial()).fit()
    share = CASES.reshape(3, 3).sum(axis=1) / [180, 120, 60]
    variance = theirs.pearson_chi2 / theirs.df_resid * share * (1 - share) / [180, 120, 60]
    shares = Shares.of(AT, CASES / COUNTED, COUNTED)
    one = shares.difference(8, 0)
    assert shares.df == theirs.df_resid == 6
    assert one.value == pytest.approx(share[2] - share[0])
    se = math.sqrt(variance[2] + variance[0])
    assert 0.5 * (one.high - one.low) == pytest.approx(stats.t.ppf(0.975, 6) * se)
    line = shares.slope()
    assert line.value == pytest.approx(np.polyfit(AT, CASES / COUNTED, 1)[0])
    weights = np.array([-4.0, 0.0, 4.0]) / 32  # of dose means
    assert line.p == pytest.approx(2 * stats.t.sf(line.value / math.sqrt(weights**2 @ variance), 6))


def test_a_curve_that_is_no_line_does_not_widen_the_slope():
    bent = np.where(AT == 4, 0.3, np.where(AT == 8, 0.3, 0.1)) + np.tile([-0.02, 0.0, 0.02], 3)
    straight = bent - np.where(AT == 4, 0.1, 0)
    found = [Shares.of(AT, y, np.full(9, 50)).slope() for y in (bent, straight)]
    assert found[0].high - found[0].low < 1.1 * (found[1].high - found[1].low)


def test_what_cannot_be_separated_from_dose_has_no_interval():
    alone = Shares.of([0, 0, 0, 8], [0.1, 0.2, 0.1, 0.5], [20] * 4)
    assert math.isnan(alone.difference(8, 0).p)
    assert math.isnan(Shares.of([0, 8], [0.1, 0.5], [20, 20]).slope().p)
    none = Shares.of([0, 0, 8, 8], [0.0] * 4, [20] * 4)
    assert none.slope().method == none.difference(8, 0).method == ALIKE
    assert math.isnan(none.ratio(8, 0).value)
    assert math.isnan(alone.difference(4, 0).value)  # no such dose


@pytest.mark.parametrize("counted", [(150, 150, 150, 150), (150, 120, 75, 40)])
def test_a_trend_that_is_not_there_is_found_in_one_plate_of_twenty(counted):
    """Two wells a dose whose log odds differ by 0.3, with as many mitoses at all doses, and with fewer."""
    rng = np.random.default_rng(3)
    at, n = np.repeat([0, 2, 4, 8], 2), np.repeat(counted, 2)
    share = 1 / (1 + np.exp(2.5 + 0.3 * rng.standard_normal((3000, 8))))
    found = [Shares.of(at, k / n, n).slope().p < 0.05 for k in rng.binomial(n, share)]
    assert 0.04 < np.mean(found) < 0.06


def test_an_interval_of_a_ratio_that_no_number_bounds_is_infinite():
    """Wells of 20 and of 5,000 mitoses that have nothing in common."""
    one = Shares.of([0, 0, 8, 8], [0, 0.99, 0.0006, 0], [20, 5000, 5000, 20]).ratio(8, 0)
    assert one.low == 0 < one.value < one.high == math.inf


def test_days_that_hold_all_doses_are_blocks():
    """Where all units vary alike, the dispersion is the mean square of a two-way analysis of variance."""
    at, day = np.repeat([0, 2, 4, 8], 3), np.tile(["a", "b", "c"], 4)
    noise = np.random.default_rng(4).normal(0, 0.02, (4, 3))
    noise -= noise.mean(axis=1, keepdims=True)  # so all doses show the same share
    shares = Shares.of(at, (0.3 + noise + [0.1, 0, -0.1]).ravel(), np.full(12, 100), day)
    theirs = noise - noise.mean(axis=0)
    assert shares.df == 6
    assert shares.slope().method.endswith("within days")
    assert shares.variances == pytest.approx(np.full(12, (theirs**2).sum() / 6))
    unpaired = Shares.of(at, shares.values, np.full(12, 100))
    assert unpaired.df == 8
    assert unpaired.variances.mean() > 10 * shares.variances.mean()
    assert shares.difference(8, 0).value == unpaired.difference(8, 0).value
    # A day that lacks a dose, or a dose a day: effects of days and doses cannot be separated.
    for other in (np.where(np.arange(12) == 0, "d", day), np.repeat(["a", "b", "c", "d"], 3)):
        assert Shares.of(at, shares.values, np.full(12, 100), other).df == 8


def test_days_neither_hide_a_trend_nor_make_one():
    """Three days of four doses whose log odds differ by 0.6 from day to day."""
    rng = np.random.default_rng(5)
    at, day = np.repeat([0, 2, 4, 8], 3), np.tile([0, 1, 2], 4)

    def found(per_gy):
        shift = 0.6 * rng.standard_normal((2000, 3))[:, day]
        share = 1 / (1 + np.exp(2 - per_gy * at - shift))
        plates = rng.binomial(100, share) / 100
        tests = ((Shares.of(at, y, np.full(12, 100), d).slope().p for d in (day, None)) for y in plates)
        return np.mean([[p < 0.05 for p in pair] for pair in tests], axis=0)

    blocked, unblocked = found(0.0)
    assert 0.04 < blocked < 0.065
    assert unblocked < 0.02
    blocked, unblocked = found(0.06)
    assert blocked > unblocked + 0.2


def test_wilson_by_hand():
    """The shares whose distance to 3 / 40 is 1.96 of their own standard errors."""
    one = proportion(3, 40)
    for edge in (one.low, one.high):
        assert abs(3 / 40 - edge) == pytest.approx(1.959964 * math.sqrt(edge * (1 - edge) / 40))
    assert one.low < 3 / 40 < one.high
    assert math.isnan(proportion(0, 0).value)


def test_adjustments_by_hand():
    p = [0.01, 0.04, 0.03, 0.9]
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.9])
    assert benjamini_hochberg(p) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.9])


def test_what_was_not_tested_is_not_counted():
    assert holm([0.01, math.nan, 0.04])[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(holm([0.01, math.nan])[1])


def test_no_bootstrap_below_twenty_wells():
    x = np.random.default_rng(2).random(BOOTSTRAP_FROM)
    few, enough = (bootstrap(values, rng=np.random.default_rng(3)) for values in (x[1:], x))
    assert math.isnan(few.low)
    assert enough.low < x.mean() < enough.high
