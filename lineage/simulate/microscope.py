"""Settings -> how the microscope is set up, and stage, focus and lamp in each frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings

FOCUS_HOURS = 8.0  # time scale of the focus's slow drift
BLURRED_UM = 14.0  # distance of a blurred frame from focus

# Medians, and standard deviations of the logarithm between movies: fitted to the paper's clips, in grey
# levels of 8 bit, with `benchmarks/realism.py`.
DNA_GAIN = (1.08, 0.28)
DNA_BACKGROUND = (20.5, 0.23)
PHASE_GREY = (103.0, 0.15)
PHASE_CONTRAST = (64.0, 0.2)  # for a unit of thickness; a rounded cell has 4


@dataclass(frozen=True, eq=False)
class Microscope:
    """How one movie is recorded."""

    dna_gain: float  # SiR-DNA light of this movie over that of the average
    dna_background: float  # grey levels
    phase_grey: float
    phase_contrast: float
    drift_px: np.ndarray  # (T, 2) y, x: how far the field has moved since the first frame
    focus_um: np.ndarray  # (T,) height of the focal plane
    blank: frozenset[int]  # frames without light
    blurred: frozenset[int]  # frames out of focus


def set_up(rng: np.random.Generator, settings: Settings) -> Microscope:
    """Draw the brightness, the slow drift and the jumps, the drifting focus, and which frames are bad."""
    light_rng, drift_rng, focus_rng, bad_rng = rng.spawn(4)
    gain, background, grey, contrast = (
        median * math.exp(sd * float(light_rng.standard_normal()))
        for median, sd in (DNA_GAIN, DNA_BACKGROUND, PHASE_GREY, PHASE_CONTRAST)
    )
    hours = np.arange(settings.frames) * settings.minutes_per_frame / 60
    phases = focus_rng.uniform(0, 2 * np.pi, 2)
    waves = np.sin(hours / FOCUS_HOURS + phases[0]) + 0.5 * np.sin(3.1 * hours / FOCUS_HOURS + phases[1])
    bad = bad_rng.random((settings.frames, 2))
    chosen = np.flatnonzero(bad[:, 0] < settings.bad_frame_share).tolist()
    blank = {t for t in chosen if bad[t, 1] < 0.5} | set(settings.blank_frames)
    blurred = ({*chosen} | set(settings.blurred_frames)) - blank
    focus = settings.focus_drift_um * waves
    focus[sorted(blurred)] += BLURRED_UM
    return Microscope(
        dna_gain=gain,
        dna_background=background,
        phase_grey=grey,
        phase_contrast=contrast,
        drift_px=_drift_px(drift_rng, settings),
        focus_um=focus,
        blank=frozenset(blank),
        blurred=frozenset(blurred),
    )


def _drift_px(rng: np.random.Generator, settings: Settings) -> np.ndarray:
    step = settings.drift_px_per_hour * settings.minutes_per_frame / 60
    (jump_rng,) = rng.spawn(1)  # a generator of its own, so that a longer movie drifts as a shorter one does
    steps = step * (_unit(rng) + rng.normal(0, 0.5, (settings.frames, 2)))
    for frame in settings.jump_frames:
        steps[frame] += settings.jump_px * _unit(jump_rng)
    steps[0] = 0
    return np.cumsum(steps, axis=0)


def _unit(rng: np.random.Generator) -> np.ndarray:
    """(2,) y, x of a random direction."""
    direction = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(direction), np.cos(direction)])
