"""A plate of two wells by three fields, written as one file or folder in every format that holds several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import zarr
from video_files import movie, write_nd2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WELLS = ("A1", "B2")
N_FIELDS = 3
PLACES = [(well, field) for well in WELLS for field in range(N_FIELDS)]
NAMES = [f"{well}_{field}" for well, field in PLACES]
N_FRAMES = 6
_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def fields() -> list[np.ndarray]:
    """(T, 2, Y, X) uint8 of each position: phase contrast and DNA; the second pixel names the position."""
    stacks = []
    for number in range(len(PLACES)):
        stack = movie(N_FRAMES)
        stack[:, :, 0, 1] = 100 + number
        stacks.append(stack)
    return stacks


def write_ome_series(
    path: Path, stacks: Sequence[np.ndarray], names: Sequence[str], axes: str = "TCYX"
) -> Path:
    """One file, an image a position, as tifffile and many exporters write it."""
    with tifffile.TiffWriter(path, ome=True) as tif:
        for stack, name in zip(stacks, names, strict=True):
            metadata = {
                "axes": axes,
                "Name": name,
                "Channel": {"Name": ["Phase", "SiR-DNA"]},
                "PhysicalSizeX": 0.65,
                "PhysicalSizeY": 0.65,
                "TimeIncrement": 5,
                "TimeIncrementUnit": "min",
            }
            tif.write(stack, metadata=metadata, photometric="minisblack")
    return path


def write_ome_files(
    folder: Path, stacks: Sequence[np.ndarray], names: Sequence[str], *, companion: bool, plate: bool = True
) -> Path:
    """A file a position and channel; what is where stands in a companion file, or in the first TIFF.

    Returns:
        The companion file, or the first TIFF.
    """
    folder.mkdir(exist_ok=True)
    of_plane = {(i, c): f"set_s{i}_c{c}.ome.tif" for i in range(len(stacks)) for c in range(2)}
    images = "".join(_image(i, stack, names[i], of_plane) for i, stack in enumerate(stacks))
    text = _ome("main", f"{_plate() if plate else ''}{images}")
    document = "set.companion.ome" if companion else of_plane[0, 0]
    for (i, c), name in of_plane.items():
        uuid = _uuid("main" if name == document else f"{i}-{c}")
        reference = f'<BinaryOnly MetadataFile="{document}" UUID="{_uuid("main")}"/>'
        own = text if name == document else _ome(uuid, reference)
        tifffile.imwrite(
            folder / name, stacks[i][:, c], description=own, metadata=None, photometric="minisblack"
        )
    if companion:
        (folder / document).write_text(text, encoding="utf-8")
    return folder / document


def _uuid(name: str) -> str:
    return f"urn:uuid:{name}"


def _ome(uuid: str, content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_SCHEMA}" UUID="{uuid}">{content}</OME>'


def _image(i: int, stack: np.ndarray, name: str, of_plane: dict[tuple[int, int], str]) -> str:
    n, _, height, width = stack.shape
    data = "".join(
        f'<TiffData IFD="{t}" FirstC="{c}" FirstT="{t}" PlaneCount="1">'
        f'<UUID FileName="{of_plane[i, c]}">{_uuid(f"{i}-{c}")}</UUID></TiffData>'
        for c in range(2)
        for t in range(n)
    )
    channels = "".join(
        f'<Channel ID="Channel:{i}:{c}" Name="{called}" SamplesPerPixel="1"/>'
        for c, called in enumerate(("Phase", "SiR-DNA"))
    )
    return (
        f'<Image ID="Image:{i}" Name="{name}"><Pixels ID="Pixels:{i}" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="{width}" SizeY="{height}" SizeC="2" SizeZ="1" SizeT="{n}" PhysicalSizeX="0.65" '
        f'PhysicalSizeY="0.65" TimeIncrement="300">{channels}{data}</Pixels></Image>'
    )


def _plate() -> str:
    wells = "".join(
        f'<Well ID="Well:{w}" Row="{ord(well[0]) - 65}" Column="{int(well[1:]) - 1}">'
        + "".join(
            f'<WellSample ID="WellSample:{w}:{f}" Index="{w * N_FIELDS + f}">'
            f'<ImageRef ID="Image:{w * N_FIELDS + f}"/></WellSample>'
            for f in range(N_FIELDS)
        )
        + "</Well>"
        for w, well in enumerate(WELLS)
    )
    return f'<Plate ID="Plate:0">{wells}</Plate>'


def write_nd2_points(path: Path, stacks: Sequence[np.ndarray], names: Sequence[str]) -> Path:
    """One ND2 whose experiment goes from point to point within each time."""
    frames = np.stack(stacks, axis=1).astype(np.uint16)
    return write_nd2(path, frames.reshape(-1, *frames.shape[2:]), ("Phase", "SiR-DNA"), points=tuple(names))


def write_ngff_plate(path: Path, stacks: Sequence[np.ndarray], zarr_format: Any = 2) -> Path:
    """NGFF plate metadata over the wells A/1 and B/2 with their fields."""
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    wells = [{"path": f"{w[0]}/{w[1:]}", "rowIndex": i, "columnIndex": i} for i, w in enumerate(WELLS)]
    plate = {
        "rows": [{"name": w[0]} for w in WELLS],
        "columns": [{"name": w[1:]} for w in WELLS],
        "wells": wells,
    }
    _describe(root, {"plate": plate})
    for (well, field), stack in zip(PLACES, stacks, strict=True):
        group = root.require_group(f"{well[0]}/{well[1:]}")
        _describe(group, {"well": {"images": [{"path": str(f)} for f in range(N_FIELDS)]}})
        write_ngff_image(group.require_group(str(field)), stack)
    return path


def write_bioformats2raw(path: Path, stacks: Sequence[np.ndarray], names: Sequence[str]) -> Path:
    """Series 0, 1, ... of one store, their names in the OME-XML beside them."""
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for i, stack in enumerate(stacks):
        write_ngff_image(root.require_group(str(i)), stack)
    images = "".join(f'<Image ID="Image:{i}" Name="{n}"><Pixels/></Image>' for i, n in enumerate(names))
    (path / "OME").mkdir()
    (path / "OME" / "METADATA.ome.xml").write_text(_ome("main", images), encoding="utf-8")
    return path


def write_ngff_image(group: Any, stack: np.ndarray) -> None:
    """(T, C, Y, X), or (T, C, Z, Y, X); 5 min, 0.65 um."""
    space = "zyx"[-(stack.ndim - 2) :]
    scale = [5.0, 1.0, *(1.0 for _ in space[:-2]), 0.65, 0.65]
    multiscale = {
        "axes": [
            {"name": "t", "type": "time", "unit": "minute"},
            {"name": "c", "type": "channel"},
            *({"name": n, "type": "space", "unit": "micrometer"} for n in space),
        ],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
    }
    labels = {"channels": [{"label": "Phase"}, {"label": "SiR-DNA"}]}
    _describe(group, {"multiscales": [multiscale], "omero": labels})
    chunks = (1, 1, *stack.shape[2:])
    group.create_array("0", shape=stack.shape, chunks=chunks, dtype=stack.dtype)[:] = stack


def _describe(group: Any, attributes: dict[str, Any]) -> None:
    group.attrs.update(attributes if group.metadata.zarr_format == 2 else {"ome": attributes})
