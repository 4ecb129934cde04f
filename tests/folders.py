"""Worlds written as the folder of a run, and as the folder of a truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import worlds
from test_tree import NOTHING, annotate
from worlds import divisions

from lineage.evaluate.inputs import Run
from lineage.evaluate.match import match
from lineage.evaluate.score import score
from lineage.export import ctc, graphml
from lineage.io import labels
from lineage.io.integrity import FORMAT, FORMAT_VERSION
from lineage.io.run_folder import RunFolder
from lineage.mitosis.event_table import event_table as table_of
from lineage.mitosis.verdict import decide_all
from lineage.schema import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from lineage.evaluate.inputs import Truth
    from lineage.evaluate.score import Scores
    from lineage.schema import Lineage, MitosisEvent, Predictions

N_FRAMES = 40


def paint(lineage: Lineage, half: int = 3) -> np.ndarray:
    """(T, Y, X) uint32: each nucleus a square of its cell's number."""
    masks = np.zeros((N_FRAMES, *worlds.SHAPE), np.uint32)
    for row in lineage.detections.itertuples():
        y, x = int(row.y_px), int(row.x_px)
        masks[row.frame, y - half : y + half + 1, x - half : x + half + 1] = row.tracklet_id
    return masks


def event_table(events: Sequence[MitosisEvent], predictions: Predictions = NOTHING) -> pd.DataFrame:
    """EVENT_COLUMNS."""
    sides = {e.event_id: 80.0 for e in events}
    return table_of(events, decide_all(events, predictions), minutes_per_frame=worlds.MINUTES, side_um=sides)


def write_truth(
    folder: Path,
    lineage: Lineage,
    *,
    subtypes: Mapping[int, str] | None = None,
    events: Sequence[MitosisEvent] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """As the simulator writes it; event ids are those of `worlds.divisions`, normal unless told."""
    ctc.write(lineage.graph, paint(lineage), folder)
    (folder / ctc.KEY).unlink()
    tra = (folder / ctc.RESULT).rename(folder / "TRA")
    (tra / "res_track.txt").rename(tra / "man_track.txt")
    for mask in tra.glob("mask*.tif"):
        mask.rename(tra / mask.name.replace("mask", "man_track"))
    events = divisions(lineage) if events is None else events
    graphml.write(annotate(lineage, events), folder / "lineage.graphml")
    table = event_table(events).drop(columns=["p_abnormal", "p_none", "side_um", "flags"])
    table["subtype"] = [(subtypes or {}).get(i, "normal") for i in table["event_id"]]
    table["mitosis_class"] = np.where(table["subtype"] == "normal", "normal", "abnormal")
    table.to_csv(folder / "events.csv", index=False)
    (folder / "settings.json").write_text(json.dumps({"dose_gy": 5.0} | dict(settings or {})))
    return folder


def write_run(
    folder: Path,
    lineage: Lineage,
    *,
    predictions: Predictions = NOTHING,
    events: Sequence[MitosisEvent] | None = None,
    video: str = "world.tif",
) -> Path:
    """As `python -m lineage.run` leaves it, but for what nobody compares."""
    folder.mkdir(parents=True)
    events = divisions(lineage) if events is None else events
    path = folder / "labels.zarr"
    geometry = Geometry(N_FRAMES, worlds.SHAPE, worlds.PIXEL_UM, worlds.MINUTES)
    labels.create(path, geometry)
    labels.open_array(path, labels.RAW, "r+")[:] = paint(lineage)
    labels.write_tracked(path, lineage.detections, geometry)
    graphml.write(annotate(lineage, events, predictions), folder / "lineage.graphml")
    event_table(events, predictions).to_csv(folder / "events.csv", index=False)
    (folder / "run.json").write_text(json.dumps(record_of(folder, video)))
    return folder


def record_of(folder: Path, video: str = "world.tif") -> dict[str, Any]:
    """What run.json holds of what is compared."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "stages": {"track": {}, "tree": {}},
        "dose_gy": None,
        "video": {
            "path": str(folder.parent / video),
            "name": video,
            "n_frames": N_FRAMES,
            "shape": list(worlds.SHAPE),
            "nucleus_channel": 0,
            "phase_channel": None,
            "pixel_size_um": worlds.PIXEL_UM,
            "minutes_per_frame": worlds.MINUTES,
        },
    }


def compared(run: Run, truth: Truth) -> Scores:
    """Both, frame by frame."""
    return score(run, truth, match(truth, run.tracked))


def run_in_memory(folder: Path, lineage: Lineage, *, events: Sequence[MitosisEvent] | None = None) -> Run:
    """The same without files."""
    events = divisions(lineage) if events is None else events
    return Run(
        RunFolder(folder), record_of(folder), paint(lineage), annotate(lineage, events), event_table(events)
    )
