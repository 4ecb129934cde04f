"""Linking and divisions on simulated nuclei, beside btrack and LapTrack: `python benchmarks/tracking.py OUT`.

For each cell line and dose a day and a half of a field is simulated, from when the delayed mitoses begin,
and given a segmentation's mistakes (`tests/synthetic`). All tools see the same nuclei, and what
they say is scored by lineage.evaluate, nucleus by nucleus. `--tune` chooses LapTrack's settings on other
movies; `--speed` measures time and memory. Nuclei that are in OUT are not simulated again.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import trackers
import tracking_speed

from lineage.evaluate.inputs import Run, Truth
from lineage.evaluate.match import Matches, Nuclei
from lineage.evaluate.score import pooled, score
from lineage.io.run_folder import RunFolder
from lineage.simulate.settings import CellLine, Settings
from lineage.tracking import state

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from synthetic.detections import Detections, detect, imperfect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from lineage.evaluate.match import Count
    from lineage.evaluate.score import Scores

DOSES_GY = (0, 4, 10)
SEEDS, TUNING_SEEDS, SPEED_SEED = 9000, 8000, 9900  # of nothing else
FRAMES, SIZE, FOUNDERS = 217, 1024, 150
MISTAKES = {"miss": 0.02, "false": 0.02}
SPEED_FOUNDERS = (137, 340, 800)  # at first in view; 118,000, 300,000 and 720,000 nuclei in all
SPEED_FRAMES = 721
BTRACK_GAPS = (2, 6)  # frames that its solver may close: its published setting, and one that bridges misses
TRIED_UM = {
    "splitting_cutoff": (8, 10, 12, 15, 20, 25),
    "cutoff": (8, 10, 12, 15, 20, 25),
    "gap_closing_cutoff": (10, 15, 20, 25),
}


def settings(line: CellLine, dose: int, seed: int, *, frames: int, size: int) -> Settings:
    """Of one movie."""
    return Settings(
        frames=frames,
        size=size,
        founders=round(FOUNDERS * (size / 1024) ** 2),
        cell_line=line,
        dose_gy=dose,
        irradiated_min_before_start=75 * dose,
        well=dose + 1,
        seed=seed + 100 * list(CellLine).index(line) + dose,
    )


def nuclei_of(out: Path, told: Settings) -> tuple[Detections, pd.DataFrame]:
    """The truth and the imperfect nuclei, simulated once."""
    path = out / f"{told.cell_line}_{told.dose_gy:g}Gy_{told.seed}_{told.frames}x{told.size}.pickle"
    if not path.exists():
        made = detect(told)
        rough = path.with_suffix(".partial")
        rough.write_bytes(pickle.dumps(made))
        rough.replace(path)
    perfect: Detections = pickle.loads(path.read_bytes())
    return perfect, imperfect(perfect.nuclei, np.random.default_rng([told.seed, 99]), **MISTAKES)


# --- Scores


@dataclass(frozen=True, eq=False)
class TableRun(Run):
    """A run that left no folder."""

    title: str = ""
    drift: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Of the movie."""
        return self.title

    def drift_px(self) -> np.ndarray:
        """(T, 2); the nuclei's own."""
        assert self.drift is not None
        return self.drift


def scored(perfect: Detections, nuclei: pd.DataFrame, tracked: trackers.Tracked) -> Scores:
    """All counts of lineage.evaluate."""
    told = perfect.settings
    run = TableRun(
        folder=RunFolder(Path("simulated")),
        record={
            "video": {"pixel_size_um": told.pixel_size_um, "minutes_per_frame": told.minutes_per_frame},
            "dose_gy": told.dose_gy,
        },
        tracked=SimpleNamespace(shape=(told.frames, told.size, told.size)),
        tree=tracked.graph,
        events=tracked.events,
        title=f"{told.cell_line}_{told.dose_gy:g}Gy",
        drift=perfect.drift_px,
    )
    return score(run, truth_of(perfect), matched_nuclei(perfect.tracks, nuclei, tracked.cell))


def truth_of(perfect: Detections) -> Truth:
    """As lineage.evaluate reads it, but for the masks."""
    return Truth(
        folder=Path("simulated"),
        masks=(Path("none.tif"),) * perfect.settings.frames,
        seg={},
        masks_are_full=True,
        tracks=perfect.tracks,
        graph=perfect.graph,
        cell_of={int(label): int(label) for label in perfect.tracks[:, 0]},
        knows_fusions=True,
        events=perfect.events.astype({"daughter_ids": str}),
        settings={
            "dose_gy": perfect.settings.dose_gy, "blank_frames": np.flatnonzero(~perfect.usable).tolist()
        },
    )  # fmt: skip


