"""What the exports promise: other programs' own readers find what was written; and the command."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import worlds
import zarr
from Bio import Phylo
from defusedxml import ElementTree
from exports import ctc_faults, paint
from test_tree import annotate, event_table
from typer.testing import CliRunner
from worlds import as_lineage, predictions_of

from lineage import tables
from lineage.export import csv, geff, graphml, newick, yed
from lineage.export.__main__ import app
from lineage.export.colours import colours
from lineage.io.files import atomic_write
from lineage.schema import InputError


def same(a: nx.DiGraph, b: nx.DiGraph) -> bool:
    return nx.utils.graphs_equal(a, b) and list(a) == list(b)


@pytest.fixture
def run_dir(tmp_path):
    """The folder of a run over `two_generations`, with cell 2 unseen in frames 13 and 14."""
    folder = tmp_path / "video.lineage"
    folder.mkdir()
    lineage = as_lineage(worlds.two_generations(), unseen={2: [13, 14]})
    predictions = predictions_of({7: (0.25, 0.75), 8: (0.875, 0.125)})
    tree = annotate(lineage, predictions=predictions, n_frames=30)
    graphml.write(tree, folder / "lineage.graphml")
    labels = zarr.create_array(
        folder / "labels.zarr" / "tracked",
        shape=(30, *worlds.SHAPE),
        chunks=(1, *worlds.SHAPE),
        dtype="uint32",
    )
    labels[:] = paint(lineage)
    events = event_table(lineage, predictions=predictions, side_um={7: 80.0, 8: 90.0})
    tracklets, lineages = tables.tables(tree, events)
    for name, table in zip(csv.COLUMNS, (lineage.detections, tracklets, events, lineages), strict=True):
        table.to_csv(folder / name, index=False)
    return folder


def needs(package: str):
    return pytest.mark.skipif(not find_spec(package), reason=f"needs {package}, of the extra exports")


def command(*words: object):
    return CliRunner().invoke(app, [str(w) for w in words])


# --- GraphML


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_graphml_comes_back_equal(tmp_path, world):
    tree = annotate(as_lineage(world()), predictions=predictions_of({7: (1 / 3, 2 / 3)}), dose_gy=0.1 + 0.2)
    graphml.write(tree, tmp_path / "lineage.graphml")

    back = graphml.read(tmp_path / "lineage.graphml")

    assert same(back, tree)
    assert back.graph == tree.graph
    assert [(type(v)) for v in back.graph.values()] == [type(v) for v in tree.graph.values()]


def test_graphml_comes_back_equal_through_networkx_alone(tmp_path):
    tree = annotate(as_lineage(worlds.sisters_fuse()))
    graphml.write(tree, tmp_path / "lineage.graphml")

    back = nx.read_graphml(tmp_path / "lineage.graphml", node_type=int)

    back.graph = {k: v for k, v in back.graph.items() if not k.endswith("_default")}  # networkx's own notes
    assert same(back, tree)


def test_graphml_drops_what_xml_cannot_hold(tmp_path):
    tree = annotate(as_lineage(worlds.lone_cell()), video_name="a\x00b\x1b <&> \udcff\ufffe\U0001f52c µ.tif")
    graphml.write(tree, tmp_path / "lineage.graphml")

    assert graphml.read(tmp_path / "lineage.graphml").graph["video"] == "ab <&> \U0001f52c µ.tif"


def test_graphml_refuses_what_it_cannot_hold_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "lineage.graphml"
    tree = annotate(as_lineage(worlds.lone_cell()))
    graphml.write(tree, path)
    before = path.read_bytes()
    tree.nodes[1]["dna_mass"] = np.float64(2.0)

    with pytest.raises(TypeError, match="dna_mass"):
        graphml.write(tree, path)

    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_yed_draws_each_cell_over_its_life_in_the_colour_of_its_verdict(tmp_path):
    lineage, events, _ = worlds.every_subtype()
    tree = annotate(lineage, events, predictions_of({e.event_id: (0.25, 0.75) for e in events}))
    yed.write(tree, tmp_path / "a.graphml")

    back = nx.read_graphml(tmp_path / "a.graphml", node_type=int)
    root = ElementTree.parse(tmp_path / "a.graphml").getroot()

    y = f"{{{yed.NAMESPACE}}}"
    of_graphml = "{http://graphml.graphdrawing.org/xmlns}"
    keys = {key.get("id"): key.attrib for key in root.iter(f"{of_graphml}key")}
    drawn = {int(node.get("id")): node for node in root.iter(f"{of_graphml}node")}
    boxes = {}
    assert set(drawn) == set(tree)
    assert set(back.edges) == set(tree.edges)
    for cell, life in tree.nodes.items():
        (data,) = (d for d in drawn[cell] if len(d))
        assert keys[data.get("key")] == {"id": "node", "for": "node", "yfiles.type": "nodegraphics"}
        box = {k: float(v) for k, v in data.find(f".//{y}Geometry").attrib.items()}
        boxes[cell] = (box["x"], box["y"])
        assert box["y"] == pytest.approx(life["birth_min"] / 60 * yed.HOUR)
        assert data.find(f".//{y}Fill").get("color") == colours(tree, "verdict")[cell]
        assert back.nodes[cell]["label"].split("\n")[0] == str(cell)
        assert back.nodes[cell]["label"].split("\n")[1:] == (
            [life["subtype"].replace("_", " ")] if "subtype" in life else []
        )
        assert {k: v for k, v in back.nodes[cell].items() if k in life} == life
    assert len(set(boxes.values())) == len(tree)
    assert len({colours(tree, "verdict")[cell] for cell in tree}) > 1


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_yed_comes_back_as_the_same_lineage(tmp_path, world):
    tree = annotate(as_lineage(world()))
    yed.write(tree, tmp_path / "a.graphml")
    back = graphml.read(tmp_path / "a.graphml")
    assert set(back.edges) == set(tree.edges)
    assert {c: back.nodes[c]["fate"] for c in back} == {c: tree.nodes[c]["fate"] for c in tree}


def test_command_draws_for_yed_when_asked(run_dir, tmp_path):
    for more in ((), ("--yed",)):
        out = tmp_path / f"a{len(more)}.graphml"
        assert command("graphml", run_dir, out, *more).exit_code == 0
        assert ("ShapeNode" in out.read_text(encoding="utf-8")) == bool(more)


@pytest.mark.parametrize(
    "text",
    [
        "not xml",
        "<graphml/>",
        '<!DOCTYPE g [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="directed">'
        '<node id="a"/></graph></graphml>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="undirected"/></graphml>',
    ],
)
def test_graphml_of_something_else_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "lineage.graphml"
    path.write_text(text)

    with pytest.raises(InputError, match=r"lineage\.graphml") as error:
        graphml.read(path)

    assert "\n" not in str(error.value)


# --- GEFF


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_geff_is_valid_and_holds_every_nucleus(tmp_path, world):
    import geff as reader
    from geff.validate.data import ValidationConfig

    lineage = as_lineage(world(), unseen={2: [13, 14]})
    geff.write(annotate(lineage), lineage.detections, tmp_path / "a.geff", labels=tmp_path / "l.zarr/tracked")

    graph, metadata = reader.read(
        tmp_path / "a.geff", data_validation=ValidationConfig(graph=True, lineage=True, tracklet=True)
    )

    assert set(graph) == set(lineage.detections["detection_id"])
    assert metadata.related_objects[0].path == "../l.zarr/tracked"
    seg_id = dict(graph.nodes("seg_id"))
    between = {(int(seg_id[a]), int(seg_id[b])) for a, b in graph.edges if seg_id[a] != seg_id[b]}
    assert between == set(lineage.graph.edges)
    for _, nucleus in graph.nodes.items():
        assert nucleus["y"] * worlds.PIXEL_UM == nucleus["y_um"]
        assert ("mitosis_class" in nucleus) == (lineage.graph.out_degree(int(nucleus["seg_id"])) > 1)


def test_geff_leaves_out_detections_of_no_cell(tmp_path):
    import geff as reader
    from geff.validate.data import ValidationConfig

    lineage = as_lineage(worlds.one_division())
    lineage.detections.loc[lineage.detections["tracklet_id"] == 3, "tracklet_id"] = -1
    lineage.graph.remove_node(3)
    tree = annotate(lineage, events=[])
    geff.write(tree, lineage.detections, tmp_path / "a.geff", labels=tmp_path / "l.zarr/tracked")

    graph, _ = reader.read(tmp_path / "a.geff", data_validation=ValidationConfig(tracklet=True))

    assert len(graph) == (lineage.detections["tracklet_id"] != -1).sum() == 20
    # One mother, one daughter: one chain, which GEFF calls one tracklet.
    assert set(dict(graph.nodes("tracklet")).values()) == {1}


def everything(folder, *, binary: bool):
    """Every subtype, each with a probability and a log-odds, as GEFF; the graph, the table and what is "
    "left out."""
    import geff as reader
    from geff.validate.data import ValidationConfig

    lineage, events, _ = worlds.every_subtype()
    events = [replace(e, confidence=float(e.event_id)) for e in events]
    predictions = predictions_of({e.event_id: (0.25, 0.75) for e in events})
    tree = annotate(lineage, events, predictions)
    table = event_table(lineage, events, predictions)
    path = folder / "a.geff"
    labels = folder / "l.zarr" / "tracked"
    geff.write(tree, lineage.detections, path, labels=labels, events=table, binary=binary)
    every = ValidationConfig(graph=True, sphere=True, ellipsoid=True, lineage=True, tracklet=True)
    graph, metadata = reader.read(path, data_validation=every)
    beside = geff.left_out_beside(path)
    return tree, graph, metadata, pd.read_csv(beside) if beside.exists() else None


