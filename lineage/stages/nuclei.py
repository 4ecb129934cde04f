"""Movie -> measured nuclei: quality, scale, segment."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np

from lineage import labels
from lineage.integrity import RUN_AGAIN, reading
from lineage.outputs import fingerprint, whole, write_table
from lineage.records import read_quality
from lineage.schema import NUCLEUS_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.schema import FrameQuality
    from lineage.stages.job import Job, Progress

SCALE_FRAMES = 5  # from which the size of the nuclei is estimated


def assess(job: Job) -> FrameQuality:
    """Which frames can be used, and where the stage was."""
    from lineage.quality import assess, taken_as_they_are

    told = job.config.quality.model_dump()

    def do(progress: Progress) -> Iterable[str]:
        video = job.video
        found = assess(video, **told, progress=progress) if video.intensities else taken_as_they_are(video)
        write_table(found.table, job.folder.quality)
        return found.warnings

    job.once("quality", do, after=("video",), settings=told, files=(job.folder.quality,))
    return read_quality(job.folder.quality, n_frames=job.video.n_frames)


def scale(job: Job, quality: FrameQuality) -> float:
    """By how much the frames are resized for the network: once a movie, from its own nuclei or as told."""
    from lineage.stardist import model
    from lineage.stardist.scale import diameter_px, zoom_of

    folder, video, name = job.folder, job.video, job.config.segment.model
    given_um = job.config.segment.nucleus_diameter_um

    def do(_: Progress) -> Iterable[str]:
        network = model.load(name)
        usable = np.flatnonzero(quality.usable)
        picked = usable[np.linspace(0, len(usable) - 1, min(SCALE_FRAMES, len(usable))).astype(int)]
        images = [video.frame(int(t), video.nucleus) for t in picked]
        diameter = given_um / video.pixel_size_um if given_um else diameter_px(network, images)
        size = {"diameter_px": diameter, "zoom": zoom_of(network, diameter), "given": given_um is not None}
        with whole(folder.scale) as part:
            part.write_text(json.dumps(size) + "\n")
        return () if diameter else ("too few nuclei to tell their size: the frames are taken as they are",)

    told = [model.digest(name), given_um]
    job.once("scale", do, after=("quality",), settings=told, files=(folder.scale,))
    with reading(folder.scale, f"delete it, {RUN_AGAIN}, and it is made anew"):
        size = json.loads(folder.scale.read_text(encoding="utf-8"))
        size = {
            "diameter_px": float(size["diameter_px"] or 0),
            "zoom": float(size["zoom"]),
            "given": size["given"],
        }
    if size["diameter_px"]:
        job.screen.say(
            f"nuclei {'are said to be' if size['given'] else 'are about'} {size['diameter_px']:.0f} px "
            f"({size['diameter_px'] * video.pixel_size_um:.0f} um) across: the frames are "
            + ("taken as they are" if size["zoom"] == 1 else f"resized by {size['zoom']:.2f} to find them")
        )
    return size["zoom"]


def segment(job: Job, quality: FrameQuality) -> None:
    """Label images and measured nuclei, frame by frame."""
    from lineage import segment
    from lineage.quality import check_with_trackpy
    from lineage.stardist import model

    folder, video, config = job.folder, job.video, job.config
    told: list[object] = [config.segment.least_area_um2, NUCLEUS_COLUMNS]
    after: tuple[str, ...]
    find: segment.Finder
    if config.labels:
        find, workers, after = segment.MaskFinder(config.labels, video.n_frames, video.shape), 1, ("quality",)
        told += [fingerprint(config.labels), str(config.labels)]
    else:
        find = segment.StarDistFinder(config.segment.model, scale(job, quality))
        workers, after = config.segment.workers or segment.workers_for(video), ("quality", "scale")
        told += [model.digest(config.segment.model)]
    # A journal of other settings is another journal.
    journal = folder.journal / folder.key("segment", settings=told, after=after)

    def do(progress: Progress) -> Iterable[str]:
        if not journal.exists():
            shutil.rmtree(folder.labels, ignore_errors=True)
            shutil.rmtree(folder.journal, ignore_errors=True)
            journal.mkdir(parents=True)
        nuclei = segment.segment(
            video, quality, find, labels=folder.labels, journal=journal, workers=workers,
            least_area_um2=config.segment.least_area_um2, progress=progress,
        )  # fmt: skip
        write_table(nuclei, folder.nuclei)
        return check_with_trackpy(nuclei, quality)

    files = (folder.nuclei, folder.labels / labels.RAW)
    job.once("segment", do, after=after, settings=told, files=files)
    shutil.rmtree(folder.journal, ignore_errors=True)
