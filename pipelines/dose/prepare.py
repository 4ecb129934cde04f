"""Rows of movies -> a plate ready for analysis: calibrated, measured by well and position, corrected."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.dose import assessed, classifiers, clones, compare, dna, measures
from pipelines.dose.collect import Tables
from pipelines.dose.columns import MAP_COLUMNS, SERIES, WELL_ROW
from pipelines.dose.incidence import aalen_johansen
from pipelines.dose.measures import Context
from pipelines.dose.proposals import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipelines.dose.clones import LinearQuadratic
    from pipelines.dose.correction import Classifier
    from pipelines.dose.dna import Calibration
    from pipelines.dose.reviewed import Review

ARREST_CYCLES = 1.5  # of the controls' median cycle, without a division: arrested
ARREST_H = 36.0  # where the controls show no complete cycle
ENOUGH_EXPERIMENTS = 3  # at each dose, from which on the experiment is the unit


@dataclass(frozen=True)
class Options:
    """What a user may choose."""

    plate: Path | None = None
    unit: str | None = None  # well or experiment; None to choose
    divisions: int = 3
    arrest_h: float | None = None
    correct: bool = True
    reviewed: Path | None = None  # a sample that people judged


@dataclass(frozen=True, eq=False)
class Plate:
    """All that analyses start from."""

    options: Options
    rows: Tables  # of all movies; DNA in units of C, where it could be calibrated
    context: Context
    unit: str  # well or experiment
    calibrations: Mapping[tuple[str, str], Calibration]  # session -> of its DNA content
    classifiers: Mapping[str, Classifier]  # cell line -> what corrects its fractions
    wells: pd.DataFrame  # one row a well, measure and stratum
    positions: pd.DataFrame  # one row a position, measure and stratum
    review: Review | None = None  # what people said of a sample of the events

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row a unit, measure and stratum."""
        return compare.by_unit(self.wells, self.unit)

    @cached_property
    def fits(self) -> dict[tuple[Any, ...], LinearQuadratic | None]:
        """Series -> the fit to its wells' reproductive survival."""
        return clones.fits_of(self.wells)


def prepare(
    rows: Tables,
    options: Options,
    progress: Callable[[int, int], None] = lambda done, total: None,
    review: Review | None = None,
) -> tuple[Plate, list[str]]:
    """Calibrate, choose the unit, measure every well and position, and correct their fractions.

    Args:
        rows: of all movies.
        options: of the analysis.
        progress: called with wells or positions done and in all.
        review: what people said of a sample of the events.

    Returns:
        The plate, and notes for the reader.
    """
    notes = []
    calibrations = dna.calibrations(rows.dna)
    if not calibrations:
        notes.append(
            f"DNA content is not calibrated: no date and plate has {dna.MIN_CELLS} unirradiated, drug-free "
            "cells. So there are no histograms of DNA content and no counts of giant cells."
        )
    mitoses, of_movies = assessed.marked(rows.mitoses, rows.movies)
    rows = replace(rows, dna=dna.contents(rows.dna, calibrations), mitoses=mitoses, movies=of_movies)
    notes += _different_ends(rows.movies)
    context = _context(rows, options)
    proposals = measured()
    known, more = classifiers.of_lines(rows, proposals, correct=options.correct, review=review)
    wells, positions = (
        compare.corrected(
            _with_map(_measured(rows, keys, context, progress), rows.movies, keys), keys, known, proposals
        )
        for keys in (list(WELL_ROW), ["movie"])
    )
    unit = options.unit or _unit(rows.movies)
    return Plate(options, rows, context, unit, calibrations, known, wells, positions, review), notes + more


def _ends(movies: pd.DataFrame) -> pd.Series:
    """When the movies end that show a cell: one that shows none ends nobody's follow-up."""
    return movies.loc[movies["n_cells"] > 0, "to_h"]


def _different_ends(movies: pd.DataFrame) -> list[str]:
    ends = _ends(movies)
    if not ends.max() - ends.min() > 1:
        return []
    shortest = movies.loc[ends.index, "movie"].iloc[int(ends.to_numpy().argmin())]
    return [
        f"Movies end between {ends.min():.1f} and {ends.max():.1f} h after irradiation. Measures of what "
        f"happens by a fixed time take {ends.min():.1f} h, where {shortest} ends."
    ]


def _context(rows: Tables, options: Options) -> Context:
    arrest_h = options.arrest_h
    if arrest_h is None:
        cells = rows.cells
        controls = cells[(cells["dose_gy"] == 0) & (cells["drug_uM"] == 0) & cells["born_in_view"]]
        divided = controls["end"].isin(["division", "abnormal_exit"]).to_numpy().astype(int)
        ages = controls["age_at_exit_h"]
        cycle_h = aalen_johansen(np.zeros(len(controls)), ages, divided, n_causes=1).quantile(1, 0.5)
        arrest_h = ARREST_CYCLES * cycle_h if np.isfinite(cycle_h) else ARREST_H
    return Context(float(_ends(rows.movies).min()), options.divisions, float(arrest_h))


def _unit(movies: pd.DataFrame) -> str:
    """The experiment where each dose has enough of them; else the well."""
    per_dose = movies.groupby([*SERIES, "dose_gy"], dropna=False)["experiment_date"].nunique()
    return "experiment" if per_dose.min() >= ENOUGH_EXPERIMENTS else "well"


def _measured(
    rows: Tables, keys: Sequence[str], context: Context, progress: Callable[[int, int], None]
) -> pd.DataFrame:
    """One row a part of the plate, measure and stratum."""
    parts: dict[str, dict[tuple[Any, ...], pd.DataFrame]] = {
        f.name: {tuple(key): t for key, t in getattr(rows, f.name).groupby(list(keys), dropna=False)}
        for f in fields(Tables)
    }
    found = []
    for i, (key, movies) in enumerate(parts["movies"].items(), 1):
        part = Tables(**{name: by_key.get(key, getattr(rows, name)[:0]) for name, by_key in parts.items()})
        columns = dict(zip(keys, key, strict=True)) | {"n_positions": len(movies)}
        found += [columns | row._asdict() for row in measures.measure(part, context)]
        progress(i, len(parts["movies"]))
    return pd.DataFrame(found)


def _with_map(table: pd.DataFrame, movies: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """With the plate map's columns; of a well those that its movies agree on."""
    given = [c for c in MAP_COLUMNS if c in movies.columns]
    per_key = movies[given].groupby(list(keys), dropna=False, as_index=False)
    agreed = [c for c in given if c in keys or bool(np.all(per_key[c].nunique(dropna=False)[c] == 1))]
    return movies[agreed].drop_duplicates(list(keys)).merge(table, on=list(keys))
