"""Zeiss CZI, written with Zeiss's own library: planes, mosaics, scenes, z, units, channels, damage."""

from __future__ import annotations

import gc
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from video_files import DNA, PHASE, UNITS, assert_same, movie, refusal

from lineage.video import list_contents, open_video, positions
from lineage.video.selection import NO_CHOICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

czi = pytest.importorskip("pylibCZIrw.czi")

HEAD = 32  # bytes of a segment before its contents


def write_czi(
    path: Path,
    scenes: dict[int, np.ndarray],
    *,
    skip: Callable[[int, int, int, int], bool] = lambda *_: False,
    compression: str = "uncompressed:",
    names: tuple[str, ...] = ("Phase", "SiR-DNA"),
    um: float = 0.65,
) -> Path:
    """Scene -> (T, C, Z, Y, X); each scene in two tiles that overlap; `skip` takes (scene, t, c, z)."""
    with czi.create_czi(str(path), compression_options=compression) as file:
        for scene, stack in scenes.items():
            n_x = stack.shape[-1]
            for t, c, z in np.ndindex(*stack.shape[:3]):
                if not skip(scene, t, c, z):
                    at, plane = {"T": t, "C": c, "Z": z}, stack[t, c, z]
                    y, x = 500 * scene, 300
                    file.write(plane[:, : n_x // 2 + 3], (x, y), at, scene=scene)
                    file.write(plane[:, n_x // 2 - 3 :], (x + n_x // 2 - 3, y), at, scene=scene)
        file.write_metadata(
            channel_names=dict(enumerate(names)), scale_x=um * 1e-6, scale_y=um * 1e-6, scale_z=1e-6
        )
    return path


def append(path: Path, name: bytes, contents: bytes) -> int:
    """Put a segment at the end of a file; returns where it is."""
    with path.open("ab") as file:
        file.write(bytes(-file.tell() % 32))
        start = file.tell()
        file.write(struct.pack("<16sqq", name, len(contents), len(contents)) + contents)
    return start


def point(path: Path, at: int, to: int) -> None:
    """Let the file's header point to a segment."""
    with path.open("r+b") as file:
        file.seek(HEAD + at)
        file.write(struct.pack("<q", to))


def describe(path: Path, *changes: tuple[str, str], stamps: tuple[float, ...] = ()) -> Path:
    """Change the metadata of a file, and attach time stamps, as ZEN does and its library does not."""
    with czi.open_czi(str(path)) as file:
        text = file.raw_metadata
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    head = struct.pack("<ii248x", len(text.encode()), 0)
    point(path, 60, append(path, b"ZISRAWMETADATA", head + text.encode()))
    if stamps:
        data = struct.pack(f"<ii{len(stamps)}d", 8 + 8 * len(stamps), len(stamps), *stamps)
        attached = append(path, b"ZISRAWATTACH", struct.pack("<i252x", len(data)) + data)
        entry = struct.pack("<2s10xqi16s8s80s", b"A1", attached, 0, b"", b"CZTIMS", b"TimeStamps")
        point(path, 72, append(path, b"ZISRAWATTDIR", struct.pack("<i252x", 1) + entry))
    return path


def segments(content: bytearray) -> Iterator[tuple[bytes, int]]:
    """Name and start of the contents of each segment."""
    at = 0
    while at < len(content):
        name, allocated, _ = struct.unpack_from("<16sqq", content, at)
        yield name.rstrip(b"\0"), at + HEAD
        at += HEAD + allocated


def recompress(path: Path, code: int, encode: Callable[[np.ndarray], bytes], dtype: Any) -> None:
    """Compress the tiles of a file otherwise than its writer can; what is compressed must be no longer."""
    content = bytearray(path.read_bytes())
    for name, at in segments(content):
        if name == b"ZISRAWSUBBLOCK":
            n_metadata, _, n_bytes = struct.unpack_from("<iiq", content, at)
            (n_axes,) = struct.unpack_from("<i", content, at + 44)
            sizes = {}
            for i in range(n_axes):
                axis, _, size = struct.unpack_from("<4sii", content, at + 48 + 20 * i)
                sizes[axis[:1]] = size
            start = at + max(256, 48 + 20 * n_axes) + n_metadata
            tile = np.frombuffer(bytes(content[start : start + n_bytes]), dtype)
            packed = encode(tile.reshape(sizes[b"Y"], sizes[b"X"]))
            assert len(packed) <= n_bytes
            content[start : start + len(packed)] = packed
            struct.pack_into("<q", content, at + 8, len(packed))
            struct.pack_into("<i", content, at + 16 + 18, code)
        if name == b"ZISRAWDIRECTORY":
            (n_entries,) = struct.unpack_from("<i", content, at)
            at += 128
            for _ in range(n_entries):
                struct.pack_into("<i", content, at + 18, code)
                at += 32 + 20 * struct.unpack_from("<i", content, at + 28)[0]
    path.write_bytes(content)


def stack(n_frames: int = 12, n_z: int = 1, dtype: Any = np.uint16) -> np.ndarray:
    """(T, C, Z, Y, X); each plane of z is brighter than the one before."""
    planes = movie(n_frames, dtype=dtype)[:, :, None]
    return np.concatenate([planes + np.asarray(3 * z, dtype) for z in range(n_z)], axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("compression", ["uncompressed:", "zstd0:ExplicitLevel=1", "zstd1:ExplicitLevel=1"])
def test_planes_are_composed_of_their_tiles(tmp_path: Path, compression: str, dtype: Any) -> None:
    pixels = stack(dtype=dtype)
    path = write_czi(tmp_path / "m.czi", {0: pixels}, compression=compression)
    video = assert_same(path, pixels[:, :, 0], minutes_per_frame=5)
    assert (video.nucleus, video.phase, video.assumed, video.pixel_size_um) == (DNA, PHASE, (), 0.65)


def test_jpeg_xr_is_decoded(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(48), np.arange(40)).astype(np.uint8)
    pixels = np.stack([smooth + np.uint8(t) for t in range(12)])[:, None, None]
    path = write_czi(tmp_path / "m.czi", {0: pixels}, names=("DNA",))
    recompress(path, 4, lambda tile: bytes(imagecodecs.jpegxr_encode(tile, level=1.0)), np.uint8)
    assert_same(path, pixels[:, :, 0], minutes_per_frame=5)


def test_a_compression_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()})
    recompress(path, 1, lambda tile: tile.tobytes(), np.uint16)
    refusal(path, "compressed as Jpg, which cannot be read here", **UNITS)


def test_stated_interval_and_time_stamps(tmp_path: Path) -> None:
    stated = (
        "<Dimensions>",
        "<Dimensions><T><Positions><Interval><Increment>300</Increment></Interval></Positions></T>",
    )
    path = describe(write_czi(tmp_path / "m.czi", {0: stack()}), stated)
    assert open_video(path).minutes_per_frame == 5
    stamped = describe(path, stamps=tuple(602.0 * t for t in range(12)))
    video = assert_same(stamped, stack()[:, :, 0])
    assert video.minutes_per_frame == pytest.approx(602 / 60, rel=1e-4)
    assert "by the times of the frames" in " ".join(video.notes)


def test_time_stamps_that_are_not_those_of_the_frames_are_left_alone(tmp_path: Path) -> None:
    path = describe(write_czi(tmp_path / "m.czi", {0: stack()}), stamps=tuple(60.0 * t for t in range(24)))
    assert "interval: the file gives none" in " ".join(open_video(path).assumed)


def test_scenes_are_positions_each_with_a_size_of_its_own(tmp_path: Path) -> None:
    one, two = stack(), stack()[:, :, :, 5:45, ::-1]
    path = write_czi(tmp_path / "m.czi", {0: one, 1: two})
    named = "".join(
        f'<Scene Index="{i}" Name="P1"><Shape Name="{well}"/></Scene>' for i, well in enumerate(("B4", "C11"))
    )
    describe(path, ("<Dimensions>", f"<Dimensions><S><Scenes>{named}</Scenes></S>"))
    assert [(p.name, p.well, p.position) for p in positions(path)] == [
        ("B4_P1", "B4", "P1"),
        ("C11_P1", "C11", "P1"),
    ]
    refusal(path, "holds 2 positions", **UNITS)
    assert_same(path, one[:, :, 0], position="B4_P1", **UNITS)
    assert_same(path, two[:, :, 0], well="C11", **UNITS)
    assert_same(path, two[:, :, 0], position="1", **UNITS)


def test_scenes_without_names_go_by_their_numbers(tmp_path: Path) -> None:
    path = write_czi(tmp_path / "m.czi", {3: stack(), 7: stack() + np.uint16(1)})
    assert [p.name for p in positions(path)] == ["0", "1"]
    assert_same(path, stack()[:, :, 0] + np.uint16(1), position="1", **UNITS)


def test_planes_of_z_by_choice(tmp_path: Path) -> None:
    pixels = stack(n_z=3)
    path = write_czi(tmp_path / "m.czi", {0: pixels})
    refusal(path, "3 planes of z", **UNITS)
    assert_same(path, pixels[:, :, 1], z=1, **UNITS)
    assert "3 planes of z" in " ".join(list_contents(path, selection=NO_CHOICE))
    assert_same(path, pixels.max(axis=2), z="max", **UNITS)


def test_a_channel_that_was_taken_in_one_plane_shows_it_whatever_z(tmp_path: Path) -> None:
    pixels = stack(n_z=3)
    path = write_czi(tmp_path / "m.czi", {0: pixels}, skip=lambda _, t, c, z: c == PHASE and z != 1)
    wanted = np.stack([pixels[:, PHASE, 1], pixels[:, DNA].max(axis=1)], axis=1)
    assert_same(path, wanted, z="max", **UNITS)


def test_frames_that_were_not_taken(tmp_path: Path) -> None:
    """Frame 4 lacks a plane; the second scene stops two frames before the first, and that before its plan."""
    pixels = stack(14)
    path = write_czi(
        tmp_path / "m.czi",
        {0: pixels, 1: pixels},
        skip=lambda scene, t, c, z: (t, c) == (4, DNA) or (scene == 1 and t > 11),
    )
    describe(path, ("<SizeT>14</SizeT>", "<SizeT>20</SizeT>"))
    first, second = (open_video(path, position=p, **UNITS) for p in "01")
    assert (first.n_frames, second.n_frames) == (14, 12)
    assert first.missing == second.missing == (4,)
    assert "12 of 20 planned frames" in " ".join(second.warnings)
    assert not first.frame(4, PHASE).any()
    np.testing.assert_array_equal(second.frame(5, DNA), pixels[5, DNA, 0])


def test_a_frame_without_one_of_its_tiles_is_missing(tmp_path: Path) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()})
    content = bytearray(path.read_bytes())
    (at,) = (at for name, at in segments(content) if name == b"ZISRAWDIRECTORY")
    # The last tile of the last frame becomes a smaller copy, as in a pyramid: no tile of the picture.
    entry = at + 128
    for _ in range(2 * 2 * 12 - 1):
        entry += 32 + 20 * struct.unpack_from("<i", content, entry + 28)[0]
    for i in range(struct.unpack_from("<i", content, entry + 28)[0]):
        axis, _, size, _, _ = struct.unpack_from("<4siifi", content, entry + 32 + 20 * i)
        if axis[:1] in b"XY":
            struct.pack_into("<i", content, entry + 32 + 20 * i + 16, size // 2)
    path.write_bytes(content)
    video = open_video(path, **UNITS)
    assert video.n_frames == 11
    assert "11 of 12 planned frames" in " ".join(video.warnings)


def test_gaps_in_a_mosaic_are_said(tmp_path: Path) -> None:
    path = tmp_path / "m.czi"
    plane = stack()[0, DNA, 0]
    with czi.create_czi(str(path)) as file:
        for t in range(12):
            file.write(plane, (0, 0), {"T": t})
            file.write(plane, (40, 24), {"T": t})
    video = open_video(path, **UNITS)
    assert video.shape == (72, 80)
    assert "33% of the picture lie outside" in " ".join(video.warnings)
    assert not video.frame(3, 0)[48:, :40].any()
    np.testing.assert_array_equal(video.frame(3, 0)[24:, 40:], plane)


@pytest.mark.parametrize(
    ("channels", "found"),
    [
        (
            ('Name="Cam1"><Fluor>SiR-DNA</Fluor>', 'Name="Cam2"><ContrastMethod>Phase</ContrastMethod>'),
            (0, 1),
        ),
        (
            ('Name="TL"><IlluminationType>Transmitted</IlluminationType>', 'Name="X"><Fluor>DAPI</Fluor>'),
            (1, 0),
        ),
    ],
)
def test_stain_and_transmitted_light_by_what_is_said_of_channels(
    tmp_path: Path, channels: tuple[str, str], found: tuple[int, int]
) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()}, names=("one", "two"))
    describe(path, ('Name="one">', channels[0]), ('Name="two">', channels[1]))
    video = open_video(path, **UNITS)
    assert (video.nucleus, video.phase, video.assumed) == (*found, ())


