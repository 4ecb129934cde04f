"""A small movie, written in every format that is read; and what tests ask of opening one."""

from __future__ import annotations

import struct
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
    stated = {"axes": axes, "unit": "micron", "finterval": 300.0, **metadata}
    tifffile.imwrite(path, stack, imagej=True, resolution=(1 / 0.65, 1 / 0.65), metadata=stated)
    return path


def write_ome(path: Path, stack: np.ndarray, axes: str = "TCYX", names: Any = ("Phase", "SiR-DNA")) -> Path:
    metadata: dict[str, Any] = {
        "axes": axes,
        "PhysicalSizeX": 650,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.65,
        "PhysicalSizeYUnit": "µm",
        "TimeIncrement": 5,
        "TimeIncrementUnit": "min",
    }
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


def write_nd2(
    path: Path,
    stack: np.ndarray,
    names: tuple[str, ...],
    calibrated: bool = True,
    *,
    points: tuple[str, ...] = (),
    n_planes: int = 1,
) -> Path:
    """An ND2 of version 3 with the chunks that readers need; metadata as XML, which the format allows.

    With points of the stage, or planes of z, the stack's first axis goes through time, points and planes, the
    last the fastest.

    No library writes ND2. The layout is the one that the nd2 package documents in its reader: named chunks,
    a map of them at the end, frames (Y, X, C) in chunks of their own.
    """
    n_frames, n_channels, height, width = stack.shape

    def tag(name: str, kind: str, value: object) -> str:
        return f'<{name} runtype="{kind}" value="{value}"/>'

    def document(*tags: str) -> bytes:
        return f"<variant><no_name>{''.join(tags)}</no_name></variant>".encode()

    shape = {
        "uiBpcInMemory": 16,
        "uiBpcSignificant": 16,
        "uiComp": n_channels,
        "uiHeight": height,
        "uiWidth": width,
        "uiWidthBytes": width * n_channels * 2,
        "uiSequenceCount": n_frames,
        "eCompression": 2,
    }
    attributes = document(*(tag(k, "lx_uint32", v) for k, v in shape.items()))
    times = {"dStart": 0, "dPeriod": 300_000, "dDuration": 0, "dAvgPeriodDiff": 303_000}
    n_times = n_frames // max(len(points), 1) // n_planes
    loop = tag("uiCount", "lx_uint32", n_times) + "".join(tag(k, "double", v) for k, v in times.items())
    within = ""
    if n_planes > 1:
        steps = tag("uiCount", "lx_uint32", n_planes) + tag("dZStep", "double", 0.5)
        within = f"{tag('eType', 'lx_uint32', 4)}<uLoopPars>{steps}</uLoopPars>"
    if points:
        within = f"<ppNextLevelEx><i0000000000>{within}</i0000000000></ppNextLevelEx>" if within else ""
        stage = "".join(
            f"<i{i:010d}>{tag('dPosX', 'double', i)}{tag('dPosY', 'double', 0)}{tag('dPosZ', 'double', 0)}"
            f"{tag('dPFSOffset', 'double', 0)}{tag('dPosName', 'CLxStringW', name)}</i{i:010d}>"
            for i, name in enumerate(points)
        )
        within = f"{tag('eType', 'lx_uint32', 2)}<uLoopPars><Points>{stage}</Points></uLoopPars>{within}"
    inner = f"<ppNextLevelEx><i0000000000>{within}</i0000000000></ppNextLevelEx>" if within else ""
    experiment = document(tag("eType", "lx_uint32", 1), f"<uLoopPars>{loop}</uLoopPars>{inner}")
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
    chunk_map = b""

    def chunk(name: bytes, data: bytes, name_length: int) -> None:
        content.extend(
            struct.pack("<IIQ", 0x0ABECEDA, name_length, len(data)) + name.ljust(name_length, b"\0")
        )
        content.extend(data)

    chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32)
    for name, data in (chunks | frames).items():
        chunk_map += name.encode() + struct.pack("<QQ", len(content), len(data))
        chunk(name.encode(), data, 4072)  # nd2 looks for the pixels 4096 bytes on, after the time stamp
    end = struct.pack("<32sQ", b"ND2 CHUNK MAP SIGNATURE 0000001!", len(content))
    chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", chunk_map + end, 32)
    path.write_bytes(bytes(content) + end)
    return path


def write_stated(path: Path, text: str, um: tuple[float, float] = (0.65, 0.65)) -> Path:
    """An ImageJ stack with a description of its own; `um` are x and y in the file's unit."""
    head = f"ImageJ=1.54p\nimages=12\nframes=12\n{text}loop=false\n"
    tifffile.imwrite(
        path,
        movie()[:, DNA],
        description=head,
        resolution=(1 / um[0], 1 / um[1]),
        resolutionunit="none",
        photometric="minisblack",
        metadata=None,
    )
    return path


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
