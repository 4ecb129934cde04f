"""File names -> cells of a plate map; a folder of movies -> a drafted map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lineage.io.files import atomic_write
from lineage.io.spreadsheets import guarded_table
from lineage.schema import InputError
from lineage.video import files_of, open_video, positions
from lineage.video.names import Kind
from lineage.video.names import read_name as read_image_name
from lineage.video.ngff import is_zarr
from pipelines.columns import NO_TREATMENT, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lineage.video.arrange import Position

SUFFIXES = (".tif", ".tiff", ".nd2", ".czi", ".lif", ".zarr", ".companion.ome")
POSITION_SETTING = "video.position"
_SUFFIX = r"(\.ome)?\.(tiff?|nd2|czi|lif|zarr)$|\.companion\.ome$"
NOT_MOVIES = (".lineage", ".truth")  # folders of ours
# Common ones. The name of another line looks like any other word, and has to be filled in.
CELL_LINES = (
    "U251", "PC3", "HeLa", "U2OS", "A549", "HCT116", "MCF7", "MCF10A", "RPE1", "DU145", "LNCaP", "U87",
    "T98G", "HT1080", "RKO", "SW480", "H1299", "HEK293", "NIH3T3", "MDA231", "HaCaT", "CHO", "V79", "BJ",
)  # fmt: skip
_DATE = r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)"
_DOSE = r"(?<![a-z0-9.,])(\d+(?:[.,p]\d+)?)[ _-]?gy(?![a-z])"
_DRUG_UM = r"(?<![a-z0-9.,])(\d+(?:[.,p]\d+)?)[ _-]?[uµμ]m(?![a-z])"
# Each of these is a word of its own.
_PLATE = r"(?<![a-z0-9])(?:plate|pl)[ _-]?(\d+)(?![a-z0-9])"
# In the name of a movie w is a well; in that of a single image it would be a wavelength.
_WELL_BY_NUMBER = r"(?<![a-z0-9])(?:w|well)(\d+)(?![a-z0-9])"
_TREATMENT = r"(?<![a-z0-9])(dmso|vehicle|untreated)(?![a-z0-9])"
_UNIRRADIATED = r"(?<![a-z0-9])(?:unirradiated|nonirradiated|sham)(?![a-z0-9])"
_DYE_FREE = r"(?<![a-z0-9])(?:dyefree|nodye|unstained)(?![a-z0-9])"
# A letter after the name, as in U251c, distinguishes clones or colonies.
_LINES = {n: f"(?<![a-z0-9]){n.replace('3T3', '-?3T3')}[a-z]?(?![a-z0-9])" for n in CELL_LINES}
_EMPTY_WORDS = ("ome", "tif", "tiff", "movie", "timelapse", "stack", "well")


@dataclass(frozen=True)
class Name:
    """What was read from a name."""

    known: dict[str, str]  # by column
    remarks: tuple[str, ...]  # what is ambiguous or not understood


@dataclass(frozen=True)
class Draft:
    """A drafted plate map."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    remarks: tuple[str, ...]


def read_name(path: Path) -> Name:
    """Read the name of a movie and of the folders that it lies in; the movie's own name goes first.

    >>> from pathlib import Path
    >>> read_name(Path("2026-11-30/U251_2.5Gy_w3_p1.tif")).known
    {'experiment_date': '2026-11-30', 'dose_gy': '2.5', 'cell_line': 'U251', 'well': '3', 'position': '1'}
    """
    names = [path.name, *reversed(path.parent.parts)]
    readings = [_read(re.sub(_SUFFIX, "", n, flags=re.IGNORECASE)) for n in names]
    known: dict[str, str] = {}
    for reading in reversed(readings):
        known |= reading.known
    # Folders may have any name; of the movie's own name every word should be understood.
    return Name(known, readings[0].remarks)


def _read(name: str) -> Name:
    found: dict[str, list[str]] = {}
    rest = name

    def take(column: str, pattern: str, value: Callable[..., str]) -> None:
        """Move what matches out of the rest of the name."""
        nonlocal rest
        found.setdefault(column, []).extend(
            value(*m.groups()) for m in re.finditer(pattern, rest, re.IGNORECASE)
        )
        rest = re.sub(pattern, " ", rest, flags=re.IGNORECASE)

    take("experiment_date", _DATE, _day)
    take("dose_gy", _DOSE, _decimal)
    take("drug_uM", _DRUG_UM, _decimal)
    for line, pattern in _LINES.items():
        take("cell_line", pattern, lambda line=line: line)
    take("plate", _PLATE, _plain)
    take("well", _WELL_BY_NUMBER, _plain)
    take("treatment", _TREATMENT, str)
    take("control", _UNIRRADIATED, lambda: "unirradiated")
    take("control", _DYE_FREE, lambda: "dye-free")
    unknown = []
    for field in read_image_name(rest):
        if field.kind in (Kind.WELL, Kind.POSITION):
            found.setdefault(field.kind.value, []).append(_plain(field.value))
        elif field.kind in (Kind.NUMBER, Kind.TEXT) and field.value.lower() not in _EMPTY_WORDS:
            unknown.append(field.key + field.value)
    if "unirradiated" in found["control"]:
        found["dose_gy"] = found["dose_gy"] or ["0"]
    known = {c: v[0] for c, v in found.items() if len(set(v)) == 1 and v[0]}
    remarks = [f"{c}: {' or '.join(dict.fromkeys(v))}?" for c, v in found.items() if len(set(v)) > 1]
    if unknown:
        remarks.append(f"not understood: {', '.join(unknown)}")
    return Name(known, tuple(remarks))


