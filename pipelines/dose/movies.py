"""A folder of runs and its plate map -> movies with their tables, checked; what is missing is said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.outputs import FORMAT, RunFolder, read_table
from lineage.schema import DETECTION_COLUMNS, QUALITY_COLUMNS, TRACKLET_COLUMNS, InputError
from pipelines.dose.columns import EVENTS_NEEDED, MAP_OPTIONAL, MAP_REQUIRED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

SUFFIX = ".lineage"


@dataclass(frozen=True, eq=False)
class Movie:
    """One analysed movie: its row of the plate map, and what its run left."""

    row: Mapping[str, Any]  # the plate map's columns
    root: Path
    n_frames: int
    minutes_per_frame: float
    irradiated_min_before_start: float
    events: pd.DataFrame
    tracklets: pd.DataFrame
    detections: pd.DataFrame
    quality: pd.DataFrame


def read_map(path: Path) -> pd.DataFrame:
    """The plate map, one row a movie, optional columns filled: no drug is 0 uM, no delay is 0 minutes.

    Raises:
        InputError: no such file, a column or a value is missing, a movie or place is named twice.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path} is not there; give the plate map with --plate")
    text = dict.fromkeys((*MAP_REQUIRED, "control"), str)
    try:
        table = pd.read_csv(path, dtype=text)
    except ValueError as error:
        raise InputError(f"{path.name} cannot be read as CSV: {error}") from error
    if missing := [c for c in MAP_REQUIRED if c not in table.columns]:
        raise InputError(
            f"{path.name} lacks the columns {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    if not len(table):
        raise InputError(f"{path.name} names no movie")
    table["treatment"] = table["treatment"].fillna("none")
    for column in MAP_REQUIRED:
        if (bad := table[column].isna()).any():
            raise InputError(f"{path.name}, row {_line(bad)}: {column} is empty")
    numbers = ["dose_gy", *(k for k, v in MAP_OPTIONAL.items() if v is float)]
    for column in numbers:
        if column not in table.columns:
            table[column] = float("nan")
            continue
        told = pd.to_numeric(table[column], errors="coerce")
        bad = (told.isna() & table[column].notna()) | (told < 0)
        if bad.any():
            given = table.loc[bad, column].iloc[0]
            raise InputError(f"{path.name}, row {_line(bad)}: {column} is {given}; wanted a number from 0 on")
        table[column] = told
    if "control" not in table.columns:
        table["control"] = ""
    for columns in (["movie"], ["experiment_date", "plate", "well", "position"]):
        if (twice := table.duplicated(columns)).any():
            name = " ".join(table.loc[twice, columns].iloc[0])
            raise InputError(f"{path.name}, row {_line(twice)}: {name} is there twice")
    known = [c for c in (*MAP_REQUIRED, *MAP_OPTIONAL) if c in table.columns]
    table = table[[*known, *(c for c in table.columns if c not in known)]]
    return table.fillna({"drug_uM": 0.0, "irradiated_min_before_start": 0.0, "control": ""})


def _line(wrong: pd.Series) -> int:
    """Of the file, the first where something is wrong; the header is line 1."""
    return int(wrong.to_numpy(bool).argmax()) + 2


def stem(movie: str) -> str:
    """Name of a movie's run folder, without its suffix.

    >>> stem("day1/U251_4Gy_p2.ome.tif"), stem("PC3_2.5Gy_p1.nd2")
    ('U251_4Gy_p2', 'PC3_2.5Gy_p1')
    """
    name = movie.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    for suffix in (".tif", ".tiff", ".nd2", ".zarr", ".ome"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def find(folder: Path, plate: pd.DataFrame) -> tuple[list[tuple[Path, dict[str, Any]]], list[str]]:
    """The finished runs with their rows of the map, and one sentence for each that is missing or left out.

    Raises:
        InputError: no folder, or no finished run in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not there; wanted a folder of runs, *{SUFFIX}")
    found, missing, named = [], [], set()
    for row in plate.to_dict("records"):
        root = folder / (row.get("run_folder") or stem(row["movie"]) + SUFFIX)
        named.add(root.name)
        reason = _unfinished(root)
        if reason:
            missing.append(f"{row['movie']} is left out: {reason}")
        else:
            found.append((root, {str(k): v for k, v in row.items()}))
    missing += [
        f"{root.name} is left out: the plate map does not name it"
        for root in sorted(folder.glob(f"*{SUFFIX}"))
        if root.name not in named
    ]
    if not found:
        raise InputError(
            f"{folder} holds no finished run of the {len(plate)} that the plate map names: {missing[0]}"
        )
    return found, missing


def _unfinished(root: Path) -> str:
    run = RunFolder(root)
    if not root.is_dir():
        return f"no folder {root.name}"
    try:
        record = json.loads(run.json.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "its run.json cannot be read"
    if record.get("format") != FORMAT:
        return "its folder is no run of ours"
    if "tree" not in record.get("stages", {}):
        return "its run is not finished"
    return ""


def read(root: Path, row: Mapping[str, Any]) -> Movie:
    """One run's tables.

    Raises:
        InputError: a table is missing or lacks columns, or the run was told another dose than the map.
    """
    run = RunFolder(root)
    record = json.loads(run.json.read_text(encoding="utf-8"))
    told = record.get("dose_gy")
    if told is not None and float(told) != float(row["dose_gy"]):
        raise InputError(
            f"{root.name} was run with {told:g} Gy, the plate map says {row['dose_gy']:g}; put one right"
        )
    text = ("daughter_ids", "event_type", "subtype", "mitosis_class", "flags")
    return Movie(
        row=row,
        root=root,
        n_frames=int(record["video"]["n_frames"]),
        minutes_per_frame=float(record["video"]["minutes_per_frame"]),
        irradiated_min_before_start=float(row["irradiated_min_before_start"]),
        events=_table(run.events, EVENTS_NEEDED, text=text),
        tracklets=_table(run.tracklets, TRACKLET_COLUMNS, text=("parent_ids", "daughter_ids", "fate")),
        detections=_table(run.detections, DETECTION_COLUMNS, text=("state",)),
        quality=_table(run.quality, QUALITY_COLUMNS, text=("reason",)),
    )


def run_versions(root: Path) -> dict[str, str]:
    """What a run was made with."""
    record = json.loads(RunFolder(root).json.read_text(encoding="utf-8"))
    return {"lineage": str(record.get("lineage", "")), **record.get("versions", {})}


def _table(path: Path, columns: tuple[str, ...], *, text: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path.parent.name} lacks {path.name}; run the movie again")
    table = read_table(path, text=text)
    if missing := [c for c in columns if c not in table.columns]:
        raise InputError(
            f"{path.parent.name}/{path.name} lacks {', '.join(missing)}; it was written by another version: "
            "run the movie again"
        )
    return table
