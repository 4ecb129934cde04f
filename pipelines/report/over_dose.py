"""Numbers of wells and doses -> figures with dose along them: SuperPlots, dose-response, survival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.report.plots import draw
from pipelines.dose.columns import WELL
from pipelines.dose.measures import PRIMARY
from pipelines.report.drawing import (
    MAX_VECTOR_DOTS,
    Figure,
    by_dose,
    colours,
    dose_words,
    marks,
    mean_with_interval,
    plain_logarithm,
    side_by_side,
    spread,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Tables = Mapping[str, pd.DataFrame]

PERCENT = 100.0
INK_OF = {-1: "#0072B2", 1: "#D55E00"}  # of what stands left and right of a dose
INTERVALS = "Bars are means of the units, lines 95 % intervals by t over units"
COUNTED = "As counted: by the verdict on each mitosis, without undecided ones."
CORRECTED = (
    "Corrected: for the errors of verdicts on held-out or reviewed mitoses (Rogan and Gladen), with their "
    "uncertainty in the interval; estimate and interval are constrained to 0 to 100 %. The unconstrained "
    "estimate is below 0 % where fewer mitoses were called abnormal than expected from false positives "
    "alone: doses.csv and the numbers of this figure have it (corrected), beside the constrained one "
    "(corrected_constrained)."
)
RESPONSE_COLUMNS = [
    "dose_gy",
    "estimate",
    "low",
    "high",
    "corrected_constrained",
    "corrected_constrained_low",
    "corrected_constrained_high",
    "called",
    "corrected",
    "corrected_low",
    "corrected_high",
    "n_units",
    "n_positions",
    "n",
    "k",
    "method",
]
# Column, edges of its interval, mark, side of the dose, label.
ESTIMATES = (
    ("estimate", "low", "high", "o", -1, "as counted"),
    (
        "corrected_constrained",
        "corrected_constrained_low",
        "corrected_constrained_high",
        "D",
        1,
        "corrected",
    ),
)


def of_measure(table: pd.DataFrame, measure: str, stratum: str = "all") -> pd.DataFrame:
    """The rows of a measure.

    Args:
        table: with `measure` and `stratum`.
        measure: its name.
        stratum: likewise.
    """
    return table[(table["measure"] == measure) & (table["stratum"] == stratum)]


def over_units(means: pd.DataFrame) -> pd.DataFrame:
    """Without the intervals of doses that have one unit: those describe its positions or cells alone."""
    return means.assign(**{c: means[c].where(means["n_units"] > 1) for c in ("low", "high")})


def levels(
    tables: Tables, measure: str, stratum: str, cells: pd.DataFrame | None, scale: float = 1.0
) -> pd.DataFrame:
    """One row a dot: cells, positions, wells, and the mean of a dose with its interval.

    Args:
        tables: of one series.
        measure: its name.
        stratum: likewise.
        cells: one row a cell, with `value` in units of the axis; None to leave them out.
        scale: from the tables' numbers to the axis.
    """
    parts = []
    if cells is not None:
        parts.append(cells.assign(level="cell"))
    for level in ("position", "well"):
        rows = of_measure(tables[f"{level}s"], measure, stratum)
        rows = rows[rows["value"].notna()]
        parts.append(rows.assign(level=level, value=scale * rows["value"]))
    means = of_measure(tables["doses"], measure, stratum)
    scaled = {"value": scale * means["estimate"], "low": scale * means["low"], "high": scale * means["high"]}
    parts.append(means.assign(level="dose", **scaled))
    columns = [
        "level",
        "dose_gy",
        "experiment_date",
        "plate",
        "well",
        "position",
        "value",
        "low",
        "high",
        "n",
    ]
    return pd.concat([p.reindex(columns=columns) for p in parts if len(p)], ignore_index=True)


def fraction_superplot(tables: Tables) -> Figure:
    """Each mitosis pale, each well strong: the fraction abnormal."""
    m = tables["mitoses"]
    judged = m[m["judged"]]
    cells = judged.assign(value=PERCENT * (judged["counted_class"] == "abnormal"))
    data = levels(tables, PRIMARY, "all", cells, PERCENT)

    def paint(axes: np.ndarray) -> None:
        ax: Axes = axes[0, 0]
        for i, (dose, of_dose) in enumerate(by_dose(data)):
            colour = tones[dose]
            by_level = {str(name): t for name, t in of_dose.groupby("level")}
            for value, at in ((0.0, -12.0), (PERCENT, 112.0)):
                n = int((by_level["cell"]["value"] == value).sum()) if "cell" in by_level else 0
                x, y = i + spread(n, 0.36, seed=i), at + spread(n, 4.5, seed=i + 50)
                _pale(ax, x, y, colour)
                ax.text(i + 0.4, at, f"{n}", va="center", fontsize=7.5)
            dots(ax, i, by_level, colour)
        doses_below(ax, data)
        ax.set(ylabel="abnormal, % of mitoses", ylim=(-19, 119))
        ax.set_yticks([-12, 0, 20, 40, 60, 80, 100, 112])
        ax.set_yticklabels(["normal", "0", "20", "40", "60", "80", "100", "abnormal"])

    tones = colours(data["dose_gy"].tolist())
    return Figure(
        "fraction_superplot",
        "Abnormal mitoses, at every level",
        "Pale dots are mitoses, normal ones below and abnormal ones above, with their numbers. Small dots "
        f"are positions, large dots wells. {INTERVALS}. Mitoses are abnormal by their verdict; the fraction "
        "is uncorrected.",
        draw(paint, size=(6.2, 4.2)),
        data,
        half=True,
    )


def duration_superplot(tables: Tables) -> Figure | None:
    """Each mitosis pale, each well's median strong; None where no onset was seen."""
    timed = tables["intervals"]
    timed = timed[timed["kind"] == "mitosis"]
    cells = timed.assign(value=30 * (timed["least_h"] + timed["most_h"]))  # minutes, the middle of the bounds
    if not len(cells):
        return None
    data = levels(tables, "mitotic_duration", "all", cells)
    top = float(np.nanquantile(cells["value"], 0.99)) * 1.15

    def paint(axes: np.ndarray) -> None:
        ax: Axes = axes[0, 0]
        for i, (dose, of_dose) in enumerate(by_dose(data)):
            by_level = {str(name): t for name, t in of_dose.groupby("level")}
            if "cell" in by_level:
                y = np.minimum(by_level["cell"]["value"].to_numpy(float), top)
                _pale(ax, i + spread(len(y), 0.36, seed=i), y, tones[dose])
            dots(ax, i, by_level, tones[dose])
        doses_below(ax, data)
        ax.set(ylabel="minutes from condensation\nto separation or exit", ylim=(0, top * 1.04))

    tones = colours(data["dose_gy"].tolist())
    return Figure(
        "duration_superplot",
        "How long mitosis lasts",
        "Pale dots are mitoses whose onset was seen, at the middle of the range in which their duration "
        "lies: onset and separation are known to within a frame. Small dots are positions, large dots wells, "
        f"by their medians (Turnbull). {INTERVALS}. The longest 1 % are drawn at the upper edge.",
        draw(paint, size=(6.2, 3.6)),
        data,
        half=True,
    )


