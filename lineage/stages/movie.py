"""A movie and its settings -> a Job: what cannot be used is refused, what was read is reported."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lineage import __version__
from lineage.corrections import journal
from lineage.device import AUTO, CPU, device_of
from lineage.io.files import content_sha256
from lineage.io.inputs import Inputs
from lineage.io.integrity import fingerprint
from lineage.schema import InputError
from lineage.stages.job import Job
from lineage.stages.verdicts import THREADS

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.config import Config
    from lineage.io.run_folder import RunFolder
    from lineage.progress import Screen
    from lineage.schema import Video

PACKAGES = ("btrack", "networkx", "numpy", "scikit-image", "scipy", "stardist", "torch", "trackpy", "zarr")

UNFINISHED = "unfinished"  # in place of the digest of the corrections that results hold


def open_movie(path: Path, config: Config) -> Video:
    """Open the movie of a run, or the masks that stand for one.

    Args:
        path: the movie; the same as `config.labels` where there are masks alone.
        config: all settings.

    Raises:
        InputError: it cannot be used.
    """
    from lineage.nuclei.masks import as_video
    from lineage.video import open_video

    _check_files(config)
    if path == config.labels:
        units = config.video
        for name in ("position", "well", "z", "axes"):
            if getattr(units, name) is not None:
                raise InputError(f"--{name} is for a movie, and there are masks alone: leave it out")
        return as_video(path, pixel_size_um=units.pixel_size_um, minutes_per_frame=units.minutes_per_frame)
    return open_video(path, **config.video.model_dump())


def with_channels(video: Video, config: Config) -> Video:
    """The movie; what is to be measured is no phase contrast where that is only assumed."""
    from lineage.nuclei.signals import without_assumed_phase

    return without_assumed_phase(video, config.segment.measure)


def check_inputs(video: Video, config: Config) -> None:
    """Raise InputError if masks, tracks, a model, a channel or the device cannot be used, before writing."""
    from lineage.imports import check_movie, read_tracks
    from lineage.nuclei import signals
    from lineage.nuclei.masks import open_masks
    from lineage.stardist import model

    _check_files(config)
    if config.device not in (AUTO, CPU):  # these are everywhere, and torch is not loaded to find out
        device_of(config.device)
    signals.choose(video, config.segment.measure, config.segment.fucci)
    if config.labels:
        open_masks(config.labels, n_frames=video.n_frames, shape=video.shape)
    else:
        model.find(config.segment.model)
    if config.tracks:
        check_movie(read_tracks(config.tracks), video.geometry)


def _check_files(config: Config) -> None:
    """Raise InputError if a file that the settings name is not there."""
    for given in (config.labels, config.tracks, config.classify.model):
        if given and not given.exists():
            raise InputError(f"{given} is not there: check the name")


def start(folder: RunFolder, video: Video, config: Config, screen: Screen) -> Job:
    """Report what was read and what was assumed, and open the record.

    Args:
        folder: of the run.
        video: the movie.
        config: all settings.
        screen: where it is reported.
    """
    screen.log(in_words(video))
    for sentence in video.assumed:
        screen.log(f"assumed: {sentence}", "yellow")
    for sentence in video.notes:
        screen.log(f"read: {sentence}")
    inputs = Inputs(*video.inputs, *([config.labels] if config.labels else []))
    now = fingerprint(*video.inputs)
    known = folder.record.get("input", {})
    same = known.get("fingerprint") == now and "sha256" in known
    digest = video.sha256 or (known["sha256"] if same else content_sha256(*video.inputs))
    folder.start(
        {
            "lineage": __version__,
            "video": facts(video),
            "input": {"fingerprint": now, "sha256": digest},
            "dose_gy": config.dose_gy,
            "settings": config.model_dump(mode="json"),
            "versions": {name: version(name) for name in PACKAGES},
            "threads": THREADS,
            "seeds": "none: no stage draws random numbers",
        }
    )
    job = Job(folder, video, config, screen, _corrections(folder, screen), inputs)
    if journal.held(folder.record) != job.journal.digest:
        # Killed half way, the results are not those of the earlier corrections either.
        folder.record["corrections"] = folder.record.get("corrections", {}) | {"digest": UNFINISHED}
        folder.save()
    units: list[Any] = [
        *(video.nucleus, video.phase, video.pixel_size_um, video.minutes_per_frame, video.missing),
        *([video.selection] if video.selection else []),
    ]
    job.run_stage(
        "video", lambda _: video.warnings, after=(), depends_on=[__version__, digest, units], files=()
    )
    return job


def _corrections(folder: RunFolder, screen: Screen) -> journal.Journal:
    """What a person says of this run, and what of it is not read."""
    found = journal.read(folder.corrections)
    name = folder.corrections.name
    if found.unreadable:
        lines = ", ".join(map(str, found.unreadable))
        screen.log(f"warning: {name}: line {lines} is no correction, and is left out", "yellow")
    earlier = folder.corrections.with_suffix(".csv")
    if earlier.exists():
        screen.log(
            f"warning: {earlier.name} is of an earlier version and not read; say what it says with "
            f"`python -m lineage.review {folder.root}`",
            "yellow",
        )
    if n := len(found.corrections):
        screen.log(f"{name}: {n} correction{'s' * (n > 1)}")
    return found


def in_words(video: Video) -> str:
    """What was read, in one line."""
    hours = video.n_frames * video.minutes_per_frame / 60
    where = f", position {video.position}" if video.position else ""
    return (
        f"{video.path.name}{where}: {video.n_frames} frames of {video.shape[1]} x {video.shape[0]} px, "
        f"{hours:.1f} h; "
        f"nuclei in channel {video.nucleus} ({video.channels[video.nucleus]}), "
        + ("no phase contrast" if video.phase is None else f"phase in {video.phase}")
        + f"; {video.pixel_size_um:g} um a pixel, {video.minutes_per_frame:g} min a frame"
    )


def facts(video: Video) -> dict[str, Any]:
    """What was read, for the record."""
    parts = {"parts": [str(p.resolve()) for p in video.parts], "gap_min": video.gap_min}
    return {
        "path": str(video.path.resolve()),
        "name": video.path.name,
        "position": video.position,
        "n_frames": video.n_frames,
        "shape": list(video.shape),
        "dtype": str(video.dtype),
        "channels": list(video.channels),
        "nucleus_channel": video.nucleus,
        "phase_channel": video.phase,
        "pixel_size_um": video.pixel_size_um,
        "minutes_per_frame": video.minutes_per_frame,
        **(parts if video.parts else {}),
        "assumed": list(video.assumed),
        "notes": list(video.notes),
    }
