"""A folder of the Cell Tracking Challenge -> GivenTracks: masks, and man_track.txt or res_track.txt.

Rules: https://celltrackingchallenge.net, "Naming and file content conventions". A line is a label, its first
and last frame, inclusive, and its parent, 0 for none. A spot is a label in a frame; where it lies is in the
masks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.imports import record
from lineage.imports.record import GivenTracks
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.schema import Geometry

FORM = "a folder of the Cell Tracking Challenge"
TABLES = ("man_track.txt", "res_track.txt")
_INSIDE = ("TRA", "*_RES", "*_GT/TRA")  # where a folder may hold it


def table_of(path: Path) -> Path | None:
    """The table of tracks in a folder, or in one that it holds; a table's own path is itself.

    Raises:
        InputError: there are several.
    """
    if path.name in TABLES and path.is_file():
        return path
    if not path.is_dir():
        return None
    folders = [path, *(f for pattern in _INSIDE for f in sorted(path.glob(pattern)))]
    found = [f / name for f in folders for name in TABLES if (f / name).is_file()]
    if len(found) > 1:
        named = ", ".join(f.parent.relative_to(path).as_posix() for f in found)
        raise InputError(f"{path} holds several sequences ({named}): give the folder of one")
    return found[0] if found else None


def read(path: Path) -> GivenTracks:
    """Read tracks; the masks beside the table are named, and not read.

    Args:
        path: the folder, one that holds it (`TRA`, `01_RES`, `01_GT/TRA`), or the table.

    Raises:
        InputError: no table, or a line that is none.
    """
    file = table_of(path)
    if file is None:
        raise InputError(f"{path} holds no {' or '.join(TABLES)}; wanted is {FORM}")
    lines = _lines(file)
    frames = [np.arange(b, e + 1) for _, b, e, _ in lines]
    label = np.repeat([line[0] for line in lines], [len(f) for f in frames])
    spots = pd.DataFrame({"frame": np.concatenate(frames), "label": label}).assign(y=np.nan, x=np.nan)
    spots = record.typed(spots.assign(radius=np.nan, spot_id=np.arange(len(spots))))
    within, first, last = record.consecutive(spots, spots["label"], file.name)
    across = [(last[parent], first[child]) for child, _, _, parent in lines if parent]
    return GivenTracks(
        source=f"{file.parent.name}/{file.name}",
        form=FORM,
        spots=spots,
        links=np.concatenate([within, np.array(across, np.int64).reshape(-1, 2)]),
        masks=file.parent,
    )


def with_positions(given: GivenTracks, geometry: Geometry) -> GivenTracks:
    """The same, a spot that has a label and no position in the middle of the label in its masks.

    Args:
        given: tracks.
        geometry: of their movie.

    Raises:
        InputError: the masks cannot be read, or are not of this movie.
    """
    from scipy import ndimage

    from lineage.nuclei.masks import open_masks

    spots = given.spots
    if given.masks is None or not spots["y"].isna().any():
        return given
    masks = open_masks(given.masks, n_frames=geometry.n_frames, shape=geometry.shape)
    places = np.full((len(spots), 2), np.nan)
    for frame, rows in spots.groupby("frame").indices.items():
        t = int(str(frame))
        if t >= geometry.n_frames:
            continue
        mask, wanted = masks(t), spots["label"].to_numpy()[rows]
        there = np.isin(wanted, mask)
        middles = ndimage.center_of_mass(np.ones_like(mask), mask, wanted[there])
        places[rows[there]] = np.reshape(middles, (-1, 2))
    return replace(given, spots=spots.assign(y=places[:, 0], x=places[:, 1]))


def _lines(file: Path) -> list[tuple[int, int, int, int]]:
    lines = []
    for number, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = text.split()
        if not words:
            continue
        if len(words) != 4 or not all(w.isdigit() for w in words):
            raise InputError(
                f"{file.name}: line {number} is {text.strip()[:60]!r}; wanted are four whole numbers: "
                "label, first "
                "frame, last frame, parent"
            )
        label, begin, end, parent = map(int, words)
        if not label or end < begin:
            raise InputError(
                f"{file.name}: line {number}: label {label} from frame {begin} to {end}; wanted is a "
                "label above 0 "
                "that does not end before it begins"
            )
        lines.append((label, begin, end, parent))
    if not lines:
        raise InputError(f"{file.name} holds no tracks; wanted is {FORM}")
    labels = [line[0] for line in lines]
    if twice := sorted({n for n in labels if labels.count(n) > 1}) if len(set(labels)) < len(labels) else []:
        raise InputError(f"{file.name}: label {twice[0]} is there twice; each track needs its own")
    for label, _, _, parent in lines:
        if parent and parent not in set(labels):
            raise InputError(
                f"{file.name}: track {label} has the parent {parent}, and there is no such track"
            )
    return lines
