"""Units of a movie: read in every spelling, credible or refused, and assumed only where nothing is stated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from video_files import (
    DNA,
    movie,
    ome_with_planes,
    refusal,
    write_imagej,
    write_ome,
    write_stated,
)

from lineage.video import open_video

if TYPE_CHECKING:
    from pathlib import Path


def test_options_win_over_metadata(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "m.ome.tif", movie())
    video = open_video(path, nucleus_channel=0, phase_channel=1, pixel_size_um=0.3, minutes_per_frame=2)
    assert (video.nucleus, video.phase, video.pixel_size_um, video.minutes_per_frame) == (0, 1, 0.3, 2.0)


def test_credible_resolution_tags_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie()[:, DNA], resolution=(1e4 / 0.65, 1e4 / 0.65), resolutionunit="CENTIMETER")
    assert open_video(path).pixel_size_um == pytest.approx(0.65)


def test_missing_units_are_the_papers_and_said(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie()[:, DNA], resolution=(72, 72), resolutionunit="INCH")
    video = open_video(path)
    assert (video.pixel_size_um, video.minutes_per_frame) == (1.1518, 10.0)
    said = " ".join(video.assumed)
    assert "1.1518 um a pixel" in said
    assert "--pixel-size-um" in said
    assert "--minutes-per-frame" in said


@pytest.mark.parametrize(
    ("text", "um", "units"),
    [
        ("unit=micron\nfinterval=5 min\n", (0.65, 0.65), (0.65, 5.0)),
        ("unit=\\u03BCm\nfinterval=300\n", (0.65, 0.65), (0.65, 5.0)),
        ("unit=\\u00B5m\nfinterval=300,0\n", (0.65, 0.65), (0.65, 5.0)),
        ("unit=micrometre\nyunit=nm\nfinterval=0.1\ntunit=h\n", (0.65, 650), (0.65, 6.0)),
        ("unit=um\nfinterval=0.5\ntunit=days\n", (0.65, 0.65), None),
        ("unit=mm\nfinterval=10\ntunit=minutes\n", (0.00065, 0.00065), (0.65, 10.0)),
        ("unit=micron\nfps=0.00333333\n", (0.65, 0.65), (0.65, 5.0)),
    ],
)
def test_every_spelling_of_a_unit(tmp_path: Path, text: str, um: Any, units: Any) -> None:
    path = write_stated(tmp_path / "m.tif", text, um)
    if units is None:
        refusal(path, "0.5 days.*not credible.*--minutes-per-frame")
    else:
        video = open_video(path)
        assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx(units, rel=1e-4)
        assert not [a for a in video.assumed if a.startswith(("pixel", "interval"))]


@pytest.mark.parametrize(
    ("text", "um", "words"),
    [
        ("unit=micron\nfinterval=600\n", (0.65, 0.60), "0.65 micron by 0.6 micron: x and y differ"),
        ("unit=furlong\nfinterval=600\n", (0.65, 0.65), "0.65 furlong: its unit is not known; give --pixel"),
        ("unit=nm\nfinterval=600\n", (0.65, 0.65), "0.00065 um a pixel, which is not credible"),
        ("unit=micron\nfinterval=1e-6\n", (0.65, 0.65), "which is not credible.*--minutes-per-frame"),
        ("unit=micron\nfinterval=soon\n", (0.65, 0.65), "soon.*is no number"),
    ],
)
def test_what_is_stated_and_cannot_be_used_is_asked_for(
    tmp_path: Path, text: str, um: Any, words: str
) -> None:
    path = write_stated(tmp_path / "m.tif", text, um)
    refusal(path, words)
    assert open_video(path, pixel_size_um=0.6, minutes_per_frame=7).pixel_size_um == 0.6


def test_what_is_in_the_file_is_never_said_to_be_missing(tmp_path: Path) -> None:
    said = " ".join(open_video(write_stated(tmp_path / "m.tif", "unit=pixel\nfps=7\n")).assumed)
    assert "the file gives 0.65 pixel" in said
    assert "the file gives 7 fps, a playback speed" in said
    assert "none" not in said


@pytest.mark.parametrize(("option", "value"), [("pixel_size_um", 650), ("minutes_per_frame", 1e-4)])
def test_options_must_be_credible_too(tmp_path: Path, option: str, value: float) -> None:
    path = write_imagej(tmp_path / "m.tif", movie())
    refusal(path, f"--{option.replace('_', '-')} is .* not credible", **{option: value})


def test_the_times_of_planes_win_over_an_interval_that_contradicts_them(tmp_path: Path) -> None:
    nominal = 'TimeIncrement="1" TimeIncrementUnit="ms"'
    path = ome_with_planes(tmp_path / "m.ome.tif", nominal, 10.0 * np.arange(12), movie()[:, DNA])
    video = open_video(path)
    assert video.minutes_per_frame == 10
    assert "not 1 ms as is also stated" in " ".join(video.notes)


def test_frames_that_are_not_evenly_spaced_are_said(tmp_path: Path) -> None:
    minutes = np.r_[10.0 * np.arange(6), 300 + 10.0 * np.arange(6)]
    video = open_video(ome_with_planes(tmp_path / "m.ome.tif", "", minutes, movie()[:, DNA]))
    assert video.minutes_per_frame == 10
    assert "from 10 to 250 min" in " ".join(video.warnings)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("option", ["pixel_size_um", "minutes_per_frame"])
def test_units_must_be_positive(tmp_path: Path, option: str, value: float) -> None:
    path = write_imagej(tmp_path / "m.tif", movie())
    refusal(path, re.escape(f"--{option.replace('_', '-')} is {value}"), **{option: value})
