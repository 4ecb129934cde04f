"""Every path of a run folder, its record `run.json`, and what in it is done and what is not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lineage.io.integrity import (
    FORMAT,
    FORMAT_VERSION,
    RECORD,
    RUN_AGAIN,
    Damaged,
    dumps,
    fingerprint,
    is_as_written,
    read_record,
    reading,
    sum_of,
)
from lineage.schema import InputError, check_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

__all__ = ["FORMAT", "FORMAT_VERSION", "RunFolder", "fingerprint", "read_record", "read_table", "write_table"]

BYTES_PER_PIXEL = 0.3  # of disk, a frame: both label arrays, compressed, crops and tables beside them
BYTES_AT_LEAST = 20_000_000


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
        self.graphml = root / "lineage.graphml"
        self.geff = root / "lineage.geff"
        self.crops = root / "crops"
        self.report = root / "report.html"
        self.corrections = root / "corrections.csv"  # a person's, put there by hand
        # What one stage hands to the next; a run without it starts anew.
        self.stages = root / "stages"
        self.quality = self.stages / "quality.csv"
        self.scale = self.stages / "scale.json"
        self.journal = self.stages / "nuclei"
        self.nuclei = self.stages / "nuclei.csv"
        self.tracked = {k: self.stages / f"tracked_{k}.csv" for k in ("detections", "edges", "cells")}
        self.proposed = self.stages / "events.csv"
        self.mended = {k: self.stages / f"{k}.csv" for k in ("edges", "cells")} | {
            "detections": self.detections
        }
        self.judged = self.stages / "judged_events.csv"
        self.squares = self.stages / "squares.csv"
        self.predictions = self.stages / "predictions.csv"

    @classmethod
    def open(
        cls, root: Path, *, video: Path, overwrite: bool, files: tuple[Path, ...] = (), position: str = ""
    ) -> RunFolder:
        """The folder, with the record of the run that lies in it; nothing is written yet.

        Args:
            root: the folder; it need not be there.
            video: the movie.
            overwrite: throw away an earlier run, also of another movie.
            files: those of the movie that are read; all of it if empty.
            position: which of several in it.

        Raises:
            InputError: it is a file, holds something that is no run, or the run of another movie.
        """
        if root.exists() and not root.is_dir():
            raise InputError(f"{root} is a file; give a folder with --out")
        folder = cls(root)
        # A start that was killed before its first record was whole leaves no more than a part of it.
        if not root.exists() or not {p.name for p in root.iterdir()} - {_part(folder.json).name}:
            return folder
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
        if overwrite:
            # The record goes last: killed half way, the folder is still known as a run.
            for path in sorted(root.iterdir(), key=lambda p: p == folder.json):
                _remove(path)
            root.rmdir()
            return folder
        theirs, their_position = record["video"]["path"], record["video"].get("position", "")
        moved = theirs != str(video.resolve())
        other = moved and record.get("input", {}).get("sha256") != content_sha256(*(files or (video,)))
        if other or position != their_position:
            where = f" at position {their_position}" if their_position else ""
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
        kept = {k: self.record[k] for k in ("stages", "warnings", "notes", "discarded") if k in self.record}
        empty: dict[str, Any] = {"stages": {}, "warnings": {}}
        self.record = {"format": FORMAT, "format_version": FORMAT_VERSION} | record | empty | kept
        self.save()
        self.stages.mkdir(exist_ok=True)

    def save(self) -> None:
        """Write run.json whole."""
        with whole(self.json) as part:
            part.write_text(dumps(self.record), encoding="utf-8")

    def key(self, stage: str, *, settings: Any, after: tuple[str, ...]) -> str:
        """What a stage's result depends on, in one word: its settings, and the stages before it."""
        before = [self.record["stages"][name]["key"] for name in after]
        told = json.dumps([stage, settings, before], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def is_done(self, stage: str, key: str) -> bool:
        """Whether the stage's results are there and still hold."""
        done = self.record["stages"].get(stage, {})
        return done.get("key") == key and not self.changed(stage)

    def changed(self, stage: str) -> list[str]:
        """A stage's files that are gone, or not as it wrote them."""
        done = self.record["stages"].get(stage, {})
        sums = done.get("sums", {})  # runs of earlier versions have none
        return [
            name
            for name in done.get("files", ())
            if not (
                is_as_written(self.root / name, sums[name]) if name in sums else (self.root / name).exists()
            )
        ]

    @contextmanager
    def doing(self, stage: str, key: str, *files: Path) -> Iterator[list[str]]:
        """Record a stage as done once the block ends well; the list is for its warnings."""
        self.record["stages"].pop(stage, None)
        self.record["warnings"].pop(stage, None)
        self.save()
        warnings: list[str] = []
        start = time.monotonic()
        yield warnings
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

    @property
    def warnings(self) -> list[str]:
        """Every stage's, in order."""
        return [w for stage in self.record["warnings"].values() for w in stage]


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path`, for a file or a folder; renamed to it, and replacing it, if all goes well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, old = _part(path), path.with_name(f".{path.name}.old")
    _remove(part)
    try:
        yield part
        if path.is_dir():  # a folder cannot be replaced in one step
            _remove(old)
            os.replace(path, old)
        os.replace(part, path)
    finally:
        _remove(part)
        _remove(old)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV whole; seven digits are more than any measurement here has."""
    with whole(path) as part:
        table.to_csv(part, index=False, float_format="%.7g", lineterminator="\n")


def read_table(path: Path, *, text: tuple[str, ...] = (), columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a CSV of `write_table`; an empty field of a `text` column is an empty string.

    Raises:
        InputError: it is not there, cannot be read, lacks one of `columns`, or holds what no such table may.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"there is no {path}: {RUN_AGAIN}")
    with reading(path, "delete it and start the run again, or copy it anew"):
        table = pd.read_csv(path, float_precision="round_trip", dtype=dict.fromkeys(text, str))
        table = table.fillna(dict.fromkeys(text, ""))
        check_values(table)
    if missing := [c for c in columns if c not in table]:
        raise InputError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}: "
            "run the movie again"
        )
    return table


def check_space(root: Path, *, n_frames: int, shape: tuple[int, int]) -> None:
    """Raise InputError if the disk cannot hold the run."""
    place = root
    while not place.exists():
        place = place.parent
    need = BYTES_AT_LEAST + int(BYTES_PER_PIXEL * n_frames * shape[0] * shape[1])
    free = shutil.disk_usage(place).free
    if free < need:
        raise InputError(
            f"the disk of {place} has {free / 1e6:.0f} MB free, this run may need {need / 1e6:.0f} MB; "
            "make room, or give another folder with --out"
        )


def content_sha256(*paths: Path) -> str:
    """SHA-256 of a file; of a folder, or of several files, that of their sums in order of name."""
    if len(paths) == 1 and paths[0].is_file():
        with paths[0].open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    files = sorted(f for p in paths for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file())
    sums = [content_sha256(f) for f in files]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def peak_memory_mb() -> int:
    """Of this process, since it started; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
