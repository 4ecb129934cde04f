"""Existing masks are taken from wherever people keep them."""

import numpy as np
import pytest
import tifffile
import zarr

from lineage.nuclei.masks import as_video, open_masks, shared_labels
from lineage.schema import InputError

MASKS = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30) % 7


def stack(path):
    tifffile.imwrite(path / "masks.tif", MASKS, photometric="minisblack")
    return path / "masks.tif"


def ctc(path):
    for t, mask in enumerate(MASKS):
        tifffile.imwrite(path / f"man_track{t:03d}.tif", mask)
    (path / "man_track.txt").write_text("1 0 2 0\n")
    return path


def array(path):
    zarr.create_array(path / "masks.zarr", data=MASKS)
    return path / "masks.zarr"


def group(path):
    with_channel = MASKS[:, None, None]
    zarr.open_group(path / "labels.zarr", mode="w").create_array("0", data=with_channel)
    return path / "labels.zarr"


@pytest.mark.parametrize("write", [stack, ctc, array, group])
def test_every_form_gives_the_same_masks(tmp_path, write):
    read = open_masks(write(tmp_path), n_frames=3, shape=(20, 30))
    for t in (2, 0, 1):
        assert np.array_equal(read(t), MASKS[t])


def test_a_stack_of_compressed_pages_is_read_a_page_at_a_time(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", MASKS, compression="zlib", photometric="minisblack")
    assert np.array_equal(open_masks(tmp_path / "m.tif", n_frames=3, shape=(20, 30))(2), MASKS[2])


@pytest.mark.parametrize(
    ("n_frames", "shape", "words"),
    [(4, (20, 30), r"\(3, 20, 30\).*\(4, 20, 30\)"), (3, (30, 20), r"\(3, 30, 20\)")],
)
def test_masks_of_another_shape_are_refused(tmp_path, n_frames, shape, words):
    with pytest.raises(InputError, match=words):
        open_masks(stack(tmp_path), n_frames=n_frames, shape=shape)


def test_what_is_no_mask_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", MASKS + np.float32(0.5), photometric="minisblack")
    with pytest.raises(InputError, match="no mask of instances"):
        open_masks(tmp_path / "image.tif", n_frames=3, shape=(20, 30))(0)
    (tmp_path / "notes.tif").write_text("not an image")
    with pytest.raises(InputError, match="not a TIFF image"):
        open_masks(tmp_path / "notes.tif", n_frames=3, shape=(20, 30))
    with pytest.raises(InputError, match="no such masks"):
        open_masks(tmp_path / "nothing", n_frames=3, shape=(20, 30))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no numbered TIFFs"):
        open_masks(tmp_path / "empty", n_frames=3, shape=(20, 30))


def test_a_gap_in_the_numbers_is_refused(tmp_path):
    ctc(tmp_path)
    (tmp_path / "man_track001.tif").unlink()
    with pytest.raises(InputError, match="gaps"):
        open_masks(tmp_path, n_frames=2, shape=(20, 30))


# --- Masks alone


@pytest.mark.parametrize("write", [stack, ctc, array, group])
def test_masks_alone_are_a_movie_of_ones_and_zeros(tmp_path, write):
    video = as_video(write(tmp_path), pixel_size_um=0.5, minutes_per_frame=5.0)
    assert (video.n_frames, video.shape, video.phase) == (3, (20, 30), None)
    assert (video.pixel_size_um, video.minutes_per_frame, video.intensities) == (0.5, 5.0, False)
    assert any("area" in note for note in video.notes)
    assert np.array_equal(video.frame(1, video.nucleus), MASKS[1] > 0)


@pytest.mark.parametrize("units", [(None, 10.0), (1.0, None), (None, None)])
def test_masks_alone_do_not_know_their_units(tmp_path, units):
    with pytest.raises(InputError, match=r"--pixel-size-um.* and .*--minutes-per-frame"):
        as_video(stack(tmp_path), pixel_size_um=units[0], minutes_per_frame=units[1])


# --- Masks as other programs write them


def test_whole_numbers_kept_as_floats_and_axes_of_length_one(tmp_path):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASKS[:, None].astype(np.float32), metadata={"axes": "TCYX"})
    masks = open_masks(path, n_frames=3, shape=(20, 30))
    assert np.array_equal(masks(1), MASKS[1])
    assert masks.warnings == ()