def _plain(text: str) -> str:
    """A number without leading zeros, a well with two digits, other text as it is."""
    if text.isdigit():
        return str(int(text))
    if well := re.fullmatch(r"([A-P])(\d+)", text):
        return f"{well[1]}{int(well[2]):02d}"
    return text


def _decimal(text: str) -> str:
    return f"{float(re.sub('[,pP]', '.', text)):g}"


def _day(year: str, _: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""


def is_movie(path: Path) -> bool:
    """Whether a file or folder may be a movie, by its name; run folders and ground truths are none."""
    if path.suffix.lower() in NOT_MOVIES or path.name.startswith("."):
        return False
    return path.is_dir() or path.name.lower().endswith(SUFFIXES)


def find_movies(folder: Path) -> Iterator[tuple[Path, Position | None]]:
    """Find the movies in a folder and its subfolders, by name.

    A folder of images is one movie, or one for each position that the names of its images distinguish; a file
    is one for each position that it holds. An OME-TIFF in several files is found once.

    Yields:
        Path and position; None where the path holds one position only, and states no well for it.
    """
    seen: set[Path] = set()
    for path in sorted(folder.iterdir()):
        if not is_movie(path) or path in seen:
            continue
        if path.is_file() or is_zarr(path):
            seen.update(_parts(path))
            yield from _in_file(path)
        elif found := positions(path):
            yield from ((path, position if len(found) > 1 else None) for position in found)
        else:
            yield from find_movies(path)


def _in_file(path: Path) -> Iterator[tuple[Path, Position | None]]:
    """The positions of a file. One that cannot be read is a row, too: the check of the map says why."""
    try:
        found = positions(path)
    except InputError:
        yield path, None
        return
    for position in found:
        yield path, position if len(found) > 1 or position.well else None


def _parts(path: Path) -> tuple[Path, ...]:
    try:
        return files_of(path)
    except InputError:
        return (path,)


def home_of(movies: Path) -> Path:
    """The folder that a map of these movies lies in: beside a file, in a folder of movies."""
    return movies if movies.is_dir() and not is_zarr(movies) else movies.parent


def draft(movies: Path) -> Draft:
    """Draft the plate map of a file, or of a folder's movies; what names and files do not tell stays empty.

    Raises:
        InputError: no such file or folder, or no movie in it.
    """
    if not movies.exists():
        raise InputError(f"{movies} is not there; give a movie, or the folder that holds the movies")
    folder = home_of(movies)
    # Refused at once: a file by itself that cannot be read, as there would be no other row.
    here: list[tuple[Path, Position | None]] = [(movies, position) for position in positions(movies)]
    found = here or list(find_movies(folder))
    if not found:
        raise InputError(f"{folder} holds no movie; wanted {', '.join(SUFFIXES)}, or folders of TIFFs")
    rows, remarks = [], []
    for path, position in found:
        movie = path.relative_to(folder)
        name = read_name(movie if movie.parts else Path(folder.resolve().name))
        # The folder itself may have any name.
        remarks += [
            f"the name {movie.as_posix()}: {remark}" for remark in (name.remarks if movie.parts else ())
        ]
        planes = _planes_of_z(path, position)
        remarks += [f"z: {movie.as_posix()} has planes of z ({planes}); fill it in"] if planes else []
        of_z = {"z": ""} if planes else {}
        rows.append({"movie": movie.as_posix()} | name.known | _position_cells(position) | of_z)
    further = {c: None for row in rows for c in row if c not in REQUIRED}
    return Draft((*REQUIRED, *further), tuple(rows), (*dict.fromkeys(remarks), *_gaps(rows)))


def _planes_of_z(path: Path, position: Position | None) -> str:
    """What may be chosen of a z-stack; empty where there is nothing to choose, or nothing can be read."""
    try:
        open_video(path, position=position.name or None if position else None)
    except InputError as error:
        return str(error).rpartition("--z ")[2] if "--z " in str(error) else ""
    return ""


def _position_cells(position: Position | None) -> dict[str, str]:
    """The cells that one of a movie's positions fills."""
    if position is None:
        return {}
    stated = {"well": _plain(position.well), "position": _plain(position.position)}
    setting = {POSITION_SETTING: position.name} if position.name else {}
    return {column: value for column, value in stated.items() if value} | setting


def write(draft: Draft, path: Path, *, folder: Path) -> None:
    """Write a drafted map as CSV.

    Args:
        draft: to write.
        path: the file; replaced if it is there.
        folder: of the movies; if the map lies there, their paths are relative to it, else absolute.
    """
    import pandas as pd

    table = pd.DataFrame(draft.rows, columns=list(draft.columns))
    if path.resolve().parent != folder.resolve():
        table["movie"] = [str((folder / movie).absolute()) for movie in table["movie"]]
    with atomic_write(path) as part:
        guarded_table(table).to_csv(part, index=False, lineterminator="\n")


def _gaps(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """A sentence for each required column that has empty cells."""
    for column in REQUIRED:
        empty = sum(column not in row for row in rows)
        if empty:
            where = "every row" if empty == len(rows) else f"{empty} of {len(rows)} rows"
            rest = f"that means {NO_TREATMENT}" if column == "treatment" else "fill it in"
            yield f"{column}: empty in {where}; {rest}"
