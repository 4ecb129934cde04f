"""A finished run -> its tables as the page needs them: cells, events, and every nucleus as plain arrays."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.files import read_table
from lineage.io.integrity import RUN_AGAIN, check, read_record, reading
from lineage.io.records import read_quality
from lineage.io.run_folder import RunFolder
from lineage.schema import EVENT_COLUMNS, TRACKLET_COLUMNS, InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

TEXT_OF_CELLS = ("parent_ids", "daughter_ids", "fate", "subtype", "verdict", "mitosis_class")
TEXT_OF_EVENTS = (
    "daughter_ids", "event_type", "subtype", "verdict", "verdict_because", "mitosis_class", "separated",
    "returned", "n_micronuclei", "bridge", "source", "flags",
)  # fmt: skip
NO_CELL = -1


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Every nucleus of a run, in order of frame; arrays of one length."""

    frame: np.ndarray  # int32
    label: np.ndarray  # int32, in that frame's outlines
    cell: np.ndarray  # int32, NO_CELL where it belongs to none
    y_px: np.ndarray  # float32
    x_px: np.ndarray  # float32
    radius_px: np.ndarray  # float32, of the circle of its area

    def __len__(self) -> int:
        return len(self.frame)

    def in_frame(self, t: int) -> slice:
        """The rows of a frame."""
        return _where(self.frame, t)

    def of_cell(self, cell: int) -> np.ndarray:
        """The rows of a cell, in order of frame."""
        rows, cells = self._by_cell
        return rows[_where(cells, cell)]

    @cached_property
    def _by_cell(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows in order of cell, and the cell of each."""
        rows = np.argsort(self.cell, kind="stable").astype(np.int32)
        return rows, self.cell[rows]

    def as_nucleus(self, row: int) -> dict[str, Any]:
        """A row, as a correction names it."""
        y, x = (round(float(a[row]), 2) for a in (self.y_px, self.x_px))
        return {"frame": int(self.frame[row]), "y_px": y, "x_px": x}

    def at(self, nucleus: Any) -> int | None:
        """The row of the nucleus that a correction names; None where there is none any more.

        Args:
            nucleus: `frame, y_px, x_px`.
        """
        rows = self.in_frame(nucleus.frame)
        if rows.start == rows.stop:
            return None
        far = np.hypot(self.y_px[rows] - nucleus.y_px, self.x_px[rows] - nucleus.x_px)
        nearest = int(far.argmin())
        row = rows.start + nearest
        return row if far[nearest] <= self.radius_px[row] else None

    def as_bytes(self) -> bytes:
        """int32 n, then one array after the other, 4 bytes a number, little-endian."""
        whole = (self.frame, self.label, self.cell)
        parts = [np.array([len(self)]), *whole, self.y_px, self.x_px, self.radius_px]
        types = ["<i4"] * 4 + ["<f4"] * 3
        return b"".join(a.astype(t).tobytes() for a, t in zip(parts, types, strict=True))


def _where(numbers: np.ndarray, number: int) -> slice:
    """Where a number stands among numbers in order."""
    # Of another type than theirs, all of them would be converted first.
    first, end = np.searchsorted(numbers, np.array([number, number + 1], numbers.dtype))
    return slice(int(first), int(end))


@dataclass(frozen=True, eq=False)
class Tables:
    """What a run found."""

    record: dict[str, Any]  # run.json
    cells: pd.DataFrame  # TRACKLET_COLUMNS
    events: pd.DataFrame  # EVENT_COLUMNS
    nuclei: Nuclei
    usable: np.ndarray  # (T,) bool
    revision: int  # another where the tables are others


def revision(record: dict[str, Any]) -> int:
    """A number that changes with the tables of a run.

    Args:
        record: run.json.
    """
    made = {name: record["stages"].get(name) for name in ("reject", "tree")}
    return zlib.crc32(json.dumps(made, sort_keys=True).encode())


def read(root: Path) -> Tables:
    """The tables of a finished run.

    Raises:
        InputError: it is not finished, or not as it was written.
    """
    folder, record = RunFolder(root), read_record(root)
    if "tree" not in record["stages"]:
        raise InputError(f"the run in {root.name} is not finished: {RUN_AGAIN}")
    check(root, record, folder.events, folder.tracklets, folder.detections, folder.quality)
    cells = read_table(folder.tracklets, text=TEXT_OF_CELLS, columns=TRACKLET_COLUMNS)
    events = read_table(folder.events, text=TEXT_OF_EVENTS, columns=EVENT_COLUMNS)
    nuclei = read_nuclei(folder.detections, pixel_size_um=float(record["video"]["pixel_size_um"]))
    if not set(np.unique(nuclei.cell).tolist()) - {NO_CELL} == set(cells["tracklet_id"].tolist()):
        raise InputError(f"the tables in {root.name} are of two runs: {RUN_AGAIN}, and they are made anew")
    usable = read_quality(folder.quality, n_frames=int(record["video"]["n_frames"])).usable
    return Tables(record, cells, events, nuclei, usable, revision(record))


def read_nuclei(path: Path, *, pixel_size_um: float) -> Nuclei:
    """The nuclei of a run; of its widest and longest table only what is looked at here.

    Args:
        path: detections.csv.
        pixel_size_um: side of a pixel.

    Raises:
        InputError: it is not there, or damaged.
    """
    import pandas as pd

    whole, numbers = ("frame", "label", "tracklet_id"), ("y_px", "x_px", "area_um2")
    types = dict.fromkeys(whole, np.int32) | dict.fromkeys(numbers, np.float32)
    if not path.is_file():
        raise InputError(f"there is no {path}: {RUN_AGAIN}")
    with reading(path, "delete it and start the run again, or copy it anew"):
        table = pd.read_csv(path, usecols=list(types), dtype=types)
        if not np.isfinite(table[list(numbers)].to_numpy()).all():
            raise ValueError("a position or an area is no number")
    table = table.sort_values("frame", kind="stable")
    frame, label, cell, y, x, area = (table[name].to_numpy() for name in types)
    return Nuclei(frame, label, cell, y, x, np.sqrt(area / np.pi) / np.float32(pixel_size_um))
