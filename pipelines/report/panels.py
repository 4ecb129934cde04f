"""Numbers of wells and doses -> small panels side by side, one a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pipelines.dose.columns import SUBTYPES
from pipelines.dose.measures import fraction
from pipelines.report.drawing import Figure, by_dose, colours, draw
from pipelines.report.over_dose import INTERVALS, PERCENT, doses_below, dots, levels, of_measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pipelines.report.over_dose import Tables

# In order: measure, stratum, title, axis.
PANELS = (
    ("time_to_first_mitosis", "of those that get there", "First mitosis", "hours since irradiation"),
    ("cycle_time", "all", "Cell cycle, born in view", "hours"),
    ("mitoses_per_1000_cell_hours", "all", "Mitoses", "per 1000 cell-hours"),
    ("clone_size", "at the end", "Clone size at the end", "cells a founder"),
    ("sister_fusions_per_division", "all", "Late fusions of sisters", "% of divisions"),
    ("share_giant", "last 12 h", "Giant cells, last 12 h", "% of cells"),
    ("diffusion", "before normal mitosis", "Motility before mitosis", "µm²/h"),
    ("diffusion", "after normal mitosis", "Motility after mitosis", "µm²/h"),
)


def subtypes(tables: Tables) -> Figure:
    """Each kind of abnormal mitosis over dose."""
    names = [(fraction(s), s.replace("_", " ") if s != "abnormal" else "no told kind") for s in SUBTYPES]
    data, svg = _panels(
        tables, [(m, "all", title, "% of mitoses") for m, title in names], per_row=4, share=True
    )
    return Figure(
        "subtypes",
        "What kind of abnormal",
        "Share of all judged mitoses; dots are wells. The kind is what was seen to happen; no told kind is "
        "what the classifier alone calls abnormal. Exploratory. Micronuclei and bridges cannot be told at "
        "every pixel size: 0 may mean not assessable.",
        svg,
        data,
    )


def measures(tables: Tables) -> Figure:
    """What else changes with dose."""
    known = [p for p in PANELS if of_measure(tables["doses"], p[0], p[1])["estimate"].notna().any()]
    data, svg = _panels(tables, known, per_row=4, share=False)
    return Figure(
        "measures",
        "Timing, rates, clones, motility",
        f"Dots are wells. {INTERVALS}. Exploratory. The time to the first mitosis is the median of the "
        "founders that get there within the follow-up.",
        svg,
        data,
    )


def _panels(
    tables: Tables, panels: Sequence[tuple[str, str, str, str]], *, per_row: int, share: bool
) -> tuple[pd.DataFrame, str]:
    """A panel a measure: wells as dots, doses as bars with intervals."""
    rows = max(-(-len(panels) // per_row), 1)
    found = []
    for measure, stratum, title, label in panels:
        scale = PERCENT if label.startswith("%") else 1.0
        found.append(levels(tables, measure, stratum, None, scale).assign(measure=measure, panel=title))
    data = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["dose_gy"])
    tones = colours(data["dose_gy"].tolist())

    def paint(axes: np.ndarray) -> None:
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for ax, one, (_, _, title, label) in zip(axes.flat, found, panels, strict=False):
            for i, (dose, mine) in enumerate(by_dose(one)):
                of = {str(n): t for n, t in mine.groupby("level") if n != "position"}
                dots(ax, i, of, tones[dose])
            doses_below(ax, one)
            ax.set_title(title)
            if not share or ax in axes[:, 0]:
                ax.set_ylabel(label)
        for ax in axes.flat[: len(panels)]:  # last: a shared axis would keep the first panel's limit
            ax.set_ylim(bottom=0)

    return data, draw(paint, rows=rows, columns=per_row, size=(9.6, 2.3 * rows), sharey=share)
