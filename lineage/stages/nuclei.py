"""Movie -> measured nuclei: quality, scale, segment."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np

from lineage.io import labels
from lineage.io.integrity import RUN_AGAIN, reading
from lineage.io.records import read_quality
from lineage.io.run_folder import fingerprint, whole, write_table
from lineage.schema import NUCLEUS_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lineage.schema import FrameQuality
    from lineage.stages.job import Job, Progress

SCALE_FRAMES = 5  # from which the size of the nuclei is estimated
CREDIBLE_NUCLEUS_UM = (4.0, 60.0)


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
        # One thread: five frames take a second; two take thirty where another process needs a core.
        network = model.of_this_process(name)
        usable = np.flatnonzero(quality.usable)
        picked = usable[np.linspace(0, len(usable) - 1, min(SCALE_FRAMES, len(usable))).astype(int)]
        images = [video.frame(int(t), video.nucleus) for t in picked]
        diameter = given_um / video.pixel_size_um if given_um else diameter_px(network, images)
        size = {"diameter_px": diameter, "zoom": zoom_of(network, diameter), "given": given_um is not None}
        with whole(folder.scale) as part:
            part.write_text(json.dumps(size) + "\n")
        return _about_size(diameter, video.pixel_size_um)

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


def _about_size(diameter_px: float | None, pixel_size_um: float) -> tuple[str, ...]:
    """What is to be said of the size of the nuclei: a pixel size that is wrong shows here."""
    if not diameter_px:
        return ("too few nuclei to tell their size: the frames are taken as they are",)
    um, (least, most) = diameter_px * pixel_size_um, CREDIBLE_NUCLEUS_UM
    if least <= um <= most:
        return ()
    return (
        f"nuclei would be {um:.3g} um across, and cells' are {least:g} to {most:g}: "
        "the pixel size is probably wrong; give --pixel-size-um",
    )


def segment(job: Job, quality: FrameQuality) -> None:
    """Label images and measured nuclei, frame by frame."""
    from lineage.nuclei import appearance, segment
    from lineage.quality import check_with_trackpy
    from lineage.stardist import model

    folder, video, config = job.folder, job.video, job.config
    # What is left out is counted since then; a run without the counts is segmented anew.
    told: list[object] = [config.segment.least_area, NUCLEUS_COLUMNS, appearance.digest(), "counted"]
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
        nuclei, too_small = segment.segment(
            video, quality, find, labels=folder.labels, journal=journal, workers=workers,
            least_area=config.segment.least_area, progress=progress,
        )  # fmt: skip
        write_table(nuclei, folder.nuclei)
        counts = {"measured": len(nuclei) + too_small, "too_small": too_small}
        folder.record["discarded"] = folder.record.get("discarded", {}) | counts
        return [*_of_masks(find, folder.labels), *check_with_trackpy(nuclei, quality)]

    files = (folder.nuclei, folder.labels / labels.RAW)
    job.once("segment", do, after=after, settings=told, files=files)
    shutil.rmtree(folder.journal, ignore_errors=True)


def _of_masks(find: object, stored: Path) -> list[str]:
    """What is to be said of masks that were given."""
    from lineage.nuclei import masks, segment

    if not isinstance(find, segment.MaskFinder):
        return []
    raw = labels.open_array(stored, labels.RAW)
    frames = (np.asarray(raw[t]) for t in range(raw.shape[0]))
    return [*find.masks.warnings, *masks.shared_labels(frames)]
