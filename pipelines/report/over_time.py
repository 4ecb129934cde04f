"""Curves of doses -> figures over time: mitotic index and growth, motility; DNA content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.report.plots import draw
from pipelines.dose.columns import WELL
from pipelines.dose.estimates import mean
from pipelines.report.drawing import Figure, by_dose, colours, dose_words, plain_logarithm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Tables = Mapping[str, pd.DataFrame]

PERCENT = 100.0
C_TICKS = (1, 2, 4, 8, 16, 32)
PER_ROW = 4
WALKS = tuple((when, kind) for when in ("before", "after") for kind in ("normal", "abnormal"))


def of_series(tables: Tables) -> dict[float, str]:
    """Colours of all doses of a series, so that a dose has one colour in all figures."""
    return colours(tables["doses"]["dose_gy"].tolist())


def courses(tables: Tables) -> Figure | None:
    """Mitotic index and growth; None where no cell was seen."""
    data = tables["courses"]
    tones = of_series(tables)
    if not data["estimate"].notna().any():
        return None
    parts = (("mitotic_index", PERCENT, "cells in mitosis, %"), ("growth", 1.0, "live cells, fold"))

    def paint(axes: np.ndarray) -> None:
        for ax, (quantity, scale, label) in zip(axes.flat, parts, strict=True):
            band = quantity == "growth"
            for dose, points in by_dose(data[data["quantity"] == quantity]):
                curve(ax, points, "hours_from", "estimate", dose, tones, scale=scale, band=band)
            ax.set(xlabel="hours since irradiation", ylabel=label)
        axes.flat[0].set_ylim(bottom=0)
        axes.flat[1].set_yscale("log", base=2)
        axes.flat[1].yaxis.set_major_formatter("{x:g}")
        axes.flat[0].legend(loc="best")

    return Figure(
        "courses",
        "Mitotic index and growth",
        "Means of the wells in steps of two hours. The two halves of an anaphase count as one cell. The "
        "intervals of the mitotic index, wide where cells are few, are in the numbers. Growth is the number "
        "of live cells in the field, relative to the well's first two hours, with bands of 95 % intervals by "
        "t over wells.",
        draw(paint, columns=2, size=(9.6, 3.2)),
        data,
    )


def motility(tables: Tables) -> Figure | None:
    """Motility before and after mitosis; None where no nucleus was followed long enough."""
    data = walks(tables["motility"]) if len(tables["motility"]) else pd.DataFrame()
    if not len(data):
        return None
    tones = of_series(tables)
    lags = np.sort(data["lag_min"].unique())

    def paint(axes: np.ndarray) -> None:
        for ax, (when, kind) in zip(axes.flat, WALKS, strict=True):
            shown = data[(data["when"] == when) & (data["mitosis_class"] == kind)]
            for dose, points in by_dose(shown):
                curve(ax, points, "lag_min", "msd_um2", dose, tones, scale=1.0)
            start = data["msd_um2"][data["lag_min"] == lags[0]].median()
            ax.plot(lags, start * lags / lags[0], ":", color="#4A5361", lw=1.0, label="random walk")
            ax.set(title=f"{when} {kind} mitosis", xlabel="lag, min", xscale="log", yscale="log")
            ax.set_xticks(ticks := _ticks(lags), [f"{t:g}" for t in ticks])
            ax.minorticks_off()
        # Bands of few wells may reach over many powers of ten and are cut.
        axes.flat[0].set_ylim(data["msd_um2"].min() / 1.6, 2.5 * data["msd_um2"].max())
        plain_logarithm(axes.flat[0].yaxis)
        axes.flat[0].set_ylabel("mean squared\ndisplacement, µm²")
        axes.flat[-1].legend(
            *axes.flat[0].get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(1, 1)
        )

    return Figure(
        "motility",
        "Motility of nuclei",
        "Mean squared displacement of mothers in the five hours that end an hour before their mitosis, and "
        "of daughters in the five hours that begin an hour after their birth. Lines are geometric means of "
        "the wells, bands 95 % intervals by t over the wells' logarithms, cut where they reach far beyond "
        "all lines. Dotted: the slope of a random walk, the same line in all four. Exploratory.",
        draw(paint, columns=len(WALKS), size=(9.6, 2.7), sharex=True, sharey=True),
        data,
    )


def walks(table: pd.DataFrame) -> pd.DataFrame:
    """One row a dose, kind of cells and lag: geometric mean of wells; movies are weighted by their cells."""
    keys = ["when", "mitosis_class", "dose_gy", "lag_min"]
    table = table.assign(sum=table["msd_um2"] * table["n_cells"])
    wells = table.groupby([*keys, *WELL], as_index=False)[["sum", "n_cells"]].sum()
    wells = wells[wells["sum"] > 0].assign(log=lambda t: np.log(t["sum"] / t["n_cells"]))
    rows = []
    for key, of_wells in wells.groupby(keys):
        log = mean(of_wells["log"].to_numpy(float))
        value, low, high = np.exp([log.value, log.low, log.high])
        row = dict(zip(keys, key, strict=True)) | {"msd_um2": value, "low": low, "high": high}
        rows.append(row | {"n_wells": log.n, "n_cells": int(of_wells["n_cells"].sum())})
    return pd.DataFrame(rows)


def _ticks(lags: np.ndarray) -> list[float]:
    """Lags to name on a logarithmic axis: each at least twice the last.

    >>> _ticks(np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]))
    [10.0, 20.0, 40.0]
    """
    named = [float(lags[0])]
    for lag in lags.tolist():
        if lag >= 2 * named[-1]:
            named.append(lag)
    return named


def dna(tables: Tables) -> Figure | None:
    """DNA content of interphase nuclei at the end; None where it is not calibrated."""
    table = tables["dna"]
    if not len(table):
        return None
    data = table[table["hours_from"] == table["hours_from"].max()]
    doses = sorted(set(data["dose_gy"]))
    tones = of_series(tables)

    def paint(axes: np.ndarray) -> None:
        for ax in axes.flat[len(doses) :]:
            ax.set_axis_off()
        for ax, dose in zip(axes.flat, doses, strict=False):
            bins = data[data["dose_gy"] == dose].sort_values("least_c")
            left, right = np.log2(bins["least_c"]), np.log2(bins["most_c"])
            height = PERCENT * bins["share"]
            ax.bar(left, height, right - left, align="edge", color=tones[dose], ec="white", lw=0.4)
            ax.set_title(f"{dose_words(dose)}, {int(bins['n_cells'].sum())} cells")
            ax.set_xticks(np.log2(C_TICKS), [f"{c}" for c in C_TICKS])
            ax.set(xlabel="DNA content, C", xlim=(0, 5))
        for ax in axes[:, 0]:
            ax.set_ylabel("nuclei, %")

    n_rows = -(-len(doses) // PER_ROW)
    hours = float(data["hours_from"].iloc[0])
    return Figure(
        "dna_content",
        "DNA content",
        f"Interphase nuclei from {hours:g} h after irradiation on, the last 12 hours. DNA mass is "
        "corrected for bleaching and calibrated by the unirradiated, drug-free cells of the same session (2N "
        "at 2 C).",
        draw(paint, rows=n_rows, columns=PER_ROW, size=(9.6, 2.2 * n_rows), sharey=True),
        data,
    )


def curve(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    y: str,
    dose: float,
    tones: Mapping[float, str],
    *,
    scale: float,
    step: bool = False,
    band: bool = True,
    bottom: float = 0.0,
) -> None:
    """Draw the line of a dose, with its band.

    Args:
        ax: to draw on.
        rows: points, with `low` and `high`.
        x: column.
        y: column.
        dose: gray.
        tones: dose -> colour.
        scale: from the table's numbers to the axis.
        step: draw a step function of shares.
        band: draw the interval.
        bottom: the least that a value can be, by its nature.
    """
    rows = rows.sort_values(x)
    at, value, low, high = (rows[c].to_numpy(float) for c in (x, y, "low", "high"))
    how: dict[str, Any] = {"drawstyle": "steps-post"} if step else {}
    ax.plot(at, scale * value, color=tones[dose], label=dose_words(dose), gid=f"{y}-{dose:g}", **how)
    if not band:
        return
    top = 1.0 if step else np.inf
    low, high = np.maximum(low, bottom), np.minimum(high, top)
    ax.fill_between(
        at, scale * low, scale * high, color=tones[dose], alpha=0.13, lw=0, step="post" if step else None
    )
