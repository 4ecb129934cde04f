"""A run against the truth: a perfect run scores 1 throughout, and each error lowers its own figure."""

from __future__ import annotations

import json
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import worlds
from folders import compared, run_in_memory, write_truth
from worlds import as_lineage

from lineage.evaluate.events import abnormal
from lineage.evaluate.inputs import read_truth
from lineage.evaluate.match import Count, pair
from lineage.evaluate.mistakes import wrong_divisions
from lineage.evaluate.results import scores_record
from lineage.evaluate.score import by_dose, pooled


@pytest.fixture
def compare(tmp_path):
    """(lineage of the truth, lineage of the run) -> Scores."""
    n = 0

    def do(true, found, **truth):
        nonlocal n
        n += 1
        written = write_truth(tmp_path / f"{n}.truth", true, **truth)
        return compared(run_in_memory(tmp_path / f"{n}.lineage", found), read_truth(written))

    return do


def of(graph, **drawn):
    return as_lineage(graph, **drawn)


def relinked(graph: nx.DiGraph, *, without=(), plus=()) -> nx.DiGraph:
    new = graph.copy()
    new.remove_edges_from(without)
    new.add_edges_from(plus)
    return new


@pytest.mark.parametrize("world", [w for w in worlds.WORLDS if w is not worlds.empty])
def test_a_perfect_run_scores_one_wherever_the_truth_has_something(compare, world):
    scores = compare(of(world()), of(world()))

    counts = [scores.nuclei, scores.links, scores.links_of_found, scores.nary, scores.slippages]
    counts += [*scores.divisions.values(), *scores.fusions.values()]
    assert {c.f1 for c in counts} <= {1.0, None}
    assert scores.links.f1 == 1.0
    assert set(scores.tally.measures().values()) <= {1.0, None}
    assert scores.tally.measures()["TRA"] == 1.0


@pytest.mark.parametrize("column", ["subtypes", "no subtypes"])
def test_a_perfect_run_scores_one_on_a_movie_of_every_subtype(tmp_path, column):
    lineage, events, subtypes = worlds.every_subtype()
    truth = read_truth(write_truth(tmp_path / "a.truth", lineage, events=events, subtypes=subtypes))
    run = run_in_memory(tmp_path / "a.lineage", lineage, events=events)
    run.events["verdict"] = truth.events["mitosis_class"]
    assert run.events["subtype"].tolist() == ["unclassified", *list(subtypes.values())[1:]]
    if column == "no subtypes":
        del run.events["subtype"]

    scores = compared(run, truth)

    assert scores.slippages == Count(1, 1, 1)
    assert scores.proposals == Count(8, 8, 8)
    assert abnormal(scores.outcomes) == Count(7, 7, 7)
    assert len(scores.mistakes()) == 0
    counts = [scores.nuclei, scores.links, scores.nary, *scores.divisions.values(), *scores.fusions.values()]
    assert {c.f1 for c in counts} == {1.0}


def test_an_empty_run_finds_nothing_and_an_empty_truth_has_nothing(compare):
    world, nobody = of(worlds.two_generations()), of(worlds.empty())

    missed, false = compare(world, nobody), compare(nobody, world)

    assert (missed.links.recall, missed.links.precision, missed.links.f1) == (0.0, None, 0.0)
    assert missed.divisions[1] == Count(0, 0, 2)
    assert missed.tally.measures()["TRA"] == 0.0
    assert (false.links.recall, false.links.precision, false.links.f1) == (None, 0.0, None)


# --- Nuclei


def test_a_nucleus_that_covers_two_is_one_to_one_with_the_one_it_shares_most_with():
    truth = np.array([[1, 1, 0, 2, 2, 2, 0, 3, 3]])
    run = np.array([[7, 7, 7, 7, 7, 7, 0, 0, 8]])

    pairs, labels, cells = pair(truth, run)

    assert [(a, b, n, best) for a, b, _, n, best in pairs] == [(1, 7, 2, 0), (2, 7, 2, 1)]
    assert labels.tolist() == [1, 2, 3]  # half of 3 is covered: not more than half
    assert cells.tolist() == [7, 8]
    assert pairs[1, 2] == 3 / 6


# --- Links


