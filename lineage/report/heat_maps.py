"""Courses of further channels -> a heat map of each, a row for each division, aligned to the separation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.report.plots import draw
from lineage.report.svg import RULE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MAX_HOURS = 24.0  # before and after the separation
PERCENTILES = (1.0, 99.0)  # shown as the darkest and the brightest colour
WIDTH, ROW, MARGIN, TALLEST = 9.6, 0.05, 1.1, 8.0  # of a map, inches


def heat_maps(
    signals: pd.DataFrame | None, events: pd.DataFrame, *, minutes_per_frame: float
) -> list[tuple[str, str, str]]:
    """Draw each channel over time, aligned to the separation at 0.

    Args:
        signals: SIGNAL_COLUMNS; None where no further channel was measured.
        events: EVENT_COLUMNS; divisions are sorted by when they happened, the first at the top.
        minutes_per_frame: of the movie.

    Returns:
        Title, SVG and caption of each channel that has a division.
    """
    if signals is None:
        return []
    divisions = events[events["daughter_ids"].fillna("").astype(str).str.strip() != ""]
    order = divisions.sort_values(["time_min", "event_id"])["event_id"].tolist()
    of_divisions = signals[(signals["aligned"] == "mitosis") & signals["event_id"].isin(order)]
    found = []
    for name in signals["channel"].unique():
        values, first = matrix(of_divisions[of_divisions["channel"] == name], order, minutes_per_frame)
        if np.isfinite(values).any():
            found.append(
                (
                    f"{name}: {len(values)} {'division' if len(values) == 1 else 'divisions'}",
                    _drawn(values, first, minutes_per_frame / 60),
                    _caption(str(name)),
                )
            )
    return found


def matrix(course: pd.DataFrame, order: list[int], minutes_per_frame: float) -> tuple[np.ndarray, int]:
    """The means of one channel, a row for each division, a column for each frame.

    Args:
        course: SIGNAL_COLUMNS of one channel, aligned to mitosis.
        order: of the events.
        minutes_per_frame: of the movie.

    Returns:
        (N, T), NaN where a cell was not seen; and the first column's frame, counted from the separation.
    """
    frame = np.rint(course["time_min"].to_numpy(float) / minutes_per_frame).astype(int)
    near = np.abs(frame) * minutes_per_frame <= 60 * MAX_HOURS
    course, frame = course[near], frame[near]
    if course.empty:
        return np.full((0, 0), np.nan), 0
    row = {event: k for k, event in enumerate(e for e in order if e in set(course["event_id"]))}
    values = np.full((len(row), int(np.ptp(frame)) + 1), np.nan)
    values[course["event_id"].map(row).to_numpy(int), frame - frame.min()] = course["mean"].to_numpy(float)
    return values, int(frame.min())


def _drawn(values: np.ndarray, first: int, frame_h: float) -> str:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    n, length = values.shape
    low, high = np.nanpercentile(values, PERCENTILES)
    extent = ((first - 0.5) * frame_h, (first + length - 0.5) * frame_h, n + 0.5, 0.5)

    def paint(axes: np.ndarray) -> None:
        ax: Axes = axes[0, 0]
        image = ax.imshow(
            values,
            aspect="auto",
            extent=extent,
            cmap=colormaps["viridis"].with_extremes(bad=RULE),
            vmin=low,
            vmax=high if high > low else low + 1,
            interpolation="nearest",
        )
        ax.grid(False)
        # The first frame with separated chromatin begins half a frame before 0.
        ax.axvline(-0.5 * frame_h, color="white", lw=1.2)
        ax.set(xlabel="hours from separation", ylabel=f"division, in order of time (n = {n})")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.figure.colorbar(image, ax=ax, label="grey levels above background", pad=0.01)

    return draw(paint, size=(WIDTH, min(MARGIN + max(ROW * n, 1.2), TALLEST)))


def _caption(name: str) -> str:
    low, high = PERCENTILES
    return (
        f"Mean of {name} in the nucleus above the local background: left of the white line the mother, right "
        "of it the mean of her daughters until the first of them ends. One row for each division, the "
        f"earliest at the top; grey: not seen. The colours span the {low:g}st to the {high:g}th percentile."
    )
