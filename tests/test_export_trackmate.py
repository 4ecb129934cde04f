"""TrackMate's XML holds everything of the tree, by a plain parser and by GEFF's reader of TrackMate files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import worlds
from defusedxml.ElementTree import parse
from exports import paint
from test_export import command, run_dir  # noqa: F401
from test_tree import annotate
from worlds import as_lineage, predictions_of

from lineage.export import trackmate

UNSEEN = {2: [13, 14]}
# GEFF's reader says that it drops declared numbers which no spot has, and that µm is not a unit of its list.
READS = pytest.mark.filterwarnings("ignore:The following", "ignore:Spatial unit", "ignore:Temporal unit")


def write(folder, world, *, movie=None, **options):
    """The world, its tree, what was written of it, and the remarks."""
    lineage = as_lineage(world(), unseen=UNSEEN)
    tree = annotate(lineage, **options)
    remarks = trackmate.write(tree, lineage.detections, folder / "a.xml", labels=paint(lineage), movie=movie)
    return lineage, tree, parse(folder / "a.xml").getroot(), remarks


def spots_of(root) -> dict[int, dict[str, str]]:
    return {int(s.get("ID")): s.attrib for s in root.iter("Spot")}


def links_of(lineage) -> set[tuple[int, int]]:
    """Nucleus -> the cell's next, and a cell's last -> its daughters' first."""
    of = {c: t["detection_id"].tolist() for c, t in lineage.detections.groupby("tracklet_id")}
    within = {(a, b) for ids in of.values() for a, b in pairwise(ids)}
    return within | {(of[m][-1], of[d][0]) for m, d in lineage.graph.edges}


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_every_nucleus_and_every_link_is_there(tmp_path, world):
    lineage, _, root, remarks = write(tmp_path, world)

    spots = spots_of(root)
    assert int(root.find("Model/AllSpots").get("nspots")) == len(spots) == len(lineage.detections)
    for row in lineage.detections.itertuples():
        spot = spots[row.detection_id]
        assert float(spot["POSITION_X"]) == row.x_px * worlds.PIXEL_UM
        assert float(spot["POSITION_Y"]) == row.y_px * worlds.PIXEL_UM
        assert float(spot["POSITION_T"]) == row.time_min
        assert (int(spot["FRAME"]), int(spot["CELL"])) == (row.frame, row.tracklet_id)
        assert float(spot["RADIUS"]) ** 2 * np.pi == pytest.approx(row.area_um2)
    edges = [(int(e.get("SPOT_SOURCE_ID")), int(e.get("SPOT_TARGET_ID"))) for e in root.iter("Edge")]
    assert len(edges) == len(set(edges))
    assert set(edges) == links_of(lineage)
    assert remarks == []


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_whatever_is_said_of_a_spot_or_a_track_is_a_number_that_is_declared(tmp_path, world):
    _, _, root, _ = write(tmp_path, world)

    for what, declared in (("Spot", "Spot"), ("Edge", "Edge"), ("Track", "Track")):
        kinds = {f.get("feature"): f.get("isint") for f in root.find(f".//{declared}Features")}
        for element in root.iter(what):
            numbers = {k: v for k, v in element.attrib.items() if k not in ("ID", "name", "ROI_N_POINTS")}
            assert set(numbers) <= set(kinds)
            for key, text in numbers.items():
                assert np.isfinite(int(text) if kinds[key] == "true" else float(text))


@pytest.mark.parametrize(
    ("world", "counts"),
    [
        (worlds.lone_cell, {1: (10, 0, 0, 0)}),
        (worlds.three_daughters, {1: (38, 1, 0, 1)}),
        (worlds.two_generations, {1: (48, 2, 0, 1), 8: (10, 0, 0, 0)}),
        (worlds.sisters_fuse, {1: (58, 2, 1, 1)}),
        (worlds.clones_fuse, {1: (50, 1, 1, 1)}),  # whoever ends early is linked across a gap
        (worlds.empty, {}),
    ],
)
def test_tracks_count_spots_divisions_fusions_and_gaps(tmp_path, world, counts):
    _, _, root, _ = write(tmp_path, world)

    names = ("NUMBER_SPOTS", "NUMBER_SPLITS", "NUMBER_MERGES", "NUMBER_GAPS")
    found = {int(t.get("TRACK_ID")): tuple(int(t.get(n)) for n in names) for t in root.iter("Track")}
    assert found == counts
    assert [int(t.get("TRACK_ID")) for t in root.iter("TrackID")] == list(counts)
    assert [int(t.get("TRACK_INDEX")) for t in root.iter("Track")] == list(range(len(counts)))


