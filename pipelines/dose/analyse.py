"""A folder of runs and a plate map -> a folder of tidy tables: the steps in order."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.io.files import atomic_write, write_table
from lineage.schema import InputError
from pipelines.dose import (
    assessed,
    classifiers,
    clones,
    compare,
    courses,
    dna,
    drug,
    fates,
    marginal,
    measures,
    movies,
    reviewed,
)
from pipelines.dose.collect import Tables, collect, together
from pipelines.dose.columns import MAP_COLUMNS, SERIES, WELL_ROW, series_name
from pipelines.dose.incidence import aalen_johansen
from pipelines.dose.measures import Context
from pipelines.dose.proposals import measured
from pipelines.dose.record import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lineage.progress import Screen

RECORD = "analysis.json"
ARREST_CYCLES = 1.5  # of the controls' median cycle, without a division: arrested
ARREST_H = 36.0  # where the controls show no whole cycle
FEW_REACH = 0.3  # of the founders without dose: then reproductive survival is asked of too short a movie
ENOUGH_EXPERIMENTS = 3  # at each dose, from which on the experiment is the unit


@dataclass(frozen=True)
class Options:
    """What a person may choose."""

    plate: Path | None = None
    unit: str | None = None  # well or experiment; None to choose
    divisions: int = 3
    arrest_h: float | None = None
    correct: bool = True
    reviewed: Path | None = None


@dataclass(frozen=True, eq=False)
class Results:
    """All tables, by the name of their file, and the record of how they came about."""

    tables: dict[str, pd.DataFrame]
    record: dict[str, Any]


def analyse(folder: Path, out: Path, options: Options, *, screen: Screen, overwrite: bool = False) -> Results:
    """Read, measure, compare, write.

    Args:
        folder: of runs.
        out: where the tables go; made if it is not there.
        options: of the analysis.
        screen: where progress and warnings are said.
        overwrite: replace the tables of an earlier analysis.

    Raises:
        InputError: the plate map, the folder or a run cannot be used, no movie shows a cell, or `out` holds
            an analysis.
    """
    if (out / RECORD).exists() and not overwrite:
        raise InputError(f"{out} holds an analysis already; give another folder, or say --overwrite")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder with --out")
    plate = movies.read_map(folder, options.plate)
    found, missing = movies.find(folder, plate)
    for sentence in missing:
        screen.say(sentence, "yellow")
    parts = []
    sample = reviewed.read(options.reviewed) if options.reviewed else None
    with screen.stage("read") as progress:
        for i, (root, row) in enumerate(found, 1):
            mine = sample[sample["movie"] == row["movie"]] if sample is not None else None
            told = {} if mine is None else dict(zip(mine["event_id"], mine["mitosis_class"], strict=True))
            parts.append(collect(movies.read(root, row), told))
            progress(i, len(found))
    rows = together(parts)
    if not rows.movies["n_cells"].any():
        raise InputError(_nothing_seen(folder, found[0][0], rows.movies))
    with screen.stage("analyse") as progress:
        results = results_of(rows, options, progress)
    results.record["left_out"] = missing
    roots = {row["movie"]: root for root, row in found}
    results.record["run_versions"] = sorted({str(dict(movies.run_versions(root))) for root, _ in found})
    for sentence in results.record["notes"]:
        screen.say(sentence, "yellow")
    with screen.stage("write") as progress:
        write(results, out, roots)
        progress(1, 1)
    return results


def write(results: Results, out: Path, roots: Mapping[str, Path]) -> None:
    """Every table as CSV, the report and its figures, and the record last: where it is, all is."""
    from pipelines.report.page import write_report

    out.mkdir(parents=True, exist_ok=True)
    (out / RECORD).unlink(missing_ok=True)
    for name, table in results.tables.items():
        write_table(table, out / f"{name}.csv")
    write_report(out, results.tables, results.record, roots)
    with atomic_write(out / RECORD) as part:
        part.write_text(json.dumps(results.record, indent=1, default=str) + "\n", encoding="utf-8")


def results_of(
    rows: Tables, options: Options, progress: Callable[[int, int], None] = lambda done, total: None
) -> Results:
    """Everything that follows from the movies' rows."""
    notes: list[str] = []
    calibrated = dna.calibrations(rows.dna)
    if not calibrated:
        notes.append(
            f"No date and plate has {dna.LEAST_CELLS} unirradiated, drug-free cells to calibrate DNA content "
            "by: no histograms, no giant cells."
        )
    mitoses, of_movies = assessed.marked(rows.mitoses, rows.movies)
    rows = replace(rows, dna=dna.contents(rows.dna, calibrated), mitoses=mitoses, movies=of_movies)
    context = _context(rows, options, notes)
    proposals = measured()
    known, told = classifiers.of_lines(rows, proposals, correct=options.correct, verdicts=options.reviewed)
    notes += told
    unit = options.unit or _unit(rows.movies)
    of_wells, of_positions = (
        compare.corrected(
            _with_map(_measured(rows, keys, context, progress), rows.movies, keys),
            keys,
            known,
            proposals,
        )
        for keys in (list(WELL_ROW), ["movie"])
    )
    units, positions = compare.by_unit(of_wells, unit), of_positions
    courses_by_well = courses.by_well(rows.frames)
    fits = clones.fits_of(of_wells)
    trends = compare.trends(units)
    primary = trends[trends["family"] == "primary"]
    alone = primary[primary["method"].str.contains(compare.DESCRIPTIVE) & (primary["n_doses"] > 1)]
    if len(alone) == len(primary):
        notes.append(compare.ONE_WELL)
    else:
        notes += [
            f"{series_name(*key)}: {compare.ONE_WELL}" for key in alone[list(SERIES)].itertuples(index=False)
        ]
    if unknown := int(rows.movies["irradiated_min_before_start"].isna().sum()):
        notes.append(
            f"irradiated_min_before_start is empty for {unknown} of {len(rows.movies)} movies: these are "
            "taken to begin at irradiation. If they began later, fill in the column: hours since irradiation "
            "depend on it."
        )
    if rows.movies["irradiated_min_before_start"].max() > 720:
        notes.append(
            "Generations count from the first frame: cells irradiated hours before may have divided unseen."
        )
    if not rows.movies["control"].fillna("").astype(str).str.contains("dye-free").any():
        notes.append(
            "No dye-free control is named: the dye and the light slow the cycle and damage DNA themselves, "
            "and every rate here holds for stained, lit cells."
        )
    notes += _empty_movies(rows.movies)
    notes += assessed.notes(rows.movies, rows.mitoses)
    notes += _too_short(of_wells, context)
    gee, told = marginal.table_of(marginal.by_series(rows.mitoses, unit))
    notes += told
    tables = {
        "movies": rows.movies,
        "mitoses": rows.mitoses,
        "fates": rows.cells,
        "intervals": rows.intervals,
        "clones": rows.clones,
        "positions": of_positions,
        "wells": of_wells,
        "doses": compare.doses(units, positions, known),
        "effects": compare.effects(units, known),
        "tests": trends,
        "gee": gee,
        "incidence": fates.incidence_table(rows.cells),
        "well_courses": courses_by_well,
        "courses": courses.by_dose(courses_by_well),
        "survival": clones.fit_table(fits),
        "dna": dna.histogram(rows.dna, [*SERIES, "dose_gy"]),
        "motility": rows.motility,
        "enhancement": drug.enhancement(units, fits),
    }
    record = record_of(
        rows.movies, options=asdict(options), unit=unit, context=context, classifiers=known,
        calibrated=calibrated, notes=notes,
    )  # fmt: skip
    return Results(tables, record)


