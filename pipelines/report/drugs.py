"""Series with and without a drug -> figures of the plate: curves with and without, enhancement ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.report.plots import draw
from pipelines.dose.columns import SERIES, series_name
from pipelines.dose.measures import PRIMARY
from pipelines.report.drawing import Figure
from pipelines.report.over_dose import PERCENT, dose_step, levels, over_units
from pipelines.report.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Tables = Mapping[str, pd.DataFrame]

PLAIN = ("#0072B2", "#56B4E9")  # of series without drug; these and the next are Okabe & Ito's
DRUGGED = ("#D55E00", "#E69F00", "#CC79A7", "#009E73")
EXCESS = "excess over additive"


def drugs(tables: Tables) -> list[Figure]:
    """Curves and ratios; none where no cell line was irradiated both with and without a drug."""
    known = tables["enhancement"]
    known = known[known["ratio_or_excess"].notna()].reset_index(drop=True)
    return [response(tables, known), enhancement(known)] if len(known) else []


def response(tables: Tables, known: pd.DataFrame) -> Figure:
    """The fraction abnormal over dose, with and without drug in one, a panel for each cell line."""
    lines = sorted(set(known["cell_line"]))
    data = pd.concat([_series(tables, known, line) for line in lines], ignore_index=True)

    def paint(axes: np.ndarray) -> None:
        for ax, line in zip(axes[0], lines, strict=True):
            of_line = data[data["cell_line"] == line]
            names, colour = list(of_line["series"].unique()), _colours(of_line)
            step = min(0.04 * float(np.ptp(of_line["dose_gy"])), 0.2 * dose_step(of_line["dose_gy"]))
            for k, name in enumerate(names):
                aside = step * (k - 0.5 * (len(names) - 1))
                _line(ax, of_line[of_line["series"] == name], name, colour[name], aside=aside, step=step)
            ax.set(xlabel="dose, Gy", title=line, ylim=(0, None))
            ax.set_xticks(ticks := sorted(set(of_line["dose_gy"])), [f"{d:g}" for d in ticks])
            ax.legend(loc="upper left")
        axes[0, 0].set_ylabel("abnormal, % of mitoses")

    return Figure(
        "drug_response",
        "Abnormal mitoses with and without drug",
        "Large dots are means of the units, with 95 % intervals by t over units; small dots are wells. "
        "Fractions are uncorrected.",
        draw(
            paint, columns=len(lines), size=(5.6 if len(lines) == 1 else 4.8 * len(lines), 3.6), sharey=True
        ),
        data,
        half=len(lines) == 1,
    )


def enhancement(known: pd.DataFrame) -> Figure:
    """Ratios, and the excess over the sum of both effects, as rows with their intervals."""
    several = known[list(SERIES)].drop_duplicates().shape[0] > 1
    against = known.groupby(list(SERIES))["without"].nunique().max() > 1
    is_excess = known["quantity"] == EXCESS
    scale = np.where(is_excess, PERCENT, 1.0)
    data = known.assign(**{c: scale * known[c] for c in ("ratio_or_excess", "low", "high")})
    data["row"] = [_row(r, several=several, against=against) for r in known.to_dict("records")]
    parts = [t for t in (data[~is_excess], data[is_excess]) if len(t)]
    one_line = known["cell_line"].nunique() == 1  # the figure then stands beside the curves, else below them
    heights = [len(part) + 0.6 for part in parts]
    how: dict[str, Any] = {"columns": len(parts), "size": (9.6, 1.0 + 0.27 * max(map(len, parts)))}
    if one_line:
        how = {
            "rows": len(parts),
            "size": (5.6, 1.0 * len(parts) + 0.27 * len(data)),
            "height_ratios": heights,
        }

    def paint(axes: np.ndarray) -> None:
        for ax, part in zip(axes.flat, parts, strict=True):
            ratios = part["quantity"].iloc[0] != EXCESS
            _forest(ax, part, none=1.0 if ratios else 0.0)
            ax.set_title("Enhancement ratios" if ratios else "Excess over additive")
            ax.set_xlabel("times" if ratios else "percentage points")

    return Figure(
        "enhancement",
        "Effect of the drug",
        "Slope ratio: how many times steeper the fraction abnormal rises over dose with the drug, with "
        "Fieller's 95 % interval; no interval where the slope without drug may be 0. Mean inactivation "
        "doses: without drug over with drug, from the linear-quadratic fits of reproductive survival, "
        "without interval. A ratio above 1 means that the drug sensitises. Excess: (drug and dose - drug) - "
        "(dose - neither), with Satterthwaite's 95 % interval; above 0 the joint effect is more than the "
        "sum. Exploratory.",
        draw(paint, **how),
        data[["row", *data.columns.drop("row")]],
        half=one_line,
    )


def _series(tables: Tables, known: pd.DataFrame, line: str) -> pd.DataFrame:
    """Wells and means of a line's series: first those without drug, then those with it."""
    of_line = known[known["cell_line"] == line]
    plain = [(line, treatment, 0.0) for treatment in sorted(set(of_line["without"]))]
    pairs = zip(of_line["treatment"], of_line["drug_uM"], strict=True)
    drugged = sorted({(line, treatment, float(um)) for treatment, um in pairs})
    parts = []
    for key in (*plain, *drugged):
        here = {
            n: t[(t[list(SERIES)] == list(key)).all(axis=1)]
            for n, t in tables.items()
            if n in ("doses", "wells", "positions")
        }
        here["doses"] = over_units(here["doses"])
        rows = levels(here, PRIMARY, "all", None, PERCENT)
        rows = rows[rows["level"] != "position"].assign(**dict(zip(SERIES, key, strict=True)))
        parts.append(rows.assign(series=_name(*key[1:])))
    return pd.concat(parts)[["series", *SERIES, *parts[0].columns.drop(["series", *SERIES])]]


