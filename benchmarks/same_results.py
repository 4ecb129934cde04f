"""Two run folders of one movie -> which documented columns differ, and by how much.

    python benchmarks/same_results.py BEFORE.lineage AFTER.lineage

For a change that is to change no result: run a movie before and after, and compare. Exits with 1 if a
column of a table, a node of the tree or a label differs; numbers may differ by one in a million.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from lineage.export import graphml
from lineage.io import labels

TABLES = {
    "detections.csv": ["detection_id"],
    "tracklets.csv": ["tracklet_id"],
    "lineages.csv": ["founder_id"],
    "events.csv": ["event_id"],
}
RENAMED = {"refused_after_min": "refusion_after_min"}  # columns of earlier versions
TOLERANCE = 1e-6


def differing(before: pd.DataFrame, after: pd.DataFrame, key: list[str]) -> list[str]:
    """Columns of `before` that `after` lacks, or that hold something else there."""
    before = before.rename(columns=RENAMED).sort_values(key, ignore_index=True)
    after = after.sort_values(key, ignore_index=True)
    if len(before) != len(after):
        return [f"{len(before)} rows, then {len(after)}"]
    found = []
    for name in before:
        if name not in after:
            found.append(f"{name} is gone")
        elif before[name].dtype.kind in "fiu" and after[name].dtype.kind in "fiu":
            if not np.allclose(before[name], after[name], rtol=TOLERANCE, atol=1e-9, equal_nan=True):
                found.append(f"{name} differs by up to {(before[name] - after[name]).abs().max():.3g}")
        elif not before[name].astype(str).equals(after[name].astype(str)):
            found.append(f"{name} differs")
    return found


def compare(before: Path, after: Path) -> list[str]:
    """What differs, one sentence a column, node or frame."""
    found = []
    for name, key in TABLES.items():
        columns = differing(pd.read_csv(before / name), pd.read_csv(after / name), key)
        new = sorted(set(pd.read_csv(after / name)) - set(pd.read_csv(before / name).rename(columns=RENAMED)))
        print(f"{name}: {'; '.join(columns) or 'equal'}{f'; new: {new}' if new else ''}")
        found += columns
    one, two = (graphml.read(folder / "lineage.graphml") for folder in (before, after))
    same = dict(one.nodes(data=True)) == dict(two.nodes(data=True)) and set(one.edges) == set(two.edges)
    print(f"lineage.graphml: {'equal' if same else 'differs'}")
    arrays = [labels.open_array(folder / "labels.zarr", labels.TRACKED) for folder in (before, after)]
    frames = [t for t in range(arrays[0].shape[0]) if not np.array_equal(arrays[0][t], arrays[1][t])]
    print(f"labels: {f'{len(frames)} frames differ' if frames else 'equal'}")
    for folder in (before, after):
        stages = json.loads((folder / "run.json").read_text())["stages"].values()
        size = sum(f.stat().st_size for f in (folder / "stages").rglob("*") if f.is_file())
        print(
            f"{folder.name}: {sum(s['seconds'] for s in stages):.1f} s, "
            f"{max(s['peak_memory_mb'] for s in stages)} MB, stages/ {size / 1e3:.0f} kB"
        )
    return found + ([] if same else ["tree"]) + ([f"frame {t}" for t in frames])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args()
    sys.exit(1 if compare(args.before, args.after) else 0)
