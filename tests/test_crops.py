"""A crop of each event: which frames, which square, what was padded."""

import json
from dataclasses import replace

import movies
import numpy as np
import pytest
import tifffile
import worlds

from lineage.mitosis import crops
from lineage.schema import IMAGE_BOXES, SEPARATION_INDEX, Flag

WINDOW = {"minutes_per_frame": 10.0, "has_phase": True}


@pytest.fixture
def lineage():
    return worlds.as_lineage(worlds.one_division())


def moving_spot(n_frames=40, shape=(200, 300), drift=(0, 0)):
    """DNA: one bright pixel block at (100, 150) on the dish; phase: frame number everywhere."""
    frames = np.zeros((n_frames, 2, *shape), np.uint8)
    for t in range(n_frames):
        frames[t, 0] = t
        y, x = 100 + drift[0] * t, 150 + drift[1] * t
        frames[t, 1, y - 1 : y + 2, x - 1 : x + 2] = 200
    return frames


def square(**changes):
    values = {"event_id": 1, "y_um": 100.0, "x_um": 150.0, "side_um": 60.0}
    values |= {"frames": tuple(range(3, 15)), "flags": ()}
    return crops.CropWindow(**values | changes)


def test_the_first_separated_frame_is_at_its_index(lineage):
    (event,) = worlds.divisions(lineage)
    (pointed,) = crops.select_windows([event], lineage.detections, movies.fine(40), **WINDOW)
    assert pointed.frames[SEPARATION_INDEX] == event.frame
    assert pointed.flags == ()


def test_windows_that_leave_the_movie_are_padded_and_flagged(lineage):
    (event,) = worlds.divisions(lineage)
    n = event.frame + 4
    (pointed,) = crops.select_windows([event], lineage.detections, movies.fine(n), **WINDOW)
    assert pointed.frames[-1] == n - 1
    assert Flag.WINDOW_PADDED in pointed.flags
    assert pointed.outside == tuple(range(7, 12))


def test_frames_that_cannot_be_used_are_replaced_and_flagged(lineage):
    (event,) = worlds.divisions(lineage)
    bad = event.frame + 2
    (pointed,) = crops.select_windows([event], lineage.detections, movies.fine(40, unusable=(bad,)), **WINDOW)
    assert bad not in pointed.frames
    assert Flag.FRAME_REPLACED in pointed.flags


@pytest.mark.parametrize(("minutes", "flag"), [(15.0, Flag.RESAMPLED), (25.0, Flag.INTERVAL_TOO_LONG)])
def test_other_intervals_are_flagged(lineage, minutes, flag):
    (event,) = worlds.divisions(lineage)
    quality = movies.fine(40)
    (pointed,) = crops.select_windows(
        [event], lineage.detections, quality, minutes_per_frame=minutes, has_phase=True
    )
    assert flag in pointed.flags


@pytest.mark.parametrize(
    ("minutes", "phase", "words"),
    [(30.0, True, "no mitosis is classified"), (15.0, True, "less sure"), (10.0, False, "no phase contrast")],
)
def test_what_makes_verdicts_less_sure_is_a_warning(minutes, phase, words):
    (warning,) = crops.warnings(minutes, phase, 20.0)
    assert words in warning


def test_the_square_covers_the_family_and_stays_within_its_bounds(lineage):
    (event,) = worlds.divisions(lineage)
    (pointed,) = crops.select_windows([event], lineage.detections, movies.fine(40), **WINDOW)
    shown = lineage.detections[lineage.detections["frame"].between(pointed.frames[0], pointed.frames[-1])]
    assert 58 <= pointed.side_um <= 190
    assert (np.abs(shown["y_um"] - pointed.y_um) < pointed.side_um / 2).all()
    (narrow,) = crops.select_windows([event], lineage.detections, movies.fine(40), max_side_um=58, **WINDOW)
    assert narrow.side_um == 58


def test_a_crop_shows_its_place_in_every_frame():
    (cut,) = crops.cut(movies.movie(moving_spot()), movies.fine(40), [square()], size_px=60)
    assert cut.pixels.shape == (1, 12, 2, 60, 60)
    assert cut.pixels.dtype == np.uint8
    assert [int(p.mean()) for p in cut.pixels[0, :, 0]] == list(range(3, 15))
    assert cut.pixels[0, :, 1, 29:31, 29:31].min() == 200
    assert cut.flags == ("",)


