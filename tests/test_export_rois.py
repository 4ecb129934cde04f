"""What the ImageJ ROIs promise: roifile reads the labels back, each in its frame."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pytest
import worlds
from exports import paint
from scipy.ndimage import binary_fill_holes
from skimage.draw import polygon2mask
from test_export import command, run_dir  # noqa: F401
from test_tree import annotate
from worlds import as_lineage

from lineage.export import rois
from lineage.export.colours import FOUNDERS, PLAIN, VERDICTS, colours
from lineage.outlines import polygons
from lineage.schema import InputError


def filled(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose middle lies within the polygon, as ImageJ fills it."""
    return polygon2mask(shape, polygon[:, ::-1] - 0.5)


def drawn(labels: np.ndarray) -> np.ndarray:
    again = np.zeros_like(labels)
    for label, polygon in polygons(labels):
        again[filled(polygon, labels.shape)] = label
    return again


def test_polygons_hold_just_the_pixels_and_the_holes_of_random_masks():
    rng = np.random.default_rng(0)
    for mask in rng.random((50, 12, 14)) < 0.6:
        # Pixels that touch at a corner are two pieces: what they close in is no hole.
        whole = binary_fill_holes(mask, np.ones((3, 3)))
        assert (drawn(mask.astype(int)).astype(bool) == whole).all()


@pytest.mark.parametrize(
    "rows",
    [
        ["1"],
        ["1.2", "122"],
        ["111", "1.1", "1.."],
        ["1..", ".1.", "..1"],
        [".1.", "1..", "11."],
        ["22.1", "2..1", "22.1"],
    ],
)
def test_polygons_hold_just_the_pixels(rows):
    labels = np.array([[int(c.replace(".", "0")) for c in row] for row in rows])

    assert (drawn(labels) == labels).all()


def test_a_hole_is_filled_and_a_piece_is_an_outline_of_its_own_the_largest_first():
    ring = np.ones((3, 3), int)
    ring[1, 1] = 0
    assert [p.tolist() for _, p in polygons(ring)] == [[[0, 0], [3, 0], [3, 3], [0, 3]]]

    pieces = [p for _, p in polygons(np.array([[1, 0, 1, 1]]))]
    assert [p[:, 0].min() for p in pieces] == [2, 0]


def test_colours_are_of_founders_or_of_verdicts():
    tree = annotate(as_lineage(worlds.two_generations()))
    tree.nodes[1]["verdict"], tree.nodes[2]["verdict"] = "abnormal", "not_a_mitosis"

    founders, verdicts = colours(tree, "lineage"), colours(tree, "verdict")

    assert founders == dict.fromkeys([1, 2, 3, 4, 5], FOUNDERS[0]) | {8: FOUNDERS[1]}
    assert verdicts == dict.fromkeys([2, 3, 4, 5, 8], PLAIN) | {1: VERDICTS["abnormal"]}


@pytest.mark.parametrize(("words", "place"), [((), "position"), (("--hyperstack",), "t_position")])
def test_roifile_reads_the_labels_back(run_dir, tmp_path, words, place):  # noqa: F811
    roifile = pytest.importorskip("roifile", reason="needs the extra exports")
    labels = paint(as_lineage(worlds.two_generations(), unseen={2: [13, 14]}))

    result = command("rois", run_dir, tmp_path / "out.zip", *words)

    assert result.exit_code == 0, result.stderr
    found = roifile.roiread(tmp_path / "out.zip")
    again = np.zeros_like(labels)
    for roi in found:
        cell, frame = (int(word) for word in roi.name.removeprefix("cell").split("_"))
        places = {"position": 0, "c_position": 0, "z_position": 0, "t_position": 0} | {place: frame + 1}
        assert {name: getattr(roi, name) for name in places} == places
        assert roi.roitype == roifile.ROI_TYPE.POLYGON
        assert roi.stroke_color == b"\xff" + bytes.fromhex(FOUNDERS[int(cell == 8)][1:])
        again[frame][filled(roi.coordinates(), labels.shape[1:])] = cell
    assert len({roi.name for roi in found}) == len(found) > 30
    assert (again == labels).all()


def test_rois_of_another_tree_are_refused_and_nothing_is_left(tmp_path):
    pytest.importorskip("roifile", reason="needs the extra exports")
    lineage = as_lineage(worlds.one_division())
    with pytest.raises(InputError, match="not in the tree"):
        rois.write(nx.DiGraph(), paint(lineage), tmp_path / "out.zip", hyperstack=False)
    assert list(tmp_path.iterdir()) == []


def test_without_roifile_one_line_names_what_to_install(run_dir, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "roifile", None)

    result = command("rois", run_dir, tmp_path / "out.zip")

    assert result.exit_code == 2
    assert result.stderr.strip() == "error: ImageJ ROIs need roifile: pip install 'mitosis-lineage[exports]'"
