"""A run folder, or a folder of them -> the movies that can be looked at, by number."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.corrections import journal
from lineage.corrections.lines import OfOutlines
from lineage.io import labels
from lineage.io.integrity import RECORD, check, read_record
from lineage.io.run_folder import RunFolder
from lineage.mitosis.counts import mitoses_of
from lineage.review import tables as tables_of
from lineage.review.frames import Frames, Kept
from lineage.review.worklist import worklist
from lineage.schema import Decision, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lineage.corrections.journal import Journal
    from lineage.corrections.lines import Line
    from lineage.review.tables import Tables

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


class Movie:
    """One run that is looked at; asked from several threads.

    Args:
        number: by which the page names it.
        root: the run folder.
        name: by which people know it.
        kept: where frames and outlines are kept once they are made.
    """

    def __init__(self, number: int, root: Path, name: str, kept: Kept) -> None:
        self.number, self.root, self.name, self.folder = number, root, name, RunFolder(root)
        self.journal_path = root / journal.NAME
        self.is_written = False  # by our own worker: its tables are half old and half new
        self._kept, self._lock, self._opening = kept, Lock(), Lock()
        self._frames: Frames | None = None
        self._tables: Tables | None = None
        self._journal: tuple[Any, Journal] = (None, journal.Journal())
        self._worklist: tuple[Any, dict[str, Any]] = (None, {})

    # --- What was said

    @property
    def journal(self) -> Journal:
        """All corrections as the file has them now: other people's, too."""
        try:
            stat = self.journal_path.stat()
            now = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            now = None
        if self._journal[0] != now:
            self._journal = (now, journal.read(self.journal_path))
        return self._journal[1]

    @property
    def digest(self) -> str:
        """Of the corrections that stand."""
        return self.journal.digest

    # --- What was found

    @property
    def tables(self) -> Tables:
        """Of the run; while it is redone, as they were before.

        Raises:
            InputError: it is not finished, or not as it was written.
        """
        with self._lock:
            known = self._tables
            if known is None or (not self.is_written and not self._is_current(known)):
                known = self._tables = self._read()
            return known

    def _read(self) -> Tables:
        try:
            return tables_of.read(self.root)
        except InputError as error:
            if self.is_written:
                raise InputError(f"{self.name} is being redone; it is here in a moment") from error
            raise

    def _is_current(self, known: Tables) -> bool:
        """Whether tables are as they were read, or no others are whole yet."""
        record = read_record(self.root)
        if not {"reject", "tree"} & set(known.record["stages"]) <= set(record["stages"]):
            return True  # another process redoes them
        run = self.folder
        check(self.root, record, run.events, run.tracklets, run.detections)
        return tables_of.revision(record) == known.revision

    def forget(self) -> None:
        """Free the tables' memory."""
        with self._lock:
            self._tables, self._worklist = None, (None, {})

    @property
    def is_loaded(self) -> bool:
        """Whether the tables are in memory."""
        return self._tables is not None

    @property
    def worklist(self) -> dict[str, Any]:
        """What is worth a look, see `lineage.review.worklist`."""
        tables, lines = self.tables, self.journal
        now = (tables.revision, lines.digest)
        if self._worklist[0] != now:
            self._worklist = (now, worklist(tables, tables.usable, lines.standing))
        return self._worklist[1]

    # --- What is seen

    @property
    def frames(self) -> Frames:
        """The movie, opened once.

        Raises:
            InputError: there is none to show.
        """
        from lineage.run import reopen

        record = self.tables.record
        with self._opening:
            if self._frames is None:
                video, _ = reopen(self.root, record)
                if not video.intensities:
                    raise InputError("there are masks alone, and no frames to show")
                self._frames = Frames(video, self._kept, self.number)
            return self._frames

    def outlines(self, t: int) -> bytes:
        """The outlines of a frame as they are corrected, as JSON: `labels`, `cells`, `polygons`.

        Args:
            t: frame.
        """
        tables = self.tables
        lines = about_outlines(self.journal.standing, t)
        key = (self.number, "outlines", t, tables.revision, journal.digest(lines))
        return self._kept.get(key, lambda: self._made_outlines(t, tables, lines))

    def _made_outlines(self, t: int, tables: Tables, lines: list[OfOutlines]) -> bytes:
        from lineage.review.outlines import outlines

        image = corrected(np.asarray(labels.open_array(self.folder.labels, labels.RAW)[t]), lines)
        found, polygons = outlines(image)
        rows = tables.nuclei.in_frame(t)
        cell_of = dict(
            zip(tables.nuclei.label[rows].tolist(), tables.nuclei.cell[rows].tolist(), strict=True)
        )
        cells = [cell_of.get(label, tables_of.NO_CELL) for label in found]
        return json.dumps(
            {"labels": found, "cells": cells, "polygons": polygons}, separators=(",", ":")
        ).encode()


def about_outlines(lines: Sequence[Line], t: int) -> list[OfOutlines]:
    """What was said of the outlines of a frame, in order."""
    if not any(isinstance(line, OfOutlines) for line in lines):
        return []
    try:
        from lineage.nuclei.outlines import by_frame
    except ImportError:
        return []
    return list(by_frame(lines).get(t, ()))


def corrected(image: np.ndarray, lines: list[OfOutlines]) -> np.ndarray:
    """A frame's labels after what was said of its outlines.

    Args:
        image: (Y, X) labels.
        lines: of `about_outlines`.
    """
    if not lines:
        return image
    from lineage.nuclei.outlines import edited

    return edited(image, lines)[0]


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
    paths = (movie.folder.json, movie.folder.tracklets, movie.folder.events, movie.folder.detections)
    stats = [p.stat() if p.exists() else None for p in (*paths, movie.journal_path)]
    return tuple((s.st_mtime_ns, s.st_size) if s else None for s in stats)


def _counted(movie: Movie) -> Row:
    try:
        tables, left = movie.tables, movie.worklist
    except (InputError, OSError) as error:
        return Row(movie.number, movie.name, error=str(error))
    mitoses = mitoses_of(tables.events)
    return Row(
        movie.number,
        movie.name,
        dose_gy=tables.record.get("dose_gy"),
        n_frames=int(tables.record["video"]["n_frames"]),
        n_cells=len(tables.cells),
        n_mitoses=int((mitoses["verdict"] != Decision.NOT_A_MITOSIS).sum()),
        n_corrections=len(movie.journal.standing),
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
