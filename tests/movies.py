"""Small movies in memory."""

from pathlib import Path

import numpy as np
import pandas as pd

from lineage.schema import FrameQuality, Video


def movie(
    frames: np.ndarray, *, pixel_size_um: float = 1.0, minutes: float = 10.0, phase: bool = True
) -> Video:
    """A Video of (T, C, Y, X); with `phase`, channel 0 is phase and 1 is DNA, else 0 is DNA."""
    return Video(
        path=Path("movie.tif"),
        n_frames=len(frames),
        shape=frames.shape[2:],
        dtype=frames.dtype,
        channels=("phase", "SiR-DNA") if phase else ("SiR-DNA",),
        nucleus=int(phase),
        phase=0 if phase else None,
        pixel_size_um=pixel_size_um,
        minutes_per_frame=minutes,
        read=lambda t, c: frames[t, c],
    )


def fine(
    n_frames: int, *, unusable: tuple[int, ...] = (), drift_px: np.ndarray | None = None
) -> FrameQuality:
    """Every frame usable but those named."""
    drift = np.zeros((n_frames, 2)) if drift_px is None else drift_px
    table = pd.DataFrame(
        {
            "frame": range(n_frames),
            "time_min": 10.0 * np.arange(n_frames),
            "usable": [t not in unusable for t in range(n_frames)],
            "reason": "",
            "mean_intensity": 1.0,
            "saturated_fraction": 0.0,
            "focus": 1.0,
            "drift_y_px": drift[:, 0],
            "drift_x_px": drift[:, 1],
        }
    )
    return FrameQuality(table)


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    """(Y, X) bool."""
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
