"""Classifier correction, GEE, survival, DNA content, kin and drugs: known answers."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipelines.dose import compare, dna, reviewed
from pipelines.dose.clones import LinearQuadratic, linear_quadratic, reproductive_survival
from pipelines.dose.correction import ALL, Classifier, out_of_fold
from pipelines.dose.drug import enhancement, excess, slope_ratio
from pipelines.dose.estimates import Estimate, difference, mean, proportion
from pipelines.dose.kinship import kin, outcomes
from pipelines.dose.marginal import marginal
from pipelines.dose.measures import ends_over_time, first_mitosis, growth
from pipelines.dose.proposals import Group, Proposals, Recall, measured
from pipelines.dose.sample import draw

GOOD = Classifier(normal=(95, 5, 0), abnormal=(20, 80, 0), source="")


# The classifier


def test_the_correction_undoes_the_errors():
    true = 0.3
    raw = true * GOOD.sensitivity + (1 - true) * (1 - GOOD.specificity)
    assert raw == pytest.approx(0.275)
    assert GOOD.correct(raw) == pytest.approx(true)


def test_it_undoes_that_abnormal_mitoses_are_missed_more_often():
    seen_half = replace(GOOD, normal=(100, 0, 0), abnormal=(0, 50, 50), recall=Recall(1.0, 0.8))
    kept = 0.3 * 0.5 * 0.8
    assert seen_half.correct(kept / (kept + 0.7)) == pytest.approx(0.3)


def test_recall_is_that_of_the_kinds_that_a_plate_shows():
    proposals = Proposals({Group.NORMAL: (200, 190), Group.SEPARATES: (50, 45), Group.NEVER: (20, 10)})
    assert proposals.recall(["tripolar"] * 9).abnormal == pytest.approx(0.9)
    # 9 seen stand for 10, 5 seen for 10.
    mixed = proposals.recall(["tripolar"] * 9 + ["slippage"] * 5)
    assert (mixed.normal, mixed.abnormal) == pytest.approx((0.95, 14 / 20))
    assert mixed.error > proposals.recall(["tripolar"]).error > 0
    assert set(measured().counts) == set(Group)


def test_the_errors_of_recall_widen_the_interval():
    raw = mean([0.2, 0.3, 0.4])
    known, guessed = (replace(GOOD, recall=Recall(0.95, 0.8, error)) for error in (0.0, 0.2))
    assert known.widen(raw).value == guessed.widen(raw).value > GOOD.widen(raw).value
    assert guessed.widen(raw).high > known.widen(raw).high


def test_an_interval_that_lies_to_one_side_stays_there():
    """No case in 90 mitoses: the raw interval begins at 0, and so the corrected one has most of it above."""
    exact = replace(GOOD, normal=(95_000, 5_000, 0), abnormal=(20_000, 80_000, 0))
    none = exact.widen(proportion(0, 90))
    assert none.value == pytest.approx(-0.05 / 0.75, rel=1e-3)
    assert none.high == pytest.approx(none.value + proportion(0, 90).high / 0.75, rel=1e-2)
    assert none.value - none.low < 0.1 * (none.high - none.value)


def test_kinds_add_up_to_the_corrected_fraction():
    """100 normal mitoses, 95 % proposed; 40 tripolar, 90 %; 20 slippages, half; all called rightly."""
    proposals = Proposals({Group.NORMAL: (200, 190), Group.SEPARATES: (50, 45), Group.NEVER: (20, 10)})
    seen = {"fraction_tripolar": 36, "fraction_slippage": 10}
    n = 95 + 46
    rows = [{"measure": "fraction_abnormal", "value": 46 / n}]
    rows += [{"measure": m, "value": k / n} for m, k in seen.items()]
    rows += [{"measure": "fraction_of_no_told_kind", "value": 0.0}]
    table = pd.DataFrame(rows).assign(movie="m", cell_line="L", stratum="all")
    recall = proposals.recall(["tripolar"] * 36 + ["slippage"] * 10)
    perfect = Classifier((10, 0, 0), (0, 10, 0), "", recall)
    told = compare.corrected(table, ["movie"], {"L": perfect}, proposals).set_index("measure")["corrected"]
    assert told.to_dict() == pytest.approx(
        {
            "fraction_abnormal": 60 / 160,
            "fraction_tripolar": 40 / 160,
            "fraction_slippage": 20 / 160,
            "fraction_of_no_told_kind": 0.0,
        }
    )


def test_a_poor_classifier_corrects_nothing():
    poor = replace(GOOD, abnormal=(60, 40, 0))
    assert poor.youden < 1.5
    assert math.isnan(poor.correct(0.3))
    assert math.isnan(poor.widen(mean([0.2, 0.3, 0.4])).value)


def test_the_clips_uncertainty_widens_the_interval():
    raw = mean([0.2, 0.3, 0.4])
    scaled = (raw.high - raw.low) / (GOOD.youden - 1)
    few, many = (replace(GOOD, normal=(95 * k, 5 * k, 0), abnormal=(20 * k, 80 * k, 0)) for k in (1, 10_000))
    wide, exact = few.widen(raw), many.widen(raw)
    assert exact.high - exact.low == pytest.approx(scaled, rel=1e-3)
    assert wide.high - wide.low > exact.high - exact.low


def test_an_unknown_line_is_corrected_by_all():
    assert out_of_fold("HeLa").source.startswith(ALL)
    assert out_of_fold("PC3").normal[0] + out_of_fold("U251").normal[0] == out_of_fold("HeLa").normal[0]


def judged(n_normal, n_abnormal, calls):
    """(movie 1: 0 Gy, all mitoses normal; movie 2: 8 Gy, all abnormal), every event judged."""
    mitoses = pd.DataFrame({
        "movie": ["m1"] * n_normal + ["m2"] * n_abnormal, "event_id": range(n_normal + n_abnormal),
        "dose_gy": [0.0] * n_normal + [8.0] * n_abnormal, "mitosis_class": calls,
    })  # fmt: skip
    sample = mitoses.assign(mitosis_class=["normal"] * n_normal + ["abnormal"] * n_abnormal)
    movies = pd.DataFrame({"movie": ["m1", "m2"], "dose_gy": [0.0, 8.0], "n_rejected": [0, 0]})
    return sample.drop(columns="dose_gy"), mitoses, movies


def test_a_persons_verdicts_tell_the_errors_of_this_plate():
    calls = ["normal"] * 27 + ["abnormal"] * 3 + ["abnormal"] * 16 + ["normal"] * 4
    sample, mitoses, movies = judged(30, 20, calls)
    one = reviewed.classifier(sample, mitoses, movies)
    assert (one.specificity, one.sensitivity) == pytest.approx((0.9, 0.8))
    # Half of those called normal at 0 Gy were not shown; of the others none was wrong, but one might be.
    fewer = reviewed.classifier(sample[~sample["event_id"].isin(range(0, 26, 2))], mitoses, movies)
    assert (fewer.specificity, fewer.sensitivity) == pytest.approx((0.9, 0.8), abs=0.02)
    assert sum(fewer.normal) < sum(one.normal) == pytest.approx(30)


def test_what_a_sample_tells_holds_the_truth_19_times_in_20():
    """Few abnormal at low dose; 0.8 of them and 0.95 of the normal called rightly; as `draw` draws."""
    rng = np.random.default_rng(2)
    dose, abnormal = np.repeat([0.0, 2.0, 4.0, 8.0], [300, 200, 150, 60]), [0.03, 0.08, 0.2, 0.5]
    risk = np.repeat(abnormal, [300, 200, 150, 60])
    movies = pd.DataFrame({"movie": ["0", "2", "4", "8"], "dose_gy": np.unique(dose), "n_rejected": 0})
    held = []
    for plate in range(150):
        true = rng.random(len(dose)) < risk
        called = np.where(true, rng.random(len(dose)) < 0.8, rng.random(len(dose)) < 0.05)
        mitoses = pd.DataFrame(
            {"movie": [f"{d:g}" for d in dose], "event_id": range(len(dose)), "dose_gy": dose}
        )
        mitoses["mitosis_class"] = np.where(called, "abnormal", "normal")
        shown = draw(mitoses.assign(cell_line="L"), each=12, seed=plate)
        verdicts = np.where(true[shown["event_id"]], "abnormal", "normal")
        one = reviewed.classifier(
            shown[["movie", "event_id"]].assign(mitosis_class=verdicts), mitoses, movies
        )
        errors = one._errors()
        held.append(
            (abs(one.sensitivity - 0.8) < 1.96 * errors[0], abs(one.specificity - 0.95) < 1.96 * errors[1])
        )
    assert (np.mean(held, axis=0) > 0.9).all()
    assert (np.mean(held, axis=0) < 0.99).all()


def test_too_few_verdicts_tell_nothing():
    assert reviewed.classifier(*judged(30, 5, ["normal"] * 35)) is None


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
    assert marginal(y[dose == 0], dose[dose == 0], well[dose == 0]).reason == "one dose"
    first = np.char.endswith(well, " 0")
    assert "without a second" in marginal(y[first], dose[first], well[first]).reason
    assert "all mitoses, or none" in marginal(y & (dose > 0), dose, well).reason


@pytest.mark.parametrize("cases", [(14, 11, 11, 7, 5, 5), (10, 9, 17, 13, 6, 0)])
def test_wells_more_alike_than_chance_do_not_upset_the_gee(cases):
    """150 and 110 mitoses at 0 Gy, 60 and 40, 20 and 10: what is told lies between what the wells show."""
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
    return pd.DataFrame({
        "dna_mass": mass, "movie_hours": hours, "hours_from": 12 * np.floor(hours / 12), "area_um2": 300.0,
        "experiment_date": "d", "plate": "p", "dose_gy": 0.0, "drug_uM": 0.0,
    })  # fmt: skip


def test_controls_tell_bleaching_and_2n():
    table = light()
    one = dna.calibrate(table)
    assert one.log2_per_hour == pytest.approx(-0.004, abs=0.002)
    assert one.two_n == pytest.approx(700, rel=0.06)
    told = dna.contents(table, dna.calibrations(table))
    assert told["ploidy"].value_counts().to_dict() == {"2N": 200, "4N": 100}


def test_a_nucleus_without_light_has_no_content():
    table = light()
    table.loc[[0, 1], "dna_mass"] = [0.0, -3.0]
    told = dna.contents(table, dna.calibrations(light()))
    assert len(told) == 298
    assert dna.histogram(told, ["plate"])["n_cells"].sum() == 298


def test_without_controls_nothing_is_calibrated():
    treated = light().assign(dose_gy=4.0)
    assert dna.calibrations(treated) == {}
    assert dna.contents(treated, {}).empty


# Kin


def family(**daughters):
    """1 --+-- 2, 3: an abnormal mitosis; 4 --+-- 5, 6: a normal one. What each daughter came to, and when."""
    ends = {2: ("death", 10.0), 3: ("division", 20.0), 5: ("division", 20.0), 6: ("division", 22.0)}
    rows = [
        {"movie": "m", "tracklet_id": i, "parent_ids": "", "born_in_view": False, "entry_h": 0.0,
         "age_at_exit_h": np.nan, "end": "division", "mitosis_class": c, "to_h": 100.0}
        for i, c in ((1, "abnormal"), (4, "normal"))
    ] + [
        {"movie": "m", "tracklet_id": i, "parent_ids": "1" if i < 4 else "4", "born_in_view": True,
         "entry_h": 5.0, "age_at_exit_h": age, "end": end, "mitosis_class": "normal", "to_h": 100.0}
        for i, (end, age) in ends.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_an_abnormal_mitosis_foretells_a_death():
    two = pd.concat([family().assign(movie=m) for m in "mn"], ignore_index=True)
    told = {(m, s): (v, n) for m, s, v, n in kin(two, window_h=36)}
    assert told["foretold_next_generation", "death"] == (0.5, 4)
    assert told["foretold_next_generation", "fusion"] == (0.0, 4)
    assert told["foretold_next_generation", "abnormal_exit"] == (0.0, 4)


def test_a_difference_of_risks_needs_some_cells_of_each_kind():
    told = {(m, s): (v, n) for m, s, v, n in kin(family(), window_h=36)}
    assert told["foretold_next_generation", "death"] == (pytest.approx(np.nan, nan_ok=True), 2)


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
    told = {(r.measure.split("_per")[0], r.stratum): (r.value, r.n) for r in ends_over_time(part, None)}
    first, second = 5 * 24, 5 * 24  # frames at 0 to 12 without 6, and after 12 to 24
    assert told == {
        ("deaths", "0-12 h"): (1000 * 2 / first, 2),  # that of the unusable frame is not among them
        ("deaths", "12-24 h"): (1000 * 1 / second, 1),
        ("sister_fusions", "0-12 h"): (0.0, 0),
        ("sister_fusions", "12-24 h"): (1000 * 1 / second, 1),
    }


def test_an_hour_that_one_position_misses_is_no_growth():
    """The second position is filmed two hours later."""
    hours = np.arange(0, 10, 0.5)
    one, two = (pd.DataFrame({"movie": m, "hours": h, "frame": range(len(h)), "n_live": 10.0})
                for m, h in (("a", hours), ("b", hours[4:])))  # fmt: skip
    told = {r.measure: r.value for r in growth(SimpleNamespace(frames=pd.concat([one, two])), None)}
    assert told["growth"] == 1


def test_a_first_mitosis_after_the_follow_up_is_not_counted():
    cells = pd.DataFrame({"movie": "m", "tracklet_id": [1, 2, 3], "generation": 0, "entry_h": 0.0,
                          "exit_h": [10.0, 20.0, 50.0], "end": "division"})  # fmt: skip
    mitoses = pd.DataFrame({"movie": "m", "mother_id": [1, 2, 3], "generation": 0, "hours": cells["exit_h"]})
    assert first_mitosis(SimpleNamespace(cells=cells, mitoses=mitoses), 30) == (10, 2)


# Drugs


def test_the_excess_over_additive_by_hand():
    one, other = difference([0.5, 0.7, 0.6], [0.1, 0.3, 0.2]), difference([0.2, 0.4, 0.3], [0.0, 0.2, 0.1])
    told = excess(one, other)
    assert told.value == pytest.approx(0.6 - 0.2 - 0.3 + 0.1)
    assert told.df == pytest.approx(8)  # all four alike: as many as there are wells less means
    assert told.high - told.value == pytest.approx(2.306 * math.sqrt(4 * 0.1**2 / 3), rel=1e-3)


def test_fieller_has_no_interval_where_the_slope_may_be_nothing():
    steep = Estimate(0.10, 0.08, 0.12, df=8)
    told = slope_ratio(steep, Estimate(0.05, 0.04, 0.06, df=8))
    assert told.low < told.value == 2 < told.high
    assert math.isnan(slope_ratio(steep, Estimate(0.05, -0.01, 0.11, df=8)).low)


def test_a_drug_is_compared_with_its_line_without_it():
    rows = [
        {"cell_line": "L", "treatment": t, "drug_uM": d, "dose_gy": g, "measure": "fraction_abnormal",
         "stratum": "all", "value": 0.05 + g * (0.02 + 0.02 * d) + noise,
         "n": 200, "k": 10, "experiment_date": "d"}
        for t, d in (("none", 0.0), ("olaparib", 1.0)) for g in (0, 4) for noise in (-0.001, 0.0, 0.001)
    ]  # fmt: skip
    told = enhancement(pd.DataFrame(rows), {}).set_index("quantity")
    assert told["ratio_or_excess"].to_dict() == pytest.approx(
        {"slope ratio": 2.0, "excess over additive": 0.08}
    )
    assert told.at["slope ratio", "low"] < 2 < told.at["slope ratio", "high"]


def test_one_well_a_dose_leaves_the_slope_ratio_without_interval():
    rows = [
        {"cell_line": "L", "treatment": t, "drug_uM": d, "dose_gy": g, "measure": "fraction_abnormal",
         "stratum": "all", "value": 0.05 + g * (0.02 + 0.02 * d) + 0.001 * (g % 3),
         "n": 200, "k": 10, "experiment_date": "d"}
        for t, d in (("none", 0.0), ("olaparib", 1.0)) for g in (0, 1, 2, 4, 8)
    ]  # fmt: skip
    told = enhancement(pd.DataFrame(rows), {}).set_index("quantity").loc["slope ratio"]
    assert told["ratio_or_excess"] == pytest.approx(2, rel=0.05)
    assert math.isnan(told["low"])
    assert told["note"].startswith("a slope has no interval")


def test_two_wells_against_two_are_few():
    assert difference([0.2, 0.4], [0.0, 0.1]).df < 2
