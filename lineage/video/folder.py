"""A folder of images, or a file written in parts -> one Source: which is what frame, channel and position."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError
from lineage.tiff import SUFFIXES
from lineage.video.metadata import Metadata, micro_manager_summary, settle_interval
from lineage.video.names import FIELD_OR_FRAME, Field, Kind, is_hidden, no_frames, read_name, same_pattern
from lineage.video.source import MAX_CHANNELS, Source, listed, without_missing
from lineage.video.units import SILENT, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_DEPTH = 3  # folders within the folder: TimePoint_1/, Pos0/
_OURS = (".lineage", ".truth")  # folders that runs and simulations write
_UNEVEN = 0.25  # of an interval: by so much a frame may come late
_MOST_MISSING = 0.5  # of the frames: with more of them gone the names count something else
_TIMES = (Kind.TIME, Kind.ELAPSED, Kind.STAMP)


@dataclass(frozen=True)
class Position:
    """One place that was filmed, as the names tell it from others."""

    name: str  # what --position takes; "" where there is one only
    well: str
    position: str


@dataclass(frozen=True)
class Image:
    """One file, by what its name says."""

    path: Path
    place: Position
    channel: tuple[str, ...]
    time: float  # a count of frames, or minutes


@dataclass(frozen=True)
class Sorted:
    """The images of a folder in their dimensions."""

    images: tuple[Image, ...]
    in_minutes: bool  # times are minutes, not counts
    timed: bool  # names hold times at all
    assumed: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def positions(self) -> list[Position]:
        """In order of name."""
        return sorted({i.place for i in self.images}, key=lambda p: _natural_key(p.name))


def sort_images(folder: Path) -> Sorted:
    """Say which file is which frame, channel and position.

    Raises:
        InputError: there is no TIFF, or names from which that cannot be told.
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
            if f.suffix.lower() in SUFFIXES and f.is_file()
            and len(f.relative_to(folder).parts) <= _DEPTH
            and not any(p.endswith(_OURS) or is_hidden(p) for p in f.relative_to(folder).parts[:-1])
        ]  # fmt: skip
    return sorted(own, key=lambda f: _natural_key(f.relative_to(folder).as_posix()))


def _stem(path: Path) -> str:
    return re.sub(r"(\.ome)?\.tiff?$", "", path.name, flags=re.IGNORECASE)


