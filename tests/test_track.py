"""btrack links nuclei and proposes divisions; ours are the settings, the gaps and the order."""

import nuclei
import numpy as np
import pandas as pd
import pytest
from synthetic.detections import detect, imperfect

from lineage.mitosis.events import HALF, propose
from lineage.schema import DETECTION_COLUMNS, NUCLEUS_COLUMNS, STATE_COLUMNS, Geometry
from lineage.simulate.settings import Settings
from lineage.tracking import link, state, tracklet_arrays
from lineage.tracking.hypotheses import build_hypotheses
from lineage.tracking.resolve import resolve
from lineage.tracking.track import track

DIAMETER = 2 * np.sqrt(150 / np.pi)  # of a nucleus as `nuclei.table` draws it
FIELD = {"shape_um": nuclei.SHAPE_UM, "minutes_per_frame": 10.0}


def linked(table, usable=None, **settings):
    usable = np.ones(int(table["frame"].max()) + 1, bool) if usable is None else usable
    return link.link(table, usable=usable, **FIELD | settings)


def tracked(drawn, usable=None, *, pixel_size_um=1.0, **settings):
    """The lineage of drawn nuclei, which keep their names."""
    usable = np.ones(int(drawn["frame"].max()) + 1, bool) if usable is None else usable
    seen = drawn[usable[drawn["frame"]]].reset_index(drop=True)
    tracklets = linked(state.estimate(seen), usable, **settings)
    time = link.usable_time(tracklets.detections, usable, 10.0)
    shape_um = settings.get("shape_um", nuclei.SHAPE_UM)
    lineage = resolve(*build_hypotheses(tracklets, time, shape_um=shape_um, pixel_size_um=pixel_size_um))
    names = lineage.detections["detection_id"].map(seen.set_index("detection_id")["name"])
    return lineage, lineage.detections.assign(name=names)


def edges(drawn, usable=None, **settings):
    lineage, seen = tracked(drawn, usable, **settings)
    seen = seen[seen["tracklet_id"] > 0].sort_values("frame")
    names = seen.groupby("tracklet_id")["name"].agg(lambda s: " ".join(dict.fromkeys(s)))
    return sorted((names[a], names[b]) for a, b in lineage.graph.edges)


def walkers():
    cells = {"a": nuclei.walk((50, 50), range(20)), "b": nuclei.walk((90, 120), range(20), (0, -1.5))}
    return nuclei.table(cells)


# --- Linking


def test_two_walkers_are_two_tracklets():
    found = linked(walkers()).detections
    assert found["tracklet_id"].nunique() == 2
    assert found.groupby("tracklet_id")["frame"].count().tolist() == [20, 20]
    assert list(found.columns) == list(DETECTION_COLUMNS)


def test_tracks_go_across_frames_that_cannot_be_used():
    usable = np.ones(20, bool)
    usable[8:13] = False
    table = walkers()
    seen = table[usable[table["frame"]]]
    assert linked(seen, usable).detections["tracklet_id"].nunique() == 2


def test_every_nucleus_is_in_a_tracklet():
    # A flash in one frame, far from everything, is one of its own.
    cells = {"a": nuclei.walk((50, 50), range(20)), "flash": {7: (200.0, 200.0)}}
    found = linked(nuclei.table(cells)).detections
    assert (found["tracklet_id"] >= 0).all()
    assert found["tracklet_id"].value_counts().tolist() == [20, 1]


def test_the_order_of_the_rows_changes_nothing():
    table = state.estimate(nuclei.mitosis())
    shuffled = table.sample(frac=1, random_state=1)
    assert not shuffled.index.equals(table.index)
    a, b = linked(table), linked(shuffled)
    pd.testing.assert_frame_equal(a.detections, b.detections)
    pd.testing.assert_frame_equal(a.hypotheses, b.hypotheses)
    assert a.step_um == b.step_um


