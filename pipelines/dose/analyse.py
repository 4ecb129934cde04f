"""A folder of runs and a plate map -> a folder of tidy tables: the steps in order."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage import __version__
from lineage.outputs import whole, write_table
from lineage.schema import InputError, MitosisClass
from pipelines.dose import clones, compare, correction, courses, dna, drug, ends, measures, movies, reviewed
from pipelines.dose.collect import JUDGED, Tables, collect, together
from pipelines.dose.columns import MAP_COLUMNS, SERIES, WELL, WELL_ROW
from pipelines.dose.incidence import aalen_johansen
from pipelines.dose.marginal import Marginal, marginal
from pipelines.dose.measures import PRIMARY, Context
from pipelines.dose.proposals import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lineage.progress import Screen
    from pipelines.dose.correction import Classifier
    from pipelines.dose.proposals import Proposals

RECORD = "analysis.json"
ARREST_CYCLES = 1.5  # of the controls' median cycle, without a division: arrested
ARREST_H = 36.0  # where the controls show no whole cycle
ENOUGH_EXPERIMENTS = 3  # at each dose, from which on the experiment is the unit
FEW_REACH = 0.3  # of the control's founders: then reproductive survival is asked of too short a movie
COUNTED = (
    "n_founders",
    "n_cells",
    "n_judged",
    "n_abnormal",
    "n_unclassified",
    "n_rejected",
    "n_unusable_frames",
)
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "trackpy")


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
        InputError: the plate map, the folder or a run cannot be used, or `out` holds an analysis.
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
    with screen.stage("read") as progress:
        for i, (root, row) in enumerate(found, 1):
            parts.append(collect(movies.read(root, row)))
            progress(i, len(found))
    with screen.stage("analyse") as progress:
        results = results_of(together(parts), options, progress)
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
    with whole(out / RECORD) as part:
        part.write_text(json.dumps(results.record, indent=1, default=str) + "\n", encoding="utf-8")


def results_of(
    rows: Tables, options: Options, progress: Callable[[int, int], None] = lambda done, total: None
) -> Results:
    """Everything that follows from the movies' rows."""
    notes: list[str] = []
    calibrated = dna.calibrations(rows.dna)
    if not calibrated:
        notes.append(
            "No unirradiated, drug-free cells to calibrate DNA content by: no histograms, no giant cells."
        )
    rows = replace(rows, dna=dna.contents(rows.dna, calibrated))
    context = _context(rows, options, notes)
    proposals = measured()
    classifiers = _classifiers(rows, options, proposals, notes)
    unit = options.unit or _unit(rows.movies)
    of_wells, of_positions = (
        compare.corrected(
            _with_map(_measured(rows, keys, context, progress), rows.movies, keys),
            keys,
            classifiers,
            proposals,
        )
        for keys in (list(WELL_ROW), ["movie"])
    )
    units, positions = compare.by_unit(of_wells, unit), of_positions
    courses_by_well = courses.by_well(rows.frames)
    fits = _survival_fits(of_wells, context)
    trends = compare.trends(units)
    primary = trends[trends["family"] == "primary"]
    if primary["method"].str.contains(compare.DESCRIPTIVE).any():
        notes.append(compare.ONE_WELL)
    if rows.movies["irradiated_min_before_start"].max() > 720:
        notes.append(
            "Generations count from the first frame: cells irradiated hours before may have divided unseen."
        )
    if not (rows.movies["control"].fillna("").astype(str) != "").any():
        notes.append(
            "No dye-free control is named: the dye and the light slow the cycle and damage DNA themselves, "
            "and every rate here holds for stained, lit cells."
        )
    gee = _gee(rows, unit)
    tables = {
        "movies": rows.movies,
        "mitoses": rows.mitoses,
        "fates": rows.cells,
        "intervals": rows.intervals,
        "clones": rows.clones,
        "positions": of_positions,
        "wells": of_wells,
        "doses": compare.doses(units, positions, classifiers),
        "effects": compare.effects(units, classifiers),
        "tests": trends,
        "gee": _gee_table(gee, notes),
        "incidence": ends.incidence_table(rows.cells),
        "well_courses": courses_by_well,
        "courses": courses.by_dose(courses_by_well),
        "survival": _survival_table(fits),
        "dna": dna.histogram(rows.dna, [*SERIES, "dose_gy"]),
        "motility": rows.motility,
        "enhancement": drug.enhancement(units, fits),
    }
    return Results(tables, _record(rows, options, context, classifiers, unit, calibrated, notes))


def _context(rows: Tables, options: Options, notes: list[str]) -> Context:
    until = rows.movies["to_h"]
    if until.max() - until.min() > 1:
        short = rows.movies["movie"].iloc[int(until.to_numpy().argmin())]
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


def _classifiers(
    rows: Tables, options: Options, proposals: Proposals, notes: list[str]
) -> dict[str, Classifier]:
    known = {}
    sample = reviewed.read(options.reviewed) if options.reviewed else None
    for line in sorted(rows.movies["cell_line"].unique()):
        one = correction.out_of_fold(line)
        if sample is not None:
            mine = [t[t["cell_line"] == line] for t in (rows.mitoses, rows.movies)]
            told = reviewed.classifier(sample, *mine)
            if told is None:
                notes.append(
                    f"{line}: too few events were judged by a person; corrected by the paper's clips."
                )
            one = told or one
        abnormal = rows.mitoses[
            (rows.mitoses["cell_line"] == line)
            & (rows.mitoses["mitosis_class"] == MitosisClass.ABNORMAL.value)
        ]
        one = replace(one, recall=proposals.recall(abnormal["subtype"]))
        known[line] = one
        if not options.correct:
            known[line] = replace(one, normal=(1, 1, 0), abnormal=(1, 1, 0), source="not asked for")
        elif not one.usable:
            notes.append(
                f"{line}: sensitivity + specificity is {one.youden:.2f}, below {correction.LEAST_YOUDEN}: "
                "no correction."
            )
        elif one.source.startswith(correction.ALL):
            notes.append(
                f"{line}: the classifier was never measured on this line; corrected as others on average."
            )
    return known


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


