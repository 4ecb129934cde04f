"""What napari is given of a run folder: its manifest, and layers that lie on each other."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from drawn_run import DIVIDES_AT, FRAMES, SIDE

from lineage.export import graphml, napari
from lineage.export.colours import PLAIN, VERDICTS
from lineage.io import labels
from lineage.schema import InputError

CHANNELS = ("channel 0", "channel 1")  # phase contrast and DNA
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def layers(drawn) -> dict:
    """Name -> data, arguments, kind."""
    return {arguments["name"]: (data, arguments, kind) for data, arguments, kind in napari.read(str(drawn))}


def test_the_manifest_leads_from_the_package_to_the_reader(drawn):
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    entries = package["project"]["entry-points"]["napari.manifest"]
    ((name, where),) = entries.items()
    module, _, file = where.partition(":")
    assert file in package["tool"]["setuptools"]["package-data"][module]
    manifest = tomllib.loads(Path(import_module(module).__path__[0], file).read_text(encoding="utf-8"))
    assert manifest["name"] == name == package["project"]["name"]
    (command,) = manifest["contributions"]["commands"]
    (reader,) = manifest["contributions"]["readers"]
    assert reader["command"] == command["id"]
    assert command["id"].startswith(f"{name}.")
    assert reader["accepts_directories"] is True
    assert any(drawn.match(pattern) for pattern in reader["filename_patterns"])
    module, _, function = command["python_name"].partition(":")
    assert getattr(import_module(module), function)(str(drawn)) is napari.read


def test_what_is_no_run_is_left_to_other_readers(drawn, tmp_path):
    (tmp_path / "empty.lineage").mkdir()
    for path in (tmp_path / "empty.lineage", tmp_path / "none.lineage", drawn / "run.json"):
        assert napari.get_reader(str(path)) is None
    assert napari.get_reader([str(drawn), str(drawn)]) is None


def test_layers_are_of_known_kinds_and_of_one_scale(layers):
    kinds = {name: kind for name, (_, _, kind) in layers.items()}
    assert kinds == {
        **dict.fromkeys(CHANNELS, "image"), "cells": "labels", "lineages": "tracks", "events": "points",
    }  # fmt: skip
    assert {arguments["scale"] for _, arguments, _ in layers.values()} == {(10.0, 1.0, 1.0)}
    assert [layers[name][1]["visible"] for name in CHANNELS] == [False, True]


def test_channels_are_the_movies_pixels_read_frame_by_frame(drawn, layers):
    pixels = tifffile.imread(drawn.parent / "drawn.tif")
    for channel, name in enumerate(CHANNELS):
        data, arguments, _ = layers[name]
        assert (data.shape, data.ndim, data.dtype, len(data)) == ((FRAMES, SIDE, SIDE), 3, np.uint16, FRAMES)
        np.testing.assert_array_equal(data[5], pixels[5, channel])
        np.testing.assert_array_equal(data[-1, 3:9, 7], pixels[-1, channel, 3:9, 7])
        np.testing.assert_array_equal(data[2:4, :, ::2], pixels[2:4, channel, :, ::2])
        np.testing.assert_array_equal(np.asarray(data), pixels[:, channel])
        assert np.all(np.diff(arguments["contrast_limits"]) > 0)


def test_tracks_and_events_lie_on_the_labels(drawn, layers):
    masks, _, _ = layers["cells"]
    tracks, arguments, _ = layers["lineages"]
    tree = graphml.read(drawn / "lineage.graphml")
    assert masks.shape == (FRAMES, SIDE, SIDE)
    frames = labels.open_array(drawn / "labels.zarr", labels.TRACKED)
    np.testing.assert_array_equal(masks[3], frames[3])
    cell, t, y, x = tracks.T
    under = masks[:][t.astype(int), y.round().astype(int), x.round().astype(int)]
    np.testing.assert_array_equal(under, cell)
    assert {(p, c) for c, parents in arguments["graph"].items() for p in parents} == set(tree.edges)
    assert len(tree.edges) == 2
    founder = dict(zip(cell.astype(int), arguments["features"]["founder"], strict=True))
    assert founder == {c: life["founder"] for c, life in tree.nodes.items()}
    order = list(zip(cell, t, strict=True))
    assert order == sorted(set(order))


def test_events_have_the_colour_of_their_verdict(drawn, layers):
    places, arguments, _ = layers["events"]
    table = pd.read_csv(drawn / "events.csv", keep_default_na=False)
    assert len(table) >= 1
    assert places[0, 0] == pytest.approx(DIVIDES_AT, abs=1)
    assert arguments["features"]["event_id"].tolist() == table["event_id"].tolist()
    assert arguments["face_color"] == [VERDICTS.get(verdict, PLAIN) for verdict in table["verdict"]]
    assert set(arguments["face_color"]) <= set(VERDICTS.values())


def test_without_its_movie_the_rest_opens_and_says_so(drawn, tmp_path):
    moved = tmp_path / "drawn.lineage"
    shutil.copytree(drawn, moved)
    movie = drawn.parent / "drawn.tif"
    movie.rename(drawn.parent / "away.tif")
    try:
        with pytest.warns(UserWarning, match=r"drawn\.tif is not there"):
            found = napari.read(str(moved))
    finally:
        (drawn.parent / "away.tif").rename(movie)
    assert [kind for _, _, kind in found] == ["labels", "tracks", "points"]


def test_a_changed_file_is_refused(drawn, tmp_path):
    changed = tmp_path / "drawn.lineage"
    shutil.copytree(drawn, changed)
    with (changed / "events.csv").open("a") as file:
        file.write("1\n")
    with pytest.raises(InputError, match=r"events\.csv"):
        napari.read(str(changed))


def test_finding_the_reader_is_cheap():
    code = (
        "import sys, lineage.export.napari as n; n.get_reader('a'); "
        "print({'napari', 'zarr', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