@pytest.mark.parametrize("factor", [0.3, 2.5])
def test_small_cells_have_the_lineage_of_large_ones(factor):
    drawn = nuclei.mitosis()
    other = drawn.assign(
        y_um=factor * drawn["y_um"], x_um=factor * drawn["x_um"], area_um2=factor**2 * drawn["area_um2"]
    )
    shape_um = tuple(factor * side for side in nuclei.SHAPE_UM)
    usual, _ = tracked(drawn)
    found, _ = tracked(other, pixel_size_um=factor, shape_um=shape_um)
    assert usual.graph.number_of_edges() >= 2
    assert set(found.graph.edges) == set(usual.graph.edges)
    assert found.detections["tracklet_id"].tolist() == usual.detections["tracklet_id"].tolist()


@pytest.mark.parametrize(("um", "wanted"), [(0.5, 0.4 * DIAMETER), (6.0, 9.0), (10.5, 0.8 * DIAMETER)])
def test_how_far_nuclei_go_is_read_off_the_movie_within_bounds(um, wanted):
    # Bounds are 0.4 diameters of a nucleus, and what 0.08 a minute allow in ten minutes.
    cells = {str(k): nuclei.walk((40.0 + 60 * k, 20), range(12), (0, um)) for k in range(3)}
    assert linked(nuclei.table(cells)).step_um == pytest.approx(wanted)


@pytest.mark.parametrize(("crowd", "method"), [(3, "EXACT"), (4, "APPROXIMATE")])
def test_how_btrack_looks_follows_the_crowd_and_is_told(monkeypatch, crowd, method):
    monkeypatch.setattr(link, "EXACT_UP_TO", 3)
    cells = {str(k): nuclei.walk((40.0 + 60 * k, 20), range(6)) for k in range(crowd)}
    (note,) = linked(nuclei.table(cells)).notes
    assert f"{method} for up to {crowd} nuclei" in note


@pytest.mark.parametrize("frames", [[], [3]])
def test_too_few_frames_leave_nuclei_unlinked(frames):
    table = nuclei.table({"a": dict.fromkeys(frames or [0], (50.0, 50.0))})
    table = table if frames else table.iloc[:0]
    tracklets = link.link(table, usable=np.ones(5, bool), **FIELD)
    assert len(tracklets.detections) == len(frames)
    assert "fewer than two frames" in tracklets.notes[0]


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
    settings = link._settings(12.0, 18.0, 3, 0.05, "EXACT")
    link.check(settings)
    settings[section][name] = value
    with pytest.raises(ValueError, match=name):
        link.check(settings)


# --- From nuclei to lineages


DIVISION = [("mother", "daughter 0"), ("mother", "daughter 1")]


def test_a_division_is_found():
    assert edges(nuclei.mitosis()) == DIVISION


@pytest.mark.parametrize("bad", [[7], [8], [7, 8], [6, 7, 8, 9]])
def test_a_division_is_found_across_frames_that_cannot_be_used(bad):
    usable = np.ones(18, bool)
    usable[bad] = False
    assert edges(nuclei.mitosis(at=8), usable) == DIVISION


def test_a_separation_of_one_frame_counts():
    apart = nuclei.mitosis(at=8, until=9)
    later = nuclei.fusion(at=9, until=20)
    both = pd.concat([apart, later[later["frame"] >= 9]], ignore_index=True)
    both["detection_id"] = range(len(both))
    reunion = [("daughter 0", "fused"), ("daughter 1", "fused")]
    assert edges(both) == sorted(DIVISION + reunion)


def test_a_stage_that_drifts_changes_nothing():
    drawn = nuclei.mitosis()
    drifting = drawn.assign(
        y_px=drawn["y_um"] + 2.0 * drawn["frame"], x_px=drawn["x_um"] - 1.5 * drawn["frame"]
    )
    assert edges(drifting) == edges(drawn) == DIVISION


