"""A folder of runs and a plate map -> a folder of tidy tables and a report: the steps in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.io.files import atomic_write, write_table
from lineage.schema import InputError
from pipelines.dose import corrections, left_out, movies, reviewed
from pipelines.dose.analyses import ANALYSES
from pipelines.dose.collect import collect, together
from pipelines.dose.prepare import prepare
from pipelines.dose.record import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from lineage.progress import Screen
    from pipelines.dose.collect import Tables
    from pipelines.dose.prepare import Options
    from pipelines.dose.reviewed import Review

RECORD = "analysis.json"


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
        screen: shows progress and warnings.
        overwrite: replace the tables of an earlier analysis.

    Raises:
        InputError: the plate map, the folder, a run or the reviewed sample cannot be used, no movie shows a
            cell, or `out` holds an analysis.
    """
    if (out / RECORD).exists() and not overwrite:
        raise InputError(f"{out} holds an analysis already; give another folder, or say --overwrite")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder with --out")
    plate = movies.read_map(folder, options.plate)
    found, missing = movies.find(folder, plate)
    for sentence in missing:
        screen.log(sentence, "yellow")
    corrections.check_held(found)
    review = reviewed.read(options.reviewed) if options.reviewed else None
    with screen.stage("read") as progress:
        rows, review = _read(found, review, progress)
    if not rows.movies["n_cells"].any():
        raise InputError(_no_nucleus(folder, found[0][0], rows.movies))
    with screen.stage("analyse") as progress:
        results = results_of(rows, options, progress, review)
    results.record["left_out"] = missing
    results.record["discarded"] = left_out.account(plate, found, folder, rows)
    results.record["run_versions"] = sorted({str(dict(movies.run_versions(root))) for root, _ in found})
    for sentence in results.record["notes"]:
        screen.log(sentence, "yellow")
    with screen.stage("write") as progress:
        more = write(results, out, {row["movie"]: root for root, row in found})
        progress(1, 1)
    for sentence in more:
        screen.log(sentence, "yellow")
    return results


def _read(
    found: Sequence[tuple[Path, Mapping[str, Any]]],
    review: Review | None,
    progress: Callable[[int, int], None],
) -> tuple[Tables, Review | None]:
    """The rows of all movies, with reviewed classes in place of verdicts; and the review with its events."""
    parts, tables = [], []
    for i, (root, row) in enumerate(found, 1):
        movie = movies.read(root, row)
        classes: dict[int, str] = {}
        if review:
            tables.append(table := reviewed.look_up(review, movie))
            classes = dict(zip(table["event_id"], table["reviewed"], strict=True))
        parts.append(collect(movie, classes))
        progress(i, len(found))
    return together(parts), reviewed.looked_up(review, tables) if review else None


def _no_nucleus(folder: Path, first: Path, table: pd.DataFrame) -> str:
    n, lost = int(table["n_frames"].sum()), int(table["n_unusable_frames"].sum())
    return (
        f"none of the {len(table)} movies of {folder} shows a nucleus that was followed ({lost} of {n} "
        "frames cannot be used); wanted cells to count. Look at the runs' reports, such as "
        f"{first.name}/report.html, correct what they name, and run the movies again"
    )


def results_of(
    rows: Tables,
    options: Options,
    progress: Callable[[int, int], None] = lambda done, total: None,
    review: Review | None = None,
) -> Results:
    """All analyses of the movies' rows.

    Args:
        rows: of all movies.
        options: of the analysis.
        progress: called with wells or positions measured and in all.
        review: what people said of a sample of the events.
    """
    plate, notes = prepare(rows, options, progress, review)
    tables: dict[str, pd.DataFrame] = {}
    for analysis in ANALYSES:
        found, more = analysis(plate)
        tables |= found
        notes += more
    return Results(tables, record_of(plate, notes))


def write(results: Results, out: Path, roots: Mapping[str, Path]) -> list[str]:
    """Every table as CSV, the report and its figures; the record last, so that it stands for all of them.

    Args:
        results: of `results_of`.
        out: folder.
        roots: movie -> its run folder.

    Returns:
        What the report lacks, in sentences; the record's notes have them, too.
    """
    from pipelines.report.page import write_report

    out.mkdir(parents=True, exist_ok=True)
    (out / RECORD).unlink(missing_ok=True)
    for name, table in results.tables.items():
        write_table(table, out / f"{name}.csv")
    lacking = write_report(out, results.tables, results.record, roots)
    record = results.record | {"notes": [*results.record["notes"], *lacking]}
    with atomic_write(out / RECORD) as part:
        part.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
    return lacking
