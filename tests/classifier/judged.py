"""A run folder with five mitoses and a crop of each, no more than what people's verdicts are looked up in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tifffile

from lineage.corrections import journal
from lineage.corrections.lines import make

if TYPE_CHECKING:
    from pathlib import Path

IDS = (0, 3, 4, 7, 8)


def write_run(folder: Path) -> Path:
    """Cell 1 + i divides in frame 5, at x = 20 i."""
    (folder / "crops").mkdir(parents=True)
    rows = [(2 * i + t - 3, t, 1 + i, 10.0, 20.0 * i, 80.0) for i in range(len(IDS)) for t in (3, 4)]
    columns = ["detection_id", "frame", "tracklet_id", "y_px", "x_px", "area_um2"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "detections.csv", index=False)
    events = pd.DataFrame({"event_id": IDS, "mother_id": range(1, 6), "daughter_ids": "", "frame": 5})
    events.assign(event_type="mitosis").to_csv(folder / "events.csv", index=False)
    for event in IDS:
        tifffile.imwrite(folder / "crops" / f"event_{event:04d}.tif", np.zeros((12, 2, 8, 8), np.float32))
    video = {"path": "m.tif", "name": "m.tif", "n_frames": 9, "shape": [64, 128]}
    video |= {"pixel_size_um": 1.0, "minutes_per_frame": 10.0}
    record = {"format": "lineage-run", "format_version": 1, "video": video, "stages": {}}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def say(run: Path, i: int, verdict: str, **elsewhere: float) -> str:
    """A person's verdict on the mitosis of cell 1 + i; gives the line's id."""
    mother = {"frame": 4, "y_px": 10.0, "x_px": 20.0 * i} | elsewhere
    return _write(run, {"what": "verdict", "event": {"mother": mother, "frame": 5}, "verdict": verdict})


def take_back(run: Path, line: str) -> str:
    """Undo a line."""
    return _write(run, {"what": "undo", "line": line})


def _write(run: Path, said: dict[str, Any]) -> str:
    line = make(said, who="anna")
    journal.append(run / journal.NAME, line)
    return line.id
