"""Tree, tables and frame quality -> the page's charts over time, each with its title and caption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.report.charts import Series, bands, line_chart, steps
from lineage.report.forest import COLOURS, MINUTES_PER_HOUR
from lineage.report.svg import BLUE, INK, VERMILLION
from lineage.schema import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    import networkx as nx
    import pandas as pd

    from lineage.schema import FrameQuality

VERDICTS = (Decision.NORMAL, Decision.ABNORMAL, Decision.UNDECIDED)


def count_charts(
    tree: nx.DiGraph, detections: pd.DataFrame, mitoses: pd.DataFrame, quality: FrameQuality
) -> list[tuple[str, str]]:
    """Nuclei in each frame, and mitoses up to each time.

    Args:
        tree: annotated tree; its `n_frames` and `minutes_per_frame` say how long the movie is.
        detections: DETECTION_COLUMNS.
        mitoses: of `counts.mitoses_of`.
        quality: of every frame.

    Returns:
        Title and SVG of each.
    """
    frame_h = tree.graph["minutes_per_frame"] / MINUTES_PER_HOUR
    n_frames = tree.graph["n_frames"]
    hours = n_frames * frame_h
    unusable = bands(quality.usable, frame_h)
    nuclei = np.bincount(detections["frame"].to_numpy(int), minlength=n_frames).astype(float)
    nuclei[~quality.usable] = np.nan
    per_frame = [Series("nuclei", np.arange(n_frames) * frame_h, nuclei, INK)]
    cumulative = []
    for name in VERDICTS:
        times = mitoses.loc[mitoses["verdict"] == name, "time_min"].to_numpy(float) / MINUTES_PER_HOUR
        if len(times) or name != Decision.UNDECIDED:
            cumulative.append(Series(name, *steps(times, hours), COLOURS[name], end=f"{len(times)}"))
    return [
        (
            "Nuclei in each frame",
            line_chart(per_frame, hours=hours, unusable=unusable, label="nuclei in each frame"),
        ),
        (
            "Mitoses up to each time",
            line_chart(cumulative, hours=hours, unusable=unusable, label="cumulative mitoses"),
        ),
    ]


def quality_charts(
    tree: nx.DiGraph, quality: FrameQuality, settings: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """Focus, brightness and drift of the stage.

    Args:
        tree: annotated tree, as in `count_charts`.
        quality: of every frame.
        settings: of the quality stage, whose thresholds are in the captions; empty where a run has none.

    Returns:
        Title, SVG and caption of each.
    """
    frame_h = tree.graph["minutes_per_frame"] / MINUTES_PER_HOUR
    table = quality.table
    at = table["frame"].to_numpy(float) * frame_h

    def chart(label: str, *lines: tuple[str, str, str | None], from_zero: bool = True) -> str:
        return line_chart(
            [Series(c, at, table[c].to_numpy(float), colour, dash) for c, colour, dash in lines],
            hours=tree.graph["n_frames"] * frame_h,
            unusable=bands(quality.usable, frame_h),
            label=label,
            width=370.0,
            height=190.0,
            from_zero=from_zero,
        )

    drift = ("drift_y_px", BLUE, None), ("drift_x_px", VERMILLION, "5 4")
    return [
        ("Focus (no unit)", chart("focus", ("focus", INK, None)), _of_focus(settings)),
        (
            "Mean intensity (grey levels)",
            chart("mean intensity", ("mean_intensity", INK, None)),
            "Of the channel that shows the nuclei. A slow fall is bleaching; a jump is light or exposure.",
        ),
        (
            "Stage drift (px)",
            chart("stage drift", *drift, from_zero=False),
            _of_drift(tree.graph["pixel_size_um"], settings),
        ),
    ]


def _of_focus(settings: Mapping[str, Any]) -> str:
    words = "Share of fine detail in the image of the nuclei: higher is sharper."
    if not settings:
        return words
    return (
        f"{words} A frame is out of focus if it falls clearly below the frames around it: to less than "
        f"{100 * settings['min_relative_focus']:g} % of the median of {settings['window_frames']} frames, or "
        "less than that where focus varies much."
    )


def _of_drift(pixel_size_um: float, settings: Mapping[str, Any]) -> str:
    words = (
        "How far the image has moved since the first usable frame: solid down (y), dashed to the right (x). "
        f"1 px is {pixel_size_um:.3g} µm. A step is a jump of the stage; drift and steps are taken out of "
        "all positions in µm."
    )
    if not settings:
        return words
    return (
        f"{words} Movements below {settings['min_shift_px']:g} px count as none; from one frame to the next "
        f"up to {settings['max_jump_px']:g} px are followed."
    )
