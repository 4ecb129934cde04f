"""Mistakes -> film strips.

An event of the run has its own film, also where it was rejected; what the run does not know is cut from the
movie, if that is still where run.json says.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineage.io.records import read_quality
from lineage.mitosis import crops

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from lineage.evaluate.runs import Run
    from lineage.schema import FrameQuality, Video

SIDE_UM = 80.0  # of a film cut here


def films(shown: pd.DataFrame, runs: Sequence[Run], *, tile_px: int) -> tuple[dict[int, str], list[str]]:
    """Index of a mistake -> its film strip; and what cannot be shown, a sentence each.

    Args:
        shown: MISTAKE_COLUMNS.
        runs: `movie` counts in them.
        tile_px: pixels a frame in the page.
    """
    strips: dict[int, str] = {}
    notes = []
    for movie, rows in shown.groupby("movie"):
        run = runs[int(str(movie))]
        proposed = rows[rows["run_event"] >= 0]
        strips |= _own(proposed, run, tile_px)
        missed = rows[rows["run_event"] < 0]
        if len(missed):
            video = _video(run)
            if video is None or not run.folder.quality.exists():
                notes.append(
                    f"the movie {run.record['video']['name']} is not where the run read it: what was "
                    "missed in it is listed without films"
                )
            else:
                strips |= _cut(missed, run, video, tile_px)
    return strips, notes


def _own(rows: pd.DataFrame, run: Run, tile_px: int) -> dict[int, str]:
    from lineage.report.strips import film_strip

    known = run.events.set_index("event_id")
    side = known["side_um"].to_dict() if "side_um" in known else {}
    strips = {}
    for index, event in zip(rows.index, rows["run_event"].astype(int), strict=True):
        crop = run.folder.crops / crops.name(event)
        if crop.exists():
            side_um = float(side.get(event, 0.0))
            strips[int(index)] = film_strip(crop, side_um=side_um, tile_px=tile_px)
    return strips


def _cut(rows: pd.DataFrame, run: Run, video: Video, tile_px: int) -> dict[int, str]:
    from lineage.report.strips import film_strip

    quality = read_quality(run.folder.quality, n_frames=video.n_frames)
    squares = [
        square(n, int(frame), (y, x), quality, run)
        for n, (frame, y, x) in enumerate(
            zip(rows["frame"], rows["y_px"].astype(float), rows["x_px"].astype(float), strict=True)
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        films = Path(folder) / "films"
        crops.write(video, quality, squares, films)
        return {
            int(index): film_strip(films / crops.name(n), side_um=SIDE_UM, tile_px=tile_px)
            for n, index in enumerate(rows.index)
        }


def square(
    number: int, frame: int, place_px: tuple[float, float], quality: FrameQuality, run: Run
) -> crops.CropWindow:
    """Where to look for a true event that the run does not know."""
    usable = np.flatnonzero(quality.usable)
    wanted = np.clip(crops.frames_of(frame, run.minutes_per_frame), 0, len(quality.table) - 1)
    frames = tuple(int(usable[np.abs(usable - t).argmin()]) for t in wanted)
    y, x = (np.array(place_px) - quality.drift_px[frame]) * run.pixel_size_um
    return crops.CropWindow(number, float(y), float(x), SIDE_UM, frames, ())


def _video(run: Run) -> Video | None:
    """The movie, if it is still there and still of that size."""
    from lineage.schema import InputError
    from lineage.video import open_video

    told = run.record["video"]
    names = ("nucleus_channel", "phase_channel", "pixel_size_um", "minutes_per_frame")
    try:
        video = open_video(
            Path(told["path"]), position=told.get("position") or None, **{n: told[n] for n in names}
        )
    except (InputError, OSError):
        return None
    return video if (video.n_frames, *video.shape) == tuple(run.tracked.shape) else None
