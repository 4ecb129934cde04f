"""Numbers of wells and doses -> small panels side by side, one a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from pipelines.dose.assessed import FINE_KINDS, known_movies, pixel_sizes
from pipelines.dose.columns import SUBTYPES, UNSPECIFIED
from pipelines.dose.measures import fraction
from pipelines.dose.relatives import OUTCOMES
from pipelines.report.drawing import Figure, by_dose, colours, draw
from pipelines.report.over_dose import INTERVALS, PERCENT, doses_below, dots, levels, of_measure, over_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from pipelines.report.over_dose import Tables


class Panel(NamedTuple):
    """One measure over dose; in percent where the axis says so."""

    measure: str
    stratum: str
    title: str
    label: str
    most: float = np.nan  # of what may be negative: it lies within this, either way
    missing: str = "too few cells"  # why, where there is no number

    @property
    def scale(self) -> float:
        """From the table's numbers to the axis."""
        return PERCENT if "%" in self.label else 1.0


PANELS = (
    Panel("time_to_first_mitosis", "of those that get there", "First mitosis", "hours since irradiation"),
    Panel("cycle_time", "all", "Cell cycle, born in view", "hours"),
    Panel("mitoses_per_1000_cell_hours", "all", "Mitoses", "per 1000 cell-hours"),
    Panel("clone_size", "at the end", "Clone size at the end", "cells a founder"),
    Panel("sister_fusions_per_division", "all", "Late fusions of sisters", "% of divisions"),
    Panel("share_giant", "last 12 h", "Giant cells, last 12 h", "% of cells"),
    Panel("diffusion", "before normal mitosis", "Motility before mitosis", "µm²/h"),
    Panel("diffusion", "after normal mitosis", "Motility after mitosis", "µm²/h"),
)
# A row for each kind of kin.
KIN = tuple(
    (
        *(Panel(risk, what, what.replace("_", " "), label, PERCENT) for what in OUTCOMES),
        Panel(correlation, "all", pair, "correlation of cycle times", 1.0),
    )
    for risk, label, correlation, pair in (
        ("foretold_next_generation", "after an abnormal less\nafter a normal mitosis, %",
         "correlation_mother_daughter", "Mothers and daughters"),
        ("foretold_sister", "beside an abnormal less\nbeside a normal sister, %",
         "correlation_sisters", "Sisters"),
    )
)  # fmt: skip


def subtypes(tables: Tables) -> Figure:
    """Each kind of abnormal mitosis over dose."""
    kinds = [_kind(tables["movies"], s) for s in SUBTYPES]
    data, svg = _panels(tables, kinds, per_row=4, share=True)
    return Figure(
        "subtypes",
        "What kind of abnormal",
        "Share of all judged mitoses; dots are wells. The kind is what was seen to happen; no told kind is "
        "what the classifier alone calls abnormal. Exploratory. Micronuclei and lagging chromatin cannot be "
        "assessed at every pixel size: movies in which they were not are missing there, and not 0.",
        svg,
        data,
    )


def _kind(movies: pd.DataFrame, subtype: str) -> Panel:
    """The panel of one kind; of one that the pixels may not show in how many movies it was assessed."""
    title = subtype.replace("_", " ") if subtype != UNSPECIFIED else "no told kind"
    panel = Panel(fraction(subtype), "all", title, "% of mitoses")
    if subtype not in FINE_KINDS:
        return panel
    known = known_movies(movies, subtype)
    if not len(known) or known.all():
        return panel
    if known.any():
        return panel._replace(title=f"{title}\n{known.sum()} of {len(known)} movies")
    sizes = pixel_sizes(movies.loc[known.index])
    return panel._replace(missing=f"not assessable\nat this pixel size\n({sizes})")


def measures(tables: Tables) -> Figure:
    """What else changes with dose."""
    data, svg = _panels(tables, _known(tables, PANELS), per_row=4, share=False)
    return Figure(
        "measures",
        "Timing, rates, clones, motility",
        f"Dots are wells. {INTERVALS}. Exploratory. The time to the first mitosis is the median of the "
        "founders that get there within the follow-up.",
        svg,
        data,
    )


