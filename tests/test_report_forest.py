"""The drawings of lineages: every cell once, in the colour of its verdict."""

from __future__ import annotations

import re

import pytest
import worlds
from pages import page_of_every_verdict
from test_tree import annotate, event_table
from worlds import as_lineage, predictions_of

from lineage.mitosis.verdict import ByPerson
from lineage.report.forest import columns, forest, lone_strip, split
from lineage.report.svg import BLUE, VERMILLION
from lineage.schema import Decision


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_every_cell_is_drawn_once(world):
    lineage = as_lineage(world())
    tree = annotate(lineage)
    events = event_table(lineage)

    drawn = "".join(forest(tree, events) + lone_strip(tree, events))

    assert sorted(map(int, re.findall(r"<title>Cell (\d+),", drawn))) == sorted(tree)
    assert len(re.findall(r"#event-", drawn)) == len(events)


def test_no_two_cells_share_a_place_at_the_same_time():
    for world in worlds.WORLDS:
        tree = annotate(as_lineage(world()))
        for family in split(tree, [])[0]:
            at = columns(tree, family)
            for a in family:
                for b in family:
                    together = tree.nodes[a]["first_frame"] == tree.nodes[b]["first_frame"]
                    assert a == b or not together or at[a] != at[b]


def test_mother_of_an_event_without_daughters_is_not_folded_away():
    tree = annotate(as_lineage(worlds.lone_cell()))

    assert split(tree, []) == ([], [1])
    assert split(tree, [1]) == ([[1]], [])


def test_the_forest_has_the_colours_of_the_verdicts(tmp_path):
    """Also the bar from a mother to her daughters, and the words at a mark."""
    tripolar = (
        r"<title>Mitosis 12: undecided\nprobability of abnormal: 0\.60 \(the classifier contradicts what was "
        r"seen, three daughters, classifier 0\.07\)\nclassifier alone: normal \(abnormal: 0\.07"
    )
    assert re.search(tripolar, page_of_every_verdict(tmp_path).html)
    lineage = as_lineage(worlds.three_daughters())
    predictions = predictions_of({7: (0.7, 0.3)})
    events = event_table(lineage, predictions=predictions)
    assert events["mitosis_class"].tolist() == ["normal"]
    drawn = "".join(forest(annotate(lineage, predictions=predictions), events))
    assert VERMILLION in drawn
    assert BLUE not in drawn


@pytest.mark.parametrize(
    ("probabilities", "verdict"),
    [((0.93, 0.07, 0.0), "undecided"), ((0.1, 0.9, 0.0), "abnormal"), (None, "abnormal")],
)
def test_three_daughters_are_blue_only_where_the_verdict_is_normal(probabilities, verdict):
    """Whatever the classifier says: the mark, and the line to the daughters."""
    lineage = as_lineage(worlds.three_daughters())
    predictions = predictions_of({7: probabilities} if probabilities else {}, ("normal", "abnormal", "none"))

    def drawn(corrections):
        events = event_table(lineage, predictions=predictions, corrections=corrections)
        trees = forest(annotate(lineage, predictions=predictions, corrections=corrections), events)
        return events["verdict"].tolist(), "".join(trees)

    verdicts, picture = drawn({})
    assert verdicts == [verdict]
    assert BLUE not in picture
    verdicts, picture = drawn({7: ByPerson(Decision.NORMAL)})
    assert verdicts == ["normal"]
    assert BLUE in picture