def _name(treatment: str, drug_um: float) -> str:
    """A series, within its cell line.

    >>> _name("none", 0.0), _name("DMSO", 0.0), _name("AZD", 0.5)
    ('no drug', 'DMSO', 'AZD 0.5 µM')
    """
    return f"{treatment} {drug_um:g} µM" if drug_um > 0 else treatment.replace("none", "no drug")


def _row(row: Mapping[Any, Any], *, several: bool, against: bool) -> str:
    """The name of a row; it names the series only where there are several."""
    what = f"{row['dose_gy']:g} Gy" if row["quantity"] == EXCESS else str(row["quantity"])
    what = what.replace("mean inactivation dose ratio", "mean inactivation doses")
    parts = [series_name(*(row[k] for k in SERIES))] if several else []
    parts += [f"against {row['without']}"] if against else []
    return ", ".join([*parts, what])


def _colours(rows: pd.DataFrame) -> dict[str, str]:
    drugged = rows.groupby("series", sort=False)["drug_uM"].first() > 0
    plain, with_drug = (list(drugged.index[drugged == is_drug]) for is_drug in (False, True))
    return {n: PLAIN[i % len(PLAIN)] for i, n in enumerate(plain)} | {
        n: DRUGGED[i % len(DRUGGED)] for i, n in enumerate(with_drug)
    }


def _line(ax: Axes, rows: pd.DataFrame, name: str, colour: str, *, aside: float, step: float) -> None:
    wells, means = (rows[rows["level"] == level] for level in ("well", "dose"))
    means = means[means["value"].notna()].sort_values("dose_gy")
    known = means[means["low"].notna() & means["high"].notna()]
    ax.vlines(known["dose_gy"] + aside, known["low"], known["high"], color=colour, lw=1.4, zorder=3)
    ax.plot(
        means["dose_gy"] + aside,
        means["value"],
        "-o",
        color=colour,
        ms=6,
        mec="white",
        mew=0.8,
        lw=1.3,
        zorder=4,
        label=name,
        gid=f"drug-response-{name}".replace(" ", "-"),
    )
    ax.plot(
        wells["dose_gy"] + aside - 0.45 * step,
        wells["value"],
        "o",
        color=colour,
        ms=3,
        mec="none",
        alpha=0.5,
        zorder=2,
    )


def _forest(ax: Axes, rows: pd.DataFrame, *, none: float) -> None:
    """Each row with its mark, interval and numbers; `none` is where the drug has no effect."""
    y = -np.arange(len(rows))
    known = (rows["low"].notna() & rows["high"].notna()).to_numpy()
    value, low, high = (rows[c].to_numpy(float) for c in ("ratio_or_excess", "low", "high"))
    ax.hlines(y[known], low[known], high[known], color="#1c2430", lw=1.4, zorder=3)
    for which, face in ((known, "#1c2430"), (~known, "white")):
        ax.plot(
            value[which],
            y[which],
            "s",
            color="#1c2430",
            mfc=face,
            ms=5.5,
            zorder=4,
            gid=f"enhancement-{'with' if face != 'white' else 'without'}-interval-{none:g}",
        )
    ax.axvline(none, color="#4A5361", lw=0.8, zorder=1)
    for at, v, a, b, has_interval in zip(y.tolist(), value, low, high, known, strict=True):
        words = f"{number(v)} ({number(a)} to {number(b)})" if has_interval else number(v)
        ax.text(1.02, at, words, transform=ax.get_yaxis_transform(), va="center", fontsize=8)
    ax.set_yticks(y, rows["row"].tolist())
    ax.set_ylim(y[-1] - 0.6, 0.6)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    edges = np.concatenate([value, low[known], high[known], [none]])
    reach = 4 * max(float(np.abs(value - none).max()), 0.5 if none else 5.0)  # intervals are cut beyond it
    edges = edges.clip(none - reach, none + reach)
    room = 0.06 * float(np.ptp(edges))
    ax.set_xlim(edges.min() - room, edges.max() + room)
