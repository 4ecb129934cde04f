"""What may have happened is considered, whatever btrack thought of it."""

from dataclasses import replace

import nuclei
import numpy as np
import pandas as pd
import pytest

from lineage.schema import LOOK_COLUMNS, Hypotheses, Hypothesis, Tracklets
from lineage.tracking import state
from lineage.tracking.hypotheses import (
    FOLLOWED_FRAMES,
    Models,
    Reach,
    build_hypotheses,
    candidates,
    cut,
    of_shorter,
    scored,
)
from lineage.tracking.rates import offset
from lineage.tracking.resolve import resolve, solve, worth_it
from lineage.tracking.tracklet_arrays import TrackletArrays

H = Hypothesis


def considered(drawn, *, same=None, **settings):
    """The detections and hypotheses of drawn nuclei, one tracklet a name."""
    tracklets = nuclei.as_tracklets(state.estimate(drawn), same=same)
    time = tracklets.detections["frame"].to_numpy()
    return build_hypotheses(tracklets, time, shape_um=nuclei.SHAPE_UM, pixel_size_um=1.0, **settings)


def edges(lineage):
    """Mothers and daughters, each as the names that its nuclei were drawn with, in order of frame."""
    seen = lineage.detections[lineage.detections["tracklet_id"] > 0].sort_values("frame")
    names = seen.groupby("tracklet_id")["name"].agg(lambda s: " ".join(dict.fromkeys(s)))
    return sorted((names[a], names[b]) for a, b in lineage.graph.edges)


def daughters(n):
    return [("mother", f"daughter {k}") for k in range(n)]


WORLDS = {
    "division": nuclei.mitosis(2), "tripolar": nuclei.mitosis(3), "tetrapolar": nuclei.mitosis(4),
    "fusion": nuclei.fusion(),
}  # fmt: skip


# --- Cutting


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_mother_that_goes_on_as_her_daughter_is_cut_and_her_division_found(n):
    drawn, same = nuclei.mitosis(n), {"daughter 0": "mother"}
    before = nuclei.as_tracklets(state.estimate(drawn), same=same).detections
    tracks = before.groupby("name")["tracklet_id"].first()
    assert tracks["mother"] == tracks["daughter 0"]
    detections, hypotheses = considered(drawn, same=same)
    shorter = detections.groupby("name")["tracklet_id"].agg(set)
    assert not shorter["mother"] & shorter["daughter 0"]
    assert edges(resolve(detections, hypotheses)) == daughters(n)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_division_of_any_arity_is_found(n):
    assert edges(resolve(*considered(nuclei.mitosis(n)))) == daughters(n)


def test_without_a_second_daughter_nothing_divides():
    drawn = nuclei.mitosis(2)
    drawn = drawn[drawn["name"] != "daughter 1"].reset_index(drop=True)
    assert ("mother", "daughter 1") not in edges(resolve(*considered(drawn, same={"daughter 0": "mother"})))
    assert edges(resolve(*considered(drawn, same={"daughter 0": "mother"}))) == []


