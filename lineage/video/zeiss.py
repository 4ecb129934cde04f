"""Zeiss CZI -> Source. The only module that knows pylibCZIrw."""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError
from lineage.video.axes import read_axes
from lineage.video.metadata import settle_interval
from lineage.video.places import choose_position, name_positions
from lineage.video.selection import NO_CHOICE, Selection
from lineage.video.source import Source, without_missing
from lineage.video.units import SILENT
from lineage.video.zeiss_metadata import (
    channel_names,
    check_directory,
    planned_frames,
    read_xml,
    scene_names,
    stated_interval,
    stated_pixel_size,
    time_stamps,
)
from lineage.video.zplanes import over_planes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pylibCZIrw.czi import CziReader

    from lineage.video.arrange import Position
    from lineage.video.axes import Axes

    Box = tuple[int, int, int, int]  # x, y, width, height, in the pixels of the whole file
    Place = tuple[int, int, int]  # T, C, Z, as the file counts them

MAGIC = (b"ZISRAWFILE",)
_DTYPES: dict[str, np.dtype] = {
    "Gray8": np.dtype("u1"),
    "Gray16": np.dtype("u2"),
    "Gray32Float": np.dtype("f4"),
}
_DECODED = {"UnCompressed", "JpgXr", "Zstd0", "Zstd1"}
_OTHER_AXES = {"R": "rotations", "I": "illuminations", "H": "phases", "V": "views", "B": "blocks"}
# What a damaged directory may claim, and no microscope takes.
_MAX_FRAMES, _MAX_PIXELS, _MAX_SIDE = 10**6, 10**9, 2**17


@dataclass
class _Scene:
    """What the directory of a file says of one scene."""

    tiles: Counter[Place] = field(default_factory=Counter)  # plane -> of how many tiles
    boxes: dict[int, set[Box]] = field(default_factory=lambda: defaultdict(set))  # C -> tiles, of all planes
    levels: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # C -> Z
    types: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))  # C -> of pixels
    others: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # axis -> indices
    compressions: set[str] = field(default_factory=set)

    def box(self) -> Box:
        """Around all tiles."""
        boxes = set().union(*self.boxes.values())
        x, y = min(b[0] for b in boxes), min(b[1] for b in boxes)
        return x, y, max(b[0] + b[2] for b in boxes) - x, max(b[1] + b[3] for b in boxes) - y


