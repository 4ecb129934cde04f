"""Curves of doses -> figures over time: competing ends, mitotic index and growth; DNA content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dose.collect import ENDS
from pipelines.dose.ends import CLOCKS
from pipelines.report.drawing import Figure, by_dose, colours, dose_words, draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    Tables = Mapping[str, pd.DataFrame]

PERCENT = 100.0
WHO = {CLOCKS[0]: ("0", "founders"), CLOCKS[1]: ("all", "cells born in view")}
NAMES = {CLOCKS[0]: "incidence_since_irradiation", CLOCKS[1]: "incidence_since_birth"}
C_TICKS = (1, 2, 4, 8, 16, 32)
PER_ROW = 4


def incidence(tables: Tables, clock: str) -> Figure | None:
    """How cells end, by dose; None where no well has cells enough."""
    table = tables["incidence"]
    if not len(table):
        return None
    generation, who = WHO[clock]
    data = table[(table["clock"] == clock) & (table["generation"] == generation)]
    drawn = data[data["lost_as"] == "censored"]
    # Where a well is no longer watched, the mean of the others would jump.
    drawn = drawn[drawn["n_wells"] == drawn.groupby(["dose_gy", "end"])["n_wells"].transform("max")]
    drawn = drawn[drawn["incidence"].notna()]
    if not len(drawn):
        return None
    tones = colours(data["dose_gy"].tolist())
    start = float(drawn.loc[drawn["n_at_risk"] > 0, "hours"].min())

    def paint(axes: np.ndarray) -> None:
        for ax, end in zip(axes.flat, ENDS, strict=True):
            for dose, mine in by_dose(drawn[drawn["end"] == end]):
                _curve(ax, mine, "hours", "incidence", dose, tones, scale=PERCENT, step=True)
            ax.set_title(end.replace("_", " "))
            ax.set(xlabel=f"hours {clock}", ylim=(0, None), xlim=(start, None))
        axes.flat[0].set_ylabel(f"{who}, %")
        axes.flat[0].legend(loc="upper left")

    svg = draw(paint, columns=len(ENDS), size=(9.6, 2.7), sharey=True)
    return Figure(
        NAMES[clock],
        f"How {who} end, {clock}",
        "Cumulative incidence of competing ends (Aalen-Johansen), mean of the wells, bands 95 % intervals by "
        "t over wells at each time. What leaves the field or outlives the movie is censored; lost tracks are "
        "censored here, and taken as divided and as dead in the numbers beside it. Drawn as far as all "
        "wells of "
        "a dose were watched.",
        svg,
        data,
    )


def courses(tables: Tables) -> Figure:
    """Mitotic index and growth."""
    data = tables["courses"]
    tones = colours(data["dose_gy"].tolist())
    parts = (("mitotic_index", PERCENT, "cells in mitosis, %"), ("growth", 1.0, "live cells, fold"))

    def paint(axes: np.ndarray) -> None:
        for ax, (quantity, scale, label) in zip(axes.flat, parts, strict=True):
            for dose, mine in by_dose(data[data["quantity"] == quantity]):
                _curve(
                    ax,
                    mine,
                    "hours_from",
                    "estimate",
                    dose,
                    tones,
                    scale=scale,
                    band=quantity == "growth",
                )
            ax.set(xlabel="hours since irradiation", ylabel=label)
        axes.flat[0].set_ylim(bottom=0)
        axes.flat[1].set_yscale("log", base=2)
        axes.flat[1].yaxis.set_major_formatter("{x:g}")
        axes.flat[0].legend(loc="best")

    return Figure(
        "courses",
        "Mitotic index and growth",
        "Means of the wells in steps of two hours. The two halves of an anaphase are one cell; intervals of "
        "the mitotic index, wide where cells are few, are in the numbers. Growth: live cells over those of "
        "the well's first two hours, as seen in the field, with bands of 95 % intervals by t over wells.",
        draw(paint, columns=2, size=(9.6, 3.2)),
        data,
    )


def dna(tables: Tables) -> Figure | None:
    """DNA content of interphase nuclei at the end; None where nothing calibrates it."""
    table = tables["dna"]
    if not len(table):
        return None
    data = table[table["hours_from"] == table["hours_from"].max()]
    doses = sorted(set(data["dose_gy"]))
    tones = colours(doses)

    def paint(axes: np.ndarray) -> None:
        for ax in axes.flat[len(doses) :]:
            ax.set_axis_off()
        for ax, dose in zip(axes.flat, doses, strict=False):
            mine = data[data["dose_gy"] == dose].sort_values("least_c")
            left, right = np.log2(mine["least_c"]), np.log2(mine["most_c"])
            height = PERCENT * mine["share"]
            ax.bar(left, height, right - left, align="edge", color=tones[dose], ec="white", lw=0.4)
            ax.set_title(f"{dose_words(dose)}, {int(mine['n_cells'].sum())} cells")
            ax.set_xticks(np.log2(C_TICKS), [f"{c}" for c in C_TICKS])
            ax.set(xlabel="DNA content, C", xlim=(0, 5))
        for ax in axes[:, 0]:
            ax.set_ylabel("nuclei, %")

    n_rows = -(-len(doses) // PER_ROW)
    hours = float(data["hours_from"].iloc[0])
    return Figure(
        "dna_content",
        "DNA content",
        f"Interphase nuclei from {hours:g} h after irradiation on, the last 12 hours. Light is corrected for "
        "bleaching and calibrated by the unirradiated, drug-free cells of the same session (2N at 2 C).",
        draw(paint, rows=n_rows, columns=PER_ROW, size=(9.6, 2.2 * n_rows), sharey=True),
        data,
    )


def _curve(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, dose: float, tones: Mapping[float, str],
    *, scale: float, step: bool = False, band: bool = True,
) -> None:  # fmt: skip
    rows = rows.sort_values(x)
    at, value, low, high = (rows[c].to_numpy(float) for c in (x, y, "low", "high"))
    how: dict[str, Any] = {"drawstyle": "steps-post"} if step else {}
    ax.plot(at, scale * value, color=tones[dose], label=dose_words(dose), gid=f"{y}-{dose:g}", **how)
    if not band:
        return
    top = 1.0 if step else np.inf
    low, high = np.maximum(low, 0), np.minimum(high, top)
    ax.fill_between(at, scale * low, scale * high, color=tones[dose], alpha=0.13, lw=0,
                    step="post" if step else None)  # fmt: skip
