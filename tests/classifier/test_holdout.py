from __future__ import annotations

import runpy
import sys
from pathlib import Path

from clips import small_folder

from classifier.data import find_clips
from classifier.evaluate import clips_in_fold

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "holdout.py"


def test_the_held_out_clips_are_the_ones_that_training_leaves_out(tmp_path, monkeypatch):
    folder = small_folder(tmp_path / "clips")
    for part in ("held", "rest"):
        arguments = [str(SCRIPT), str(folder), str(tmp_path / part), "--fold", "0", "--folds", "2"]
        monkeypatch.setattr(sys, "argv", [*arguments, *(["--rest"] if part == "rest" else [])])
        runpy.run_path(str(SCRIPT), run_name="__main__")
    held, rest, whole = (
        {p.relative_to(root) for p in root.rglob("*.tif")}
        for root in (tmp_path / "held", tmp_path / "rest", folder)
    )
    assert held.isdisjoint(rest)
    assert held | rest == whole
    assert held == {c.path.relative_to(folder) for c in clips_in_fold(find_clips(folder), 0, 2)}
