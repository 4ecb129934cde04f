"""Numbers of wells and doses -> small panels side by side, one a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from lineage.report.plots import draw
from pipelines.dose.assessed import FINE_KINDS, known_movies, pixel_sizes
from pipelines.dose.columns import SUBTYPES, UNSPECIFIED
from pipelines.dose.measures import fraction
from pipelines.dose.relatives import AFTER_MOTHER, BESIDE_SISTER, OUTCOMES
from pipelines.report.drawing import Figure, by_dose, colours
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
    limit: float = np.nan  # of what may be negative: it lies between -limit and limit
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
# A row for each kind of relative.
RELATIVES = tuple(
    (
        *(Panel(risk, what, what.replace("_", " "), label, PERCENT) for what in OUTCOMES),
        Panel(correlation, "all", pair, "correlation of cycle times", 1.0),
    )
    for risk, label, correlation, pair in (
        (
            AFTER_MOTHER,
            "after an abnormal minus\nafter a normal mitosis, %",
            "correlation_mother_daughter",
            "Mothers and daughters",
        ),
        (BESIDE_SISTER, "with an abnormal minus\nwith a normal sister, %", "correlation_sisters", "Sisters"),
    )
)


def subtypes(tables: Tables) -> Figure:
    """Each kind of abnormal mitosis over dose."""
    kinds = [_kind(tables["movies"], s) for s in SUBTYPES]
    data, svg = _panels(tables, kinds, per_row=4, share=True)
    return Figure(
        "subtypes",
        "Kinds of abnormal mitosis",
        "Share of all judged mitoses; dots are wells. The kind is what was seen to happen; it is unspecified "
        "where nothing was seen and the mitosis is abnormal by the classifier alone. Exploratory. "
        "Micronuclei and lagging chromatin cannot be assessed at every pixel size: movies in which they were "
        "not are missing there, and not 0.",
        svg,
        data,
    )


def _kind(movies: pd.DataFrame, subtype: str) -> Panel:
    """The panel of one kind; if it may be invisible at a pixel size, with how many movies assessed it."""
    title = subtype.replace("_", " ") if subtype != UNSPECIFIED else "unspecified kind"
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
    """Other measures over dose."""
    data, svg = _panels(tables, _known(tables, PANELS), per_row=4, share=False)
    return Figure(
        "measures",
        "Timing, rates, clones, motility",
        f"Dots are wells. {INTERVALS}. Exploratory. The time to the first mitosis is the median of the "
        "founders that get there within the follow-up.",
        svg,
        data,
    )


def relatives(tables: Tables, window_h: float) -> Figure | None:
    """What an abnormal mitosis predicts, and how alike relatives are; None where wells have too few.

    Args:
        tables: of one series.
        window_h: after birth, within which outcomes of cells were counted.
    """
    tables = dict(tables) | {"doses": over_units(tables["doses"])}
    any_risk = any(_known(tables, row[:-1]) for row in RELATIVES)
    columns = slice(None) if any_risk else slice(-1, None)
    rows = [row[columns] for row in RELATIVES if _known(tables, row[columns])]
    if not rows:
        return None
    risks = (
        "Differences of risk within wells, in percentage points: daughters of abnormal minus daughters of "
        "normal mitoses, and cells with an abnormal minus cells with a normal sister. Outcomes are those "
        f"within {window_h:.0f} h after birth; a cell that is then undivided counts as arrested."
    )
    cycles = (
        "Correlation of the logarithms of cycle times, of pairs of which both were seen from birth to "
        f"division. Dots are wells with at least four cells or pairs. {INTERVALS}, cut to the possible "
        "range. Exploratory."
    )
    per_row = len(RELATIVES[0]) if any_risk else len(rows)
    data, svg = _panels(tables, [panel for row in rows for panel in row], per_row=per_row, share=False)
    return Figure(
        "kin",
        "What an abnormal mitosis predicts, and how alike relatives are",
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
        for i, (ax, rows_of, panel) in enumerate(zip(axes.flat, found, panels, strict=False)):
            for x, (dose, of_dose) in enumerate(by_dose(rows_of)):
                dots(ax, x, {str(n): t for n, t in of_dose.groupby("level")}, tones[dose])
            doses_below(ax, rows_of, narrow=per_row > 4)
            ax.set_title(panel.title)
            beside = panels[i - 1] if i % per_row else None
            if beside and beside.label == panel.label and (share or beside.limit == panel.limit):
                ax.tick_params(labelleft=False)  # one axis for both
            else:
                ax.set_ylabel(panel.label)
            if not rows_of["value"].notna().any():
                ax.set_axis_off()
                ax.text(0.5, 0.5, panel.missing, transform=ax.transAxes, ha="center", va="center", fontsize=8)
        for ax, panel in zip(axes.flat, panels, strict=False):  # last: a shared axis would keep the first's
            if np.isnan(panel.limit):
                ax.set_ylim(bottom=0)
            elif ax.axison:
                _signed(ax, found, panels, panel)

    width = 5.6 if per_row < 3 else 9.6 if per_row < 5 else 10.4
    return data, draw(paint, rows=rows, columns=per_row, size=(width, 2.3 * rows), sharey=share)


def _signed(ax: Axes, found: Sequence[pd.DataFrame], panels: Sequence[Panel], panel: Panel) -> None:
    """A line at 0, and one scale for all panels with the same limit."""
    alike = pd.concat([t for t, p in zip(found, panels, strict=True) if p.limit == panel.limit])
    edges = alike[["value", "low", "high"]].to_numpy(float).clip(-panel.limit, panel.limit)
    shown = panel.limit if panel.limit == 1 else 0.1 * panel.limit  # correlations always from -1 to 1
    low, high = np.nanmin(edges, initial=-shown), np.nanmax(edges, initial=shown)
    room = 0.05 * (high - low)
    ax.set_ylim(low - room, high + room)
    ax.axhline(0, color="#4A5361", lw=0.8, zorder=2)
