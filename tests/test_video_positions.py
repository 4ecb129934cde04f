"""Files that hold several positions: each is opened by itself, with its own pixels, units and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from containers import (
    NAMES,
    PLACES,
    fields,
    write_bioformats2raw,
    write_nd2_points,
    write_ngff_plate,
    write_ome_files,
    write_ome_series,
)
from test_video_names import image, write
from video_files import DNA, PHASE, assert_same, movie, refusal

from lineage.video import open_video, positions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTAINERS: dict[str, Callable[[Path], Path]] = {
    "ome-tiff": lambda p: write_ome_series(p / "plate.ome.tif", fields(), NAMES),
    "ome-tiff in files": lambda p: write_ome_files(p / "set", fields(), NAMES, companion=False),
    "ome-tiff with companion": lambda p: write_ome_files(p / "set", fields(), NAMES, companion=True),
    "a plane file of a companion": lambda p: (
        write_ome_files(p / "set", fields(), NAMES, companion=True).parent / "set_s4_c1.ome.tif"
    ),
    "ngff plate 0.4": lambda p: write_ngff_plate(p / "plate.zarr", fields(), 2),
    "ngff plate 0.5": lambda p: write_ngff_plate(p / "plate.zarr", fields(), 3),
    "bioformats2raw": lambda p: write_bioformats2raw(p / "series.zarr", fields(), NAMES),
}


@pytest.fixture(params=CONTAINERS.values(), ids=CONTAINERS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = request.param(tmp_path)
    return path


def test_each_position_has_its_own_pixels_units_and_channels(container: Path) -> None:
    found = positions(container)
    assert [p.name for p in found] == NAMES
    assert [(p.well, p.position) for p in found] == [(well, str(field)) for well, field in PLACES]
    for number, stack in enumerate(fields()):
        video = assert_same(container, stack, position=NAMES[number])
        assert (video.nucleus, video.phase, video.channels) == (DNA, PHASE, ("Phase", "SiR-DNA"))
        assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.0))
        assert (video.position, video.assumed) == (NAMES[number], ())
        assert open_video(container, position=str(number)).position == NAMES[number]


def test_without_a_choice_they_are_listed(container: Path) -> None:
    refusal(container, r"6 positions \(A1_0, A1_1, .*\); choose one with --position A1_0, or all")
    refusal(container, "--position C3 is not there", position="C3")
    refusal(container, "at --well B2 holds 3 positions", well="B2")
    refusal(container, "--well H12 is not there", well="H12")
    assert open_video(container, well="b02", position="1").position == "B2_1"


def test_points_of_an_nd2_have_their_names_and_wells(tmp_path: Path) -> None:
    path = write_nd2_points(tmp_path / "plate.nd2", fields(), NAMES)
    assert [(p.name, p.well, p.position) for p in positions(path)] == [
        (name, well, str(field)) for name, (well, field) in zip(NAMES, PLACES, strict=True)
    ]
    for name, stack in zip(NAMES, fields(), strict=True):
        video = assert_same(path, stack.astype(np.uint16), position=name)
        assert (video.nucleus, video.phase, video.channels) == (DNA, PHASE, ("Phase", "SiR-DNA"))
        assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.05))
    refusal(path, "6 positions")
    unnamed = write_nd2_points(tmp_path / "unnamed.nd2", fields()[:2], ("", ""))
    assert [p.name for p in positions(unnamed)] == ["0", "1"]
    assert_same(unnamed, fields()[1].astype(np.uint16), position="1")


def one_file_each(video: Any) -> list[str]:
    return sorted(f.name for f in video.files)


def test_only_the_files_of_a_position_are_read(tmp_path: Path) -> None:
    path = write_ome_files(tmp_path / "set", fields(), NAMES, companion=True)
    expected = ["set.companion.ome", "set_s2_c0.ome.tif", "set_s2_c1.ome.tif"]
    assert one_file_each(open_video(path, position="2")) == expected
    for other in path.parent.glob("set_s[!2]_*.tif"):
        other.unlink()
    assert_same(path, fields()[2], position="2")
    refusal(path, "set_s3_c0.ome.tif.* are not there", position="3")
    plate = write_ngff_plate(tmp_path / "plate.zarr", fields())
    assert open_video(plate, position="B2_2").files == (plate / "B/2/2",)


def test_a_file_of_a_position_that_is_missing_is_said(tmp_path: Path) -> None:
    path = write_ome_files(tmp_path / "set", fields(), NAMES, companion=True)
    (path.parent / "set_s1_c0.ome.tif").unlink()
    refusal(path, "no image in it.*; files that .* refers to are not there: set_s1_c0.ome.tif", position="1")
    (path.parent / "set.companion.ome").unlink()
    refusal(path.parent / "set_s0_c0.ome.tif", "described in set.companion.ome, which is not there")


def test_what_is_left_of_a_set_is_read_though_it_was_renamed(tmp_path: Path) -> None:
    path = write_ome_files(tmp_path / "set", [movie(6)[:, 1:].repeat(2, axis=1)], ["m"], companion=False)
    text = path.read_bytes()
    for file in path.parent.iterdir():
        file.unlink()
    (path.parent / "renamed.ome.tif").write_bytes(text)
    refusal(path.parent / "renamed.ome.tif", "refers to are not there: set_s0_c0.ome.tif, set_s0_c1.ome.tif")


def test_images_of_one_name_go_by_number(tmp_path: Path) -> None:
    path = write_ome_series(tmp_path / "m.ome.tif", fields()[:3], ["scan"] * 3)
    assert [p.name for p in positions(path)] == ["0", "1", "2"]
    assert_same(path, fields()[1], position="1")


def test_a_folder_takes_numbers_and_wells_too(tmp_path: Path) -> None:
    for well in ("A1", "A2"):
        write(
            tmp_path,
            lambda t, c, well=well: f"VID_{'PR'[c]}_{well}_1_00d{t // 6:02d}h{t % 6 * 10:02d}m.tif",
            (0, 1),
        )
    for choice in ({"position": "1"}, {"well": "A02"}, {"position": "a2"}):
        video = open_video(tmp_path, **choice)
        assert video.position == "A2"
        np.testing.assert_array_equal(video.frame(3, video.nucleus), image(3, 1))
