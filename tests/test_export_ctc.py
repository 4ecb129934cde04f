"""Export to the Cell Tracking Challenge's layout: its rules, and what it cannot hold."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import tifffile
import worlds
from exports import ctc_faults, paint
from test_tree import annotate
from worlds import as_lineage

from lineage.export import ctc
from lineage.schema import InputError


@pytest.mark.parametrize("world", worlds.WORLDS)
@pytest.mark.parametrize("unseen", [{}, {1: [4], 2: [13, 14, 17], 4: [20]}])
def test_ctc_follows_the_rules(tmp_path, world, unseen):
    lineage = as_lineage(world(), unseen=unseen)

    ctc.write(annotate(lineage), paint(lineage), tmp_path)

    assert ctc_faults(tmp_path / "01_RES") == []
    key = pd.read_csv(tmp_path / "01_RES_labels.csv")
    assert set(key["cell"]) == set(lineage.graph)
    for k in key.itertuples():
        mask = tifffile.imread(tmp_path / f"01_RES/mask{k.first_frame:03}.tif")
        assert np.array_equal(mask == k.label, paint(lineage)[k.first_frame] == k.cell)


def test_ctc_checker_finds_faults(tmp_path):
    """The checker above can fail: a gap within a label is one."""
    lineage = as_lineage(worlds.one_division())
    ctc.write(annotate(lineage), paint(lineage), tmp_path)
    assert ctc_faults(tmp_path / "01_RES") == []

    tifffile.imwrite(tmp_path / "01_RES/mask004.tif", np.zeros(worlds.SHAPE, np.uint16))

    assert ctc_faults(tmp_path / "01_RES") == ["frame 4 holds set()"]


def test_ctc_gap_makes_a_track_that_is_the_child_of_the_earlier_one():
    lineage = as_lineage(worlds.one_division(), unseen={1: [4, 5]})
    stretches = ctc.presence(paint(lineage))
    assert stretches[1] == [range(0, 4), range(6, 10)]

    lines = ctc.tracks(annotate(lineage), stretches)

    assert [(k.label, k.first_frame, k.last_frame, k.parent) for k in lines] == [
        (1, 0, 3, 0),
        (2, 10, 19, 4),
        (3, 10, 19, 4),
        (4, 6, 9, 1),
    ]


def test_ctc_fusion_has_no_parent_and_is_noted(tmp_path):
    lineage = as_lineage(worlds.clones_fuse())

    remarks = ctc.write(annotate(lineage), paint(lineage), tmp_path)

    key = pd.read_csv(tmp_path / "01_RES_labels.csv").set_index("cell")
    assert key.loc[5, "parent"] == 0
    assert key.loc[5, "note"] == "fusion of cells 2 4"
    assert any("fusion" in remark and "[5]" in remark for remark in remarks)


def test_ctc_refuses_more_labels_than_uint16_holds():
    graph = nx.DiGraph()
    graph.add_nodes_from([1, 65535])
    assert len(ctc.tracks(graph, {1: [range(2)], 65535: [range(2)]})) == 2

    with pytest.raises(InputError, match="65536"):
        ctc.tracks(graph, {1: [range(2), range(3, 4)], 65535: [range(2)]})


def test_ctc_refuses_labels_of_another_run():
    with pytest.raises(InputError, match="cell 9 has labels but is not in the tree"):
        ctc.tracks(worlds.one_division(), {9: [range(2)]})


def test_ctc_counts_files_with_four_digits_past_999(tmp_path):
    labels = np.ones((1001, 1, 1), np.uint32)

    ctc.write(worlds.lone_cell(), labels, tmp_path)

    assert (tmp_path / "01_RES/mask0000.tif").exists()
    assert (tmp_path / "01_RES/mask1000.tif").exists()


def test_ctc_is_read_by_traccuracy(tmp_path):
    loaders = pytest.importorskip("traccuracy.loaders")
    lineage = as_lineage(worlds.two_generations(), unseen={2: [13, 14]})
    ctc.write(annotate(lineage), paint(lineage), tmp_path)

    read = loaders.load_ctc_data(str(tmp_path / "01_RES"), run_checks=True)

    assert read.graph.number_of_nodes() == len(lineage.detections)
    # A forest has as many edges as nodes, less one a founder: gaps and divisions are all linked.
    assert read.graph.number_of_edges() == len(lineage.detections) - 2
