"""From Python: arrays and files go in, tables and graphs come out, and they are those of a run."""

from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import tifffile

import lineage
from lineage import config
from lineage.schema import DETECTION_COLUMNS, EVENT_COLUMNS, NUCLEUS_COLUMNS, TRACKLET_COLUMNS

UNITS = {"pixel_size_um": 1.1518, "minutes_per_frame": 10.0}


def masks():
    """(T, Y, X), the first hours of the example's ground truth."""
    files = sorted(Path("examples/demo.truth/TRA").glob("*.tif"))[:20]
    return np.stack([tifffile.imread(f) for f in files])


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    """The first two hours and a half of the example."""
    pixels = tifffile.imread("examples/demo.tif")[:15]
    path = tmp_path_factory.mktemp("api") / "short.ome.tif"
    metadata = {
        "axes": "TCYX",
        "Channel": {"Name": ["phase", "SiR-DNA"]},
        "PhysicalSizeX": 1.1518,
        "PhysicalSizeY": 1.1518,
        "PhysicalSizeXUnit": "um",
        "PhysicalSizeYUnit": "um",
        "TimeIncrement": 10.0,
        "TimeIncrementUnit": "min",
    }
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata)
    return path


@pytest.fixture(scope="module")
def result(movie):
    return lineage.analyse(movie, dose_gy=4, quiet=True)


def test_every_name_that_is_promised_is_there():
    assert set(lineage.__all__) <= set(dir(lineage))
    assert all(getattr(lineage, name).__doc__ for name in lineage.__all__)
    with pytest.raises(AttributeError, match="no attribute 'segmentate'"):
        lineage.segmentate  # noqa: B018


@pytest.mark.parametrize("kind", ["array", "file", "text"])
def test_masks_of_ones_own_are_tracked(tmp_path, kind):
    given = masks()
    if kind != "array":
        tifffile.imwrite(tmp_path / "masks.tif", given.astype(np.uint16))
        given = tmp_path / "masks.tif" if kind == "file" else str(tmp_path / "masks.tif")
    nuclei = lineage.from_masks(given, **UNITS, quiet=True)
    assert list(nuclei.table) == list(NUCLEUS_COLUMNS)
    assert np.array_equal(nuclei.labels[3], masks()[3])
    tracks = lineage.track(nuclei, quiet=True)
    assert nx.is_directed_acyclic_graph(tracks.tree)
    assert max(d for _, d in tracks.tree.out_degree) == 2
    assert [list(t) for t in (tracks.nuclei, tracks.events, tracks.cells)] == [
        [*DETECTION_COLUMNS],
        [*EVENT_COLUMNS],
        [*TRACKLET_COLUMNS],
    ]
    mitoses = tracks.events[tracks.events["event_type"] == "mitosis"]
    assert len(mitoses) > 2
    assert set(mitoses["mitosis_class"]) == {"unclassified"}
    assert set(mitoses["verdict"]) <= {"undecided", "abnormal"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixel_size_um": None}, "pixel_size_um|pixel-size-um"),
        ({"masks": np.zeros((4, 8), np.uint8)}, "wanted three"),
        ({"masks": [1, 2]}, "masks are list; wanted three"),
        ({"masks": np.full((4, 8, 8), 0.5)}, "no mask of instances"),
    ],
)
def test_masks_that_cannot_be_used_are_refused(change, words):
    given = {"masks": masks()} | UNITS | change
    with pytest.raises(lineage.InputError, match=words):
        lineage.from_masks(**given, quiet=True)


def test_settings_of_the_tracking_have_names():
    nuclei = lineage.from_masks(masks(), **UNITS, quiet=True)
    with pytest.raises(TypeError, match="max_sped"):
        lineage.track(nuclei, settings={"max_sped": 1.0}, quiet=True)


