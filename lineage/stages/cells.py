"""Nuclei -> cells and what happened to them: track, events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.io import labels, records
from lineage.io.run_folder import read_table
from lineage.mitosis import discarded
from lineage.schema import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.schema import FrameQuality, Lineage, MitosisEvent
    from lineage.stages.job import Job, Progress


def track(job: Job, quality: FrameQuality) -> Lineage:
    """Nuclei to cells, cells to mothers and daughters."""
    from lineage.tracking import likelihoods, state
    from lineage.tracking.hypotheses import consider
    from lineage.tracking.resolve import resolve
    from lineage.tracking.track import link, usable_time

    folder, video, config = job.folder, job.video, job.config
    link_told, consider_told, resolve_told = (
        section.model_dump() for section in (config.track, config.hypotheses, config.resolve)
    )

    def do(_: Progress) -> Iterable[str]:
        shape_um = (video.shape[0] * video.pixel_size_um, video.shape[1] * video.pixel_size_um)
        tracklets = link(
            state.estimate(read_table(folder.nuclei)), usable=quality.usable, shape_um=shape_um,
            minutes_per_frame=video.minutes_per_frame, **link_told,
        )  # fmt: skip
        time = usable_time(tracklets.detections, quality.usable)
        detections, hypotheses = consider(
            tracklets, time, shape_um=shape_um, pixel_size_um=video.pixel_size_um, **consider_told
        )
        lineage = resolve(detections, hypotheses, **resolve_told)
        folder.record["notes"] = {"track": [*tracklets.notes, lineage.solver]}
        folder.record["discarded"]["debris"] = int((lineage.detections["tracklet_id"] < 0).sum())
        records.write_lineage(lineage, **folder.tracked)
        return [*lineage.warnings, *discarded.warnings(folder.record["discarded"])]

    told = [likelihoods.digest(), link_told, consider_told, resolve_told]
    job.once("track", do, after=("segment",), settings=told, files=tuple(folder.tracked.values()))
    for note in folder.record.get("notes", {}).get("track", []):
        job.screen.say(note)
    job.screen.say(discarded.in_words(folder.record["discarded"]))
    return records.read_lineage(**folder.tracked)


def propose(job: Job, quality: FrameQuality, lineage: Lineage) -> list[MitosisEvent]:
    """Divisions, fusions, deaths, and attempts to divide that came to nothing."""
    from lineage.mitosis import events
    from lineage.tracking import likelihoods

    folder, video, config = job.folder, job.video, job.config
    judged = video.intensities and video.minutes_per_frame <= config.crop.longest_interval_min
    told = config.events.model_dump()

    def do(progress: Progress) -> Iterable[str]:
        found = events.propose(
            lineage, minutes_per_frame=video.minutes_per_frame, last_usable_frame=quality.last_usable_frame,
            shape=video.shape, pixel_size_um=video.pixel_size_um, judged=judged, **told,
        )  # fmt: skip
        records.write_events(_looked_at(found, job, quality, lineage, progress), folder.proposed)
        return ()

    settings = [told, judged, likelihoods.digest(), EVIDENCE]  # what was measured of an event
    job.once("events", do, after=("track",), settings=settings, files=(folder.proposed,))
    return records.read_events(folder.proposed)


def _looked_at(
    events: list[MitosisEvent], job: Job, quality: FrameQuality, lineage: Lineage, progress: Progress
) -> list[MitosisEvent]:
    """The events, divisions with what lies beside their daughters and between them."""
    from lineage.mitosis import micronuclei

    by_cell = dict(tuple(lineage.detections.groupby("tracklet_id")))
    raw = labels.open_array(job.folder.labels, labels.RAW)
    found = []
    for event in events:
        if job.video.intensities and event.separated and len(event.daughters) > 1:
            daughters = pd.concat([by_cell[d] for d in event.daughters])
            seen = micronuclei.beside(
                job.video, quality, lambda t: np.asarray(raw[t]), event.frame, daughters
            )  # fmt: skip
            event = replace(event, n_micronuclei=seen.n_micronuclei, bridge=seen.bridge)
        found.append(event)
        progress(len(found), len(events))
    return found
