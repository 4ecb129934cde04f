"""Plate map -> a run folder for each movie, on dask. `python -m pipelines.plate run PLATE.csv --out DIR`."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lineage.io.files import write_table
from lineage.io.integrity import read_record
from lineage.schema import InputError
from pipelines.cluster import KEY
from pipelines.columns import COPY, RUN_FOLDER
from pipelines.worker import TOPIC, run_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from distributed import Future

    from lineage.config import Config
    from lineage.progress import Screen
    from pipelines.cluster import Backend
    from pipelines.platemap import Movie, PlateMap

POLL_EVERY_S = 0.2
SHARE_OF_SEGMENTATION = 0.8  # of a movie's time; the rest is counted when it is done


@dataclass(frozen=True)
class Outcome:
    """What became of a movie."""

    movie: Movie
    reason: str | None  # why it failed; None if it did not
    was_done: bool = False  # before this start
    traceback: str = ""


@dataclass
class Tally:
    """Frames done and to be done in this start; those done by an earlier one count as neither."""

    frames: Mapping[str, int]  # of each run folder
    before: dict[str, int] = field(default_factory=dict)
    now: dict[str, float] = field(default_factory=dict)

    def report(self, run_folder: str, stage: str, done: int, total: int) -> None:
        """Count what a worker reports.

        Args:
            run_folder: the movie's.
            stage: only frames of the segmentation count.
            done: frames done in it, by an earlier start as well.
            total: frames of the movie; 0 if the stage has just begun.
        """
        if stage != "segment" or not total:
            return
        # The frames of an earlier start are all in the first report.
        before = self.before.setdefault(run_folder, done - 1 if done > 1 else 0)
        self.now[run_folder] = (done - before) * SHARE_OF_SEGMENTATION

    def end(self, run_folder: str, *, was_done: bool) -> None:
        """Count a movie that is done or has failed."""
        if was_done:
            self.before[run_folder] = self.frames[run_folder]
        self.now[run_folder] = self.frames[run_folder] - self.before.get(run_folder, 0)

    @property
    def done(self) -> int:
        """Frames done in this start."""
        return int(sum(self.now.values()))

    @property
    def total(self) -> int:
        """Frames to be done in this start."""
        return sum(self.frames.values()) - sum(self.before.values())


def run(
    plate: PlateMap, out: Path, backend: Backend, *, screen: Screen, device: str | None = None
) -> list[Outcome]:
    """Run every movie that is not done yet; one that fails stops none of the others.

    Args:
        plate: checked.
        out: the folder for the run folders and a copy of the map; made if it is not there.
        backend: where the movies run.
        screen: shows progress.
        device: where torch computes, for every movie; by the plate map if None.

    Returns:
        What became of each movie, in the plate's order.

    Raises:
        InputError: `out` cannot be used.
    """
    write_copy(plate, out)
    movies = [with_device(movie, device) for movie in plate.movies] if device else plate.movies
    with screen.stage("plate") as progress:
        return run_movies(movies, out, backend, progress, screen)


def write_copy(plate: PlateMap, out: Path) -> None:
    """Write the checked map beside the runs; paths of movies are absolute, those of runs relative to it.

    Raises:
        InputError: another file of that name is there.
    """
    path = out / COPY
    if path.exists():
        with path.open(encoding="utf-8-sig") as file:
            if RUN_FOLDER not in file.readline():
                raise InputError(f"{path} is no checked plate map, and is not replaced; give another --out")
    write_table(plate.table, path)


def run_movies(
    movies: Sequence[Movie],
    out: Path,
    backend: Backend,
    progress: Callable[[int, int], None],
    screen: Screen,
) -> list[Outcome]:
    """Give the movies to the workers, and wait for them.

    Args:
        movies: to run, or to find done.
        out: the folder for their run folders.
        backend: where they run.
        progress: called with frames done and frames to be done in this start.
        screen: gets a line for each movie that ends.

    Returns:
        What became of each movie, in their order.
    """
    tally = Tally({m.run_folder: m.n_frames for m in movies})

    def on_event(event: tuple[float, dict[str, Any]]) -> None:
        report = event[1]  # the first is the time
        tally.report(report["movie"], report["stage"], report["done"], report["total"])
        progress(tally.done, tally.total)

    stages_before = {m.run_folder: stages_of(out / m.run_folder) for m in movies}
    backend.client.subscribe_topic(TOPIC, on_event)
    futures = submit(movies, out, backend)
    outcomes: dict[str, Outcome] = {}
    for future in as_completed(futures, backend, screen):
        movie = futures[future]
        name = movie.run_folder
        if future.status == "finished":
            outcome = Outcome(movie, None, was_done=stages_of(out / name) == stages_before[name])
        else:
            outcome = Outcome(movie, reason_of(future), traceback=traceback_of(future))
        outcomes[name] = outcome
        tally.end(name, was_done=outcome.was_done)
        progress(tally.done, tally.total)
        _show(outcome, f"{len(outcomes)} of {len(movies)}", screen)
    backend.client.unsubscribe_topic(TOPIC)
    return [outcomes[m.run_folder] for m in movies]


def submit(movies: Sequence[Movie], out: Path, backend: Backend) -> dict[Future, Movie]:
    """Give each movie to dask as one task, the longest first: so that none is left alone at the end.

    Args:
        movies: to run.
        out: the folder for their run folders.
        backend: where they run.

    Returns:
        The future of each movie; its result is the path of the run folder.
    """
    longest_first = sorted(movies, key=lambda m: -m.n_frames * m.shape[0] * m.shape[1])
    return {
        backend.client.submit(
            run_movie,
            movie.path,
            (out / movie.run_folder).absolute(),
            with_workers(movie, backend.processes),
            key=(KEY, movie.run_folder),
            priority=-n,
        ): movie
        for n, movie in enumerate(longest_first)
    }


def _show(outcome: Outcome, count: str, screen: Screen) -> None:
    name = outcome.movie.run_folder
    if outcome.reason:
        screen.log(f"{count}: {name} failed: {outcome.reason}", "red")
    else:
        screen.log(f"{count}: {name} {'was done before' if outcome.was_done else 'done'}")


def as_completed(futures: Iterable[Future], backend: Backend, screen: Screen) -> Iterator[Future]:
    """Wait for movies, while the backend's workers are supervised.

    Args:
        futures: of the movies.
        backend: where they run.
        screen: gets a line whenever the state of the workers changes.

    Yields:
        Each future when its movie is done or has failed.
    """
    left, last_state = list(futures), ""
    while left:
        state = backend.supervise(len(left))
        if state != last_state:
            screen.log(state)
        last_state = state
        completed = [f for f in left if f.done()]
        left = [f for f in left if f not in completed]
        yield from completed
        if not completed:
            time.sleep(POLL_EVERY_S)


def with_workers(movie: Movie, processes: int | None) -> Config:
    """The movie's settings, with the number of processes filled in where the plate map gives none."""
    from lineage.nuclei.segment import WORTH_PROCESSES

    config = movie.config
    if config.segment.workers or processes is None:
        return config
    is_small = movie.n_frames * movie.shape[0] * movie.shape[1] <= WORTH_PROCESSES
    segment = config.segment.model_copy(update={"workers": 1 if is_small else processes})
    return config.model_copy(update={"segment": segment})


