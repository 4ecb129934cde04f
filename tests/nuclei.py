"""Nuclei drawn as tables: where they are and what they look like, frame by frame, without pixels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lineage.schema import HYPOTHESIS_COLUMNS, LOOK_COLUMNS, NUCLEUS_COLUMNS, State, Tracklets

Place = tuple[float, float]
SHAPE_UM = (300.0, 300.0)


class Look(NamedTuple):
    """Of a nucleus: DNA over that of a cell in G1, area in square micrometres, eccentricity."""

    dna: float
    area_um2: float
    eccentricity: float = 0.5


YOUNG, RESTING, REPLICATED = Look(1, 110), Look(1, 150), Look(2, 200)
PLATE, HALF_PLATE, TETRAPLOID = Look(2, 75, 0.85), Look(1, 45, 0.8), Look(2, 240)


def table(cells: Mapping[str, Mapping[int, Place]], **of_cell: Mapping[str, float]) -> pd.DataFrame:
    """NUCLEUS_COLUMNS, STATE_COLUMNS and `name` from {name: {frame: (y, x)}}; other columns by name."""
    rows = []
    for name, places in cells.items():
        for frame, (y, x) in places.items():
            row = dict.fromkeys(NUCLEUS_COLUMNS, 0.0) | dict.fromkeys(LOOK_COLUMNS, np.nan) | {
                "frame": frame, "time_min": 10.0 * frame, "y_px": y, "x_px": x, "y_um": y, "x_um": x,
                "area_um2": 150.0, "dna_mass": 1000.0, "mean_intensity": 10.0, "solidity": 0.95,
                "eccentricity": 0.5, "texture": 0.22, "rounding": np.nan, "probability": 0.8,
                "state": State.INTERPHASE, "condensation": 1.0, "p_mitotic": 0.02, "p_dead": 0.01,
                "name": name,
            }  # fmt: skip
            rows.append(row | {column: values[name] for column, values in of_cell.items() if name in values})
    nuclei = pd.DataFrame(rows).sort_values(["frame", "y_um", "x_um"], ignore_index=True)
    nuclei["detection_id"] = range(len(nuclei))
    nuclei["label"] = nuclei.groupby("frame").cumcount() + 1
    return nuclei


def walk(start: Place, frames: Sequence[int], step: Place = (0.5, 0.5)) -> dict[int, Place]:
    """A straight walk."""
    return {t: (start[0] + step[0] * i, start[1] + step[1] * i) for i, t in enumerate(frames)}


def still(place: Place, frames: Iterable[int]) -> dict[int, Place]:
    """Nobody moves."""
    return dict.fromkeys(frames, place)


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


def bystanders(until: int) -> dict[str, dict[int, Place]]:
    """Twelve around the edge of a field of 300 um, in interphase: what is dense is so beside them."""
    ring = [(y, x) for y in (40, 110, 190, 260) for x in (40, 110, 190, 260) if {y, x} & {40, 260}]
    return {f"bystander {k}": still(place, range(until)) for k, place in enumerate(ring)}


def looking(nuclei: pd.DataFrame, looks: Mapping[str, Mapping[int, Look]]) -> pd.DataFrame:
    """The same nuclei with each frame's look; RESTING where none is told."""
    told = [looks.get(n, {}).get(t, RESTING) for n, t in zip(nuclei["name"], nuclei["frame"], strict=True)]
    dna, area, eccentricity = (np.array(values) for values in zip(*told, strict=True))
    # No two nuclei are the same, but for masks alone.
    grain = 1 + 0.03 * np.sin(7.0 * np.arange(len(nuclei)))
    return nuclei.assign(
        dna_mass=1500 * dna * grain, area_um2=area, mean_intensity=1500 * dna * grain / area,
        eccentricity=eccentricity,
    )  # fmt: skip


def mitosis(n: int = 2, *, at: int = 8, until: int = 18, apart_um: float = 14.0) -> pd.DataFrame:
    """A mother that condenses three frames before `at` and is n daughters from then on.

    mother ---- plate --+-- daughter 0
                        +-- daughter 1 ...
    """
    angles = 2 * np.pi * np.arange(n) / n
    cells = bystanders(until) | {"mother": still((150.0, 150.0), range(at))}
    looks = {"mother": {t: REPLICATED if t < at - 3 else PLATE for t in range(at)}}
    for k, angle in enumerate(angles):
        reach = {t: apart_um / 2 + min(t - at, 4) for t in range(at, until)}
        cells[f"daughter {k}"] = {
            t: (150 + r * np.cos(angle), 150 + r * np.sin(angle)) for t, r in reach.items()
        }
        share = 2 / n
        looks[f"daughter {k}"] = {
            t: Look(share, (45 if t < at + 3 else 110) * share, 0.8 if t < at + 3 else 0.5) for t in reach
        }
    return looking(table(cells), looks)


def fusion(*, at: int = 10, until: int = 20, apart_um: float = 12.0) -> pd.DataFrame:
    """Two cells that are one from frame `at` on.

    left ---+-- fused
    right --+
    """
    half = apart_um / 2
    cells = bystanders(until) | {
        "left": still((150.0, 150 - half), range(at)),
        "right": still((150.0, 150 + half), range(at)),
        "fused": still((150.0, 150.0), range(at, until)),
    }
    looks = {"fused": dict.fromkeys(range(at, until), TETRAPLOID)}
    return looking(table(cells), looks)


def as_tracklets(
    nuclei: pd.DataFrame, *, same: Mapping[str, str] | None = None, step_um: float = 10.0
) -> Tracklets:
    """A tracklet of each name, as if btrack had made them and held nothing else possible.

    Args:
        nuclei: with `name` and STATE_COLUMNS.
        same: name -> the one as whose tracklet it goes on.
        step_um: how far nuclei go.
    """
    track = nuclei["name"].replace(dict(same or {}))
    number = {name: k for k, name in enumerate(sorted(set(track)))}
    nothing = pd.DataFrame(columns=list(HYPOTHESIS_COLUMNS))
    return Tracklets(nuclei.assign(tracklet_id=track.map(number)), nothing, step_um)