def test_no_pixel_size(tmp_path: Path) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()}, um=0)
    assert "pixel size: the file gives none" in " ".join(open_video(path).assumed)


def test_rgb(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "m.czi")) as file:
        for t in range(12):
            file.write(np.zeros((20, 30, 3), np.uint8), plane={"T": t})
    refusal(tmp_path / "m.czi", "RGB picture", **UNITS)


def test_axes_are_those_of_the_file(tmp_path: Path) -> None:
    refusal(write_czi(tmp_path / "m.czi", {0: stack()}), "says what its axes are", axes="TCYX")


def test_a_single_image_is_no_movie(tmp_path: Path) -> None:
    refusal(write_czi(tmp_path / "m.czi", {0: stack(1)}), "single image", **UNITS)


@pytest.mark.parametrize("kept", [0.001, 0.01, 0.3, 0.97, 0.9999])
def test_cut_short(tmp_path: Path, kept: float) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refusal(path, "damaged or cut short", **UNITS)


@pytest.mark.parametrize("axes", [0, -1, 120])
def test_a_directory_that_counts_impossible_axes(tmp_path: Path, axes: int) -> None:
    """libCZI would end the process."""
    path = write_czi(tmp_path / "m.czi", {0: stack()})
    content = bytearray(path.read_bytes())
    (at,) = (at for name, at in segments(content) if name == b"ZISRAWDIRECTORY")
    struct.pack_into("<i", content, at + 128 + 28, axes)
    path.write_bytes(content)
    refusal(path, f"damaged or cut short .*{axes} axes", **UNITS)


