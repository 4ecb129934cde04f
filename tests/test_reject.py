"""A false division is undone; the tree that is left holds every nucleus once."""

from dataclasses import replace

import pytest
import worlds
from worlds import as_lineage, divisions

from lineage.mitosis.reject import reject_divisions
from lineage.schema import EventType


def world(graph=None):
    """1 --+-- 2 --+-- 4       8 ----       3 is nearer to 1 than 2 is
    |       +-- 5
    +-- 3"""
    places = {1: (100, 100), 2: (100, 140), 3: (100, 110), 4: (100, 150), 5: (120, 150), 8: (20, 200)}
    lineage = as_lineage(graph or worlds.two_generations(), positions_px=places)
    return lineage, divisions(lineage)


def drawn_as(lineage):
    """Cell -> the labels its nuclei were drawn with."""
    return lineage.detections.groupby("tracklet_id")["label"].agg(lambda s: set(s)).to_dict()


def edges(lineage):
    """By the first label of a cell."""
    of = {c: min(labels) for c, labels in drawn_as(lineage).items()}
    return sorted((of[a], of[b]) for a, b in lineage.graph.edges)


def test_a_rejected_division_goes_on_as_the_nearest_daughter():
    lineage, events = world()
    assert edges(lineage) == [(1, 2), (1, 3), (2, 4), (2, 5)]
    mended, _ = reject_divisions(lineage, events, {events[0].event_id})
    assert {1, 3} in drawn_as(mended).values()
    assert edges(mended) == [(2, 4), (2, 5)]  # the other daughter is a founder, and keeps her own daughters


def test_events_and_lineage_speak_of_the_same_cells_afterwards():
    lineage, events = world()
    mended, told = reject_divisions(lineage, events, {events[0].event_id})
    of = drawn_as(mended)
    assert set(mended.graph) == set(of) == set(range(1, len(of) + 1))
    undone, kept = told
    assert [e.event_id for e in told] == [e.event_id for e in events]
    assert (of[undone.mother], undone.daughters) == ({1, 3}, ())
    assert [of[c] for c in (kept.mother, *kept.daughters)] == [{2}, {4}, {5}]
    assert set(mended.graph.successors(kept.mother)) == set(kept.daughters)


def test_two_false_divisions_in_a_row_are_both_undone():
    lineage, events = world()
    # Now 2 is the nearest to 1, so that its own false division is on the way.
    far = lineage.detections["label"] == 3
    lineage.detections.loc[far, ["y_um", "x_um"]] += 200
    mended, _ = reject_divisions(lineage, events, {e.event_id for e in events})
    assert sorted(map(sorted, drawn_as(mended).values())) == [[1, 2, 4], [3], [5], [8]]
    assert mended.graph.number_of_edges() == 0


@pytest.mark.parametrize("rejected", [set(), {99}])
def test_where_nothing_is_rejected_nothing_changes(rejected):
    lineage, events = world()
    mended, told = reject_divisions(lineage, events, rejected)
    assert mended.detections.equals(lineage.detections)
    assert worlds.nx.utils.graphs_equal(mended.graph, lineage.graph)
    assert told == events


def test_a_rejected_attempt_changes_no_tree():
    lineage, events = world()
    slip = replace(events[0], event_id=20, mother=8, daughters=(), n_poles=0, separated=False)
    mended, told = reject_divisions(lineage, [*events, slip], {20})
    assert edges(mended) == edges(lineage)
    assert told[-1] == slip


def test_fusions_are_not_undone():
    lineage, events = world(graph=worlds.sisters_fuse())
    fusion = replace(events[0], event_id=20, mother=2, daughters=(4,), event_type=EventType.FUSION)
    mended, _ = reject_divisions(lineage, [*events, fusion], {20})
    assert edges(mended) == edges(lineage)


def test_a_false_division_that_a_fusion_undid_leaves_a_tree():
    # 1 divides into 2 and 3, which are 4 soon after: what is left of it has every nucleus, and no cell twice.
    lineage, events = world(graph=worlds.sisters_fuse())
    mended, told = reject_divisions(lineage, events, {events[0].event_id})
    assert len(mended.detections) == len(lineage.detections)
    assert worlds.nx.is_directed_acyclic_graph(mended.graph)
    assert not mended.detections.duplicated(["frame", "tracklet_id"]).any()
    assert {e.mother for e in told} <= set(mended.graph)


def test_what_tracking_said_of_the_lineage_stays_said():
    lineage, events = world()
    said = {"warnings": ("not proven",), "notes": ("solved",), "n_divided_too_soon": 3}
    mended, _ = reject_divisions(replace(lineage, **said), events, {events[0].event_id})
    assert mended.graph.number_of_edges() < lineage.graph.number_of_edges()
    assert {name: getattr(mended, name) for name in said} == said


def test_what_is_given_is_left_alone():
    lineage, events = world()
    before = lineage.detections.copy(), sorted(lineage.graph.edges)
    reject_divisions(lineage, events, {events[0].event_id})
    assert lineage.detections.equals(before[0])
    assert sorted(lineage.graph.edges) == before[1]


def test_a_cell_that_seemed_to_part_and_was_one_again_is_one_cell_throughout():
    lineage, events = world(graph=worlds.sisters_fuse())
    assert edges(lineage) == [(1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 6)]
    mended, told = reject_divisions(lineage, events, {events[0].event_id})
    assert {1, 3, 4} in drawn_as(mended).values()
    assert edges(mended) == [(1, 5), (1, 6)]
    assert [drawn_as(mended)[e.mother] for e in told] == [{1, 3, 4}] * 2
