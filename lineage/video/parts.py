"""Several files in order of time -> one Video, with missing frames where time passed between them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError, Video
from lineage.video.movie import open_video, warn_of_length

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SAME = 0.02  # of pixel size and interval: parts may differ by so much
MAX_GAP_MIN = 30 * 24 * 60.0  # a longer one is a mistake in a file's clock


def open_parts(paths: Sequence[Path], *, gap_min: float | None = None, **options: Any) -> Video:
    """Open files that follow each other as one movie.

    Args:
        paths: in order of time.
        gap_min: minutes from the last frame of each part to the first of the next; by the files' clocks if
            left out, and one interval where they have none.
        options: of `open_video`, for every part.

    Returns:
        Video; frames between the parts are missing, so that times are right. The dish may have been moved
        between them, as far as the stage may jump (`lineage.quality`).

    Raises:
        InputError: a part cannot be read, is of another size, scale, interval or channels than the first, or
            begins before the one before it ends.
    """
    parts = [open_video(path, **options) for path in paths]
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    for part in parts[1:]:
        _check_like(first, part)
    steps, assumed = _steps(parts, gap_min)
    starts = np.cumsum([0, *(p.n_frames + s - 1 for p, s in zip(parts, steps, strict=False))])
    n_frames = int(starts[-1]) + parts[-1].n_frames
    frame_of = {
        int(start) + t: (part, t)
        for part, start in zip(parts, starts, strict=True)
        for t in range(part.n_frames)
    }
    missing = [t for t in range(n_frames) if t not in frame_of]
    missing += [int(s) + t for part, s in zip(parts, starts, strict=True) for t in part.missing]

    def read(t: int, channel: int) -> np.ndarray:
        if t not in frame_of:
            return np.zeros(first.shape, first.frame(0, channel).dtype)
        part, inner = frame_of[t]
        return part.frame(inner, channel)

    lengths = ", ".join(
        f"{p.path.name} (frames {s} to {s + p.n_frames - 1})" for p, s in zip(parts, starts, strict=True)
    )
    return replace(
        first,
        n_frames=n_frames,
        read=read,
        assumed=tuple(dict.fromkeys((*assumed, *(a for p in parts for a in p.assumed)))),
        notes=(f"{len(parts)} parts: {lengths}", *dict.fromkeys(n for p in parts for n in p.notes)),
        warnings=tuple(
            dict.fromkeys((*_warnings(parts), *warn_of_length(n_frames, first.minutes_per_frame)))
        ),
        missing=tuple(sorted(missing)),
        files=tuple(f for p in parts for f in p.inputs),
        parts=tuple(paths),
        gap_min=gap_min,
    )


def _warnings(parts: Sequence[Video]) -> list[str]:
    """Those of the parts, but for their lengths."""
    short = {w for p in parts for w in warn_of_length(p.n_frames, p.minutes_per_frame)}
    return [w for w in dict.fromkeys(w for p in parts for w in p.warnings) if w not in short]


def _check_like(first: Video, part: Video) -> None:
    """Raise InputError if a part is not of the first one's kind."""
    names = first.path.name, part.path.name
    if part.shape != first.shape or part.dtype != first.dtype:
        raise InputError(
            f"{names[1]} is {part.shape} {part.dtype} and {names[0]} {first.shape} {first.dtype} (Y, X): "
            "parts of one movie are wanted"
        )
    if (part.channels, part.nucleus, part.phase) != (first.channels, first.nucleus, first.phase):
        raise InputError(
            f"{names[1]} has the channels {', '.join(part.channels)} and {names[0]} "
            f"{', '.join(first.channels)}: parts with the same channels are wanted, or give --nucleus-channel"
        )
    for what, unit, a, b in (
        ("pixel size", "um", first.pixel_size_um, part.pixel_size_um),
        ("interval", "min", first.minutes_per_frame, part.minutes_per_frame),
    ):
        if abs(b / a - 1) > SAME:
            raise InputError(
                f"the {what} of {names[1]} is {b:g} {unit}, that of {names[0]} {a:g} {unit}: parts that were "
                "taken alike are wanted"
            )


def _steps(parts: Sequence[Video], gap_min: float | None) -> tuple[list[int], tuple[str, ...]]:
    """Intervals from the last frame of each part to the first of the next, and what was assumed."""
    interval = parts[0].minutes_per_frame
    steps, assumed = [], []
    for before, after in pairwise(parts):
        if gap_min is not None:
            gap = gap_min
        elif before.started_min is None or after.started_min is None:
            gap = interval
            assumed.append(
                f"time between {before.path.name} and {after.path.name}: the files state no time of day; one "
                f"interval ({interval:g} min) is assumed; give --gap-min"
            )
        else:
            gap = after.started_min - before.started_min - (before.n_frames - 1) * interval
        if not 0.5 * interval <= gap <= MAX_GAP_MIN:
            raise InputError(
                f"{after.path.name} would begin {gap:.4g} min after the last frame of {before.path.name}: "
                "give the parts in order of time, or the minutes between them with --gap-min"
            )
        steps.append(max(round(gap / interval), 1))
    return steps, tuple(assumed)
