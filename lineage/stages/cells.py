"""Nuclei -> cells and what may have happened to them: track, events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.corrections.journal import digest
from lineage.corrections.lines import Mitosis, OfTracks
from lineage.io import records
from lineage.io.files import read_table, remove, write_table
from lineage.io.integrity import RUN_AGAIN, fingerprint, reading
from lineage.mitosis import discarded
from lineage.mitosis.event_table import event_table, events_of
from lineage.schema import EVENT_COLUMNS, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lineage.nuclei.light import Light
    from lineage.schema import FrameQuality, Lineage, MitosisEvent
    from lineage.stages.job import Job, Progress
    from lineage.stages.outlines import Outlined


NOT_OURS = "the tracks were given with --tracks: correct them where they were made"


def track(job: Job, quality: FrameQuality, light: Light, outlined: Outlined) -> Lineage:
    """Join nuclei, as in even light, to cells, and cells to mothers and daughters."""
    from lineage.tracking import likelihoods
    from lineage.tracking.constraints import constraints_of
    from lineage.tracking.track import track

    if job.config.tracks:
        return _given(job, quality, light, outlined, job.config.tracks)
    folder, settings = job.folder, job.config.track.model_dump()
    said = job.said(OfTracks)

    def work(_: Progress) -> Iterable[str]:
        nuclei = light.correct(read_table(outlined.nuclei))
        constraints = constraints_of(
            nuclei, said, pixel_size_um=job.video.pixel_size_um, outlined=outlined.by_person
        )
        lineage = track(
            nuclei,
            usable=quality.usable,
            geometry=job.video.geometry,
            constraints=constraints,
            **settings,
        )
        constraints = constraints.checked(lineage.detections, lineage.graph)
        job.note_not_applied("track", constraints.not_applied)
        folder.record.setdefault("notes", {})["track"] = list(lineage.notes)
        folder.record["discarded"] |= _left_out(lineage)
        folder.record["discarded"].pop("given", None)  # of an earlier run with --tracks
        records.write_lineage(lineage, **folder.tracked)
        return [*lineage.warnings, *discarded.warnings(folder.record["discarded"])]

    depends_on = [likelihoods.digest(), settings, *([digest(said)] if said else [])]
    job.run_stage(
        "track", work, after=outlined.stages, depends_on=depends_on, files=tuple(folder.tracked.values())
    )
    remove(folder.given_spots)
    return _tracked(job, light, outlined)


def _given(job: Job, quality: FrameQuality, light: Light, outlined: Outlined, tracks: Path) -> Lineage:
    """Put tracks that another program made on the nuclei, in place of our own."""
    from lineage.imports import place, read_tracks
    from lineage.tracking import likelihoods

    folder = job.folder
    said = job.said(OfTracks)

    def work(_: Progress) -> Iterable[str]:
        placed = place(
            read_tracks(tracks),
            light.correct(read_table(outlined.nuclei)),
            labels=outlined.labels(),
            geometry=job.video.geometry,
            usable=quality.usable,
            masks=job.config.labels,
        )
        lineage = placed.lineage
        job.note_not_applied("track", {line.id: NOT_OURS for line in said})
        folder.record.setdefault("notes", {})["track"] = list(lineage.notes)
        folder.record["discarded"] |= {**_left_out(lineage), "given": 1}
        records.write_lineage(lineage, **folder.tracked)
        write_table(placed.spots, folder.given_spots)
        return [*lineage.warnings, *discarded.warnings(folder.record["discarded"])]

    depends_on = [likelihoods.digest(), str(tracks), fingerprint(tracks), *([digest(said)] if said else [])]
    files = (*folder.tracked.values(), folder.given_spots)
    job.run_stage("track", work, after=outlined.stages, depends_on=depends_on, files=files)
    return _tracked(job, light, outlined)


def _left_out(lineage: Lineage) -> dict[str, int]:
    return {
        "debris": int((lineage.detections["tracklet_id"] < 0).sum()),
        LeftOut.DIVIDED_TOO_SOON: lineage.n_divided_too_soon,
    }


def _tracked(job: Job, light: Light, outlined: Outlined) -> Lineage:
    """Say what was tracked, and read it."""
    folder = job.folder
    for note in folder.record.get("notes", {}).get("track", []):
        job.screen.log(note)
    job.screen.log(discarded.in_words(folder.record["discarded"]))
    lineage = records.read_lineage(outlined.nuclei, **folder.tracked)
    return replace(lineage, detections=light.correct(lineage.detections))


def propose(job: Job, quality: FrameQuality, lineage: Lineage, outlined: Outlined) -> list[MitosisEvent]:
    """List divisions, fusions, deaths, and attempts to divide that came to nothing."""
    from lineage.mitosis import micronuclei
    from lineage.mitosis.corrected import mitoses_of
    from lineage.mitosis.events import propose
    from lineage.tracking import likelihoods

    folder, video = job.folder, job.video
    settings = job.config.events.model_dump()
    classified = video.intensities and video.minutes_per_frame <= job.config.crop.max_interval_min
    said = job.said(Mitosis)

    def work(progress: Progress) -> Iterable[str]:
        also, not_applied = mitoses_of(said, lineage.detections, pixel_size_um=video.pixel_size_um)
        job.note_not_applied("events", not_applied)
        found, left_out = propose(
            lineage,
            also=also,
            geometry=video.geometry,
            last_frames=quality.last_frames,
            classified=classified,
            **settings,
        )
        raw = outlined.labels()
        found = micronuclei.look_beside_daughters(
            found, lineage, video, quality, lambda t: np.asarray(raw[t]), progress=progress
        )
        folder.record["discarded"] |= left_out
        write_table(event_table(found, minutes_per_frame=video.minutes_per_frame), folder.proposed)
        return ()

    depends_on = [settings, classified, likelihoods.digest(), micronuclei.digest(), EVENT_COLUMNS]
    if said:
        depends_on.append(digest(said))
    job.run_stage("events", work, after=("track",), depends_on=depends_on, files=(folder.proposed,))
    table = read_table(folder.proposed, text=("daughter_ids", "source"))
    with reading(folder.proposed, f"delete it, {RUN_AGAIN}, and it is made anew"):
        return events_of(table, minutes_per_frame=video.minutes_per_frame)
