"""Movie -> measured nuclei, and the light that they were seen in: quality, scale, segment, light."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from lineage.device import may_be_gpu
from lineage.io import labels
from lineage.io.files import atomic_write, read_table, write_table
from lineage.io.integrity import RUN_AGAIN, fingerprint, reading
from lineage.io.records import read_quality
from lineage.processes import read_ahead
from lineage.schema import NUCLEUS_COLUMNS, SIGNAL_MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.nuclei.light import Light
    from lineage.nuclei.masks import Masks
    from lineage.nuclei.scale import Scale
    from lineage.nuclei.segment import Finder
    from lineage.nuclei.signals import Signals
    from lineage.schema import FrameQuality, Video
    from lineage.stages.job import Job, Progress


def assess(job: Job) -> FrameQuality:
    """Find out which frames can be used, and where the stage was."""
    from lineage.nuclei.segment import is_worth_processes
    from lineage.quality import assess

    settings = job.config.quality.model_dump()

    def work(progress: Progress) -> Iterable[str]:
        if not job.config.labels and not may_be_gpu(job.config.device) and is_worth_processes(job.video):
            read_ahead()  # while this process looks at the frames
        found = assess(job.video, **settings, progress=progress)
        write_table(found.table, job.folder.quality)
        return found.warnings

    job.run_stage("quality", work, after=("video",), depends_on=settings, files=(job.folder.quality,))
    return read_quality(job.folder.quality, n_frames=job.video.n_frames)


def scale(job: Job, quality: FrameQuality) -> Scale:
    """Find out how large the nuclei are, and by how much the frames are resized for the network."""
    from lineage.nuclei.scale import Scale, estimate_scale
    from lineage.nuclei.segment import workers_for
    from lineage.stardist import model

    path, video, settings = job.folder.scale, job.video, job.config.segment

    def work(_: Progress) -> Iterable[str]:
        device = job.note_device("scale")
        found = estimate_scale(
            video,
            quality,
            model=settings.model,
            diameter_um=settings.nucleus_diameter_um,
            device=device,
            workers=settings.workers or workers_for(video, device=device),
        )
        with atomic_write(path) as part:
            part.write_text(json.dumps(found.as_dict()) + "\n", encoding="utf-8")
        return found.warnings(video.pixel_size_um)

    depends_on = [model.digest(settings.model), settings.nucleus_diameter_um]
    job.run_stage("scale", work, after=("quality",), depends_on=depends_on, files=(path,))
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        found = Scale(**json.loads(path.read_text(encoding="utf-8")))
    if found.diameter_px:
        job.screen.log(found.in_words(video.pixel_size_um))
    return found


def segment(job: Job, quality: FrameQuality) -> None:
    """Outline and measure the nuclei, frame by frame."""
    from lineage.nuclei import appearance, fucci, segment, signals
    from lineage.nuclei.masks import open_masks
    from lineage.quality import check_with_trackpy
    from lineage.stardist import model

    folder, video, config = job.folder, job.video, job.config
    # Too small nuclei are counted since then; a run without the counts is segmented anew.
    depends_on: list[object] = [config.segment.min_area, NUCLEUS_COLUMNS, appearance.digest(), "counted"]
    measured = signals.choose(video, config.segment.measure, config.segment.fucci)
    if measured.channels:
        depends_on += [measured.channels, measured.names, measured.fucci, SIGNAL_MEASURES]
    after: tuple[str, ...]
    find: Finder
    masks: Masks | None = None
    if config.labels:
        masks = open_masks(config.labels, n_frames=video.n_frames, shape=video.shape)
        find, after = segment.MaskFinder(masks), ("quality",)
        depends_on += [fingerprint(config.labels), str(config.labels)]
    else:
        find = segment.StarDistFinder(config.segment.model, scale(job, quality).zoom, config.device)
        after = ("quality", "scale")
        depends_on += [model.digest(config.segment.model)]
    # A journal of other settings is another journal.
    journal = folder.journal / folder.key("segment", settings=depends_on, after=after)

    def work(progress: Progress) -> Iterable[str]:
        if not journal.exists():
            shutil.rmtree(folder.labels, ignore_errors=True)
            shutil.rmtree(folder.journal, ignore_errors=True)
            journal.mkdir(parents=True)
            job.folder.record.get("devices", {}).pop("segment", None)
        device = job.note_device("segment")
        workers = config.segment.workers or segment.workers_for(video, device=device)
        nuclei, too_small = segment.segment(
            video,
            quality,
            find,
            labels=folder.labels,
            journal=journal,
            workers=1 if masks else workers,
            device=device,
            signals=measured,
            min_area=config.segment.min_area,
            progress=progress,
        )
        nuclei, notes, unclear = fucci.with_phases(nuclei, measured)
        write_table(nuclei, folder.nuclei)
        folder.record.setdefault("notes", {})["segment"] = [*_in_words(video, measured), *notes]
        counts = {"measured": len(nuclei) + too_small, "too_small": too_small}
        folder.record["discarded"] = folder.record.get("discarded", {}) | counts
        of_masks = [] if masks is None else masks.warnings_of(labels.open_array(folder.labels, labels.RAW))
        return [*unclear, *of_masks, *check_with_trackpy(nuclei, quality)]

    files = (folder.nuclei, folder.labels / labels.RAW)
    job.run_stage("segment", work, after=after, depends_on=depends_on, files=files)
    for note in folder.record.get("notes", {}).get("segment", []):
        job.screen.log(note)
    shutil.rmtree(folder.journal, ignore_errors=True)


def _in_words(video: Video, measured: Signals) -> list[str]:
    """Which further channels are measured, for the screen and the record; nothing where there are none."""
    if not measured.channels:
        return []
    pairs = zip(measured.channels, measured.names, strict=True)
    listed = ", ".join(f"{c} ({video.channels[c]}) as {name}_..." for c, name in pairs)
    return [f"further channels that are measured: {listed}"]


def light(job: Job) -> Light:
    """Find out how uneven the light was, and how the stain bleached; nuclei.npz stays as it was measured."""
    from lineage.nuclei.light import Light, estimate_light

    path, correct = job.folder.light, job.config.light.correct

    def work(_: Progress) -> Iterable[str]:
        found = estimate_light(read_table(job.folder.nuclei), job.video, correct=correct)
        with atomic_write(path) as part:
            part.write_text(json.dumps(found.as_dict()) + "\n", encoding="utf-8")
        job.folder.record.setdefault("notes", {})["light"] = list(found.notes)
        return found.warnings

    job.run_stage("light", work, after=("segment",), depends_on=correct, files=(path,))
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        found = Light.read(json.loads(path.read_text(encoding="utf-8")), n_frames=job.video.n_frames)
    for note in found.notes:
        job.screen.log(note)
    return found
