"""Tables of positions -> GivenTracks: tracks of napari, ultrack and motile_tracker, as CSV or NPY.

A CSV has a column for the track, one for the frame and two for the position, in pixels unless they are
named in um. Divisions are a column of parents, of tracks or of nodes, or napari's graph, child -> [parents],
in a JSON file beside. An NPY is the data of napari's Tracks layer: (N, 4) or (N, 5), track_id, t, (z,) y, x.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.imports import record
from lineage.imports.record import GivenTracks
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FORM = "a table of tracks"
TRACK = ("track_id", "id_track", "track", "id", "tracklet_id", "cell_id", "particle")
FRAME = ("t", "frame", "time", "time_frame", "axis-0")
PLACE_UM = ("y_um", "x_um")
PLACE = (("y", "x"), ("y_px", "x_px"), ("position_y", "position_x"), ("axis-1", "axis-2"))
PARENT_TRACK = ("parent_track_id", "parent_track", "parent")
NODE, PARENT_NODE = ("id", "node_id"), ("parent_id", "parent_node_id")
NO_PARENT = (-1, 0)  # where no track, or node, has that number


def open_csv(path: Path) -> pd.DataFrame:
    """Any CSV; commas, semicolons, tabs or blanks part its columns.

    Args:
        path: of the file.

    Raises:
        InputError: it cannot be read.
    """
    import csv

    try:
        table = pd.read_csv(path, sep=None, engine="python", skipinitialspace=True)
    except (ValueError, OSError, csv.Error) as error:
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path.name} cannot be read as a table ({words}); wanted is a CSV of tracks"
        ) from error
    return table.rename(columns=lambda name: str(name).strip())


def read_csv(table: pd.DataFrame, path: Path) -> GivenTracks:
    """Tracks of a CSV.

    Args:
        table: of `open_csv`.
        path: the file; the graph may lie beside it in a JSON file (`graph_beside`).

    Raises:
        InputError: no such columns, or values that are no numbers.
    """
    return _of_table(table.rename(columns=str.lower), path)


def read_npy(path: Path) -> GivenTracks:
    """Read the data of napari's Tracks layer.

    Args:
        path: `*.npy`; the graph may lie beside it in a JSON file (`graph_beside`).

    Raises:
        InputError: no such array.
    """
    try:
        data = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputError(f"{path.name} cannot be read ({error}); wanted is an array of numbers") from error
    if data.ndim != 2 or data.shape[1] not in (4, 5) or data.dtype.kind not in "iuf":
        raise InputError(
            f"{path.name} is {data.shape}, {data.dtype}; wanted is (N, 4) or (N, 5): track_id, t, (z,) "
            "y, x, as "
            "napari's Tracks layer has it"
        )
    names = ["track_id", "t", *(["z"] if data.shape[1] == 5 else []), "y", "x"]
    return _of_table(pd.DataFrame(data, columns=names), path)


def graph_beside(path: Path) -> Path | None:
    """Napari's graph beside a table: `tracks.json`, `tracks_graph.json` or `graph.json`."""
    names = (f"{path.stem}.json", f"{path.stem}_graph.json", "graph.json")
    return next((f for f in map(path.with_name, names) if f.is_file()), None)


def _of_table(table: pd.DataFrame, path: Path) -> GivenTracks:
    """Of columns in lower case."""
    source, columns = path.name, list(table.columns)
    node, parent_node = _first(NODE, columns), _first(PARENT_NODE, columns)
    track, frame = _first(TRACK, columns), _first(FRAME, columns)
    place = (
        PLACE_UM
        if set(PLACE_UM) <= set(columns)
        else next((p for p in PLACE if set(p) <= set(columns)), None)
    )
    if frame is None or place is None or track is None:
        raise InputError(
            f"{source} has the columns {', '.join(columns)[:200]}; wanted are track_id, t, y, x (pixels; "
            "y_um, "
            "x_um for micrometres) and, for divisions, parent_track_id"
        )
    by_node = node is not None and parent_node is not None
    named = [c for c in (track, frame, *place, *((node,) if by_node and node else ())) if c]
    table = numbers(table, list(dict.fromkeys(named)), source)
    spots = pd.DataFrame(
        {
            "spot_id": table[node] if by_node else np.arange(len(table)),
            "frame": _whole(table[frame], source),
            "y": table[place[0]],
            "x": table[place[1]],
            "radius": table["radius"] if "radius" in columns and place != PLACE_UM else np.nan,
            "label": -1,
        }
    )
    spots = record.typed(spots)
    if by_node and parent_node:
        links = _links_of_nodes(spots["spot_id"], table[parent_node], source)
    else:
        links = with_parents(spots, _whole(table[track], source), _parents(table, track, path), source)
    z = table["z"].to_numpy(float) if "z" in columns else np.zeros(0)
    unit = record.MICROMETRES if place == PLACE_UM else record.PIXELS
    return GivenTracks(source, FORM, spots, links, unit=unit, notes=record.left_out_z(z))


