"""Every division, fusion, death, and attempt to divide is an event; nothing else is."""

import networkx as nx
import pytest
import worlds
from worlds import as_lineage, condensed, dying, pyknotic

from lineage.mitosis.events import ALONE, DIVISION, ENDED, HALF, propose
from lineage.mitosis.subtypes import subtype
from lineage.schema import EventType, Geometry, Lineage, Subtype

LAST = 39
GEOMETRY = Geometry(LAST + 1, worlds.SHAPE, worlds.PIXEL_UM, worlds.MINUTES)


def events_of(lineage, **settings):
    return propose(lineage, geometry=GEOMETRY, **{"last_frames": (LAST,)} | settings)[0]


def kinds(events):
    return [subtype(e, "unclassified") for e in events]


# --- Divisions


def test_a_division_is_one_event_at_the_daughters_first_frame():
    lineage = as_lineage(worlds.one_division())
    (event,) = events_of(lineage)
    daughters = lineage.detections[lineage.detections["tracklet_id"].isin([2, 3])]
    assert (event.mother, event.daughters) == (1, (2, 3))
    assert (event.n_poles, event.separated, event.source) == (2, True, DIVISION)
    assert event.frame == daughters["frame"].min()
    first = daughters[daughters["frame"] == event.frame]
    assert event.y_px == first["y_px"].mean()
    assert event.x_um == first["x_um"].mean()


def test_events_are_numbered_in_order_of_frame():
    events = events_of(as_lineage(worlds.two_generations()))
    assert [e.event_id for e in events] == [1, 2]
    assert [e.mother for e in events] == [1, 2]
    assert events[0].frame < events[1].frame


def test_three_daughters_are_one_event():
    (event,) = events_of(as_lineage(worlds.three_daughters()))
    assert event.daughters == (2, 3, 4)
    assert kinds([event]) == [Subtype.TRIPOLAR]


def test_a_lone_cell_has_no_event():
    assert events_of(as_lineage(worlds.lone_cell(), lives={1: range(40)})) == []


def test_nobody_has_no_event():
    assert events_of(as_lineage(worlds.empty())) == []


def test_a_division_tells_what_speaks_for_it():
    lineage = as_lineage(worlds.one_division())
    nx.set_edge_attributes(lineage.graph, {(1, 2): 3.5, (1, 3): 3.5}, "log_odds")
    (before,) = events_of(lineage)
    assert before.onset_frame is None
    (event,) = events_of(condensed(lineage, 1, range(6, 10)))
    assert event.confidence == event.evidence["log_odds"] == 3.5
    assert event.onset_frame == 6
    assert event.evidence["lasts_min"] == 40
    assert event.evidence["condensation"] == 2.5
    assert event.evidence["separation_um"] == 20 * worlds.PIXEL_UM
    assert event.evidence["mass_ratio"] == pytest.approx(2, rel=0.01)


def test_a_newborns_condensed_chromatin_is_no_attempt():
    born = as_lineage(worlds.one_division(), lives={2: range(10, 40), 3: range(10, 40)})
    assert kinds(events_of(condensed(born, 2, range(10, 14)))) == [Subtype.UNCLASSIFIED]
    # The same stretch later in its life is one.
    assert Subtype.SLIPPAGE in kinds(events_of(condensed(born, 2, range(24, 32))))


# --- Attempts that come to nothing


def lone(frames=range(40), **options):
    return as_lineage(worlds.lone_cell(), lives={1: frames}, **options)


@pytest.mark.parametrize("n_frames", [3, 6, 12])
def test_a_slippage_is_found_on_a_track_that_never_branches(n_frames):
    lineage = lone()
    assert events_of(lineage, classified=False) == []
    (event,) = events_of(condensed(lineage, 1, range(15, 15 + n_frames)), classified=False)
    assert kinds([event]) == [Subtype.SLIPPAGE]
    assert (event.mother, event.daughters, event.source) == (1, (), ALONE)
    assert (event.onset_frame, event.frame) == (15, 15 + n_frames)
    assert (event.n_poles, event.separated, event.returned, event.died_after_min) == (0, False, True, None)
    assert event.evidence["lasts_min"] == 10 * n_frames
    assert event.confidence > 0


def test_frames_without_the_nucleus_do_not_cut_an_attempt_in_two():
    (event,) = events_of(condensed(lone(unseen={1: [18, 19]}), 1, range(15, 24)))
    assert (event.onset_frame, event.frame) == (15, 24)


def test_a_nucleus_that_seems_at_rest_for_a_frame_does_not_cut_an_attempt_in_two():
    (event,) = events_of(condensed(lone(), 1, [15, 16, 17, 19, 20, 21]))
    assert event.evidence["lasts_min"] == 70
    (event,) = events_of(condensed(lone(), 1, [15, 16, 17, 30, 31, 32]))
    assert event.evidence["lasts_min"] == 30


