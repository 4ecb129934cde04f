"""Proposed events -> a verdict on each, and the lineage without the rejected: crop, classify, reject."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.corrections.lines import Division, OfEvents
from lineage.device import CPU, is_gpu
from lineage.io import labels
from lineage.io.files import read_table, write_table
from lineage.io.integrity import RUN_AGAIN, reading
from lineage.mitosis import verdict
from lineage.processes import cores, in_order
from lineage.schema import (
    DETECTION_COLUMNS,
    IMAGE_BOXES,
    Decision,
    EventType,
    Flag,
    Predictions,
    ordered_columns,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from classifier.predict import Classifier
    from lineage.io.run_folder import RunFolder
    from lineage.schema import FrameQuality, Lineage, MitosisEvent
    from lineage.stages.job import Job, Progress
    from lineage.stages.outlines import Outlined

THREADS = 1  # of the classifier: two are slower on images this small, and change the last digits
BATCH = 32  # events classified together
WINDOW = "window"  # the column by which a crop, and what was predicted of it, is known again
WORTH_PROCESSES = 96  # events; of fewer, starting processes takes longer than they save


def crop(job: Job, quality: FrameQuality, lineage: Lineage, events: list[MitosisEvent]) -> None:
    """Cut a crop of each mitosis; those that were cut before are kept."""
    from lineage.mitosis import crops

    folder, video, settings = job.folder, job.video, job.config.crop
    earlier = _earlier(folder, "crop", folder.crop_windows)

    def work(progress: Progress) -> Iterable[str]:
        mitoses = [e for e in events if video.intensities and e.event_type is EventType.MITOSIS]
        windows = crops.select_windows(
            mitoses,
            lineage.detections,
            quality,
            minutes_per_frame=video.minutes_per_frame,
            has_phase=video.phase is not None,
            **settings.model_dump(exclude={"size_px"}),
        )
        rows = crops.write(
            video,
            quality,
            windows,
            folder.crops,
            size_px=settings.size_px,
            pixels=folder.record["stages"]["quality"]["key"],
            earlier=earlier,
            progress=progress,
        )
        write_table(rows, folder.crop_windows)
        if not video.intensities:
            return ("masks alone: no mitosis is classified",)
        return crops.warnings(video.minutes_per_frame, video.phase is not None, settings.max_interval_min)

    # Crops of earlier runs do not say what of them lies within image and movie: they are cut again.
    depends_on = settings.model_dump() | {IMAGE_BOXES: "of frames outside the movie, too", "window": WINDOW}
    files = (folder.crop_windows, folder.crops)
    job.run_stage("crop", work, after=("events",), depends_on=depends_on, files=files)


def _earlier(folder: RunFolder, stage: str, path: Path) -> pd.DataFrame | None:
    """The table of crops that a stage left, if all that it left is as it was."""
    if stage not in folder.record["stages"] or folder.changed(stage):
        return None
    table = read_table(path, text=("flags", WINDOW))
    return table if WINDOW in table else None  # runs of earlier versions do not know it


def classify(job: Job) -> Predictions:
    """Ask the classifier about each crop that it has not seen."""
    from classifier import checkpoint, predict

    folder = job.folder
    weights = job.config.classify.model or predict.BUNDLED
    digest = checkpoint.sha256(weights)
    earlier = _earlier(folder, "classify", folder.predictions)

    def work(progress: Progress) -> Iterable[str]:
        rows = read_table(folder.crop_windows, text=("flags", WINDOW))
        rows = rows[~rows["flags"].str.contains(Flag.INTERVAL_TOO_LONG)]
        # Another classifier has another word for the same window.
        wanted = rows[["event_id"]].assign(window=rows[WINDOW] + f"-{digest[:8]}")
        known = wanted[:0]
        if earlier is not None:
            once = earlier.drop(columns="event_id").drop_duplicates(WINDOW)
            known = wanted.merge(once, on=WINDOW, validate="many_to_one")
        new = rows[~rows["event_id"].isin(known["event_id"])]
        if known.empty:
            folder.record.get("devices", {}).pop("classify", None)
        device = job.note_device("classify") if len(new) else CPU
        enough = 1 if is_gpu(device) else cores()
        workers = (job.config.segment.workers or enough) if len(new) > WORTH_PROCESSES else 1
        predicted = wanted.merge(
            _predict(new, folder.crops, weights, device, workers, progress), on="event_id"
        )
        both = pd.concat([t for t in (known, predicted) if len(t)] or [predicted])
        write_table(wanted[["event_id"]].merge(both, on="event_id"), folder.predictions)
        return ()

    job.run_stage("classify", work, after=("crop",), depends_on=digest, files=(folder.predictions,))
    table = read_table(folder.predictions, text=(WINDOW,))
    classes = tuple(table.columns[2:])
    with reading(folder.predictions, f"delete it, {RUN_AGAIN}, and it is made anew"):
        probabilities = table[list(classes)].to_numpy(np.float32)
        return Predictions(table["event_id"].to_numpy(np.int64), probabilities, classes)


def _predict(
    rows: pd.DataFrame, folder: Path, weights: Path, device: str, workers: int, progress: Progress
) -> pd.DataFrame:
    """`event_id` and a column of probabilities for each class, one row a crop."""
    from classifier import checkpoint

    classes = list(checkpoint.read_card(weights).classes)
    found = [np.zeros((0, len(classes)))]
    tasks = ((rows.iloc[i : i + BATCH], folder, weights, device) for i in range(0, len(rows), BATCH))
    for probabilities in in_order(_predict_batch, tasks, workers=workers):
        found.append(probabilities)
        progress(sum(map(len, found)), len(rows))
    table = pd.DataFrame(np.concatenate(found), columns=classes)
    table.insert(0, "event_id", rows["event_id"].to_numpy(np.int64))
    return table


def _predict_batch(rows: pd.DataFrame, folder: Path, weights: Path, device: str) -> np.ndarray:
    """(N, K) probabilities of some crops."""
    from classifier import predict
    from lineage.mitosis import crops

    found = predict.classify(crops.read(folder, rows), classifier=_classifier(weights, device))
    return found.probabilities


@lru_cache(1)
def _classifier(weights: Path, device: str) -> Classifier:
    """The classifier of this process."""
    import torch

    from classifier import predict

    torch.set_num_threads(THREADS)
    return predict.load(weights, device)


def decide(
    job: Job, lineage: Lineage, events: list[MitosisEvent], predictions: Predictions
) -> dict[int, dict[str, Any]]:
    """The verdict on each event; a person's goes before ours."""
    from lineage.mitosis.corrected import verdicts_of

    not_tracked = job.folder.record.get("not_applied", {}).get("track", {})
    lines = [line for line in job.said(OfEvents | Division) if line.id not in not_tracked]
    said, not_applied = verdicts_of(lines, events, lineage.detections, pixel_size_um=job.video.pixel_size_um)
    job.note_not_applied("verdicts", not_applied)
    return verdict.decide_all(events, predictions, said)


def reject(
    job: Job,
    lineage: Lineage,
    events: list[MitosisEvent],
    verdicts: Mapping[int, Mapping[str, Any]],
    outlined: Outlined,
) -> tuple[Lineage, list[MitosisEvent]]:
    """Undo the divisions that are no mitoses; write the nuclei and their labels by cell."""
    from lineage.mitosis.reject import reject_divisions

    folder = job.folder
    rejected = {e for e, columns in verdicts.items() if columns["verdict"] == Decision.NOT_A_MITOSIS}
    lineage, events = reject_divisions(lineage, events, rejected)

    def work(progress: Progress) -> Iterable[str]:
        raw, geometry = outlined.labels(), job.video.geometry
        labels.write_tracked(folder.labels, lineage.detections, geometry, raw=raw, progress=progress)
        detections = lineage.detections.sort_values("detection_id")
        write_table(ordered_columns(detections, DETECTION_COLUMNS), folder.detections)
        return ()

    of_labels = [folder.labels / name for name in (labels.TRACKED, ".zgroup", ".zattrs")]
    files = (folder.detections, *of_labels)
    job.run_stage("reject", work, after=("events",), depends_on=sorted(rejected), files=files)
    return lineage, events