def test_geff_says_of_each_nucleus_what_became_of_its_cells_mitosis(tmp_path):
    tree, graph, _, left_out = everything(tmp_path, binary=False)
    assert left_out is None
    assert len({life["subtype"] for _, life in tree.nodes(data=True) if "subtype" in life}) == 8
    for _, nucleus in graph.nodes.items():
        life = tree.nodes[int(nucleus["seg_id"])]
        for name in ("subtype", "verdict", "p_verdict", "p_abnormal"):
            assert nucleus.get(name) == life.get(name)
        assert nucleus.get("confidence") == life.get("event_id")  # as `everything` has it
        assert nucleus["generation"] == life["generation"]


def test_geff_leaves_out_a_property_that_no_nucleus_has(tmp_path):
    import geff as reader

    lineage = as_lineage(worlds.one_division())
    geff.write(annotate(lineage), lineage.detections, tmp_path / "a.geff", labels=tmp_path / "l.zarr/tracked")
    _, metadata = reader.read(tmp_path / "a.geff")
    assert {"p_abnormal", "confidence"} & set(metadata.node_props_metadata) == set()
    assert {"verdict", "p_verdict"} <= set(metadata.node_props_metadata)


def test_geff_for_two_daughters_lists_what_it_leaves_out(tmp_path):
    tree, graph, metadata, left_out = everything(tmp_path, binary=True)
    assert max(d for _, d in tree.out_degree) == 4
    assert max(d for _, d in tree.in_degree) == 2
    assert max(d for _, d in graph.out_degree) == 2
    assert max(d for _, d in graph.in_degree) == 1
    seg_id = dict(graph.nodes("seg_id"))
    kept = {(int(seg_id[a]), int(seg_id[b])) for a, b in graph.edges if seg_id[a] != seg_id[b]}
    lost = set(zip(left_out["mother_id"], left_out["daughter_id"], strict=True))
    assert kept | lost == set(tree.edges)
    assert not kept & lost
    assert left_out["kind"].tolist() == ["fusion", "division", "division", "division"]
    for row in left_out.itertuples():
        assert (seg_id[row.source_node], seg_id[row.target_node]) == (row.mother_id, row.daughter_id)
        assert graph.nodes[row.target_node]["t"] == row.frame
    known = metadata.extra["lineage"]["codes"]
    for _, nucleus in graph.nodes.items():
        assert all(isinstance(value, (int, float, np.number)) for value in nucleus.values())
        life = tree.nodes[int(nucleus["seg_id"])]
        for name in ("subtype", "verdict", "fate"):
            assert nucleus.get(name) == known[name].get(life.get(name))


