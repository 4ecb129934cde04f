"""What a file states about its pixels, and which interval is taken where it states two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lineage.video.units import CREDIBLE_MIN, SILENT, Measure, duration, is_credible, length, number


@dataclass(frozen=True)
class Metadata:
    """What a file states about its pixels."""

    channels: tuple[str, ...] = ()
    pixel_size: Measure = SILENT
    interval: Measure = SILENT
    started_min: float | None = None  # when the first frame was taken, by a clock
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def settle_interval(
    nominal: Measure, times_min: dict[int, float]
) -> tuple[Measure, tuple[str, ...], tuple[str, ...]]:
    """The interval of a movie that may state one, and when each frame was taken.

    Args:
        nominal: the stated interval.
        times_min: frame -> when it was taken, minutes.

    Returns:
        The interval, a note where the times contradict the stated one, and a warning where they are uneven.

    >>> settle_interval(duration(1, "ms"), {0: 0.0, 1: 10.0, 2: 20.0})[0].value
    10.0
    """
    steps = np.array([times_min[t + 1] - times_min[t] for t in sorted(times_min) if t + 1 in times_min])
    if not len(steps):
        return nominal, (), ()
    kept = float(f"{np.median(steps):.6g}")
    if not is_credible(kept, CREDIBLE_MIN):
        return (nominal if nominal.stated else Measure(kept, f"{kept:g} min between planes")), (), ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    if nominal.stated and not (nominal.value and math.isclose(nominal.value, kept, rel_tol=0.1)):
        notes = (
            f"interval: {kept:g} min by the times of the frames, not {nominal.stated} as is also stated",
        )
    if steps.max() > 1.5 * kept or steps.min() < 0.5 * kept:
        warnings = (
            f"the time between frames varies, from {steps.min():.3g} to {steps.max():.3g} min; "
            f"{kept:g} min is taken throughout",
        )
    stated = f"{kept:g} min between planes"
    # Of two that agree the stated one is the rounder.
    return (Measure(kept, stated) if notes or not nominal.value else nominal), notes, warnings


def micro_manager_summary(summary: dict[str, Any]) -> Metadata:
    """The summary that Micro-Manager writes; a pixel size or an interval of 0 means that there is none."""
    return Metadata(
        tuple(map(str, summary.get("ChNames") or ())),
        length(number(summary.get("PixelSize_um")) or None, "um"),
        duration(number(summary.get("Interval_ms")) or None, "ms"),
    )