def test_a_stack_with_one_directory_for_all_planes(tmp_path):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASKS, imagej=True, metadata={"axes": "TYX"}, truncate=True)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
    masks = open_masks(path, n_frames=3, shape=(20, 30))
    assert all(np.array_equal(masks(t), MASKS[t]) for t in range(3))


def test_labels_are_never_turned_over(tmp_path):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASKS, photometric="miniswhite")
    assert np.array_equal(open_masks(path, n_frames=3, shape=(20, 30))(2), MASKS[2])


def test_files_of_the_system_are_no_masks(tmp_path):
    ctc(tmp_path)
    for t in range(3):
        (tmp_path / f"._man_track{t:03d}.tif").write_bytes(b"\0\5\26\7")
    assert np.array_equal(open_masks(tmp_path, n_frames=3, shape=(20, 30))(1), MASKS[1])


def test_two_masks_of_one_frame_are_refused(tmp_path):
    ctc(tmp_path)
    tifffile.imwrite(tmp_path / "old_001.tif", MASKS[1])
    with pytest.raises(
        InputError, match=r"man_track001.tif and old_001.tif|old_001.tif and man_track001.tif"
    ):
        open_masks(tmp_path, n_frames=3, shape=(20, 30))


@pytest.mark.parametrize("value", [1, 255])
def test_one_value_for_all_nuclei_comes_apart_and_is_said(tmp_path, value):
    two = np.zeros((3, 20, 30), np.uint8)
    two[:, 3:8, 3:8] = two[:, 12:17, 20:26] = value
    tifffile.imwrite(tmp_path / "m.tif", two, photometric="minisblack")
    masks = open_masks(tmp_path / "m.tif", n_frames=3, shape=(20, 30))
    assert set(np.unique(masks(0))) == {0, 1, 2}
    assert "one value for all nuclei" in masks.warnings[0]
    one = two.copy()
    one[:, 12:] = 0  # a single cell, labelled
    tifffile.imwrite(tmp_path / "one.tif", one, photometric="minisblack")
    assert open_masks(tmp_path / "one.tif", n_frames=3, shape=(20, 30)).warnings == ()


def test_a_label_on_two_nuclei_far_apart_is_said():
    fine = np.zeros((40, 60), np.int32)
    fine[3:8, 3:8], fine[9:14, 4:9], fine[20:26, 30:36] = 1, 1, 2  # pieces that lie close are one nucleus
    shared = fine.copy()
    shared[30:36, 50:56] = 1
    assert shared_labels([fine, fine]) == []
    (said,) = shared_labels([fine, shared])
    assert "label 1 in frame 1" in said


@pytest.mark.parametrize(
    "damage", [lambda b: b[:300], lambda b: b[:40] + b"\xff" * 60 + b[100:], lambda b: b"II*\0"]
)
def test_a_damaged_mask_is_one_clear_line(tmp_path, damage):
    ctc(tmp_path)
    path = tmp_path / "man_track001.tif"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"man_track001\.tif"):
        open_masks(tmp_path, n_frames=3, shape=(20, 30))(1)


def test_chunks_that_are_not_there_are_said(tmp_path):
    path = tmp_path / "masks.zarr"
    zarr.create_array(path, data=MASKS, chunks=(1, 20, 30))
    assert open_masks(path, n_frames=3, shape=(20, 30)).warnings == ()
    (path / "c" / "1" / "0" / "0").unlink()
    (said,) = open_masks(path, n_frames=3, shape=(20, 30)).warnings
    assert "chunks of 1 frames are not there (1)" in said
