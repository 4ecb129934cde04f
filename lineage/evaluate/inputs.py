"""A run folder -> Run; a folder of ground truth, or a corrected run -> Truth: what is compared.

Ground truth is the simulator's, or any of the Cell Tracking Challenge. Found are `TRA/man_track.txt` and
`TRA/man_trackNNN.tif` in the folder or in its one `NN_GT` folder, or the folder itself is TRA. Beside TRA
there may be `SEG/man_segNNN.tif`, and what the simulator writes: `lineage.graphml` (which has fusions),
`events.csv` (which has the kind of each mitosis) and `settings.json`. Of a run folder its cells, tree and
verdicts are taken for true.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from lineage.edge import diameter_um
from lineage.io import labels
from lineage.io.files import read_table
from lineage.io.integrity import RECORD, RUN_AGAIN, Damaged, check, read_record
from lineage.io.records import read_quality
from lineage.io.run_folder import RunFolder
from lineage.io.tiff import read_image
from lineage.schema import ABNORMAL_SUBTYPES, CellKey, Decision, EventType, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineage.export.ctc import Track

STAGES_NEEDED = ("track", "tree")
EVENT_COLUMNS = ("event_id", "mother_id", "daughter_ids", "frame", "y_px", "x_px")
RUN_EVENT_COLUMNS = (*EVENT_COLUMNS, "verdict", "p_verdict")
TRUE_EVENT_COLUMNS = (*EVENT_COLUMNS, "mitosis_class", "subtype")
TRACKS = "man_track.txt"
EXPECTED = (
    "expected is a folder with TRA/man_track.txt and TRA/man_track000.tif ..., as the simulator and the Cell "
    "Tracking Challenge write them, or a corrected run"
)


# --- The run


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run."""

    folder: RunFolder
    record: dict[str, Any]  # run.json
    tracked: Any  # (T, Y, X) array of cell ids, read a frame at a time
    tree: nx.DiGraph
    events: pd.DataFrame  # RUN_EVENT_COLUMNS at least; every row

    @property
    def name(self) -> str:
        """Of the movie, without its suffix."""
        return self.folder.root.resolve().name.removesuffix(".lineage")

    @property
    def proposals(self) -> pd.DataFrame:
        """Every mitosis that is not rejected."""
        return self.events[self.events["verdict"] != Decision.NOT_A_MITOSIS].reset_index(drop=True)

    @property
    def pixel_size_um(self) -> float:
        """Side of a pixel, micrometres."""
        return float(self.record["video"]["pixel_size_um"])

    @property
    def minutes_per_frame(self) -> float:
        """Interval."""
        return float(self.record["video"]["minutes_per_frame"])

    @property
    def diameter_um(self) -> float:
        """Of its nuclei, from the median areas of its cells."""
        areas = [area for _, area in self.tree.nodes(data=CellKey.AREA_UM2) if area is not None]
        return diameter_um(pd.DataFrame({"area_um2": areas}))

    def drift_px(self) -> np.ndarray:
        """(T, 2) how far the run found the field to have moved, y, x; zeros where it did not measure it."""
        path = self.folder.quality
        if not path.exists():
            return np.zeros((self.tracked.shape[0], 2))
        return read_quality(path, n_frames=self.tracked.shape[0]).drift_px


def read_run(root: Path) -> Run:
    """Open a finished run.

    Raises:
        InputError: no such folder, no run, or a run that has not ended.
    """
    from lineage.export import graphml

    folder, record = RunFolder(root), read_record(root)
    needed = (folder.labels / labels.TRACKED, folder.events, folder.graphml)
    absent = [p.name for p in needed if not p.exists()]
    if absent or not all(stage in record["stages"] for stage in STAGES_NEEDED):
        raise InputError(f"{root} is a run that has not ended; give the same `python -m lineage.run` again")
    check(root, record, *needed, folder.quality, folder.crops)
    tracked = labels.open_array(folder.labels, labels.TRACKED)
    if tracked.shape != (found := (record["video"]["n_frames"], *record["video"]["shape"])):
        raise Damaged(f"{folder.labels} has labels of {tracked.shape}, the movie is {found}: {RUN_AGAIN}")
    return Run(
        folder=folder,
        record=record,
        tracked=tracked,
        tree=graphml.read(folder.graphml),
        events=read_events(folder.events),
    )


def read_events(path: Path) -> pd.DataFrame:
    """A run's events.csv: the mitoses, without its fusions and deaths."""
    if not path.exists():
        raise InputError(f"there is no {path}; give the folder of a finished run")
    text = ("daughter_ids", "verdict", "verdict_because", "mitosis_class", "subtype", "flags")
    table = read_table(path, text=text, columns=RUN_EVENT_COLUMNS)
    if "event_type" in table:
        table = table[table["event_type"] == EventType.MITOSIS].reset_index(drop=True)
    return table