def test_a_crop_follows_the_stage():
    drift = np.stack([2.0 * np.arange(40), np.zeros(40)], axis=1)
    video = movies.movie(moving_spot(drift=(2, 0)))
    (lost,) = crops.cut(video, movies.fine(40), [square()], size_px=60)
    assert lost.pixels[0, -1, 1, 29:31, 29:31].max() == 0
    (kept,) = crops.cut(video, movies.fine(40, drift_px=drift), [square()], size_px=60)
    assert kept.pixels[0, :, 1, 29:31, 29:31].min() == 200


def test_a_square_over_the_edge_is_padded_and_flagged():
    (cut,) = crops.cut(movies.movie(moving_spot()), movies.fine(40), [square(y_um=5.0)], size_px=60)
    assert Flag.SQUARE_PADDED in cut.flags[0]
    assert [int(p.mean()) for p in cut.pixels[0, :, 0]] == list(range(3, 15))


def test_a_crop_knows_what_of_it_lies_outside_the_image():
    """The square begins 24 rows above the image, in the first frame 19."""
    video = movies.movie(moving_spot())
    drift = np.stack([5.0 * (np.arange(40) == 3), np.zeros(40)], axis=1)
    boxes = crops.image_boxes(square(y_um=5.5), movies.fine(40, drift_px=drift), video, 60)
    assert boxes[0].tolist() == [19, 60, 0, 60]
    assert boxes[1:].tolist() == [[24, 60, 0, 60]] * 11
    below_and_right = crops.image_boxes(square(y_um=180.5, x_um=280.5), movies.fine(40), video, 30)
    assert below_and_right.tolist() == [[0, 25, 0, 25]] * 12


def test_films_over_the_edge_record_it_and_others_do_not(tmp_path):
    video, quality = movies.movie(moving_spot()), movies.fine(40)
    squares = [square(), square(event_id=2, y_um=5.0)]
    rows = crops.write(video, quality, squares, tmp_path / "crops", size_px=60)
    assert [Flag.SQUARE_PADDED in flags for flags in rows["flags"]] == [False, True]
    with tifffile.TiffFile(tmp_path / "crops" / "event_0001.tif") as tif:
        assert IMAGE_BOXES not in tif.imagej_metadata
    with tifffile.TiffFile(tmp_path / "crops" / "event_0002.tif") as tif:
        boxes = json.loads(tif.imagej_metadata[IMAGE_BOXES])
    assert boxes == crops.image_boxes(squares[1], quality, video, 60).tolist()


def test_frames_that_the_movie_does_not_have_are_recorded(tmp_path):
    video, quality = movies.movie(moving_spot()), movies.fine(40)
    early = replace(square(), flags=(Flag.WINDOW_PADDED,), outside=(0, 1))
    rows = crops.write(video, quality, [early], tmp_path / "crops", size_px=60)
    assert rows["flags"].tolist() == [Flag.WINDOW_PADDED]
    with tifffile.TiffFile(tmp_path / "crops" / "event_0001.tif") as tif:
        boxes = json.loads(tif.imagej_metadata[IMAGE_BOXES])
    assert boxes == [[0, 0, 0, 0]] * 2 + [[0, 60, 0, 60]] * 10


def test_a_missing_phase_channel_is_zeros(lineage):
    (event,) = worlds.divisions(lineage)
    quality = movies.fine(40)
    (pointed,) = crops.select_windows(
        [event], lineage.detections, quality, minutes_per_frame=10.0, has_phase=False
    )
    assert Flag.NO_PHASE in pointed.flags
    video = movies.movie(moving_spot()[:, 1:], phase=False)
    (cut,) = crops.cut(video, quality, [square()], size_px=60)
    assert cut.pixels[:, :, 0].max() == 0
    assert cut.pixels[:, :, 1].max() == 200


def test_films_are_imagej_stacks_with_their_scale(tmp_path):
    video = movies.movie(moving_spot().astype(np.uint16) * 100)
    rows = crops.write(video, movies.fine(40), [square(), square(event_id=7)], tmp_path / "crops", size_px=60)
    assert list(rows["event_id"]) == [1, 7]
    with tifffile.TiffFile(tmp_path / "crops" / "event_0007.tif") as tif:
        assert tif.imagej_metadata is not None
        assert tif.imagej_metadata["finterval"] == 600
        assert tif.series[0].axes == "TCYX"
        assert tif.asarray().dtype == np.uint16
    again = crops.read(tmp_path / "crops", rows)
    (cut,) = crops.cut(video, movies.fine(40), [square(), square(event_id=7)], size_px=60)
    assert np.array_equal(again.pixels, cut.pixels)


def test_no_events_leave_an_empty_folder(tmp_path):
    rows = crops.write(movies.movie(moving_spot()), movies.fine(40), [], tmp_path / "crops")
    assert len(rows) == 0
    assert list((tmp_path / "crops").iterdir()) == []
