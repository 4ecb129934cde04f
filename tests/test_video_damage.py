"""Bad input: what makes pixels wrong or missing is refused, or warned of in one line; nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from video_files import (
    DNA,
    PHASE,
    UNITS,
    assert_same,
    movie,
    ome_with_planes,
    refusal,
    write_imagej,
    write_ngff,
    write_ome,
)

from lineage.schema import InputError
from lineage.video import open_video

if TYPE_CHECKING:
    from pathlib import Path


def test_an_acquisition_stopped_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    stack = movie()[:, DNA]
    path = ome_with_planes(tmp_path / "m.ome.tif", 'TimeIncrement="600"', (), stack, size_t=721)
    video = assert_same(path, stack[:, None])
    assert "12 of 721 planned frames are there" in " ".join(video.warnings)


def test_a_description_that_is_no_text_is_no_damage(tmp_path: Path) -> None:
    stack = movie()[:, DNA]
    tifffile.imwrite(tmp_path / "m.tif", stack, description=b"Time-Used = (:.):\x8d\x81,", metadata=None)
    assert_same(tmp_path / "m.tif", stack[:, None], **UNITS)


def test_previews_are_no_positions(tmp_path: Path) -> None:
    stack = movie()[:, DNA]
    with tifffile.TiffWriter(tmp_path / "m.tif") as tif:
        tif.write(stack, photometric="minisblack", metadata=None)
        tif.write(stack[0, ::4, ::4], photometric="minisblack", metadata=None, subfiletype=1)
    assert_same(tmp_path / "m.tif", stack[:, None], **UNITS)


def test_white_that_is_zero_is_turned_over_and_said(tmp_path: Path) -> None:
    stack = movie()[:, DNA]
    tifffile.imwrite(tmp_path / "m.tif", 255 - stack, photometric="miniswhite")
    assert "0 is white" in " ".join(assert_same(tmp_path / "m.tif", stack[:, None], **UNITS).notes)


def test_images_appended_in_pairs_are_frames_or_channels_by_their_looks(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = (60 + 20 * np.cumsum(rng.normal(0, 0.3, (24, 48, 40)), axis=0)).clip(0, 255).astype(np.uint8)
    for name, stack in (("frames", frames), ("channels", movie().reshape(24, 48, 40))):
        for i in range(0, 24, 2):
            pair = stack[i : i + 2]
            tifffile.imwrite(tmp_path / f"{name}.tif", pair, append=True, photometric="minisblack")
    video = assert_same(tmp_path / "frames.tif", frames[:, None], **UNITS)
    assert "read as 24 frames of one channel" in " ".join(video.assumed)
    assert_same(tmp_path / "channels.tif", movie(), **UNITS)


def test_chunks_that_got_lost_are_unusable_frames_and_said(tmp_path: Path) -> None:
    stack = movie()
    path = write_ngff(tmp_path / "m.zarr", stack, 2)
    gone = [path / "0" / f"{t}.1.0.0.0" for t in (4, 7)]
    for chunk in gone:
        chunk.unlink()
    video = open_video(path)
    assert video.missing == (4, 7)
    assert "2 of 12 frames hold no pixels" in " ".join(video.warnings)
    assert not video.frame(4, PHASE).any()
    np.testing.assert_array_equal(video.frame(5, DNA), stack[5, DNA])


def test_no_such_file(tmp_path: Path) -> None:
    refusal(tmp_path / "gone.tif", "not there")


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 a photo", b"a letter"])
def test_not_an_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tif").write_bytes(content)
    refusal(tmp_path / "m.tif", "give a TIFF")


def test_folder_without_images(tmp_path: Path) -> None:
    refusal(tmp_path, "no TIFF files")


@pytest.mark.parametrize("kept", [0.3, 0.97, 0.9999])
@pytest.mark.parametrize("writer", ["imagej", "ome", "compressed", "pages"])
def test_truncated_tiff(tmp_path: Path, writer: str, kept: float) -> None:
    path, stack = tmp_path / "m.tif", movie(n_frames=30, size=(64, 64))
    if writer == "imagej":
        write_imagej(path, stack)
    elif writer == "ome":
        write_ome(path, stack)  # the name does not matter
    else:
        with tifffile.TiffWriter(path) as tif:
            for plane in stack[:, DNA]:
                tif.write(plane, compression="zlib" if writer == "compressed" else None, contiguous=False)
    open_video(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refusal(path, "damaged or cut short")


def test_truncated_frame_in_a_folder(tmp_path: Path) -> None:
    for t, frame in enumerate(movie()[:, DNA]):
        tifffile.imwrite(tmp_path / f"t{t:02d}.tif", frame)
    path = tmp_path / "t07.tif"
    path.write_bytes(path.read_bytes()[:-100])
    refusal(tmp_path, "t07.tif is damaged")


def test_damaged_zarr(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "m.zarr", movie(), 3)
    chunk = path / "0" / "c" / "5" / "1" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    video = open_video(path)
    with pytest.raises(InputError, match="frame 5 cannot be read"):
        video.frame(5, DNA)
    (path / "zarr.json").write_text("{")
    refusal(path, "no OME-Zarr image, or it is damaged")


def test_zarr_without_chunks(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "m.zarr", np.zeros_like(movie()), 2)
    refusal(path, "holds no pixels")


@pytest.mark.parametrize("shape", [(48, 40, 3), (12, 48, 40, 3)])
def test_rgb(tmp_path: Path, shape: tuple[int, ...]) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.zeros(shape, np.uint8), photometric="rgb")
    refusal(tmp_path / "m.tif", "RGB picture")


def test_a_single_image_is_no_movie(tmp_path: Path) -> None:
    refusal(write_imagej(tmp_path / "m.tif", movie(1)), "single image")


def test_a_short_movie_is_read_and_said_to_be_short(tmp_path: Path) -> None:
    assert "lasts 55 min" in assert_same(write_imagej(tmp_path / "m.tif", movie(11)), movie(11)).warnings[0]


@pytest.mark.parametrize("option", ["nucleus_channel", "phase_channel"])
@pytest.mark.parametrize("channel", [2, -1])
def test_channel_that_is_not_there(tmp_path: Path, option: str, channel: int) -> None:
    path = write_imagej(tmp_path / "m.tif", movie())
    refusal(path, f"--{option.replace('_', '-')} {channel} is not there", **{option: channel})


def test_one_channel_for_both(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "m.tif", movie())
    refusal(path, "as nucleus and as phase", nucleus_channel=1, phase_channel=1)


def test_folder_frames_must_be_alike(tmp_path: Path) -> None:
    for t in range(13):
        tifffile.imwrite(tmp_path / f"t{t}.tif", np.zeros((40 + (t == 9), 30), np.uint8))
    refusal(tmp_path, r"t9.tif has shape \(41, 30\)")


def test_movie_in_a_folder_of_frames(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie()[:, DNA])
    refusal(tmp_path, "give the file itself")


def test_z_stacks_over_time(tmp_path: Path) -> None:
    stack = np.zeros((12, 3, 2, 16, 16), np.uint8)
    refusal(write_imagej(tmp_path / "m.tif", stack, "TZCYX"), "select one Z plane")


def test_positions(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "m.ome.tif", ome=True) as tif:
        for _ in range(2):
            tif.write(movie(), metadata={"axes": "TCYX"})
    refusal(tmp_path / "m.ome.tif", "2 positions")


@pytest.mark.parametrize("dtype", [np.complex64, np.bool_])
def test_numbers_that_are_no_grey_values(tmp_path: Path, dtype: Any) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.ones((12, 16, 16), dtype))
    refusal(tmp_path / "m.tif", "grey values")


def test_hostile_ome_xml(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aa">]><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">&a;</OME>'
    tifffile.imwrite(tmp_path / "m.ome.tif", movie()[:, DNA], description=bomb, metadata=None)
    refusal(tmp_path / "m.ome.tif", "XML that defines entities")


def test_damage_that_shows_when_channels_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie(), compression="zlib", metadata={"axes": "TCYX"}, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[1].dataoffsets[0], tif.pages[1].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset + 8 : offset + count] = b"\xff" * (count - 8)
    path.write_bytes(content)
    refusal(path, "frame 0 cannot be read")