def with_device(movie: Movie, device: str) -> Movie:
    """The movie; torch is to compute on a device."""
    return replace(movie, config=movie.config.model_copy(update={"device": device}))


def stages_of(run_folder: Path) -> dict[str, Any]:
    """The record of the stages in run.json; empty where there is none."""
    try:
        return dict(read_record(run_folder)["stages"])
    except (InputError, OSError):
        return {}


def warnings_of(outcomes: Sequence[Outcome], out: Path) -> dict[str, list[str]]:
    """Collect what was assumed of the movies and what was warned of: sentence -> run folders."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        name = outcome.movie.run_folder
        if outcome.reason:
            continue
        record = read_record(out / name)
        warnings = [w for stage in record["warnings"].values() for w in stage]
        sentences = [f"assumed: {s}" for s in record["video"]["assumed"]]
        for sentence in [*sentences, *(f"warning: {w}" for w in warnings)]:
            found.setdefault(sentence, []).append(name)
    return found


def traceback_of(future: Future) -> str:
    """The traceback of the error that a movie failed with; empty if there is none."""
    error = future.exception() if future.status == "error" else None
    return "".join(traceback.format_exception(error)) if error else ""


def reason_of(future: Future) -> str:
    """Why a movie failed, in one line."""
    from distributed import KilledWorker

    from lineage.tracking.resolve import Unsolved

    if future.status != "error":
        return "dask lost it; give the same command again"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return (
            "each process that ran it died, most likely because memory ran out; give the same command again "
            "with fewer --workers, or more memory in the SLURM profile"
        )
    message = " ".join(str(error).split())
    if isinstance(error, InputError | OSError | Unsolved):
        return message
    return f"{type(error).__name__}: {message} (--debug shows where)"


if __name__ == "__main__":
    from pipelines.plate_command import app

    app()
