"""btrack links nuclei and proposes divisions; ours are the settings, the gaps and the order."""

import nuclei
import numpy as np
import pandas as pd
import pytest

from lineage import state, track
from lineage.resolve import resolve
from lineage.schema import Hypothesis

FIELD = {"shape_um": (200.0, 200.0), "minutes_per_frame": 10.0}


def linked(table, usable=None):
    usable = np.ones(int(table["frame"].max()) + 1, bool) if usable is None else usable
    return track.link(table, usable=usable, **FIELD)


def walkers():
    cells = {"a": nuclei.walk((50, 50), range(20)), "b": nuclei.walk((90, 120), range(20), (0, -1.5))}
    return nuclei.table(cells)


def test_two_walkers_are_two_tracklets():
    found = linked(walkers()).detections
    assert found["tracklet_id"].nunique() == 2
    assert found.groupby("tracklet_id")["frame"].count().tolist() == [20, 20]


def test_tracks_go_across_frames_that_cannot_be_used():
    usable = np.ones(20, bool)
    usable[8:13] = False
    table = walkers()
    seen = table[usable[table["frame"]]]
    assert linked(seen, usable).detections["tracklet_id"].nunique() == 2


def test_the_order_of_the_rows_changes_nothing():
    table = nuclei.division()
    table = state.estimate(table, usable=np.ones(12, bool))
    shuffled = table.sample(frac=1, random_state=1)
    assert not shuffled.index.equals(table.index)
    a, b = linked(table), linked(shuffled)
    pd.testing.assert_frame_equal(a.detections, b.detections)
    pd.testing.assert_frame_equal(a.hypotheses, b.hypotheses)


def test_a_division_is_proposed_and_chosen():
    table = state.estimate(nuclei.division(), usable=np.ones(12, bool))
    tracklets = linked(table)
    assert (tracklets.hypotheses["kind"] == Hypothesis.DIVISION).any()
    lineage = resolve(tracklets)
    mothers = [m for m in lineage.graph if lineage.graph.out_degree(m)]
    assert len(mothers) == 1
    assert lineage.graph.out_degree(mothers[0]) == 2


def test_a_separation_of_one_frame_counts():
    table = nuclei.division(at=5, until=6)
    again = nuclei.table(
        {"fused": dict.fromkeys(range(6, 12), (50.0, 50.0)), "n": dict.fromkeys(range(6, 12), (50.0, 90.0))},
        dna_mass={"fused": 2000.0, "n": 1500.0},
        area_um2={"fused": 200.0, "n": 220.0},
    )
    both = pd.concat([table, again], ignore_index=True)
    both["detection_id"] = range(len(both))
    both = state.estimate(both, usable=np.ones(12, bool))
    lineage = resolve(linked(both))
    assert [d for _, d in lineage.graph.out_degree() if d] == [2]


@pytest.mark.parametrize("frames", [[], [3]])
def test_too_few_frames_leave_nuclei_unlinked(frames):
    table = nuclei.table({"a": dict.fromkeys(frames or [0], (50.0, 50.0))})
    table = table if frames else table.iloc[:0]
    tracklets = track.link(table, usable=np.ones(5, bool), **FIELD)
    assert len(resolve(tracklets).graph) == len(frames)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("motion_model", "accuracy", 10.5),
        ("motion_model", "max_lost", 11),
        ("motion_model", "prob_not_assign", 1.0),
        ("hypothesis_model", "segmentation_miss_rate", 1.0),
    ],
)
def test_what_btrack_would_silently_ignore_is_an_error(section, name, value):
    settings = track._settings(12.0, 18.0, 3, 0.05, "EXACT")
    track.check(settings)
    settings[section][name] = value
    with pytest.raises(ValueError, match=name):
        track.check(settings)