@READS
@pytest.mark.parametrize("world", [w for w in worlds.WORLDS if w is not worlds.empty])
def test_the_reader_of_geff_finds_the_same(tmp_path, world):
    import geff
    from geff.convert import from_trackmate_xml_to_geff

    sure, movie = predictions_of({7: (0.05, 0.95)}), tmp_path / "a.tif"
    lineage, tree, _, _ = write(tmp_path, world, predictions=sure, movie=movie)

    from_trackmate_xml_to_geff(tmp_path / "a.xml", tmp_path / "b.geff")
    graph, metadata = geff.read(tmp_path / "b.geff")

    assert set(graph) == set(lineage.detections["detection_id"])
    assert set(graph.edges) == links_of(lineage)
    assert {a.name: a.unit for a in metadata.axes} == {
        "POSITION_X": "µm", "POSITION_Y": "µm", "POSITION_Z": "µm", "POSITION_T": "min",
    }  # fmt: skip
    for _, nucleus in graph.nodes.items():
        verdict = tree.nodes[int(nucleus["CELL"])].get("verdict")
        assert nucleus.get("VERDICT") == (verdict and trackmate.VERDICTS[verdict])
        assert nucleus["ROI_N_POINTS"] == len(nucleus["ROI_coords"])


def test_verdicts_are_numbers_and_colours_of_the_mothers_nuclei(tmp_path):
    sure = predictions_of({7: (0.01, 0.99)})
    _, tree, root, _ = write(tmp_path, worlds.one_division, predictions=sure)
    assert tree.nodes[1]["verdict"] == "abnormal"

    for spot in spots_of(root).values():
        mother = spot["CELL"] == "1"
        assert spot.get("VERDICT") == (str(trackmate.VERDICTS["abnormal"]) if mother else None)
        assert spot.get("MANUAL_SPOT_COLOR") == (str(trackmate.COLOURS["abnormal"]) if mother else None)
        assert ("P_VERDICT" in spot) == mother
    (declared,) = (f for f in root.iter("Feature") if f.get("feature") == "VERDICT")
    assert "2 abnormal" in declared.get("name")


def test_outlines_lie_around_the_nuclei_in_micrometres(tmp_path):
    _, _, root, _ = write(tmp_path, worlds.one_division)

    spots = list(root.iter("Spot"))
    assert len(spots) > 20
    for spot in spots:
        corners = np.array(spot.text.split(), float).reshape(-1, 2)
        assert len(corners) == int(spot.get("ROI_N_POINTS"))
        # Squares of 7 pixels of 2 um around the middle.
        assert np.abs(corners).max(axis=0).tolist() == [7.0, 7.0]


def test_the_larger_piece_of_a_nucleus_is_outlined_and_one_nucleus_alone_is_no_track(tmp_path):
    lineage = as_lineage(worlds.lone_cell(), lives={1: range(4, 5)})
    labels = paint(lineage)
    labels[4, 10, 10] = 1

    remarks = trackmate.write(annotate(lineage), lineage.detections, tmp_path / "a.xml", labels=labels)

    root = parse(tmp_path / "a.xml").getroot()
    (spot,) = root.iter("Spot")
    assert np.abs(np.array(spot.text.split(), float)).max() == 7.0
    assert not list(root.iter("Track"))
    assert remarks == [
        "cells of a single nucleus and without relatives, spots of no track: 1",
        "nuclei in several pieces, outlined by the largest: 1",
    ]


def test_names_of_movies_come_back_and_control_characters_do_not(tmp_path):
    movie = Path("/data/R & D") / "a<b>&\"c'\x00 µ.tif"
    _, tree, root, _ = write(tmp_path, worlds.lone_cell, movie=movie, video_name='a\x1b<&>".tif')

    image = root.find("Settings/ImageData").attrib
    assert (image["filename"], image["folder"]) == ("a<b>&\"c' µ.tif", str(movie.parent))
    assert 'a<&>".tif' in root.find("Log").text
    assert [float(image[k]) for k in ("width", "height", "nframes", "nslices")] == [
        *worlds.SHAPE[::-1], tree.graph["n_frames"], 1,
    ]  # fmt: skip
    assert [float(image[k]) for k in ("pixelwidth", "pixelheight", "timeinterval")] == [
        worlds.PIXEL_UM, worlds.PIXEL_UM, worlds.MINUTES,
    ]  # fmt: skip


def test_detections_of_no_cell_are_left_out_and_the_bytes_are_the_same_each_time(tmp_path):
    lineage = as_lineage(worlds.one_division())
    tree, labels = annotate(lineage), paint(lineage)
    seen = lineage.detections
    stray = pd.concat([seen, seen.iloc[:1].assign(tracklet_id=-1, detection_id=999)])

    trackmate.write(tree, seen, tmp_path / "a.xml", labels=labels)
    trackmate.write(tree, stray.sample(frac=1, random_state=0), tmp_path / "b.xml", labels=labels)

    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()


def test_command_refuses_another_suffix_and_a_run_whose_tables_are_damaged(run_dir, tmp_path):  # noqa: F811
    assert ".xml" in command("trackmate", run_dir, tmp_path / "out.txt").stderr
    for name, text in (("detections.csv", "a,b\n1,2\n"), ("lineage.graphml", "<graphml/>")):
        kept = (run_dir / name).read_bytes()
        (run_dir / name).write_text(text)

        result = command("trackmate", run_dir, tmp_path / "out.xml")

        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert name in result.stderr
        assert not (tmp_path / "out.xml").exists()
        (run_dir / name).write_bytes(kept)