def kin(tables: Tables, window_h: float) -> Figure | None:
    """What an abnormal mitosis foretells, and how alike kin are; None where no well has kin enough.

    Args:
        tables: of one series.
        window_h: after birth, within which it was asked what a cell comes to.
    """
    tables = dict(tables) | {"doses": over_units(tables["doses"])}
    any_risk = any(_known(tables, row[:-1]) for row in KIN)
    columns = slice(None) if any_risk else slice(-1, None)
    rows = [row[columns] for row in KIN if _known(tables, row[columns])]
    if not rows:
        return None
    risks = (
        "Differences of risks within wells, in percentage points: of daughters of abnormal less daughters "
        "of normal mitoses, and of cells beside an abnormal less beside a normal sister. What a cell comes "
        f"to is asked within {window_h:.0f} h of its birth; undivided then is arrest."
    )
    cycles = (
        "Correlation of the logarithms of cycle times, of pairs that both were seen from birth to division. "
        f"Dots are wells with four cells or pairs at least. {INTERVALS}, cut off where nothing can lie. "
        "Exploratory."
    )
    per_row = len(KIN[0]) if any_risk else len(rows)
    data, svg = _panels(tables, [panel for row in rows for panel in row], per_row=per_row, share=False)
    return Figure(
        "kin",
        "What an abnormal mitosis foretells, and how alike kin are",
        " ".join([risks] * any_risk + [cycles]),
        svg,
        data,
        half=not any_risk,
    )


def _known(tables: Tables, panels: Sequence[Panel]) -> list[Panel]:
    """Those of which there is a number."""
    return [p for p in panels if of_measure(tables["doses"], p.measure, p.stratum)["estimate"].notna().any()]


def _panels(
    tables: Tables, panels: Sequence[Panel], *, per_row: int, share: bool
) -> tuple[pd.DataFrame, str]:
    """A panel a measure: wells as dots, doses as bars with intervals."""
    rows = max(-(-len(panels) // per_row), 1)
    found = []
    for p in panels:
        table = levels(tables, p.measure, p.stratum, None, p.scale).assign(measure=p.measure, panel=p.title)
        found.append(table[table["level"] != "position"])
    data = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["dose_gy"])
    tones = colours(data["dose_gy"].tolist())

    def paint(axes: np.ndarray) -> None:
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for i, (ax, one, panel) in enumerate(zip(axes.flat, found, panels, strict=False)):
            for x, (dose, mine) in enumerate(by_dose(one)):
                dots(ax, x, {str(n): t for n, t in mine.groupby("level")}, tones[dose])
            doses_below(ax, one, narrow=per_row > 4)
            ax.set_title(panel.title)
            beside = panels[i - 1] if i % per_row else None
            if beside and beside.label == panel.label and (share or beside.most == panel.most):
                ax.tick_params(labelleft=False)  # one axis for both
            else:
                ax.set_ylabel(panel.label)
            if not one["value"].notna().any():
                ax.set_axis_off()
                ax.text(0.5, 0.5, panel.missing, transform=ax.transAxes, ha="center", va="center", fontsize=8)
        for ax, panel in zip(axes.flat, panels, strict=False):  # last: a shared axis would keep the first's
            if np.isnan(panel.most):
                ax.set_ylim(bottom=0)
            elif ax.axison:
                _signed(ax, found, panels, panel)

    width = 5.6 if per_row < 3 else 9.6 if per_row < 5 else 10.4
    return data, draw(paint, rows=rows, columns=per_row, size=(width, 2.3 * rows), sharey=share)


def _signed(ax: Axes, found: Sequence[pd.DataFrame], panels: Sequence[Panel], panel: Panel) -> None:
    """A line at 0, and one scale for all panels whose numbers lie within the same."""
    alike = pd.concat([t for t, p in zip(found, panels, strict=True) if p.most == panel.most])
    edges = alike[["value", "low", "high"]].to_numpy(float).clip(-panel.most, panel.most)
    least = panel.most if panel.most == 1 else 0.1 * panel.most  # correlations are known by their whole scale
    low, high = np.nanmin(edges, initial=-least), np.nanmax(edges, initial=least)
    room = 0.05 * (high - low)
    ax.set_ylim(low - room, high + room)
    ax.axhline(0, color="#4A5361", lw=0.8, zorder=2)
