"""A movie -> its annotated lineage: the stages in order. `python -m lineage.run video.tif`."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage import __version__, labels, records, tables
from lineage.export import graphml
from lineage.outputs import (
    RunFolder,
    check_space,
    content_sha256,
    fingerprint,
    read_table,
    whole,
    write_table,
)
from lineage.schema import NUCLEUS_COLUMNS, EventType, FrameQuality, InputError, Lineage, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import networkx as nx

    from lineage.config import Config
    from lineage.progress import Screen
    from lineage.schema import MitosisEvent, Video

    Progress = Callable[[int, int], None]

THREADS = 1  # of the classifier: two are slower on images this small, and change the last digits
SCALE_FRAMES = 5  # from which the size of the nuclei is estimated
BATCH = 32  # events classified together
PACKAGES = ("btrack", "networkx", "numpy", "scikit-image", "scipy", "stardist", "torch", "trackpy", "zarr")


@dataclass(frozen=True)
class Job:
    """One movie on its way."""

    folder: RunFolder
    video: Video
    config: Config
    screen: Screen

    def once(
        self,
        stage: str,
        do: Callable[[Progress], Iterable[str]],
        *,
        after: tuple[str, ...],
        settings: object,
        files: tuple[Path, ...],
    ) -> None:
        """Do a stage unless its results lie there and nothing that they depend on has changed.

        Args:
            stage: its name.
            do: writes `files` and gives back warnings.
            after: the stages whose results it uses.
            settings: whatever else its result depends on.
            files: what it leaves in the run folder.
        """
        key = self.folder.key(stage, settings=settings, after=after)
        if self.folder.is_done(stage, key):
            return
        with self.screen.stage(stage) as progress, self.folder.doing(stage, key, *files) as warnings:
            warnings.extend(do(progress))


def run(path: Path, out: Path, config: Config, *, screen: Screen, overwrite: bool = False) -> RunFolder:
    """Take a movie through every stage that is not done yet.

    Args:
        path: the movie; the same as `config.labels` where there are masks alone.
        out: the run folder; made if it is not there.
        config: all settings.
        screen: where progress and warnings are said.
        overwrite: throw away an earlier run in `out`.

    Raises:
        InputError: the movie, a setting or the folder cannot be used.
    """
    from lineage.masks import as_video
    from lineage.segment import MaskFinder
    from lineage.stardist import model
    from lineage.video import open_video

    for given in (config.labels, config.classify.model):
        if given and not given.exists():
            raise InputError(f"{given} is not there: check the name")
    if config.labels and path == config.labels:
        told = config.video
        video = as_video(path, pixel_size_um=told.pixel_size_um, minutes_per_frame=told.minutes_per_frame)
    else:
        video = open_video(path, **config.video.model_dump())
    if config.labels:
        # Masks of another shape are refused before anything is read, and so is a model that is none.
        _ = MaskFinder(config.labels, video.n_frames, video.shape).masks
    else:
        model.find(config.segment.model)
    folder = RunFolder.open(out, video=path, overwrite=overwrite)
    is_new = not out.exists()
    if not folder.record:
        check_space(out, n_frames=video.n_frames, shape=video.shape)
    try:
        job = start(folder, video, config, screen)
        quality = assess(job)
        segment(job, quality)
        lineage = track(job, quality)
        events = propose(job, quality, lineage)
        crop(job, quality, lineage, events)
        predictions = classify(job)
        lineage, events, kept = mend(job, lineage, events, predictions)
        tree = annotate(job, quality, lineage, events, predictions, kept)
        report(job, quality, tree)
    except (InputError, OSError):
        # Bad masks, a full disk: a folder that this start made, and in which no nuclei lie yet, goes.
        if is_new and "segment" not in folder.record.get("stages", {}):
            shutil.rmtree(out, ignore_errors=True)
        raise
    return folder


def start(folder: RunFolder, video: Video, config: Config, screen: Screen) -> Job:
    """Say what was read and what was assumed, and open the record."""
    facts = {
        "path": str(video.path.resolve()),
        "name": video.path.name,
        "n_frames": video.n_frames,
        "shape": list(video.shape),
        "dtype": str(video.dtype),
        "channels": list(video.channels),
        "nucleus_channel": video.nucleus,
        "phase_channel": video.phase,
        "pixel_size_um": video.pixel_size_um,
        "minutes_per_frame": video.minutes_per_frame,
        "assumed": list(video.assumed),
        "notes": list(video.notes),
    }
    hours = video.n_frames * video.minutes_per_frame / 60
    screen.say(
        f"{video.path.name}: {video.n_frames} frames of {video.shape[1]} x {video.shape[0]} px, "
        f"{hours:.1f} h; "
        f"nuclei in channel {video.nucleus} ({video.channels[video.nucleus]}), "
        + ("no phase contrast" if video.phase is None else f"phase in {video.phase}")
        + f"; {video.pixel_size_um:g} um a pixel, {video.minutes_per_frame:g} min a frame"
    )
    for sentence in video.assumed:
        screen.say(f"assumed: {sentence}", "yellow")
    now = fingerprint(video.path)
    known = folder.record.get("input", {})
    same = known.get("fingerprint") == now
    digest = known["sha256"] if same else content_sha256(video.path)
    folder.start(
        {
            "lineage": __version__,
            "video": facts,
            "input": {"fingerprint": now, "sha256": digest},
            "dose_gy": config.dose_gy,
            "settings": config.model_dump(mode="json"),
            "versions": {name: version(name) for name in PACKAGES},
            "threads": THREADS,
            "seeds": "none: no stage draws random numbers",
        }
    )
    job = Job(folder, video, config, screen)
    units = [facts[k] for k in ("nucleus_channel", "phase_channel", "pixel_size_um", "minutes_per_frame")]
    job.once("video", lambda _: (), after=(), settings=[__version__, digest, units], files=())
    return job


def assess(job: Job) -> FrameQuality:
    """Which frames can be used, and where the stage was."""
    from lineage.quality import assess, taken_as_they_are

    def do(progress: Progress) -> Iterable[str]:
        if not job.video.intensities:
            write_table(taken_as_they_are(job.video).table, job.folder.quality)
            return ()
        found = assess(job.video, **job.config.quality.model_dump(), progress=progress)
        write_table(found.table, job.folder.quality)
        return found.warnings

    job.once(
        "quality", do, after=("video",), settings=job.config.quality.model_dump(), files=(job.folder.quality,)
    )  # fmt: skip
    return FrameQuality(read_table(job.folder.quality, text=("reason",)))


def scale(job: Job, quality: FrameQuality) -> float:
    """By how much the frames are resized for the network: once a movie, from its own nuclei or as told."""
    from lineage.stardist import model
    from lineage.stardist.scale import diameter_px, zoom_of

    folder, video, name = job.folder, job.video, job.config.segment.model
    given_um = job.config.segment.nucleus_diameter_um
    digest = model.digest(name)

    def do(progress: Progress) -> Iterable[str]:
        network = model.load(name)
        usable = np.flatnonzero(quality.usable)
        picked = usable[np.linspace(0, len(usable) - 1, min(SCALE_FRAMES, len(usable))).astype(int)]
        images = [video.frame(int(t), video.nucleus) for t in picked]
        diameter = given_um / video.pixel_size_um if given_um else diameter_px(network, images)
        size = {"diameter_px": diameter, "zoom": zoom_of(network, diameter), "given": given_um is not None}
        with whole(folder.scale) as part:
            part.write_text(json.dumps(size) + "\n")
        return () if diameter else ("too few nuclei to tell their size: the frames are taken as they are",)

    job.once("scale", do, after=("quality",), settings=[digest, given_um], files=(folder.scale,))
    size = json.loads(folder.scale.read_text())
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
    from lineage.quality.check import check_with_trackpy
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


def track(job: Job, quality: FrameQuality) -> Lineage:
    """Nuclei to cells, cells to mothers and daughters."""
    from lineage import likelihoods, state
    from lineage.hypotheses import consider
    from lineage.resolve import resolve
    from lineage.track import link, usable_time

    folder, video, config = job.folder, job.video, job.config
    sections = (config.track, config.hypotheses, config.resolve)

    def do(_: Progress) -> Iterable[str]:
        shape_um = (video.shape[0] * video.pixel_size_um, video.shape[1] * video.pixel_size_um)
        tracklets = link(
            state.estimate(read_table(folder.nuclei)),
            usable=quality.usable,
            shape_um=shape_um,
            minutes_per_frame=video.minutes_per_frame,
            **config.track.model_dump(),
        )
        detections, hypotheses = consider(
            tracklets,
            usable_time(tracklets.detections, quality.usable),
            shape_um=shape_um,
            pixel_size_um=video.pixel_size_um,
            **config.hypotheses.model_dump(),
        )
        lineage = resolve(detections, hypotheses, **config.resolve.model_dump())
        folder.record["notes"] = {"track": [*tracklets.notes, lineage.solver]}
        records.write_lineage(lineage, **folder.tracked)
        return lineage.warnings

    told = [likelihoods.digest(), *(section.model_dump() for section in sections)]
    job.once("track", do, after=("segment",), settings=told, files=tuple(folder.tracked.values()))
    for note in folder.record.get("notes", {}).get("track", []):
        job.screen.say(note)
    return records.read_lineage(**folder.tracked)


def propose(job: Job, quality: FrameQuality, lineage: Lineage) -> list[MitosisEvent]:
    """Divisions, fusions, deaths, and attempts to divide that came to nothing."""
    from dataclasses import replace

    from lineage import events, likelihoods, micronuclei

    folder, video, config = job.folder, job.video, job.config
    usable = np.flatnonzero(quality.usable)
    judged = video.intensities and video.minutes_per_frame <= config.crop.longest_interval_min

    def do(progress: Progress) -> Iterable[str]:
        found = events.propose(
            lineage,
            minutes_per_frame=video.minutes_per_frame,
            last_usable_frame=int(usable[-1]) if len(usable) else video.n_frames - 1,
            shape=video.shape,
            pixel_size_um=video.pixel_size_um,
            judged=judged,
            **config.events.model_dump(),
        )
        by_cell = dict(tuple(lineage.detections.groupby("tracklet_id")))
        raw = labels.open_array(folder.labels, labels.RAW)
        told = []
        for k, event in enumerate(found, start=1):
            if video.intensities and event.separated and len(event.daughters) > 1:
                daughters = pd.concat([by_cell[d] for d in event.daughters])
                seen = micronuclei.beside(
                    video, quality, lambda t: np.asarray(raw[t]), event.frame, daughters
                )  # fmt: skip
                event = replace(event, n_micronuclei=seen.n_micronuclei, bridge=seen.bridge)
            told.append(event)
            progress(k, len(found))
        records.write_events(told, folder.proposed)
        return ()

    job.once(
        "events", do, after=("track",), settings=[config.events.model_dump(), judged, likelihoods.digest()],
        files=(folder.proposed,),
    )  # fmt: skip
    return records.read_events(folder.proposed)


def crop(job: Job, quality: FrameQuality, lineage: Lineage, events: list[MitosisEvent]) -> None:
    """A film of each event."""
    from lineage import crops

    folder, video, config = job.folder, job.video, job.config

    def do(progress: Progress) -> Iterable[str]:
        options = config.crop.model_dump(exclude={"size_px"})
        mitoses = [e for e in events if video.intensities and e.event_type is EventType.MITOSIS]
        squares = crops.point(
            mitoses, lineage.detections, quality, minutes_per_frame=video.minutes_per_frame,
            has_phase=video.phase is not None, **options,
        )  # fmt: skip
        rows = crops.write(
            video, quality, squares, folder.crops, size_px=config.crop.size_px, progress=progress
        )
        write_table(rows, folder.squares)
        if not video.intensities:
            return ("masks alone: no mitosis is classified",)
        return crops.warnings(
            video.minutes_per_frame, video.phase is not None, config.crop.longest_interval_min
        )

    job.once(
        "crop", do, after=("events",), settings=config.crop.model_dump(), files=(folder.squares, folder.crops)
    )  # fmt: skip


def classify(job: Job) -> Predictions:
    """What kind of division each event is."""
    from classifier import checkpoint, predict
    from lineage import crops

    folder = job.folder
    weights = job.config.classify.model or predict.BUNDLED

    def do(progress: Progress) -> Iterable[str]:
        import torch

        torch.set_num_threads(THREADS)
        rows = read_table(folder.squares, text=("flags",))
        judged = rows[~rows["flags"].str.contains(crops.INTERVAL_TOO_LONG)]
        classifier = predict.load(weights)
        found = []
        for i in range(0, len(judged), BATCH):
            films = crops.read(folder.crops, judged.iloc[i : i + BATCH])
            found.append(predict.classify(films, classifier=classifier))
            progress(min(i + BATCH, len(judged)), len(judged))
        classes = list(classifier.card.classes)
        probabilities = np.concatenate([np.zeros((0, len(classes))), *(p.probabilities for p in found)])
        table = pd.DataFrame(probabilities, columns=classes)
        table.insert(0, "event_id", judged["event_id"].to_numpy(np.int64))
        write_table(table, folder.predictions)
        return ()

    job.once(
        "classify", do, after=("crop",), settings=checkpoint.sha256(weights), files=(folder.predictions,)
    )
    table = read_table(folder.predictions)
    classes = tuple(table.columns[1:])
    probabilities = table[list(classes)].to_numpy(np.float32)
    return Predictions(table["event_id"].to_numpy(np.int64), probabilities, classes)


def mend(
    job: Job, lineage: Lineage, events: list[MitosisEvent], predictions: Predictions
) -> tuple[Lineage, list[MitosisEvent], set[int]]:
    """The lineage without what the classifier rejects; also whose `none` is not followed."""
    from lineage.mend import mend
    from lineage.tree import verdicts

    folder, video = job.folder, job.video

    def do(progress: Progress) -> Iterable[str]:
        classes = {event: said["mitosis_class"] for event, said in verdicts(predictions).items()}
        mended, judged, kept = mend(lineage, events, classes)
        labels.write_tracked(
            folder.labels,
            mended.detections,
            pixel_size_um=video.pixel_size_um,
            minutes=video.minutes_per_frame,
            progress=progress,
        )
        records.write_lineage(mended, **folder.mended)
        records.write_events(judged, folder.judged)
        write_table(pd.DataFrame({"event_id": sorted(kept)}), folder.unfollowed)
        return ()

    files = (*folder.mended.values(), folder.judged, folder.unfollowed, folder.labels / labels.TRACKED)
    job.once("mend", do, after=("events", "classify"), settings=None, files=files)
    kept = set(read_table(folder.unfollowed)["event_id"].astype(int))
    return records.read_lineage(**folder.mended), records.read_events(folder.judged), kept


def annotate(
    job: Job,
    quality: FrameQuality,
    lineage: Lineage,
    events: list[MitosisEvent],
    predictions: Predictions,
    kept: set[int],
) -> nx.DiGraph:
    """The tree, and every table and graph that people take away."""
    from lineage.export import geff
    from lineage.mend import NONE_AGAINST_TRACKING
    from lineage.tree import annotate

    folder, video, config = job.folder, job.video, job.config

    def do(_: Progress) -> Iterable[str]:
        usable = np.flatnonzero(quality.usable)
        tree = annotate(
            lineage,
            events,
            predictions,
            n_frames=video.n_frames,
            shape=video.shape,
            pixel_size_um=video.pixel_size_um,
            minutes_per_frame=video.minutes_per_frame,
            video_name=video.path.name,
            dose_gy=config.dose_gy,
            last_usable_frame=int(usable[-1]) if len(usable) else None,
            kept=kept,
        )
        squares = read_table(folder.squares, text=("flags",))
        flags = dict(zip(squares["event_id"], squares["flags"], strict=True))
        flags |= {e: f"{flags.get(e, '')} {NONE_AGAINST_TRACKING}".strip() for e in kept}
        found = tables.event_table(
            events,
            predictions,
            minutes_per_frame=video.minutes_per_frame,
            side_um=dict(zip(squares["event_id"], squares["side_um"], strict=True)),
            flags=flags,
            kept=kept,
        )
        tracklets, lineages = tables.tables(tree)
        write_table(found, folder.events)
        write_table(tracklets, folder.tracklets)
        write_table(lineages, folder.lineages)
        geff.write(tree, lineage.detections, folder.geff, labels=folder.labels / labels.TRACKED)
        graphml.write(tree, folder.graphml)
        return ()

    files = (folder.events, folder.tracklets, folder.lineages, folder.geff, folder.graphml)
    told = [config.dose_gy, video.path.name]
    job.once("tree", do, after=("mend",), settings=told, files=files)
    return graphml.read(folder.graphml)


def report(job: Job, quality: FrameQuality, tree: nx.DiGraph) -> None:
    """The page that people look at."""
    from lineage.report import write_report

    folder = job.folder

    def do(_: Progress) -> Iterable[str]:
        write_report(
            folder.report,
            tree=tree,
            detections=read_table(folder.detections),
            events=read_table(folder.events, text=("daughter_ids", "flags")),
            quality=quality,
            crops_dir=folder.crops,
            run=folder.record | {"warnings": folder.warnings},
        )
        return ()

    job.once("report", do, after=("tree",), settings=None, files=(folder.report,))


if __name__ == "__main__":
    from lineage.command import app

    app()