def _survival_fits(
    wells: pd.DataFrame, context: Context
) -> dict[tuple[Any, ...], clones.LinearQuadratic | None]:
    mine = wells[wells["measure"] == "reproductive_survival"]
    return {
        tuple(key): clones.linear_quadratic(*(t[c].to_numpy(float) for c in ("dose_gy", "value", "n")))
        for key, t in mine.groupby(list(SERIES), dropna=False)
    }


def _survival_table(fits: dict[tuple[Any, ...], clones.LinearQuadratic | None]) -> pd.DataFrame:
    rows = []
    for key, fit in fits.items():
        place = dict(zip(SERIES, key, strict=True))
        if fit is None:
            rows.append(place | {"parameter": "none", "method": "fewer than four doses, or nothing to fit"})
            continue
        for name, one in (("alpha_per_gy", fit.alpha_per_gy), ("beta_per_gy2", fit.beta_per_gy2)):
            rows.append(place | {"parameter": name, "estimate": one.value, "low": one.low, "high": one.high,
                                 "df": one.df, "n_wells": one.n, "method": one.method})  # fmt: skip
        for name, value in (("reproductive_survival_at_0_gy", fit.plating), ("dispersion", fit.dispersion),
                            ("mean_inactivation_dose_gy", fit.mean_inactivation_dose_gy)):  # fmt: skip
            rows.append(place | {"parameter": name, "estimate": value})
    return pd.DataFrame(rows)


def _gee(rows: Tables, unit: str) -> dict[tuple[Any, ...], Marginal]:
    judged = rows.mitoses[rows.mitoses["mitosis_class"].isin(JUDGED)]
    found = {}
    for key, mine in judged.groupby(list(SERIES), dropna=False):
        columns = list(WELL) if unit == "well" else ["experiment_date"]
        units = mine[columns].astype(str).agg(" ".join, axis=1)
        if unit != "well":  # an experiment holds all doses: what is alike in it is so at each dose
            units = units + " " + mine["dose_gy"].astype(str)
        abnormal = (mine["mitosis_class"] == "abnormal").to_numpy(int)
        found[tuple(key)] = marginal(abnormal, mine["dose_gy"].to_numpy(float), units.to_numpy(str))
    return found


def _gee_table(found: dict[tuple[Any, ...], Marginal], notes: list[str]) -> pd.DataFrame:
    rows = []
    for key, one in found.items():
        place = dict(zip(SERIES, key, strict=True))
        if one.odds_ratio_per_gy is None:
            notes.append(f"{' '.join(map(str, key))}: no GEE: {one.reason}.")
            continue
        told: list[tuple[str, float, Any]] = [("odds ratio per gray", np.nan, one.odds_ratio_per_gy)]
        told += [("risk difference", d, e) for d, e in (one.differences or {}).items()]
        told += [("risk ratio", d, e) for d, e in (one.ratios or {}).items()]
        for quantity, dose, e in told:
            rows.append(place | {"quantity": quantity, "dose_gy": dose, "estimate": e.value, "low": e.low,
                                 "high": e.high, "p": e.p, "df": e.df, "n_units": e.n,
                                 "correlation_in_unit": one.correlation, "method": e.method})  # fmt: skip
    return pd.DataFrame(rows, columns=[*SERIES, "quantity", "dose_gy", "estimate", "low", "high", "p", "df",
                                       "n_units", "correlation_in_unit", "method"])  # fmt: skip


def _record(
    rows: Tables, options: Options, context: Context, classifiers: dict[str, Classifier], unit: str,
    calibrated: dict[tuple[str, str], dna.Calibration], notes: list[str],
) -> dict[str, Any]:  # fmt: skip
    m = rows.movies
    wells = m.groupby([*SERIES, "dose_gy"], dropna=False)
    per_dose = wells.agg(
        n_experiments=("experiment_date", "nunique"), n_positions=("movie", "size"),
        **{c: (c, "sum") for c in COUNTED},
    )  # fmt: skip
    per_dose["n_wells"] = m.drop_duplicates(list(WELL_ROW)).groupby([*SERIES, "dose_gy"], dropna=False).size()
    return {
        "format": "dose-analysis",
        "format_version": 1,
        "versions": {"lineage": __version__, **{name: version(name) for name in PACKAGES}},
        "options": asdict(options),
        "unit": unit,
        "primary": f"trend over dose of {PRIMARY}",
        "context": asdict(context),
        "reproductive_survival": clones.NOT_CLONOGENIC.format(k=context.divisions, hours=context.follow_up_h),
        "classifiers": {
            line: asdict(c)
            | {"sensitivity": c.sensitivity, "specificity": c.specificity, "corrects": c.usable}
            for line, c in classifiers.items()
        },
        "dna_calibration": {" ".join(k): asdict(v) for k, v in calibrated.items()},
        "n": per_dose.reset_index().to_dict("records"),
        "notes": notes,
    }