def test_a_swap_of_two_cells_costs_two_links_of_each_side(compare):
    two = nx.DiGraph()
    two.add_nodes_from([1, 2])
    swapped = of(two)
    later = swapped.detections["frame"] >= 5
    for column in ("tracklet_id", "label"):
        swapped.detections.loc[later, column] = 3 - swapped.detections.loc[later, column]

    scores = compare(of(two), swapped)

    assert scores.nuclei.f1 == 1.0
    assert scores.links == Count(16, 18, 18)
    assert scores.links_of_found == Count(16, 18, 18)
    assert scores.tally.measures()["CT"] == 0.0


def test_a_missed_nucleus_costs_its_links_but_not_those_between_found_nuclei(compare):
    scores = compare(of(worlds.lone_cell()), of(worlds.lone_cell(), unseen={1: [5]}))

    assert scores.nuclei == Count(9, 9, 10)
    assert scores.links == Count(7, 8, 9)  # the run's link over the gap is none of the truth's
    assert scores.links_of_found == Count(7, 8, 7)


def test_frames_without_light_are_left_out(compare):
    run = of(worlds.lone_cell(), unseen={1: [5]})

    scores = compare(of(worlds.lone_cell()), run, settings={"blank_frames": [5]})

    assert scores.nuclei == Count(9, 9, 9)
    assert scores.links == Count(8, 8, 8)
    assert "no light in frame 5" in scores.notes[0]


# --- Divisions


def test_a_division_without_its_edges_is_missed_and_costs_its_links(compare):
    graph = worlds.two_generations()
    run = relinked(graph, without=[(2, 4), (2, 5)])

    scores = compare(of(graph), of(run, lives=worlds.lives_of(graph)))

    assert scores.divisions[1] == Count(1, 1, 2)
    assert scores.nuclei.f1 == 1.0
    assert (scores.links.right, scores.links.run) == (scores.links.truth - 2, scores.links.truth - 2)


@pytest.mark.parametrize(
    ("late", "right"), [(0, (1, 1, 1, 1)), (1, (0, 1, 1, 1)), (3, (0, 0, 0, 1)), (4, (0, 0, 0, 0))]
)
@pytest.mark.parametrize("way", [1, -1])
def test_a_division_is_right_within_as_many_frames_as_it_is_late_or_early(compare, late, right, way):
    at = 10 + way * late
    lives = {1: range(at), 2: range(at, 20), 3: range(at, 20)}

    scores = compare(of(worlds.one_division()), of(worlds.one_division(), lives=lives))

    assert tuple(scores.divisions[k].right for k in range(4)) == right
    assert {c.run for c in scores.divisions.values()} == {1}


def test_a_division_of_another_mother_is_wrong(compare):
    graph = nx.DiGraph([(1, 2), (1, 3)])
    graph.add_node(8)
    run = nx.DiGraph([(8, 2), (8, 3)])
    run.add_node(1)
    lives = {8: range(10), 1: range(10), 2: range(10, 20), 3: range(10, 20)}

    scores = compare(of(graph, lives=lives), of(run, lives=lives))

    assert scores.divisions[3] == Count(0, 1, 1)


def test_a_division_with_one_true_daughter_is_wrong(compare):
    graph = nx.DiGraph([(1, 2), (1, 3)])
    graph.add_node(8)
    lives = {1: range(10), 2: range(10, 20), 3: range(10, 20), 8: range(10, 20)}

    run = nx.DiGraph([(1, 2), (1, 8)])
    run.add_node(3)

    scores = compare(of(graph, lives=lives), of(run, lives=lives))

    assert scores.divisions[3] == Count(0, 1, 1)


def test_one_division_of_the_run_does_not_stand_for_two(compare):
    """Twice the same mother within three frames: only one is right.

    1 --+-- 2 --+-- 4
        |       +-- 5
        +-- 3
    """
    graph = nx.DiGraph([(1, 2), (1, 3), (2, 4), (2, 5)])
    lives = {1: range(10), 2: range(10, 12), 3: range(10, 20), 4: range(12, 20), 5: range(12, 20)}
    run = nx.DiGraph([(1, 2), (1, 3)])

    scores = compare(
        of(graph, lives=lives), of(run, lives={1: range(10), 2: range(10, 20), 3: range(10, 20)})
    )

    assert scores.divisions[3] == Count(1, 1, 2)


