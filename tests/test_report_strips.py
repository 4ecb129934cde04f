"""Film strips: twelve frames of a crop, and what of them lies outside the image."""

from __future__ import annotations

import re

import movies
import numpy as np
import pytest
import tifffile
from damaged_crops import DAMAGES

from lineage.mitosis import crops
from lineage.report.strips import film_strip, montage, strip_or_reason


def test_montage_leaves_out_a_missing_phase_and_stretches_each_channel_over_all_frames():
    pixels = np.full((12, 2, 8, 8), 100, np.uint16)
    pixels[:, 1] = 10
    pixels[3, 1, 2:5, 2:5] = 1000
    assert montage(pixels, 8).shape == (16, 96)
    pixels[:, 0] = 0

    image = montage(pixels, 8)

    assert image.shape == (8, 96)
    assert image[:, 24:32].max() == 255
    assert image[:, :24].max() == 0


@pytest.fixture
def strip(tmp_path):
    """A crop around (y, x) of a movie of 200 x 300 px -> its strip."""

    def draw(y_um, x_um=150.0, **drift):
        video = movies.movie(np.full((40, 2, 200, 300), 100, np.uint8))
        crop = crops.CropWindow(1, y_um, x_um, 60.0, tuple(range(3, 15)), ())
        crops.write(video, movies.fine(40, **drift), [crop], tmp_path / "crops", size_px=30)
        return film_strip(tmp_path / "crops" / crops.name(1), side_um=60.0, tile_px=30)

    return draw


def outside(svg):
    """Outlines of what a strip marks as outside the image."""
    (path,) = re.findall(r'<path d="([^"]*)" class="outside"', svg)
    return path.split("M")[1:]


def test_a_strip_hatches_what_lies_outside_the_image(strip):
    assert 'class="outside"' not in strip(100.0)

    outlines = outside(strip(9.5))

    # Of 30 rows of a tile of 90 the first 10: two channels, twelve frames, each a frame with a hole.
    assert len(outlines) == 2 * 2 * 12
    assert outlines[:2] == ["58.0 10.0h90.0v90.0h-90.0z", "58.0 40.0h90.0v60.0h-90.0z"]


def test_what_is_hatched_follows_the_stage(strip):
    drift = np.stack([20.0 * (np.arange(40) >= 14), np.zeros(40)], axis=1)
    outlines = outside(strip(9.5, drift_px=drift))
    assert len(outlines) == 2 * 2 * 11
    assert not any(outline.startswith(f"{58.0 + 11 * 90:.1f}") for outline in outlines)


def test_a_frame_that_shows_nothing_of_the_image_is_hatched_whole(strip):
    drift = np.stack([-100.0 * (np.arange(40) == 3), np.zeros(40)], axis=1)
    assert outside(strip(60.5, drift_px=drift)) == [
        "58.0 10.0h90.0v90.0h-90.0z",
        "58.0 100.0h90.0v90.0h-90.0z",
    ]


def test_padding_does_not_change_the_contrast_of_the_image():
    pixels = np.full((12, 2, 8, 8), 100, np.uint16)
    pixels[:, :, 4:] = 200
    pixels[:, :, :2] = 60000
    inside = np.zeros((12, 8, 8), bool)
    inside[:, 2:] = True
    image = montage(np.where(inside[:, None], pixels, 0), 8)
    assert (image[2:4].max(), image[4:8].min(), image[:2].max()) == (0, 255, 0)


@pytest.fixture
def crop(tmp_path):
    """A whole crop of a run."""
    path = tmp_path / "A1.lineage" / "crops" / "event_0007.tif"
    path.parent.mkdir(parents=True)
    tifffile.imwrite(path, np.arange(12 * 2 * 64, dtype=np.uint16).reshape(12, 2, 8, 8), imagej=True)
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_crop_there_is_a_reason_and_no_strip(crop, damage, capfd):
    strip, reason = strip_or_reason(crop, side_um=60.0, tile_px=8)
    assert "data:image/jpeg" in strip
    assert reason == ""

    DAMAGES[damage](crop)

    strip, reason = strip_or_reason(crop, side_um=60.0, tile_px=8)
    assert strip == ""
    assert reason.startswith("A1.lineage/crops/event_0007.tif is damaged (")
    assert "copy it again" in reason
    assert "python -m lineage.run" in reason
    assert "\n" not in reason
    assert capfd.readouterr() == ("", "")  # what tifffile thinks of it is nobody's concern


def test_the_reason_says_what_was_found_and_what_is_wanted(crop):
    DAMAGES["eleven_frames"](crop)
    _, reason = strip_or_reason(crop, side_um=60.0, tile_px=8)
    assert "(11, 2, 24, 24)" in reason
    assert "wanted (12, 2, H, W)" in reason


def test_without_a_crop_there_is_no_strip(crop):
    crop.unlink()
    assert strip_or_reason(crop, side_um=60.0, tile_px=8) == ("", "There is no crop of this event.")
