"""Events -> what kind of division each was, and the lineage without the false ones: crop, classify, mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.io import labels, records
from lineage.io.integrity import RUN_AGAIN, reading
from lineage.io.run_folder import read_table, write_table
from lineage.mitosis import verdict
from lineage.schema import IMAGE_BOXES, Decision, EventType, Flag, InputError, Predictions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lineage.io.run_folder import RunFolder
    from lineage.schema import FrameQuality, Lineage, MitosisEvent
    from lineage.stages.job import Job, Progress

THREADS = 1  # of the classifier: two are slower on images this small, and change the last digits
BATCH = 32  # events classified together


def crop(job: Job, quality: FrameQuality, lineage: Lineage, events: list[MitosisEvent]) -> None:
    """A film of each event."""
    from lineage.mitosis import crops

    folder, video, told = job.folder, job.video, job.config.crop

    def do(progress: Progress) -> Iterable[str]:
        mitoses = [e for e in events if video.intensities and e.event_type is EventType.MITOSIS]
        squares = crops.point(
            mitoses, lineage.detections, quality, minutes_per_frame=video.minutes_per_frame,
            has_phase=video.phase is not None, **told.model_dump(exclude={"size_px"}),
        )  # fmt: skip
        rows = crops.write(video, quality, squares, folder.crops, size_px=told.size_px, progress=progress)
        write_table(rows, folder.squares)
        if not video.intensities:
            return ("masks alone: no mitosis is classified",)
        return crops.warnings(video.minutes_per_frame, video.phase is not None, told.longest_interval_min)

    files = (folder.squares, folder.crops)
    settings = told.model_dump() | {IMAGE_BOXES: True}  # crops of earlier runs have none: they are cut again
    job.once("crop", do, after=("events",), settings=settings, files=files)


def classify(job: Job) -> Predictions:
    """What kind of division each event is."""
    from classifier import checkpoint, predict

    folder = job.folder
    weights = job.config.classify.model or predict.BUNDLED

    def do(progress: Progress) -> Iterable[str]:
        rows = read_table(folder.squares, text=("flags",))
        judged = rows[~rows["flags"].str.contains(Flag.INTERVAL_TOO_LONG)]
        write_table(_classified(judged, folder.crops, weights, progress), folder.predictions)
        return ()

    told = checkpoint.sha256(weights)
    job.once("classify", do, after=("crop",), settings=told, files=(folder.predictions,))
    table = read_table(folder.predictions)
    classes = tuple(table.columns[1:])
    with reading(folder.predictions, f"delete it, {RUN_AGAIN}, and it is made anew"):
        probabilities = table[list(classes)].to_numpy(np.float32)
        return Predictions(table["event_id"].to_numpy(np.int64), probabilities, classes)


def _classified(squares: pd.DataFrame, films: Path, weights: Path, progress: Progress) -> pd.DataFrame:
    """`event_id` and a column of probabilities for each class; one row a film."""
    import torch

    from classifier import predict
    from lineage.mitosis import crops

    torch.set_num_threads(THREADS)
    classifier = predict.load(weights)
    classes = list(classifier.card.classes)
    found = [np.zeros((0, len(classes)))]
    for i in range(0, len(squares), BATCH):
        batch = crops.read(films, squares.iloc[i : i + BATCH])
        found.append(predict.classify(batch, classifier=classifier).probabilities)
        progress(min(i + BATCH, len(squares)), len(squares))
    table = pd.DataFrame(np.concatenate(found), columns=classes)
    table.insert(0, "event_id", squares["event_id"].to_numpy(np.int64))
    return table


def corrections(folder: RunFolder) -> dict[int, str]:
    """event_id -> the class that a person gave it, from the run folder's `corrections.csv` if there is one.

    Raises:
        InputError: a table with other columns or classes.
    """
    if not folder.corrections.exists():
        return {}
    table = read_table(folder.corrections, text=("mitosis_class",), columns=("event_id", "mitosis_class"))
    if not pd.api.types.is_integer_dtype(table["event_id"]) and len(table):
        raise InputError(f"{folder.corrections}: event_id holds what is no whole number; put it right")
    pairs = zip(table["event_id"].tolist(), table["mitosis_class"].tolist(), strict=True)
    return {int(event): told for event, told in pairs if told in verdict.BY_PERSON}


def mend(
    job: Job,
    lineage: Lineage,
    events: list[MitosisEvent],
    predictions: Predictions,
    persons: dict[int, str],
) -> tuple[Lineage, list[MitosisEvent]]:
    """The lineage without what is no mitosis."""
    from lineage.mitosis.reject import mend

    folder, video = job.folder, job.video

    def do(progress: Progress) -> Iterable[str]:
        told = verdict.judge(events, predictions, persons)
        rejected = {event for event, said in told.items() if said["verdict"] == Decision.NOT_A_MITOSIS}
        mended, judged = mend(lineage, events, rejected)
        labels.write_tracked(
            folder.labels, mended.detections, pixel_size_um=video.pixel_size_um,
            minutes=video.minutes_per_frame, progress=progress,
        )  # fmt: skip
        records.write_lineage(mended, **folder.mended)
        records.write_events(judged, folder.judged)
        return ()

    of_labels = [folder.labels / name for name in (labels.TRACKED, ".zgroup", ".zattrs")]
    files = (*folder.mended.values(), folder.judged, *of_labels)
    settings = [verdict.digest(), sorted(persons.items())]
    job.once("mend", do, after=("events", "classify"), settings=settings, files=files)
    return records.read_lineage(**folder.mended), records.read_events(folder.judged)
