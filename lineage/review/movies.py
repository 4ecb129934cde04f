"""A run folder, or a folder of them -> the movies that can be looked at, by number, and how far each is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from lineage.io.integrity import RECORD, read_record
from lineage.mitosis.counts import mitoses_of
from lineage.review.frames import Kept
from lineage.review.movie import Movie
from lineage.schema import Decision, InputError

if TYPE_CHECKING:
    from pathlib import Path

RUN, RUNS = "run", "runs"
SUFFIX = ".lineage"
KEPT_MOVIES = 3  # whose tables stay in memory


def find(place: Path) -> tuple[str, list[Path]]:
    """What a path is: one run, or several.

    Args:
        place: a run folder, or a folder that holds run folders, directly or one folder deeper.

    Returns:
        RUN or RUNS, and the run folders.

    Raises:
        InputError: neither.
    """
    if (place / RECORD).is_file():
        return RUN, [place]
    if place.is_dir():
        found = sorted({f.parent for level in ("*", "*/*") for f in place.glob(f"{level}/{RECORD}")})
        if found:
            return RUNS, found
    raise InputError(
        f"{place} is no run folder and holds none; give what `python -m lineage.run VIDEO` wrote"
    )


def name_of(root: Path, place: Path) -> str:
    """What people call a run; of several, with the folder that it lies in.

    >>> from pathlib import Path
    >>> name_of(Path("plate/day1/A1.lineage"), Path("plate")), name_of(Path("A1.lineage"), Path("A1.lineage"))
    ('day1/A1', 'A1')
    """
    inner = root.resolve().name if root == place else root.relative_to(place).as_posix()
    return inner.removesuffix(SUFFIX)


@dataclass(frozen=True)
class Row:
    """A movie in the listing; None is what is not known yet, or cannot be."""

    m: int
    name: str
    dose_gy: float | None = None
    n_frames: int | None = None
    n_cells: int | None = None
    n_mitoses: int | None = None
    n_corrections: int | None = None
    n_todo: int | None = None
    n_done: int | None = None
    error: str | None = None


class Library:
    """All movies of a place.

    Args:
        place: see `find`.

    Raises:
        InputError: it holds no run.
    """

    def __init__(self, place: Path) -> None:
        self.mode, roots = find(place)
        kept = Kept()
        self.movies = [Movie(m, root, name_of(root, place), kept) for m, root in enumerate(roots)]
        self._lock = Lock()
        self._recent: OrderedDict[int, None] = OrderedDict()
        self._known: dict[int, tuple[Any, Row]] = {}
        self._counting: Thread | None = None

    def movie(self, number: int) -> Movie | None:
        """A movie by its number; None if there is no such. Tables of those asked for long ago are let go."""
        if not 0 <= number < len(self.movies):
            return None
        with self._lock:
            self._recent[number] = None
            self._recent.move_to_end(number)
            for old in list(self._recent)[:-KEPT_MOVIES]:
                del self._recent[old]
                self.movies[old].forget()
        return self.movies[number]

    def listing(self) -> list[Row]:
        """Every movie with what is known of it; what takes long is counted meanwhile, for the next time."""
        rows = [self._row(movie) for movie in self.movies]
        if any(row is None for row in rows) and not (self._counting and self._counting.is_alive()):
            self._counting = Thread(target=self._count, daemon=True)
            self._counting.start()
        if len(rows) == 1 and self._counting:
            self._counting.join()
            rows = [self._row(self.movies[0])]
        return [row or _unread(movie) for row, movie in zip(rows, self.movies, strict=True)]

    def _row(self, movie: Movie) -> Row | None:
        """What was counted, if it still holds."""
        known = self._known.get(movie.number)
        return known[1] if known and known[0] == _stamp(movie) else None

    def _count(self) -> None:
        for movie in self.movies:
            if self._row(movie) is None:
                stamp, was_loaded = _stamp(movie), movie.is_loaded
                self._known[movie.number] = (stamp, _counted(movie))
                if not was_loaded and movie.number not in self._recent:
                    movie.forget()


def _stamp(movie: Movie) -> tuple[Any, ...]:
    """Changes when what is counted may have."""
    run = movie.folder
    return tuple(map(_time, (run.json, run.tracklets, run.events, run.detections, movie.journal_path)))


def _time(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _counted(movie: Movie) -> Row:
    try:
        tables, left = movie.tables, movie.worklist
    except (InputError, OSError) as error:
        return Row(movie.number, movie.name, error=str(error))
    except Exception as error:  # of tables that hold what they may not: the other movies are counted
        words = f"its tables cannot be read ({type(error).__name__}: {error})"
        return Row(movie.number, movie.name, error=words)
    mitoses = mitoses_of(tables.events)
    return Row(
        movie.number,
        movie.name,
        dose_gy=tables.record.get("dose_gy"),
        n_frames=int(tables.record["video"]["n_frames"]),
        n_cells=len(tables.cells),
        n_mitoses=int((mitoses["verdict"] != Decision.NOT_A_MITOSIS).sum()),
        n_corrections=len(movie.journal.corrections),
        n_todo=left["n_left"],
        n_done=left["n_done"],
    )


def _unread(movie: Movie) -> Row:
    """What the record alone says."""
    try:
        record = read_record(movie.root)
    except (InputError, OSError) as error:
        return Row(movie.number, movie.name, error=str(error))
    n_frames = int(record["video"]["n_frames"])
    return Row(movie.number, movie.name, dose_gy=record.get("dose_gy"), n_frames=n_frames)
