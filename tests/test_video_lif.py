"""Leica LIF, written by hand, as no library does: series, planes, z, units, channels, damage."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_files import DNA, PHASE, assert_same, movie, refusal

from lineage.video import open_video, positions

liffile = pytest.importorskip("liffile")

HOUR = 36_000_000_000  # in the 100 ns of Windows
START = 132_000_000_000_000_000
AXES = {"X": 1, "Y": 2, "Z": 3, "T": 4, "λ": 5, "M": 10}


@dataclass
class Series:
    """A series to be written; `order` are the axes from the innermost outwards, with C for channels."""

    name: str
    pixels: np.ndarray  # (T, C, Z, Y, X)
    order: str = "XYCZT"
    names: tuple[str, ...] = ("PMT Trans", "Leica/SiR-DNA")
    minutes: float = 5.0  # of which the whole length of the time axis is made
    stamps: tuple[int, ...] = ()
    planned: int = 0  # frames
    hardware: str = ""
    tag: int = 0
    also: str = ""  # another axis of length 3

    def xml(self, block: str) -> str:
        """The element of the series."""
        n_t, n_c, n_z, n_y, n_x = self.pixels.shape
        sizes = {"T": max(n_t, self.planned), "C": n_c, "Z": n_z, "Y": n_y, "X": n_x}
        steps, step = {}, self.pixels.itemsize
        for axis in self.order:
            steps[axis], step = step, step * sizes[axis]
        lengths = {"T": 60 * self.minutes * (sizes["T"] - 1), "Z": 4e-6}
        described = "".join(
            f'<DimensionDescription DimID="{AXES[a]}" NumberOfElements="{sizes[a]}" Origin="0" '
            f'Length="{lengths.get(a, 0.65e-6 * (sizes[a] - 1))}" Unit="{"s" if a == "T" else "m"}" '
            f'BitInc="0" BytesInc="{steps[a]}"/>'
            for a in self.order
            if a != "C"
        )
        if self.also:
            described += (
                f'<DimensionDescription DimID="{AXES[self.also]}" NumberOfElements="3" Origin="0" Length="0" '
                f'Unit="" BitInc="0" BytesInc="{step}"/>'
            )
        kind, bits = int(self.pixels.dtype.kind == "f"), 8 * self.pixels.itemsize
        channels = "".join(
            f'<ChannelDescription DataType="{kind}" ChannelTag="{self.tag}" Resolution="{bits}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="{("Gray", "Red")[i % 2]}" '
            f'IsLUTInverted="0" BytesInc="{steps["C"] * i}" BitInc="0">{named(self.names[i : i + 1])}'
            "</ChannelDescription>"
            for i in range(n_c)
        )
        taken = " ".join(f"{s:x}" for s in self.stamps)
        stamps = f'<TimeStampList NumberOfTimeStamps="{len(self.stamps)}">{taken}</TimeStampList>'
        return (
            f'<Element Name="{self.name}"><Data><Image><ImageDescription><Channels>{channels}</Channels>'
            f"<Dimensions>{described}</Dimensions></ImageDescription>{stamps if self.stamps else ''}"
            f'<Attachment Name="HardwareSetting">{self.hardware}</Attachment></Image></Data>'
            f'<Memory Size="{self.pixels.nbytes}" MemoryBlockID="{block}"/></Element>'
        )

    def content(self) -> bytes:
        """The pixels in the order of the file."""
        return self.pixels.transpose(["TCZYX".index(a) for a in reversed(self.order)]).tobytes()


def named(names: tuple[str, ...]) -> str:
    key = "DetectorName" if names and "PMT" in names[0] else "DyeName"
    return "".join(
        f"<ChannelProperty><Key>{key}</Key><Value>{n}</Value></ChannelProperty>" for n in names if n
    )


def write_lif(path: Path, *series: Series | str, version: int = 2) -> Path:
    """Series, and between them the names of folders that begin there and `..` where they end."""
    elements, blocks = "", b""
    for i, one in enumerate(series):
        if isinstance(one, str):
            opened = f'<Element Name="{one}"><Data><Collection/></Data><Children>'
            elements += "</Children></Element>" if one == ".." else opened
            continue
        name, content = f"MemBlock_{i}", one.content()
        elements += one.xml(name)
        sized = struct.pack("<Q" if version == 2 else "<I", len(content))
        head = b"\x2a" + sized + struct.pack("<BI", 0x2A, len(name)) + name.encode("utf-16-le")
        blocks += struct.pack("<II", 0x70, len(head)) + head + content
    xml = (
        f'<LMSDataContainerHeader Version="{version}"><Element Name="m"><Data><Experiment/></Data>'
        f'<Memory Size="0" MemoryBlockID="MemBlock_none"/><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    ).encode("utf-16-le")
    head = struct.pack("<IIBI", 0x70, len(xml) + 5, 0x2A, len(xml) // 2)
    path.write_bytes(head + xml + blocks)
    return path


def stack(n_frames: int = 12, n_z: int = 1, dtype: Any = np.uint16) -> np.ndarray:
    """(T, C, Z, Y, X); each plane of z is brighter than the one before."""
    planes = movie(n_frames, dtype=dtype)[:, :, None]
    return np.concatenate([planes + np.asarray(3 * z, dtype) for z in range(n_z)], axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("version", [1, 2])
def test_planes_units_and_channels(tmp_path: Path, version: int, dtype: Any) -> None:
    pixels = stack(dtype=dtype)
    path = write_lif(tmp_path / "m.lif", Series("one", pixels), version=version)
    video = assert_same(path, pixels[:, :, 0])
    assert (video.nucleus, video.phase, video.channels) == (DNA, PHASE, ("PMT Trans", "SiR-DNA"))
    assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.0))
    assert video.assumed == ()


@pytest.mark.parametrize("order", ["XYCZT", "XYZCT", "XYTCZ", "CXYZT", "XCYTZ", "XZYCT"])
def test_planes_in_whatever_order_they_lie(tmp_path: Path, order: str) -> None:
    """As liffile reads them, where it can."""
    pixels = stack(n_z=3)
    path = write_lif(tmp_path / "m.lif", Series("one", pixels, order))
    assert_same(path, pixels[:, :, 1], z=1)
    assert_same(path, pixels.max(axis=2), z="max")
    if order == "XYCZT":
        with liffile.LifFile(path) as lif:
            np.testing.assert_array_equal(lif.images[0].asarray(), pixels.transpose(0, 2, 1, 3, 4))


def test_planes_of_z_are_a_choice(tmp_path: Path) -> None:
    refusal(write_lif(tmp_path / "m.lif", Series("one", stack(n_z=3))), "3 planes of z")


def test_series_are_positions(tmp_path: Path) -> None:
    """Also two of one name; a single image is none."""
    first, second, third = (stack() + np.uint16(i) for i in range(3))
    path = write_lif(
        tmp_path / "m.lif",
        Series("overview", stack(1)),
        "Plate 1",
        Series("B4", first),
        Series("Position 2", second),
        "..",
        Series("B4", third),
    )
    listed = [(p.name, p.well) for p in positions(path)]
    assert listed == [("Plate-1-B4", "B4"), ("Plate-1-Position-2", ""), ("B4", "B4")]
    refusal(path, "holds 3 positions")
    video = assert_same(path, second[:, :, 0], position="Plate 1/Position 2")
    assert "series of single images are left out: overview" in " ".join(video.notes)
    assert_same(path, third[:, :, 0], position="B4")
    twice = write_lif(tmp_path / "twice.lif", Series("one", first), Series("one", second))
    assert [p.name for p in positions(twice)] == ["one", "one_1"]
    assert_same(twice, first[:, :, 0], position="one")


@pytest.mark.parametrize("each", [1, 2, 6])
def test_when_frames_were_taken(tmp_path: Path, each: int) -> None:
    """A stamp for each frame, for each of its channels, or for each of its planes."""
    stamps = tuple(START + t * HOUR // 10 + i for t in range(12) for i in range(each))
    path = write_lif(tmp_path / "m.lif", Series("one", stack(n_z=3), stamps=stamps))
    video = open_video(path, z="max")
    assert video.minutes_per_frame == pytest.approx(6.0)
    assert "by the times of the frames" in " ".join(video.notes)


def test_stamps_that_are_not_those_of_the_frames_are_left_alone(tmp_path: Path) -> None:
    stamps = tuple(START + t * HOUR for t in range(13))
    path = write_lif(tmp_path / "m.lif", Series("one", stack(), stamps=stamps))
    assert open_video(path).minutes_per_frame == pytest.approx(5.0)


def test_no_interval(tmp_path: Path) -> None:
    path = write_lif(tmp_path / "m.lif", Series("one", stack(), minutes=0))
    assert "interval: the file gives none" in " ".join(open_video(path).assumed)


def test_a_series_that_was_stopped(tmp_path: Path) -> None:
    path = write_lif(tmp_path / "m.lif", Series("one", stack(), planned=50))
    video = assert_same(path, stack()[:, :, 0])
    assert "12 of 50 planned frames" in " ".join(video.warnings)


CAMERA = (
    "<ATLCameraSettingDefinition><WideFieldChannelConfigurator>"
    '<WideFieldChannelInfo LUT="Gray" ContrastingMethodName="TL-PH" FluoCubeName="TL-PH" UserDefName=""/>'
    '<WideFieldChannelInfo LUT="Red" ContrastingMethodName="FLUO" FluoCubeName="Y5" UserDefName="SiR"/>'
    "</WideFieldChannelConfigurator></ATLCameraSettingDefinition>"
)
DETECTORS = (
    "<ATLConfocalSettingDefinition>"
    '<Detector Name="PMT Trans" Channel="100" IsActive="1"/><Detector Name="PMT 1" Channel="1" IsActive="0"/>'
    '<Detector Name="HyD 2" Channel="2" IsActive="1"/><LUT Channel="100" LutName="Gray"/>'
    '<LUT Channel="2" LutName="Red"/><MultiBand Channel="2" DyeName="DRAQ5"/></ATLConfocalSettingDefinition>'
)


@pytest.mark.parametrize(
    ("hardware", "names"),
    [
        (CAMERA, ("TL-PH", "SiR Y5")),
        (DETECTORS, ("PMT Trans", "DRAQ5")),
        (DETECTORS.replace('"Red"', '"Blue"'), ("channel 0", "channel 1")),
        (f"<Sequential>{DETECTORS}</Sequential>", ("channel 0", "channel 1")),
    ],
)
def test_names_of_channels(tmp_path: Path, hardware: str, names: tuple[str, ...]) -> None:
    path = write_lif(tmp_path / "m.lif", Series("one", stack(), names=(), hardware=hardware))
    video = open_video(path)
    assert (video.channels, video.nucleus) == (names, DNA)
    assert ("by its looks" in " ".join(video.assumed)) == (names[0] == "channel 0")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tag": 1}, "RGB picture"),
        ({"also": "M"}, "3 tiles of a mosaic"),
        ({"also": "λ"}, "3 wavelengths"),
    ],
)
def test_what_is_no_movie_of_grey_planes(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    refusal(write_lif(tmp_path / "m.lif", Series("one", stack(), **wrong)), words)


def test_planes_without_y(tmp_path: Path) -> None:
    """A scan in x and z over time."""
    path = write_lif(tmp_path / "m.lif", Series("one", stack(n_z=3)))
    content = path.read_bytes()
    path.write_bytes(content.replace('DimID="2"'.encode("utf-16-le"), 'DimID="7"'.encode("utf-16-le")))
    refusal(path, "its axes|of its dimension 7")


def test_axes_are_those_of_the_file(tmp_path: Path) -> None:
    refusal(write_lif(tmp_path / "m.lif", Series("one", stack())), "says what its axes are", axes="TCYX")


def test_a_single_image_is_no_movie(tmp_path: Path) -> None:
    refusal(write_lif(tmp_path / "m.lif", Series("one", stack(1))), "single image")


def test_no_series(tmp_path: Path) -> None:
    refusal(write_lif(tmp_path / "m.lif"), "holds no images")


@pytest.mark.parametrize("kept", [0.0005, 0.001, 0.01, 0.3, 0.97, 0.9999])
def test_cut_short(tmp_path: Path, kept: float) -> None:
    path = write_lif(tmp_path / "m.lif", Series("one", stack()))
    content = path.read_bytes()
    path.write_bytes(content[: max(6, int(len(content) * kept))])
    refusal(path, "damaged or cut short")


@pytest.mark.parametrize("xml", ['BytesInc="80"', 'NumberOfElements="40"', 'Resolution="16"', "</Children>"])
def test_damaged_description(tmp_path: Path, xml: str) -> None:
    path = write_lif(tmp_path / "m.lif", Series("one", stack()))
    content, old = path.read_bytes(), xml.encode("utf-16-le")
    assert old in content
    new = (
        xml.replace("80", "-8")
        .replace("40", "xx")
        .replace("16", "99")
        .replace("</", "<<")
        .encode("utf-16-le")
    )
    path.write_bytes(content.replace(old, new))
    refusal(path, "damaged or cut short")


def test_memory_does_not_grow_with_the_movie_and_no_file_stays_open(tmp_path: Path) -> None:
    pixels = np.zeros((60, 1, 1, 256, 256), np.uint16)
    pixels[:, 0, 0, 0, 0] = range(60)
    path = write_lif(tmp_path / "m.lif", Series("one", pixels, names=("DNA",)))
    video = open_video(path)
    tracemalloc.start()
    for t in range(60):
        assert video.frame(t, 0)[0, 0] == t
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * pixels[0].nbytes
    opened = Path("/proc/self/fd")
    assert not opened.exists() or path not in {p.resolve() for p in opened.iterdir() if p.exists()}


def test_without_the_library_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lif(tmp_path / "m.lif", Series("one", stack()))
    monkeypatch.setitem(sys.modules, "liffile", None)
    refusal(path, r"pip install 'mitosis-lineage\[formats\]'")
