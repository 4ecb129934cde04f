"""Time, memory and results of a plate on 1, 2 and 4 workers: `python benchmarks/plate_scaling.py OUT`.

Eight simulated movies of four doses. Each number of workers runs the whole command in processes of its own,
from nothing, in the order given; then the last once more, when all is done. Memory is the peak of what all
processes hold for themselves, looked at once a second; computing is the time of all cores together.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
DOSES = (0, 2, 4, 8)
WELLS_A_DOSE = 2
LOOK_EVERY_S = 1.0
TABLES = ("detections.csv", "tracklets.csv", "events.csv", "lineages.csv", "lineage.graphml")


def make(folder: Path, *, frames: int, size: int) -> Path:
    """Simulate the movies that are not there yet, and write their plate map."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["movie,experiment_date,plate,well,position,dose_gy,cell_line,treatment"]
    for n, dose in enumerate(DOSES):
        for well in range(1, WELLS_A_DOSE + 1):
            movie = folder / f"U251_{dose}Gy_{'ABCD'[n]}{well}_p1.tif"
            rows.append(f"{movie.name},2026-11-30,1,{'ABCD'[n]}{well},1,{dose},U251,none")
            told = {
                "frames": frames, "size": size, "founders": 10, "dose-gy": dose, "seed": 10 * n + well,
                "well": 2 * n + well,
            }  # fmt: skip
            if not movie.exists():
                options = [text for k, v in told.items() for text in (f"--{k}", str(v))]
                subprocess.run([sys.executable, "-m", "lineage.simulate", str(movie), *options], check=True)
    plate = folder / "map.csv"
    plate.write_text("\n".join(rows) + "\n")
    return plate


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command: seconds by the clock, seconds of all cores, peak memory of all its processes in GB."""
    start, before, peak = time.monotonic(), computed(), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, held_bytes(psutil.Process(process.pid)))
            time.sleep(LOOK_EVERY_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - start, computed() - before, peak / 1e9


def computed() -> float:
    """Seconds that the processes which have ended took of all cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def held_bytes(process: psutil.Process) -> int:
    """Memory that a process and its children have for themselves."""
    held = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in family:
        try:
            held += one.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return held


def digest(out: Path) -> str:
    """Of every table of every run, in one word."""
    found = hashlib.sha256()
    for run in sorted(out.glob("*.lineage")):
        for name in TABLES:
            found.update(f"{run.name}/{name}".encode() + (run / name).read_bytes())
    return found.hexdigest()[:12]


def main() -> None:
    """Make the plate, run it, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    args = parser.parse_args()
    plate = make(args.out / "movies", frames=args.frames, size=args.size)
    rows = []
    for start, workers in enumerate([*args.workers, args.workers[-1]]):
        again = start == len(args.workers)
        out = args.out / f"workers_{workers}"
        if not again and out.exists():
            raise SystemExit(f"{out} is there already; give another folder")
        command = [sys.executable, "-m", "pipelines.plate", "run", str(plate), "--out", str(out)]
        load = os.getloadavg()[0]
        seconds, cores, gigabytes = measured([*command, "--workers", str(workers)])
        name = f"{workers}, all done before" if again else str(workers)
        rows.append((name, seconds, cores, gigabytes, digest(out), load))
    print("| workers | seconds | times as fast | computing, s | peak memory, GB | tables | load before |")
    print("|---|---|---|---|---|---|---|")
    for name, seconds, cores, gigabytes, found, load in rows:
        faster = f"{seconds:.0f} | {rows[0][1] / seconds:.2f} | {cores:.0f}"
        print(f"| {name} | {faster} | {gigabytes:.2f} | {found} | {load:.1f} |")


if __name__ == "__main__":
    main()
