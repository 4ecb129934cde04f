"""Settings -> where the stage stands, where the focus is and whether the lamp burns, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings

FOCUS_HOURS = 8.0  # in which the focus wanders from one side to the other
BLURRED_UM = 14.0  # how far off a blurred frame is


@dataclass(frozen=True, eq=False)
class Stage:
    """The microscope's own course through the movie."""

    drift_px: np.ndarray  # (T, 2) y, x: how far the field has moved since the first frame
    focus_um: np.ndarray  # (T,) height of the focal plane
    blank: frozenset[int]  # frames without light
    blurred: frozenset[int]  # frames out of focus


def course(rng: np.random.Generator, settings: Settings) -> Stage:
    """A slow drift and the jumps, a wandering focus, and which frames are bad."""
    drift_rng, focus_rng, bad_rng = rng.spawn(3)
    hours = np.arange(settings.frames) * settings.minutes_per_frame / 60
    phases = focus_rng.uniform(0, 2 * np.pi, 2)
    waves = np.sin(hours / FOCUS_HOURS + phases[0]) + 0.5 * np.sin(3.1 * hours / FOCUS_HOURS + phases[1])
    bad = bad_rng.random((settings.frames, 2))
    chosen = np.flatnonzero(bad[:, 0] < settings.bad_frame_share)
    blank = {int(t) for t in chosen if bad[t, 1] < 0.5} | set(settings.blank_frames)
    blurred = ({int(t) for t in chosen} | set(settings.blurred_frames)) - blank
    focus = settings.focus_drift_um * waves
    focus[sorted(t for t in blurred if t < settings.frames)] += BLURRED_UM
    return Stage(_drift_px(drift_rng, settings), focus, frozenset(blank), frozenset(blurred))


def _drift_px(rng: np.random.Generator, settings: Settings) -> np.ndarray:
    step = settings.drift_px_per_hour * settings.minutes_per_frame / 60
    way = _unit(rng)
    steps = step * (way + rng.normal(0, 0.5, (settings.frames, 2)))
    for frame in settings.jump_frames:
        steps[frame] += settings.jump_px * _unit(rng)
    steps[0] = 0
    return np.cumsum(steps, axis=0)


def _unit(rng: np.random.Generator) -> np.ndarray:
    way = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(way), np.cos(way)])