# --- The truth


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth. Labels are the masks' numbers; a cell seen again after a gap has several."""

    folder: Path  # that holds TRA, or the run
    masks: Sequence[Path] | CellMasks  # TRA, or a run's cells; one a frame
    seg: dict[int, Path]  # frame -> full masks; empty if there are none
    masks_are_full: bool  # TRA are whole nuclei, not markers, and serve as SEG
    tracks: np.ndarray  # (N, 4) int64, lines of man_track.txt: label, first and last frame, parent or 0
    graph: nx.DiGraph  # cells; edges from mother to daughter, and from each cell that fuses
    cell_of: dict[int, int]  # label -> cell
    knows_fusions: bool
    events: pd.DataFrame | None  # TRUE_EVENT_COLUMNS at least; None if the truth has no events
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Of the movie."""
        return len(self.masks)

    @property
    def dose_gy(self) -> float | None:
        """None if it is not known."""
        return self.settings.get("dose_gy")

    @property
    def blank_frames(self) -> list[int]:
        """Frames in which nothing can be seen, though the truth has cells there."""
        return [int(t) for t in self.settings.get("blank_frames", ())]

    def mask(self, t: int) -> np.ndarray:
        """(Y, X) labels or markers of one frame."""
        mask = self.masks[t]
        return _image(mask) if isinstance(mask, Path) else mask

    def mask_name(self, t: int) -> str:
        """What messages call it."""
        mask = self.masks[t]
        return mask.name if isinstance(mask, Path) else f"{self.folder.name}, frame {t},"

    def cells(self, t: int) -> np.ndarray:
        """(Y, X) cells of one frame."""
        mask = self.mask(t)
        table = np.zeros(max(int(mask.max(initial=0)), *self.cell_of, 0) + 1, np.int64)
        table[list(self.cell_of)] = list(self.cell_of.values())
        return table[mask]

    def full_mask(self, t: int) -> np.ndarray | None:
        """(Y, X) labels of whole nuclei; None if this frame has none beside its markers."""
        return _image(self.seg[t]) if t in self.seg else None


@dataclass(frozen=True, eq=False)
class CellMasks:
    """A run's cells as masks of the Challenge have them: with another number after a gap."""

    tracked: Any  # (T, Y, X) array of cell ids, read a frame at a time
    lines: Sequence[Track]

    def __len__(self) -> int:
        return int(self.tracked.shape[0])

    def __getitem__(self, t: int) -> np.ndarray:
        cells = np.asarray(self.tracked[t])
        label_of = np.zeros(int(cells.max(initial=0)) + 1, np.int64)
        for line in self.lines:
            if line.first_frame <= t <= line.last_frame:
                label_of[line.cell] = line.label
        return label_of[cells]


def read_truth(path: Path) -> Truth:
    """Find and read the tables; the masks are read when they are needed.

    Raises:
        InputError: no such folder, no ground truth in it, or a table that cannot be read.
    """
    if (path / RECORD).is_file():
        return _truth_of(read_run(path))
    tra = _tra_folder(path)
    folder = tra.parent
    masks = _numbered(tra, r"man_track_?(\d+)\.tif")
    if not masks or sorted(masks) != list(range(len(masks))):
        raise InputError(
            f"{tra} holds {len(masks)} files man_trackNNN.tif; expected is one a frame, numbered from 0"
        )
    tracks = _read_tracks(tra / TRACKS)
    settings = _read_settings(folder / "settings.json")
    known = _read_graph(folder / "lineage.graphml")
    cell_of, graph = _cells(tracks, known)
    return Truth(
        folder=folder,
        masks=tuple(masks[t] for t in range(len(masks))),
        seg=_numbered(folder / "SEG", r"man_seg_?(\d+)\.tif"),
        masks_are_full=bool(settings),
        tracks=tracks,
        graph=graph,
        cell_of=cell_of,
        knows_fusions=known is not None,
        events=_read_true_events(folder / "events.csv"),
        settings=settings,
    )


def _truth_of(run: Run) -> Truth:
    """A run taken for true; what it leaves undecided stays so."""
    from lineage.export import ctc

    lines = ctc.tracks(run.tree, ctc.presence(run.tracked))
    tracks = [(line.label, line.first_frame, line.last_frame, line.parent) for line in lines]
    return Truth(
        folder=run.folder.root,
        masks=CellMasks(run.tracked, lines),
        seg={},
        masks_are_full=True,
        tracks=np.array(tracks, np.int64).reshape(-1, 4),
        graph=run.tree,
        cell_of={line.label: line.cell for line in lines},
        knows_fusions=True,
        events=run.proposals.assign(mitosis_class=run.proposals["verdict"], subtype=_kinds(run.proposals)),
        settings={"dose_gy": run.record.get("dose_gy")},
    )


