"""Outcomes -> the mistakes, worst first, and their film strips.

Worst are abnormal mitoses that were missed, among them those that the run rejected as no mitosis; then wrong
classes, the surest first; then abnormal mitoses that are undecided; then false proposals, those called
abnormal first; then normal mitoses that were missed. An undecided normal mitosis is no mistake, since it is
not called abnormal. Where the truth has no events, the mistakes are the divisions that were missed, or are
false, within one frame.

An event of the run is shown by the run's own crop, also if it was rejected. Of what the run does not know a
crop is cut from the movie, if that is still where run.json says.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.evaluate.events import (
    MISSED,
    NOTHING,
    OUTCOME_COLUMNS,
    OUTCOME_TYPES,
    is_matched,
    is_true,
    middle,
)
from lineage.evaluate.tracking import assign
from lineage.io.records import read_quality
from lineage.mitosis import crops
from lineage.schema import DECIDED, Decision, InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lineage.evaluate.inputs import Run
    from lineage.evaluate.match import Matches
    from lineage.evaluate.tracking import Junction
    from lineage.schema import FrameQuality, Video

MISSED_ABNORMAL, WRONG_CLASS, UNDECIDED = "missed abnormal", "wrong class", "undecided"
FALSE_PROPOSAL, MISSED_NORMAL = "false proposal", "missed normal"
MISSED_DIVISION, FALSE_DIVISION = "missed division", "false division"
EVENT_KINDS = (MISSED_ABNORMAL, WRONG_CLASS, UNDECIDED, FALSE_PROPOSAL, MISSED_NORMAL)  # worst first
KINDS = (*EVENT_KINDS, MISSED_DIVISION, FALSE_DIVISION)
DIVISION_TOLERANCE = 1  # frames
MISTAKE_COLUMNS = (*OUTCOME_COLUMNS, "movie", "kind", "words")
CROP_SIDE_UM = 80.0  # of a crop that is cut here


def mistakes(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The rows that are mistakes, worst first: MISTAKE_COLUMNS.

    Args:
        outcomes: OUTCOME_COLUMNS and `movie`.
    """
    decided = (MitosisClass.NORMAL, MitosisClass.ABNORMAL)
    missed = is_true(outcomes) & (outcomes["run_class"] == MISSED)
    abnormal = outcomes["truth_class"] == MitosisClass.ABNORMAL
    wrong = (
        is_matched(outcomes)
        & outcomes["run_class"].isin(decided)
        & (outcomes["truth_class"] != outcomes["run_class"])
    )
    undecided = abnormal & (outcomes["run_class"] == Decision.UNDECIDED)
    nothing = outcomes["truth_class"] == NOTHING
    kind = np.select([missed & abnormal, wrong, undecided, nothing, missed], [*EVENT_KINDS], default="")
    p = outcomes["p_abnormal"].fillna(DECIDED)
    table = outcomes.assign(
        kind=kind,
        words=[_description(row) for row in outcomes.to_dict("records")],
        rank=[KINDS.index(k) if k else len(KINDS) for k in kind],
        # A false proposal is worse the more abnormal it was called; a wrong class the surer it was.
        sure=np.where(kind == FALSE_PROPOSAL, p, (p - DECIDED).abs()),
    )
    found = table[table["kind"] != ""].sort_values(
        ["rank", "sure", "movie", "frame"], ascending=[True, False, True, True], kind="stable"
    )
    return found[list(MISTAKE_COLUMNS)]


def _description(row: Mapping[Any, Any]) -> str:
    """What went wrong.

    >>> slippage = {"truth_class": "abnormal", "subtype": "slippage", "run_class": "missed"}
    >>> _description(slippage | {"run_event": -1})
    'slippage, missed'
    >>> _description(slippage | {"run_event": 7, "p_none": 0.875})
    'slippage, rejected as no mitosis, p(none) 0.88'
    """
    subtype = str(row["subtype"]).replace("_", " ") if row["truth_class"] != NOTHING else "nothing"
    if row["run_class"] == Decision.UNDECIDED:
        return f"{subtype}, undecided"
    if row["run_class"] != MISSED:
        return f"{subtype}, called {row['run_class']}"
    if row["run_event"] < 0:
        return f"{subtype}, missed"
    p = "" if np.isnan(row["p_none"]) else f", p(none) {row['p_none']:.2f}"
    return f"{subtype}, rejected as no mitosis{p}"


def wrong_divisions(
    true: Sequence[Junction],
    found: Sequence[Junction],
    matches: Matches,
    *,
    true_mask: Callable[[int], np.ndarray],
    run_mask: Callable[[int], np.ndarray],
    event_of: Mapping[int, int],
) -> pd.DataFrame:
    """Divisions that were missed, then those that are false, by frame.

    Args:
        true: of the truth.
        found: of the run.
        matches: of all frames.
        true_mask: frame -> (Y, X) cells of the truth.
        run_mask: frame -> (Y, X) cells of the run.
        event_of: mother -> the run's event, for its film strip.

    Returns:
        MISTAKE_COLUMNS.
    """
    pairs = assign(true, found, matches, tolerance=DIVISION_TOLERANCE)
    missed = [j for i, j in enumerate(true) if i not in pairs]
    false = [j for i, j in enumerate(found) if i not in set(pairs.values())]
    rows = [_wrong_division(j, MISSED_DIVISION, true_mask(j.frame), event=-1) for j in missed]
    rows += [
        _wrong_division(j, FALSE_DIVISION, run_mask(j.frame), event=event_of.get(j.before[0], -1))
        for j in false
    ]
    table = pd.DataFrame(rows, columns=list(MISTAKE_COLUMNS))
    return table.astype(OUTCOME_TYPES | {"at_edge": bool, "movie": int})


