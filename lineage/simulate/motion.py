"""Cells -> where each is, frame by frame: a persistent random walk with soft contact.

Positions are micrometres on the dish, without the stage's drift.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from lineage.simulate.course import alive, condition, nucleus_diameter_um, present
from lineage.simulate.dish import (
    MARGIN_UM,
    PERSISTENCE_MIN,
    Positions,
    nearest,
    side_um,
    speed_um_per_min,
    starts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lineage.simulate.cells import Cell
    from lineage.simulate.settings import Settings

RELAXATIONS = 6  # rounds of pushing apart, each frame
CLOSING_MIN = 120.0  # so long before they fuse, sisters no longer push each other away
STEP_UM = 1 / 1024  # positions are rounded to it: a last digit that differs cannot grow into another movie


def move(
    rng: np.random.Generator, cells: Sequence[Cell], drift_um: np.ndarray, settings: Settings
) -> Iterator[Positions]:
    """Positions of all cells that can be seen, a frame at a time.

    A daughter's first position is the mother's last, off along her birth axis; a fused cell's is between its
    parents.

    Args:
        rng: the only source of chance.
        cells: all of the movie.
        drift_um: (T, 2) y, x, how far the stage has moved the field; the dish moves with it.
        settings: of the movie.

    Yields:
        Positions on the dish, um, including those of dead cells' remains.
    """
    by_id = {cell.cell_id: cell for cell in cells}
    waiting = sorted(cells, key=lambda cell: (cell.born_min, cell.cell_id))
    here: list[Cell] = []
    at: Positions = {}
    velocity: Positions = {}
    start = starts(rng, cells, settings)
    side = side_um(settings)
    for frame in range(settings.frames):
        now = frame * settings.minutes_per_frame
        n_born = sum(cell.born_min <= now for cell in waiting)
        candidates = sorted([*here, *waiting[:n_born]], key=lambda cell: cell.cell_id)
        waiting = waiting[n_born:]
        here = [cell for cell in candidates if present(cell, now)]
        kicks = rng.normal(0, 1 / math.sqrt(2), (len(here), 2))
        before, velocity_before = at, velocity
        at, velocity = {}, {}
        for cell, kick in zip(here, kicks, strict=True):
            i = cell.cell_id
            at[i] = _last_position(by_id, cell, before or start, now, side)
            velocity[i] = _new_velocity(cell, velocity_before, kick, now, settings)
            if frame:
                at[i] = at[i] + velocity[i] * settings.minutes_per_frame
        gathered = _gather(by_id, at, now, settings.minutes_per_frame, side)
        at = _settle(here, gathered, now, side, MARGIN_UM + drift_um[frame])
        yield at


def _last_position(
    cells: Mapping[int, Cell], cell: Cell, at: Positions, now: float, side: float
) -> np.ndarray:
    if cell.cell_id in at:
        return at[cell.cell_id]
    known = _ancestors(cells, cell, at)
    if len(cell.parents) == 1:
        radius = 0.5 * separation_um(now - cell.born_min) / math.sin(math.pi / cell.siblings)
        return at[known[0]] + radius * np.array([math.sin(cell.birth_axis), math.cos(cell.birth_axis)])
    apart = [nearest(at[p] - at[known[0]], side) for p in known]
    return at[known[0]] + np.mean(apart, axis=0)


def _ancestors(cells: Mapping[int, Cell], cell: Cell, at: Positions) -> list[int]:
    """The cell's parents or, where those came and went between two frames, theirs."""
    known = [p for p in cell.parents if p in at]
    if known:
        return known
    return sorted({g for p in cell.parents if p in cells for g in _ancestors(cells, cells[p], at)})


def separation_um(age_min: float) -> float:
    """Distance of two sister plates: about 8 px when they part, 14 when anaphase B is over."""
    return 9 + 8 * (1 - math.exp(-age_min / 10))


def _new_velocity(
    cell: Cell, velocity: Mapping[int, np.ndarray], kick: np.ndarray, now: float, settings: Settings
) -> np.ndarray:
    """An Ornstein-Uhlenbeck velocity, (2,) um a minute; 0 for a fully rounded cell."""
    kept = math.exp(-settings.minutes_per_frame / PERSISTENCE_MIN)
    kick = kick * speed_um_per_min(cell, settings)
    mobile = 1 - condition(cell, now).roundness if alive(cell, now) else 0.0
    return (kept * velocity.get(cell.cell_id, kick) + math.sqrt(1 - kept**2) * kick) * math.sqrt(mobile)


def _gather(
    cells: Mapping[int, Cell], at: Positions, now: float, interval_min: float, side: float
) -> Positions:
    """Sisters that will fuse approach each other."""
    moved = dict(at)
    for i, position in at.items():
        cell = cells[i]
        if cell.fusing_with and alive(cell, now):
            partners = [at[p] for p in cell.fusing_with if p in at]
            middle = position + np.mean([nearest(p - position, side) for p in partners], axis=0)
            left = max(cell.fusing_min - now, 1.0)
            distance = float(np.linalg.norm(position - middle))
            # Nuclei of a fused cell lie about 5 um from its middle; they should arrive there in time.
            pull = max(0.0, 1 - 5.5 / max(distance, 1e-6)) * min(1.0, interval_min / left)
            moved[i] = position + pull * (middle - position)
    return moved


def _reach_um(cell: Cell, now: float) -> float:
    """Half the distance that another cell's centre keeps; it grows in daughters."""
    if not alive(cell, now):
        return 0.0
    full = 0.5 * nucleus_diameter_um(cell.dna_at(now)) + 2.5
    if cell.fusing_min - now < CLOSING_MIN:
        return min(full, 5.2)
    if len(cell.parents) == 1:
        return float(min(full, 0.5 * separation_um(now - cell.born_min) + 0.06 * (now - cell.born_min)))
    return full


def _settle(cells: Sequence[Cell], at: Positions, now: float, side: float, origin: np.ndarray) -> Positions:
    """Push apart what overlaps, move what has left the dish to its opposite edge, and round.

    The dish begins at -origin, (2,) um.
    """
    if not cells:
        return at
    ids = [cell.cell_id for cell in cells]
    positions = np.array([at[i] for i in ids]) + origin
    reach = np.array([_reach_um(cell, now) for cell in cells])
    for _ in range(RELAXATIONS):
        positions %= side
        positions[positions >= side] = 0  # the remainder of a tiny negative number
        pairs = cKDTree(positions, boxsize=side).query_pairs(2 * float(reach.max()), output_type="ndarray")
        a, b = pairs[np.lexsort(pairs.T[::-1])].T
        apart = nearest(positions[a] - positions[b], side)
        distance = np.maximum(np.sqrt((apart * apart).sum(axis=1)), 1e-3)
        touching = (reach[a] > 0) & (reach[b] > 0)
        overlap = np.maximum(reach[a] + reach[b] - distance, 0) * touching
        push = 0.4 * apart / distance[:, None] * overlap[:, None]
        np.add.at(positions, a, push)
        np.subtract.at(positions, b, push)
    positions = np.round((positions % side - origin) / STEP_UM) * STEP_UM
    return dict(zip(ids, positions, strict=True))
