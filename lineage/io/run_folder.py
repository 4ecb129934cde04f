"""Every path of a run folder, its record `run.json`, and what in it is done and what is not."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage.io.files import atomic_write, content_sha256, part_of, peak_memory_mb, remove
from lineage.io.integrity import (
    FORMAT,
    FORMAT_VERSION,
    RECORD,
    Damaged,
    dumps,
    is_as_written,
    read_record,
    sum_of,
)
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


CORRECTIONS = "corrections.jsonl"
KEPT = (
    "stages",
    "warnings",
    "notes",
    "discarded",
    "not_applied",
    "corrections",
    "devices",
)  # from start to start


@dataclass(eq=False)
class RunFolder:
    """The folder of one run. Only this class writes `run.json`."""

    root: Path
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        root = self.root
        self.json = root / RECORD
        self.labels = root / "labels.zarr"
        self.detections = root / "detections.csv"
        self.tracklets = root / "tracklets.csv"
        self.events = root / "events.csv"
        self.lineages = root / "lineages.csv"
        self.given_spots = root / "given_spots.csv"  # only where tracks of another program were given
        self.signals = root / "signals.csv"  # this and the next only where further channels are measured
        self.cell_signals = root / "cell_signals.csv"
        self.graphml = root / "lineage.graphml"
        self.geff = root / "lineage.geff"
        self.crops = root / "crops"
        self.report = root / "report.html"
        self.corrections = root / CORRECTIONS  # a person's; never written over
        # What one stage hands to the next; a run without it starts anew.
        self.stages = root / "stages"
        self.quality = self.stages / "quality.csv"
        self.scale = self.stages / "scale.json"
        self.journal = self.stages / "nuclei"
        self.nuclei = self.stages / "nuclei.npz"
        self.light = self.stages / "light.json"
        self.tracked = {
            "nuclei": self.stages / "tracked_nuclei.npz",
            "edges": self.stages / "tracked_edges.csv",
            "cells": self.stages / "tracked_cells.csv",
        }
        self.proposed = self.stages / "proposed_events.csv"
        self.crop_windows = self.stages / "crop_windows.csv"
        self.predictions = self.stages / "predictions.csv"

    @classmethod
    def open(
        cls, root: Path, *, video: Path, overwrite: bool, files: tuple[Path, ...] = (), position: str = ""
    ) -> RunFolder:
        """The folder, with the record of the run that lies in it; nothing is written yet.

        Args:
            root: the folder; it need not be there.
            video: the movie.
            overwrite: throw away an earlier run, also of another movie, but for a person's corrections.
            files: those of the movie that are read; all of it if empty.
            position: which of several in it.

        Raises:
            InputError: it is a file, holds something that is no run, the run of another movie, a person's
                corrections of one, or a link that leads out of it.
        """
        if root.exists() and not root.is_dir():
            raise InputError(f"{root} is a file; give a folder with --out")
        folder = cls(root)
        # A start that was killed before its first record was whole leaves no more than a part of it.
        no_run = {part_of(folder.json).name, CORRECTIONS}
        if not root.exists() or not {p.name for p in root.iterdir()} - no_run:
            return folder
        _check_links(root)
        record: dict[str, Any] = {}
        try:
            record = read_record(root)
        except Damaged as error:
            if not overwrite:
                raise InputError(f"{error}, or another folder with --out") from error
        except InputError as error:
            raise InputError(
                f"{root} holds something that is no run of ours; give another folder with --out"
            ) from error
        theirs = record.get("video", {}).get("path", "")
        their_position = record.get("video", {}).get("position", "")
        moved = record and theirs != str(video.resolve())
        is_other = bool(record) and position != their_position
        if moved and record.get("input", {}).get("sha256") != content_sha256(*(files or (video,))):
            is_other = True
        where = f" at position {their_position}" if their_position else ""
        if overwrite:
            if is_other and folder.corrections.exists():
                raise InputError(
                    f"{root} holds corrections of {theirs}{where}, and this is another movie: move "
                    f"{CORRECTIONS} away, or give another folder with --out"
                )
            # The record goes last: killed half way, the folder is still known as a run.
            for path in sorted(root.iterdir(), key=lambda p: p == folder.json):
                if path != folder.corrections:
                    remove(path)
            if not folder.corrections.exists():
                root.rmdir()
            return folder
        if is_other:
            raise InputError(
                f"{root} holds the run of {theirs}{where}; give another folder with --out, or say --overwrite"
            )
        if record.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"{root} was written by another version; give another folder, or say --overwrite"
            )
        folder.record = record
        return folder

    def start(self, record: dict[str, Any]) -> None:
        """Write what is known before the first stage; what finished stages left is kept."""
        kept = {k: self.record[k] for k in KEPT if k in self.record}
        empty: dict[str, Any] = {"stages": {}, "warnings": {}}
        self.record = {"format": FORMAT, "format_version": FORMAT_VERSION} | record | empty | kept
        self.save()
        self.stages.mkdir(exist_ok=True)

    def save(self) -> None:
        """Write run.json whole."""
        with atomic_write(self.json) as part:
            part.write_text(dumps(self.record), encoding="utf-8")

    def key(self, stage: str, *, settings: Any, after: tuple[str, ...]) -> str:
        """What a stage's result depends on, in one word: its settings, and the stages before it.

        Args:
            stage: its name.
            settings: what its result depends on beside other stages.
            after: the stages before it.
        """
        before = [self.record["stages"][name]["key"] for name in after]
        text = json.dumps([stage, settings, before], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def is_done(self, stage: str, key: str, *files: Path) -> bool:
        """Whether the stage's results are there and still hold.

        Args:
            stage: its name.
            key: what its result depends on.
            files: what it writes; another version may have written others.
        """
        done = self.record["stages"].get(stage, {})
        return (
            done.get("key") == key
            and self._names(files) <= set(done.get("files", ()))
            and not self.changed(stage)
        )

    def _names(self, files: Iterable[Path]) -> set[str]:
        return {f.relative_to(self.root).as_posix() for f in files}

    def changed(self, stage: str) -> list[str]:
        """A stage's files that are gone, or not as it wrote them."""
        done = self.record["stages"].get(stage, {})
        sums = done.get("sums", {})  # runs of earlier versions have none
        return [
            name
            for name in done.get("files", ())
            if _leads_out(name)
            or not (
                is_as_written(self.root / name, sums[name]) if name in sums else (self.root / name).exists()
            )
        ]

    @contextmanager
    def record_stage(self, stage: str, key: str, *files: Path) -> Iterator[list[str]]:
        """Record a stage as done once the block ends well.

        Args:
            stage: its name.
            key: what its result depends on.
            files: what it writes.

        Yields:
            A list for its warnings.
        """
        self.record["stages"].pop(stage, None)
        self.record["warnings"].pop(stage, None)
        self._check_is_there()
        self.save()
        warnings: list[str] = []
        start = time.monotonic()
        try:
            yield warnings
        finally:
            self._check_is_there()
        self.record["stages"][stage] = {
            "key": key,
            "files": [f.relative_to(self.root).as_posix() for f in files],
            "sums": {f.relative_to(self.root).as_posix(): sum_of(f) for f in files},
            "seconds": round(time.monotonic() - start, 2),
            "peak_memory_mb": peak_memory_mb(),
        }
        if warnings:
            self.record["warnings"][stage] = warnings
        self.save()

    def _check_is_there(self) -> None:
        """Raise InputError if somebody deleted or moved the folder while it is written.

        What was written since lies in a new folder of that name, so that a record is left in it: of no stage.
        """
        if self.json.exists():
            return
        self.record["stages"] = {}
        self.save()
        raise InputError(
            f"{self.root} was deleted or moved while it was written, or its disk was taken away: "
            "give the same command again, which begins anew"
        )

    @property
    def warnings(self) -> list[str]:
        """Every stage's, in order."""
        return [w for stage in self.record["warnings"].values() for w in stage]


def _leads_out(name: str) -> bool:
    """Whether the name of a stage's file leads out of the run folder: no run of ours wrote it."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def _check_links(root: Path) -> None:
    """Raise InputError for a link that leads out of a run folder: what is written there would lie elsewhere.

    A folder that somebody else made may hold any.
    """
    inside, folders = root.resolve(), [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if not entry.is_symlink():
                    if entry.is_dir():
                        folders.append(path)
                elif not path.resolve().is_relative_to(inside):
                    raise InputError(
                        f"{path} is a link to {path.resolve()}, outside the run folder, and a run writes "
                        "into its folder only: put a copy in its place, or give another folder with --out"
                    )
