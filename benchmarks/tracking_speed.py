"""Seconds and peak memory of linking and of resolving, each tool in a process of its own: rows of a table.

Seconds are those of the processor, as others may be at work on the machine; those of the clock stand beside
them, by which GLPK keeps its limit.
"""

from __future__ import annotations

import resource
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import trackers

from lineage import config
from lineage.tracking import state
from lineage.tracking.hypotheses import build_hypotheses
from lineage.tracking.link import link, usable_time
from lineage.tracking.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    import numpy as np
    import pandas as pd

PATIENCE_S = 120.0  # beyond a solver's limit: GLPK looks at its clock now and then only


def head() -> None:
    """Of the table."""
    print("| nuclei | tool | linking, s | resolving, s | together, s | by the clock, s | peak memory, GB |")
    print("|---|---|---|---|---|---|---|")


def ours(
    nuclei: pd.DataFrame,
    usable: np.ndarray,
    shape_um: tuple[float, float],
    pixel_size_um: float,
    minutes: float,
) -> None:
    """One row."""
    limit_s = config.TrackSettings().time_limit_s
    _row("ours", len(nuclei), limit_s, _ours, (nuclei, usable, shape_um, pixel_size_um, minutes))


def btrack(
    nuclei: pd.DataFrame,
    shape_um: tuple[float, float],
    glpk_limit_s: float,
    states: Sequence[str] | None,
    gap_frames: int,
) -> None:
    """One row; what does not end within the limit counts as the limit."""
    name = f"btrack EXACT + GLPK, gaps up to {gap_frames} frames" + (", our states" if states else "")
    _row(name, len(nuclei), glpk_limit_s, _btrack, (nuclei, shape_um, glpk_limit_s, states, gap_frames))


def _row(name: str, n: int, limit_s: float, job: Callable[..., None], given: tuple[Any, ...]) -> None:
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=job, args=(there, *given))
    process.start()
    there.close()
    linked = here.recv()
    resolved, gigabytes = (limit_s, limit_s), float("nan")
    try:
        if here.poll(limit_s + PATIENCE_S):
            found, resolved, gigabytes = here.recv()
            if not found:
                name, resolved = f"{name} (no result)", (limit_s, limit_s)
        else:
            name += " (stopped)"
    finally:
        process.kill()
        process.join()
    (a, clock_a), (b, clock_b) = linked, resolved
    figures = (*(f"{s:.1f}" for s in (a, b, a + b, clock_a + clock_b)), f"{gigabytes:.2f}")
    print(f"| {n} | {name} | {' | '.join(figures)} |", flush=True)


def _ours(
    pipe: Connection,
    nuclei: pd.DataFrame,
    usable: np.ndarray,
    shape_um: tuple[float, float],
    pixel_size_um: float,
    minutes: float,
) -> None:
    begun = _now()
    tracklets = link(state.estimate(nuclei), usable=usable, shape_um=shape_um, minutes_per_frame=minutes)
    pipe.send(_since(begun))
    begun = _now()
    time_of = usable_time(tracklets.detections, usable, minutes)
    resolve(*build_hypotheses(tracklets, time_of, shape_um=shape_um, pixel_size_um=pixel_size_um))
    pipe.send((True, _since(begun), _peak_gigabytes()))


def _btrack(
    pipe: Connection,
    nuclei: pd.DataFrame,
    shape_um: tuple[float, float],
    glpk_limit_s: float,
    states: Sequence[str] | None,
    gap_frames: int,
) -> None:
    begun = _now()
    tracker = trackers.btrack_tracks(nuclei, shape_um=shape_um, states=states, gap_frames=gap_frames)
    pipe.send(_since(begun))
    begun = _now()
    found = trackers.btrack_optimised(tracker, glpk_limit_s)
    pipe.send((found, _since(begun), _peak_gigabytes()))


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(begun: tuple[float, float]) -> tuple[float, float]:
    """Seconds of the processor and of the clock."""
    processor, clock = _now()
    return processor - begun[0], clock - begun[1]


def _peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # Linux tells kilobytes
