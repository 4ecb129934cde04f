"""Cells -> where each is, frame by frame: a persistent random walk with soft contact.

Positions are micrometres on the dish; the stage's drift is the camera's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import Fate
from lineage.simulate.course import alive, condition, nucleus_diameter_um, present

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lineage.simulate.population import Cell
    from lineage.simulate.settings import Settings

SPEED_UM_PER_MIN = 0.22  # root mean square, interphase
PERSISTENCE_MIN = 40.0
WALL_UM = 8.0  # cells are turned back this far inside the field's edge
RELAXATIONS = 8  # rounds of pushing apart, each frame

Positions = dict[int, np.ndarray]  # cell id -> (2,) y, x


def move(rng: np.random.Generator, cells: Sequence[Cell], settings: Settings) -> Iterator[Positions]:
    """Where everything is that can be seen, a frame at a time.

    A daughter's first place is the mother's last, off along her birth axis; a fused cell's is between its
    parents.
    """
    by_id = {cell.cell_id: cell for cell in cells}
    at: Positions = {}
    velocity: Positions = {}
    for frame in range(settings.frames):
        now = frame * settings.minutes_per_frame
        here = [cell for cell in cells if present(cell, now)]
        at = {cell.cell_id: _place(rng, cell, at, now, settings) for cell in here}
        velocity = {cell.cell_id: _turned(rng, cell, velocity, now, settings) for cell in here}
        if frame:
            at = {i: place + velocity[i] * settings.minutes_per_frame for i, place in at.items()}
        at = _settle(here, _gather(by_id, at, now), now, settings)
        yield at


def _place(rng: np.random.Generator, cell: Cell, at: Positions, now: float, settings: Settings) -> np.ndarray:
    if cell.cell_id in at:
        return at[cell.cell_id]
    if len(cell.parents) == 1:
        outward = np.array([np.sin(cell.birth_axis), np.cos(cell.birth_axis)])
        radius = 0.5 * _separation_um(now - cell.born_min) / np.sin(np.pi / cell.siblings)
        return at[cell.parents[0]] + radius * outward
    if cell.parents:
        return np.mean([at[p] for p in cell.parents], axis=0)
    return rng.uniform(WALL_UM, settings.field_um - WALL_UM, 2)


def _separation_um(age_min: float) -> float:
    """Distance of two sister plates: about 8 px when they part, 14 when anaphase B is over."""
    return 9 + 8 * (1 - float(np.exp(-age_min / 10)))


def _turned(
    rng: np.random.Generator, cell: Cell, velocity: Mapping[int, np.ndarray], now: float, settings: Settings
) -> np.ndarray:
    """An Ornstein-Uhlenbeck velocity, (2,) um a minute; rounded cells stay where they are."""
    kept = float(np.exp(-settings.minutes_per_frame / PERSISTENCE_MIN))
    kick = rng.normal(0, SPEED_UM_PER_MIN / np.sqrt(2), 2)
    old = velocity.get(cell.cell_id, kick)
    mobile = 1 - condition(cell, now).roundness if alive(cell, now) else 0.0
    return (kept * old + np.sqrt(1 - kept**2) * kick) * mobile**0.5


def _gather(cells: Mapping[int, Cell], at: Positions, now: float) -> Positions:
    """Sisters that will fuse draw together while they still are two."""
    moved = dict(at)
    for i, place in at.items():
        cell = cells[i]
        if cell.fate is Fate.FUSED:
            partners = [at[p] for p in cells[cell.daughters[0]].parents if p in at]
            left = max(cell.end_min - now, 1.0)
            distance = float(np.linalg.norm(place - np.mean(partners, axis=0)))
            # Nuclei of a fused cell lie about 5 um from its middle; they should arrive there in time.
            pull = max(0.0, 1 - 5.5 / max(distance, 1e-6)) * min(1.0, 10 / left)
            moved[i] = place + pull * (np.mean(partners, axis=0) - place)
    return moved


def _reach_um(cell: Cell, now: float) -> float:
    """How near another cell's centre may come, halved; daughters grow into theirs."""
    if not alive(cell, now):
        return 0.0
    full = 0.5 * nucleus_diameter_um(cell.dna_at(now)) + 2.5
    if cell.fate is Fate.FUSED:
        return min(full, 5.2)
    if len(cell.parents) == 1:
        return float(min(full, 0.5 * _separation_um(now - cell.born_min) + 0.06 * (now - cell.born_min)))
    return full


def _settle(cells: Sequence[Cell], at: Positions, now: float, settings: Settings) -> Positions:
    """Push apart what overlaps, and back what has come too near the edge."""
    if not cells:
        return at
    ids = [cell.cell_id for cell in cells]
    places = np.array([at[i] for i in ids])
    reach = np.array([_reach_um(cell, now) for cell in cells])
    nearest = (reach[:, None] + reach[None, :]) * ((reach[:, None] > 0) & (reach[None, :] > 0))
    for _ in range(RELAXATIONS):
        apart = places[:, None] - places[None, :]
        distance = np.maximum(np.linalg.norm(apart, axis=-1), 1e-3)
        overlap = np.maximum(nearest - distance, 0)
        np.fill_diagonal(overlap, 0)
        places += 0.4 * (apart / distance[..., None] * overlap[..., None]).sum(axis=1)
        places = np.clip(places, WALL_UM, settings.field_um - WALL_UM)
    return dict(zip(ids, places, strict=True))
