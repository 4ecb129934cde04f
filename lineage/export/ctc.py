"""Tracked labels + annotated tree -> the Cell Tracking Challenge's result layout.

Rules: https://celltrackingchallenge.net, "Naming and file content conventions". A label is present in every
frame from its first to its last, so a cell that is missed in between is written as several tracks, each the
child of the one before. A track has one parent at most, so a fused cell is written without.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.io.files import atomic_write
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import networkx as nx

RESULT = "01_RES"
KEY = "01_RES_labels.csv"  # beside the folder: readers take everything inside it for masks
LARGEST_LABEL = int(np.iinfo(np.uint16).max)


@dataclass(frozen=True)
class Track:
    """One line of res_track.txt, and the cell that it belongs to. `last_frame` is inclusive."""

    label: int
    first_frame: int
    last_frame: int
    parent: int  # 0 for none, as the challenge has it
    cell: int
    note: str = ""


def write(tree: nx.DiGraph, tracked: Any, out_dir: Path) -> list[str]:
    """Write `01_RES/` and, beside it, the table of labels and cells.

    Args:
        tree: annotated tree.
        tracked: (T, Y, X) array of cell ids, 0 for background; read a frame at a time.
        out_dir: made if it is not there; files of these two names are replaced.

    Returns:
        Remarks on what the layout cannot hold, a sentence each.

    Raises:
        InputError: labels and tree are not of the same run, or there are more labels than uint16 holds.
    """
    lines = tracks(tree, presence(tracked))
    digits = max(3, len(str(tracked.shape[0] - 1)))
    starting = defaultdict(list)
    for line in lines:
        starting[line.first_frame].append(line)
    label_of = np.zeros(max((line.cell for line in lines), default=0) + 1, np.uint16)
    with atomic_write(out_dir / RESULT) as folder:
        folder.mkdir()
        for t in range(tracked.shape[0]):
            for line in starting[t]:
                label_of[line.cell] = line.label
            _write_mask(folder / f"mask{t:0{digits}}.tif", label_of[np.asarray(tracked[t])])
        (folder / "res_track.txt").write_text(
            "".join(f"{k.label} {k.first_frame} {k.last_frame} {k.parent}\n" for k in lines),
            encoding="utf-8",
            newline="\n",
        )
    with atomic_write(out_dir / KEY) as part:
        pd.DataFrame(lines, columns=list(Track.__dataclass_fields__)).to_csv(part, index=False)
    return _remarks(tree, lines)


def presence(tracked: Any) -> dict[int, list[range]]:
    """Cell -> the stretches of frames in which it has pixels.

    >>> presence(np.array([[[0, 5]], [[0, 5]], [[0, 0]], [[5, 5]]]))
    {5: [range(0, 2), range(3, 4)]}
    """
    stretches: dict[int, list[range]] = defaultdict(list)
    for t in range(tracked.shape[0]):
        for cell in np.flatnonzero(np.bincount(np.asarray(tracked[t]).ravel())[1:]) + 1:
            known = stretches[int(cell)]
            if known and known[-1].stop == t:
                known[-1] = range(known[-1].start, t + 1)
            else:
                known.append(range(t, t + 1))
    return dict(sorted(stretches.items()))


def tracks(tree: nx.DiGraph, stretches: Mapping[int, Sequence[range]]) -> list[Track]:
    """The lines of res_track.txt, in order of their labels.

    Raises:
        InputError: a cell with pixels is not in the tree, or a label would pass 65535.
    """
    if strangers := sorted(set(stretches) - set(tree)):
        raise InputError(
            f"cell {strangers[0]} has labels but is not in the tree: labels.zarr and lineage.graphml are not "
            "of one run; run the movie again"
        )
    labels = _labels(stretches)
    lines = []
    for cell, parts in stretches.items():
        parent, note = _birth(tree, cell, labels)
        for label, frames in zip(labels[cell], parts, strict=True):
            lines.append(Track(label, frames.start, frames.stop - 1, parent, cell, note))
            parent, note = label, f"cell {cell} seen again after a gap"
    return sorted(lines, key=lambda line: line.label)


def _labels(stretches: Mapping[int, Sequence[range]]) -> dict[int, list[int]]:
    """Cell -> a label for each stretch: the first keeps the cell's number, later ones are numbered on.

    >>> _labels({2: [range(0, 3), range(4, 6)], 5: [range(0, 1)]})
    {2: [2, 6], 5: [5]}
    """
    highest = max(stretches, default=0)
    free = count(highest + 1)
    n_labels = highest + sum(len(parts) - 1 for parts in stretches.values())
    if n_labels > LARGEST_LABEL:
        raise InputError(
            f"labels up to {n_labels} are needed, and the Cell Tracking Challenge's uint16 masks hold "
            f"{LARGEST_LABEL}; export geff instead, or run a shorter piece of the movie"
        )
    return {cell: [cell, *islice(free, len(parts) - 1)] for cell, parts in stretches.items()}


def _birth(tree: nx.DiGraph, cell: int, labels: Mapping[int, Sequence[int]]) -> tuple[int, str]:
    """The label of the cell's parent, 0 for none, and a note of what that leaves out."""
    parents = sorted(tree.predecessors(cell))
    if len(parents) > 1:
        return 0, f"fusion of cells {' '.join(map(str, parents))}"
    return (labels[parents[0]][-1] if parents and parents[0] in labels else 0), ""


def _write_mask(path: Path, mask: np.ndarray) -> None:
    import tifffile

    tifffile.imwrite(path, mask, compression="zlib")


def _remarks(tree: nx.DiGraph, lines: Sequence[Track]) -> list[str]:
    fused = [k.cell for k in lines if k.note.startswith("fusion")]
    gaps = sum(k.note.endswith("gap") for k in lines)
    unseen = len(set(tree) - {k.cell for k in lines})
    return [
        sentence
        for n, sentence in (
            (len(fused), f"cells {fused} came of fusions, which the layout cannot hold: parent 0"),
            (gaps, f"gaps within cells: {gaps}; what follows one is a track of its own"),
            (unseen, f"cells without pixels, left out: {unseen}"),
        )
        if n
    ]
