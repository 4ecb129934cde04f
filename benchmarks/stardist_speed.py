"""StarDist2D on TensorFlow beside ours: frames a second, peak memory, and whether the labels are the same.

    python benchmarks/stardist_speed.py --tensorflow-python STARDIST_PYTHON

STARDIST_PYTHON is that of an environment of its own, with tensorflow and stardist. Three sides, each in
processes of its own, take turns at the same frames, so that what else the machine does strikes all of them:
TensorFlow's `predict_instances`, ours with the same weights, ours with the bundled model. The weights are of
StarDist's standard architecture, trained for a few minutes by `benchmarks/keras_models.py` unless a folder is
given. Memory is read off /proc (Linux); pages that processes share count once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Run = Callable[[np.ndarray], list[np.ndarray]]  # frames (T, Y, X) -> labels

HERE = Path(__file__)
NUCLEI_PER_FRAME = (150, 600)


def tensorflow(model: str) -> Run:
    """As StarDist's users call it."""
    from csbdeep.utils import normalize
    from stardist.models import StarDist2D

    network = StarDist2D(None, name=Path(model).name, basedir=str(Path(model).parent))
    return lambda frames: [
        network.predict_instances(normalize(frame, 1, 99.8, axis=(0, 1)))[0] for frame in frames
    ]


def ours(model: str) -> Run:
    """As `lineage.nuclei.segment` does: a process a core, each with one thread."""
    from lineage.nuclei.segment import StarDistFinder
    from lineage.processes import cores

    pool = ProcessPoolExecutor(cores(), get_context("spawn"))
    find = StarDistFinder(model, zoom=1.0)
    return lambda frames: [labels for labels, _ in pool.map(find, range(len(frames)), frames)]


SIDES = {"tensorflow": tensorflow, "ours": ours}