def test_a_cell_that_the_stage_carries_out_of_sight_neither_dies_nor_divides():
    # It stands still on the dish; the image's edge comes to it.
    cells = nuclei.bystanders(20) | {"leaver": nuclei.still((150.0, 20.0), range(10))}
    drawn = nuclei.looking(nuclei.table(cells), {})
    drawn["x_px"] = drawn["x_um"] - 2.0 * drawn["frame"]
    lineage, seen = tracked(drawn[drawn["x_px"] >= 0].reset_index(drop=True))
    assert drawn.loc[drawn["name"] == "leaver", "x_px"].min() < 3
    (leaver,) = set(seen.loc[seen["name"] == "leaver", "tracklet_id"])
    assert leaver > 0
    assert "dies" not in lineage.graph.nodes[leaver]
    assert lineage.graph.number_of_edges() == 0


def test_cells_that_come_and_go_at_the_border_are_cells_of_their_own():
    cells = nuclei.bystanders(20) | {
        "leaver": nuclei.walk((150.0, 30.0), range(10), (0, -3.0)),
        "comer": nuclei.walk((150.0, 298.0), range(8, 20), (0, -3.0)),
    }
    lineage, seen = tracked(nuclei.looking(nuclei.table(cells), {}))
    assert lineage.graph.number_of_edges() == 0
    assert seen.groupby("name")["tracklet_id"].nunique().max() == 1
    assert seen["tracklet_id"].nunique() == len(cells)
    assert not any(d.get("dies") for _, d in lineage.graph.nodes(data=True))


def test_a_division_at_the_border_is_found():
    drawn = nuclei.mitosis()
    family = ~drawn["name"].str.startswith("bystander")
    for column in ("y_px", "y_um"):
        drawn.loc[family, column] -= 138.0
    assert drawn["y_px"].min() < 2
    assert edges(drawn) == DIVISION


def test_the_whole_way_does_not_depend_on_the_order_of_the_nuclei():
    drawn = nuclei.mitosis(3)
    a, b = (tracked(d)[0] for d in (drawn, drawn.sample(frac=1, random_state=2)))
    pd.testing.assert_frame_equal(a.detections, b.detections)
    assert dict(a.graph.edges) == dict(b.graph.edges)


# --- Nuclei as they look


SETTINGS = Settings(
    frames=40, size=256, founders=24, dose_gy=8, irradiated_min_before_start=700, seed=77,
    blank_frames=(11,), blurred_frames=(25,), jump_frames=(18,),
)  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    """Some 1100 nuclei, a fiftieth missed and a fiftieth made up; three cells divide."""
    return detect(SETTINGS)


def divisions(graph, born, name):
    """{mother: (daughters, frame)} of those with two daughters or more."""
    return {
        name(m): (set(map(name, graph.successors(m))), min(born[d] for d in graph.successors(m)))
        for m in graph
        if graph.out_degree(m) > 1
    }


def test_divisions_of_simulated_nuclei_are_found_within_a_frame(simulated):
    # Through mistakes of segmentation, a blank frame, a blurred one and a jump of the stage.
    wrong = imperfect(simulated.nuclei, np.random.default_rng(77))
    seen = wrong.assign(name=wrong["cell"])[[*NUCLEUS_COLUMNS, "name"]]
    side = SETTINGS.field_um
    lineage, found = tracked(
        seen, simulated.usable, pixel_size_um=SETTINGS.pixel_size_um, shape_um=(side, side)
    )
    cells = found[found["tracklet_id"] > 0].groupby("tracklet_id")
    true_name = cells["name"].agg(lambda s: s.mode()[0])
    ours = divisions(lineage.graph, cells["frame"].min(), lambda c: true_name[c])
    born = {c: d["first_frame"] for c, d in simulated.graph.nodes(data=True)}
    truth = divisions(simulated.graph, born, lambda c: c)
    assert len(truth) >= 3
    # Two daughters of a mother are enough, as in lineage.evaluate: how many they are is told elsewhere.
    right = [
        m
        for m, (daughters, frame) in truth.items()
        if m in ours and len(daughters & ours[m][0]) > 1 and abs(frame - ours[m][1]) <= 1
    ]
    assert 2 * len(right) / (len(truth) + len(ours)) >= 0.7
    true_nuclei = found[(found["name"] > 0)]
    assert (true_nuclei["tracklet_id"] > 0).mean() > 0.95
    assert set(STATE_COLUMNS) <= set(found.columns)


