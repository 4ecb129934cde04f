"""Time, memory and results of plates on several numbers of workers: `python benchmarks/plate_scaling.py OUT`.

Eight simulated movies of four doses; a larger plate has each of them at several positions. Every plate
and number of workers runs the whole command in processes of its own, from nothing, in the order given; then
the first plate once more when all is done, which shows what starting and ending take. *Of linear*: times as
fast, over the cores that the workers can use. *Memory* is the peak of what all processes hold (shared pages
count once), looked at every two seconds; *computing* is the time of all cores together; *tables* a digest of
every table and graph of all runs.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lineage.processes import cores

ROOT = Path(__file__).parents[1]
DOSES = (0, 2, 4, 8)
WELLS_A_DOSE = 2
LOOK_EVERY_S = 2.0
TABLES = ("detections.csv", "tracklets.csv", "events.csv", "lineages.csv", "lineage.graphml")
SUBREAPER = (
    36  # of Linux's prctl: processes left by the command become children of this one, which counts them
)


@dataclass(frozen=True)
class Row:
    """One run of the command."""

    movies: int
    workers: int
    seconds: float
    computing_s: float
    memory_gb: float
    tables: str
    load: float  # of the machine before it
    note: str = ""


def make(folder: Path, *, movies: int, frames: int, size: int) -> Path:
    """Simulate the movies that are not there yet, and write the plate map of the first so many."""
    folder.mkdir(parents=True, exist_ok=True)
    wells = [(n, dose, well) for n, dose in enumerate(DOSES) for well in range(1, WELLS_A_DOSE + 1)]
    rows = ["movie,experiment_date,plate,well,position,dose_gy,cell_line,treatment"]
    for k in range(movies):
        (n, dose, well), position = wells[k % len(wells)], k // len(wells) + 1
        first, movie = (folder / f"U251_{dose}Gy_{'ABCD'[n]}{well}_p{p}.tif" for p in (1, position))
        rows.append(f"{movie.name},2026-11-30,1,{'ABCD'[n]}{well},{position},{dose},U251,none")
        settings = {
            "frames": frames, "size": size, "founders": 10, "dose-gy": dose, "seed": 10 * n + well,
            "well": 2 * n + well,
        }  # fmt: skip
        if not first.exists():
            options = [text for k, v in settings.items() for text in (f"--{k}", str(v))]
            subprocess.run([sys.executable, "-m", "lineage.simulate", str(first), *options], check=True)
        if not movie.exists():
            shutil.copy(first, movie)
    plate = folder / f"map_{movies}.csv"
    plate.write_text("\n".join(rows) + "\n")
    return plate


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command: seconds by the clock, seconds of all cores, peak memory of all its processes in GB."""
    start, before, peak = time.monotonic(), computed(), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        watched, next_look = psutil.Process(process.pid), start
        while process.poll() is None:
            if time.monotonic() >= next_look:
                peak = max(peak, held_bytes(watched))
                next_look = time.monotonic() + LOOK_EVERY_S
            time.sleep(0.05)
    seconds = time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    with suppress(ChildProcessError):
        while True:
            os.wait()
    return seconds, computed() - before, peak / 1e9


def adopt() -> None:
    """Let processes that outlive a command be waited for here: those that others were forked from."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def computed() -> float:
    """Seconds that the processes which have ended took of all cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def held_bytes(process: psutil.Process) -> int:
    """Memory that a process and its children hold; where the system tells, shared pages in equal parts."""
    held = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in family:
        try:
            memory = one.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        held += getattr(memory, "pss", memory.uss)
    return held


def digest(out: Path) -> str:
    """Of every table of every run, in one word."""
    found = hashlib.sha256()
    for run in sorted(out.glob("*.lineage")):
        for name in TABLES:
            found.update(f"{run.name}/{name}".encode() + (run / name).read_bytes())
    return found.hexdigest()[:12]


def table(rows: list[Row]) -> list[str]:
    """The rows as Markdown; each plate is compared with its first number of workers."""
    lines = [
        "| movies | workers | seconds | times as fast | of linear | computing, s | peak memory, GB | tables "
        "| load before |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first = next(r for r in rows if r.movies == row.movies)
        faster = first.seconds / row.seconds
        usable = min(row.workers, cores()) / min(first.workers, cores())
        shares = "| " if row.note else f"{faster:.2f} | {faster / usable:.2f}"
        lines.append(
            f"| {row.movies}{row.note} | {row.workers} | {row.seconds:.1f} | {shares} "
            f"| {row.computing_s:.0f} | {row.memory_gb:.2f} | {row.tables} | {row.load:.1f} |"
        )
    return lines


def main() -> None:
    """Make the plates, run them, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--movies", type=numbers, default=[8, 32], help="sizes of plates, with commas between"
    )
    parser.add_argument("--workers", type=numbers, default=[1, 2, 4], help="with commas between")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=256)
    args = parser.parse_args()
    adopt()
    starts = [(m, w, "") for m in args.movies for w in args.workers]
    starts.append((args.movies[0], args.workers[-1], ", done before"))
    rows: list[Row] = []
    for movies, workers, note in starts:
        plate = make(args.out / "movies", movies=movies, frames=args.frames, size=args.size)
        out = args.out / f"{movies}_movies_{workers}_workers"
        if not note and out.exists():
            raise SystemExit(f"{out} is there already; give another folder")
        command = [sys.executable, "-m", "pipelines.plate", "run", str(plate), "--out", str(out)]
        load = os.getloadavg()[0]
        took = measured([*command, "--workers", str(workers)])
        rows.append(Row(movies, workers, *took, digest(out), load, note))
        print(f"{movies} movies{note}, {workers} workers: {took[0]:.1f} s", file=sys.stderr)
    print("\n".join(table(rows)))


def numbers(text: str) -> list[int]:
    """Numbers with commas between.

    >>> numbers("8,32")
    [8, 32]
    """
    return [int(word) for word in text.split(",")]


if __name__ == "__main__":
    main()
