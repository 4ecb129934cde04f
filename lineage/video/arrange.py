"""The names of a folder's images -> which image is which frame, channel and position."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lineage.io.tiff import SUFFIXES
from lineage.schema import InputError
from lineage.video.axes import MAX_CHANNELS
from lineage.video.names import FIELD_OR_FRAME, Field, Kind, is_hidden, no_frames, read_name, same_pattern
from lineage.video.source import listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEPTH = 3  # folders within the folder: TimePoint_1/, Pos0/
_RESULTS = (".lineage", ".truth")  # folders that runs and simulations write
_TIMES = (Kind.TIME, Kind.ELAPSED, Kind.STAMP)


@dataclass(frozen=True)
class Position:
    """One imaged position: a field of a well, a scene, a series; as names or metadata distinguish it."""

    name: str  # what --position takes, and part of the run folder's name; "" where there is one only
    well: str = ""
    position: str = ""  # within its well


@dataclass(frozen=True)
class Image:
    """One file, and what its name says of it."""

    path: Path
    position: Position
    channel: tuple[str, ...]
    time: float  # a count of frames, or minutes
    z: str = ""  # its plane, where the names count planes beside times


@dataclass(frozen=True)
class Sorted:
    """The images of a folder, each with its position, channel and time."""

    images: tuple[Image, ...]
    in_minutes: bool  # times are minutes, not counts
    timed: bool  # the names hold times
    assumed: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def positions(self) -> list[Position]:
        """In order of name."""
        return sorted({i.position for i in self.images}, key=lambda p: natural_key(p.name))


def sort_images(folder: Path) -> Sorted:
    """Find out which file is which frame, channel and position.

    Raises:
        InputError: there is no TIFF, or the names leave that open.
    """
    files = _tiffs(folder)
    names = [p.name for p in files]
    hidden = [n for n in names if is_hidden(n)]
    left_out = {*hidden, *no_frames([n for n in names if n not in hidden])}
    files = [p for p in files if p.name not in left_out]
    if not files:
        raise InputError(f"{folder} holds no TIFF files; give a movie, or a folder with one TIFF a frame")
    warnings = [f"left out, as no frames by their names: {listed(sorted(left_out))}"] if left_out else []
    fields = [read_name(_stem(p), p.relative_to(folder).parts[:-1]) for p in files]
    alike = same_pattern(fields)
    if len(alike) < len(files):
        odd = sorted(set(range(len(files))) - set(alike))
        raise InputError(
            f"{folder} holds files that are named unlike the others: {listed(files[i].name for i in odd)}, "
            f"beside {files[alike[0]].name}; take them out, or rename them"
        )
    return _sort(_Names(folder, files, fields), warnings)


def _tiffs(folder: Path) -> list[Path]:
    """The TIFFs of a folder in natural order; where it has none, those of the folders in it."""
    own = [f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file()]
    if not own:
        own = [
            f
            for f in folder.rglob("*")
            if f.suffix.lower() in SUFFIXES and f.is_file() and _is_part(f, folder)
        ]
    return sorted(own, key=lambda f: natural_key(f.relative_to(folder).as_posix()))


def _is_part(file: Path, folder: Path) -> bool:
    """Whether a file further down may be of the movie: not too deep, nor in a result's or a hidden folder."""
    *folders, _ = file.relative_to(folder).parts
    return len(folders) < _DEPTH and not any(f.endswith(_RESULTS) or is_hidden(f) for f in folders)


def _stem(path: Path) -> str:
    return re.sub(r"(\.ome)?\.tiff?$", "", path.name, flags=re.IGNORECASE)


