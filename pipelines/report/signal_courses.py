"""Courses of further channels by dose -> a figure of each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.report.plots import draw
from pipelines.report.drawing import Figure, by_dose
from pipelines.report.over_time import curve, of_series

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    Tables = Mapping[str, pd.DataFrame]

ALIGNED = (("mitosis", "hours from separation"), ("birth", "hours from birth"))
ROWS = (("mean", "nucleus, grey levels\nabove background"), ("ring_ratio", "ring over nucleus"))


def signal_courses(tables: Tables) -> list[Figure]:
    """One figure a channel; none where no further channel was measured."""
    if "signal_courses" not in tables:
        return []
    table = tables["signal_courses"]
    return [_figure(str(name), of_channel, tables) for name, of_channel in table.groupby("channel")]


def _figure(name: str, data: pd.DataFrame, tables: Tables) -> Figure:
    tones = of_series(tables)

    def paint(axes: np.ndarray) -> None:
        for line, (quantity, label) in zip(axes, ROWS, strict=True):
            for ax, (aligned, hours) in zip(line, ALIGNED, strict=True):
                shown = data[(data["quantity"] == quantity) & (data["aligned"] == aligned)]
                for dose, points in by_dose(shown):
                    middle = points.assign(hours=points["hours_from"] + 0.5)
                    curve(ax, middle, "hours", "estimate", dose, tones, scale=1.0, bottom=-np.inf)
                ax.set(xlabel=hours, ylabel=label)
        if len(data):
            axes.flat[0].legend(loc="best")

    wells = data.groupby("dose_gy")["n_wells"].max()
    n = ", ".join(f"{w} at {dose:g} Gy" for dose, w in wells.items())
    return Figure(
        f"signal_{name}",
        f"{name} around mitosis and from birth",
        f"Hourly means of the wells with 95 % intervals by t over wells (at most: {n}). Left: the mother "
        "before the separation, the mean of her daughters after it. An hour in which a well has fewer than "
        "three cells is left out, and late hours hold only the cells that were followed so long. Grey levels "
        "can be compared only between movies of one exposure.",
        draw(paint, rows=2, columns=2, size=(9.6, 5.4), sharex="col", sharey="row"),
        data,
    )
