"""Video -> FrameQuality: which frames can be used, and how far the field has moved in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.quality.drift import DriftTracker, View, prepare
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

    Reads every frame once for what it looks like, and the usable ones once more for the drift; one frame is
    in memory at a time. A frame that cannot be used has the drift of the one before it.

    Args:
        video: the movie; drift is read from the nucleus and the phase channel together.
        progress: called with the frames done and the frames there are, counting both readings.
        min_peak_snr: blank, if no place of the size of a nucleus stands out of the noise by this many
            standard deviations.
        min_relative_contrast: blank too, below this fraction of the contrast of the frames around it.
        max_saturated_fraction: saturated, if the pixels at the camera's highest value are more, by this
            fraction of all, than one and a half times those of the frames around it; or half of all.
        min_relative_focus: out of focus, below this fraction of the focus of the frames around it; a Gaussian
            blur of 2 px leaves 0.54 of the paper's nuclei.
        window_frames: how many are around it.
        max_jump_px: the stage may jump this far from frame to frame, by y and by x.
        min_shift_px: smaller displacements are taken for none.

    Returns:
        FrameQuality; `warnings` says where no frame can be used, many pixels are saturated throughout, or
        the motion between two frames could not be told.
    """
    if not video.intensities:
        return _of_masks(video)
    total = 2 * video.n_frames
    report = progress or (lambda done, total: None)
    measures: list[FrameMeasures] = []
    for t in range(video.n_frames):
        measures.append(measure(video.frame(t, video.nucleus)))
        report(t + 1, total)
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
    table = table.assign(usable=table["usable"] & ~missing, reason=table["reason"].mask(missing, "missing"))

    tracker = DriftTracker(max_jump_px=max_jump_px, min_shift_px=min_shift_px)
    drift = np.zeros((video.n_frames, 2))
    unknown: list[int] = []
    for t in range(video.n_frames):
        if table["usable"].iloc[t]:
            drift[t], known = tracker.follow(_view(video, t))
            unknown += [] if known else [t]
        elif t > 0:
            drift[t] = drift[t - 1]
        report(video.n_frames + t + 1, total)

    quality = pd.DataFrame(
        {
            "frame": np.arange(video.n_frames),
            "time_min": np.arange(video.n_frames) * video.minutes_per_frame,
            "usable": table["usable"],
            "reason": table["reason"],
            "mean_intensity": [m.mean for m in measures],
            "saturated_fraction": table["saturated_fraction"],
            "focus": [m.focus for m in measures],
            "drift_y_px": drift[:, 0],
            "drift_x_px": drift[:, 1],
        }
    )
    return FrameQuality(quality, _warn(quality, unknown))


def _of_masks(video: Video) -> FrameQuality:
    """Of masks alone: every frame that is there can be used, and there is nothing to read the drift from."""
    n = video.n_frames
    there = ~np.isin(np.arange(n), video.missing)
    return FrameQuality(
        pd.DataFrame(
            {
                "frame": np.arange(n),
                "time_min": np.arange(n) * video.minutes_per_frame,
                "usable": there,
                "reason": np.where(there, "", "missing"),
                **dict.fromkeys(
                    ("mean_intensity", "saturated_fraction", "focus", "drift_y_px", "drift_x_px"), 0.0
                ),
            }
        )
    )


def _view(video: Video, t: int) -> View:
    channels = [video.nucleus] if video.phase is None else [video.nucleus, video.phase]
    return prepare([video.frame(t, c) for c in channels])


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
            f"the field could not be found again in {len(unknown)} frames ({listed}): "
            "they are taken not to have moved since the frame before"
        )
    return tuple(warnings)