def begun_at(frame):
    """Ten cells that are seen from a frame on, in a movie whose first nuclei are someone else's."""
    places = {f"cell {k}": (30.0 + 50 * (k % 5), 60.0 + 150 * (k // 5)) for k in range(10)}
    cells = {name: nuclei.still(place, range(frame, 12)) for name, place in places.items()}
    early = {f"early {k}": nuclei.still((30.0 + 50 * k, 130.0), range(12)) for k in range(4)}
    return nuclei.looking(nuclei.table(cells | early), {})


@pytest.mark.parametrize("frame", [0, 1, 3])
def test_cells_that_all_begin_in_one_frame_are_cells(frame):
    detections, hypotheses = considered(begun_at(frame))
    lineage = resolve(detections, hypotheses)
    assert (lineage.detections["tracklet_id"] > 0).all()
    assert edges(lineage) == []


@pytest.mark.parametrize(("frames", "is_cell"), [(2, False), (FOLLOWED_FRAMES, True)])
def test_debris_is_what_is_seen_for_a_few_frames_only(frames, is_cell):
    drawn = nuclei.looking(nuclei.table(nuclei.bystanders(18)), {})
    speck = nuclei.table({"speck": nuclei.still((150.0, 150.0), range(7, 7 + frames))}).assign(
        dna_mass=30.0, area_um2=14.0, probability=0.45
    )
    both = pd.concat([drawn, speck], ignore_index=True).sort_values(["frame", "y_um"], ignore_index=True)
    found = resolve(*considered(both.assign(detection_id=range(len(both))))).detections
    assert ((found["tracklet_id"] > 0) == (is_cell | (found["name"] != "speck"))).all()


def test_a_division_in_which_no_mitotic_figure_is_seen_is_less_likely():
    drawn = nuclei.mitosis(2)
    tracklets = nuclei.as_tracklets(state.estimate(drawn))
    odds = {}
    for look in ("metaphase", "interphase"):
        told = dict.fromkeys(LOOK_COLUMNS, 0.005) | {f"look_{look}": 0.97}
        seen = tracklets.detections.assign(**told)
        time = seen["frame"].to_numpy()
        _, found = build_hypotheses(
            replace(tracklets, detections=seen), time, shape_um=nuclei.SHAPE_UM, pixel_size_um=1.0
        )
        odds[look] = found.log_odds[found.kind == H.DIVISION].max()
    assert odds["metaphase"] > odds["interphase"] + 0.5


def test_a_newcomer_beside_a_cell_in_interphase_is_no_daughter():
    cells = {
        "resident": nuclei.still((150.0, 150.0), range(18)),
        "new": nuclei.still((150.0, 170.0), range(8, 18)),
    }
    drawn = nuclei.looking(nuclei.table(nuclei.bystanders(18) | cells), {})
    assert edges(resolve(*considered(drawn))) == []


@pytest.mark.parametrize("same", [{}, {"fused": "left"}, {"fused": "right"}])
def test_two_cells_that_become_one_are_a_fusion_whoevers_track_goes_on(same):
    assert edges(resolve(*considered(nuclei.fusion(), same=same))) == [("left", "fused"), ("right", "fused")]


def test_a_cell_that_is_lost_beside_another_does_not_fuse_with_it():
    # The other goes on where it was, with the DNA that it had.
    cells = {
        "left": nuclei.still((150.0, 144.0), range(20)),
        "right": nuclei.still((150.0, 156.0), range(10)),
    }
    drawn = nuclei.looking(nuclei.table(nuclei.bystanders(20) | cells), {})
    assert edges(resolve(*considered(drawn))) == []


def test_sisters_that_fuse_again_are_found_with_their_division():
    """mother --+-- daughter 0 --+-- fused
    +-- daughter 1 --+"""
    drawn = nuclei.mitosis(2, at=8, until=16)
    later = nuclei.fusion(at=16, until=26)
    later = later[(later["frame"] >= 16)].assign(frame=lambda t: t["frame"])
    drawn = pd.concat([drawn, later], ignore_index=True)
    drawn["detection_id"] = np.arange(len(drawn))
    found = edges(resolve(*considered(drawn, same={"daughter 0": "mother", "fused": "mother"})))
    assert found == sorted([*daughters(2), ("daughter 0", "fused"), ("daughter 1", "fused")])


def test_a_bridged_gap_is_cut_and_closed_again():
    cells = nuclei.bystanders(20) | {"walker": nuclei.walk((150, 150), range(20))}
    del cells["walker"][7]
    detections, hypotheses = considered(nuclei.looking(nuclei.table(cells), {}))
    walker = detections[detections["name"] == "walker"]
    assert walker.groupby("tracklet_id")["frame"].agg(["min", "max"]).to_numpy().tolist() == [[0, 6], [8, 19]]
    lineage = resolve(detections, hypotheses)
    assert lineage.detections.loc[lineage.detections["name"] == "walker", "tracklet_id"].nunique() == 1
    assert len(lineage.graph) == len(cells)


def test_tracklets_are_cut_only_where_something_begins_or_ends_beside_them():
    quiet = nuclei.looking(nuclei.table(nuclei.bystanders(20)), {})
    detections, _ = considered(quiet)
    assert detections["tracklet_id"].nunique() == quiet["name"].nunique()


def drawn_arrays(drawn, same):
    table = nuclei.as_tracklets(state.estimate(drawn), same=same).detections
    time = table["frame"].to_numpy()
    return table, TrackletArrays.of(table, time, shape_um=nuclei.SHAPE_UM, pixel_size_um=1.0)


@pytest.mark.parametrize(("offset", "is_cut"), [(0.0, True), (-40.0, False)])
def test_a_track_is_cut_where_a_division_is_likelier_than_going_on_beside_one_that_begins(offset, is_cut):
    table, whole = drawn_arrays(nuclei.mitosis(), {"daughter 0": "mother"})
    models, reach = Models.of(table).with_divisions(offset), Reach(0.7, 2.0, 1.5, 4)
    pieces = cut(whole, reach, models.divides(reach), models.fuses(reach))
    assert (len(pieces.first) > len(whole.first)) == is_cut


# --- What is worth an unknown


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_out_is_in_no_likeliest_lineage(seed):
    table, whole = drawn_arrays(nuclei.mitosis(4), {"daughter 0": "mother"})
    models, reach = Models.of(table), Reach(0.7, 2.0, 1.5, 4)
    pieces = cut(whole, reach, models.divides(reach), models.fuses(reach))
    drawn = scored(candidates(pieces, reach, btrack={}), models)
    every = replace(drawn, log_odds=np.random.default_rng(seed).normal(-5, 5, len(drawn.kind)))
    n = len(pieces.first)
    some = worth_it(every, n)
    assert len(some.kind) < len(every.kind)
    best, left = (h.log_odds[solve(h, n, time_limit_s=60).chosen].sum() for h in (every, some))
    assert left == pytest.approx(best)


def test_however_unlikely_a_division_it_stays_if_all_else_is_less_likely():
    # A division of -12 against a beginning of -20 beside a mother that goes on.
    kinds = [*[H.START] * 3, *[H.END] * 3, H.LINK, H.DIVISION]
    nobody = -np.ones(4, int)
    starts = [[k, -1, -1, -1] for k in range(3)] + [nobody] * 3 + [[1, -1, -1, -1], [1, 2, -1, -1]]
    ends = [[-1, -1]] * 3 + [[k, -1] for k in range(3)] + [[0, -1], [0, -1]]
    odds = np.array([0.0, -20, -20, -20, 0, 0, 3, -12])
    known = Hypotheses(np.array(kinds, object), np.array(ends), np.array(starts), odds)
    assert (worth_it(known, 3).kind == H.DIVISION).any()
    likelier_alone = replace(known, log_odds=np.array([0.0, -20, -14, -20, 0, 0, 3, -12]))
    assert not (worth_it(likelier_alone, 3).kind == H.DIVISION).any()


# --- How often cells divide


def test_divisions_are_as_likely_as_the_movie_shows_them_to_be():
    assert offset(np.full(1000, -3.0), 200) == pytest.approx(np.log(200 / 800) + 3, abs=0.05)
    assert offset(np.full(1000, -3.0), 10) < -1
    assert abs(offset(np.full(10, -3.0), 0)) < 0.5  # of few nothing is learned


# --- Candidates


@pytest.mark.parametrize("world", WORLDS)
def test_every_beginning_and_end_can_be_explained_alone_and_is_explained_once(world):
    detections, h = considered(WORLDS[world])
    n = detections["tracklet_id"].max() + 1
    for kind, side in ((H.START, h.starts), (H.END, h.ends), (H.DEATH, h.ends)):
        assert sorted(side[h.kind == kind, 0]) == list(range(n)), kind
    lengths = detections["tracklet_id"].value_counts().sort_index()
    assert sorted(h.ends[h.kind == H.FALSE_POSITIVE, 0]) == list(lengths.index[lengths < FOLLOWED_FRAMES])
    chosen = solve(h, n, time_limit_s=60).chosen
    for side in (h.ends, h.starts):
        assert sorted(side[chosen][side[chosen] >= 0]) == list(range(n))


@pytest.mark.parametrize("world", WORLDS)
def test_no_candidate_uses_a_tracklet_twice_or_goes_back_in_time(world):
    detections, h = considered(WORLDS[world], same={"daughter 0": "mother", "fused": "left"})
    frames = detections.groupby("tracklet_id")["frame"].agg(["min", "max"])
    joins = np.isin(h.kind, (H.LINK, H.DIVISION, H.FUSION))
    assert joins.any()
    for ends, starts in zip(h.ends[joins].tolist(), h.starts[joins].tolist(), strict=True):
        before, after = [t for t in ends if t >= 0], [t for t in starts if t >= 0]
        assert len(set(before)) == len(before)
        assert len(set(after)) == len(after)
        assert frames.loc[before, "max"].max() < frames.loc[after, "min"].min()


@pytest.mark.parametrize("world", WORLDS)
def test_no_candidate_is_listed_twice(world):
    _, h = considered(WORLDS[world])
    rows = [
        (k, *sorted(e), *sorted(s))
        for k, e, s in zip(h.kind, h.ends.tolist(), h.starts.tolist(), strict=True)
    ]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(H.DIVISION, {"division_reach": 0.3}), (H.FUSION, {"fusion_reach": 0.15})],
)
def test_what_is_out_of_reach_is_not_considered(kind, settings):
    drawn = pd.concat([nuclei.mitosis(), nuclei.fusion(at=10, until=18)], ignore_index=True)
    drawn = drawn[~drawn["name"].isin(["left", "right", "fused"])] if kind is H.DIVISION else nuclei.fusion()
    drawn = drawn.drop_duplicates(["frame", "name"]).reset_index(drop=True)
    drawn["detection_id"] = np.arange(len(drawn))
    assert (considered(drawn)[1].kind == kind).any()
    assert not (considered(drawn, **settings)[1].kind == kind).any()


def test_the_order_of_the_rows_changes_nothing():
    drawn = state.estimate(nuclei.mitosis(3))
    whole = nuclei.as_tracklets(drawn, same={"daughter 0": "mother"})
    mixed = whole.detections.sample(frac=1, random_state=1)
    found = []
    for table in (whole.detections, mixed):
        tracklets = Tracklets(table, whole.hypotheses, whole.step_um)
        options = {"shape_um": nuclei.SHAPE_UM, "pixel_size_um": 1.0}
        found.append(build_hypotheses(tracklets, table["frame"].to_numpy(), **options))
    (a, h), (b, g) = found
    assert not a.index.equals(b.index)
    pd.testing.assert_frame_equal(a, b.sort_index())
    for one, other in ((h.kind, g.kind), (h.ends, g.ends), (h.starts, g.starts), (h.log_odds, g.log_odds)):
        assert np.array_equal(one, other)


def test_what_btrack_held_possible_is_told_of_the_pieces():
    # btrack's tracklet 0 is cut into pieces 0 and 1: it begins as the first, and goes on from the second.
    cells = {"a": nuclei.walk((50, 50), range(10)), "b": nuclei.walk((56, 56), range(10, 20))}
    table = nuclei.as_tracklets(nuclei.table(cells)).detections
    whole = TrackletArrays.of(table, table["frame"].to_numpy(), shape_um=nuclei.SHAPE_UM, pixel_size_um=1.0)
    rows = [(H.START, 0, -1, -1, -1.0), (H.END, 0, -1, -1, -2.0), (H.LINK, 0, 1, -1, -3.0)]
    rows += [(H.FALSE_POSITIVE, 1, -1, -1, -5.0)]
    said = pd.DataFrame(rows, columns=["kind", "tracklet", "first", "second", "log_likelihood"])
    told = of_shorter(Tracklets(table, said, 10.0), whole, whole.split(np.array([4])))
    assert told == {
        (H.START, 0, -1, -1): -1.0,
        (H.END, 1, -1, -1): -2.0,
        (H.LINK, 1, 2, -1): -3.0,
        (H.FALSE_POSITIVE, 2, -1, -1): -5.0,
    }


def test_no_nuclei_have_no_hypotheses():
    empty = nuclei.mitosis().iloc[:0]
    detections, hypotheses = considered(empty)
    assert len(detections) == len(hypotheses.kind) == 0
    assert len(resolve(detections, hypotheses).graph) == 0