def long(lives, condensed_at):
    """A cell that is seen for 21 hours: its events, and how many were left out."""
    lineage = condensed(as_lineage(worlds.lone_cell(), lives={1: range(lives)}), 1, condensed_at)
    geometry = Geometry(lives, worlds.SHAPE, worlds.PIXEL_UM, worlds.MINUTES)
    return propose(lineage, geometry=geometry, last_frames=(lives - 1,))


def test_a_cell_that_looks_condensed_again_and_again_attempts_to_divide_once():
    apart = [*range(20, 26), *range(40, 42), *range(60, 62)]
    (event,), left_out = long(126, apart)
    assert event.onset_frame == 20  # the surest
    assert left_out == {"separated_again": 0, "attempted_again": 2, "still_in_mitosis": 0}
    events, left_out = long(126, [*apart, *range(90, 96)])
    assert [e.onset_frame for e in events] == [20, 90]  # 11 hours later
    assert left_out["attempted_again"] == 2
    assert long(126, range(20, 26))[1] == {"separated_again": 0, "attempted_again": 0, "still_in_mitosis": 0}


def test_what_looks_condensed_some_hours_before_a_division_is_no_attempt():
    lineage = as_lineage(worlds.one_division(), lives={1: range(30), 2: range(30, 40), 3: range(30, 40)})
    lineage = condensed(lineage, 1, [*range(8, 14), *range(26, 30)])
    (event,), left_out = propose(lineage, geometry=GEOMETRY, last_frames=(LAST,))
    assert event.source == DIVISION
    assert left_out == {"separated_again": 0, "attempted_again": 1, "still_in_mitosis": 0}


def test_a_cell_that_divides_has_not_died_in_mitosis_before():
    lineage = as_lineage(worlds.one_division(), lives={1: range(30), 2: range(30, 40), 3: range(30, 40)})
    lineage = pyknotic(condensed(lineage, 1, range(15, 20)), 1, range(20, 29))
    assert [e.source for e in events_of(lineage)] == [DIVISION]


def dies_in_mitosis():
    return pyknotic(condensed(lone(range(25)), 1, range(15, 20)), 1, range(20, 25))


def test_a_cell_whose_condensed_chromatin_breaks_down_dies_in_mitosis():
    (event,) = events_of(dies_in_mitosis())
    assert kinds([event]) == [Subtype.DEATH_IN_MITOSIS]
    assert (event.source, event.frame) == (ENDED, 24)
    assert event.died_after_min == 90  # from its onset


@pytest.mark.parametrize(
    ("first", "n_frames", "events"),
    [(22, 39, 0), (22, 40, 1), (0, 40, 0)],  # for 170 min; for three hours; since the cell is seen
)
def test_a_cell_arrested_in_mitosis_when_the_movie_ends_is_an_event(first, n_frames, events):
    lineage = condensed(lone(range(n_frames)), 1, range(first, n_frames))
    found, left_out = propose(lineage, geometry=GEOMETRY, last_frames=(n_frames - 1,))
    assert left_out["still_in_mitosis"] == 1 - events
    assert [(e.source, e.frame, e.onset_frame) for e in found] == [(ENDED, 31, 22)] * events
    assert [(e.evidence["lasts_min"], e.returned, e.separated) for e in found] == [
        (180, False, False)
    ] * events


def test_nobody_has_died_who_is_arrested_to_the_last_frame():
    lineage = pyknotic(condensed(lone(range(40)), 1, range(15, 35)), 1, range(35, 40))
    (event,) = events_of(lineage)
    assert (event.source, event.frame, event.died_after_min) == (ENDED, 31, None)


@pytest.mark.parametrize("last_usable_frame", [39, 36])
def test_a_cell_still_condensed_at_the_end_is_no_event_yet(last_usable_frame):
    until = last_usable_frame + 1
    lineage = condensed(lone(range(until)), 1, range(28, until))
    assert events_of(lineage, last_frames=(last_usable_frame,)) == []
    assert len(events_of(lineage, last_frames=(59,))) == 1


def test_a_cell_that_comes_out_with_half_its_dna_lost_a_daughter_from_sight():
    lineage = condensed(lone(), 1, range(15, 20))
    assert events_of(lineage)[0].source == ALONE
    lineage.detections.loc[lineage.detections["frame"] >= 20, "dna_mass"] = 510.0
    (event,) = events_of(lineage)
    assert event.source == HALF
    assert (event.n_poles, event.separated, event.daughters) == (2, True, ())
    assert event.evidence["mass_ratio"] == pytest.approx(0.5, abs=0.02)


def test_a_doubtful_attempt_is_proposed_only_to_a_classifier():
    # Its chromatin is hardly dense, and for one frame only.
    lineage = condensed(lone(), 1, [15])
    at = lineage.detections["frame"] == 15
    lineage.detections.loc[at, ["condensation", "p_mitotic", "area_um2"]] = [1.1, 0.35, 140.0]
    (event,) = events_of(lineage, classified=True, min_log_odds=-20)
    assert event.confidence < 0
    assert events_of(lineage, classified=False) == []
    assert events_of(lineage, classified=True, min_log_odds=event.confidence + 0.01) == []


