"""Doses against control -> a figure of the wells' estimates beside those of the marginal model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.report.plots import draw
from pipelines.dose.measures import PRIMARY
from pipelines.report.drawing import Figure, dose_words, marks, plain_logarithm
from pipelines.report.over_dose import INK_OF, PERCENT, of_measure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Tables = Mapping[str, pd.DataFrame]

# Name, mark, side of the dose.
MODELS = (("units", "o", -1), ("marginal model (GEE)", "s", 1))


def both_models(tables: Tables) -> Figure | None:
    """Risk differences and ratios, a pair a dose; None where there is no marginal model."""
    data = _beside(tables["effects"], tables["gee"])
    if not len(data):
        return None
    doses = sorted(set(data["dose_gy"]))

    def paint(axes: np.ndarray) -> None:
        for ax, quantity in zip(axes.flat, ("difference", "ratio"), strict=True):
            for model, sign, side in MODELS:
                rows = data[(data["quantity"] == quantity) & (data["model"] == model)]
                x = np.array([doses.index(d) for d in rows["dose_gy"]]) + 0.09 * side
                values = (rows[c].to_numpy(float) for c in ("estimate", "low", "high"))
                marks(
                    ax,
                    x,
                    *values,
                    sign=sign,
                    colour=INK_OF[side],
                    filled=side < 0,
                    label=model,
                    gid=f"{quantity}-{model.split()[0]}",
                )
            ax.set_xticks(range(len(doses)), [dose_words(d) for d in doses])
            ax.set_xlim(-0.6, len(doses) - 0.4)
            ax.axhline(float(quantity == "ratio"), color="#4A5361", lw=0.8, zorder=1)
        axes.flat[0].set_ylim(*np.clip(axes.flat[0].get_ylim(), -PERCENT, PERCENT))
        axes.flat[0].set(title="Risk difference to control", ylabel="percentage points")
        axes.flat[1].set(title="Risk ratio to control", ylabel="times")
        _logarithmic(axes.flat[1], data[data["quantity"] == "ratio"])
        axes.flat[0].legend(loc="upper left")

    return Figure(
        "both_models",
        "Wells and marginal model side by side",
        "The fraction abnormal against the lowest dose, with 95 % intervals: by the means of the units, "
        "which every unit enters alike, and by a logistic GEE over all mitoses (Mancl and "
        "DeRouen's covariance), which weighs units by their mitoses. Where they disagree, large wells and "
        "small ones do. Uncorrected.",
        draw(paint, columns=2, size=(9.6, 2.9)),
        data,
    )


def _beside(effects: pd.DataFrame, gee: pd.DataFrame) -> pd.DataFrame:
    """One row a dose, quantity and model; nothing without a GEE."""
    if not len(gee) or not len(effects):
        return pd.DataFrame()
    units = of_measure(effects, PRIMARY)
    parts = []
    for quantity in ("difference", "ratio"):
        of_units = units[["dose_gy", quantity, f"{quantity}_low", f"{quantity}_high", "n_units"]]
        of_gee = gee.loc[
            gee["quantity"] == f"risk {quantity}", ["dose_gy", "estimate", "low", "high", "n_units"]
        ]
        for (model, _, _), table in zip(MODELS, (of_units, of_gee), strict=True):
            table = table.set_axis(["dose_gy", "estimate", "low", "high", "n_units"], axis=1)
            parts.append(table.assign(quantity=quantity, model=model))
    data = pd.concat(parts, ignore_index=True)
    scale = np.where(data["quantity"] == "difference", PERCENT, 1.0)
    data = data.assign(**{c: scale * data[c] for c in ("estimate", "low", "high")})
    return data.loc[
        data["estimate"].notna(), ["quantity", "model", "dose_gy", "estimate", "low", "high", "n_units"]
    ]


def _logarithmic(ax: Axes, rows: pd.DataFrame) -> None:
    """Ratios; an interval of few wells may reach over many powers of ten and is cut."""
    if not len(rows):
        return
    ax.set_yscale("log")
    plain_logarithm(ax.yaxis)
    lowest, highest = rows["estimate"].min(), rows["estimate"].max()
    low = max(float(rows["low"].min()), float(min(lowest, 1)) / 20)
    high = min(float(rows["high"].max()), float(max(highest, 1)) * 20)
    ax.set_ylim(np.nanmin([low, lowest, 1]) / 1.3, np.nanmax([high, highest, 1]) * 1.3)