@pytest.mark.parametrize("more", [(), ("--binary",)])
def test_geffs_labels_lie_where_its_nuclei_are(run_dir, tmp_path, more):
    from geff.core_io import read_to_memory
    from geff.validate import segmentation as valid

    result = command("geff", run_dir, tmp_path / "a.geff", *more)
    assert result.exit_code == 0, result.stderr
    assert ("relations left out: 0; see a.left_out.csv" in result.stdout) == bool(more)
    found = read_to_memory(tmp_path / "a.geff")
    (related,) = found["metadata"].related_objects
    masks = zarr.open_array(tmp_path / "a.geff" / related.path, mode="r")[:]
    props = {name: found["node_props"][name]["values"] for name in ("t", "y", "x", related.node_prop)}
    at = np.column_stack([props["t"], props["y"], props["x"]])
    assert valid.has_valid_seg_id(found, related.node_prop)[0]
    assert valid.axes_match_seg_dims(found, masks)[0]
    assert valid.graph_is_in_seg_bounds(found, masks)[0]
    assert valid.has_seg_ids_at_coords(masks, at, props["seg_id"])[0]
    assert not valid.has_seg_ids_at_coords(masks, at, props["seg_id"] + 1)[0]


# --- Newick and NHX


def number(clade) -> int:
    return int(clade.name.removeprefix("cell"))


