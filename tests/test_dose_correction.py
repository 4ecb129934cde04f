"""Classifier correction, recall of proposals, a person's verdicts: known answers."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.dose import compare, reviewed
from pipelines.dose.correction import ALL, Classifier, out_of_fold
from pipelines.dose.estimates import mean, proportion
from pipelines.dose.proposals import Group, Proposals, Recall, measured
from pipelines.dose.sample import draw

NOBODY = {"n_by_person": 0, "k_by_person": 0}
GOOD = Classifier(normal=(95, 5, 0), abnormal=(20, 80, 0), source="")


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
    rows = [{"measure": "fraction_abnormal", "value": 46 / n, "called": 46 / n}]
    rows += [{"measure": m, "value": k / n} for m, k in seen.items()]
    rows += [{"measure": "fraction_unspecified", "value": 0.0}]
    table = pd.DataFrame(rows).assign(movie="m", cell_line="L", stratum="all", n=n, **NOBODY)
    recall = proposals.recall(["tripolar"] * 36 + ["slippage"] * 10)
    perfect = Classifier((10, 0, 0), (0, 10, 0), "", recall)
    shares = compare.corrected(table, ["movie"], {"L": perfect}, proposals).set_index("measure")["corrected"]
    assert shares.to_dict() == pytest.approx(
        {
            "fraction_abnormal": 60 / 160,
            "fraction_tripolar": 40 / 160,
            "fraction_slippage": 20 / 160,
            "fraction_unspecified": 0.0,
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
    mitoses = pd.DataFrame(
        {
            "movie": ["m1"] * n_normal + ["m2"] * n_abnormal,
            "event_id": range(n_normal + n_abnormal),
            "dose_gy": [0.0] * n_normal + [8.0] * n_abnormal,
            "mitosis_class": "normal",
            "verdict": calls,
        }
    )
    sample = mitoses.assign(reviewed=["normal"] * n_normal + ["abnormal"] * n_abnormal)
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
        mitoses["verdict"] = mitoses["mitosis_class"] = np.where(called, "abnormal", "normal")
        shown = draw(mitoses.assign(cell_line="L"), each=12, seed=plate)
        verdicts = np.where(true[shown["event_id"]], "abnormal", "normal")
        one = reviewed.classifier(shown[["movie", "event_id"]].assign(reviewed=verdicts), mitoses, movies)
        errors = one._errors()
        held.append(
            (abs(one.sensitivity - 0.8) < 1.96 * errors[0], abs(one.specificity - 0.95) < 1.96 * errors[1])
        )
    assert (np.mean(held, axis=0) > 0.9).all()
    assert (np.mean(held, axis=0) < 0.99).all()


def test_too_few_verdicts_tell_nothing():
    assert reviewed.classifier(*judged(30, 5, ["normal"] * 35)) is None
