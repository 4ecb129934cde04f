"""GEE, survival, DNA content, relatives and drugs: known answers."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipelines.dose import dna
from pipelines.dose.clones import LinearQuadratic, linear_quadratic, reproductive_survival
from pipelines.dose.drug import enhancement, excess, slope_ratio
from pipelines.dose.estimates import Estimate, difference
from pipelines.dose.marginal import marginal
from pipelines.dose.measures import ends_over_time, first_mitosis, growth
from pipelines.dose.relatives import outcomes, relatives

# GEE


def mitoses(doses=(0, 4, 8), wells=3, n=40):
    """Abnormal or not, dose, well."""
    rng = np.random.default_rng(11)
    rows = [
        (rng.random() < 1 / (1 + math.exp(2.5 - 0.3 * d - shift)), d, f"{d} {w}")
        for d in doses
        for w, shift in enumerate(rng.normal(0, 0.6, wells))
        for _ in range(n + 7 * w)
    ]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def test_the_gee_is_statsmodels_bias_reduced():
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    y, dose, well = mitoses()
    one = marginal(y, dose, well)
    x = np.column_stack([np.ones(len(y)), dose])
    theirs = GEE(y.astype(float), x, well, family=Binomial(), cov_struct=Exchangeable()).fit(
        cov_type="bias_reduced"
    )
    assert math.log(one.odds_ratio_per_gy.value) == pytest.approx(theirs.params[1])
    from scipy.stats import t

    half = 0.5 * math.log(one.odds_ratio_per_gy.high / one.odds_ratio_per_gy.low)
    assert half / t.ppf(0.975, 9 - 2) == pytest.approx(theirs.bse[1])


def test_gee_says_why_it_is_silent():
    y, dose, well = mitoses()
    assert marginal(y[dose == 0], dose[dose == 0], well[dose == 0]).reason == "there is only one dose"
    first = np.char.endswith(well, " 0")
    assert "need a second" in marginal(y[first], dose[first], well[first]).reason
    assert "all mitoses, or none" in marginal(y & (dose > 0), dose, well).reason


@pytest.mark.parametrize("cases", [(14, 11, 11, 7, 5, 5), (10, 9, 17, 13, 6, 0)])
def test_wells_more_alike_than_chance_do_not_upset_the_gee(cases):
    """150 and 110 mitoses at 0 Gy, 60 and 40, 20 and 10: estimates lie between what the wells show."""
    dose, counted = np.repeat([0, 4, 8], 2), np.array([150, 110, 60, 40, 20, 10])
    y = np.concatenate([np.arange(n) < k for n, k in zip(counted, cases, strict=True)])
    one = marginal(y, np.repeat(dose, counted), np.repeat(np.arange(6), counted))
    share = (np.array(cases) / counted).reshape(3, 2)
    for i, d in ((1, 4), (2, 8)):
        least, most = share[i].min() - share[0].max(), share[i].max() - share[0].min()
        assert least < one.differences[d].value < most


# Survival


def clones(*h_to_2, gone=np.nan):
    table = pd.DataFrame({"h_to_2_divisions": h_to_2})
    return table.assign(entry_h=0.0, first_gone_h=gone)


def test_reproductive_survival_counts_founders():
    assert reproductive_survival(clones(20, 30, np.nan, 90), divisions=2, follow_up_h=72) == (0.5, 4)


def test_a_clone_that_left_is_censored_and_one_that_died_out_is_not():
    left = clones(20, 60, np.nan, np.nan)
    left.loc[2, "first_gone_h"] = 40.0
    # 1/4 at 20 h; then 2 at risk, of which one at 60 h
    assert reproductive_survival(left, divisions=2, follow_up_h=72)[0] == pytest.approx(1 / 4 + 3 / 4 / 2)


def test_the_linear_quadratic_curve_is_found_again():
    dose = np.repeat([0, 1, 2, 4, 6], 3)
    survived = 0.8 * np.exp(-0.2 * dose - 0.05 * dose**2) * np.tile([0.999, 1, 1.001], 5)
    fit = linear_quadratic(dose, survived, np.full(15, 1000))
    found = fit.alpha_per_gy.value, fit.beta_per_gy2.value, fit.plating
    assert found == pytest.approx((0.2, 0.05, 0.8), rel=1e-3)
    assert fit.alpha_per_gy.low < 0.2 < fit.alpha_per_gy.high
    # int exp(-a D - b D2) = sqrt(pi / 4b) exp(a2 / 4b) erfc(a / 2 sqrt b)
    by_hand = math.sqrt(math.pi / 0.2) * math.exp(0.2) * math.erfc(0.2 / (2 * math.sqrt(0.05)))
    assert fit.mean_inactivation_dose_gy == pytest.approx(by_hand, rel=1e-3)


def test_a_curve_that_hardly_falls_has_no_mean_inactivation_dose():
    """With alpha = 0.01 the area is 100 Gy, of which 45 lie below 60 Gy."""
    flat = LinearQuadratic(Estimate(0.01), Estimate(1e-6), 1.0, 1.0)
    assert math.isnan(flat.mean_inactivation_dose_gy)


def test_three_doses_are_no_curve():
    assert linear_quadratic([0, 0, 2, 2, 4, 4], [1, 1, 0.5, 0.5, 0.1, 0.1], [50] * 6) is None


# DNA


def light(n=300, slope=-0.004):
    """Two thirds in G1, one third in G2, bleaching, 5 % noise."""
    rng = np.random.default_rng(12)
    hours = rng.uniform(0, 72, n)
    mass = 700 * np.where(np.arange(n) % 3 == 0, 2, 1) * 2 ** (slope * hours) * np.exp(rng.normal(0, 0.05, n))
    return pd.DataFrame(
        {
            "dna_mass": mass,
            "movie_hours": hours,
            "hours_from": 12 * np.floor(hours / 12),
            "area_um2": 300.0,
            "experiment_date": "d",
            "plate": "p",
            "dose_gy": 0.0,
            "drug_uM": 0.0,
        }
    )


def test_controls_tell_bleaching_and_2n():
    table = light()
    one = dna.calibrate(table)
    assert one.log2_per_hour == pytest.approx(-0.004, abs=0.002)
    assert one.two_n == pytest.approx(700, rel=0.06)
    found = dna.contents(table, dna.calibrations(table))
    assert found["ploidy"].value_counts().to_dict() == {"2N": 200, "4N": 100}


def test_a_nucleus_without_light_has_no_content():
    table = light()
    table.loc[[0, 1], "dna_mass"] = [0.0, -3.0]
    found = dna.contents(table, dna.calibrations(light()))
    assert len(found) == 298
    assert dna.histogram(found, ["plate"])["n_cells"].sum() == 298


def test_without_controls_nothing_is_calibrated():
    treated = light().assign(dose_gy=4.0)
    assert dna.calibrations(treated) == {}
    assert dna.contents(treated, {}).empty


# Relatives


def family(**daughters):
    """1 --+-- 2, 3: an abnormal mitosis; 4 --+-- 5, 6: a normal one. What each daughter came to, and when."""
    ends = {2: ("death", 10.0), 3: ("division", 20.0), 5: ("division", 20.0), 6: ("division", 22.0)}
    rows = [
        {
            "movie": "m",
            "tracklet_id": i,
            "parent_ids": "",
            "born_in_view": False,
            "entry_h": 0.0,
            "age_at_exit_h": np.nan,
            "end": "division",
            "counted_class": c,
            "to_h": 100.0,
        }
        for i, c in ((1, "abnormal"), (4, "normal"))
    ] + [
        {
            "movie": "m",
            "tracklet_id": i,
            "parent_ids": "1" if i < 4 else "4",
            "born_in_view": True,
            "entry_h": 5.0,
            "age_at_exit_h": age,
            "end": end,
            "counted_class": "normal",
            "to_h": 100.0,
        }
        for i, (end, age) in ends.items()
    ]
    return pd.DataFrame(rows)


def test_an_abnormal_mitosis_predicts_a_death():
    two = pd.concat([family().assign(movie=m) for m in "mn"], ignore_index=True)
    found = {(m, s): (v, n) for m, s, v, n in relatives(two, window_h=36)}
    assert found["risk_difference_next_generation", "death"] == (0.5, 4)
    assert found["risk_difference_next_generation", "fusion"] == (0.0, 4)
    assert found["risk_difference_next_generation", "abnormal_exit"] == (0.0, 4)


def test_a_difference_of_risks_needs_some_cells_of_each_kind():
    found = {(m, s): (v, n) for m, s, v, n in relatives(family(), window_h=36)}
    assert found["risk_difference_next_generation", "death"] == (pytest.approx(np.nan, nan_ok=True), 2)


def test_undivided_through_the_window_is_arrested_and_too_late_is_unknown():
    table = family()
    assert outcomes(table, window_h=15)[[2, 3, 4, 5]].tolist() == ["death", *["arrest"] * 3]
    assert outcomes(table.assign(to_h=19.0), window_h=15).isna().all()


# Rates over time


def test_deaths_by_twelve_hours_are_for_each_hour_watched():
    hours = np.round(np.arange(0, 26.01, 0.5), 6)  # the last two hours are too few for a rate
    frames = pd.DataFrame({"movie": "m", "hours": hours[hours != 6.0], "cell_hours": 5.0})
    cells = pd.DataFrame(
        [("death", 0.1 + 0.2 + 2.7), ("death", 6.0), ("death", 12.0), ("death", 12.5), ("division", 3.0)],
        columns=["end", "exit_h"],
    ).assign(movie="m")
    fusions = pd.DataFrame(
        {"movie": ["m", "m"], "hours": [14.0, 15.0], "subtype": ["sister_fusion", "fusion"]}
    )
    part = SimpleNamespace(frames=frames, cells=cells, fusions=fusions)
    found = {(r.measure.split("_per")[0], r.stratum): (r.value, r.n) for r in ends_over_time(part, None)}
    first, second = 5 * 24, 5 * 24  # frames at 0 to 12 without 6, and after 12 to 24
    assert found == {
        ("deaths", "0-12 h"): (1000 * 2 / first, 2),  # that of the unusable frame is not among them
        ("deaths", "12-24 h"): (1000 * 1 / second, 1),
        ("sister_fusions", "0-12 h"): (0.0, 0),
        ("sister_fusions", "12-24 h"): (1000 * 1 / second, 1),
    }


def test_an_hour_that_one_position_misses_is_no_growth():
    """The second position is filmed two hours later."""
    hours = np.arange(0, 10, 0.5)
    one, two = (
        pd.DataFrame({"movie": m, "hours": h, "frame": range(len(h)), "n_live": 10.0})
        for m, h in (("a", hours), ("b", hours[4:]))
    )
    found = {r.measure: r.value for r in growth(SimpleNamespace(frames=pd.concat([one, two])), None)}
    assert found["growth"] == 1


def test_a_first_mitosis_after_the_follow_up_is_not_counted():
    cells = pd.DataFrame(
        {
            "movie": "m",
            "tracklet_id": [1, 2, 3],
            "generation": 0,
            "entry_h": 0.0,
            "exit_h": [10.0, 20.0, 50.0],
            "end": "division",
        }
    )
    mitoses = pd.DataFrame({"movie": "m", "mother_id": [1, 2, 3], "generation": 0, "hours": cells["exit_h"]})
    assert first_mitosis(SimpleNamespace(cells=cells, mitoses=mitoses), 30) == (10, 2)


# Drugs


def test_the_excess_over_additive_by_hand():
    one, other = difference([0.5, 0.7, 0.6], [0.1, 0.3, 0.2]), difference([0.2, 0.4, 0.3], [0.0, 0.2, 0.1])
    found = excess(one, other)
    assert found.value == pytest.approx(0.6 - 0.2 - 0.3 + 0.1)
    assert found.df == pytest.approx(8)  # all four alike: as many as there are wells less means
    assert found.high - found.value == pytest.approx(2.306 * math.sqrt(4 * 0.1**2 / 3), rel=1e-3)


def test_fieller_has_no_interval_where_the_slope_may_be_nothing():
    steep = Estimate(0.10, 0.08, 0.12, df=8)
    found = slope_ratio(steep, Estimate(0.05, 0.04, 0.06, df=8))
    assert found.low < found.value == 2 < found.high
    assert math.isnan(slope_ratio(steep, Estimate(0.05, -0.01, 0.11, df=8)).low)


def test_a_drug_is_compared_with_its_line_without_it():
    rows = [
        {
            "cell_line": "L",
            "treatment": t,
            "drug_uM": d,
            "dose_gy": g,
            "measure": "fraction_abnormal",
            "stratum": "all",
            "value": 0.05 + g * (0.02 + 0.02 * d) + noise,
            "n": 200,
            "k": 10,
            "experiment_date": "d",
        }
        for t, d in (("none", 0.0), ("olaparib", 1.0))
        for g in (0, 4)
        for noise in (-0.001, 0.0, 0.001)
    ]
    found = enhancement(pd.DataFrame(rows), {}).set_index("quantity")
    assert found["ratio_or_excess"].to_dict() == pytest.approx(
        {"slope ratio": 2.0, "excess over additive": 0.08}
    )
    assert found.at["slope ratio", "low"] < 2 < found.at["slope ratio", "high"]


def test_one_well_a_dose_leaves_the_slope_ratio_without_interval():
    rows = [
        {
            "cell_line": "L",
            "treatment": t,
            "drug_uM": d,
            "dose_gy": g,
            "measure": "fraction_abnormal",
            "stratum": "all",
            "value": 0.05 + g * (0.02 + 0.02 * d) + 0.001 * (g % 3),
            "n": 200,
            "k": 10,
            "experiment_date": "d",
        }
        for t, d in (("none", 0.0), ("olaparib", 1.0))
        for g in (0, 1, 2, 4, 8)
    ]
    found = enhancement(pd.DataFrame(rows), {}).set_index("quantity").loc["slope ratio"]
    assert found["ratio_or_excess"] == pytest.approx(2, rel=0.05)
    assert math.isnan(found["low"])
    assert found["note"].startswith("a slope has no interval")


def test_two_wells_against_two_are_few():
    assert difference([0.2, 0.4], [0.0, 0.1]).df < 2
