"""A run folder -> Run: what of it is compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io import labels
from lineage.io.files import read_table
from lineage.io.integrity import RUN_AGAIN, Damaged, check, read_record
from lineage.io.records import read_quality
from lineage.io.run_folder import RunFolder
from lineage.schema import Decision, EventType, InputError

if TYPE_CHECKING:
    from pathlib import Path

    import networkx as nx
    import pandas as pd

STAGES_NEEDED = ("track", "tree")
EVENTS_NEEDED = (
    "event_id", "mother_id", "daughter_ids", "frame", "y_px", "x_px", "verdict", "p_verdict",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run."""

    folder: RunFolder
    record: dict[str, Any]  # run.json
    tracked: Any  # (T, Y, X) array of cell ids, read a frame at a time
    tree: nx.DiGraph
    events: pd.DataFrame  # EVENTS_NEEDED at least; every row

    @property
    def name(self) -> str:
        """Of the movie, without its suffix."""
        return self.folder.root.resolve().name.removesuffix(".lineage")

    @property
    def proposals(self) -> pd.DataFrame:
        """The events that the run stands by: every mitosis that is not rejected."""
        return self.events[self.events["verdict"] != Decision.NOT_A_MITOSIS].reset_index(drop=True)

    @property
    def pixel_size_um(self) -> float:
        """Side of a pixel, micrometres."""
        return float(self.record["video"]["pixel_size_um"])

    @property
    def minutes_per_frame(self) -> float:
        """Interval."""
        return float(self.record["video"]["minutes_per_frame"])

    def drift_px(self) -> np.ndarray:
        """(T, 2) how far the run says that the field had moved, y, x; zeros where it does not say."""
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
    table = read_table(path, text=text, columns=EVENTS_NEEDED)
    if "event_type" in table:
        table = table[table["event_type"] == EventType.MITOSIS].reset_index(drop=True)
    return table