def serve(side: str, model: str, frames: Path, labels: Path) -> None:
    """One side's process: the labels once, then the seconds that all frames take, as often as it is asked."""
    run, images = SIDES[side](model), np.load(frames)
    np.save(labels, np.stack(run(images)).astype(np.int32))
    print("\nseconds 0", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run(images)
        print(f"\nseconds {time.perf_counter() - start}", flush=True)


class Side:
    """A side that is waiting for its turn."""

    def __init__(self, python: str, side: str, model: str, frames: Path, labels: Path) -> None:
        arguments = [python, str(HERE), "--serve", side, model, str(frames), str(labels)]
        quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(HERE.parents[1])}
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet,
            stderr=None if side == "ours" else subprocess.DEVNULL,
        )  # fmt: skip
        self.labels, self.seconds, self.peak_mb = labels, list[float](), 0.0

    def turn(self) -> float:
        """Seconds that it took; its memory is watched meanwhile."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,))
        watch.start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.labels.exists():
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        said = next((line for line in self.process.stdout if line.startswith("seconds ")), "")
        done.set()
        watch.join()
        if not said:
            raise SystemExit(f"{' '.join(map(str, self.process.args[2:5]))} ended before its turn did")
        return float(said.split()[1])

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(0.1):
            self.peak_mb = max(self.peak_mb, sum(map(_memory_mb, _family(self.process.pid))))


def _family(pid: int) -> list[int]:
    """The process and all below it."""
    try:
        below = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # it has just ended
        return []
    return [pid, *(one for child in below.split() for one in _family(int(child)))]


def _memory_mb(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def simulated(n: int, size: int) -> np.ndarray:
    """(n, size, size) 8 bit, from half empty to crowded."""
    from lineage.simulate.nuclei import nucleus_field

    counts = np.linspace(*NUCLEI_PER_FRAME, n).astype(int)
    fields = [
        nucleus_field(np.random.default_rng(9000 + i), size=size, n_nuclei=c) for i, c in enumerate(counts)
    ]
    return np.stack([np.clip(np.round(2 * image), 0, 255).astype(np.uint8) for image, _ in fields])


def table(sides: dict[str, Side], n_frames: int) -> Iterable[str]:
    """Medians of the rounds; ratios are taken within each round."""
    yield "| | seconds a frame | frames a second | times as fast | peak memory, MB |"
    yield "|---|---|---|---|---|"
    first = np.array(next(iter(sides.values())).seconds)
    for name, side in sides.items():
        seconds = np.array(side.seconds)
        ratio, each = np.median(first / seconds), np.median(seconds) / n_frames
        spread = f"{(first / seconds).min():.2f} to {(first / seconds).max():.2f}"
        yield f"| {name} | {each:.3f} | {1 / each:.2f} | {ratio:.2f} ({spread}) | {side.peak_mb:.0f} |"


def agreement(truth: np.ndarray, found: np.ndarray) -> str:
    """How alike two stacks of labels are; objects of nearly the same probability may swap their numbers."""
    from stardist.matching import matching_dataset

    pairs = list(zip(truth, found, strict=True))
    same = sum(np.array_equal(t, f) for t, f in pairs)
    outlines = sum(_same_but_for_numbers(t, f) for t, f in pairs)
    at = matching_dataset(list(truth), list(found), thresh=(0.5, 0.9), show_progress=False)
    return (
        f"labels are identical in {same} of {len(truth)} frames, in {outlines} but for the objects' numbers; "
        f"{at[0].n_true} and {at[0].n_pred} objects, F1 {at[0].f1:.4f} at IoU 0.5 and {at[1].f1:.4f} at 0.9"
    )


def _same_but_for_numbers(truth: np.ndarray, found: np.ndarray) -> bool:
    pairs = np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1)
    one_to_one = all(len(np.unique(numbers)) == pairs.shape[1] for numbers in pairs)
    return one_to_one and np.array_equal(truth > 0, found > 0)


def main() -> None:
    """Make frames and weights, let the sides take turns, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "images", type=Path, nargs="*", help="TIFFs of one size; simulated where there are none"
    )
    parser.add_argument("--tensorflow-python", required=True, help="python with tensorflow and stardist")
    parser.add_argument("--model", type=Path, help="folder of a Keras model; trained here if not given")
    parser.add_argument("--bundled", default="sir-dna", help="our model to compare with")
    parser.add_argument("--frames", type=int, default=12, help="how many to simulate")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])  # children inherit it
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        model = args.model or here / "standard"
        if not args.model:
            make = [args.tensorflow_python, str(HERE.with_name("keras_models.py")), str(here)]
            path = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
            subprocess.run([*make, "--only", "standard"], check=True, env=path, stdout=subprocess.DEVNULL)
        if args.images:
            import tifffile

            frames = np.stack([tifffile.imread(path) for path in args.images])
        else:
            frames = simulated(args.frames, args.size)
        np.save(here / "frames.npy", frames)
        entries = {
            "StarDist2D, TensorFlow": (args.tensorflow_python, "tensorflow", str(model)),
            "ours, the same weights": (sys.executable, "ours", str(model)),
            "ours, bundled model": (sys.executable, "ours", args.bundled),
        }
        sides: dict[str, Side] = {}
        for name, entry in entries.items():  # one after the other: the first turn, not counted, warms it up
            sides[name] = Side(*entry, here / "frames.npy", here / f"{len(sides)}.npy")
            sides[name].turn()
        for number in range(args.rounds):
            for name, side in sides.items():
                side.seconds.append(side.turn())
                print(f"round {number + 1}, {name}: {side.seconds[-1]:.1f} s", file=sys.stderr, flush=True)
        for side in sides.values():
            side.process.communicate()
        print(f"{len(frames)} frames of {frames.shape[1]} x {frames.shape[2]}, {args.cores} cores\n")
        print("\n".join(table(sides, len(frames))))
        truth, same_weights = (np.load(side.labels) for side in list(sides.values())[:2])
        print(f"\nTensorFlow and ours with the same weights: {agreement(truth, same_weights)}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
