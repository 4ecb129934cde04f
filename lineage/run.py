"""A movie -> its annotated lineage: the stages in order. `python -m lineage.run video.tif`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineage.device import AUTO, CPU, is_there
from lineage.io.files import check_space
from lineage.io.lock import locked
from lineage.io.run_folder import RunFolder
from lineage.processes import kept
from lineage.schema import InputError
from lineage.stages.cells import propose, track
from lineage.stages.movie import check_inputs, open_movie, start, with_channels
from lineage.stages.nuclei import assess, light, segment
from lineage.stages.outlines import outlines
from lineage.stages.results import (
    annotate,
    forget_report,
    record_corrections,
    record_discarded,
    write_report,
)
from lineage.stages.verdicts import classify, crop, decide, reject

if TYPE_CHECKING:
    from lineage.config import Config
    from lineage.progress import Screen
    from lineage.schema import Video


def run(
    movie: Path | Video,
    out: Path,
    config: Config,
    *,
    screen: Screen,
    overwrite: bool = False,
    report: bool = True,
) -> RunFolder:
    """Take a movie through every stage that is not done yet.

    Args:
        movie: a path, the same as `config.labels` where there are masks alone; or a movie that is open.
        out: the run folder; made if it is not there.
        config: all settings.
        screen: where progress and warnings are shown.
        overwrite: throw away an earlier run in `out`.
        report: write report.html; else, where results changed, there is none until the next run.

    Raises:
        InputError: the movie, a setting or the folder cannot be used.
    """
    from lineage.schema import Video

    video = movie if isinstance(movie, Video) else open_movie(movie, config)
    video = with_channels(video, config)
    check_inputs(video, config)
    with locked(out):
        folder = RunFolder.open(
            out, video=video.path, overwrite=overwrite, files=video.files, position=video.position
        )
        _run_stages(folder, video, config, screen, report=report)
    return folder


def reopen(root: Path, record: dict[str, Any]) -> tuple[Video, Config]:
    """The movie of a run that is there, and its settings: to look at, or to run again.

    Args:
        root: the run folder; a movie that is not where it was is looked for beside it.
        record: run.json.

    Raises:
        InputError: the movie is not there, or is another.
    """
    from lineage.config import Config
    from lineage.video import open_parts

    stated, config = record["video"], Config.model_validate(record.get("settings", {}))
    if config.device not in (AUTO, CPU) and not is_there(config.device):  # run on another machine
        config = config.model_copy(update={"device": AUTO})
    paths = [_found(Path(path), root) for path in stated.get("parts") or [stated["path"]]]
    path = paths[0]
    if config.labels and str(config.labels.resolve()) == stated["path"]:
        path = config.labels
    if len(paths) > 1:
        video = open_parts(paths, gap_min=stated["gap_min"], **config.video.model_dump())
    else:
        video = open_movie(path, config)
    video = with_channels(video, config)
    if video.n_frames != stated["n_frames"] or list(video.shape) != list(stated["shape"]):
        raise InputError(
            f"{path} has {video.n_frames} frames of {video.shape[1]} x {video.shape[0]} px, the run "
            f"{stated['n_frames']} of {stated['shape'][1]} x {stated['shape'][0]}: give the movie's "
            "`python -m lineage.run` again"
        )
    return video, config


def _found(path: Path, root: Path) -> Path:
    """Where a movie is, or what is named like it beside the run folder."""
    beside = root.resolve().parent / path.name
    if not path.exists() and not beside.exists():
        raise InputError(f"the movie {path} is not there, nor is it beside {root.name}")
    return path if path.exists() else beside


def _run_stages(folder: RunFolder, video: Video, config: Config, screen: Screen, *, report: bool) -> None:
    """The stages in order; each is run only where its results are not there, or do not hold any more."""
    out = folder.root
    is_new = not out.exists()
    if not folder.record:
        check_space(out, n_frames=video.n_frames, shape=video.shape)
    try:
        job = start(folder, video, config, screen)
        quality = assess(job)
        with kept():  # until here: later they would hold memory that tracking needs
            segment(job, quality)
        seen = light(job)
        outlined = outlines(job, quality)
        lineage = track(job, quality, seen, outlined)
        events = propose(job, quality, lineage, outlined)
        crop(job, quality, lineage, events)
        predictions = classify(job)
        verdicts = decide(job, lineage, events, predictions)
        lineage, events = reject(job, lineage, events, verdicts, outlined)
        tree = annotate(job, quality, lineage, events, verdicts)
        record_discarded(job, quality, lineage)
        record_corrections(job)
        if report:
            write_report(job, quality, seen, tree)
        else:
            forget_report(job)
    except (InputError, OSError) as error:
        # Bad masks, a full disk: a folder that this start made, and in which no nuclei lie yet, goes.
        goes_on = isinstance(error, OSError) and any(folder.journal.glob("*/*.npz"))
        if is_new and "segment" not in folder.record.get("stages", {}) and not goes_on:
            shutil.rmtree(out, ignore_errors=True)
        raise


if __name__ == "__main__":
    from lineage.command import app

    app()