@dataclass(eq=False)
class _Names:
    """The files' names as a table: a row a file, a column a field; kinds may be settled anew."""

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
        """Where no name says a time, find the number that counts the frames.

        Raises:
            InputError: several numbers may.
        """
        if self.varying(*_TIMES):
            return
        numbers = self._independent_numbers()
        if len(numbers) > 1:
            found = "; ".join(
                listed(sorted({f.value for f in self.columns[i]}, key=_natural_key), 3) for i in numbers
            )
            raise InputError(
                f"{self.folder}: the names of its files count several things ({found}) and do not say which "
                "is time: write t before it, s before positions, c before channels"
            )
        if numbers:
            self.kinds[numbers[0]] = Kind.TIME
        elif len(z := self.varying(Kind.Z)) == 1:
            self.kinds[z[0]] = Kind.TIME
            self.assumed.append(
                "time: the files' names count planes of z and no times; they are read as time"
            )
        elif (
            len(f := [i for i in self.varying(Kind.POSITION) if self.columns[i][0].key == FIELD_OR_FRAME])
            == 1
        ):
            self.kinds[f[0]] = Kind.TIME
            self.assumed.append(
                f"time: the f in names as {self.files[0].name} is read as frame, not as field"
            )

    def _independent_numbers(self) -> list[int]:
        """The numbers without those that others, or what is known of a file, tell already."""
        found = self.varying(Kind.NUMBER)
        known = self.varying(Kind.WELL, Kind.POSITION, Kind.CHANNEL, Kind.Z)
        for i in list(found):
            others = [*known, *(j for j in found if j != i)]
            by_others = dict(zip(self.values(others), self.values([i]), strict=True))
            told = all(by_others[o] == v for o, v in zip(self.values(others), self.values([i]), strict=True))
            if len(found) > 1 and told:
                found.remove(i)
        return found

    def places(self) -> list[Position]:
        """The position of each file; only what differs is in its name."""
        distinct = self.values(self.varying(Kind.WELL, Kind.POSITION, Kind.TEXT))
        wells = self.values(self.of(Kind.WELL))
        positions = self.values(self.varying(Kind.POSITION, Kind.TEXT) or self.of(Kind.POSITION))
        return [
            Position("_".join(name), "".join(well[:1]), "_".join(position))
            for name, well, position in zip(distinct, wells, positions, strict=True)
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
    if z := names.varying(Kind.Z):
        planes = sorted({f.value for f in names.columns[z[0]]})
        raise InputError(
            f"{names.folder} holds {len(planes)} planes of z ({listed(planes)}); "
            "project or select one and save that"
        )
    places = names.places()
    channels = names.values(names.varying(Kind.CHANNEL) or names.of(Kind.CHANNEL))
    ways = list(names.times())
    untimed = [0.0] * len(places), False
    for times, in_minutes in (*ways, untimed):
        if len(set(zip(places, channels, times, strict=True))) == len(places):
            images = tuple(map(Image, names.files, places, channels, times))
            return Sorted(images, in_minutes, bool(ways), tuple(names.assumed), tuple(warnings))
    raise InputError(
        f"{names.folder}: names as {listed((f.name for f in names.files), 3)} do not tell frames apart; "
        "number the frames, t001 and on, or give one of the files"
    )


def _kind(column: tuple[Field, ...]) -> Kind:
    """What a field is, by all its values: C1 and C2 are channels, C01 and D01 are wells."""
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


def find_positions(folder: Path, read: Callable[[Path], Source]) -> list[Position]:
    """The positions that a folder's images show; none where it is no movie of single images."""
    try:
        found = sort_images(folder)
        first = found.images[0].path
        _as_still(read(first), first.name)
    except InputError:
        return []
    return found.positions if found.timed else []


def choose_position(found: Sequence[Position], wanted: str | None, name: str) -> Position:
    """The position to read.

    Raises:
        InputError: there are several and none is chosen, or the chosen one is not there.
    """
    names = listed((p.name for p in found), most=12)
    if wanted is None:
        if len(found) == 1:
            return found[0]
        raise InputError(
            f"{name} holds {len(found)} positions ({names}); choose one with --position {found[0].name}, "
            "or let `python -m pipelines.plate map` draft a row for each"
        )
    hits = [p for p in found if wanted.lower() in (p.name.lower(), p.well.lower())]
    if len(hits) == 1:
        return hits[0]
    what = "one position only: leave --position out" if len(found) == 1 else f"the positions {names}"
    raise InputError(f"--position {wanted} is not there: {name} holds {what}")


def read_folder(folder: Path, read: Callable[[Path], Source], position: str | None = None) -> Source:
    """The movie in a folder of images.

    Args:
        folder: with one TIFF for each frame and channel, or one TIFF of all frames for each channel.
        read: opens one of them.
        position: which of several.

    Raises:
        InputError: names from which frames cannot be told, several positions, or images that differ.
    """
    everything = sort_images(folder)
    place = choose_position(everything.positions, position, folder.name)
    images = [i for i in everything.images if i.place == place]
    if not everything.timed and len(images) > 1:
        frames = _of_stacks(images, read, folder)
    elif not everything.timed:
        raise InputError(f"{folder} holds one file, {images[0].path.name}: give the file itself")
    else:
        frames = _of_frames(images, everything, read, folder)
    return replace(
        frames,
        assumed=(*everything.assumed, *frames.assumed),
        warnings=(*everything.warnings, *frames.warnings),
        files=tuple(i.path for i in images),
    )


def _of_frames(images: list[Image], found: Sorted, read: Callable[[Path], Source], folder: Path) -> Source:
    """One file a frame and channel."""
    at, interval = _frame_numbers(images, in_minutes=found.in_minutes, folder=folder)
    n_planned = max(at.values()) + 1
    grid: dict[tuple[int, tuple[str, ...]], Path] = {(at[i.time], i.channel): i.path for i in images}
    seen = Counter(channel for _, channel in grid)
    rare = sorted(c for c, n in seen.items() if n < (1 - _MOST_MISSING) * max(seen.values()))
    channels = sorted(set(seen) - set(rare), key=lambda c: _natural_key(" ".join(c)))
    warnings = [
        f"channel {' '.join(c)} is left out: it is there in {seen[c]} of {max(seen.values())} frames"
        for c in rare
    ]
    missing = [t for t in range(n_planned) if any((t, c) not in grid for c in channels)]
    if len(missing) > _MOST_MISSING * n_planned:
        raise InputError(
            f"{folder}: by their names, {len(missing)} of {n_planned} frames are not there; "
            "number the frames through, or say what is missing"
        )
    n_frames, holes, said = without_missing(missing, n_planned, "were not taken, by the files' names")
    stills = (
        (t, k, grid[t, c].name, _as_still(read(grid[t, c]), grid[t, c].name))
        for t in range(n_frames) if t not in holes for k, c in enumerate(channels)
    )  # fmt: skip
    first, started = _look_through(stills)
    inner = [(k, i) for k, still in enumerate(first) for i in range(len(still.channels))]
    if interval.value is None:
        interval, _, uneven = settle_interval(first[0].interval, started)
        said += uneven
    own = _micro_manager(images[0].path.parent)
    shape = first[0].shape
    paths = [[grid.get((t, c)) for c in channels] for t in range(n_frames)]

    def plane(t: int, channel: int) -> np.ndarray:
        k, i = inner[channel]
        path = paths[t][k]
        if t in holes or path is None:
            return np.zeros(shape, first[k].dtypes[i])
        return _as_still(read(path), path.name).read(0, i)

    return Source(
        n_frames,
        shape,
        tuple(first[k].dtypes[i] for k, i in inner),
        tuple(first[k].channels[i] or _channel_name(channels[k]) for k, i in inner),
        plane,
        first[0].pixel_size if first[0].pixel_size.stated else own.pixel_size,
        interval if interval.stated else own.interval,
        holes,
        unnamed_channels=any(s.unnamed_channels for s in first),
        assumed=first[0].assumed,
        notes=first[0].notes,
        warnings=(*warnings, *said, *first[0].warnings),
    )


def _of_stacks(images: list[Image], read: Callable[[Path], Source], folder: Path) -> Source:
    """One file a channel, each with all frames."""
    order = sorted(images, key=lambda i: _natural_key(" ".join(i.channel)))
    stacks = [read(i.path) for i in order]
    if any(len(s.channels) != 1 for s in stacks) or len({(s.n_frames, s.shape) for s in stacks}) > 1:
        raise InputError(
            f"{folder} holds {len(stacks)} files that are no frames and no channels of one movie "
            f"({listed(i.path.name for i in order)}): give one of the files"
        )
    return replace(
        stacks[0],
        dtypes=tuple(s.dtypes[0] for s in stacks),
        channels=tuple(s.channels[0] or _channel_name(i.channel) for s, i in zip(stacks, order, strict=True)),
        read=lambda t, channel: stacks[channel].read(t, 0),
        missing=tuple(sorted({t for s in stacks for t in s.missing})),
    )


def _frame_numbers(
    images: list[Image], *, in_minutes: bool, folder: Path
) -> tuple[dict[float, int], Measure]:
    """Time -> frame, from 0, and the interval where the names hold times."""
    times = np.array(sorted({i.time for i in images}))
    if len(times) < 2:
        return {float(t): 0 for t in times}, SILENT
    steps = np.diff(times)
    if not np.isfinite(times).all():
        raise InputError(f"{folder}: the names of its files hold times that do not exist; rename them")
    unit = float(np.median(steps)) if in_minutes else float(gcd(*map(int, steps)))
    ratio = steps / unit
    n = np.maximum(np.round(ratio), 1)
    if (np.abs(ratio - n) > _UNEVEN).any():
        raise InputError(
            f"{folder}: by their names the frames are not evenly spaced "
            f"({steps.min():g} to {steps.max():g} min); give a part of the movie whose interval is one"
        )
    numbers = np.concatenate([[0], np.cumsum(n)]).astype(int)
    found = dict(zip(times.tolist(), numbers.tolist(), strict=True))
    return found, Measure(unit, f"{unit:g} min by the files' names") if in_minutes else SILENT


def _channel_name(values: tuple[str, ...]) -> str:
    """The words among what tells a channel; numbers are no name."""
    return " ".join(v for v in values if not v.isdigit() and not re.fullmatch(r"C\d", v))


def _micro_manager(folder: Path) -> Metadata:
    """What Micro-Manager's metadata.txt says, where it lies beside the images."""
    try:
        content = json.loads((folder / "metadata.txt").read_text(encoding="utf-8"))
        found = micro_manager_summary(content["Summary"])
        times = {
            int(key.split("-")[1]): float(frame["ElapsedTime-ms"]) / 60_000
            for key, frame in content.items()
            if key.startswith("FrameKey-") and key.endswith("-0-0") and "ElapsedTime-ms" in frame
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Metadata()  # another program's notes, or broken off: the images do not need it
    interval, notes, warnings = settle_interval(found.interval, times)
    return replace(found, interval=interval, notes=notes, warnings=warnings)


def _as_still(source: Source, name: str) -> Source:
    """A source as one frame; a few planes along an axis without a name are its channels.

    Raises:
        InputError: it is a movie already.
    """
    if source.n_frames == 1:
        return source
    if source.n_frames > MAX_CHANNELS or len(source.channels) > 1:
        raise InputError(
            f"{name} holds {source.n_frames} frames; in a folder each file is one frame: give the file itself"
        )
    return replace(
        source,
        n_frames=1,
        dtypes=source.dtypes * source.n_frames,
        channels=("",) * source.n_frames,
        read=lambda _, channel: source.read(channel, 0),
        unnamed_channels=True,
        assumed=(),
    )


def _look_through(
    stills: Iterable[tuple[int, int, str, Source]],
) -> tuple[list[Source], dict[int, float]]:
    """Look at every image once, without keeping it open.

    Args:
        stills: (frame, channel, name, image), the first frame's before all others.

    Returns:
        The first image of each channel, and frame -> when it was taken, where the images say so.

    Raises:
        InputError: images that differ in shape, or those of a channel in number type.
    """
    first: dict[int, tuple[str, Source]] = {}
    started: dict[int, float] = {}
    for t, k, name, still in stills:
        first.setdefault(k, (name, still))
        if k == 0 and still.started_min is not None:
            started[t] = still.started_min
        (name_0, like_0), (name_k, like_k) = first[0], first[k]
        for what, found, wanted, other in (
            ("shape", still.shape, like_0.shape, name_0),
            ("number type", still.dtypes[0], like_k.dtypes[0], name_k),
            ("channels", len(still.channels), len(like_k.channels), name_k),
        ):
            if found != wanted:
                raise InputError(
                    f"{name} has {what} {found}, {other} has {wanted}; "
                    "all frames of a movie must be alike: take it out, or convert it"
                )
    return [still for _, still in first.values()], started


def join_parts(parts: list[Source], name: str) -> Source:
    """One movie of the parts that a writer appended to a file, which makes each a series of its own.

    Raises:
        InputError: parts that are no frames of one movie.
    """
    try:
        stills = [_as_still(part, name) for part in parts]
        _look_through((t, 0, f"image {t} of {name}", still) for t, still in enumerate(stills))
    except InputError as error:
        raise InputError(
            f"{name} holds {len(parts)} series of images, which are no frames of one movie ({error}): "
            "save each position apart"
        ) from error
    return replace(stills[0], n_frames=len(parts), read=lambda t, channel: stills[t].read(0, channel))


def channels_as_frames(source: Source) -> Source:
    """The planes of unnamed channels as frames in a row."""
    n = len(source.channels)
    return replace(
        source,
        n_frames=source.n_frames * n,
        dtypes=source.dtypes[:1],
        channels=("",),
        read=lambda t, _: source.read(t // n, t % n),
        unnamed_channels=False,
        assumed=(
            *(a for a in source.assumed if not a.startswith("channels:")),
            f"time: the file was written in {source.n_frames} parts of {n} images that are as alike as "
            f"consecutive frames; they are read as {source.n_frames * n} frames of one channel",
        ),
    )


def _natural_key(name: object) -> list[tuple[int, str]]:
    """Sort key under which numbers count as numbers.

    >>> sorted(["t10.tif", "t9.tif"], key=_natural_key)
    ['t9.tif', 't10.tif']
    """
    return [(int(p), "") if p.isdigit() else (0, p.lower()) for p in re.split(r"(\d+)", str(name))]