def test_a_tripolar_division_found_as_two_is_a_division_but_none_into_three(compare):
    found = nx.DiGraph([(1, 2), (1, 3)])
    found.add_node(4)
    lives = worlds.lives_of(worlds.three_daughters())

    scores = compare(of(worlds.three_daughters()), of(found, lives=lives))

    assert scores.divisions[0].f1 == 1.0
    assert scores.nary == Count(0, 0, 1)
    assert scores.nary_found_as == {"3 as 2": 1}
    # The Challenge wants the number of daughters to be right.
    assert scores.tally.measures()["BC(1)"] == 0.0


def test_a_division_found_as_three_is_a_false_one_into_three(compare):
    true = nx.DiGraph([(1, 2), (1, 3)])
    true.add_node(4)
    lives = worlds.lives_of(worlds.three_daughters())

    scores = compare(of(true, lives=lives), of(worlds.three_daughters()))

    assert scores.divisions[1].f1 == 1.0
    assert scores.nary == Count(0, 1, 0)


# --- Fusions


def test_a_fusion_that_is_not_proposed_is_missed(compare):
    graph = worlds.sisters_fuse()
    run = relinked(graph, without=[(2, 4), (3, 4)])

    scores = compare(of(graph), of(run, lives=worlds.lives_of(graph)))

    assert scores.fusions == {1: Count(0, 0, 1), 3: Count(0, 0, 1)}
    assert scores.divisions[1].f1 == 1.0


@pytest.mark.parametrize(("late", "right"), [(1, (1, 1)), (3, (0, 1)), (4, (0, 0))])
def test_a_fusion_is_right_within_as_many_frames_as_it_is_late(compare, late, right):
    at = 20 + late
    lives = {2: range(10, at), 3: range(10, at), 4: range(at, 30)}

    scores = compare(of(worlds.sisters_fuse()), of(worlds.sisters_fuse(), lives=lives))

    assert (scores.fusions[1].right, scores.fusions[3].right) == right


def test_a_fusion_with_one_true_parent_is_wrong(compare):
    graph = worlds.clones_fuse()
    run = relinked(graph, without=[(2, 5)], plus=[(3, 5)])
    lives = worlds.lives_of(graph)
    assert lives[2] != lives[3]

    scores = compare(of(graph), of(run, lives=lives | {2: range(20)}))

    assert scores.fusions[3] == Count(0, 1, 1)


# --- Several movies


def test_counts_are_added_and_rates_are_not_averaged(compare):
    graph = worlds.two_generations()
    good = compare(of(graph), of(graph), subtypes={7: "tripolar"})
    single = of(worlds.one_division())
    bad = compare(
        single, of(nx.DiGraph([(2, 1)]), lives={2: range(10), 1: range(10, 20)}), settings={"dose_gy": 0.0}
    )

    both = pooled([good, bad])

    assert good.divisions[1] == Count(2, 2, 2)
    assert bad.divisions[1] == Count(0, 0, 1)
    assert both.divisions[1] == Count(2, 2, 3)
    assert both.links == good.links + bad.links
    assert both.outcomes["movie"].tolist() == [0, 0, 1]
    measures = both.tally.measures()
    assert 0 < measures["TRA"] < 1
    assert {dose: s.movies for dose, s in by_dose([good, bad]).items()} == {0.0: ("2",), 5.0: ("1",)}
    assert pooled([good, good]).tally.measures() == good.tally.measures()


def test_movies_without_mitoses_are_pooled_with_those_that_have_some(compare):
    quiet = compare(of(worlds.lone_cell()), of(worlds.lone_cell()))
    missed = compare(of(worlds.one_division()), of(worlds.empty()), subtypes={7: "tripolar"})
    false = compare(of(worlds.empty()), of(worlds.one_division()))
    # Of a truth without events.
    nothing = wrong_divisions([], [], None, true_mask=None, run_mask=None, event_of={})
    bare = replace(quiet, outcomes=None, wrong_divisions=nothing)

    for order in ([quiet, missed, false, bare], [bare, false, missed, quiet]):
        both = pooled(order)

        assert both.mistakes()["kind"].tolist() == ["missed abnormal", "false proposal"]
        assert both.mistakes()["movie"].tolist() == [order.index(missed), order.index(false)]
        json.dumps(scores_record(both))
        assert both.divisions[1] == Count(0, 1, 1)
