"""A movie -> its annotated lineage: the stages in order. `python -m lineage.run video.tif`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from lineage.io.run_folder import RunFolder, check_space
from lineage.schema import InputError
from lineage.stages.cells import propose, track
from lineage.stages.movie import open_movie, start
from lineage.stages.nuclei import assess, segment
from lineage.stages.results import annotate, report
from lineage.stages.verdicts import classify, corrections, crop, mend

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.config import Config
    from lineage.progress import Screen


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
    video = open_movie(path, config)
    folder = RunFolder.open(out, video=path, overwrite=overwrite, files=video.files, position=video.position)
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
        persons = corrections(folder)
        lineage, events = mend(job, lineage, events, predictions, persons)
        tree = annotate(job, quality, lineage, events, predictions, persons)
        report(job, quality, tree)
    except (InputError, OSError):
        # Bad masks, a full disk: a folder that this start made, and in which no nuclei lie yet, goes.
        if is_new and "segment" not in folder.record.get("stages", {}):
            shutil.rmtree(out, ignore_errors=True)
        raise
    return folder


if __name__ == "__main__":
    from lineage.command import app

    app()
