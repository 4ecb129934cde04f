"""What the annotated tree promises."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import worlds
from worlds import as_lineage, divisions, predictions_of

from lineage import tables, tree
from lineage.mitosis.event_table import event_table as table_of
from lineage.mitosis.verdict import decide_all
from lineage.schema import EVENT_COLUMNS, LINEAGE_COLUMNS, TRACKLET_COLUMNS, CellKey, Geometry

NOTHING = predictions_of({})


def annotate(lineage, events=None, predictions=NOTHING, corrections=MappingProxyType({}), **settings):
    events = divisions(lineage) if events is None else events
    geometry = Geometry(settings.pop("n_frames", 40), worlds.SHAPE, worlds.PIXEL_UM, worlds.MINUTES)
    settings = {"video_name": "world.tif"} | settings
    verdicts = decide_all(events, predictions, corrections)
    return tree.annotate(lineage, events, verdicts, geometry=geometry, **settings)


def event_table(lineage, events=None, predictions=NOTHING, corrections=MappingProxyType({}), **settings):
    events = divisions(lineage) if events is None else events
    verdicts = decide_all(events, predictions, corrections)
    return table_of(events, verdicts, minutes_per_frame=worlds.MINUTES, **settings)


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_every_world_is_annotated_in_plain_python_and_left_as_it_was(world):
    lineage = as_lineage(world())
    before = lineage.detections.copy(), copy.deepcopy(lineage.graph)

    annotated = annotate(lineage)

    assert set(annotated.edges) == set(lineage.graph.edges)
    assert set(annotated.nodes) == set(lineage.graph.nodes)
    keys = {key.value for key in CellKey}
    for cell, life in annotated.nodes.items():
        assert type(cell) is int
        assert set(life) <= keys
        assert {type(key) for key in life} == {str}
        assert {type(value) for value in life.values()} <= {bool, int, float, str}
    pd.testing.assert_frame_equal(lineage.detections, before[0])
    assert nx.utils.graphs_equal(lineage.graph, before[1])


def test_graph_says_what_movie_and_units_it_is_of():
    without = annotate(as_lineage(worlds.lone_cell()))
    with_dose = annotate(as_lineage(worlds.lone_cell()), dose_gy=5)

    assert without.graph["video"] == "world.tif"
    assert without.graph["minutes_per_frame"] == worlds.MINUTES
    assert "micrometres" in without.graph["units"]
    assert "dose_gy" not in without.graph
    assert with_dose.graph["dose_gy"] == 5.0


def test_life_place_and_medians_are_those_of_the_detections():
    lineage = as_lineage(worlds.one_division(), unseen={2: [12, 13]})

    life = annotate(lineage).nodes[2]

    assert (life["first_frame"], life["last_frame"]) == (10, 19)
    assert (life["birth_min"], life["end_min"]) == (100.0, 190.0)
    assert (life["y_um"], life["x_um"]) == (200.0, 160.0)
    assert life["dna_mass"] == np.median([1010, 1011, 1014, 1015, 1016, 1017, 1018, 1019])
    assert life["area_um2"] == 152.0


def test_measure_that_is_missing_is_left_out():
    lineage = as_lineage(worlds.lone_cell())
    lineage.detections["dna_mass"] = np.nan

    life = annotate(lineage).nodes[1]

    assert "dna_mass" not in life
    assert "area_um2" in life


def fates(annotated):
    return dict(annotated.nodes("fate"))


def test_fates_of_two_generations():
    lineage = as_lineage(worlds.two_generations(), lives={8: range(0, 4), 3: range(10, 30)})

    assert fates(annotate(lineage, n_frames=30)) == {
        1: "divided",
        2: "divided",
        3: "end_of_movie",
        4: "end_of_movie",
        5: "end_of_movie",
        8: "lost",
    }


def test_blank_frames_at_the_end_of_the_movie_lose_nobody():
    lineage = as_lineage(worlds.lone_cell())

    assert fates(annotate(lineage, n_frames=14)) == {1: "lost"}
    assert fates(annotate(lineage, n_frames=14, last_frames=(9,))) == {1: "end_of_movie"}


@pytest.mark.parametrize(
    ("place_px", "expected"),
    [
        ((100, 150), "lost"),
        ((9, 150), "left_field"),
        ((11, 150), "lost"),
        ((191, 150), "left_field"),
        ((100, 291), "left_field"),
        ((100, 288), "lost"),
    ],
)
def test_left_field_is_within_the_border_of_the_image(place_px, expected):
    lineage = as_lineage(worlds.lone_cell(), positions_px={1: place_px})

    assert fates(annotate(lineage)) == {1: expected}


def test_border_is_that_of_the_image_not_of_the_dish():
    """At 5 px on the dish, the stage has brought cell 1 to the middle of the image."""
    away = [(100.0, 0.0)] * 40
    lineage = as_lineage(worlds.lone_cell(), positions_px={1: (5, 150)}, drift_px=away)
    assert fates(annotate(as_lineage(worlds.lone_cell(), positions_px={1: (5, 150)}))) == {1: "left_field"}

    assert fates(annotate(lineage)) == {1: "lost"}


def test_cell_that_the_stage_carries_off_has_left_the_field():
    """Cell 1 is 30 px from the top in frame 9; in frame 10 the stage jumps by 50 px. Cell 8 lives on."""
    graph = worlds.lone_cell()
    graph.add_node(8)
    here = {"positions_px": {1: (30, 150), 8: (120, 150)}, "lives": {8: range(40)}}
    jump = [(0.0, 0.0)] * 10 + [(-50.0, 0.0)] * 30
    assert fates(annotate(as_lineage(graph, **here))) == {1: "lost", 8: "end_of_movie"}

    assert fates(annotate(as_lineage(graph, **here, drift_px=jump))) == {1: "left_field", 8: "end_of_movie"}


def test_sisters_that_fuse_and_divide_again():
    annotated = annotate(as_lineage(worlds.sisters_fuse()), n_frames=41)

    assert fates(annotated) == {1: "divided", 2: "fused", 3: "fused", 4: "divided", 5: "lost", 6: "lost"}
    assert dict(annotated.nodes("generation")) == {1: 0, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2}
    assert dict(annotated.nodes("founder")) == dict.fromkeys(range(1, 7), 1)


def test_fusion_of_two_clones_belongs_to_the_lower_founder_and_the_later_generation():
    annotated = annotate(as_lineage(worlds.clones_fuse()))

    assert tree.founders(annotated, 5) == [1, 2]
    assert annotated.nodes[5]["founder"] == 1
    assert annotated.nodes[5]["generation"] == 1
    assert fates(annotated)[4] == fates(annotated)[2] == "fused"
    assert all(tree.generation(annotated, c) == life["generation"] for c, life in annotated.nodes.items())


@pytest.mark.parametrize(
    ("classes", "probabilities", "expected"),
    [
        (("normal", "abnormal"), (0.5, 0.5), "abnormal"),
        (("normal", "abnormal"), (0.6, 0.4), "normal"),
        (("abnormal", "normal"), (0.6, 0.4), "abnormal"),
        (("normal", "abnormal", "none"), (0.0, 0.5, 0.5), "none"),
        (("normal", "abnormal", "none"), (0.2, 0.5, 0.3), "abnormal"),
        (("normal", "abnormal", "none"), (0.4, 0.2, 0.4), "normal"),
    ],
)
def test_rule_of_the_verdict(classes, probabilities, expected):
    lineage = as_lineage(worlds.one_division())

    mother = annotate(lineage, predictions=predictions_of({7: probabilities}, classes)).nodes[1]

    assert mother["mitosis_class"] == expected
    normal, abnormal = (probabilities[classes.index(c)] for c in ("normal", "abnormal"))
    assert mother["p_abnormal"] == pytest.approx(abnormal / (normal + abnormal))
    assert ("p_none" in mother) == ("none" in classes)


def test_verdicts_go_by_event_id_whatever_the_order():
    lineage = as_lineage(worlds.two_generations())
    events = divisions(lineage)
    assert [(e.event_id, e.mother) for e in events] == [(7, 1), (8, 2)]
    predictions = predictions_of({8: (0.9, 0.1), 7: (0.2, 0.8)})

    for order in (events, events[::-1]):
        annotated = annotate(lineage, order, predictions)
        assert dict(annotated.nodes("mitosis_class"))[1] == "abnormal"
        assert dict(annotated.nodes("mitosis_class"))[2] == "normal"
        table = event_table(lineage, order, predictions, side_um={8: 90.0})
        assert dict(zip(table.event_id, table.mitosis_class, strict=True)) == {7: "abnormal", 8: "normal"}
        assert table.set_index("event_id").side_um.to_dict() == {7: pytest.approx(np.nan, nan_ok=True), 8: 90}


def test_event_without_a_prediction_is_unclassified_and_only_mothers_have_events():
    lineage = as_lineage(worlds.two_generations())

    annotated = annotate(lineage, predictions=predictions_of({8: (0.9, 0.1)}))

    assert dict(annotated.nodes("mitosis_class")) == {
        1: "unclassified",
        2: "normal",
        **dict.fromkeys((3, 4, 5, 8)),
    }
    assert "p_abnormal" not in annotated.nodes[1]
    assert tree.mitoses(annotated) == [1, 2]


def test_rejected_proposal_is_no_mitosis_but_stays_in_the_table():
    lineage = as_lineage(worlds.one_division())
    rejected = predictions_of({7: (0.1, 0.1, 0.8)}, ("normal", "abnormal", "none"))

    assert tree.mitoses(annotate(lineage)) == [1]
    assert tree.mitoses(annotate(lineage, predictions=rejected)) == []
    table = event_table(lineage, predictions=rejected, flags={7: "edge"})
    assert list(table.columns) == list(EVENT_COLUMNS)
    assert table.loc[0, ["mitosis_class", "flags", "daughter_ids", "time_min"]].tolist() == [
        "none",
        "edge",
        "2 3",
        100.0,
    ]


def test_event_of_a_cell_that_is_not_there_is_refused():
    lineage = as_lineage(worlds.two_generations())
    events = divisions(lineage)
    assert annotate(lineage, events)

    with pytest.raises(ValueError, match="event 8: its mother 2 is not in the lineage"):
        annotate(as_lineage(worlds.lone_cell()), events[::-1])


def test_intermitotic_time_needs_both_divisions():
    annotated = annotate(as_lineage(worlds.two_generations(), unseen={2: [18, 19]}))

    assert tree.intermitotic_min(annotated, 2) == 100.0
    assert [tree.intermitotic_min(annotated, c) for c in (1, 3, 4, 8)] == [None] * 4
    assert tree.median_intermitotic_min(annotated) == 100.0
    assert tree.median_intermitotic_min(annotate(as_lineage(worlds.one_division()))) is None
    fused = annotate(as_lineage(worlds.sisters_fuse()))
    assert tree.median_intermitotic_min(fused) is None


def test_clone_size_counts_each_cell_once_and_through_gaps():
    annotated = annotate(as_lineage(worlds.two_generations(), unseen={1: [8, 9], 2: [15]}))

    assert [tree.clone_size(annotated, 1, f) for f in (0, 8, 9, 10, 15, 20, 29, 30)] == [
        1, 1, 1, 2, 2, 2, 2, 0,
    ]  # fmt: skip
    assert tree.clone(annotated, 1) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_tables_hold_each_cell_once(world):
    lineage = as_lineage(world())
    annotated = annotate(lineage)

    tracklets, lineages = tables.tables(annotated, event_table(lineage))

    assert list(tracklets.columns) == list(TRACKLET_COLUMNS)
    assert list(lineages.columns) == list(LINEAGE_COLUMNS)
    assert tracklets.tracklet_id.tolist() == sorted(annotated)
    assert lineages.n_cells.sum() == len(annotated)
    assert lineages.founder_id.tolist() == [c for c in sorted(annotated) if not annotated.in_degree(c)]
    assert lineages.n_mitoses.sum() == len(tree.mitoses(annotated))


def test_ids_in_tables_are_space_separated_and_survive_csv(tmp_path):
    lineage = as_lineage(worlds.sisters_fuse())
    tracklets, lineages = tables.tables(annotate(lineage, n_frames=41), event_table(lineage))
    tracklets.to_csv(tmp_path / "tracklets.csv", index=False)

    back = pd.read_csv(tmp_path / "tracklets.csv", dtype={"parent_ids": str}).set_index("tracklet_id")

    assert back.loc[4, "parent_ids"] == "2 3"
    assert back.loc[1, "daughter_ids"] == "2 3"
    assert pd.isna(back.loc[1, "parent_ids"])
    assert lineages.loc[0, ["n_cells", "n_generations", "n_mitoses", "n_lost"]].tolist() == [6, 3, 2, 2]


def test_lineages_count_by_the_verdicts():
    lineage, events, predictions = worlds.every_verdict()
    annotated = annotate(lineage, events, predictions)
    table = event_table(lineage, events, predictions)
    assert len(table) == 5 * 8 + 1

    _, lineages = tables.tables(annotated, table)

    counts = lineages[["n_mitoses", "n_normal", "n_abnormal", "n_undecided"]].sum()
    # Seven kinds under each of five predictions, one of which they contradict; an eighth, of which nothing
    # was seen; and a slippage before.
    assert counts.tolist() == [4 * 8 + 1, 1, 3 * 7 + 1 + 1, 7 + 2]
    # A mother that slips before she divides went through two.
    assert lineages.set_index("founder_id").loc[10, ["n_mitoses", "n_normal", "n_abnormal"]].tolist() == [
        2,
        1,
        1,
    ]


def test_parents_end_before_children_begin():
    annotated = annotate(as_lineage(worlds.sisters_fuse()))

    lives = [tree.lifetime(annotated, c) for c in (1, 2, 4, 5)]

    assert all(a.stop == b.start for a, b in pairwise(lives))


def test_what_events_saw_of_a_cell_that_never_divides_is_its_fate():
    lineage, events, _ = worlds.every_subtype()
    told_fates = fates(annotate(lineage, events))
    assert (told_fates[70], told_fates[80], told_fates[61]) == ("slipped", "died_mitosis", "fused")
    annotated = annotate(lineage, events)
    assert {c: life["n_slippages"] for c, life in annotated.nodes.items() if life["n_slippages"]} == {70: 1}
    # Without events nothing is known of them.
    assert [fates(annotate(lineage, []))[c] for c in (70, 80)] == ["lost", "lost"]


def test_a_rejected_attempt_is_no_fate():
    lineage, events, subtypes = worlds.every_subtype()
    none = {e: (0.1, 0.1, 0.8) for e, s in subtypes.items() if s in ("slippage", "death_in_mitosis")}
    said = predictions_of(none, ("normal", "abnormal", "none"))
    assert [fates(annotate(lineage, events, said))[c] for c in (70, 80)] == ["lost", "lost"]
    sure = [replace(e, confidence=9.0) for e in events]  # of which the tracking is sure is not rejected
    assert [fates(annotate(lineage, sure, said))[c] for c in (70, 80)] == ["slipped", "died_mitosis"]


def test_a_cell_last_seen_before_a_long_gap_is_not_lost():
    lineage = as_lineage(worlds.lone_cell())
    assert fates(annotate(lineage, n_frames=40)) == {1: "lost"}
    assert fates(annotate(lineage, n_frames=40, last_frames=(9, 39))) == {1: "end_of_movie"}
