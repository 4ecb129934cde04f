"""How many corrections it takes: `python benchmarks/review_order.py MOSAICS`.

MOSAICS holds movies of real mitoses, their truths (`benchmarks/mosaic.py`) and their runs, by a classifier
that has not seen their clips (`benchmarks/mosaics.py`). Somebody who knows the truth works through the
review's list; counted is after how many looks the fraction abnormal of all mosaics together is within two
points of the truth, and stays there. Against it: the same looks, and those at every other event, in random
order.

A look at an event gives it the class of its tile's mitosis, or takes it out where it is no tile's. A look at a
cell that is lost, or begins, finds the mitosis of its tile if nobody proposed it; else it changes nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.evaluate import mosaic
from lineage.io.records import read_quality
from lineage.review import tables
from lineage.review.worklist import worklist
from lineage.schema import Decision, MitosisClass

if TYPE_CHECKING:
    import pandas as pd

WITHIN = 0.02
DRAWS, SEED = 1000, 1
Look = tuple[str, str, str]  # movie, what is looked at, and what it counts as then (empty: as before)


def looks_of(run: Path, tiles: pd.DataFrame) -> tuple[list[Look], list[Look], dict[str, str], list[str]]:
    """The looks of the list in its order, those at all other events, the verdicts before, and the truth."""
    found = tables.read(run)
    usable = read_quality(run / "stages" / "quality.csv", n_frames=found.record["video"]["n_frames"]).usable
    events = found.events[found.events["event_type"] == "mitosis"]
    scored = mosaic.score(events, tiles)
    true = dict(zip(scored["event_id"], scored["class"], strict=True))
    before = {f"event {e}": v for e, v in zip(events["event_id"], events["verdict"], strict=True)}
    unseen = scored[scored["event_id"] < 0]

    def look(item: dict[str, Any]) -> Look:
        if item["event_id"] is not None:
            known = true.get(item["event_id"], Decision.NOT_A_MITOSIS.value)
            return run.name, f"event {item['event_id']}", known if item["event_id"] in mitoses else ""
        for k, tile in unseen.iterrows():
            y, x = item["y_px"] - tile["y0_px"], item["x_px"] - tile["x0_px"]
            if 0 <= y < tile["height_px"] and 0 <= x < tile["width_px"]:
                return run.name, f"tile {k}", tile["class"]
        return run.name, f"cell {item['cell']}", ""

    mitoses = set(events["event_id"])
    listed = [look(item) for item in worklist(found, usable, ())["items"]]
    named = {what for _, what, _ in listed}
    others = [look({"event_id": e}) for e in events["event_id"] if f"event {e}" not in named]
    return listed, others, before, scored["class"].tolist()


def looks_needed(looks: list[Look], before: dict[tuple[str, str], str], truth: float) -> float:
    """After how many the fraction abnormal is within two points of the truth, and stays there."""
    now = dict(before)
    is_near = [near(now, truth)]
    for movie, what, known in looks:
        if known:
            now[movie, what] = known
        is_near.append(near(now, truth))
    wrong = np.flatnonzero(~np.array(is_near))
    last = int(wrong[-1]) + 1 if len(wrong) else 0
    return last if last < len(is_near) else float("inf")


def fraction(verdicts: dict[tuple[str, str], str]) -> float:
    """Abnormal, of the decided."""
    values = list(verdicts.values())
    n = {c: values.count(c.value) for c in (MitosisClass.NORMAL, MitosisClass.ABNORMAL)}
    return n[MitosisClass.ABNORMAL] / max(sum(n.values()), 1)


def near(verdicts: dict[tuple[str, str], str], truth: float) -> bool:
    """Whether the fraction is within two points of the truth."""
    return abs(fraction(verdicts) - truth) <= WITHIN


def main() -> None:
    """Read, look, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mosaics", type=Path)
    by_movie, others, before, true = [], [], {}, []
    for movie in sorted(parser.parse_args().mosaics.glob("*.tif")):
        tiles = mosaic.read_mosaic(movie.with_suffix(".csv"))
        listed, rest, verdicts, classes = looks_of(movie.with_suffix(".lineage"), tiles)
        by_movie.append(listed)
        others += rest
        before |= {(movie.with_suffix(".lineage").name, what): v for what, v in verdicts.items()}
        true += classes
    # Movies are worked through side by side: the first of each list, the second of each, ...
    longest = max(map(len, by_movie))
    proposed = [looks[k] for k in range(longest) for looks in by_movie if k < len(looks)]
    truth = true.count(MitosisClass.ABNORMAL.value) / len(true)
    rng = np.random.default_rng(SEED)
    every = proposed + others
    drawn = [
        looks_needed([every[i] for i in rng.permutation(len(every))], before, truth) for _ in range(DRAWS)
    ]
    after = before | {(movie, what): known for movie, what, known in proposed if known}
    print(f"{len(true)} mitoses, {truth:.3f} of them abnormal; the runs say {fraction(before):.3f}")
    print(f"on the list: {len(proposed)} looks, {sum(1 for *_, known in proposed if known)} at mitoses")
    print(f"with all of the list: {fraction(after):.3f}; with every event as well: ", end="")
    print(f"{fraction(after | {(m, w): known for m, w, known in others if known}):.3f}")
    ours = looks_needed(proposed + others, before, truth)
    print("| order | looks until within two points |\n|---|---|")
    print(f"| of the list | {ours:g} |")
    quartiles = np.percentile(drawn, (25, 50, 75), method="nearest")
    print(
        f"| random, median of {DRAWS} (quartiles) | {quartiles[1]:g} ({quartiles[0]:g} to {quartiles[2]:g}) |"
    )


if __name__ == "__main__":
    main()
