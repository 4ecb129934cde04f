"""Fates of cells -> figures: competing ends by clock and generation, rates by the time since irradiation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.report.plots import draw
from pipelines.dose.collect import ENDS
from pipelines.dose.fates import CLOCKS, LAST_GENERATION
from pipelines.dose.measures import PRIMARY
from pipelines.report.drawing import Figure, by_dose, dose_words
from pipelines.report.over_dose import over_units
from pipelines.report.over_time import PERCENT, curve, of_series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    Tables = Mapping[str, pd.DataFrame]

WHO = {CLOCKS[0]: ("0", "founders"), CLOCKS[1]: ("all", "cells born in view")}
NAMES = {CLOCKS[0]: "incidence_since_irradiation", CLOCKS[1]: "incidence_since_birth"}
BOUNDS = ("if_lost_divided", "if_lost_died")
MIN_APART = 0.005  # a bound that lies nearer to its curve cannot be seen beside it
HOW = (
    "Cumulative incidence of competing ends (Aalen-Johansen). Lines are means of the wells, bands 95 % "
    "intervals by t over wells at each time. Cells that leave the field or outlive the movie are censored, "
    "and so are lost tracks. Dotted: the curve if all lost cells had divided, or had died, where that makes "
    "a difference. Curves end where the first well of a dose was no longer watched."
)
# Measure, title, axis.
RATES = (
    (PRIMARY, "Abnormal mitoses", "% of mitoses"),
    ("deaths_per_1000_cell_hours", "Deaths", "per 1000 cell-hours"),
    ("sister_fusions_per_1000_cell_hours", "Late fusions of sisters", "per 1000 cell-hours"),
)


def incidence(tables: Tables, clock: str) -> Figure | None:
    """How cells end, by dose; None where every well has too few cells."""
    generation, who = WHO[clock]
    data = _drawn(tables["incidence"], clock, [generation])
    if not len(data):
        return None
    return Figure(
        NAMES[clock], f"How {who} end, {clock}", HOW, _curves(data, clock, [who], of_series(tables)), data
    )


def generations(tables: Tables) -> Figure | None:
    """How cells of the first generations end; None where every well has too few of each."""
    data = _drawn(tables["incidence"], CLOCKS[1], [str(g) for g in range(1, LAST_GENERATION + 1)])
    if not len(data):
        return None
    labels = [f"generation {g}" for g in sorted(set(data["generation"]))]
    return Figure(
        "incidence_by_generation",
        "How cells end, generation by generation",
        f"{HOW} Generations count from the cells of the first frame; hours from the birth of each cell.",
        _curves(data, CLOCKS[1], labels, of_series(tables)),
        data,
    )


def _drawn(table: pd.DataFrame, clock: str, generations: Sequence[str]) -> pd.DataFrame:
    """One row a point: the curve, its band, and the two bounds."""
    if not len(table):
        return table
    keys = ["dose_gy", "generation", "end", "hours"]
    of_clock = table[(table["clock"] == clock) & table["generation"].isin(generations)]
    data = of_clock[of_clock["lost_as"] == "censored"]
    for name, lost_as in zip(BOUNDS, ("division", "death"), strict=True):
        bound = of_clock.loc[of_clock["lost_as"] == lost_as, [*keys, "incidence"]]
        data = data.merge(bound.rename(columns={"incidence": name}), on=keys)
    # Where a well is no longer watched, the mean of the others would jump.
    all_wells = data.groupby(["dose_gy", "generation", "end"])["n_wells"].transform("max")
    data = data[(data["n_wells"] == all_wells) & data["incidence"].notna()]
    columns = [*keys, "incidence", "low", "high", *BOUNDS, "n_wells", "n_at_risk", "n_cells"]
    return data[columns].reset_index(drop=True)


def _curves(data: pd.DataFrame, clock: str, labels: Sequence[str], tones: Mapping[float, str]) -> str:
    start = float(data.loc[data["n_at_risk"] > 0, "hours"].min())
    rows = [rows for _, rows in data.groupby("generation")]

    def paint(axes: np.ndarray) -> None:
        for line, of_row, label in zip(axes, rows, labels, strict=True):
            for ax, end in zip(line, ENDS, strict=True):
                for dose, points in by_dose(of_row[of_row["end"] == end]):
                    curve(ax, points, "hours", "incidence", dose, tones, scale=PERCENT, step=True)
                    _bounds(ax, points, tones[dose], gid=f"lost-{end}-{dose:g}")
                ax.set(ylim=(0, None), xlim=(start, None))
            line[0].set_ylabel(f"{label}, %")
        for ax, end in zip(axes[0], ENDS, strict=True):
            ax.set_title(end.replace("_", " "))
        for ax in axes[-1]:
            ax.set_xlabel(f"hours {clock}")
        axes[0, 1].legend(loc="upper left")  # abnormal exits are rare, so there is room

    height = 2.7 if len(rows) == 1 else 2.1 * len(rows) + 0.3
    return draw(paint, rows=len(rows), columns=len(ENDS), size=(9.6, height), sharex=True, sharey=True)


def _bounds(ax: Axes, rows: pd.DataFrame, colour: str, *, gid: str) -> None:
    """The curves with the lost as divided and as dead, where they can be seen beside the main one."""
    rows = rows.sort_values("hours")
    for name in BOUNDS:
        if (rows[name] - rows["incidence"]).abs().max() > MIN_APART:
            ax.plot(
                rows["hours"],
                PERCENT * rows[name],
                ":",
                color=colour,
                lw=1.0,
                drawstyle="steps-post",
                gid=f"{gid}-{name}",
            )


def over_bins(tables: Tables) -> Figure | None:
    """Abnormal mitoses, deaths and late fusions by 12 hours since irradiation; None without numbers."""
    parts = [_bins(tables["wells"], "well"), _bins(over_units(tables["doses"]), "dose")]
    data = pd.concat(parts, ignore_index=True)
    if not data["value"].notna().any():
        return None
    tones = of_series(tables)
    doses = sorted(set(data["dose_gy"]))
    hours = sorted({(a, b) for a, b in zip(data["from_h"], data["to_h"], strict=True)})

    def paint(axes: np.ndarray) -> None:
        for ax, (measure, title, label) in zip(axes.flat, RATES, strict=True):
            for k, dose in enumerate(doses):
                points = data[(data["measure"] == measure) & (data["dose_gy"] == dose)]
                aside = (k - 0.5 * (len(doses) - 1)) * 8 / len(doses)
                _over_bins(ax, points, tones[dose], dose, aside=aside, gid=f"bins-{measure}-{dose:g}")
            ax.set_xticks([a for a, _ in hours] + [hours[-1][1]])
            ax.set(xlabel="hours since irradiation", ylabel=label, title=title)
            top = 1.8 * data.loc[data["measure"] == measure, "value"].max()  # intervals may reach further
            ax.set_ylim(0, 105 if label.startswith("%") else np.fmax(1.0, min(top, ax.get_ylim()[1])))
        axes.flat[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))

    return Figure(
        "ends_over_time",
        "Abnormal mitoses, deaths and fusions over time",
        "In bins of twelve hours since irradiation, with the doses side by side. Small dots are wells; large "
        "dots are their means, with 95 % intervals by t over units. Deaths and fusions are per hour that a "
        "live cell was watched in interphase. Bins that were watched for less than three hours are left out. "
        "Intervals are cut where they reach far beyond all wells. Exploratory.",
        draw(paint, columns=len(RATES), size=(9.6, 2.9)),
        data,
    )


def _bins(table: pd.DataFrame, level: str) -> pd.DataFrame:
    measures = [m for m, _, _ in RATES]
    edges = table["stratum"].str.extract(r"^(?P<from_h>[\d.]+)-(?P<to_h>[\d.]+) h$").astype(float)
    rows = table.assign(**edges, level=level).rename(columns={"estimate": "value"})
    rows = rows[rows["measure"].isin(measures) & rows["from_h"].notna() & rows["value"].notna()]
    scale = np.where(rows["measure"] == PRIMARY, PERCENT, 1.0)
    rows = rows.assign(**{c: scale * rows[c] for c in ("value", "low", "high") if c in rows})
    columns = ["measure", "level", "dose_gy", "from_h", "to_h", "plate", "well", "value", "low", "high", "n"]
    return rows.reindex(columns=columns)


def _over_bins(ax: Axes, rows: pd.DataFrame, colour: str, dose: float, *, aside: float, gid: str) -> None:
    rows = rows.sort_values("from_h").assign(at=lambda t: 0.5 * (t["from_h"] + t["to_h"]) + aside)
    wells, means = (rows[rows["level"] == level] for level in ("well", "dose"))
    ax.plot(wells["at"] - 0.5, wells["value"], "o", color=colour, ms=3, mec="none", alpha=0.5, zorder=3)
    ax.plot(
        means["at"],
        means["value"],
        "-o",
        color=colour,
        ms=5.5,
        mec="white",
        mew=0.7,
        lw=1.0,
        zorder=4,
        label=dose_words(dose),
        gid=gid,
    )
    known = means[means["low"].notna() & means["high"].notna()]
    ax.vlines(
        known["at"], known["low"].clip(lower=0), known["high"], color=colour, lw=1.1, alpha=0.6, zorder=2
    )
