"""A movie -> what the page is told of it, as plain values."""

from __future__ import annotations

import json
import math
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.integrity import RUN_AGAIN, read_record, reading
from lineage.mitosis import verdict
from lineage.mitosis.crops import name
from lineage.nuclei.outlines import candidate
from lineage.report import words
from lineage.review.redo import applied
from lineage.review.said import as_dict
from lineage.review.security import Refused
from lineage.schema import EVENT_COLUMNS, InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from lineage.corrections.lines import Nucleus
    from lineage.review.frames import Frames
    from lineage.review.movie import Movie
    from lineage.review.redo import Progress
    from lineage.schema import Video

EMPTY = ("separated", "returned", "n_micronuclei", "bridge")
_ONE_AT_A_TIME = Lock()  # the network


def about(movie: Movie) -> dict[str, Any]:
    """What the page needs to know of a movie before it shows anything."""
    tables = movie.tables
    record, stated = tables.record, tables.record["video"]
    frames, why = _frames(movie)
    warnings = [w for stage in record.get("warnings", {}).values() for w in stage]
    radius = tables.nuclei.radius_px
    return {
        "m": movie.number,
        "name": movie.name,
        "movie": stated["name"],
        "dose_gy": record.get("dose_gy"),
        "n_frames": stated["n_frames"],
        "shape": list(stated["shape"]),
        "pixel_size_um": stated["pixel_size_um"],
        "minutes_per_frame": stated["minutes_per_frame"],
        "channels": _channels(frames.video) if frames else [],
        "has_pixels": frames is not None,
        "usable": tables.usable.tolist(),
        "levels": {i: frames.levels(i) for i in range(len(frames.video.channels))} if frames else {},
        "diameter_px": round(2 * float(np.median(radius)), 2) if len(radius) else None,
        "warnings": [*([why] if why else []), *warnings],
        "held_out": words.limits(verdict.load().get("held_out")),
    }


def _frames(movie: Movie) -> tuple[Frames | None, str]:
    """The movie; or none, and why."""
    try:
        return movie.frames, ""
    except (InputError, OSError) as error:
        return None, f"the frames cannot be shown: {error}"


def _channels(video: Video) -> list[dict[str, Any]]:
    roles = {video.phase: "phase", video.nucleus: "nucleus"}
    return [{"index": i, "name": n, "role": roles.get(i, "other")} for i, n in enumerate(video.channels)]


def rows_of(table: pd.DataFrame) -> list[list[Any]]:
    """Its rows, None where there is nothing."""
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


def crop_of(movie: Movie, event_id: int) -> Path:
    """The film of an event; it need not be there."""
    return movie.folder.crops / name(event_id)


def events_of(movie: Movie) -> list[dict[str, Any]]:
    """Every event, with how a correction names it."""
    tables = movie.tables
    yes = {"True": True, "False": False}
    films = {path.name for path in movie.folder.crops.glob("*.tif")}
    found = []
    for values in rows_of(tables.events[list(EVENT_COLUMNS)]):
        event = dict(zip(EVENT_COLUMNS, values, strict=True))
        event = {k: None if v == "" and k in EMPTY else yes.get(v, v) for k, v in event.items()}
        found.append(
            event
            | {
                "ref": reference(movie, event),
                "has_crop": name(event["event_id"]) in films,
                "person": "person" in event["verdict_because"].split(),
                "words": words.reasons(event | {"p_verdict": _nan(event["p_verdict"])}),
            }
        )
    return found


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def reference(movie: Movie, event: dict[str, Any]) -> dict[str, Any] | None:
    """An event as a correction names it: by the last nucleus of its mother before it.

    Args:
        movie: the run that it is of.
        event: EVENT_COLUMNS.
    """
    nuclei, frame = movie.tables.nuclei, event["frame"]
    rows = nuclei.of_cell(event["mother_id"])
    if not len(rows):
        return None
    before = rows[nuclei.frame[rows] < frame]
    row = before[-1] if len(before) else rows[0]
    return {"mother": nuclei.as_nucleus(int(row)), "frame": frame, "event_type": event["event_type"]}


def corrections_of(movie: Movie) -> dict[str, Any]:
    """All that was ever said, which of it stands, and which of that is not applied, or overruled."""
    said = movie.journal
    standing = {line.id for line in said.standing}
    held = read_record(movie.root).get("corrections", {})
    lines = [
        as_dict(line)
        | {
            "standing": line.id in standing,
            "not_applied": held.get("not_applied", {}).get(line.id),
            "overruled": line.id in held.get("overruled", ()),
        }
        for line in said.lines
    ]
    return {"lines": lines, "unreadable": list(said.unreadable)}


def candidate_of(movie: Movie, place: Nucleus) -> dict[str, Any]:
    """The nucleus that the network would have drawn at a place, had it been surer.

    Args:
        movie: the one.
        place: in one of its frames.
    """
    frames, path = movie.frames, movie.folder.scale
    if not path.exists():
        raise Refused(409, "the outlines are of masks: there is no network to ask")
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        zoom = float(json.loads(path.read_text(encoding="utf-8"))["zoom"])
    model = movie.tables.record["settings"]["segment"]["model"]
    image = frames.read(place.frame, frames.video.nucleus)
    with _ONE_AT_A_TIME:
        polygon, probability = candidate(model, image, zoom=zoom, y_px=place.y_px, x_px=place.x_px)
    points = None if polygon is None else [[round(float(v), 2) for v in point] for point in polygon]
    return {"polygon": points, "probability": round(float(probability), 4)}


def state_of(movie: Movie, progress: Progress) -> dict[str, Any]:
    """How far the results hold what was said."""
    holds, error, results = movie.digest, progress.error, None
    record: dict[str, Any] = {}
    try:
        record, results = read_record(movie.root), movie.tables.revision
    except (InputError, OSError) as wrong:
        error = error or str(wrong)
    held = applied(record)
    return {
        "lines": len(movie.journal.lines),
        "holds": holds,
        "applied": held,
        "working": progress.working,
        "results": results,
        "error": None if progress.working or (results is not None and held == holds) else error,
        "seconds": progress.seconds,
    }
