"""A run folder -> Run: what of it is compared with the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage import labels
from lineage.outputs import FORMAT, RunFolder, read_table
from lineage.schema import EventType, InputError, MitosisClass

if TYPE_CHECKING:
    from pathlib import Path

    import networkx as nx
    import pandas as pd

STAGES_NEEDED = ("track", "tree")
EVENTS_NEEDED = (
    "event_id", "mother_id", "daughter_ids", "frame", "y_px", "x_px", "mitosis_class", "p_abnormal",
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
        """The events that the run stands by: every row that is not `none`."""
        return self.events[self.events["mitosis_class"] != MitosisClass.NONE].reset_index(drop=True)

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
        return read_table(path, text=("reason",))[["drift_y_px", "drift_x_px"]].to_numpy(float)


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
    return Run(
        folder=folder,
        record=record,
        tracked=labels.open_array(folder.labels, labels.TRACKED),
        tree=graphml.read(folder.graphml),
        events=read_events(folder.events),
    )


def read_record(root: Path) -> dict[str, Any]:
    """The run's own record. Raises InputError if the folder is no run."""
    if not root.is_dir():
        raise InputError(f"there is no folder {root}; give what `python -m lineage.run VIDEO` wrote")
    try:
        record = json.loads((root / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(
            f"{root} is no run: it has no run.json of ours; give what `python -m lineage.run VIDEO` wrote"
        )
    return record


def read_events(path: Path) -> pd.DataFrame:
    """A run's events.csv: the mitoses, without its fusions and deaths."""
    if not path.exists():
        raise InputError(f"there is no {path}; give the folder of a finished run")
    table = read_table(path, text=("daughter_ids", "mitosis_class", "subtype", "flags"))
    if missing := [c for c in EVENTS_NEEDED if c not in table]:
        raise InputError(f"{path} lacks {', '.join(missing)}; it has {', '.join(table.columns)}")
    if "event_type" in table:
        table = table[table["event_type"] == EventType.MITOSIS].reset_index(drop=True)
    return table
