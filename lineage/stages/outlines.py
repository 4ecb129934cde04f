"""Measured nuclei and what a person said of their outlines -> nuclei as corrected: the stage outlines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.corrections.journal import digest
from lineage.io import labels
from lineage.io.files import atomic_write, read_table, remove, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from lineage.corrections.lines import OfOutlines
    from lineage.io.labels import Frames
    from lineage.io.run_folder import RunFolder
    from lineage.schema import FrameQuality
    from lineage.stages.job import Job, Progress

    Frame = dict[str, Any]
    """Digest of its `lines`, those `not_applied`, a person's `labels`, how many were `added`, `removed`."""


@dataclass(frozen=True, eq=False)
class Outlined:
    """The nuclei that are tracked: as they were found, or as a person corrected their outlines."""

    nuclei: Path  # NUCLEUS_COLUMNS and what else was measured, before light is taken out
    stages: tuple[str, ...]  # those that wrote what tracking reads
    found: Path  # the Zarr group of the labels as they were found
    lines: Mapping[int, Sequence[OfOutlines]]  # of each frame that is corrected
    by_person: Mapping[int, Sequence[int]]  # frame -> labels of the outlines that a person made or changed

    def labels(self) -> Frames:
        """The label images in which `nuclei` were measured."""
        from lineage.nuclei.outlines import EditedLabels

        raw: Frames = labels.open_array(self.found, labels.RAW)
        return EditedLabels(raw, self.lines) if self.lines else raw


def outlines(job: Job, quality: FrameQuality) -> Outlined:
    """Correct outlines as a person said, and measure what is new.

    The light is read from nuclei as they were found, so that a correction changes nothing in other frames.

    Args:
        job: after the stages segment and light.
        quality: of the frames; those that are not usable have no outlines.
    """
    from lineage.nuclei.outlines import by_frame

    folder, lines = job.folder, job.journal.standing
    files = folder.stages / "corrected_nuclei.npz", folder.stages / "corrected_frames.json"
    said = by_frame(lines, usable=quality.usable)
    out_of_reach = [(x.id, _no_outlines(t, quality)) for t, some in by_frame(lines).items()
                    if t not in said for x in some]  # fmt: skip
    if not said:
        _forget(folder, *files)
        job.note_not_applied("outlines", _joined(out_of_reach))
        return Outlined(folder.nuclei, ("light",), folder.labels, {}, {})
    digests = {t: digest(some) for t, some in said.items()}
    # A correction of one frame leaves the others as the last run measured them.
    done = {t: f for t, f in _last_run(folder, *files).items() if f[0]["lines"] == digests.get(t)}

    def work(progress: Progress) -> Iterable[str]:
        found = read_table(folder.nuclei)
        frames, rows = {t: f for t, (f, _) in done.items()}, [table for _, table in done.values()]
        to_do = {t: some for t, some in said.items() if t not in done}
        for t, frame, table in _correct(job, quality, found, to_do, progress):
            frames[t] = frame | {"lines": digests[t]}
            rows.append(table)
        write_table(_together([found[~found["frame"].isin(list(said))], *rows], like=found), files[0])
        with atomic_write(files[1]) as part:
            segmented = folder.record["stages"]["segment"]["key"]
            about = {"segment": segmented, "frames": dict(sorted(frames.items()))}
            part.write_text(json.dumps(about) + "\n", encoding="utf-8")
        added, removed = (sum(f[k] for f in frames.values()) for k in ("added", "removed"))
        folder.record.setdefault("discarded", {})["by_person"] = added - removed
        folder.record.setdefault("notes", {})["outlines"] = [
            f"outlines corrected in {len(frames)} frames: {added} nuclei added, {removed} removed"
        ]
        return ()

    job.run_stage("outlines", work, after=("segment",), depends_on=digests, files=files)
    for note in folder.record["notes"]["outlines"]:
        job.screen.log(note)
    frames = _frames(files[1])["frames"]
    reasons = [r for f in frames.values() for r in f["not_applied"].items()]
    job.note_not_applied("outlines", _joined([*out_of_reach, *reasons]))
    return Outlined(
        nuclei=files[0],
        stages=("light", "outlines"),
        found=folder.labels,
        lines=said,
        by_person={int(t): f["labels"] for t, f in frames.items()},
    )


