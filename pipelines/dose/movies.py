"""A folder of runs and its plate map -> movies with their tables, checked; and which runs are left out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.files import read_table
from lineage.io.integrity import RUN_AGAIN, check, read_record, reading
from lineage.io.run_folder import RunFolder
from lineage.nuclei.light import Light
from lineage.schema import (
    DETECTION_COLUMNS,
    QUALITY_COLUMNS,
    SIGNAL_COLUMNS,
    TRACKLET_COLUMNS,
    InputError,
    LeftOut,
)
from pipelines.columns import NUMBERS, RUN_FOLDER
from pipelines.dose import corrections
from pipelines.dose.columns import EVENTS_NEEDED, MAP_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

SUFFIX = ".lineage"
NO_FOLDER, NOT_FINISHED, UNREADABLE = "no_run", "not_finished", "unreadable"  # why a run is left out
EVENTS_TEXT = (
    "daughter_ids",
    "event_type",
    "subtype",
    "verdict",
    "verdict_because",
    "mitosis_class",
    "n_micronuclei",
    "bridge",
    "flags",
)


@dataclass(frozen=True, eq=False)
class Movie:
    """One analysed movie: its row of the plate map, and the tables of its run."""

    row: Mapping[str, Any]  # the plate map's columns
    root: Path
    n_frames: int
    minutes_per_frame: float
    pixel_size_um: float
    irradiated_min_before_start: float
    events: pd.DataFrame
    tracklets: pd.DataFrame
    detections: pd.DataFrame
    quality: pd.DataFrame
    bleaching: np.ndarray  # (T,) share of the stain's light that the run took to be left, 1 where none
    n_corrections: Mapping[str, int]  # of `corrections.counts`
    n_left_out: Mapping[str, float]  # `n_` and a LeftOut -> events; NaN where the run did not count them
    signals: pd.DataFrame | None = None  # where further channels were measured


def read_map(folder: Path, plate: Path | None = None) -> pd.DataFrame:
    """The plate map, one row a movie, with the optional columns: no drug is 0 uM.

    Args:
        folder: of runs, with the checked map that running the plate left there.
        plate: a plate map in its place, for movies that were run one by one.

    Raises:
        InputError: no such map, or something is wrong with it.
    """
    from pipelines import platemap

    if plate is None:
        table = platemap.read_copy(folder)
    else:
        table = platemap.read(plate)
        table[RUN_FOLDER] = [str(folder / name) for name in table[RUN_FOLDER]]
    empty: dict[str, Any] = {"control": "", **dict.fromkeys(NUMBERS, float("nan"))}
    table = table.assign(**{c: value for c, value in empty.items() if c not in table})
    known = [c for c in MAP_COLUMNS if c in table]
    table = table[[*known, *(c for c in table if c not in known)]]
    return table.fillna({"drug_uM": 0.0})


def find(folder: Path, plate: pd.DataFrame) -> tuple[list[tuple[Path, dict[str, Any]]], list[str]]:
    """The finished runs with their rows of the map, and one sentence for each that is missing or left out.

    Raises:
        InputError: no folder, or no finished run in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not there; wanted a folder of runs, *{SUFFIX}")
    found: list[tuple[Path, dict[str, Any]]] = []
    missing, named = [], set()
    for row in plate.to_dict("records"):
        root = Path(row[RUN_FOLDER])
        named.add(root.name)
        if unusable := why_unusable(root):
            missing.append(f"{Path(row['movie']).name} is left out: {unusable[1]}")
        else:
            # The run's name is as unique as the path, and shorter.
            columns = {str(k): v for k, v in row.items() if k != RUN_FOLDER}
            found.append((root, columns | {"movie": root.name.removesuffix(SUFFIX)}))
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


def why_unusable(root: Path) -> tuple[str, str] | None:
    """Why a run cannot be analysed: NO_FOLDER, UNREADABLE or NOT_FINISHED, and in words; None if it can."""
    if not root.is_dir():
        return NO_FOLDER, f"no folder {root.name}"
    try:
        record = read_record(root)
    except InputError as error:
        return UNREADABLE, str(error)
    if "tree" not in record["stages"]:
        return NOT_FINISHED, "its run is not finished"
    return None


def read(root: Path, row: Mapping[str, Any]) -> Movie:
    """One run's tables.

    Raises:
        InputError: a table is missing or lacks columns, or the run has another dose than the map.
    """
    run = RunFolder(root)
    record = read_record(root)
    check(root, record, run.events, run.tracklets, run.detections, run.quality, run.signals, run.light)
    run_gy = record.get("dose_gy")
    delay = float(row["irradiated_min_before_start"])
    if run_gy is not None and float(run_gy) != float(row["dose_gy"]):
        raise InputError(
            f"{root.name} was run with {run_gy:g} Gy, the plate map says {row['dose_gy']:g}; correct one"
        )
    return Movie(
        row=row,
        root=root,
        n_frames=int(record["video"]["n_frames"]),
        minutes_per_frame=float(record["video"]["minutes_per_frame"]),
        pixel_size_um=float(record["video"]["pixel_size_um"]),
        irradiated_min_before_start=0.0 if math.isnan(delay) else delay,  # a note says so
        events=_table(run.events, EVENTS_NEEDED, text=EVENTS_TEXT),
        tracklets=_table(run.tracklets, TRACKLET_COLUMNS, text=("parent_ids", "daughter_ids", "fate")),
        detections=_table(run.detections, DETECTION_COLUMNS, text=("state",)),
        quality=_table(run.quality, QUALITY_COLUMNS, text=("reason",)),
        bleaching=_bleaching(run.light, n_frames=int(record["video"]["n_frames"])),
        n_corrections=corrections.counts(root, record),
        n_left_out=_left_out(record),
        signals=_table(run.signals, SIGNAL_COLUMNS, text=("channel",)) if run.signals.exists() else None,
    )


def _left_out(record: Mapping[str, Any]) -> dict[str, float]:
    """`n_left_out` of a run by its record; runs of earlier versions lack some of it."""
    counted = record.get("discarded", {}).get("events", {})
    return {f"n_{why}": float(counted.get(why, "nan")) for why in LeftOut}


def _bleaching(path: Path, *, n_frames: int) -> np.ndarray:
    """(T,) what a run corrected for; runs of earlier versions corrected nothing."""
    if not path.exists():
        return np.ones(n_frames)
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        light = Light.read(json.loads(path.read_text(encoding="utf-8")), n_frames=n_frames)
    return np.array(light.bleaching) if light.bleaching else np.ones(n_frames)


def run_versions(root: Path) -> dict[str, str]:
    """Versions of the software that a run was made with."""
    record = read_record(root)
    return {"lineage": str(record.get("lineage", "")), **record.get("versions", {})}


def _table(path: Path, columns: tuple[str, ...], *, text: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path.parent.name} lacks {path.name}; start the plate, or the movie, again")
    table = read_table(path, text=text)
    if missing := [c for c in columns if c not in table.columns]:
        raise InputError(
            f"{path.parent.name}/{path.name} lacks {', '.join(missing)}; it was written by another version: "
            "run the movie again"
        )
    return table