@dataclass(frozen=True)
class _Grid:
    """The planes that a scene should have, and where the file has them."""

    times: range
    channels: tuple[int, ...]
    levels_of: dict[int, set[int]]  # C -> Z

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """The levels of z, of all channels."""
        return tuple(sorted(set().union(*self.levels_of.values())))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(T, C, Z)."""
        return len(self.times), len(self.channels), len(self.levels)

    def place(self, index: tuple[int | slice, ...]) -> Place:
        """The place of a plane; a channel that was taken at one level of z has that one at all of them."""
        t, k, z = (i for i in index if isinstance(i, int))
        channel = self.channels[k]
        own = self.levels_of[channel]
        return self.times[t], channel, self.levels[z] if len(own) > 1 else min(own)


def positions(path: Path) -> list[Position]:
    """The scenes of a file, with the names and wells given to them.

    Raises:
        InputError: damaged, or pylibCZIrw is not installed.
    """
    with _open(path) as czi:
        scenes = list(_scan(czi))
        if not scenes:
            raise InputError(f"{path.name} holds no images: copy or export it again")
        return name_positions(scene_names(read_xml(czi.raw_metadata), scenes))


def read_czi(path: Path, number: int | None = None, selection: Selection = NO_CHOICE) -> Source:
    """Open one scene of a CZI; one plane is read at a time, composed of its tiles where it is a mosaic.

    Args:
        path: the file.
        number: of the scene, as `positions` lists them; None for the only one.
        selection: what the user chose of z.

    Raises:
        InputError: damaged, in colour, several scenes, planes of z without a choice, a choice that the file
            does not have, or pylibCZIrw is not installed.
    """
    if selection.axes:
        raise InputError(f"--axes is for TIFF and Zarr; {path.name} is a CZI, which says what its axes are")
    if number is None:
        number = choose_position(positions(path), NO_CHOICE, path.name)
    with ExitStack() as files:
        source = _describe(files.enter_context(_open(path)), path, number, selection)
        weakref.finalize(source.read, files.pop_all().close)
    return source


@contextmanager
def _open(path: Path) -> Iterator[CziReader]:
    try:
        from pylibCZIrw.czi import CziReader
    except ImportError as error:
        raise InputError(
            f"{path.name} is a CZI, and pylibCZIrw, which reads those, is not installed: "
            "pip install 'mitosis-lineage[formats]'"
        ) from error
    czi = None
    try:
        check_directory(path)
        czi = CziReader(str(path))
        yield czi
    except InputError:
        raise
    except Exception as error:  # libCZI raises RuntimeError, and damaged metadata all kinds of errors
        said = " ".join(str(error).split())
        raise InputError(f"{path.name} is damaged or cut short ({said}): copy or export it again") from error
    finally:
        if czi is not None:
            czi.close()


def _scan(czi: CziReader) -> dict[int | None, _Scene]:
    """Scene -> what the directory says of it; what is in no scene is None's."""
    scenes: dict[int | None, _Scene] = defaultdict(_Scene)

    def look(_: int, tile: Any) -> bool:
        at, box = tile.coordinate.to_dict(), tile.logicalRect
        scene, t, c, z = scenes[at.get("S")], at.get("T", 0), at.get("C", 0), at.get("Z", 0)
        scene.tiles[t, c, z] += 1
        scene.boxes[c].add((box.x, box.y, box.w, box.h))
        scene.levels[c].add(z)
        scene.types[c].add(tile.pixelType.name)
        scene.compressions.add(tile.get_compression_mode().name)
        for axis in _OTHER_AXES:
            scene.others[axis].add(at.get(axis, 0))
        return True

    czi.enumerate_subblocks_subset(look, only_layer0=True)  # the other layers are smaller copies
    return {index: scenes[index] for index in sorted(scenes, key=lambda i: -1 if i is None else i)}


def _describe(czi: CziReader, path: Path, number: int, selection: Selection) -> Source:
    scenes, metadata = _scan(czi), read_xml(czi.raw_metadata)
    index, scene = list(scenes.items())[number]
    _check_pixels(scene, path.name)
    # The frames are those of the file: a scene may have fewer, if the acquisition stopped amid a round.
    taken = {t for s in scenes.values() for t, _, _ in s.tiles}
    times = range(min(taken), max(max(taken) + 1, min(taken) + planned_frames(metadata)))
    _check_size(scene, times, path.name)
    grid = _Grid(times, tuple(sorted(scene.types)), scene.levels)
    box = scene.box()
    names = channel_names(metadata, grid.channels)
    axes = read_axes("TCZYX", (*grid.sizes, box[3], box[2]), path.name, selection, named_channels=all(names))
    n_frames, missing, warnings = _whole_frames(scene, grid, axes, path.name)
    holes = frozenset(missing)
    dtypes: dict[int, np.dtype] = {c: _DTYPES[min(types)] for c, types in scene.types.items()}

    def read(t: int, channel: int, z: int) -> np.ndarray:
        at = grid.place(axes.index(t, channel, z))
        if t in holes:
            return np.zeros(axes.shape, dtypes[at[1]])
        return np.array(czi.read(box, dict(zip("TCZ", at, strict=True)), index)[..., 0], dtypes[at[1]])

    flat, notes = over_planes(read, axes.n_planes, selection)
    stated, at_min = SILENT, {}
    if axes.time == 0:  # and not another axis that is read as time
        stated, at_min = stated_interval(metadata), _frame_times(path, n_frames, len(times), holes)
    interval, interval_notes, interval_warnings = settle_interval(stated, at_min)
    return Source(
        n_frames,
        axes.shape,
        tuple(dtypes[grid.place(axes.index(0, c))[1]] for c in range(axes.n_channels)),
        names[: axes.n_channels],
        flat,
        stated_pixel_size(metadata),
        interval,
        missing,
        assumed=axes.assumed,
        notes=(*axes.notes, *notes, *interval_notes),
        warnings=(*warnings, *interval_warnings, *_warn_of_gaps(scene)),
        n_planes=axes.n_planes,
    )


