"""What open_video promises: the same pixels and units from every format, and one clear line for bad input."""

from __future__ import annotations

import re
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

from lineage.schema import InputError
from lineage.video import open_video

if TYPE_CHECKING:
    from pathlib import Path

PHASE, DNA = 0, 1
UNITS: dict[str, Any] = {"pixel_size_um": 0.65, "minutes_per_frame": 5.0}


def movie(n_frames: int = 12, size: tuple[int, int] = (48, 40), dtype: Any = np.uint8) -> np.ndarray:
    """(T, 2, Y, X): grey phase contrast; five bright nuclei on black. Each plane's first pixel names it."""
    rng = np.random.default_rng(0)
    frames = np.empty((n_frames, 2, *size))
    frames[:, PHASE] = rng.normal(120, 15, (n_frames, *size))
    frames[:, DNA] = rng.normal(10, 1, (n_frames, *size))
    for y, x in ((5, 6), (5, 30), (20, 15), (33, 8), (40, 33)):
        frames[:, DNA, y : y + 4, x : x + 4] = 180
    frames = frames.clip(0, 255).astype(dtype)
    for t in range(n_frames):
        frames[t, :, 0, 0] = (2 * t, 2 * t + 1)
    return frames


def write_imagej(path: Path, stack: np.ndarray, axes: str = "TCYX", **metadata: Any) -> Path:
    tifffile.imwrite(
        path, stack, imagej=True, resolution=(1 / 0.65, 1 / 0.65),
        metadata={"axes": axes, "unit": "micron", "finterval": 300.0, **metadata},
    )  # fmt: skip
    return path


def write_ome(path: Path, stack: np.ndarray, axes: str = "TCYX", names: Any = ("Phase", "SiR-DNA")) -> Path:
    metadata: dict[str, Any] = {
        "axes": axes, "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.65,
        "PhysicalSizeYUnit": "µm", "TimeIncrement": 5, "TimeIncrementUnit": "min",
    }  # fmt: skip
    if names:
        metadata["Channel"] = {"Name": list(names)}
    tifffile.imwrite(path, stack, ome=True, metadata=metadata)
    return path


def write_ngff(path: Path, stack: np.ndarray, zarr_format: Any) -> Path:
    """(T, C, 1, Y, X) with NGFF 0.4 or 0.5 metadata: 5 min, 0.65 um; the interval on the whole image."""
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "c", "type": "channel"},
        *({"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"),
    ]
    multiscale = {
        "version": "0.4" if zarr_format == 2 else "0.5",
        "axes": axes,
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1, 0.65, 0.65]}]}
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [5.0, 1, 1, 1, 1]}],
    }
    image = {
        "multiscales": [multiscale],
        "omero": {"channels": [{"label": "brightfield"}, {"label": "far-red"}]},
    }
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.attrs.update(image if zarr_format == 2 else {"ome": {**image, "version": "0.5"}})
    array = group.create_array(
        "0", shape=(len(stack), 2, 1, *stack.shape[2:]), chunks=(1, 1, 1, *stack.shape[2:]), dtype=stack.dtype
    )
    array[:] = stack[:, :, None]
    return path


def write_nd2(path: Path, stack: np.ndarray, names: tuple[str, ...], calibrated: bool = True) -> Path:
    """An ND2 of version 3 with the chunks that readers need; metadata as XML, which the format allows.

    No library writes ND2. The layout is the one that the nd2 package documents in its reader: named chunks,
    a map of them at the end, frames (Y, X, C) in chunks of their own.
    """
    n_frames, n_channels, height, width = stack.shape

    def tag(name: str, kind: str, value: object) -> str:
        return f'<{name} runtype="{kind}" value="{value}"/>'

    def document(*tags: str) -> bytes:
        return f"<variant><no_name>{''.join(tags)}</no_name></variant>".encode()

    attributes = document(
        *(tag(k, "lx_uint32", v) for k, v in {
            "uiBpcInMemory": 16, "uiBpcSignificant": 16, "uiComp": n_channels, "uiHeight": height,
            "uiWidth": width, "uiWidthBytes": width * n_channels * 2, "uiSequenceCount": n_frames,
            "eCompression": 2,
        }.items())
    )  # fmt: skip
    loop = "".join(
        [tag("uiCount", "lx_uint32", n_frames)]
        + [tag(k, "double", v) for k, v in
           {"dStart": 0, "dPeriod": 300_000, "dDuration": 0, "dAvgPeriodDiff": 303_000}.items()]
    )  # fmt: skip
    experiment = document(tag("eType", "lx_uint32", 1), f"<uLoopPars>{loop}</uLoopPars>")
    probe = f"<pFluorescentProbe>{tag('m_sName', 'CLxStringW', 'any')}</pFluorescentProbe>"
    planes = "".join(
        f"<a{i}>{tag('sDescription', 'CLxStringW', n)}{probe}</a{i}>" for i, n in enumerate(names)
    )
    count = tag("uiCount", "lx_uint32", n_channels)
    picture = document(
        tag("bCalibrated", "bool", str(calibrated).lower()),
        tag("dCalibration", "double", 0.65 if calibrated else 1.0),
        f"<sPicturePlanes>{count}<sPlaneNew>{planes}</sPlaneNew></sPicturePlanes>",
    )
    chunks = {
        "ImageAttributesLV!": attributes,
        "ImageMetadataLV!": experiment,
        "ImageMetadataSeqLV|0!": picture,
    }
    frames = {f"ImageDataSeq|{t}!": bytes(8) + f.transpose(1, 2, 0).tobytes() for t, f in enumerate(stack)}
    content = bytearray()
    places = b""

    def chunk(name: bytes, data: bytes, name_length: int) -> None:
        content.extend(
            struct.pack("<IIQ", 0x0ABECEDA, name_length, len(data)) + name.ljust(name_length, b"\0")
        )
        content.extend(data)

    chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32)
    for name, data in (chunks | frames).items():
        places += name.encode() + struct.pack("<QQ", len(content), len(data))
        chunk(name.encode(), data, 4072)  # nd2 looks for the pixels 4096 bytes on, after the time stamp
    end = struct.pack("<32sQ", b"ND2 CHUNK MAP SIGNATURE 0000001!", len(content))
    chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places + end, 32)
    path.write_bytes(bytes(content) + end)
    return path


