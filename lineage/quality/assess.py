"""Video -> FrameQuality: which frames can be used, and how far the field has moved in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.processes import ahead
from lineage.quality.drift import DriftTracker, prepare
from lineage.quality.measures import FrameMeasures, find_bad_frames, measure
from lineage.schema import FrameQuality

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage.schema import Video

_CLIPPED_MOVIE = 0.01  # of the pixels: with more at full scale, DNA mass is underestimated


def assess(
    video: Video,
    *,
    progress: Callable[[int, int], None] | None = None,
    min_peak_snr: float = 8.0,
    min_relative_contrast: float = 0.1,
    max_saturated_fraction: float = 0.02,
    min_relative_focus: float = 0.6,
    window_frames: int = 51,
    max_jump_px: float = 100.0,
    min_shift_px: float = 0.25,
) -> FrameQuality:
    """Find the frames that cannot be used, and the drift of the stage in those that can.

    Reads every frame once to measure it, and the usable ones once more for the drift; one frame is in memory
    at a time. A frame that cannot be used gets the drift of the one before it.

    Args:
        video: the movie; drift is read from the nucleus and the phase channel together.
        progress: called with (done, total) frames, counting both readings.
        min_peak_snr: a frame is blank if nothing of the size of a nucleus stands out of the noise by this
            many standard deviations.
        min_relative_contrast: it is blank, too, below this fraction of the contrast of the frames around it.
        max_saturated_fraction: it is saturated if the fraction of pixels at the camera's highest value
            exceeds one and a half times that of the frames around it by this much, or is above one half.
        min_relative_focus: it is out of focus below this fraction of the focus of the frames around it; a
            Gaussian blur of 2 px leaves 0.54 of the focus of the paper's nuclei.
        window_frames: how many frames count as around it.
        max_jump_px: how far the stage may jump from frame to frame, in y and in x, pixels.
        min_shift_px: smaller displacements count as none, pixels.

    Returns:
        FrameQuality; `warnings` has a sentence if no frame can be used, if many pixels are saturated
        throughout, and if the movement between two frames is not known.
    """
    if not video.intensities:
        return _of_masks(video)
    report = progress or (lambda done, total: None)
    total = 2 * video.n_frames
    measures: list[FrameMeasures] = []
    # In threads: to send frames to processes takes longer than to look at them.
    for found in ahead(measure, (video.frame(t, video.nucleus) for t in range(video.n_frames))):
        measures.append(found)
        report(len(measures), total)
    table = find_bad_frames(
        measures,
        video.dtype,
        min_peak_snr=min_peak_snr,
        min_relative_contrast=min_relative_contrast,
        max_saturated_fraction=max_saturated_fraction,
        min_relative_focus=min_relative_focus,
        window_frames=window_frames,
    )
    missing = table.index.isin(video.missing)
    usable = table["usable"] & ~missing
    tracker = DriftTracker(max_jump_px=max_jump_px, min_shift_px=min_shift_px)
    drift, unknown = _follow(
        tracker, video, usable.to_numpy(bool), lambda done: report(video.n_frames + done, total)
    )
    quality = pd.DataFrame(
        {
            "frame": np.arange(video.n_frames),
            "time_min": np.arange(video.n_frames) * video.minutes_per_frame,
            "usable": usable,
            "reason": table["reason"].mask(missing, "missing"),
            "mean_intensity": [m.mean for m in measures],
            "saturated_fraction": table["saturated_fraction"],
            "focus": [m.focus for m in measures],
            "drift_y_px": drift[:, 0],
            "drift_x_px": drift[:, 1],
        }
    )
    return FrameQuality(quality, _warn(quality, unknown))


def _follow(
    tracker: DriftTracker, video: Video, usable: np.ndarray, report: Callable[[int], None]
) -> tuple[np.ndarray, list[int]]:
    """(T, 2) drift in y and x, pixels; and the usable frames in which it is not known."""
    drift = np.zeros((video.n_frames, 2))
    unknown: list[int] = []
    views = ahead(prepare, (_channels(video, t) for t in np.flatnonzero(usable).tolist()))
    for t in range(video.n_frames):
        if usable[t]:
            drift[t], is_known = tracker.follow(next(views))
            unknown += [] if is_known else [t]
        elif t > 0:
            drift[t] = drift[t - 1]
        report(t + 1)
    return drift, unknown


def _of_masks(video: Video) -> FrameQuality:
    """Quality of a movie that is masks alone: every frame that exists is usable, and the drift is 0."""
    n = video.n_frames
    exists = ~np.isin(np.arange(n), video.missing)
    return FrameQuality(
        pd.DataFrame(
            {
                "frame": np.arange(n),
                "time_min": np.arange(n) * video.minutes_per_frame,
                "usable": exists,
                "reason": np.where(exists, "", "missing"),
                **dict.fromkeys(
                    ("mean_intensity", "saturated_fraction", "focus", "drift_y_px", "drift_x_px"), 0.0
                ),
            }
        )
    )


def _channels(video: Video, t: int) -> list[np.ndarray]:
    channels = [video.nucleus] if video.phase is None else [video.nucleus, video.phase]
    return [video.frame(t, c) for c in channels]


def _warn(quality: pd.DataFrame, unknown: list[int]) -> tuple[str, ...]:
    warnings = []
    usable = quality[quality["usable"]]
    if usable.empty:
        reasons = ", ".join(f"{n} {r}" for r, n in quality["reason"].value_counts().items())
        warnings.append(f"no frame can be used ({reasons}): nothing will be found in this movie")
    elif (clipped := float(usable["saturated_fraction"].median())) > _CLIPPED_MOVIE:
        warnings.append(
            f"{clipped:.0%} of the nucleus channel is saturated throughout: DNA mass is underestimated"
        )
    if unknown:
        listed = ", ".join(map(str, unknown[:10])) + (", ..." if len(unknown) > 10 else "")
        warnings.append(
            f"drift: how far the stage moved is not known in {len(unknown)} frames ({listed}): "
            "they are taken not to have moved since the frame before"
        )
    return tuple(warnings)
