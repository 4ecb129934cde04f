"""Nuclei drawn as tables: where they are, frame by frame, without pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lineage.schema import NUCLEUS_COLUMNS, State

Place = tuple[float, float]


def table(cells: Mapping[str, Mapping[int, Place]], **of_cell: Mapping[str, float]) -> pd.DataFrame:
    """NUCLEUS_COLUMNS and STATE_COLUMNS from {name: {frame: (y, x)}}; other columns by name."""
    rows = []
    for name, places in cells.items():
        for frame, (y, x) in places.items():
            row = dict.fromkeys(NUCLEUS_COLUMNS, 0.0) | {
                "frame": frame, "time_min": 10.0 * frame, "y_px": y, "x_px": x, "y_um": y, "x_um": x,
                "area_um2": 150.0, "dna_mass": 1000.0, "mean_intensity": 10.0, "solidity": 0.95,
                "eccentricity": 0.6, "texture": 0.22, "rounding": np.nan, "probability": 0.8,
                "state": State.INTERPHASE, "condensation": 1.0, "p_mitotic": 0.02, "p_dead": 0.01,
            }  # fmt: skip
            rows.append(row | {column: values[name] for column, values in of_cell.items() if name in values})
    nuclei = pd.DataFrame(rows).sort_values(["frame", "y_um", "x_um"], ignore_index=True)
    nuclei["detection_id"] = range(len(nuclei))
    nuclei["label"] = nuclei.groupby("frame").cumcount() + 1
    return nuclei


def walk(start: Place, frames: Sequence[int], step: Place = (0.5, 0.5)) -> dict[int, Place]:
    """A straight walk."""
    return {t: (start[0] + step[0] * i, start[1] + step[1] * i) for i, t in enumerate(frames)}


def division(at: int = 5, until: int = 12, apart: float = 10.0) -> pd.DataFrame:
    """A cell that condenses, and is two from frame `at` on; a neighbour 40 um away stands by."""
    cells = {
        "mother": dict.fromkeys(range(at), (50.0, 50.0)),
        "upper": {t: (50 - apart / 2 - 0.5 * (t - at), 50.0) for t in range(at, until)},
        "lower": {t: (50 + apart / 2 + 0.5 * (t - at), 50.0) for t in range(at, until)},
        "neighbour": dict.fromkeys(range(until), (50.0, 90.0)),
    }
    mass = {"mother": 2000.0, "upper": 1000.0, "lower": 1000.0, "neighbour": 1500.0}
    area = {"mother": 120.0, "upper": 60.0, "lower": 60.0, "neighbour": 220.0}
    bright = {"mother": 40.0, "upper": 35.0, "lower": 35.0, "neighbour": 8.0}
    return table(cells, dna_mass=mass, area_um2=area, mean_intensity=bright)