def _kinds(mitoses: pd.DataFrame) -> pd.Series:
    """What each is: the kind that was seen, where its verdict does not say otherwise; else the verdict."""
    verdict = mitoses["verdict"]
    is_seen = mitoses["subtype"].isin(ABNORMAL_SUBTYPES) & (verdict != Decision.NORMAL)
    return mitoses["subtype"].where(is_seen, verdict)


def _tra_folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; {EXPECTED}")
    if (path / TRACKS).exists():
        return path
    if (path / "TRA" / TRACKS).exists():
        return path / "TRA"
    found = sorted(p for p in path.glob("*_GT/TRA") if (p / TRACKS).exists())
    if len(found) > 1:
        names = ", ".join(p.parent.name for p in found)
        raise InputError(f"{path} holds {names}; give one of these folders")
    if not found:
        raise InputError(f"{path} holds no TRA/{TRACKS}; {EXPECTED}")
    return found[0]


def _numbered(folder: Path, pattern: str) -> dict[int, Path]:
    """Frame -> file."""
    names = ((re.fullmatch(pattern, p.name), p) for p in sorted(folder.glob("*.tif")))
    return {int(m[1]): p for m, p in names if m}


def _image(path: Path) -> np.ndarray:
    image = read_image(path, as_stored=True)
    if image.ndim != 2 or image.dtype.kind not in "ui":
        raise InputError(f"{path} is {image.ndim}D, {image.dtype}; expected are 2D images of whole numbers")
    return image


def _read_tracks(path: Path) -> np.ndarray:
    """(N, 4) int64."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        tracks = np.array(lines, np.int64).reshape(-1, 4)
    except (ValueError, OverflowError):
        raise InputError(f"{path} holds lines that are not four whole numbers: L B E P") from None
    if unlisted := sorted(set(tracks[:, 3].tolist()) - {0} - set(tracks[:, 0].tolist())):
        raise InputError(f"{path} names a parent {unlisted[0]} that has no line")
    if len(set(tracks[:, 0].tolist())) < len(tracks):
        raise InputError(f"{path} has a label on two lines; expected is one line a label")
    return tracks


def _read_settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        settings = dict(json.loads(path.read_text(encoding="utf-8")))
        dose, blank = settings.get("dose_gy"), settings.get("blank_frames", [])
        if dose is not None and not 0 <= dose < math.inf:
            raise ValueError(f"dose_gy is {dose}")
        if not isinstance(blank, list) or not all(type(t) is int for t in blank):
            raise ValueError(f"blank_frames is {blank}")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not the simulator's settings ({error}); copy the truth again") from None
    return settings


def _read_graph(path: Path) -> nx.DiGraph | None:
    from lineage.export import graphml

    return graphml.read(path) if path.exists() else None


def _read_true_events(path: Path) -> pd.DataFrame | None:
    if not path.exists():
        return None
    table = read_table(path, text=("daughter_ids", "mitosis_class", "subtype"))
    if missing := [c for c in TRUE_EVENT_COLUMNS if c not in table]:
        raise InputError(f"{path} lacks {', '.join(missing)}; it has {', '.join(table.columns)}")
    return table


def _cells(tracks: np.ndarray, known: nx.DiGraph | None) -> tuple[dict[int, int], nx.DiGraph]:
    """Label -> cell, and the graph of cells.

    In the table alone, an only daughter and a cell that is seen again look alike: it is taken for the same
    cell.

    >>> cell_of, graph = _cells(np.array([[1, 0, 4, 0], [2, 7, 9, 1], [3, 10, 12, 2], [4, 10, 12, 2]]), None)
    >>> cell_of, sorted(graph.edges)
    ({1: 1, 2: 1, 3: 3, 4: 4}, [(1, 3), (1, 4)])
    """
    children = Counter(tracks[:, 3].tolist())
    cell_of: dict[int, int] = {}
    for label, _, _, parent in sorted(tracks.tolist(), key=lambda line: line[1]):
        goes_on = parent in cell_of and (label not in known if known is not None else children[parent] == 1)
        cell_of[label] = cell_of[parent] if goes_on else label
    graph = nx.DiGraph() if known is None else known.copy()
    graph.add_nodes_from(cell_of.values())
    if known is None:
        edges = ((cell_of[p], cell_of[label]) for label, _, _, p in tracks.tolist() if p in cell_of)
        graph.add_edges_from((a, b) for a, b in edges if a != b)
    return dict(sorted(cell_of.items())), graph
