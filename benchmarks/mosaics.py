"""Runs on mosaics of real mitoses, scored: `python benchmarks/mosaics.py MOSAICS --classifier FILE`.

MOSAICS holds movies and truths as `benchmarks/mosaic.py` makes them; FILE is a classifier that has not seen
their clips. A mitosis is proposed if an event lies inside its clip's square during its 12 frames; of several
the one nearest to the square's middle counts, and the others are further events, as are those elsewhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lineage import config
from lineage.command import default_out
from lineage.progress import Screen
from lineage.run import run


def score(events: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The truth, with `event_id` (-1 where none was proposed) and the `verdict` on it."""
    found = []
    for _, clip in truth.iterrows():
        inside = events[
            events["frame"].between(clip["first_frame"], clip["stop_frame"] - 1)
            & events["y_px"].between(clip["y0_px"], clip["y0_px"] + clip["height_px"], inclusive="left")
            & events["x_px"].between(clip["x0_px"], clip["x0_px"] + clip["width_px"], inclusive="left")
        ]
        y, x = clip["y0_px"] + clip["height_px"] / 2, clip["x0_px"] + clip["width_px"] / 2
        order = np.hypot(inside["y_px"] - y, inside["x_px"] - x).sort_values().index
        best = inside.loc[order[0]] if len(order) else None
        found.append((-1, "missed") if best is None else (best["event_id"], best["mitosis_class"]))
    return truth.assign(**dict(zip(("event_id", "verdict"), zip(*found, strict=True), strict=True)))


def row(name: str, scored: pd.DataFrame, n_events: int) -> dict[str, object]:
    """One line of the table; the class F1 is end to end: what was not proposed was not called abnormal."""
    proposed = scored["event_id"] >= 0
    abnormal = scored["class"] == "abnormal"
    called = scored["verdict"] == "abnormal"
    right = (scored["class"] == scored["verdict"])[proposed]
    hits = (abnormal & called).sum()
    return {
        "mosaic": name,
        "tiles": len(scored),
        "proposed": f"{proposed.mean():.2f}",
        "of normal": f"{proposed[~abnormal].mean():.2f} ({(~abnormal).sum()})",
        "of abnormal": f"{proposed[abnormal].mean():.2f} ({abnormal.sum()})",
        "further a tile": f"{(n_events - proposed.sum()) / len(scored):.2f}",
        "right class": f"{right.mean():.2f}",
        "F1 of proposed": f"{2 * hits / ((abnormal & proposed).sum() + called.sum()):.2f}",
        "F1 end to end": f"{2 * hits / (abnormal.sum() + called.sum()):.2f}",
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
    rows, every, n_events = [], [], 0
    for movie in sorted(args.mosaics.glob("*.tif")):
        folder = run(movie, default_out(movie), settings, screen=Screen())
        events = pd.read_csv(folder.events)
        scored = score(events, pd.read_csv(movie.with_suffix(".csv")))
        scored.to_csv(folder.root / "mosaic_score.csv", index=False)
        rows.append(row(movie.stem, scored, len(events)))
        every.append(scored)
        n_events += len(events)
    rows.append(row("all", pd.concat(every), n_events))
    table = pd.DataFrame(rows)
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for line in table.itertuples(index=False):
        print("| " + " | ".join(map(str, line)) + " |")


if __name__ == "__main__":
    main()