def _context(rows: Tables, options: Options, notes: list[str]) -> Context:
    shown = rows.movies[rows.movies["n_cells"] > 0]  # a movie without a cell ends nobody's follow-up
    until = shown["to_h"]
    if until.max() - until.min() > 1:
        short = shown["movie"].iloc[int(until.to_numpy().argmin())]
        notes.append(
            f"Movies end between {until.min():.1f} and {until.max():.1f} h after irradiation; what is asked "
            f"by a fixed time is asked at {until.min():.1f} h, where {short} ends."
        )
    arrest_h = options.arrest_h
    if arrest_h is None:
        plain = rows.cells[
            (rows.cells["dose_gy"] == 0) & (rows.cells["drug_uM"] == 0) & rows.cells["born_in_view"]
        ]
        divided = plain["end"].isin(["division", "abnormal_exit"]).to_numpy().astype(int)
        cycle = aalen_johansen(np.zeros(len(plain)), plain["age_at_exit_h"], divided, n_causes=1).quantile(
            1, 0.5
        )
        arrest_h = ARREST_CYCLES * cycle if np.isfinite(cycle) else ARREST_H
    return Context(float(until.min()), options.divisions, float(arrest_h))


def _nothing_seen(folder: Path, first: Path, table: pd.DataFrame) -> str:
    n, lost = int(table["n_frames"].sum()), int(table["n_unusable_frames"].sum())
    return (
        f"none of the {len(table)} movies of {folder} shows a nucleus that was followed ({lost} of {n} "
        "frames cannot be used); wanted cells to count. Look at the runs' reports, such as "
        f"{first.name}/report.html, and run the movies again with what they name put right"
    )