def test_a_tile_far_from_the_others_asks_for_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.czi"
    with czi.create_czi(str(path)) as file:
        for t in range(12):
            file.write(stack()[t, DNA, 0], (0, 10_000_000 * (t == 5)), {"T": t})
    refusal(path, "damaged .by its directory 12 frames of 40 x 10000048 px", **UNITS)


@pytest.mark.parametrize("text", ["<ImageDocument>", "", "no XML"])
def test_damaged_metadata(tmp_path: Path, text: str) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()})
    data = struct.pack("<ii248x", len(text), 0) + text.encode()
    point(path, 60, append(path, b"ZISRAWMETADATA", data))
    refusal(path, "damaged or cut short", **UNITS)


def test_nothing_stays_open(tmp_path: Path) -> None:
    opened = Path("/proc/self/fd")
    if not opened.exists():
        pytest.skip("open files are listed on Linux only")
    path = write_czi(tmp_path / "m.czi", {0: stack()})

    def is_open() -> bool:
        return any(p.exists() and p.resolve() == path for p in opened.iterdir())

    video = open_video(path, **UNITS)
    assert is_open()
    refusal(path, "says what its axes are", axes="TCYX")
    del video
    gc.collect()
    assert not is_open()


def test_without_the_library_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_czi(tmp_path / "m.czi", {0: stack()})
    monkeypatch.setitem(sys.modules, "pylibCZIrw.czi", None)
    refusal(path, r"pip install 'mitosis-lineage\[formats\]'")
