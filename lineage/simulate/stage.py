"""Settings -> where the stage stands and whether the lamp burns, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings


def drift_px(rng: np.random.Generator, settings: Settings) -> np.ndarray:
    """How far the field has moved since the first frame, (T, 2) y, x, pixels: a slow drift and the jumps."""
    step = settings.drift_px_per_hour * settings.minutes_per_frame / 60
    steps = step * (np.array(_unit(rng)) + rng.normal(0, 0.5, (settings.frames, 2)))
    for frame in settings.jump_frames:
        steps[frame] += settings.jump_px * np.array(_unit(rng))
    steps[0] = 0
    return np.cumsum(steps, axis=0)


def _unit(rng: np.random.Generator) -> tuple[float, float]:
    way = rng.uniform(0, 2 * np.pi)
    return float(np.sin(way)), float(np.cos(way))
