"""The dish around the field: its size, distances on it, and where cells are at the start.

It reaches MARGIN_UM beyond the field on each side and moves with the stage, so that cells come into view and
leave it. Its opposite edges are joined, out of sight. Positions on it are drift-corrected.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lineage.simulate.settings import CellLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineage.simulate.cells import Cell
    from lineage.simulate.settings import Settings

MARGIN_UM = 60.0
# Root mean square in interphase, 13 and 9 um an hour: assumed, of the order seen in the clips.
SPEED_UM_PER_MIN = {CellLine.U251: 0.22, CellLine.PC3: 0.15}
SPEED_SPREAD = 0.35  # of the logarithm, from clone to clone
PERSISTENCE_MIN = 40.0
TOGETHER_UM = 12.0  # largest spread of sisters that will fuse

Positions = dict[int, np.ndarray]  # cell id -> (2,) y, x in um


def side_um(settings: Settings) -> float:
    """Side of the dish, um."""
    return settings.field_um + 2 * MARGIN_UM


def area_ratio(settings: Settings) -> float:
    """Area of the dish over that of the field."""
    return (side_um(settings) / settings.field_um) ** 2


def nearest(apart: np.ndarray, side: float) -> np.ndarray:
    """Distance on a dish whose opposite edges are joined: the shortest one.

    >>> nearest(np.array([90.0, -10.0]), 100.0)
    array([-10., -10.])
    """
    return (apart + side / 2) % side - side / 2


def speed_um_per_min(cell: Cell, settings: Settings) -> float:
    """How fast the cell walks while it is flat; all cells of a clone have the same speed."""
    return SPEED_UM_PER_MIN[settings.cell_line] * _clone_speed(cell.founder)


@lru_cache(maxsize=8192)
def _clone_speed(founder: int) -> float:
    return math.exp(np.random.default_rng([founder, 8]).normal(0, SPEED_SPREAD))


def starts(rng: np.random.Generator, cells: Sequence[Cell], settings: Settings) -> Positions:
    """Where the cells are that are there from the start.

    Clones are as dense in view as around it, `settings.founders` of them in view if the movie begins at
    irradiation. Relatives are as far apart as a random walk since they separated would have brought them.

    Args:
        rng: the only source of chance.
        cells: all of the movie.
        settings: of the movie.

    Returns:
        Cell id -> (2,) y, x in um, of the cells born by the first frame.
    """
    alive = sorted((cell for cell in cells if cell.born_min <= 0), key=lambda cell: cell.cell_id)
    centres = iter(_scattered(rng, len({cell.founder for cell in alive}), settings))
    at: Positions = {}
    first_of: dict[int, int] = {}  # clone -> cell
    sister_of: dict[int, int] = {}  # family -> cell
    for cell in alive:
        sister = sister_of.get(cell.family) if cell.family else None
        relative = sister or first_of.get(cell.founder)
        if relative is None:
            at[cell.cell_id] = next(centres)
        else:
            separated_min = -cell.born_min if sister else settings.irradiated_min_before_start
            spread = speed_um_per_min(cell, settings) * math.sqrt(2 * PERSISTENCE_MIN * separated_min)
            if relative in cell.fusing_with:
                spread = min(spread, TOGETHER_UM)
            at[cell.cell_id] = at[relative] + rng.normal(0, spread, 2)
        first_of.setdefault(cell.founder, cell.cell_id)
        sister_of.setdefault(cell.family, cell.cell_id)
    return at


def _scattered(rng: np.random.Generator, n: int, settings: Settings) -> np.ndarray:
    """(n, 2) um, as dense in view as around it, in random order."""
    side = settings.field_um
    in_view = rng.uniform(0, side, (round(n / area_ratio(settings)), 2))
    around: list[np.ndarray] = []
    while len(in_view) + len(around) < n:
        position = rng.uniform(-MARGIN_UM, side + MARGIN_UM, 2)
        if ((position < 0) | (position >= side)).any():
            around.append(position)
    return rng.permutation(np.concatenate([in_view, np.array(around).reshape(-1, 2)]))
