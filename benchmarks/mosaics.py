"""Runs on mosaics of real mitoses, scored: `python benchmarks/mosaics.py MOSAICS --classifier FILE`.

MOSAICS holds movies and truths as `benchmarks/mosaic.py` makes them; FILE is a classifier that has not seen
their clips. What is counted is said in `lineage/evaluate/mosaic.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from lineage import config
from lineage.command import default_out
from lineage.evaluate import mosaic
from lineage.evaluate.inputs import read_events
from lineage.evaluate.results import number
from lineage.io.files import write_table
from lineage.progress import Screen
from lineage.run import run


def row(name: str, scored: pd.DataFrame, events: pd.DataFrame) -> dict[str, object]:
    """One line of the table."""
    counted = mosaic.count(scored, events)
    normal, abnormal = counted["of_normal"], counted["of_abnormal"]
    return {
        "mosaic": name,
        "tiles": counted["tiles"],
        "proposed": number(counted["proposals"].recall),
        "of normal": f"{number(normal.recall)} ({normal.truth})",
        "of abnormal": f"{number(abnormal.recall)} ({abnormal.truth})",
        "further a tile": number(counted["further_a_tile"]),
        "right class": number(counted["right_class"].recall),
        "F1 of proposed": number(counted["abnormal_of_proposed"].f1),
        "F1 end to end": number(counted["abnormal"].f1),
    }


def main() -> None:
    """Run, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mosaics", type=Path)
    parser.add_argument(
        "--classifier", type=Path, help="by default the bundled one, which has seen the clips"
    )
    args = parser.parse_args()
    settings = config.read(None, {"classify.model": args.classifier})
    rows, every, all_events = [], [], []
    for movie in sorted(args.mosaics.glob("*.tif")):
        folder = run(movie, default_out(movie), settings, screen=Screen())
        events = read_events(folder.events)
        scored = mosaic.score(events, mosaic.read_mosaic(movie.with_suffix(".csv")))
        write_table(scored, folder.root / "mosaic_score.csv")
        rows.append(row(movie.stem, scored, events))
        every.append(scored)
        all_events.append(events)
    rows.append(row("all", pd.concat(every), pd.concat(all_events)))
    table = pd.DataFrame(rows)
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for line in table.itertuples(index=False):
        print("| " + " | ".join(map(str, line)) + " |")


if __name__ == "__main__":
    main()
