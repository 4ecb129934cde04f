"""What is counted as what: cells in mitosis, abnormal mitoses, kinds that the pixels do not show."""

import numpy as np
import pandas as pd
import pytest
from dose_plates import write_plate

from lineage.schema import MITOTIC_STATES, State
from pipelines.dose import movies
from pipelines.dose.collect import collect


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    return folder


def opened(folder, name):
    """One movie of a plate, as the statistics read it."""
    found, _ = movies.find(folder, movies.read_map(folder))
    return next(movies.read(root, row) for root, row in found if row["movie"] == name)


# Cells in mitosis


def test_a_simulated_run_holds_every_state(plate):
    wells = [opened(plate, f"A{w}_p1").detections["state"] for w in range(1, 7)]
    assert set(pd.concat(wells)) == set(State)


def test_every_mitotic_state_is_a_live_cell_in_mitosis(plate):
    movie = opened(plate, "A5_p1")
    of_frame = collect(movie).frames.set_index("frame")
    deaths = movie.events[movie.events["subtype"].str.startswith("death")].set_index("mother_id")
    ends = movie.detections["tracklet_id"].map(deaths["time_min"]).fillna(np.inf)
    seen = movie.detections[movie.detections["time_min"] < ends]
    assert set(MITOTIC_STATES) <= set(seen["state"])
    weight = {s.value: 1.0 for s in MITOTIC_STATES} | {State.ANAPHASE.value: 0.5}  # two halves of one cell
    in_mitosis = seen["state"].map(weight).fillna(0.0).groupby(seen["frame"]).sum()
    interphase = (seen["state"] == State.INTERPHASE).groupby(seen["frame"]).sum()
    mine = of_frame.loc[in_mitosis.index]
    assert np.allclose(mine["n_in_mitosis"], in_mitosis)
    assert np.allclose(mine["n_live"], in_mitosis + interphase)