def test_no_cell_is_followed_across_a_long_gap():
    """Seven frames without light are bridged at five minutes a frame, and not at ten."""
    usable = np.ones(27, bool)
    usable[10:17] = False
    still = nuclei.table({str(k): nuclei.walk((30.0 + 60 * k, 40), range(27)) for k in range(3)})
    for minutes, n_cells in ((5.0, 3), (10.0, 6)):
        geometry = Geometry(27, (200, 200), 1.0, minutes)
        seen = still[usable[still["frame"]]].reset_index(drop=True)
        lineage = track(seen, usable=usable, geometry=geometry)
        assert len(lineage.graph) == n_cells


# --- A daughter who comes into sight late


def with_a_late_daughter(unseen):
    """mother --+-- daughter 0
    +--   (unseen for so many frames)   -- daughter 1"""
    drawn = nuclei.mitosis(2, until=24)
    drawn = drawn[(drawn["name"] != "daughter 1") | (drawn["frame"] >= 8 + unseen)].reset_index(drop=True)
    drawn["detection_id"] = np.arange(len(drawn))
    geometry = Geometry(24, (300, 300), 1.0, 10.0)
    lineage = track(drawn, usable=np.ones(24, bool), geometry=geometry, max_gap_frames=3)
    seen = lineage.detections[lineage.detections["tracklet_id"] > 0].groupby("tracklet_id")["name"].first()
    events, _ = propose(lineage, geometry=geometry, last_frames=(23,), classified=False)
    return seen, lineage.graph, events


@pytest.mark.parametrize("unseen", [1, 2, 3])
def test_a_daughter_who_comes_into_sight_within_the_frames_that_links_bridge_is_one(unseen):
    names, graph, (event,) = with_a_late_daughter(unseen)
    assert sorted((names[a], names[b]) for a, b in graph.edges) == DIVISION
    assert (event.source, event.frame) == ("division", 8)
    assert {names[d] for d in event.daughters} == {"daughter 0", "daughter 1"}


def test_a_daughter_who_comes_into_sight_later_is_lost():
    _, graph, (event,) = with_a_late_daughter(4)
    assert not graph.edges
    assert (event.source, event.daughters) == (HALF, ())


# --- Masks that are markers


def with_markers(drawn):
    """Masks; the mother's last two, the daughters' first two and some bystanders' are squares of 8 um2."""
    born = drawn.loc[drawn["name"] == "daughter 0", "frame"].min()
    family = drawn["name"].isin(["mother", "daughter 0", "daughter 1"])
    marker = family & drawn["frame"].between(born - 2, born + 1)
    marker |= drawn["name"].isin(["bystander 3", "bystander 7"]) & drawn["frame"].between(2, 8)
    left = (8.0 / drawn["area_um2"]).where(marker, 1.0)
    return drawn.assign(probability=1.0, dna_mass=drawn["dna_mass"] * left, area_um2=drawn["area_um2"] * left)


def test_what_is_within_a_marker_is_no_measure(monkeypatch):
    drawn = nuclei.mitosis()
    born = edges(drawn)
    assert born == [("mother", "daughter 0"), ("mother", "daughter 1")]
    assert edges(with_markers(drawn)) == born
    monkeypatch.setattr(tracklet_arrays, "are_markers", lambda table, _: np.zeros(len(table), bool))
    assert edges(with_markers(drawn)) != born


def test_markers_are_small_all_alike_and_certain():
    areas = [*range(80, 180), *[16] * 12, *[25] * 9, *[10, 11, 12] * 12, *[150] * 30]
    table = pd.DataFrame({"area_um2": areas, "probability": 1.0})

    def found(table, pixel_size_um=1.0):
        marker = tracklet_arrays.are_markers(table, pixel_size_um)
        return sorted(set(table.loc[marker, "area_um2"]))

    assert found(table) == [16], (
        "nine are too few, of 10 to 12 pixels there are as many, 150 is no small area"
    )
    assert found(table.assign(area_um2=table["area_um2"] * 0.25), 0.5) == [4]
    assert found(table.assign(probability=0.99)) == []
    assert found(table.iloc[:0]) == []
