"""Plate map -> a table of movies, one a row, all of it checked before anything runs."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import config as settings
from lineage.command import default_out
from lineage.schema import InputError
from pipelines.columns import (
    CONFIG,
    COPY,
    NO_TREATMENT,
    NUMBERS,
    PATHS,
    PLATE_COLUMNS,
    REQUIRED,
    RUN_FOLDER,
    iso_date,
    number_of,
    setting_of,
)
from pipelines.filenames import is_movie, read_name
from pipelines.mistakes import conflicts, empty_everywhere, wrong_cells, wrong_columns
from pipelines.sheet import Row, read_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from lineage.config import Config


@dataclass(frozen=True)
class Movie:
    """One movie to run."""

    path: Path
    run_folder: str
    config: Config
    n_frames: int
    shape: tuple[int, int]
    position: str = ""  # its name, where the path holds several


@dataclass(frozen=True, eq=False)
class PlateMap:
    """A checked plate map: its table, and its movies in the same order."""

    table: pd.DataFrame
    movies: tuple[Movie, ...]


def read(path: Path) -> pd.DataFrame:
    """Read the table of a plate map; see `check`."""
    return check(path).table


def check(path: Path) -> PlateMap:
    """Read a plate map, and check all of it.

    Args:
        path: CSV or TOML. Paths in it are relative to it; `movie` may be a glob, and then cells left empty
            are filled from the file names. `labels` may hold `{stem}`, the movie's name without suffix, and
            `{position}`, the setting `video.position`.

    Returns:
        A row a movie: `movie` (absolute), `run_folder`, the other columns of REQUIRED, then those of OPTIONAL
        that are given, then settings of `lineage.run` by their dotted names, as text, empty where not given.
        Numbers are floats, NaN where not given; all else is text.

    Raises:
        InputError: lists all mistakes, with their rows.
    """
    sheet, folder = read_sheet(path), path.resolve().parent
    mistakes = [*sheet.mistakes, *wrong_columns(sheet.columns)]
    settings_of = {c: s for c in sheet.columns if (s := setting_of(c)) and s != "dose_gy"}
    if not sheet.rows:
        mistakes.append("no row: wanted one a movie")
    rows: list[Row] = []
    for row in sheet.rows:
        try:
            rows += _expand(_renamed(row, settings_of), folder)
        except InputError as error:
            mistakes.append(f"{row.where}: {error}")
    rows = [Row(row.where, row.cells | _uniform(row.cells) | _absolute(row.cells, folder)) for row in rows]
    if empty := empty_everywhere(rows):
        mistakes.append(f"header: {', '.join(empty)} missing, or empty in every row")
    required = [c for c in REQUIRED if c not in empty]
    movies: list[Movie] = []
    first_with: dict[tuple[Path, str], str] = {}
    for row in rows:
        movie, wrong = _open_movie(row.cells)
        if movie:
            movies.append(movie)
            # A name, a number and a well may stand for one position.
            before = first_with.setdefault((movie.path, movie.position), row.where)
            if movie.position and before != row.where:
                wrong.append(f"position {movie.position} of {movie.path.name} is that of {before}")
            masks = (movie.path, str(movie.config.labels))
            before = first_with.setdefault(masks, row.where) if movie.config.labels else row.where
            if movie.position and before != row.where:
                wrong.append(f"the masks are those of {before}, which is another position; use {{position}}")
        in_cells = wrong_cells(row.cells, required=required)
        mistakes += [f"{row.where}: {text}" for text in (*in_cells, *wrong)]
    mistakes += conflicts(rows)
    if mistakes:
        head = f"{path.name} has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}; nothing was run:"
        raise InputError("\n  ".join([head, *dict.fromkeys(mistakes)]))
    return PlateMap(_table(rows, settings_of.values()), tuple(movies))


def read_copy(folder: Path) -> pd.DataFrame:
    """Read the checked map in a folder of runs; the movies themselves need not exist any more.

    Returns:
        The table, as of `read`, but with paths under `run_folder`.

    Raises:
        InputError: no such map, one that was never checked, or one that was changed and has mistakes.
    """
    path = folder / COPY
    if not path.is_file():
        raise InputError(
            f"{path} is not there; give the folder that `python -m pipelines.plate run --out` wrote, "
            "or your own plate map with --plate"
        )
    sheet = read_sheet(path)
    if missing := [c for c in (*REQUIRED, RUN_FOLDER) if c not in sheet.columns]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; it is no copy of a checked plate map: "
            "give your own with --plate"
        )
    rows = sheet.rows
    mistakes = [*sheet.mistakes, *([] if rows else ["no row: wanted one a movie"])]
    mistakes += [f"{row.where}: {text}" for row in rows for text in wrong_cells(row.cells)]
    mistakes += conflicts(rows)
    if mistakes:
        raise InputError("\n  ".join([f"{path} was changed, and has mistakes:", *dict.fromkeys(mistakes)]))
    table = _table(rows, [c for c in sheet.columns if c not in PLATE_COLUMNS])
    return table.assign(run_folder=[str(folder / name) for name in table[RUN_FOLDER]])


def stem_of(movie: Path) -> str:
    """A movie's name without its suffixes.

    >>> stem_of(Path("U251.2.5Gy.ome.tif"))
    'U251.2.5Gy'
    """
    return default_out(movie).name.removesuffix(".lineage")


def _renamed(row: Row, settings_of: Mapping[str, str]) -> Row:
    return Row(row.where, {settings_of.get(c, c): value for c, value in row.cells.items()})


def _expand(row: Row, folder: Path) -> list[Row]:
    """One row for each movie that the row's glob matches, with absolute paths."""
    pattern = row.cells.get("movie", "")
    if not pattern:
        return [row]
    # An existing name is no pattern, even if it holds brackets.
    if (folder / pattern).exists() or not glob.has_magic(pattern):
        return [Row(row.where, row.cells | {"movie": str((folder / pattern).absolute())})]
    found = sorted(map(Path, glob.glob(str(folder / pattern), recursive=True)))
    found = [p.absolute() for p in found if is_movie(p)]
    if not found:
        raise InputError(f"no movie is called {pattern}, looked for in {folder}")
    rows = []
    for path in found:
        name = read_name(path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name))
        rows.append(Row(row.where, name.known | row.cells | {"movie": str(path)}))
    return rows