@pytest.mark.parametrize("world", worlds.WORLDS)
@pytest.mark.parametrize("annotated", [False, True])
def test_newick_has_each_cell_once_under_a_parent_at_its_time(tmp_path, world, annotated):
    tree = annotate(as_lineage(world()))
    remarks = newick.write(tree, tmp_path / "a.nwk", annotated=annotated)

    found = list(Phylo.parse(tmp_path / "a.nwk", "newick"))

    assert [number(t.root) for t in found] == [c for c in sorted(tree) if not tree.in_degree(c)]
    names = [number(c) for t in found for c in t.find_clades()]
    assert sorted(names) == sorted(tree)
    several = {c: min(tree.predecessors(c)) for c in tree if tree.in_degree(c) > 1}
    assert bool(remarks) == bool(several)
    for founder in found:
        start_min = tree.nodes[number(founder.root)]["birth_min"]
        for clade, depth_h in founder.depths().items():
            cell = number(clade)
            assert depth_h == pytest.approx((tree.nodes[cell]["end_min"] - start_min) / 60)
            for daughter in map(number, clade.clades):
                assert tree.has_edge(cell, daughter)
                assert several.get(daughter, cell) == cell


def test_nhx_carries_attributes_and_breaks_at_no_sign_in_them(tmp_path):
    tree = annotate(as_lineage(worlds.sisters_fuse()), predictions=predictions_of({7: (0.25, 0.75)}))
    tree.nodes[1]["fate"] = "left: [field]; (at 2,3)=x"
    newick.write(tree, tmp_path / "a.nhx", annotated=True)

    (found,) = Phylo.parse(tmp_path / "a.nhx", "newick")

    comments = {number(c): c.comment.removeprefix("&&NHX:") for c in found.find_clades()}
    attributes = {k: dict(word.split("=") for word in v.split(":")) for k, v in comments.items()}
    assert attributes[1].pop("fate") == "left_field_at_2_3_x"
    assert attributes[4].pop("parents") == "2/3"
    for cell, life in tree.nodes.items():
        expected = {k: str(v) for k, v in life.items() if (cell, k) != (1, "fate")}
        assert attributes[cell] == expected