def _parents(table: pd.DataFrame, track: str, path: Path) -> dict[int, tuple[int, ...]]:
    """Track -> its parents, by the graph beside the table, or by a column of it."""
    if (file := graph_beside(path)) is not None:
        return _graph(file)
    column = _first((*PARENT_TRACK, *PARENT_NODE), list(table.columns))
    if column is None:
        return {}
    once = table.drop_duplicates(track)
    of_track = zip(once[track].astype(int), pd.to_numeric(once[column], errors="coerce"), strict=True)
    known = set(once[track].astype(int))
    return {
        child: (int(parent),)
        for child, parent in of_track
        if np.isfinite(parent) and parent != child and (parent in known or parent not in NO_PARENT)
    }


def _graph(file: Path) -> dict[int, tuple[int, ...]]:
    try:
        stored: Any = json.loads(file.read_text(encoding="utf-8"))
        # napari takes one parent without a list, too.
        listed = {int(c): p if isinstance(p, list) else [p] for c, p in stored.items()}
        return {child: tuple(int(p) for p in parents) for child, parents in listed.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file.name} is no graph of napari's ({error}); wanted is JSON as "
            '{"2": [1], "3": [1]}: child, and its parents'
        ) from error


def _links_of_nodes(node: pd.Series, parent: pd.Series, source: str) -> np.ndarray:
    """(M, 2) spot_id, of a column that names the node before each."""
    known = set(node.tolist())
    before = pd.to_numeric(parent, errors="coerce").to_numpy(float)
    some = np.isfinite(before) & ~(np.isin(before, NO_PARENT) & ~np.isin(before, list(known)))
    if stranger := [int(p) for p in before[some] if p not in known]:
        raise InputError(f"{source}: a row has the parent {stranger[0]}, and there is no such row")
    return np.column_stack([before[some].astype(np.int64), node.to_numpy()[some]])


def with_parents(
    spots: pd.DataFrame, track: pd.Series, parents: Mapping[int, Sequence[int]], source: str
) -> np.ndarray:
    """Links within tracks, and from a parent's last spot to a child's first.

    Args:
        spots: SPOT_COLUMNS.
        track: of each, by the same index.
        parents: track -> those that it came from.
        source: named in messages.

    Returns:
        (M, 2) spot_id.

    Raises:
        InputError: a track names itself or one that is not there, or has two spots in one frame.
    """
    within, first, last = record.consecutive(spots, track, source)
    across = []
    for child, its in parents.items():
        for parent in its:
            if child not in first or parent not in first:
                one = child if child not in first else parent
                raise InputError(
                    f"{source}: track {child} comes of track {parent}, and there is no track {one}"
                )
            across.append((last[parent], first[child]))
    return np.concatenate([within, np.array(across, np.int64).reshape(-1, 2)])


def _first(names: Sequence[str], columns: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def numbers(table: pd.DataFrame, names: Sequence[str], source: str) -> pd.DataFrame:
    """The table, these columns as numbers.

    Args:
        table: of text or numbers.
        names: of columns.
        source: named in messages.

    Raises:
        InputError: one is no number.
    """
    columns = {name: pd.to_numeric(table[name], errors="coerce") for name in names}
    for name, column in columns.items():
        if column.isna().any():
            row = int(np.flatnonzero(column.isna())[0])
            raise InputError(
                f"{source}: {name} is {table[name].iloc[row]!r} in row {row + 1}; wanted is a number"
            )
    return table.assign(**columns)


def _whole(column: pd.Series, source: str) -> pd.Series:
    if (column % 1 != 0).any():
        bad = column[column % 1 != 0].iloc[0]
        raise InputError(
            f"{source}: {column.name} is {bad:g}; wanted are whole numbers, of frames and of tracks"
        )
    return column.astype(np.int64)
