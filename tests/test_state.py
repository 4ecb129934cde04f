"""A first estimate of each nucleus's mitotic state."""

import nuclei
import numpy as np
import pandas as pd
import pytest

from lineage import state
from lineage.schema import State


def states(table, frame):
    rows = table[table["frame"] == frame].sort_values(["x_um", "y_um"])
    return list(rows["state"])


def test_a_division_is_seen_on_both_its_sides():
    table = state.estimate(nuclei.division(at=5), usable=np.ones(12, bool))
    assert states(table, 4) == [State.METAPHASE, State.INTERPHASE]
    assert states(table, 5) == [State.ANAPHASE, State.ANAPHASE, State.INTERPHASE]
    assert State.ANAPHASE not in states(table, 6)


def test_a_division_is_seen_across_frames_that_cannot_be_used():
    table = nuclei.division(at=5)
    usable = np.ones(12, bool)
    usable[[4, 5]] = False
    table = state.estimate(table[usable[table["frame"]]], usable=usable)
    assert states(table, 3)[0] == State.METAPHASE
    assert states(table, 6)[:2] == [State.ANAPHASE, State.ANAPHASE]


def test_two_neighbours_that_stood_there_before_are_no_daughters():
    cells = {"a": dict.fromkeys(range(4), (50.0, 45.0)), "b": dict.fromkeys(range(4), (50.0, 55.0))}
    table = state.estimate(nuclei.table(cells), usable=np.ones(4, bool))
    assert set(table["state"]) == {State.INTERPHASE}


def test_daughters_must_bring_about_the_mothers_dna():
    table = nuclei.division(at=5)
    assert (state.estimate(table, usable=np.ones(12, bool))["state"] == State.ANAPHASE).sum() == 2
    table.loc[table["frame"] >= 5, "dna_mass"] *= 5
    assert (state.estimate(table, usable=np.ones(12, bool))["state"] == State.ANAPHASE).sum() == 0


def test_a_nucleus_that_has_just_divided_does_not_divide_again():
    # The lower daughter seems to be two itself, two frames after it was born.
    table = nuclei.division(at=5)
    again = nuclei.table(
        {
            "left": dict.fromkeys(range(7, 12), (57.0, 44.0)),
            "right": dict.fromkeys(range(7, 12), (57.0, 56.0)),
        },
        dna_mass={"left": 500.0, "right": 500.0},
        area_um2={"left": 40.0, "right": 40.0},
    )
    lower = (table["frame"] >= 7) & (table["x_um"] == 50) & (table["y_um"] > 50)
    table = pd.concat([table[~lower], again], ignore_index=True).assign(detection_id=range(len(table) + 5))
    usable = np.ones(12, bool)
    assert State.ANAPHASE in states(state.estimate(table, usable=usable, refractory_min=0), 7)
    assert State.ANAPHASE not in states(state.estimate(table, usable=usable), 7)


def test_condensation_is_brightness_over_that_of_interphase_nuclei():
    table = nuclei.division(at=5)
    got = state.condensation(table)
    of_mother = got[(table["x_um"] == 50) & (table["frame"] < 5)]
    assert of_mother == pytest.approx(40 / 8)


def test_condensation_follows_bleaching():
    table = nuclei.table({"a": nuclei.walk((0, 0), range(200))})
    table["mean_intensity"] = 100 * 0.98 ** table["frame"]
    assert state.condensation(table) == pytest.approx(1.0, abs=0.35)


def test_no_nuclei_have_no_states():
    empty = nuclei.division().iloc[:0]
    assert state.estimate(empty, usable=np.ones(12, bool)).empty
