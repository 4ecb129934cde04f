"""Nuclei -> cells and what may have happened to them: track, events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.io import labels, records
from lineage.io.files import read_table, write_table
from lineage.io.integrity import RUN_AGAIN, reading
from lineage.mitosis import discarded
from lineage.mitosis.event_table import event_table, events_of
from lineage.schema import EVENT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.nuclei.light import Light
    from lineage.schema import FrameQuality, Lineage, MitosisEvent
    from lineage.stages.job import Job, Progress


def track(job: Job, quality: FrameQuality, light: Light) -> Lineage:
    """Join nuclei, as in even light, to cells, and cells to mothers and daughters."""
    from lineage.tracking import likelihoods
    from lineage.tracking.track import track

    folder, settings = job.folder, job.config.track.model_dump()

    def work(_: Progress) -> Iterable[str]:
        nuclei = light.correct(read_table(folder.nuclei))
        lineage = track(nuclei, usable=quality.usable, geometry=job.video.geometry, **settings)
        folder.record.setdefault("notes", {})["track"] = list(lineage.notes)
        folder.record["discarded"]["debris"] = int((lineage.detections["tracklet_id"] < 0).sum())
        records.write_lineage(lineage, **folder.tracked)
        return [*lineage.warnings, *discarded.warnings(folder.record["discarded"])]

    depends_on = [likelihoods.digest(), settings]
    job.run_stage(
        "track", work, after=("light",), depends_on=depends_on, files=tuple(folder.tracked.values())
    )
    for note in folder.record.get("notes", {}).get("track", []):
        job.screen.log(note)
    job.screen.log(discarded.in_words(folder.record["discarded"]))
    lineage = records.read_lineage(folder.nuclei, **folder.tracked)
    return replace(lineage, detections=light.correct(lineage.detections))


def propose(job: Job, quality: FrameQuality, lineage: Lineage) -> list[MitosisEvent]:
    """List divisions, fusions, deaths, and attempts to divide that came to nothing."""
    from lineage.mitosis import micronuclei
    from lineage.mitosis.events import propose
    from lineage.tracking import likelihoods

    folder, video = job.folder, job.video
    settings = job.config.events.model_dump()
    classified = video.intensities and video.minutes_per_frame <= job.config.crop.max_interval_min

    def work(progress: Progress) -> Iterable[str]:
        found = propose(
            lineage,
            geometry=video.geometry,
            last_frames=quality.last_frames,
            classified=classified,
            **settings,
        )
        raw = labels.open_array(folder.labels, labels.RAW)
        found = micronuclei.look_beside_daughters(
            found, lineage, video, quality, lambda t: np.asarray(raw[t]), progress=progress
        )
        write_table(event_table(found, minutes_per_frame=video.minutes_per_frame), folder.proposed)
        return ()

    depends_on = [settings, classified, likelihoods.digest(), micronuclei.digest(), EVENT_COLUMNS]
    job.run_stage("events", work, after=("track",), depends_on=depends_on, files=(folder.proposed,))
    table = read_table(folder.proposed, text=("daughter_ids", "source"))
    with reading(folder.proposed, f"delete it, {RUN_AGAIN}, and it is made anew"):
        return events_of(table, minutes_per_frame=video.minutes_per_frame)