def _empty_movies(table: pd.DataFrame) -> list[str]:
    """That some movies show no cell."""
    empty = table.loc[table["n_cells"] == 0, "movie"]
    if empty.empty:
        return []
    return [
        f"No nucleus was followed in {len(empty)} of {len(table)} movies ({', '.join(map(str, empty))}): "
        "these are counted among positions and wells, and add to no number."
    ]


def _too_short(wells: pd.DataFrame, context: Context) -> list[str]:
    """What is to be said where hardly any founder without dose and drug gets as far as is asked."""
    plain = wells[(wells["dose_gy"] == 0) & (wells["drug_uM"] == 0)]
    mine = plain[plain["measure"] == "reproductive_survival"]
    share = float(mine["value"].mean())
    if not share < FEW_REACH:
        return []
    return [
        f"Only {100 * share:.0f} % of the unirradiated founders divide {context.divisions} times within "
        f"{context.follow_up_h:.0f} h: these movies are too short to tell reproductive survival; ask for "
        "fewer --divisions."
    ]


def _unit(table: pd.DataFrame) -> str:
    """The experiment where each dose has enough of them; else the well."""
    per_dose = table.groupby([*SERIES, "dose_gy"], dropna=False)["experiment_date"].nunique()
    return "experiment" if per_dose.min() >= ENOUGH_EXPERIMENTS else "well"


def _measured(
    rows: Tables, keys: list[str], context: Context,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """One row a part of the plate, measure and stratum."""
    parts = {
        f.name: {
            k if isinstance(k, tuple) else (k,): t
            for k, t in getattr(rows, f.name).groupby(keys, dropna=False)
        }
        for f in fields(Tables)
    }
    found = []
    for i, (key, of_movies) in enumerate(parts["movies"].items(), 1):
        part = Tables(**{name: by.get(key, getattr(rows, name).iloc[:0]) for name, by in parts.items()})
        place = dict(zip(keys, key, strict=True)) | {"n_positions": len(of_movies)}
        found += [place | row._asdict() for row in measures.measure(part, context)]
        progress(i, len(parts["movies"]))
    return pd.DataFrame(found)


def _with_map(table: pd.DataFrame, map_: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """With the plate map's columns; a well's own are those that its movies agree on."""
    given = [c for c in MAP_COLUMNS if c in map_.columns]
    per_key = map_[given].groupby(keys, dropna=False, as_index=False)
    agreed = [c for c in given if c in keys or bool(np.all(per_key[c].nunique(dropna=False)[c] == 1))]
    return map_[agreed].drop_duplicates(keys).merge(table, on=keys)