def assert_same(path: Path, stack: np.ndarray, **options: Any) -> Any:
    """Every plane comes back exactly; returns the Video."""
    video = open_video(path, **options)
    assert (video.n_frames, video.shape, len(video.channels)) == (len(stack), stack.shape[2:], stack.shape[1])
    assert video.dtype == stack.dtype
    for t in range(len(stack)):
        for c in range(stack.shape[1]):
            np.testing.assert_array_equal(video.frame(t, c), stack[t, c])
            assert video.frame(t, c).dtype == stack.dtype
    return video


def refusal(path: Path, words: str, **options: Any) -> None:
    """The file is refused with one line that says so."""
    with pytest.raises(InputError, match=words) as refused:
        open_video(path, **options)
    assert "\n" not in str(refused.value)


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


def test_missing_units_are_the_papers_and_said(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie()[:, DNA], resolution=(72, 72), resolutionunit="INCH")
    video = open_video(path)
    assert (video.pixel_size_um, video.minutes_per_frame) == (1.1518, 10.0)
    said = " ".join(video.assumed)
    assert "1.1518 um a pixel" in said
    assert "--pixel-size-um" in said
    assert "--minutes-per-frame" in said


def test_credible_resolution_tags_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie()[:, DNA], resolution=(1e4 / 0.65, 1e4 / 0.65), resolutionunit="CENTIMETER")
    assert open_video(path).pixel_size_um == pytest.approx(0.65)


def test_options_win_over_metadata(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "m.ome.tif", movie())
    video = open_video(path, nucleus_channel=0, phase_channel=1, pixel_size_um=0.3, minutes_per_frame=2)
    assert (video.nucleus, video.phase, video.pixel_size_um, video.minutes_per_frame) == (0, 1, 0.3, 2.0)


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


# --- Units: what files state is read, whatever its spelling, and must be credible


def write_stated(path: Path, text: str, um: tuple[float, float] = (0.65, 0.65)) -> Path:
    """An ImageJ stack with a description of its own; `um` are x and y in the file's unit."""
    head = f"ImageJ=1.54p\nimages=12\nframes=12\n{text}loop=false\n"
    tifffile.imwrite(
        path, movie()[:, DNA], description=head, resolution=(1 / um[0], 1 / um[1]), resolutionunit="none",
        photometric="minisblack", metadata=None,
    )  # fmt: skip
    return path


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


def ome_with_planes(
    path: Path, header: str, minutes: Any, stack: np.ndarray, size_t: int | None = None
) -> Path:
    """OME-TIFF of one channel whose planes say when they were taken."""
    planes = "".join(
        f'<Plane TheZ="0" TheC="0" TheT="{t}" DeltaT="{m}" DeltaTUnit="min"/>' for t, m in enumerate(minutes)
    )
    data = "".join(f'<TiffData IFD="{t}" FirstT="{t}" PlaneCount="1"/>' for t in range(len(stack)))
    name = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    xml = (
        f'<?xml version="1.0"?><OME xmlns="{name}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYCZT" Type="uint8" SizeX="40" SizeY="48" SizeC="1" SizeZ="1" '
        f'SizeT="{size_t or len(stack)}" PhysicalSizeX="0.65" PhysicalSizeY="0.65" {header}>'
        f'<Channel ID="Channel:0:0" Name="DNA" SamplesPerPixel="1"/>{data}{planes}</Pixels></Image></OME>'
    )
    tifffile.imwrite(path, stack, description=xml, metadata=None, photometric="minisblack")
    return path


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


# --- What makes pixels wrong or missing is damage; nothing else is


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


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("option", ["pixel_size_um", "minutes_per_frame"])
def test_units_must_be_positive(tmp_path: Path, option: str, value: float) -> None:
    path = write_imagej(tmp_path / "m.tif", movie())
    refusal(path, re.escape(f"--{option.replace('_', '-')} is {value}"), **{option: value})


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