def matched_nuclei(tracks: np.ndarray, nuclei: pd.DataFrame, cell: np.ndarray) -> Matches:
    """By the nuclei's true labels, as masks are matched: one that covers two is one to one with the first."""
    truth = _true_nuclei(tracks)
    kept = np.flatnonzero(cell >= 0)
    kept = kept[np.lexsort((cell[kept], nuclei["frame"].to_numpy()[kept]))]
    frame, own, also = (nuclei[c].to_numpy(np.int64)[kept] for c in ("frame", "cell", "also"))
    run = Nuclei(frame, cell[kept].astype(np.int64), cell[kept].astype(np.int64))
    stride = int(truth.label.max(initial=0)) + 1
    key = truth.frame * stride + truth.label
    covers = np.stack([own > 0, also > 0])
    of_run = np.concatenate([np.flatnonzero(c) for c in covers])
    label = np.concatenate([own[covers[0]], also[covers[1]]])
    best = np.repeat([True, False], covers.sum(axis=1))
    of_truth = np.searchsorted(key, frame[of_run] * stride + label)
    order = np.argsort(of_truth, kind="stable")
    return Matches(
        truth=truth,
        run=run,
        of_truth=of_truth[order],
        of_run=of_run[order],
        iou=np.ones(len(order)),
        n_covered=covers.sum(axis=0)[of_run][order],
        one_to_one=best[order],
        seg_iou=0.0,
        n_seg=0,
    )


def _true_nuclei(tracks: np.ndarray) -> Nuclei:
    """Every track in each of its frames, also where a nucleus is too small to be measured."""
    n = tracks[:, 2] - tracks[:, 1] + 1
    label = np.repeat(tracks[:, 0], n)
    frame = np.concatenate([np.arange(first, last + 1) for _, first, last, _ in tracks.tolist()])
    order = np.lexsort((label, frame))
    return Nuclei(frame[order], label[order], label[order])


def states_of(nuclei: pd.DataFrame) -> list[str]:
    """Our estimate for each row."""
    estimated = state.estimate(nuclei)
    states: list[str] = estimated.set_index("detection_id")["state"].loc[nuclei["detection_id"]].tolist()
    return states


def tools(perfect: Detections, glpk_limit_s: float) -> dict[str, Callable[[pd.DataFrame], trackers.Tracked]]:
    """Name -> what tracks."""
    told = perfect.settings
    shape_um = (told.field_um, told.field_um)

    def with_states(nuclei: pd.DataFrame) -> trackers.Tracked:
        states = states_of(nuclei)
        return trackers.btrack(nuclei, shape_um=shape_um, glpk_limit_s=glpk_limit_s, states=states)

    def known(nuclei: pd.DataFrame) -> trackers.Tracked:
        """What nobody can do better: the truth, as far as the nuclei show it."""
        return trackers.of_cells(nuclei, np.where(nuclei["cell"] > 0, nuclei["cell"], -1), perfect.graph)

    return {
        "truth": known,
        "ours": partial(
            trackers.ours,
            usable=perfect.usable,
            shape_um=shape_um,
            pixel_size_um=told.pixel_size_um,
            minutes=told.minutes_per_frame,
        ),
        "btrack": partial(trackers.btrack, shape_um=shape_um, glpk_limit_s=glpk_limit_s),
        "btrack, our states": with_states,
        "LapTrack": partial(trackers.laptrack, n_frames=told.frames),
    }


def compare(out: Path, args: argparse.Namespace) -> None:
    """Score all tools on all movies, and print the table."""
    results: dict[str, list[Scores]] = {}
    seconds: dict[str, float] = {}
    n_nuclei = 0
    for line, dose in product(CellLine, DOSES_GY):
        perfect, nuclei = nuclei_of(out, settings(line, dose, SEEDS, frames=args.frames, size=args.size))
        n_nuclei += len(nuclei)
        for name, track in tools(perfect, args.glpk_limit).items():
            if args.only and name not in args.only:
                continue
            begun = time.process_time()
            tracked = track(nuclei)
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - begun
            results.setdefault(name, []).append(scored(perfect, nuclei, tracked))
            found = results[name][-1]
            print(
                f"{line} {dose} Gy, {name}: division F1 within 1 frame {_f1(found.divisions[1])}",
                *tracked.notes,
            )
    print(f"\n{n_nuclei} nuclei\n")
    table(results, seconds)


def _f1(count: Count | None) -> str:
    return "-" if count is None or count.f1 is None else f"{count.f1:.3f}"


