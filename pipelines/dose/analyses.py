"""A plate -> the tables of one analysis, and notes for the reader; ANALYSES lists them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pipelines.dose import (
    assessed,
    cautions,
    clones,
    compare,
    courses,
    dna,
    drug,
    fates,
    marginal,
    signal_courses,
)
from pipelines.dose.columns import SERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.dose.prepare import Plate

Found = tuple[dict[str, pd.DataFrame], list[str]]  # tables by the name of their file, and notes


def over_dose(plate: Plate) -> Found:
    """The primary test, and all other trends."""
    trends = compare.trends(plate.units)
    return {"tests": trends}, cautions.one_well(trends)


def as_collected(plate: Plate) -> Found:
    """One row a movie, mitosis, cell, duration, clone, lag."""
    rows = plate.rows
    tables = {
        "movies": rows.movies,
        "mitoses": rows.mitoses,
        "fates": rows.cells,
        "intervals": rows.intervals,
        "clones": rows.clones,
        "motility": rows.motility,
    }
    return tables, [*cautions.of_movies(rows.movies), *assessed.notes(rows.movies, rows.mitoses)]


def by_part(plate: Plate) -> Found:
    """Wells, positions, doses."""
    doses = compare.doses(plate.units, plate.positions, plate.classifiers)
    return {"wells": plate.wells, "positions": plate.positions, "doses": doses}, []


def against_control(plate: Plate) -> Found:
    """Differences and ratios."""
    return {"effects": compare.effects(plate.units, plate.classifiers)}, []


def survival(plate: Plate) -> Found:
    """Linear-quadratic fits."""
    return {"survival": clones.fit_table(plate.fits)}, cautions.too_short(plate.wells, plate.context)


def marginal_model(plate: Plate) -> Found:
    """GEE over all mitoses."""
    table, notes = marginal.table_of(marginal.by_series(plate.rows.mitoses, plate.unit))
    return {"gee": table}, notes


def competing_ends(plate: Plate) -> Found:
    """Cumulative incidence."""
    return {"incidence": fates.incidence_table(plate.rows.cells)}, []


def over_time(plate: Plate) -> Found:
    """Mitotic index and growth."""
    wells = courses.by_well(plate.rows.frames)
    return {"well_courses": wells, "courses": courses.by_dose(wells)}, []


def further_channels(plate: Plate) -> Found:
    """Courses aligned to birth and mitosis; no tables where no further channel was measured."""
    if plate.rows.signals.empty:
        return {}, []
    wells = signal_courses.by_well(plate.rows.signals)
    return {"well_signal_courses": wells, "signal_courses": signal_courses.by_dose(wells)}, []


def dna_content(plate: Plate) -> Found:
    """Histograms."""
    return {"dna": dna.histogram(plate.rows.dna, [*SERIES, "dose_gy"])}, []


def enhancement(plate: Plate) -> Found:
    """With against without drug."""
    return {"enhancement": drug.enhancement(plate.units, plate.fits)}, []


# Notes are read in this order.
ANALYSES: tuple[Callable[[Plate], Found], ...] = (
    over_dose,
    as_collected,
    survival,
    marginal_model,
    by_part,
    against_control,
    competing_ends,
    over_time,
    further_channels,
    dna_content,
    enhancement,
)
