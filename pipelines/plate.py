"""Plate map -> a run folder for each movie, on dask. `python -m pipelines.plate run PLATE.csv --out DIR`."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
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
    from pipelines.cluster import Place
    from pipelines.platemap import Movie, PlateMap

TICK_S = 0.2
SHARE_OF_SEGMENTATION = 0.8  # of a movie's time; the rest comes when it is done


@dataclass(frozen=True)
class Ended:
    """What became of a movie."""

    movie: Movie
    reason: str | None  # why it failed
    was_done: bool = False  # before this start
    traceback: str = ""


@dataclass
class Tally:
    """Frames done and to be done in this start; what was done before counts as neither."""

    frames: Mapping[str, int]  # of each run folder
    before: dict[str, int] = field(default_factory=dict)
    now: dict[str, float] = field(default_factory=dict)

    def tell(self, run_folder: str, stage: str, done: int, total: int) -> None:
        """A worker said how far a movie is."""
        if stage != "segment" or not total:
            return
        # An earlier start's frames are there at once.
        before = self.before.setdefault(run_folder, done - 1 if done > 1 else 0)
        self.now[run_folder] = (done - before) * SHARE_OF_SEGMENTATION

    def end(self, run_folder: str, *, was_done: bool) -> None:
        """A movie is done, or given up."""
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


def run(plate: PlateMap, out: Path, place: Place, *, screen: Screen) -> list[Ended]:
    """Run every movie that is not done yet; one that fails stops none of the others.

    Args:
        plate: checked.
        out: the folder for the run folders, and for a copy of the map; made if it is not there.
        place: where the movies run.
        screen: where progress is said.

    Returns:
        What became of each movie, in the plate's order.

    Raises:
        InputError: `out` cannot be used.
    """
    write_copy(plate, out)
    tally = Tally({m.run_folder: m.n_frames for m in plate.movies})
    with screen.stage("plate") as progress:
        return follow(plate.movies, out, place, tally, progress, screen)


def write_copy(plate: PlateMap, out: Path) -> None:
    """The checked map, beside the runs: the movies' paths are absolute, those of the runs start from there.

    Raises:
        InputError: something else of that name is there.
    """
    path = out / COPY
    if path.exists():
        with path.open(encoding="utf-8-sig") as file:
            if RUN_FOLDER not in file.readline():
                raise InputError(f"{path} is no checked plate map, and is not replaced; give another --out")
    write_table(plate.table, path)


def follow(
    movies: Sequence[Movie],
    out: Path,
    place: Place,
    tally: Tally,
    progress: Callable[[int, int], None],
    screen: Screen,
) -> list[Ended]:
    """Hand the movies to the workers, and say what becomes of them."""

    def hear(event: tuple[float, dict[str, Any]]) -> None:
        told = event[1]
        tally.tell(told["movie"], told["stage"], told["done"], told["total"])
        progress(tally.done, tally.total)

    stages = {m.run_folder: stages_of(out / m.run_folder) for m in movies}
    client = place.client
    client.subscribe_topic(TOPIC, hear)
    # The longest first: a short one at the end keeps the others waiting less.
    order = sorted(movies, key=lambda m: -m.n_frames * m.shape[0] * m.shape[1])
    futures: dict[Future, Movie] = {
        client.submit(
            run_movie, m.path, (out / m.run_folder).absolute(), shared_out(m, place.processes),
            key=(KEY, m.run_folder), priority=-n,
        ): m
        for n, m in enumerate(order)
    }  # fmt: skip
    ended: dict[str, Ended] = {}
    for future in as_they_end(futures, place, screen):
        movie = futures[future]
        name = movie.run_folder
        if future.status == "finished":
            one = Ended(movie, None, was_done=stages_of(out / name) == stages[name])
        else:
            one = Ended(movie, reason_of(future), traceback=traceback_of(future))
        ended[name] = one
        tally.end(name, was_done=one.was_done)
        progress(tally.done, tally.total)
        what = f"failed: {one.reason}" if one.reason else "was done before" if one.was_done else "done"
        screen.say(f"{len(ended)} of {len(movies)}: {name} {what}", "red" if one.reason else None)
    client.unsubscribe_topic(TOPIC)
    return [ended[m.run_folder] for m in movies]


def as_they_end(futures: Iterable[Future], place: Place, screen: Screen) -> Iterator[Future]:
    """Each movie's future when it has ended; the place is looked after meanwhile."""
    left, said = list(futures), ""
    while left:
        words = place.look_after(len(left))
        if words != said:
            screen.say(words)
        said = words
        ended = [f for f in left if f.done()]
        left = [f for f in left if f not in ended]
        yield from ended
        if not ended:
            time.sleep(TICK_S)


def shared_out(movie: Movie, processes: int | None) -> Config:
    """The movie's settings, with the processes that share its frames where the plate map leaves that open."""
    from lineage.nuclei.segment import WORTH_PROCESSES

    config = movie.config
    if config.segment.workers or processes is None:
        return config
    small = movie.n_frames * movie.shape[0] * movie.shape[1] <= WORTH_PROCESSES
    segment = config.segment.model_copy(update={"workers": 1 if small else processes})
    return config.model_copy(update={"segment": segment})


def stages_of(run_folder: Path) -> dict[str, Any]:
    """What run.json says of the stages; empty where there is none."""
    try:
        return dict(read_record(run_folder)["stages"])
    except (InputError, OSError):
        return {}


def warnings_of(ended: Sequence[Ended], out: Path) -> dict[str, list[str]]:
    """What was assumed of the movies, and what to be wary of; with the run folders it is said of."""
    found: dict[str, list[str]] = {}
    for one in ended:
        name = one.movie.run_folder
        if one.reason:
            continue
        record = read_record(out / name)
        warnings = [w for stage in record["warnings"].values() for w in stage]
        told = [f"assumed: {s}" for s in record["video"]["assumed"]] + [f"warning: {w}" for w in warnings]
        for sentence in told:
            found.setdefault(sentence, []).append(name)
    return found


def traceback_of(future: Future) -> str:
    """Where a movie failed."""
    error = future.exception() if future.status == "error" else None
    return "".join(traceback.format_exception(error)) if error else ""


def reason_of(future: Future) -> str:
    """Why a movie failed, in a line."""
    from distributed import KilledWorker

    from lineage.tracking.resolve import Unsolved

    if future.status != "error":
        return "dask lost it; give the same command again"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return (
            "each process that tried it died, most likely for want of memory; give the same command again "
            "with fewer --workers, or more memory in the SLURM profile"
        )
    words = " ".join(str(error).split())
    if isinstance(error, InputError | OSError | Unsolved):
        return words
    return f"{type(error).__name__}: {words} (--debug shows where)"


if __name__ == "__main__":
    from pipelines.plate_command import app

    app()
