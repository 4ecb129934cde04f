"""How fast the review serves, and in how much memory: `python benchmarks/review_speed.py`.

Two run folders are written, without a run. One has a movie of 1024 x 1024 pixels of 16 bits in two channels,
noise with 230 nuclei a frame, and its label images; it is asked for frames and outlines. The other has the
tables of a movie of 721 frames, and no pixels; it is asked for all its tables. Times are of whole requests to
the server, which is a process of its own; memory is the server's, as the system counts it (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from synthetic.runs import write_run

from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.io import labels
from lineage.io.integrity import FORMAT, FORMAT_VERSION
from lineage.io.run_folder import RunFolder
from lineage.schema import DETECTION_COLUMNS, EVENT_COLUMNS, QUALITY_COLUMNS, TRACKLET_COLUMNS, Geometry
from lineage.simulate.population import grow
from lineage.simulate.settings import Settings

N_NUCLEI, RADIUS, BORDER = 230, 11, 16


def write_movie(folder: Path, n_frames: int, size: int) -> Path:
    """A run folder with its movie beside it: nuclei on a walk, each a cell of its own."""
    rng = np.random.default_rng(0)
    movie, run = folder / "noise.tif", RunFolder(folder / "noise.lineage")
    run.stages.mkdir(parents=True)
    geometry = Geometry(n_frames, (size, size), 0.65, 10.0)
    labels.create(run.labels, geometry)
    raw = labels.open_array(run.labels, labels.RAW, "r+")
    place = rng.uniform(BORDER, size - BORDER, (N_NUCLEI, 2))
    disc = np.hypot(*np.mgrid[-BORDER : BORDER + 1, -BORDER : BORDER + 1]) <= RADIUS
    rows, pages = [], []
    for t in range(n_frames):
        place = np.clip(place + rng.normal(0, 1.5, place.shape), BORDER, size - BORDER - 1)
        mask = np.zeros((size, size), np.uint32)
        for label, (y, x) in enumerate(place.astype(int), 1):
            mask[y - BORDER : y + BORDER + 1, x - BORDER : x + BORDER + 1][disc] = label
            rows.append((t, label, label, float(y), float(x)))
        raw[t] = mask
        noise = rng.normal(400, 30, (2, size, size))
        noise[1] += 900 * (mask > 0)
        pages += list(noise.astype(np.uint16))
    tifffile.imwrite(
        movie, np.stack(pages).reshape(n_frames, 2, size, size), metadata={"axes": "TCYX"}, ome=True
    )
    table = pd.DataFrame(rows, columns=["frame", "label", "tracklet_id", "y_px", "x_px"])
    table = table.assign(area_um2=np.pi * (RADIUS * 0.65) ** 2).reindex(columns=list(DETECTION_COLUMNS))
    table.to_csv(run.detections, index=False)
    cells = {"tracklet_id": range(1, N_NUCLEI + 1), "first_frame": 0, "last_frame": n_frames - 1}
    ends = {"birth_min": 0.0, "end_min": 10.0 * (n_frames - 1), "fate": "end_of_movie"}
    cells |= {"generation": 0, "founder_id": cells["tracklet_id"]}
    pd.DataFrame(cells | ends).reindex(columns=list(TRACKLET_COLUMNS)).to_csv(run.tracklets, index=False)
    pd.DataFrame(columns=list(EVENT_COLUMNS)).to_csv(run.events, index=False)
    quality = pd.DataFrame({"frame": range(n_frames), "time_min": 10.0 * np.arange(n_frames), "usable": True})
    quality.reindex(columns=list(QUALITY_COLUMNS)).to_csv(run.quality, index=False)
    video = {"path": str(movie), "name": movie.name, "n_frames": n_frames, "shape": [size, size]}
    units = {"pixel_size_um": 0.65, "minutes_per_frame": 10.0}
    record = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "video": video | units,
        "stages": {"tree": {}},
    }
    run.json.write_text(json.dumps(record | {"settings": {"video": units}}))
    return run.root


def write_tables(folder: Path, n_nuclei: int, n_corrections: int) -> Path:
    """The tables of five days, as many founders as give so many nuclei; and corrections of them."""
    settings = Settings(frames=721, dose_gy=4, size=1024)
    cells = grow(np.random.default_rng(0), settings, founders=n_nuclei // 1200)
    run = write_run(folder / "tables.lineage", cells, settings, name="none.tif")
    seen = pd.read_csv(run / "detections.csv", usecols=["frame", "y_px", "x_px"]).sample(n_corrections)
    said = [{"what": "no_division", "mother": row} for row in seen.to_dict("records")]
    journal.append(run / journal.NAME, *(make(line, who="benchmark") for line in said))
    return run


class Server:
    """The command in a process of its own."""

    def __init__(self, run: Path) -> None:
        command = [sys.executable, "-m", "lineage.review", str(run), "--no-browser", "--read-only"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        assert self.process.stdout
        address = self.process.stdout.readline().strip()
        self.host, self.token = address.removeprefix("http://").split("/?token=")
        self.connection = HTTPConnection(self.host, timeout=600)

    def ask(self, path: str) -> tuple[float, bytes]:
        """Milliseconds, and what was answered."""
        start = time.perf_counter()
        self.connection.request("GET", f"/api/{path}", headers={"X-Review-Token": self.token})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return 1000 * (time.perf_counter() - start), content

    def memory_mb(self) -> tuple[int, int]:
        """Now, and the most so far."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        )
        now, most = (int(status[k].split()[0]) // 1024 for k in ("VmRSS", "VmHWM"))
        return now, most

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()


def show(name: str, times: list[float], n_bytes: int) -> None:
    """A row of the table."""
    print(f"{name:<44} {np.median(times):8.1f} {np.percentile(times, 95):8.1f} {n_bytes / 1e3:10.0f}")


def measure_movie(folder: Path, n_frames: int, size: int) -> None:
    """Milliseconds of what is drawn."""
    server = Server(write_movie(folder, n_frames, size))
    print(f"a movie of {n_frames} frames, {size} x {size}, 16 bits, 2 channels, {N_NUCLEI} nuclei a frame")
    print(f"{'':<44} {'ms':>8} {'ms (95 %)':>8} {'kB':>10}")
    try:
        show("movie (first: it is opened)", [server.ask("movies/0")[0]], 0)
        server.ask("movies/0/outlines/0")  # compiles what is not compiled yet
        every: list[tuple[str, Any]] = [
            ("frame, DNA", lambda t: f"frames/{t}/1.png"),
            ("frame, phase", lambda t: f"frames/{t}/0.png"),
            ("frame, another contrast", lambda t: f"frames/{t}/1.png?low=300&high=1500"),
            ("frame, seen before", lambda t: f"frames/{t}/1.png"),
            ("outlines", lambda t: f"outlines/{t}"),
            ("outlines, seen before", lambda t: f"outlines/{t}"),
        ]
        for name, path in every:
            found = [server.ask(f"movies/0/{path(t)}") for t in range(1, n_frames)]
            show(name, [ms for ms, _ in found], len(found[0][1]))
        print("memory of the server, MB, now and at most: {} {}".format(*server.memory_mb()))
    finally:
        server.end()


def measure_tables(folder: Path, n_nuclei: int, n_corrections: int) -> None:
    """Milliseconds and memory of what is listed."""
    run = write_tables(folder, n_nuclei, n_corrections)
    rows = sum(1 for _ in (run / "detections.csv").open()) - 1
    cells, events = (len(pd.read_csv(run / f"{name}.csv")) for name in ("tracklets", "events"))
    print(
        f"\ntables of 721 frames: {rows} nuclei, {cells} cells, {events} events, {n_corrections} corrections"
    )
    server = Server(run)
    try:
        print(f"memory of the server before, MB: {server.memory_mb()[0]}")
        for name in ("", "/nuclei", "/cells", "/events", "/worklist", "/corrections", "/state"):
            first, content = server.ask(f"movies/0{name}")
            show(f"{name.strip('/') or 'movie'} (first)", [first], len(content))
            show(
                f"{name.strip('/') or 'movie'} (again)",
                [server.ask(f"movies/0{name}")[0] for _ in range(5)],
                0,
            )
        print("memory of the server, MB, now and at most: {} {}".format(*server.memory_mb()))
    finally:
        server.end()


def main() -> None:
    """Write both folders, ask, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--nuclei", type=int, default=700_000)
    parser.add_argument("--corrections", type=int, default=500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_movie(Path(folder), args.frames, args.size)
        measure_tables(Path(folder), args.nuclei, args.corrections)


if __name__ == "__main__":
    main()
