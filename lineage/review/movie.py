"""One run that is looked at: what it found, what was said of it, what is seen; each read once."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.corrections import journal
from lineage.io import labels
from lineage.io.integrity import check, read_record
from lineage.io.run_folder import RunFolder
from lineage.nuclei.outlines import by_frame, edited
from lineage.review import tables as tables_of
from lineage.review.frames import Frames
from lineage.review.worklist import worklist
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.corrections.journal import Journal
    from lineage.corrections.lines import OfOutlines
    from lineage.review.frames import Kept
    from lineage.review.tables import Tables


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
        self._said: tuple[Any, Journal, str] = (None, journal.Journal(), "")
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
        if self._said[0] != now:
            found = journal.read(self.journal_path)
            self._said = (now, found, found.digest)
        return self._said[1]

    @property
    def digest(self) -> str:
        """Of the corrections that stand now."""
        _ = self.journal
        return self._said[2]

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
        now = (tables.revision, len(lines.lines), self.digest)
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
        lines = by_frame(self.journal.standing, usable=tables.usable).get(t, [])
        key = (self.number, "outlines", t, tables.revision, journal.digest(lines))
        return self._kept.get(key, lambda: self._made_outlines(t, tables, lines))

    def _made_outlines(self, t: int, tables: Tables, lines: list[OfOutlines]) -> bytes:
        from lineage.outlines import outlines

        image = np.asarray(labels.open_array(self.folder.labels, labels.RAW)[t])
        found, polygons = outlines(edited(image, lines)[0] if lines else image)
        rows = tables.nuclei.in_frame(t)
        cell_of = dict(
            zip(tables.nuclei.label[rows].tolist(), tables.nuclei.cell[rows].tolist(), strict=True)
        )
        cells = [cell_of.get(label, tables_of.NO_CELL) for label in found]
        return json.dumps(
            {"labels": found, "cells": cells, "polygons": polygons}, separators=(",", ":")
        ).encode()