def response(tables: Tables) -> Figure:
    """The fraction abnormal over dose, raw beside corrected."""
    means, wells = (of_measure(tables[name], PRIMARY) for name in ("doses", "wells"))
    data = means.reindex(columns=RESPONSE_COLUMNS).reset_index(drop=True)
    step = dose_step(data["dose_gy"])
    both = bool(data["corrected"].notna().any())

    def paint(axes: np.ndarray) -> None:
        ax: Axes = axes[0, 0]
        for column, low, high, sign, side, label in ESTIMATES[: 1 + both]:
            x = data["dose_gy"].to_numpy(float) + (0.06 * step * side if both else 0)
            values = (PERCENT * data[c].to_numpy(float) for c in (column, low, high))
            marks(
                ax,
                x,
                *values,
                sign=sign,
                colour=INK_OF[side],
                filled=side < 0,
                label=label,
                gid=f"response-{column}",
            )
        of_wells = wells[wells["value"].notna()]
        ax.plot(
            of_wells["dose_gy"] - 0.16 * step,
            PERCENT * of_wells["value"],
            "o",
            color=INK_OF[-1],
            ms=3.5,
            mec="none",
            alpha=0.55,
            zorder=2,
            label="wells, as counted",
            gid="response-wells",
        )
        ax.axhline(0, color="#4A5361", lw=0.8)
        ax.set(xlabel="dose, Gy", ylabel="abnormal, % of mitoses")
        ax.set_xticks(ticks := sorted(set(data["dose_gy"])), [f"{d:g}" for d in ticks])
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

    return Figure(
        "dose_response",
        "Fraction of abnormal mitoses over dose",
        f"Means of the units with 95 % intervals. {COUNTED} {CORRECTED}",
        draw(paint, size=(5.6, 3.6)),
        data,
        half=True,
    )