def test_a_cell_that_tracking_sees_die_is_a_death_of_its_own():
    lineage = lone(range(20))
    assert events_of(lineage) == []
    (event,) = events_of(dying(lineage, 1))
    assert event.event_type is EventType.DEATH
    assert (event.mother, event.frame) == (1, 19)
    assert kinds([event]) == [Subtype.DEATH_IN_INTERPHASE]


def test_a_cell_dies_once():
    lineage = dying(dies_in_mitosis(), 1)
    assert kinds(events_of(lineage)) == [Subtype.DEATH_IN_MITOSIS]


def test_a_daughters_death_is_told_with_its_mothers_division():
    alive = as_lineage(worlds.one_division())
    assert events_of(alive)[0].died_after_min is None
    division, death = events_of(dying(alive, 3))
    assert (division.event_type, division.died_after_min) == (EventType.MITOSIS, 90)
    assert (death.event_type, death.mother) == (EventType.DEATH, 3)


# --- Fusions


def reunited(at, unseen=None):
    """1 --+-- 2 --+-- 4       divides in frame 10, is one cell again from frame `at` on
    +-- 3 --+"""
    graph = nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4)])
    lives = {2: range(10, at), 3: range(10, at), 4: range(at, 40)}
    return as_lineage(graph, lives=lives, unseen=unseen)


@pytest.mark.parametrize(("at", "minutes"), [(11, 10), (16, 60), (22, 120)])
def test_daughters_that_reunite_within_two_hours_are_part_of_their_division(at, minutes):
    (event,) = events_of(reunited(at))
    assert (event.mother, event.daughters) == (1, (2, 3))
    assert event.refusion_after_min == minutes
    assert kinds([event]) == [Subtype.FURROW_REGRESSION]


def test_a_separation_of_one_frame_counts():
    (event,) = events_of(reunited(11))
    assert (event.separated, event.n_poles, event.frame) == (True, 2, 10)


def test_a_blank_frame_after_a_separation_changes_nothing():
    (event,) = events_of(reunited(14, unseen={2: [11, 12, 13], 3: [11, 12, 13]}))
    assert (event.frame, event.refusion_after_min) == (10, 40)


def test_a_later_reunion_is_a_fusion_that_names_the_division_it_undoes():
    division, fusion = events_of(reunited(23))
    assert (division.refusion_after_min, kinds([division])) == (None, [Subtype.UNCLASSIFIED])
    assert fusion.event_type is EventType.FUSION
    assert (fusion.mother, fusion.daughters, fusion.frame) == (2, (4,), 23)
    assert fusion.linked_event == division.event_id
    assert kinds([fusion]) == [Subtype.SISTER_FUSION]


def test_what_counts_as_regression_is_a_setting():
    assert len(events_of(reunited(16), regression_min=50)) == 2
    assert len(events_of(reunited(30), regression_min=200)) == 1


def test_clones_that_fuse_undo_no_division():
    division, fusion = events_of(as_lineage(worlds.clones_fuse()))
    assert fusion.linked_event is None
    assert kinds([fusion]) == [Subtype.CELL_FUSION]
    assert division.refusion_after_min is None


@pytest.mark.parametrize(("parts", "mothers"), [(20, [1]), (57, [1]), (58, [1, 4])])
def test_a_fused_cell_that_divides_is_an_event_unless_it_is_the_same_mitosis(parts, mothers):
    """Its daughters separate in frame 10, are one cell again in 14, and part again."""
    lives = {1: range(10), 2: range(10, 14), 3: range(10, 14), 4: range(14, parts)}
    lives |= {5: range(parts, 70), 6: range(parts, 70)}
    lineage = as_lineage(worlds.sisters_fuse(), lives=lives)
    geometry = Geometry(70, worlds.SHAPE, worlds.PIXEL_UM, worlds.MINUTES)
    events, left_out = propose(lineage, geometry=geometry, last_frames=(69,))
    assert [e.mother for e in events if e.source == DIVISION] == mothers
    assert left_out == {"separated_again": 2 - len(mothers), "attempted_again": 0, "still_in_mitosis": 0}


def test_what_the_edge_of_the_image_cuts_is_no_attempt():
    lineage = condensed(lone(), 1, range(15, 23))
    assert kinds(events_of(lineage)) == [Subtype.SLIPPAGE]
    at_edge = lineage.detections.assign(y_px=2.0)
    assert events_of(Lineage(at_edge, lineage.graph)) == []


def test_a_cell_still_condensed_before_a_long_gap_is_no_event_yet():
    lineage = condensed(lone(range(30)), 1, range(24, 30))
    assert len(events_of(lineage)) == 1
    assert events_of(lineage, last_frames=(29, LAST)) == []
