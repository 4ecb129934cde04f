"""Nuclei are found, measured above their background, and never twice."""

import movies
import numpy as np
import pandas as pd
import pytest

from lineage.io import labels
from lineage.nuclei import segment
from lineage.schema import NUCLEUS_COLUMNS, Geometry

SHAPE = (128, 160)


def measured(image, mask, **changes):
    options = {"frame": 2, "pixel_size_um": 0.5, "minutes_per_frame": 10.0, "drift_px": np.zeros(2)}
    return segment.measure(mask, image, np.full(int(mask.max()), 0.9), **options | changes)


def two_discs():
    mask = np.zeros(SHAPE, np.int32)
    mask[movies.disc(SHAPE, 40, 40, 8)] = 1
    mask[movies.disc(SHAPE, 80, 110, 12)] = 2
    return mask


def test_a_nucleus_is_measured_above_its_background():
    mask = two_discs()
    image = 50 + 20.0 * (mask == 1) + 100.0 * (mask == 2)
    table = measured(image, mask)
    assert list(table.columns) == list(NUCLEUS_COLUMNS)
    assert table["mean_intensity"].to_numpy() == pytest.approx([20, 100], rel=0.02)
    assert table["dna_mass"].iloc[0] == pytest.approx(20 * (mask == 1).sum(), rel=0.02)
    assert table["area_um2"].iloc[1] == (mask == 2).sum() * 0.25
    assert table[["y_px", "x_px"]].to_numpy() == pytest.approx(np.array([[40, 40], [80, 110]]), abs=0.01)
    assert table["time_min"].tolist() == [20, 20]


def test_an_uneven_background_does_not_change_the_mass():
    mask = two_discs()
    flat = measured(50 + 30.0 * (mask > 0), mask)
    slope = np.linspace(0, 60, SHAPE[1])[None, :]
    uneven = measured(50 + slope + 30.0 * (mask > 0), mask)
    assert uneven["dna_mass"].to_numpy() == pytest.approx(flat["dna_mass"].to_numpy(), rel=0.1)


def test_drift_is_taken_out_of_the_micrometres_alone():
    table = measured(1.0 * two_discs(), two_discs(), drift_px=np.array([4.0, -6.0]))
    assert table["y_px"].iloc[0] == pytest.approx(40)
    assert table["y_um"].iloc[0] == pytest.approx(0.5 * (40 - 4))
    assert table["x_um"].iloc[0] == pytest.approx(0.5 * (40 + 6))


def test_an_empty_frame_has_no_nuclei():
    assert measured(np.full(SHAPE, 7.0), np.zeros(SHAPE, np.int32)).empty


def run(tmp_path, find, n_frames=4, unusable=(), workers=1):
    rng = np.random.default_rng(0)
    frames = rng.normal(50, 2, (n_frames, 1, *SHAPE)).astype(np.float32) + 30 * (two_discs() > 0)
    video = movies.movie(frames, phase=False)
    journal = tmp_path / "journal"
    journal.mkdir(exist_ok=True)
    quality = movies.fine(n_frames, unusable=unusable)
    table, _ = segment.segment(
        video, quality, find, labels=tmp_path / "labels.zarr", journal=journal, workers=workers
    )
    return table


def test_what_is_too_small_is_left_out_and_counted(tmp_path):
    mask = two_discs()
    mask[2:4, 2:4] = 3
    (tmp_path / "journal").mkdir()
    video = movies.movie(np.full((4, 1, *SHAPE), 50, np.float32), phase=False)
    table, too_small = segment.segment(
        video, movies.fine(4), lambda t, image: (mask, np.ones(3)),
        labels=tmp_path / "labels.zarr", journal=tmp_path / "journal",
    )  # fmt: skip
    assert (len(table), too_small) == (8, 4)
    assert set(table["label"]) == {1, 2}


def test_a_killed_run_goes_on_with_the_same_result(tmp_path):
    whole = (
        run(tmp_path / "a", lambda t, image: (two_discs(), np.ones(2)))
        if (tmp_path / "a").mkdir() is None
        else 0
    )
    seen = []

    def dies(t, image):
        if t == 2 and not seen.count(2):
            seen.append(t)
            raise KeyboardInterrupt
        seen.append(t)
        return two_discs(), np.ones(2)

    (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", dies)
    resumed = run(tmp_path / "b", dies)
    assert seen == [0, 1, 2, 2, 3]
    pd.testing.assert_frame_equal(resumed, whole)


def test_labels_do_not_depend_on_the_number_of_processes(tmp_path):
    find = segment.StarDistFinder("sir-dna", zoom=1.0)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = run(tmp_path / "one", find, workers=1)
    two = run(tmp_path / "two", find, workers=2)
    assert len(one) >= 8
    pd.testing.assert_frame_equal(one, two)
    labels_of = [labels.open_array(tmp_path / n / "labels.zarr", labels.RAW)[:] for n in ("one", "two")]
    assert np.array_equal(*labels_of)


def test_unusable_frames_are_empty_and_count_as_done(tmp_path):
    asked = []

    def find(t, image):
        asked.append(t)
        return two_discs(), np.ones(2)

    table = run(tmp_path, find, unusable=(1,))
    assert asked == [0, 2, 3]
    assert sorted(set(table["frame"])) == [0, 2, 3]
    assert labels.is_written(tmp_path / "labels.zarr", labels.RAW, 1)
    run(tmp_path, find, unusable=(1,))
    assert asked == [0, 2, 3]


def test_tracked_labels_are_the_raw_ones_numbered_by_cell(tmp_path):
    table = run(tmp_path, lambda t, image: (two_discs(), np.ones(2)))
    table["tracklet_id"] = np.where(table["label"] == 1, 70_000, -1)
    labels.write_tracked(tmp_path / "labels.zarr", table, Geometry(4, (32, 32), 1.0, 10.0))
    raw = labels.open_array(tmp_path / "labels.zarr", labels.RAW)[3]
    tracked = labels.open_array(tmp_path / "labels.zarr", labels.TRACKED)[3]
    assert set(np.unique(raw)) == {0, 1, 2}
    assert np.array_equal(tracked == 70_000, raw == 1)
    assert set(np.unique(tracked)) == {0, 70_000}


def test_the_label_group_says_what_its_axes_are(tmp_path):
    import zarr

    run(tmp_path, lambda t, image: (two_discs(), np.ones(2)))
    (image,) = zarr.open_group(tmp_path / "labels.zarr", mode="r").attrs["multiscales"]
    assert [(a["name"], a["unit"]) for a in image["axes"]] == [
        ("t", "minute"), ("y", "micrometer"), ("x", "micrometer"),
    ]  # fmt: skip
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == [10.0, 1.0, 1.0]
