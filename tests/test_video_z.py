"""Stacks of z: refused without a choice, and made one image a frame by it; axes that the user settles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from containers import write_ngff_image
from scipy.ndimage import gaussian_filter
from video_files import DNA, UNITS, movie, refusal, write_imagej, write_nd2

from lineage.schema import InputError
from lineage.video import open_video, positions
from lineage.video.zplanes import sharpest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_FRAMES, N_PLANES = 4, 3
NAMES = ("Phase", "SiR-DNA")


def stack() -> np.ndarray:
    """(T, Z, C, Y, X) uint8: the plane in focus is 1 in even frames and 2 in odd ones; others are blurred."""
    planes = np.empty((N_FRAMES, N_PLANES, *movie(1).shape[1:]))
    for t, frame in enumerate(movie(N_FRAMES).astype(float)):
        for z in range(N_PLANES):
            away = abs(z - (1 + t % 2))
            planes[t, z] = [gaussian_filter(c, 1.5 * away) if away else c for c in frame]
    return planes.astype(np.uint8)


def as_imagej(path: Path) -> Path:
    return write_imagej(path / "m.tif", stack(), "TZCYX")


def as_ome(path: Path) -> Path:
    tifffile.imwrite(path / "m.ome.tif", stack(), ome=True, compression="zlib", metadata={"axes": "TZCYX"})
    return path / "m.ome.tif"


def as_zarr(path: Path) -> Path:
    import zarr

    write_ngff_image(zarr.open_group(path / "m.zarr", mode="w", zarr_format=2), stack().swapaxes(1, 2))
    return path / "m.zarr"


def as_nd2(path: Path) -> Path:
    frames = stack().astype(np.uint16)
    return write_nd2(path / "m.nd2", frames.reshape(-1, *frames.shape[2:]), NAMES, n_planes=N_PLANES)


def as_folder(path: Path) -> Path:
    """A file each, as microscopes write z-stacks, the phase contrast in one plane only."""
    for t, z, c in np.ndindex(N_FRAMES, N_PLANES, 2):
        if c == DNA or z == 1:
            image = stack()[t, z, c]
            tifffile.imwrite(path / f"m_t{t}_z{z}_c{c}.tif", image, photometric="minisblack", metadata=None)
    return path


FORMATS = {"imagej": as_imagej, "ome": as_ome, "zarr": as_zarr, "nd2": as_nd2, "folder": as_folder}
GIVEN: dict[str, Any] = {"nucleus_channel": DNA, "phase_channel": 1 - DNA, **UNITS}


@pytest.fixture(params=FORMATS.values(), ids=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write: Callable[[Path], Path] = request.param
    return write(tmp_path)


@pytest.mark.parametrize(
    ("z", "expected", "note"),
    [
        ("max", lambda t: stack()[t].max(axis=0), "brightest of 3 planes"),
        ("mean", lambda t: np.rint(stack()[t].mean(axis=0)), "mean of 3 planes"),
        ("focus", lambda t: stack()[t, 1 + t % 2], "best focus, by frame and channel"),
        ("2", lambda t: stack()[t, 2], "plane 2 of 3, counted from 0"),
        (0, lambda t: stack()[t, 0], "plane 0 of 3"),
    ],
)
def test_a_frame_is_made_of_its_planes(
    path: Path, z: str | int, expected: Callable[[int], np.ndarray], note: str
) -> None:
    video = open_video(path, z=z, **GIVEN)
    assert (video.n_frames, video.shape, len(video.channels)) == (N_FRAMES, (48, 40), 2)
    for t in range(N_FRAMES):
        np.testing.assert_array_equal(video.frame(t, DNA), expected(t)[DNA])
    assert any(n.startswith("z: ") and note in n for n in video.notes)
    assert not any("z" in a.split(":")[0] for a in video.assumed)
    assert video.selection == (f"z={z}",)


def test_without_a_choice_a_stack_is_refused(path: Path) -> None:
    refusal(path, "3 planes of z .*: --z max, mean, focus, or 0 to 2", **GIVEN)
    refusal(path, "--z 3 is not there: .* has 3 planes of z, 0 to 2", z=3, **GIVEN)
    refusal(path, "--z best is not known; wanted is max, mean, focus", z="best", **GIVEN)


def test_planes_are_read_for_the_frame_that_is_asked_for(tmp_path: Path, monkeypatch: Any) -> None:
    """A frame reads its own planes of its own channel, and nothing before it is asked for."""
    path = as_ome(tmp_path)
    read: list[int] = []
    decode = tifffile.TiffPage.asarray

    def counted(page: Any, *args: Any, **kwargs: Any) -> Any:
        read.append(page.index)
        return decode(page, *args, **kwargs)

    for kind in (tifffile.TiffPage, tifffile.TiffFrame):
        monkeypatch.setattr(kind, "asarray", counted)
    video = open_video(path, z="focus", **GIVEN)
    assert read == []
    video.frame(2, DNA)
    assert read == [2 * N_PLANES * 2 + 2 * z + DNA for z in range(N_PLANES)]


def test_a_movie_without_planes_takes_no_choice(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "m.tif", movie())
    refusal(path, "--z max is given, and m.tif has no planes of z", z="max")


def test_files_of_a_folder_that_are_stacks_themselves(tmp_path: Path) -> None:
    for t in range(N_FRAMES):
        write_imagej(tmp_path / f"m_t{t}.tif", stack()[t, :, DNA], "ZYX")
    refusal(tmp_path, "m_t0.tif holds 3 planes of z: choose with --z max, mean, focus, or 0 to 2", **UNITS)
    video = open_video(tmp_path, z="max", **UNITS)
    np.testing.assert_array_equal(video.frame(1, 0), stack()[1, :, DNA].max(axis=0))
    assert len(positions(tmp_path)) == 1


def test_of_equally_sharp_planes_the_lowest_is_taken() -> None:
    planes = [np.full((8, 8), v, np.uint8) for v in (3, 5)]
    assert sharpest(planes)[0, 0] == 3


@pytest.mark.parametrize(("axes", "where"), [("ZYX", "in Z"), ("CYX", "in C")])
def test_time_in_a_long_axis_is_read_as_time_and_said(tmp_path: Path, axes: str, where: str) -> None:
    frames = movie(20)[:, DNA]
    video = open_video(write_imagej(tmp_path / "m.tif", frames, axes))
    assert (video.n_frames, len(video.channels)) == (20, 1)
    assert any(f"20 frames {where}; they are read as time" in a for a in video.assumed)
    np.testing.assert_array_equal(video.frame(7, 0), frames[7])


def test_many_channels_with_names_are_no_frames(tmp_path: Path) -> None:
    names = [f"dye {c}" for c in "abcdefghijklm"]
    tifffile.imwrite(
        tmp_path / "m.ome.tif",
        np.zeros((13, 16, 16), np.uint8),
        ome=True,
        metadata={"axes": "CYX", "Channel": {"Name": names}},
    )
    refusal(tmp_path / "m.ome.tif", "single image")


def test_axes_that_the_user_settles(tmp_path: Path) -> None:
    planes = movie(3).transpose(1, 0, 2, 3)  # really (C, T, Y, X), and stored as (T, C, Y, X)
    path = write_imagej(tmp_path / "m.tif", planes, "TCYX")
    video = open_video(path, axes="ctyx", **GIVEN)
    assert (video.n_frames, len(video.channels), video.selection) == (3, 2, ("axes=CTYX",))
    np.testing.assert_array_equal(video.frame(2, DNA), planes[DNA, 2])
    assert any(n == "axes: 2 T x 3 C x 48 Y x 40 X are read as CTYX, as given" for n in video.notes)
    with_z = open_video(path, axes="ZTYX", z=1, **UNITS)
    np.testing.assert_array_equal(with_z.frame(2, 0), planes[1, 2])
    refusal(path, "--axes TYX names 3 axes, and m.tif has 2 T x 3 C", axes="TYX")
    refusal(path, "--axes TQYX is not known", axes="TQYX")
    refusal(path, "3 planes of z in each frame", axes="TZYX")


def test_axes_of_a_zarr(tmp_path: Path) -> None:
    import zarr

    write_ngff_image(zarr.open_group(tmp_path / "m.zarr", mode="w", zarr_format=2), movie(5).swapaxes(0, 1))
    video = open_video(tmp_path / "m.zarr", axes="CTYX", **GIVEN)
    assert (video.n_frames, len(video.channels)) == (5, 2)
    np.testing.assert_array_equal(video.frame(4, DNA), movie(5)[4, DNA])


def test_formats_that_state_their_axes_take_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--axes is for TIFF and Zarr"):
        open_video(as_nd2(tmp_path), axes="TZCYX")