def _whole_frames(
    scene: _Scene, grid: _Grid, axes: Axes, file: str
) -> tuple[int, tuple[int, ...], list[str]]:
    """How many frames there are, those of which a tile or a plane is missing, and warnings."""
    most = Counter[int]()  # C -> tiles of a whole plane
    for (_, c, _), n in scene.tiles.items():
        most[c] = max(most[c], n)

    def is_whole(t: int) -> bool:
        places = (
            grid.place(axes.index(t, c, z)) for c in range(axes.n_channels) for z in range(axes.n_planes)
        )
        return all(scene.tiles[place] == most[place[1]] for place in places)

    absent = [t for t in range(axes.n_frames) if not is_whole(t)]
    found = without_missing(absent, axes.n_frames, "were planned and not taken, or not all of them")
    if found[0] == 0:
        raise InputError(f"{file} has no frame with all its planes: copy or export it again")
    return found


def _frame_times(path: Path, n_frames: int, n_planned: int, holes: frozenset[int]) -> dict[int, float]:
    """Frame -> when it was taken, minutes; empty where the time stamps are not those of the frames."""
    stamps = time_stamps(path)
    if len(stamps) not in (n_frames, n_planned):
        return {}
    return {t: stamp for t, stamp in enumerate(stamps[:n_frames]) if t not in holes}


def _check_pixels(scene: _Scene, file: str) -> None:
    """Refuse colours, what libCZI does not decode, and several pixels where one is wanted."""
    types = set().union(*scene.types.values())
    if any(t.startswith("Bgr") for t in types):
        raise InputError(
            f"{file} is an RGB picture; a movie with its channels apart is wanted: "
            "export the raw channels, not the coloured view"
        )
    if odd := sorted(types - set(_DTYPES)):
        raise InputError(f"{file} has {odd[0]} pixels; grey values (8 or 16 bit, or float) are wanted")
    if odd := sorted(scene.compressions - _DECODED):
        raise InputError(f"{file} is compressed as {odd[0]}, which cannot be read here: save it uncompressed")
    for axis, found in scene.others.items():
        if len(found) > 1:
            raise InputError(
                f"{file} has {len(found)} {_OTHER_AXES[axis]} of each plane, and one is wanted: "
                "process it in ZEN, and give the result"
            )


def _check_size(scene: _Scene, times: range, file: str) -> None:
    """Refuse what only a damaged directory claims, before memory is asked for it."""
    _, _, width, height = scene.box()
    mixed = any(len(types) > 1 for types in scene.types.values())
    if mixed or len(times) > _MAX_FRAMES or max(width, height) > _MAX_SIDE or width * height > _MAX_PIXELS:
        raise InputError(
            f"{file} is damaged (by its directory {len(times)} frames of {width} x {height} px"
            f"{', of more than one type' if mixed else ''}): copy or export it again"
        )


def _warn_of_gaps(scene: _Scene) -> tuple[str, ...]:
    """What part of a mosaic's picture no tile covers, which is read as 0."""
    _, _, width, height = scene.box()
    gaps = [1 - _area(boxes) / (width * height) for boxes in scene.boxes.values()]
    if max(gaps) == 0:
        return ()
    return (f"{max(gaps):.0%} of the picture lie outside the mosaic's tiles, and are read as 0",)


def _area(boxes: set[Box]) -> int:
    """Pixels that are in at least one box.

    >>> _area({(0, 0, 4, 2), (2, 1, 4, 2)})
    14
    """
    xs = sorted({x for b in boxes for x in (b[0], b[0] + b[2])})
    ys = sorted({y for b in boxes for y in (b[1], b[1] + b[3])})
    covered = np.zeros((len(ys), len(xs)), bool)
    for x, y, width, height in boxes:
        i, j = np.searchsorted(ys, [y, y + height]), np.searchsorted(xs, [x, x + width])
        covered[i[0] : i[1], j[0] : j[1]] = True
    return int(np.diff(ys) @ covered[:-1, :-1] @ np.diff(xs))
