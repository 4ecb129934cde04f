"""Recall of proposals by kind of mitosis -> pipelines/dose/data/proposals.csv.

`python benchmarks/proposals.py --of RUNS TRUTHS [--of RUNS TRUTHS ...]`, each a folder of runs on simulated
movies (`benchmarks/simulated.py`, `examples/plate_demo.py`) and the folder of their truths. A mitosis that
was proposed and then called `none` counts as proposed: the correction counts those apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from lineage.evaluate.events import MISSED, NOTHING
from lineage.evaluate.inputs import read_run, read_truth
from lineage.evaluate.match import match
from lineage.evaluate.score import pairs_of, score
from lineage.progress import Screen

OUT = Path(__file__).parents[1] / "pipelines" / "dose" / "data" / "proposals.csv"


def outcomes(run: Path, truth: Path) -> pd.DataFrame:
    """One row a true mitosis of a movie."""
    one, its_truth = read_run(run), read_truth(truth)
    found = score(one, its_truth, match(its_truth, one.tracked)).outcomes
    if found is None:
        raise SystemExit(f"{truth} tells of no kinds of mitosis; wanted is a simulated movie's truth")
    return found[found["truth_class"] != NOTHING]


def main() -> None:
    """Score, count, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--of", type=Path, nargs=2, action="append", required=True, metavar=("RUNS", "TRUTHS")
    )
    pairs = [pair for folders in parser.parse_args().of for pair in pairs_of(*folders)]
    rows = []
    with Screen().stage("score") as progress:
        for n, (run, truth) in enumerate(pairs, 1):
            rows.append(outcomes(run, truth))
            progress(n, len(pairs))
    table = pd.concat(rows)
    proposed = (table["run_class"] != MISSED) | (table["run_event"] >= 0)
    counts = table.assign(proposed=proposed).groupby("subtype")["proposed"].agg(["size", "sum"])
    counts.columns = ["n_true", "n_proposed"]
    counts.reset_index().to_csv(OUT, index=False)
    print(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