def test_a_movie_goes_all_the_way_and_its_result_can_be_kept(result, tmp_path):
    assert result.tree.graph["dose_gy"] == 4
    assert set(result.cells["tracklet_id"]) == set(result.tree)
    assert result.labels.shape[0] == 15
    assert set(np.unique(result.labels[0])) - {0} <= set(result.tree)
    with pytest.raises(lineage.InputError, match="no crop of event 999"):
        result.crop(999)
    before = result.events
    kept = result.save(tmp_path / "short.lineage")
    with pytest.raises(lineage.InputError, match="is there already"):
        result.save(kept)
    again = lineage.load(kept)
    pd.testing.assert_frame_equal(again.events, before)
    assert nx.utils.graphs_equal(again.tree, result.tree)
    assert repr(again) == repr(result)


@pytest.mark.parametrize("kind", ["mapping", "file", "config"])
def test_arguments_go_above_settings_and_settings_hold_where_there_are_none(
    movie, tmp_path, monkeypatch, kind
):
    (tmp_path / "c.toml").write_text("dose_gy = 2\n[track]\nmax_speed = 0.1\n")
    settings = {
        "mapping": {"dose_gy": 2, "track.max_speed": 0.1},
        "file": tmp_path / "c.toml",
        "config": config.read(tmp_path / "c.toml", {}),
    }[kind]
    seen = []
    monkeypatch.setattr("lineage.run.run", lambda _, __, chosen, **___: seen.append(chosen))
    lineage.analyse(movie, settings=settings, out=tmp_path / "a.lineage", quiet=True)
    lineage.analyse(movie, settings=settings, dose_gy=6, out=tmp_path / "a.lineage", quiet=True)
    assert [(c.dose_gy, c.track.max_speed) for c in seen] == [(2, 0.1), (6, 0.1)]


def test_step_by_step_the_nuclei_and_cells_are_those_of_a_run(result, movie):
    opened = lineage.open(movie)
    nuclei = lineage.segment(opened, quiet=True)
    tracks = lineage.track(nuclei, opened, quiet=True)
    assert len(nuclei.table) == len(result.nuclei)
    assert nuclei.table["area_um2"].sum() == pytest.approx(result.nuclei["area_um2"].sum(), rel=1e-5)
    # A run undoes divisions that its classifier rejects; nuclei of no cell are the same.
    assert (tracks.nuclei["tracklet_id"] < 0).sum() == (result.nuclei["tracklet_id"] < 0).sum()


def test_an_array_is_a_movie(movie, result):
    pixels = tifffile.imread(movie)
    opened = lineage.open(
        pixels, nucleus_channel=1, phase_channel=0, pixel_size_um=1.1518, minutes_per_frame=10.0
    )
    assert np.array_equal(opened.frame(3, 1), pixels[3, 1])
    found = lineage.analyse(opened, quiet=True)
    columns = ["mother_id", "frame", "subtype", "verdict"]
    pd.testing.assert_frame_equal(found.events[columns], result.events[columns])
    assert found.record["input"]["sha256"] == opened.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixel_size_um": None}, "states no units"),
        ({"pixel_size_um": 1e-6}, "not credible"),
        ({"movie": np.zeros((12, 8), np.uint8)}, "wanted"),
        ({"movie": np.zeros((12, 8, 8), complex)}, "complex128 pixels"),
        ({"movie": np.zeros((1, 8, 8), np.uint8)}, "single image"),
        ({"nucleus_channel": 4}, "channel 4"),
    ],
)
def test_an_array_that_is_no_movie_is_refused(change, words):
    given = {"movie": np.zeros((12, 2, 8, 8), np.uint8), "nucleus_channel": 1, **UNITS} | change
    with pytest.raises(lineage.InputError, match=words):
        lineage.open(**given)


def test_a_run_that_has_not_ended_is_not_loaded(tmp_path, result):
    import json

    from lineage.io.integrity import dumps

    kept = result.save(tmp_path / "short.lineage")
    record = json.loads((kept / "run.json").read_text())
    del record["stages"]["tree"], record["sha256"]
    (kept / "run.json").write_text(dumps(record))
    with pytest.raises(lineage.InputError, match="has not ended"):
        lineage.load(kept)
    with pytest.raises(lineage.InputError, match="no folder"):
        lineage.load(tmp_path / "nowhere.lineage")