def _uniform(cells: Mapping[str, str]) -> dict[str, str]:
    """Cells that may be written in several ways, in one of them; and defaults for empty cells."""
    uniform = {"treatment": cells.get("treatment", NO_TREATMENT)}
    if "movie" in cells:
        chosen = [cells[c] for c in ("video.well", "video.position") if c in cells]
        uniform[RUN_FOLDER] = (
            cells.get(RUN_FOLDER) or default_out(Path(cells["movie"]), "_".join(chosen)).name
        )
    if well := re.fullmatch(r"([A-Pa-p])0*(\d{1,2})", cells.get("well", "")):
        uniform["well"] = f"{well[1].upper()}{int(well[2]):02d}"
    if "control" in cells:
        words = re.split(r"[\s,;+]+", cells["control"].lower().replace("dye free", "dye-free"))
        uniform["control"] = " ".join(sorted(set(words), reverse=True))
    if written := iso_date(cells.get("experiment_date", "")):
        uniform["experiment_date"] = written
    return uniform


def _open_movie(cells: Mapping[str, str]) -> tuple[Movie | None, list[str]]:
    """The movie with its settings; None, and what is wrong, if it cannot be run."""
    from lineage.nuclei.masks import open_masks
    from lineage.stardist import model
    from lineage.video import open_video

    given = _settings(cells)
    toml = Path(given.pop(CONFIG)) if CONFIG in given else None
    # Each setting by itself, so that one mistake does not hide the next.
    mistakes = _errors(partial(settings.read, toml, {}))
    for name, value in given.items():
        mistakes += _errors(partial(settings.read, None, {name: value}))
    if "movie" not in cells or mistakes:
        return None, mistakes
    config = settings.read(toml, given)
    for needed in (config.labels, config.classify.model):
        if needed and not needed.exists():
            mistakes.append(f"{needed} is not there: check the name")
    path, opened = Path(cells["movie"]), []

    def open_all() -> None:
        video = open_video(path, **config.video.model_dump())
        opened.append(Movie(path, cells[RUN_FOLDER], config, video.n_frames, video.shape, video.position))
        if config.labels and not mistakes:
            open_masks(config.labels, n_frames=video.n_frames, shape=video.shape)
        elif not config.labels:
            model.find(config.segment.model)

    mistakes += _errors(open_all)
    return (None, mistakes) if mistakes else (opened[0], [])


def _errors(do: Callable[[], object]) -> list[str]:
    """The message of the error that a call raises on bad input; none if it raises none."""
    try:
        do()
    except (InputError, OSError) as error:
        return [str(error)]
    return []


def _settings(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells that are settings of `lineage.run`; a dose that is no number is left to `wrong_cells`."""
    given = {
        name: value for name, value in cells.items() if "." in name or name in (*PATHS, "dose_gy", "device")
    }
    if number_of(given.get("dose_gy", "0")) is None:
        del given["dose_gy"]
    return given


def _absolute(cells: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The cells that name files and folders, as absolute paths."""
    names = {
        "{stem}": stem_of(Path(cells["movie"])) if "movie" in cells else "",
        "{position}": cells.get("video.position", ""),
    }
    given = {n: cells[n] for n in PATHS if n in cells}
    for mark, name in names.items():
        given = {n: path.replace(mark, name) for n, path in given.items()}
    given = {n: str((folder / path).absolute()) for n, path in given.items()}
    # A model may be a folder or a name.
    if "segment.model" in cells and (model := folder / cells["segment.model"]).is_dir():
        given["segment.model"] = str(model.absolute())
    return given


def _table(rows: Sequence[Row], settings_columns: Iterable[str]) -> pd.DataFrame:
    import pandas as pd

    given = {c for row in rows for c in row.cells}
    further = [c for c in dict.fromkeys(settings_columns) if c not in PLATE_COLUMNS]
    columns = [c for c in PLATE_COLUMNS if c in given] + further
    table = pd.DataFrame([{c: row.cells.get(c, "") for c in columns} for row in rows], columns=columns)
    return table.assign(**{c: pd.to_numeric(table[c]).astype(float) for c in NUMBERS if c in table})
