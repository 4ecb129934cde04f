"""A small simulated plate, written as the folder of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import tifffile
from synthetic.runs import write_run

from lineage.corrections import journal, sample
from lineage.corrections.lines import Verdict, make
from lineage.mitosis.crops import name as crop_name
from lineage.schema import CROP_FRAMES
from lineage.simulate.population import grow
from lineage.simulate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def write_plate(
    folder: Path,
    *,
    doses: Sequence[float] = (0, 4, 8),
    wells: int = 2,
    positions: int = 1,
    founders: int = 12,
    frames: int = 145,
    minutes_per_frame: float = 20,
) -> pd.DataFrame:
    """Runs of lives, and the checked plate.csv beside them; wells are A1, A2, ..., positions 1, 2, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for w, dose in enumerate(np.repeat(doses, wells).tolist(), 1):
        for p in range(1, positions + 1):
            settings = Settings(
                frames=frames, minutes_per_frame=minutes_per_frame, dose_gy=dose, well=w, position=p
            )
            cells = grow(np.random.default_rng([w, p]), settings, founders=founders)
            movie = f"A{w}_p{p}.tif"
            write_run(folder / f"A{w}_p{p}.lineage", cells, settings, name=movie)
            rows.append(
                {"movie": f"/movies/{movie}", "run_folder": f"A{w}_p{p}.lineage"}
                | {"experiment_date": "2026-01-05", "plate": "P1", "well": f"A{w}"}
                | {"position": str(p), "dose_gy": dose, "cell_line": "U251", "treatment": "none"}
            )
    table = pd.DataFrame(rows)
    table.to_csv(folder / "plate.csv", index=False)
    return table


def write_crops(folder: Path) -> None:
    """A crop of noise for every event of every run."""
    rng = np.random.default_rng(0)
    for run in folder.glob("*.lineage"):
        (run / "crops").mkdir()
        for event in pd.read_csv(run / "events.csv")["event_id"]:
            crop = rng.integers(1, 999, (CROP_FRAMES, 2, 8, 8)).astype(np.uint16)
            tifffile.imwrite(run / "crops" / crop_name(event), crop)


def judge(folder: Path, who: str, said: Iterable[tuple[int, str]]) -> list[str]:
    """Add what a person says of items of a sample, by index; gives the lines' ids."""
    items = sample.read(folder).items
    ids = []
    for index, verdict in said:
        what = {"what": "verdict", "event": items[index].event.model_dump(), "verdict": verdict}
        line = make(what, who=who)
        assert isinstance(line, Verdict)
        path = sample.lines_path(folder, who, items[index].movie)
        path.parent.mkdir(parents=True, exist_ok=True)
        journal.append(path, line)
        ids.append(line.id)
    return ids
