"""A cell and a time -> its condition: how large, condensed, rough and round it is.

Each life is a table of key frames between which the condition changes linearly. Lengths are micrometres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import Fate
from lineage.simulate.population import Subtype

if TYPE_CHECKING:
    from lineage.simulate.population import Cell, Mitosis

REMAINS_MIN = 90.0  # how long fragments of a dead cell stay visible after its end


@dataclass(frozen=True)
class Condition:
    """What a cell is like at a moment."""

    length: float  # of the nucleus, plate or half plate
    width: float
    roughness: float
    texture: float
    bend: float = 0.0
    hollow: float = 0.0
    apart: float = 0.0  # of each nucleus of a fused cell from its centre
    roundness: float = 0.0  # of the cell: 0 flat and attached, 1 a ball


def present(cell: Cell, minutes: float) -> bool:
    """Whether there is anything of the cell to be seen, its remains included."""
    remains = REMAINS_MIN if cell.fate is Fate.DIED_MITOSIS else 0.0
    return cell.born_min <= minutes < cell.end_min + remains


def alive(cell: Cell, minutes: float) -> bool:
    """Whether the cell has been born and has not ended.

    >>> from lineage.simulate.population import Cell
    >>> mother = Cell(1, (), 0, 1, born_min=-5, dna=1, seed=0, end_min=20)
    >>> alive(mother, 20)   # its daughters' first moment
    False
    """
    return cell.born_min <= minutes < cell.end_min


def nucleus_diameter_um(dna: float) -> float:
    """Diameter of an interphase nucleus: 16 px of 1.15 um in G1, 22 in G2."""
    return 19.0 * dna**0.4


def condition(cell: Cell, minutes: float) -> Condition:
    """The cell's condition at a time."""
    times, table = _key_frames(cell)
    return Condition(*(float(np.interp(minutes, times, column)) for column in table))


@lru_cache(maxsize=8192)
def _key_frames(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """(K,) times, rising; (8, K) the columns of Condition."""
    rng = np.random.default_rng([cell.seed, 1])
    frames = _youth(rng, cell)
    if cell.mitosis is not None:
        frames += _attempt(rng, cell, cell.mitosis)
    times, conditions = zip(*sorted(frames, key=lambda frame: frame[0]), strict=True)
    return np.array(times), np.array([tuple(vars(c).values()) for c in conditions]).T


def _interphase(rng: np.random.Generator, cell: Cell, dna: float) -> Condition:
    """Outline and texture that the nucleus keeps while it grows."""
    n = max(len(cell.parents), 1)
    diameter = nucleus_diameter_um(dna / n) * np.exp(rng.normal(0, 0.04))
    stretch = rng.uniform(1.0, 1.2)
    roughness = 0.06 if cell.generation == 0 else rng.choice([0.06, 0.18], p=[0.8, 0.2])
    return Condition(
        length=diameter * stretch,
        width=diameter / stretch,
        roughness=roughness,
        texture=0.16,
        bend=0.03,
        hollow=0.1,
        apart=0.28 * diameter if n > 1 else 0.0,
    )


def _youth(rng: np.random.Generator, cell: Cell) -> list[tuple[float, Condition]]:
    """From birth through S phase."""
    born, g1 = cell.born_min, _interphase(rng, cell, cell.dna)
    replication = born + 0.4 * cell.cycle_min, born + 0.75 * cell.cycle_min
    growth = [(replication[0], g1), (replication[1], _grown(g1))] if np.isfinite(cell.cycle_min) else []
    attached = born + rng.uniform(40, 80)
    if not cell.parents:
        return [(born, g1), *growth]
    if len(cell.parents) > 1:
        return [(born, _just_fused(cell, g1)), (attached, g1), *growth]
    return [*_telophase(rng, cell, g1, attached), (attached + 15, g1), *growth]


def _just_fused(cell: Cell, g1: Condition) -> Condition:
    """Sisters that fuse at once are still condensed and round, others have spread."""
    spread = min(cell.parents_age_min / 60, 1.0)
    size = 0.55 + 0.25 * spread
    return Condition(
        size * g1.length, size * g1.width, roughness=0.12, texture=0.2, bend=0.05, apart=5.0,
        roundness=1 - 0.5 * spread,
    )  # fmt: skip


def _telophase(
    rng: np.random.Generator, cell: Cell, g1: Condition, attached: float
) -> list[tuple[float, Condition]]:
    """A daughter's first hour: half a plate, a small bright lump, an early nucleus."""
    born, small = cell.born_min, cell.dna**0.4
    half_plate = Condition(
        12.5 * small, 5.2, roughness=0.08, texture=0.1, bend=rng.uniform(0.02, 0.1), roundness=1.0
    )
    lump = Condition(
        11.0 * small, 7.0 * small, roughness=0.15, texture=0.15, bend=rng.uniform(0, 0.12), roundness=1.0
    )
    early = Condition(
        0.85 * g1.length, 0.75 * g1.width, roughness=0.12, texture=0.2, bend=0.05, roundness=0.7
    )
    return [
        (born, half_plate),
        (born + 8, half_plate),
        (born + rng.uniform(16, 25), lump),
        (born + 0.7 * (attached - born), early),
    ]


def _grown(g1: Condition) -> Condition:
    """The nucleus with its DNA doubled."""
    return replace(g1, length=g1.length * 2**0.4, width=g1.width * 2**0.4)


def _attempt(rng: np.random.Generator, cell: Cell, mitosis: Mitosis) -> list[tuple[float, Condition]]:
    """From the end of G2 through the mitosis, and out of it where nothing separated."""
    large = nucleus_diameter_um(2 * cell.dna)
    g2 = _grown(_interphase(rng, cell, cell.dna))
    ball = Condition(0.63 * large, 0.56 * large, roughness=0.22, texture=0.3, roundness=1.0)
    held = _held(rng, mitosis, large, ball)
    frames = [
        (mitosis.start_min, g2),
        (mitosis.start_min + 0.6 * (mitosis.plate_min - mitosis.start_min), ball),
        (mitosis.plate_min - 4, ball),
        (mitosis.plate_min + 4, held),
        (mitosis.event_min, held),
    ]
    if mitosis.subtype is Subtype.SLIPPAGE:
        lobed = Condition(0.95 * large, 0.8 * large, roughness=0.3, texture=0.3, bend=0.1, hollow=0.2)
        frames.append((mitosis.event_min + rng.uniform(40, 80), lobed))
    return frames


def _held(rng: np.random.Generator, mitosis: Mitosis, large: float, ball: Condition) -> Condition:
    """What the chromosomes form until something happens: a plate, a ball, or a tangle."""
    if mitosis.subtype is Subtype.DEATH:
        return ball
    if mitosis.subtype in (Subtype.NORMAL, Subtype.SISTER_FUSION):
        thick = (0.25 + 0.3 * mitosis.tilt) * large
        bend = rng.normal(0, 0.03)
        return Condition(0.73 * large, thick, roughness=0.08, texture=0.12, bend=bend, roundness=1.0)
    hollow = rng.choice([0.0, 0.5])
    return Condition(
        0.7 * large, 0.5 * large, roughness=0.4, texture=0.35, bend=0.05, hollow=hollow, roundness=1.0
    )
