"""Simulated lives: to draw, to move, and to count."""

from __future__ import annotations

from functools import cache

import numpy as np

from lineage.schema import Fate
from lineage.simulate.cells import Cell, Mitosis, Subtype
from lineage.simulate.dish import area_ratio
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings


def one_division(subtype: Subtype = Subtype.NORMAL, lagging: float = 0.0) -> tuple[Cell, list[Cell]]:
    """1 --+-- 2
    +-- 3   at 100 min"""
    mitosis = Mitosis(subtype, 40, 65, 100, axis=0.5, tilt=0.0, lagging=lagging)
    mother = Cell(
        1,
        (),
        0,
        1,
        -900,
        1.0,
        7,
        (-500, -100),
        mitosis=mitosis,
        end_min=100,
        fate=Fate.DIVIDED,
        daughters=(2, 3),
    )
    axes = (0.5, 0.5 + np.pi)
    daughters = [
        Cell(2 + k, (1,), 1, 1, 100, 1.0, 8 + k, (400, 800), axis, siblings=2) for k, axis in enumerate(axes)
    ]
    return mother, daughters


def still(settings: Settings) -> np.ndarray:
    return np.zeros((settings.frames, 2))


def population(seed: int, settings: Settings) -> list[Cell]:
    founders = round(settings.founders * area_ratio(settings))
    return grow(np.random.default_rng(seed), settings, founders=founders)


def cells_of(settings: Settings, founders: int, seed: int = 0) -> dict[int, Cell]:
    return {cell.cell_id: cell for cell in grow(np.random.default_rng(seed), settings, founders=founders)}


@cache
def dish(dose_gy: float = 5, line: CellLine = CellLine.U251, wells: int = 8) -> tuple[dict[int, Cell], ...]:
    """Five days of 100 founders in each well, of fewer where they multiply."""
    settings = [Settings(frames=721, dose_gy=dose_gy, cell_line=line, well=k) for k in range(1, wells + 1)]
    founders = {0: 20, 2: 25}.get(int(dose_gy), 100)
    return tuple(cells_of(s, founders, seed) for seed, s in enumerate(settings))


def divisions(cells: dict[int, Cell], *, before_min: float = np.inf) -> list[tuple[Cell, list[Cell]]]:
    return [
        (c, [cells[d] for d in c.daughters])
        for c in cells.values()
        if c.fate is Fate.DIVIDED and c.end_min < before_min
    ]


def refuse(daughters: list[Cell]) -> bool:
    return any(d.fate is Fate.FUSED for d in daughters)
