"""Opening a movie: the same pixels from every format, and the right channels."""

from __future__ import annotations

import struct
import tracemalloc
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
    refusal,
    write_imagej,
    write_nd2,
    write_ngff,
    write_ome,
)

from lineage.video import open_video

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_imagej_hyperstack(tmp_path: Path, dtype: Any) -> None:
    stack = movie(dtype=dtype)
    video = assert_same(write_imagej(tmp_path / "m.tif", stack), stack)
    assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.0))


@pytest.mark.parametrize(("axes", "order"), [("CTYX", (1, 0, 2, 3)), ("TCYX", (0, 1, 2, 3))])
def test_ome_tiff_in_either_order(tmp_path: Path, axes: str, order: tuple[int, ...]) -> None:
    stack = movie()
    video = assert_same(write_ome(tmp_path / "m.ome.tif", stack.transpose(order), axes), stack)
    assert (video.nucleus, video.phase, video.channels) == (DNA, PHASE, ("Phase", "SiR-DNA"))
    assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.0))
    assert video.assumed == ()


def test_compressed_bigtiff_is_read_page_by_page(tmp_path: Path) -> None:
    stack = movie()
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, stack, bigtiff=True, compression="zlib", metadata={"axes": "TCYX"})
    assert_same(path, stack, **UNITS)


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "QYX"])
def test_time_kept_in_another_axis(tmp_path: Path, axes: str) -> None:
    stack = movie()[:, DNA:]
    path = tmp_path / "m.tif"
    if axes == "QYX":
        tifffile.imwrite(path, stack[:, 0])
    else:
        write_imagej(path, stack[:, 0], axes)
    video = assert_same(path, stack, **UNITS)
    assert (video.nucleus, video.phase) == (0, None)
    assert ("read as time" in " ".join(video.assumed)) == (axes != "TYX")


@pytest.mark.parametrize("channels", [slice(DNA, None), slice(None)])
def test_stack_written_frame_by_frame(tmp_path: Path, channels: slice) -> None:
    stack = movie()[:, channels]
    with tifffile.TiffWriter(tmp_path / "m.tif") as tif:
        for frame in stack:
            tif.write(frame.squeeze())
    assert_same(tmp_path / "m.tif", stack, **UNITS)


@pytest.mark.parametrize("layout", ["YX", "CYX", "QYX"])
def test_folder_in_natural_order(tmp_path: Path, layout: str) -> None:
    stack = movie()[:, DNA:] if layout == "YX" else movie()
    for t, frame in enumerate(stack):
        path = tmp_path / f"frame_{t}.tif"
        if layout == "CYX":
            write_imagej(path, frame, "CYX")
        else:
            tifffile.imwrite(path, frame.squeeze())
    (tmp_path / "notes.txt").write_text("not a frame")
    assert_same(tmp_path, stack, **UNITS)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr(tmp_path: Path, zarr_format: int) -> None:
    stack = movie(dtype=np.uint16)
    video = assert_same(write_ngff(tmp_path / "m.zarr", stack, zarr_format), stack)
    assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.0))
    assert (video.nucleus, video.phase, video.assumed) == (DNA, PHASE, ())


def test_nd2(tmp_path: Path) -> None:
    stack = movie(dtype=np.uint16)
    video = assert_same(write_nd2(tmp_path / "m.nd2", stack, ("Ph", "SiR-DNA")), stack)
    assert (video.nucleus, video.phase, video.assumed) == (DNA, PHASE, ())
    assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.05))


def test_nd2_with_one_channel_and_no_calibration(tmp_path: Path) -> None:
    stack = movie(dtype=np.uint16)[:, DNA:]
    video = assert_same(write_nd2(tmp_path / "m.nd2", stack, ("",), calibrated=False), stack)
    assert video.pixel_size_um == 1.1518
    assert "--pixel-size-um" in video.assumed[0]


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_truncated_nd2(tmp_path: Path, kept: float) -> None:
    path = write_nd2(tmp_path / "m.nd2", movie(dtype=np.uint16), ("Ph", "SiR-DNA"))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refusal(path, "damaged or cut short")


def test_stack_with_one_directory_entry_is_read_a_frame_at_a_time(tmp_path: Path) -> None:
    """As ImageJ writes beyond 4 GB: the planes follow the first one, and nothing points to them."""
    stack = movie(n_frames=40, size=(256, 256))
    path = write_imagej(tmp_path / "m.tif", stack)
    content = bytearray(path.read_bytes())
    (n_tags,) = struct.unpack_from("<H", content, 8)
    struct.pack_into("<I", content, 10 + 12 * n_tags, 0)
    path.write_bytes(content)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
    video = assert_same(path, stack)
    tracemalloc.start()
    for t in range(video.n_frames):
        video.frame(t, DNA)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * stack[0, DNA].nbytes


def test_channels_without_names_are_told_by_looks_and_said(tmp_path: Path) -> None:
    swapped = movie()[:, ::-1]
    video = open_video(write_imagej(tmp_path / "m.tif", swapped))
    assert (video.nucleus, video.phase) == (0, 1)
    assert "--nucleus-channel" in " ".join(video.assumed)


def test_channels_that_look_alike_are_not_guessed(tmp_path: Path) -> None:
    alike = movie()[:, [PHASE, PHASE]]
    path = write_imagej(tmp_path / "m.tif", alike)
    refusal(path, "--nucleus-channel")
    assert open_video(path, nucleus_channel=1).phase == 0


@pytest.mark.parametrize(
    ("names", "nucleus", "phase"),
    [
        (("PC", "Cy5"), 1, 0),
        (("H2B-mCherry", "BF"), 0, 1),
        (("GFP", "Trans", "Hoechst 33342"), 2, 1),
        (("DIC", "640 nm"), 1, 0),
        (("Cy5", "DAPI", "Phase"), 1, 2),
        (("mCherry", "phase contrast"), 0, 1),
        (("5-FAM/pH 9.0", "Hoechst", "Ph2"), 1, 2),
    ],
)
def test_channels_by_name(tmp_path: Path, names: tuple[str, ...], nucleus: int, phase: int) -> None:
    stack = np.repeat(movie()[:, PHASE:DNA], len(names), axis=1)
    video = open_video(write_ome(tmp_path / "m.ome.tif", stack, names=names))
    assert (video.nucleus, video.phase) == (nucleus, phase)


def test_two_dna_channels_are_not_guessed(tmp_path: Path) -> None:
    refusal(write_ome(tmp_path / "m.ome.tif", movie(), names=("DAPI", "SiR-DNA")), "--nucleus-channel")


def test_pixels_that_are_no_number_become_the_median(tmp_path: Path) -> None:
    stack = movie(dtype=np.float32)
    stack[3, DNA, :, :2] = np.nan
    stack[4, DNA] = np.nan
    video = open_video(write_imagej(tmp_path / "m.tif", stack))
    expected = np.median(stack[3, DNA, :, 2:])
    np.testing.assert_array_equal(video.frame(3, DNA)[:, :2], expected)
    np.testing.assert_array_equal(video.frame(4, DNA), 0)
