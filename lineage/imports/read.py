"""A file or folder of tracks -> GivenTracks: which format it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.imports.record import GivenTracks

HDF5 = (".h5", ".hdf5", ".hdf")
CSV = (".csv", ".tsv")
KNOWN = (
    "TrackMate's XML, a folder of the Cell Tracking Challenge, GEFF, btrack's HDF5 or CSV, or napari's "
    "tracks as "
    "CSV or NPY"
)


def read_tracks(path: Path) -> GivenTracks:
    """Read tracks that another program made.

    Args:
        path: a file or folder; its name and contents tell the format.

    Raises:
        InputError: it is not there, in no format that is known, or cannot be read.
    """
    from lineage.imports import btrack, ctc, geff, tables, trackmate

    if not path.exists():
        raise InputError(f"no such tracks: {path}; give {KNOWN}")
    if ctc.table_of(path):
        return ctc.read(path)
    if geff.is_geff(path):
        return geff.read(path)
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return trackmate.read(path)
    if suffix in HDF5:
        return btrack.read(path)
    if suffix in CSV:
        table = tables.open_csv(path)
        if set(btrack.COLUMNS) <= set(table.columns):
            return btrack.read_csv(table, path.name)
        return tables.read_csv(table, path)
    if suffix == ".npy":
        return tables.read_npy(path)
    raise InputError(f"{path.name} is no file of tracks that is known; give {KNOWN}")


def is_known(folder: Path) -> bool:
    """Whether a folder holds tracks."""
    from lineage.imports import ctc, geff

    return ctc.table_of(folder) is not None or geff.is_geff(folder)
