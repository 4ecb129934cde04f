"""A movie's file name -> what it says of the plate map; a folder of movies -> a drafted map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from lineage.outputs import whole
from lineage.schema import InputError
from pipelines.columns import NO_TREATMENT, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIXES = (".tif", ".tiff", ".nd2", ".zarr")
NOT_MOVIES = (".lineage", ".truth")  # folders of ours
# Common ones; what is not here is asked for, since a line's name looks like any other word.
CELL_LINES = (
    "U251", "PC3", "HeLa", "U2OS", "A549", "HCT116", "MCF7", "MCF10A", "RPE1", "DU145", "LNCaP", "U87",
    "T98G", "HT1080", "RKO", "SW480", "H1299", "HEK293", "NIH3T3", "MDA231", "HaCaT", "CHO", "V79", "BJ",
)  # fmt: skip
_DATE = r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)"
_DOSE = r"(?<![a-z0-9.,])(\d+(?:[.,p]\d+)?)[ _-]?gy(?![a-z])"
_DRUG_UM = r"(?<![a-z0-9.,])(\d+(?:[.,p]\d+)?)[ _-]?[uµμ]m(?![a-z])"
# A whole word each. Upper case tells the well F03 from the field f03.
_WORDS = {
    "plate": (r"(?i:plate|pl)(\d+)",),
    "well": (r"([A-O](?:0?[1-9]|1\d|2[0-4]))", r"(?:w|W|[Ww]ell)(\d+|[A-P]\d+)"),
    "position": (r"(?i:p|pos|position|xy|fov|field|site|series|scene|s)(\d+)", r"f(\d+)"),
    "treatment": (r"(?i)(DMSO|vehicle|untreated)",),
    "control": (r"(?i:(unirradiated|nonirradiated|sham))", r"(?i:(dyefree|nodye|unstained))"),
}
_EMPTY_WORDS = ("ome", "tif", "tiff", "movie", "timelapse", "stack")


@dataclass(frozen=True)
class Name:
    """What a name says."""

    known: dict[str, str]  # by column
    remarks: tuple[str, ...]  # what is said twice, what is not understood


@dataclass(frozen=True)
class Draft:
    """A drafted plate map."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    remarks: tuple[str, ...]


def read_name(path: Path) -> Name:
    """What the name of a movie, and of the folders it lies in, says; the nearest name counts.

    >>> from pathlib import Path
    >>> read_name(Path("2026-11-30/U251_2.5Gy_w3_p1.tif")).known
    {'experiment_date': '2026-11-30', 'dose_gy': '2.5', 'cell_line': 'U251', 'well': '3', 'position': '1'}
    """
    names = [path.name, *reversed(path.parent.parts)]
    readings = [_read(re.sub(r"(\.ome)?\.(tiff?|nd2|zarr)$", "", n, flags=re.IGNORECASE)) for n in names]
    known: dict[str, str] = {}
    for reading in reversed(readings):
        known |= reading.known
    # A folder may be called anything; of the file's own name every word should be understood.
    return Name(known, readings[0].remarks)


def _read(name: str) -> Name:
    found: dict[str, list[str]] = {}
    rest = name
    for column, pattern, say in (
        ("experiment_date", _DATE, _day),
        ("dose_gy", _DOSE, _decimal),
        ("drug_uM", _DRUG_UM, _decimal),
    ):
        found[column] = [say(*m.groups()) for m in re.finditer(pattern, rest, re.IGNORECASE)]
        rest = re.sub(pattern, " ", rest, flags=re.IGNORECASE)
    strange = []
    for word in re.split(r"[\s_\-+,;()\[\]]+", rest):
        if not word or word.lower() in _EMPTY_WORDS:
            continue
        if said := _word(word):
            found.setdefault(said[0], []).append(said[1])
        else:
            strange.append(word)
    for control in found.get("control", ()):
        if control == "unirradiated":
            found["dose_gy"] = found["dose_gy"] or ["0"]
    known = {c: v[0] for c, v in found.items() if len(set(v)) == 1 and v[0]}
    twice = [f"{c}: {' or '.join(dict.fromkeys(v))}?" for c, v in found.items() if len(set(v)) > 1]
    if strange:
        twice.append(f"not understood: {', '.join(strange)}")
    return Name(known, tuple(twice))


def _word(word: str) -> tuple[str, str] | None:
    """Column and value of one word.

    >>> _word("p07"), _word("A3"), _word("well12"), _word("U251c"), _word("x")
    (('position', '7'), ('well', 'A03'), ('well', '12'), ('cell_line', 'U251'), None)
    """
    for line in CELL_LINES:
        # U251c: a letter behind it tells clones or colonies apart
        if re.fullmatch(line.replace("3T3", "-?3T3") + "[a-z]?", word, re.IGNORECASE):
            return "cell_line", line
    for column, patterns in _WORDS.items():
        for n, pattern in enumerate(patterns):
            if match := re.fullmatch(pattern, word):
                if column == "control":
                    return column, ("unirradiated", "dye-free")[n]
                return column, _plain(match[1])
    return None


def _plain(text: str) -> str:
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
    """Whether a file or folder may be a movie by its name; masks and runs of ours are none."""
    if path.suffix.lower() in NOT_MOVIES or path.name.startswith("."):
        return False
    return path.is_dir() or path.suffix.lower() in SUFFIXES


def find_movies(folder: Path) -> Iterator[Path]:
    """The movies in a folder and its folders, in order of name; a folder of stills is one movie."""
    for path in sorted(folder.iterdir()):
        if not is_movie(path):
            continue
        if path.is_file() or path.suffix.lower() == ".zarr" or _is_of_stills(path):
            yield path
        else:
            yield from find_movies(path)


def _is_of_stills(folder: Path) -> bool:
    """Whether a folder's images are single frames: its first is no movie, yet the folder is one."""
    from lineage.video import open_video

    first = next((p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES[:2]), None)
    if first is None:
        return False
    try:
        open_video(first)
    except InputError:
        try:
            open_video(folder)
        except InputError:
            return False
        return True
    return False


def draft(folder: Path) -> Draft:
    """A plate map of a folder's movies, from their names alone; what they do not say stays empty.

    Raises:
        InputError: no such folder, or no movie in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one that holds the movies")
    paths = [p.relative_to(folder) for p in find_movies(folder)]
    if not paths:
        raise InputError(f"{folder} holds no movie; wanted {', '.join(SUFFIXES)}, or folders of TIFFs")
    names = [read_name(p) for p in paths]
    further = {c: None for name in names for c in name.known if c not in REQUIRED}
    columns = (*REQUIRED, *further)
    rows = tuple({"movie": p.as_posix()} | name.known for p, name in zip(paths, names, strict=True))
    told = [f"{path}: {remark}" for path, name in zip(paths, names, strict=True) for remark in name.remarks]
    return Draft(columns, rows, (*told, *_gaps(rows)))


def write(draft: Draft, path: Path, *, folder: Path) -> None:
    """Write a CSV; the movies' paths start from where it lies, or are absolute where it lies elsewhere."""
    import pandas as pd

    table = pd.DataFrame(draft.rows, columns=list(draft.columns))
    if path.resolve().parent != folder.resolve():
        table["movie"] = [str((folder / movie).absolute()) for movie in table["movie"]]
    with whole(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def _gaps(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    for column in REQUIRED:
        empty = sum(column not in row for row in rows)
        if empty:
            where = "every row" if empty == len(rows) else f"{empty} of {len(rows)} rows"
            rest = f"that means {NO_TREATMENT}" if column == "treatment" else "fill it in"
            yield f"{column}: empty in {where}; {rest}"
