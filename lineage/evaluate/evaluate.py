"""Runs and truths -> scores, a page, a JSON file, and a table on the screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lineage.evaluate import mosaic, results
from lineage.evaluate.corrected import automatic, corrected_runs
from lineage.evaluate.inputs import read_events, read_run, read_truth
from lineage.evaluate.match import match
from lineage.evaluate.page import write_page
from lineage.evaluate.results import FORMAT, FORMAT_VERSION, as_json, mistake_records, scores_record
from lineage.evaluate.score import Scores, by_dose, pairs_of, pooled, score
from lineage.io.files import atomic_write, write_table
from lineage.io.integrity import check, read_record
from lineage.io.run_folder import RunFolder
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lineage.progress import Screen

PAGE, CORRECTED_PAGE = "evaluation.html", "evaluation_corrected.html"
MOSAIC_TABLE = "mosaic_score.csv"


def evaluate(run: Path, truth: Path, *, out: Path | None, overwrite: bool, screen: Screen) -> Scores:
    """Score one run, or a folder of them.

    Args:
        run: a run folder, or a folder of several *.lineage.
        truth: its truth, or a folder of several *.truth of the same names; or corrected runs.
        out: the page; its JSON lies beside it. RUN/evaluation.html if None, replaced if it is there.
        overwrite: replace what `out` names.
        screen: where progress and the table go.

    Returns:
        The scores of all movies together.

    Raises:
        InputError: something is missing, unfinished, or not of the same movie.
    """
    page = output_path(run / PAGE, out, overwrite=overwrite)
    return _evaluate(pairs_of(run, truth), page, truth_name=truth.resolve().name, screen=screen)


def evaluate_corrected(run: Path, *, out: Path | None, overwrite: bool, screen: Screen) -> Scores:
    """Score what the software finds by itself in a corrected run, or a folder of them, against the corrected.

    Args:
        run: a run folder, or a folder of several *.lineage; they stay as they are.
        out: as in `evaluate`; RUN/evaluation_corrected.html if None.
        overwrite: replace what `out` names.
        screen: where progress and the table go.

    Returns:
        The scores of all movies together.

    Raises:
        InputError: there are no corrections, they are not in the results yet, or a movie is not there.
    """
    page = output_path(run / CORRECTED_PAGE, out, overwrite=overwrite)
    roots = corrected_runs(run)
    with automatic(roots, screen=screen) as copies:
        pairs = list(zip(copies, roots, strict=True))
        return _evaluate(pairs, page, truth_name=f"{run.resolve().name}, corrected", screen=screen)


def _evaluate(pairs: Sequence[tuple[Path, Path]], page: Path, *, truth_name: str, screen: Screen) -> Scores:
    """Score runs against truths, and write page and JSON."""
    opened = [(read_run(a), read_truth(b)) for a, b in pairs]
    each = []
    for movie_run, movie_truth in opened:
        if len(opened) > 1:
            screen.log(movie_run.name)
        with screen.stage("compare") as progress:
            matches = match(movie_truth, movie_run.tracked, progress=progress)
        with screen.stage("measure"):
            each.append(score(movie_run, movie_truth, matches))
    total = pooled(each)
    doses = by_dose(each)
    with screen.stage("page"):
        write_page(
            page,
            total,
            doses=doses,
            movies=each,
            runs=[movie_run for movie_run, _ in opened],
            truth_name=truth_name,
        )
    write_json(
        page.with_suffix(".json"),
        scores_record(total)
        | {"by_dose": [scores_record(s) | {"dose_gy": d} for d, s in doses.items()]}
        | {"by_movie": [scores_record(s) for s in each] if len(each) > 1 else []}
        | {"mistakes": mistake_records(total)},
    )
    for line in results.lines(total):
        screen.log(line)
    screen.log(f"report: {page}", "bold")
    screen.log(results.last_line(total))
    return total


def evaluate_mosaic(
    run: Path, table: Path, *, out: Path | None, overwrite: bool, screen: Screen
) -> dict[str, Any]:
    """Score a run on a mosaic of real mitoses.

    Args:
        run: a run folder.
        table: MOSAIC.csv.
        out: the table of what each clip was called, *.csv; its JSON lies beside it. RUN/mosaic_score.csv if
            None, replaced if it is there.
        overwrite: replace what `out` names.
        screen: where the figures go.

    Returns:
        The figures, of `mosaic.count`.

    Raises:
        InputError: something is missing, or not what it should be.
    """
    check(run, read_record(run), RunFolder(run).events)
    scores = output_path(run / MOSAIC_TABLE, out, overwrite=overwrite)
    events = read_events(RunFolder(run).events)
    scored = mosaic.score(events, mosaic.read_mosaic(table))
    counted = mosaic.count(scored, events)
    write_table(scored, scores)
    write_json(scores.with_suffix(".json"), as_json({"mosaic": table.name} | counted))
    for line in results.mosaic_lines(counted):
        screen.log(line)
    screen.log(f"each clip: {scores}")
    screen.log(results.mosaic_last_line(counted))
    return counted


def output_path(usual: Path, out: Path | None, *, overwrite: bool) -> Path:
    """Where the result is written.

    Args:
        usual: where it goes if `out` is None; a file from before is replaced.
        out: what the user chose.
        overwrite: replace a file that `out` names, or the JSON beside it.

    Returns:
        One of the two.

    Raises:
        InputError: `out` has another suffix than `usual`, or is there already.
    """
    if out is None:
        return usual
    if out.suffix != usual.suffix:
        raise InputError(f"{out} does not end in {usual.suffix}; give a name that does")
    if not overwrite and (taken := [p for p in (out, out.with_suffix(".json")) if p.exists()]):
        raise InputError(f"{taken[0]} is there already; choose another name, or say --overwrite")
    return out


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write one of this command's JSON files. The write is atomic."""
    with atomic_write(path) as part:
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        part.write_text(json.dumps(head | values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