def table(results: Mapping[str, Sequence[Scores]], seconds: Mapping[str, float]) -> None:
    """A row a measure, a column a tool; movies pooled."""
    total = {name: pooled(each) for name, each in results.items()}
    measures = {name: s.tally.measures() for name, s in total.items()}
    one = next(iter(total.values()))

    def row(title: str, values: Mapping[str, str]) -> None:
        print(f"| {title} |", " | ".join(values[name] for name in total), "|")

    print("| |", " | ".join(total), "|")
    print("|---|" + "---|" * len(total))
    for k, count in one.divisions.items():
        title = f"division F1, {k} frames ({count.truth})"
        row(title, {n: _f1(s.divisions[k]) for n, s in total.items()})
    for line, dose in product(CellLine, DOSES_GY):
        which = f"{line}_{dose}Gy"
        mine = {n: next(s for s in each if s.movies == (which,)) for n, each in results.items()}
        count = next(iter(mine.values())).divisions[1]
        row(
            f"division F1, 1 frame, {line} {dose} Gy ({count.truth})",
            {n: _f1(s.divisions[1]) for n, s in mine.items()},
        )
    row("divisions proposed", {n: str(s.divisions[1].run) for n, s in total.items()})
    row("link F1", {n: _f1(s.links) for n, s in total.items()})
    row("link F1, both nuclei found", {n: _f1(s.links_of_found) for n, s in total.items()})
    row(f"n-ary F1, 1 frame ({one.nary.truth})", {n: _f1(s.nary) for n, s in total.items()})
    for k in one.fusions or {}:
        fusions = {n: s.fusions[k] if s.fusions else None for n, s in total.items()}
        title = f"fusion F1, {k} frames ({one.fusions[k].truth if one.fusions else 0})"
        row(title, {n: _f1(c) for n, c in fusions.items()})
    row(
        f"slippage F1 ({one.slippages.truth if one.slippages else 0})",
        {n: _f1(s.slippages) for n, s in total.items()},
    )
    for name in ("TRA", "DET", "LNK", "CT", "TF", "BC(0)", "BC(1)", "BC(2)", "BC(3)"):
        row(name, {n: "-" if m[name] is None else f"{m[name]:.3f}" for n, m in measures.items()})
    row("proposals that are mitoses", {n: _rate(s.proposals.precision) for n, s in total.items()})
    row(
        f"recall of mitoses ({one.proposals.truth})", {n: _rate(s.proposals.recall) for n, s in total.items()}
    )
    assert one.outcomes is not None
    true = one.outcomes[one.outcomes["truth_class"] != ""]
    for subtype, n_true in true["subtype"].value_counts().items():
        row(f"recall of {subtype} ({n_true})", {n: _rate(_recall(s, str(subtype))) for n, s in total.items()})
    row("seconds of one core", {n: f"{seconds[n]:.0f}" for n in total})


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.3f}"


def _recall(scores: Scores, subtype: str) -> float:
    assert scores.outcomes is not None
    rows = scores.outcomes[scores.outcomes["subtype"] == subtype]
    return float((rows["run_class"] != "missed").mean())


# --- LapTrack's settings


def tune(out: Path, args: argparse.Namespace) -> None:
    """Choose one of LapTrack's distances after the other, by division F1 within one frame plus link F1."""
    movies = [
        nuclei_of(out, settings(line, dose, TUNING_SEEDS, frames=args.frames // 2, size=args.size))
        for line, dose in zip(CellLine, (4, 0), strict=True)
    ]
    best = dict.fromkeys(TRIED_UM, 15.0**2)
    for name, distances in TRIED_UM.items():
        found = []
        for um in distances:
            told = best | {name: float(um) ** 2}
            total = pooled(
                [scored(p, n, trackers.laptrack(n, n_frames=p.settings.frames, **told)) for p, n in movies]
            )
            division, links = total.divisions[1].f1 or 0.0, total.links.f1 or 0.0
            found.append((division + links, um))
            print(f"{name} {um} um: division {division:.3f}, link {links:.4f}", flush=True)
        best[name] = float(max(found)[1]) ** 2
    print("best, um:", {name: square**0.5 for name, square in best.items()})


# --- Speed


def speed(out: Path, args: argparse.Namespace) -> None:
    """Time and memory of linking and resolving; btrack for the smaller number of nuclei alone."""
    tracking_speed.head()
    for founders in args.speed_founders:
        told = Settings(
            frames=args.speed_frames, size=SIZE, founders=founders, dose_gy=10, seed=SPEED_SEED + founders
        )
        perfect, nuclei = nuclei_of(out, told)
        shape_um = (told.field_um, told.field_um)
        tracking_speed.ours(nuclei, perfect.usable, shape_um, told.pixel_size_um, told.minutes_per_frame)
        if founders == SPEED_FOUNDERS[0]:
            for states, gap_frames in product((None, states_of(nuclei)), BTRACK_GAPS):
                tracking_speed.btrack(nuclei, shape_um, args.glpk_limit, states, gap_frames)


def main() -> None:
    """Compare, tune or time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="where simulated nuclei are kept")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--only", nargs="*", help="of the tools")
    parser.add_argument("--glpk-limit", type=float, help="seconds; 60, btrack's own, or 600 with --speed")
    parser.add_argument("--tune", action="store_true", help="LapTrack's settings, on other movies")
    parser.add_argument("--speed", action="store_true", help="time and memory of 721 frames")
    parser.add_argument("--speed-frames", type=int, default=SPEED_FRAMES)
    parser.add_argument("--speed-founders", type=int, nargs="+", default=SPEED_FOUNDERS)
    args = parser.parse_args()
    args.glpk_limit = args.glpk_limit or (600.0 if args.speed else 60.0)
    args.out.mkdir(parents=True, exist_ok=True)
    (tune if args.tune else speed if args.speed else compare)(args.out, args)


if __name__ == "__main__":
    main()
