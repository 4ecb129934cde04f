"""A first estimate of each nucleus's mitotic state, from the nucleus alone."""

import nuclei
import numpy as np
import pytest

from lineage.schema import STATE_COLUMNS, State
from lineage.tracking import likelihoods, state


def of(table, name, frames):
    rows = table[(table["name"] == name) & table["frame"].isin(frames)]
    assert len(rows) == len(frames)
    return rows


def test_condensed_chromatin_is_mitotic_and_that_of_interphase_is_not():
    table = state.estimate(nuclei.mitosis(at=8))
    assert set(of(table, "mother", range(5))["state"]) == {State.INTERPHASE}
    assert of(table, "mother", range(5))["p_mitotic"].max() < 0.05
    assert set(of(table, "mother", (5, 6, 7))["state"]) == {State.METAPHASE}
    assert of(table, "mother", (5, 6, 7))["p_mitotic"].min() > 0.8
    assert of(table, "daughter 0", (8, 9, 10))["p_mitotic"].min() > 0.8
    assert of(table, "daughter 0", (12, 13))["p_mitotic"].max() < 0.05
    assert table.loc[table["name"].str.startswith("bystander"), "p_mitotic"].max() < 0.05


def test_the_estimate_is_of_the_nucleus_alone():
    # What a nucleus becomes changes nothing: without its daughters the mother is the same.
    table = nuclei.mitosis(at=8)
    whole = state.estimate(table)
    part = state.estimate(table[table["frame"] < 8])
    columns = ["p_mitotic", "p_dead", "condensation"]
    a, b = (of(t, "mother", range(8))[columns].to_numpy() for t in (whole, part))
    np.testing.assert_allclose(a, b, rtol=0.02)


def test_probabilities_are_probabilities():
    table = state.estimate(nuclei.mitosis())
    assert set(STATE_COLUMNS) <= set(table.columns)
    total = table["p_mitotic"] + table["p_dead"]
    assert table[["p_mitotic", "p_dead"]].min().min() >= 0
    assert total.max() <= 1 + 1e-9
    assert set(table["state"]) <= {s.value for s in State}


def test_the_order_of_the_rows_changes_nothing_and_the_input_is_left_alone():
    table = nuclei.mitosis()
    before = table.copy()
    shuffled = table.sample(frac=1, random_state=1)
    assert state.estimate(table).equals(state.estimate(shuffled))
    assert table.equals(before)


def test_condensation_is_brightness_over_that_of_interphase_nuclei():
    table = nuclei.division(at=5)
    got = state.condensation(table)
    of_mother = got[(table["x_um"] == 50) & (table["frame"] < 5)]
    assert of_mother == pytest.approx(40 / 8)


def test_condensation_follows_bleaching():
    table = nuclei.table({"a": nuclei.walk((0, 0), range(200))})
    table["mean_intensity"] = 100 * 0.98 ** table["frame"]
    assert state.condensation(table) == pytest.approx(1.0, abs=0.35)


def test_masks_alone_have_likelihoods_of_their_own():
    table = nuclei.mitosis()
    assert likelihoods.kind_of(table) == likelihoods.INTENSITIES
    flat = table.assign(mean_intensity=1.0)
    assert likelihoods.kind_of(flat) == likelihoods.MASKS
    # What is small is dense.
    dense = state.condensation(flat)
    assert dense[flat["area_um2"] == 75.0].min() > 1.5 > dense[flat["area_um2"] == 150.0].max()


def test_rounding_is_used_where_a_movie_has_it():
    table = nuclei.mitosis()
    assert not state.has_phase(table)
    round_ = table.assign(rounding=np.where(table["name"] == "mother", 3.0, 1.0))
    assert state.has_phase(round_)
    assert not np.array_equal(state.estimate(round_)["p_mitotic"], state.estimate(table)["p_mitotic"])


def test_no_nuclei_have_no_states():
    empty = state.estimate(nuclei.mitosis().iloc[:0])
    assert empty.empty
    assert set(STATE_COLUMNS) <= set(empty.columns)