@dataclass(eq=False)
class _Names:
    """The files' names as a table: a row a file, a column a field; what kind a column is may be changed."""

    folder: Path
    files: list[Path]
    rows: list[tuple[Field, ...]]
    assumed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.columns = list(zip(*self.rows, strict=True))
        self.kinds = [_kind(column) for column in self.columns]

    def varying(self, *kinds: Kind) -> list[int]:
        """The columns of these kinds that differ between files."""
        return [i for i in self.of(*kinds) if len({f.value for f in self.columns[i]}) > 1]

    def of(self, *kinds: Kind) -> list[int]:
        """The columns of these kinds."""
        return [i for i, k in enumerate(self.kinds) if k in kinds]

    def values(self, columns: list[int]) -> list[tuple[str, ...]]:
        """For each file, what it has in these columns."""
        return [tuple(row[i].value for i in columns) for row in self.rows]

    def settle_time(self) -> None:
        """Where the names state no time, find the number that counts the frames.

        Raises:
            InputError: there are several such numbers.
        """
        if self.varying(*_TIMES):
            return
        numbers = self._independent_numbers()
        if len(numbers) > 1:
            found = "; ".join(
                listed(sorted({f.value for f in self.columns[i]}, key=natural_key), 3) for i in numbers
            )
            raise InputError(
                f"{self.folder}: the names of its files count several things ({found}), and it is not clear "
                "which is time: write t before it, s before positions, c before channels"
            )
        if numbers:
            self.kinds[numbers[0]] = Kind.TIME
        elif len(z := self.varying(Kind.Z)) == 1:
            self.kinds[z[0]] = Kind.TIME
            self.assumed.append(
                "time: the files' names count planes of z and no times; they are read as time"
            )
        elif len(f := [i for i in self.varying(Kind.POSITION) if self._is_field_or_frame(i)]) == 1:
            self.kinds[f[0]] = Kind.TIME
            self.assumed.append(
                f"time: the f in names as {self.files[0].name} is read as frame, not as field"
            )

    def _is_field_or_frame(self, column: int) -> bool:
        return self.columns[column][0].key == FIELD_OR_FRAME

    def _independent_numbers(self) -> list[int]:
        """The numbers that do not follow from other numbers, or from what else is known of a file."""
        found = self.varying(Kind.NUMBER)
        known = self.varying(Kind.WELL, Kind.POSITION, Kind.CHANNEL, Kind.Z)
        for i in list(found):
            others = [*known, *(j for j in found if j != i)]
            by_others = dict(zip(self.values(others), self.values([i]), strict=True))
            follows = all(
                by_others[o] == v for o, v in zip(self.values(others), self.values([i]), strict=True)
            )
            if len(found) > 1 and follows:
                found.remove(i)
        return found

    def positions(self) -> list[Position]:
        """The position of each file; its name has only what differs between files."""
        distinct = self.values(self.varying(Kind.WELL, Kind.POSITION, Kind.TEXT))
        wells = self.values(self.of(Kind.WELL))
        within_well = self.values(self.varying(Kind.POSITION, Kind.TEXT) or self.of(Kind.POSITION))
        return [
            Position("_".join(name), "".join(well[:1]), "_".join(position))
            for name, well, position in zip(distinct, wells, within_well, strict=True)
        ]

    def times(self) -> Iterator[tuple[list[float], bool]]:
        """Ways to order the files in time, the best first, and whether they are minutes."""
        for columns in (self.varying(Kind.ELAPSED), self.varying(Kind.STAMP)):
            if columns:
                yield [row[columns[0]].minutes for row in self.rows], True
        if counts := self.varying(Kind.TIME):
            yield [float(row[counts[0]].value) for row in self.rows], False


def _sort(names: _Names, warnings: list[str]) -> Sorted:
    names.settle_time()
    positions = names.positions()
    planes = ["_".join(z) for z in names.values(names.varying(Kind.Z))]
    channels = names.values(names.varying(Kind.CHANNEL) or names.of(Kind.CHANNEL))
    ways = list(names.times())
    untimed = [0.0] * len(positions), False
    for times, in_minutes in (*ways, untimed):
        if len(set(zip(positions, channels, times, planes, strict=True))) == len(positions):
            images = tuple(map(Image, names.files, positions, channels, times, planes))
            return Sorted(images, in_minutes, bool(ways), tuple(names.assumed), tuple(warnings))
    raise InputError(
        f"{names.folder}: names as {listed((f.name for f in names.files), 3)} do not distinguish the frames; "
        "number the frames, t001 and on, or give one of the files"
    )


def _kind(column: tuple[Field, ...]) -> Kind:
    """What a field is, judging by all its values: C1 and C2 are channels, C01 and D01 are wells."""
    kind = column[0].kind
    values = {f.value for f in column}
    letters = {v[0] for v in values if v}
    if (
        kind is Kind.WELL
        and letters <= {"C"}
        and len(values) <= MAX_CHANNELS
        and all(len(v) == 2 for v in values)
    ):
        return Kind.CHANNEL
    return kind


def natural_key(name: object) -> list[tuple[int, str]]:
    """Sort key under which numbers count as numbers.

    >>> sorted(["t10.tif", "t9.tif"], key=natural_key)
    ['t9.tif', 't10.tif']
    """
    return [(int(p), "") if p.isdigit() else (0, p.lower()) for p in re.split(r"(\d+)", str(name))]
