"""btrack's HDF5 and CSV -> GivenTracks. Layout: `btrack.io` 0.5 to 0.7; read with h5py, without btrack.

HDF5: `objects/TYPE/coords` (t, x, y, z, ...), and in `tracks/TYPE` `tracks` (row of each object; -1 - row of
a dummy), `map` (from, to of each track in it) and `LBEPR` (label, first and last frame, parent, root; who has
no parent is its own). Dummies, which bridge gaps, are no nuclei. Positions are as they were tracked: pixels,
unless they were scaled before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.imports import record
from lineage.imports.record import GivenTracks
from lineage.imports.tables import numbers, with_parents
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORM = "btrack's HDF5"
FORM_CSV = "btrack's CSV"
COLUMNS = ("ID", "t", "x", "y", "z", "parent", "root", "dummy")  # by which its CSV is known


def read(path: Path) -> GivenTracks:
    """Read what `btrack`'s `export` or `HDF5FileHandler` wrote.

    Args:
        path: `*.h5`, `*.hdf5` or `*.hdf`.

    Raises:
        InputError: damage, no tracks, or tracks of several types of objects.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "tracks" not in file or "objects" not in file:
                raise InputError(
                    f"{path.name} holds {', '.join(file) or 'nothing'}; wanted are btrack's `objects` and "
                    "`tracks`: export after tracking"
                )
            types = list(file["tracks"])
            if len(types) != 1:
                raise InputError(
                    f"{path.name} holds tracks of {len(types)} types ({', '.join(types)}); wanted is one"
                )
            group = file["tracks"][types[0]]
            stored = [group[k][:] for k in ("tracks", "map", "LBEPR")]
            coords = file["objects"][types[0]]["coords"][:]
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        words = " ".join(str(error).split())[:200]
        raise InputError(f"{path.name} cannot be read as {FORM} ({words}): export it again") from error
    return _tracks(path.name, coords, *stored)


def _tracks(
    source: str, coords: np.ndarray, refs: np.ndarray, ranges: np.ndarray, lbepr: np.ndarray
) -> GivenTracks:
    track = np.repeat(lbepr[:, 0], np.diff(ranges.astype(int), axis=1).ravel())
    is_seen = refs >= 0
    rows, track = refs[is_seen], track[is_seen]
    if len(rows) and rows.max() >= len(coords):
        raise InputError(f"{source}: tracks name object {rows.max()} of {len(coords)}: export it again")
    spots = pd.DataFrame({"frame": coords[rows, 0], "y": coords[rows, 2], "x": coords[rows, 1]})
    spots = record.typed(spots.assign(spot_id=np.arange(len(spots)), radius=np.nan, label=-1))
    parents = {int(line[0]): int(line[3]) for line in lbepr if line[3] not in (0, line[0])}
    links = with_parents(spots, pd.Series(track), {c: (p,) for c, p in parents.items()}, source)
    return GivenTracks(
        source, FORM, spots, links, notes=(*_dummies(~is_seen), *record.left_out_z(coords[rows, 3]))
    )


def read_csv(table: pd.DataFrame, source: str) -> GivenTracks:
    """Read what `btrack.io.export_CSV` wrote.

    Args:
        table: COLUMNS.
        source: the file's name.

    Raises:
        InputError: tracks that cannot be.
    """
    table = numbers(table, COLUMNS[:6], source)
    is_dummy = table["dummy"].astype(str).isin(("True", "1", "1.0")).to_numpy()
    seen = table[~is_dummy].reset_index(drop=True)
    spots = seen[["y", "x"]].assign(frame=seen["t"], spot_id=np.arange(len(seen)), radius=np.nan, label=-1)
    named = table[["ID", "parent"]].drop_duplicates("ID").astype(int)
    parents = {c: (p,) for c, p in named.itertuples(index=False) if p not in (0, c)}
    spots = record.typed(spots)
    links = with_parents(spots, seen["ID"].astype(int), parents, source)
    notes = (*_dummies(is_dummy), *record.left_out_z(seen["z"].to_numpy(float)))
    return GivenTracks(source, FORM_CSV, spots, links, notes=notes)


def _dummies(is_dummy: np.ndarray) -> tuple[str, ...]:
    n = int(is_dummy.sum())
    return (f"dummy objects, with which btrack bridges gaps, left out: {n}",) if n else ()