def test_command_says_what_newick_cannot_hold(run_dir, tmp_path):
    graphml.write(annotate(as_lineage(worlds.clones_fuse())), run_dir / "lineage.graphml")

    result = command("newick", run_dir, tmp_path / "out.nwk")

    assert "cells with several parents: 1" in result.stdout


def test_newick_of_a_graph_without_times_is_refused_in_one_line(run_dir, tmp_path):
    graphml.write(nx.DiGraph([(1, 2)]), run_dir / "lineage.graphml")

    result = command("newick", run_dir, tmp_path / "out.nwk")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out.nwk").exists()


# --- CSV and the command


def test_csv_copies_the_four_tables(run_dir, tmp_path):
    csv.copy(run_dir, tmp_path / "out")

    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(csv.COLUMNS)
    for name in csv.COLUMNS:
        assert (tmp_path / "out" / name).read_bytes() == (run_dir / name).read_bytes()


def test_csv_refuses_a_table_that_is_not_what_its_name_says(run_dir, tmp_path):
    (run_dir / "lineages.csv").write_text("a,b\n1,2\n")

    with pytest.raises(InputError, match=r"lineages\.csv lacks founder_id"):
        csv.copy(run_dir, tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("export", "out"),
    [
        ("ctc", "out"),
        ("graphml", "out.graphml"),
        ("geff", "out.geff"),
        ("csv", "out"),
        ("newick", "out.nwk"),
        ("nhx", "out.nhx"),
        ("trackmate", "out.xml"),
        pytest.param("rois", "out.zip", marks=needs("roifile")),
        pytest.param("parquet", "out", marks=needs("pyarrow")),
        pytest.param("anndata", "out.h5ad", marks=needs("anndata")),
    ],
)
def test_command_exports_and_overwrites_only_when_told(run_dir, tmp_path, export, out):
    assert command(export, run_dir, tmp_path / out).exit_code == 0
    assert (tmp_path / out).exists()

    again = command(export, run_dir, tmp_path / out)

    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert command(export, run_dir, tmp_path / out, "--overwrite").exit_code == 0
    assert not list(tmp_path.rglob("*.part")) + list(tmp_path.rglob("*.old"))


ENDS = {"rois": "zip", "movie": "gif", "anndata": "h5ad", "trackmate": "xml"}  # the others take .geff


@pytest.mark.parametrize("export", ["ctc", "graphml", "geff", "csv", "newick", "nhx", "parquet", *ENDS])
def test_command_refuses_a_folder_that_is_no_run(tmp_path, export):
    (tmp_path / "empty").mkdir()
    out = tmp_path / f"out.{ENDS.get(export, 'geff')}"

    result = command(export, tmp_path / "empty", out)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "empty" in result.stderr
    assert not out.exists()
    debugged = command(export, tmp_path / "empty", out, "--debug")
    assert isinstance(debugged.exception, InputError)


def test_command_says_what_ctc_cannot_hold(run_dir, tmp_path):
    result = command("ctc", run_dir, tmp_path / "out")

    assert "gaps within cells: 1" in result.stdout
    assert ctc_faults(tmp_path / "out/01_RES") == []


def test_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "a.geff"
    with atomic_write(folder) as part:
        part.mkdir()
        (part / "old").touch()

    def fail_halfway() -> None:
        with atomic_write(folder) as part:
            part.mkdir()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_halfway()

    assert [p.name for p in folder.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.geff"]


def test_formats_load_their_libraries_only_when_used():
    code = "import sys, lineage.export.__main__; print({'zarr', 'pandas', 'tifffile'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