def survival(tables: Tables, caption: str) -> Figure:
    """Founders whose clones go on dividing, with the linear-quadratic fit where there is one."""
    wells, means = tables["wells"], tables["doses"]
    wells = wells[(wells["measure"] == "reproductive_survival") & wells["value"].notna()]
    means = means[means["measure"] == "reproductive_survival"]
    fit: dict[str, Any] = {
        str(r["parameter"]): r.get("estimate") for r in tables["survival"].to_dict("records")
    }
    dose = np.linspace(0, float(wells["dose_gy"].max()) if len(wells) else 1, 100)
    fitted = "alpha_per_gy" in fit
    curve = (
        fit["reproductive_survival_at_0_gy"]
        * np.exp(-fit["alpha_per_gy"] * dose - fit["beta_per_gy2"] * dose**2)
        if fitted
        else np.full(len(dose), np.nan)
    )
    any_left = bool((wells["value"] > 0).any())
    floor = 0.5 * float(wells.loc[wells["value"] > 0, "value"].min()) if any_left else 0.0

    def paint(axes: np.ndarray) -> None:
        ax: Axes = axes[0, 0]
        if fitted:
            ax.plot(dose, PERCENT * curve, color="#4A5361", lw=1.3, label="linear-quadratic fit")
        y = np.maximum(wells["value"].to_numpy(float), floor)
        dots: dict[str, Any] = {"color": INK_OF[-1], "ms": 5, "alpha": 0.75, "mec": "none"}
        ax.plot(wells["dose_gy"], PERCENT * y, "o", label="wells", gid="survival-wells", **dots)
        if any_left and (wells["value"] <= 0).any():
            note = f"drawn at {PERCENT * floor:.2g} %: no survivor"
            ax.text(0.02, 0.03, note, transform=ax.transAxes, fontsize=7.5)
        ax.set(xlabel="dose, Gy", ylabel="founders, %", yscale="log" if any_left else "linear")
        ax.set_xticks(ticks := sorted(set(wells["dose_gy"])), [f"{d:g}" for d in ticks])
        if any_left:
            plain_logarithm(ax.yaxis)
            ax.set_ylim(bottom=PERCENT * floor * 0.6)
        else:
            ax.set_ylim(-2, 100)
        ax.legend(loc="best")

    caption += "" if fitted else " No fit: there are fewer than four doses, or too few survivors."
    data = pd.concat(
        [
            wells.assign(level="well"),
            means.assign(level="dose", value=means["estimate"]),
            pd.DataFrame({"level": "fit", "dose_gy": dose, "value": curve}),
        ]
    ).reindex(columns=["level", "dose_gy", "plate", "well", "value", "low", "high", "n"])
    svg = draw(paint, size=(4.6, 3.4))
    return Figure("survival", "Founders that go on dividing", caption, svg, data, half=True)


def _pale(ax: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    ax.plot(
        x, y, "o", color=colour, ms=2.6, mec="none", alpha=0.28, zorder=1, rasterized=len(x) > MAX_VECTOR_DOTS
    )


def dots(ax: Axes, i: int, by_level: Mapping[str, pd.DataFrame], colour: str) -> None:
    """Draw positions small, wells large, the mean of the dose and its interval.

    Args:
        ax: to draw on.
        i: x of the dose.
        by_level: level -> rows of `levels` of one dose.
        colour: of the dots.
    """
    wells = by_level.get("well")
    if wells is None or not len(wells):
        return
    keys = [tuple(key) for key in wells[list(WELL)].itertuples(index=False)]
    offsets = dict(zip(keys, side_by_side(len(wells), 0.18) - 0.12, strict=True))
    positions = by_level.get("position")
    if positions is not None and len(positions) > len(wells):
        for well, of_well in positions.groupby(list(WELL)):
            at = i + offsets.get(tuple(well), 0.0) + side_by_side(len(of_well), 0.05)
            ax.plot(at, of_well["value"], "o", color=colour, ms=3.2, mec="none", alpha=0.6, zorder=3)
    at = i + np.array(list(offsets.values()))
    ax.plot(at, wells["value"], "o", color=colour, ms=6.5, mec="white", mew=0.8, zorder=4)
    mean = by_level["dose"].iloc[0]
    mean_with_interval(ax, i + 0.24, mean["value"], mean["low"], mean["high"], colour="#1c2430", width=0.07)


def doses_below(ax: Axes, data: pd.DataFrame, *, narrow: bool = False) -> None:
    """Name the doses under the axis, at 0, 1, 2, ...

    Args:
        ax: whose axis it is.
        data: with `dose_gy`.
        narrow: there is no room for the unit at each dose; always so with more than five.
    """
    doses = sorted(set(data["dose_gy"]))
    narrow = narrow or len(doses) > 5
    ax.set_xticks(range(len(doses)), [f"{d:g}" if narrow else dose_words(d) for d in doses])
    if narrow:
        ax.set_xlabel("dose, Gy")
    ax.set_xlim(-0.6, len(doses) - 0.35)


def dose_step(doses: pd.Series) -> float:
    """The least distance between two doses."""
    apart = np.diff(np.unique(doses.to_numpy(float)))
    return float(apart.min()) if len(apart) else 1.0