def _correct(
    job: Job,
    quality: FrameQuality,
    found: pd.DataFrame,
    said: Mapping[int, Sequence[OfOutlines]],
    progress: Progress,
) -> Iterator[tuple[int, Frame, pd.DataFrame]]:
    """The number of each frame, what became of its lines, and its rows.

    What nobody touched keeps its row, and its frame is read again only where there is something new in it.
    """
    from lineage.nuclei import fucci, segment, signals
    from lineage.nuclei.outlines import edited, touched

    video, config = job.video, job.config.segment
    measured = signals.choose(video, config.measure, config.fucci)
    raw = labels.open_array(job.folder.labels, labels.RAW)
    of_frame = dict(tuple(found.groupby("frame")))
    not_applied: dict[int, dict[str, str]] = {}
    by_person: dict[int, np.ndarray] = {}
    rows: dict[int, list[pd.DataFrame]] = {}

    def with_new_outlines() -> Iterator[tuple[int, np.ndarray]]:
        for t, lines in said.items():
            before, as_found = np.asarray(raw[t]).astype(np.int32), of_frame.get(t, found[:0])
            after, not_applied[t] = edited(before, lines)
            by_person[t] = touched(before, after)
            is_there = np.isin(as_found["label"], after) & ~np.isin(as_found["label"], by_person[t])
            rows[t] = [as_found[is_there]]
            if len(by_person[t]):
                yield t, after

    device = job.note_device("outlines")
    workers = config.workers or segment.workers_for(video, len(said), device=device)
    again = segment.measure_again(
        video, quality, with_new_outlines(), signals=measured, workers=workers, device=device
    )
    for t, table in again:
        new = table[table["label"].isin(by_person[t])]
        rows[t].append(fucci.with_phases(new, measured, told_by=found)[0])
        progress(len(rows), len(said))
    for t, tables in rows.items():
        corrected = _together(tables, like=found)
        names, old = (set(table["label"]) for table in (corrected, of_frame.get(t, found[:0])))
        counts = {"added": len(names - old), "removed": len(old - names)}
        yield t, {"not_applied": not_applied[t], "labels": by_person[t].tolist()} | counts, corrected


def _together(tables: list[pd.DataFrame], *, like: pd.DataFrame) -> pd.DataFrame:
    """All rows in order of frame and label, counted through, in the columns of what was found."""
    import pandas as pd

    some = [table[list(like.columns)] for table in tables if len(table)]
    together = pd.concat(some or [like[:0]]).sort_values(["frame", "label"], ignore_index=True)
    return together.assign(detection_id=np.arange(len(together)))


def _last_run(folder: RunFolder, table: Path, about: Path) -> dict[int, tuple[Frame, pd.DataFrame]]:
    """What became of each frame that was corrected, and its rows; nothing if that does not hold any more."""
    stages = folder.record["stages"]
    if "outlines" not in stages or folder.changed("outlines"):
        return {}
    known = _frames(about)
    if known["segment"] != stages["segment"]["key"]:
        return {}
    nuclei = read_table(table)
    rows = dict(tuple(nuclei.groupby("frame")))
    return {int(t): (frame, rows.get(int(t), nuclei[:0])) for t, frame in known["frames"].items()}


def _frames(about: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))
    return found


def _forget(folder: RunFolder, *files: Path) -> None:
    """Nothing holds of what an earlier run was told."""
    record = folder.record
    gone = [
        record["stages"].pop("outlines", None),
        record.get("notes", {}).pop("outlines", None),
        record.get("discarded", {}).pop("by_person", None),
        record.get("devices", {}).pop("outlines", None),
    ]
    if gone != [None] * len(gone):
        folder.save()
    for file in files:
        remove(file)


def _no_outlines(t: int, quality: FrameQuality) -> str:
    """Why a frame has no outlines to correct."""
    if t >= len(quality.usable):
        return f"there is no frame {t}: the movie has {len(quality.usable)}, counted from 0"
    return f"frame {t} is not used ({quality.table['reason'].iloc[t]}), so it has no outlines"


def _joined(reasons: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One reason for each line, also where it is about several frames.

    >>> _joined([("a", "no frame 7"), ("b", "too small"), ("a", "no frame 8"), ("a", "no frame 9")])
    {'a': 'no frame 7 (and 2 more)', 'b': 'too small'}
    """
    every: dict[str, list[str]] = {}
    for line, reason in reasons:
        every.setdefault(line, []).append(reason)
    return {
        line: some[0] + (f" (and {len(some) - 1} more)" if some[1:] else "") for line, some in every.items()
    }