def _wrong_division(division: Junction, kind: str, mask: np.ndarray, *, event: int) -> dict[str, Any]:
    """A row of MISTAKE_COLUMNS; `mask` has the cells of the division's frame."""
    y, x = middle(mask, division.after)
    return {
        "truth_event": -1,
        "truth_class": NOTHING,
        "subtype": NOTHING,
        "run_class": NOTHING,
        "run_event": event,
        "frame": division.frame,
        "y_px": y,
        "x_px": x,
        "p_abnormal": float("nan"),
        "p_none": float("nan"),
        "at_edge": False,
        "movie": 0,
        "kind": kind,
        "words": f"{kind} into {len(division.after)}",
    }


# --- Film strips


def film_strips(
    shown: pd.DataFrame, runs: Sequence[Run], *, tile_px: int
) -> tuple[dict[int, str], list[str]]:
    """Draw a film strip for each mistake that can be shown.

    Args:
        shown: MISTAKE_COLUMNS.
        runs: one for each movie; the column `movie` is an index into them.
        tile_px: side of one frame on the page, pixels.

    Returns:
        Index of a mistake -> its film strip, SVG; and a sentence for each movie and each crop that cannot be
        shown.
    """
    strips: dict[int, str] = {}
    notes = []
    for movie, rows in shown.groupby("movie"):
        run = runs[int(str(movie))]
        drawn, damaged = _from_run(rows[rows["run_event"] >= 0], run, tile_px)
        strips |= drawn
        notes += damaged
        missed = rows[rows["run_event"] < 0]
        if len(missed):
            video = _video(run)
            if video is None or not run.folder.quality.exists():
                notes.append(
                    f"the movie {run.record['video']['name']} is not where the run read it: what was "
                    "missed in it is listed without films"
                )
            else:
                strips |= _from_movie(missed, run, video, tile_px)
    return strips, notes


def _from_run(rows: pd.DataFrame, run: Run, tile_px: int) -> tuple[dict[int, str], list[str]]:
    """Strips of the crops that the run folder holds, and a sentence for each crop that is damaged."""
    from lineage.report.strips import strip_or_reason

    known = run.events.set_index("event_id")
    side = known["side_um"].to_dict() if "side_um" in known else {}
    strips, damaged = {}, []
    for index, event in zip(rows.index, rows["run_event"].astype(int), strict=True):
        crop = run.folder.crops / crops.name(event)
        if crop.exists():
            side_um = float(side.get(event, 0.0))
            strip, reason = strip_or_reason(crop, side_um=side_um, tile_px=tile_px)
            if strip:
                strips[int(index)] = strip
            else:
                damaged.append(reason)
    return strips, damaged


def _from_movie(rows: pd.DataFrame, run: Run, video: Video, tile_px: int) -> dict[int, str]:
    """Strips of crops that are cut from the movie."""
    from lineage.report.strips import film_strip

    quality = read_quality(run.folder.quality, n_frames=video.n_frames)
    windows = [
        _crop_window(n, int(frame), (y, x), quality, run)
        for n, (frame, y, x) in enumerate(
            zip(rows["frame"], rows["y_px"].astype(float), rows["x_px"].astype(float), strict=True)
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / "crops"
        crops.write(video, quality, windows, cut)
        return {
            int(index): film_strip(cut / crops.name(n), side_um=CROP_SIDE_UM, tile_px=tile_px)
            for n, index in enumerate(rows.index)
        }


def _crop_window(
    number: int, frame: int, position_px: tuple[float, float], quality: FrameQuality, run: Run
) -> crops.CropWindow:
    """Where to cut the crop of a true event that the run does not know; `number` names its file."""
    usable = np.flatnonzero(quality.usable)
    wanted = np.clip(crops.frames_of(frame, run.minutes_per_frame), 0, len(quality.table) - 1)
    frames = tuple(int(usable[np.abs(usable - t).argmin()]) for t in wanted)
    y, x = (np.array(position_px) - quality.drift_px[frame]) * run.pixel_size_um
    return crops.CropWindow(number, float(y), float(x), CROP_SIDE_UM, frames, ())


def _video(run: Run) -> Video | None:
    """The movie, if it is still there and still of that size."""
    from lineage.video import open_video

    record = run.record["video"]
    names = ("nucleus_channel", "phase_channel", "pixel_size_um", "minutes_per_frame")
    try:
        video = open_video(
            Path(record["path"]), position=record.get("position") or None, **{n: record[n] for n in names}
        )
    except (InputError, OSError):
        return None
    return video if (video.n_frames, *video.shape) == tuple(run.tracked.shape) else None
