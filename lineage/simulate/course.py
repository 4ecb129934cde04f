"""A cell and a time -> its condition: how large, condensed, rough and round it is then.

Each life is a table of key frames between which the condition changes linearly. Lengths are micrometres.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import Fate
from lineage.simulate.cells import Subtype

if TYPE_CHECKING:
    from lineage.simulate.cells import Cell, Mitosis

REMAINS_MIN = 240.0  # how long fragments of a dead cell stay visible after its end
SHRINKING_MIN = 25.0  # of a cell that dies in interphase, before it breaks up
SPREADING_MIN = 48 * 60.0  # until an arrested cell has reached its final size
KeyFrame = tuple[float, "Condition"]  # minutes, and the condition at that time


@dataclass(frozen=True)
class Condition:
    """Size and shape of a cell and its chromatin at one time."""

    length: float  # of the nucleus, plate or half plate
    width: float
    roughness: float
    texture: float
    bend: float = 0.0
    hollow: float = 0.0
    apart: float = 0.0  # of each nucleus of a fused cell, or arm of a multipolar plate, from the centre
    roundness: float = 0.0  # of the cell: 0 flat and attached, 1 a ball


def breaks_up_min(cell: Cell) -> float:
    """When a dying cell's chromatin breaks up; infinity for all others."""
    if cell.fate is Fate.DIED_MITOSIS and cell.mitosis is not None:
        return cell.mitosis.event_min
    if cell.fate is Fate.DIED_INTERPHASE:
        return min(cell.dying_min + SHRINKING_MIN, cell.end_min)
    return np.inf


def present(cell: Cell, minutes: float) -> bool:
    """Whether the cell or its remains can be seen."""
    remains = REMAINS_MIN if np.isfinite(breaks_up_min(cell)) else 0.0
    return cell.born_min <= minutes < cell.end_min + remains


def alive(cell: Cell, minutes: float) -> bool:
    """Whether the cell has been born and has not ended.

    >>> from lineage.simulate.cells import Cell
    >>> mother = Cell(1, (), 0, 1, born_min=-5, dna=1, seed=0, end_min=20)
    >>> alive(mother, 20)   # its daughters' first moment
    False
    """
    return cell.born_min <= minutes < cell.end_min


def nucleus_diameter_um(dna: float) -> float:
    """Diameter of an interphase nucleus: 16 px of 1.15 um in G1, 22 in G2."""
    return 19.0 * dna**0.4


def n_pieces(cell: Cell, minutes: float) -> int:
    """Number of bodies of its chromatin: a nucleus for each parent, an arm for each pole of a plate."""
    mitosis = cell.mitosis
    if mitosis is not None and mitosis.subtype.n_poles > 2 and minutes >= mitosis.plate_min:
        return mitosis.subtype.n_poles
    return cell.n_nuclei


def condition(cell: Cell, minutes: float) -> Condition:
    """The cell's condition at a time."""
    times, table = _key_frames(cell)
    k = bisect_right(times, minutes)
    if k in (0, len(times)):
        return Condition(*table[k and -1])
    # Plain Python: for so few values numpy takes ten times as long.
    before, after, passed, span = table[k - 1], table[k], minutes - times[k - 1], times[k] - times[k - 1]
    return Condition(*((b - a) / span * passed + a for a, b in zip(before, after, strict=True)))


@lru_cache(maxsize=8192)
def _key_frames(cell: Cell) -> tuple[list[float], list[tuple[float, ...]]]:
    """Ascending times, and the fields of Condition at each."""
    rng = np.random.default_rng([cell.seed, 1])
    frames = _interphase_frames(rng, cell)
    if cell.mitosis is not None:
        frames = [f for f in frames if f[0] < cell.mitosis.start_min]
        frames += _mitosis_frames(rng, cell, cell.mitosis)
    if cell.fate is Fate.DIED_INTERPHASE:
        frames = _shrinking(frames, cell)
    times, conditions = zip(*frames, strict=True)
    return [float(t) for t in times], [tuple(map(float, astuple(c))) for c in conditions]


def _interphase(cell: Cell, dna: float) -> Condition:
    """Outline and texture that the nucleus keeps while it grows; some are ragged after irradiation."""
    rng = np.random.default_rng([cell.seed, 9])
    n = cell.n_nuclei
    diameter = nucleus_diameter_um(dna / n) * float(np.exp(rng.normal(0, 0.11)))
    stretch = rng.uniform(1.0, 1.25)
    roughness = 0.06 if cell.generation == 0 else rng.choice([0.06, 0.16], p=[0.8, 0.2])
    return Condition(
        length=diameter * stretch,
        width=diameter / stretch,
        roughness=float(roughness),
        texture=float(rng.uniform(0.0, 0.14)),
        bend=float(rng.normal(0, 0.03)),
        hollow=0.1,
        apart=0.3 * diameter / np.sin(np.pi / n) if n > 1 else 0.0,
    )


def _larger(now: Condition, factor: float) -> Condition:
    return replace(now, length=now.length * factor, width=now.width * factor, apart=now.apart * factor)


def _interphase_frames(rng: np.random.Generator, cell: Cell) -> list[KeyFrame]:
    """From birth through S phase and, if the cell is arrested, until it has spread."""
    born, g1 = cell.born_min, _interphase(cell, cell.dna)
    attached = born + rng.uniform(40, 80)
    if cell.n_nuclei > 1:
        frames = [(born, _just_fused(cell, g1)), (born + 0.7 * (attached - born), g1)]
    elif not cell.parents:
        frames = [(born, g1)]
    else:
        frames = [*_telophase(rng, cell, g1, attached), (attached + 15, g1)]
    grown = g1
    if np.isfinite(cell.replication_min[0]):
        grown = _larger(g1, 2**0.4)
        frames += [(cell.replication_min[0], g1), (cell.replication_min[1], grown)]
    if cell.arrested:
        last = frames[-1][0]
        frames.append((last + SPREADING_MIN, _larger(grown, float(np.sqrt(rng.uniform(1.3, 2.2))))))
    return sorted(frames, key=lambda frame: frame[0])


def _just_fused(cell: Cell, g1: Condition) -> Condition:
    """Sisters that fuse at once are still condensed and round, others have spread."""
    spread = min(cell.parents_age_min / 60, 1.0)
    size = 0.55 + 0.45 * spread
    apart = 5.0 / np.sin(np.pi / cell.n_nuclei)
    return Condition(
        size * g1.length,
        size * g1.width,
        roughness=0.12,
        texture=0.2,
        bend=0.05,
        apart=apart + spread * (g1.apart - apart),
        roundness=1 - spread,
    )


def _telophase(rng: np.random.Generator, cell: Cell, g1: Condition, attached: float) -> list[KeyFrame]:
    """A daughter's first hour: half a plate, a small bright lump, an early nucleus."""
    born, small = cell.born_min, cell.dna**0.4
    half_plate = Condition(
        rng.uniform(10.5, 14) * small,
        rng.uniform(4.8, 6.8),
        roughness=0.12,
        texture=0.15,
        bend=rng.uniform(0.02, 0.12),
        roundness=1.0,
    )
    lump = Condition(
        rng.uniform(9, 12) * small,
        rng.uniform(7, 9) * small,
        roughness=0.15,
        texture=0.15,
        bend=rng.uniform(0, 0.12),
        roundness=1.0,
    )
    early = Condition(
        0.85 * g1.length,
        0.75 * g1.width,
        roughness=0.12,
        texture=0.2,
        bend=0.05,
        roundness=rng.uniform(0.3, 0.8),
    )
    lumped = born + rng.uniform(14, 26)
    return [
        (born, half_plate),
        (born + rng.uniform(4, 9), half_plate),
        (lumped, lump),
        (lumped + rng.uniform(0.4, 0.8) * (attached - lumped), early),
    ]


def _mitosis_frames(rng: np.random.Generator, cell: Cell, mitosis: Mitosis) -> list[KeyFrame]:
    """From the end of G2 through the mitosis, and back to interphase after slippage."""
    large = nucleus_diameter_um(cell.dna_at(mitosis.start_min))
    g2 = _interphase(cell, cell.dna_at(mitosis.start_min))
    ragged = rng.uniform(0.12, 0.3)
    prophase = replace(_larger(g2, 0.88), roughness=0.1, texture=0.35, hollow=0.25, roundness=0.25)
    ring = Condition(
        rng.uniform(0.6, 0.75) * large,
        rng.uniform(0.5, 0.65) * large,
        roughness=ragged,
        texture=0.35,
        hollow=rng.choice([0.0, 0.45]),
        roundness=1.0,
    )
    metaphase = _metaphase(rng, mitosis, large, ring)
    span = mitosis.plate_min - mitosis.start_min
    frames = [
        (mitosis.start_min, g2),
        (mitosis.start_min + 0.4 * span, prophase),
        (mitosis.start_min + 0.7 * span, ring),
        (mitosis.plate_min - 0.1 * span, ring),
        (mitosis.plate_min, metaphase),
        (mitosis.event_min, metaphase),
    ]
    if mitosis.subtype is Subtype.SLIPPAGE:
        out = mitosis.event_min + rng.uniform(40, 100)
        lobed = replace(
            _larger(g2, rng.uniform(0.95, 1.1)),
            roughness=rng.uniform(0.2, 0.35),
            texture=0.3,
            bend=0.1,
            hollow=0.2,
        )
        half = replace(_larger(g2, 0.75), roughness=0.3, texture=0.3, roundness=0.6)
        frames += [(0.5 * (mitosis.event_min + out), half), (out, lobed)]
        frames.append((out + SPREADING_MIN, _larger(lobed, float(np.sqrt(rng.uniform(1.2, 1.8))))))
    return frames


def _metaphase(rng: np.random.Generator, mitosis: Mitosis, large: float, ring: Condition) -> Condition:
    """The chromosomes until the event: a plate, the arms of a multipolar plate, or a clump."""
    if mitosis.subtype is Subtype.DEATH:
        return replace(ring, hollow=0.0)
    if mitosis.subtype.n_poles > 2:
        arm = rng.uniform(0.36, 0.44) * large
        return Condition(arm, 0.24 * large, roughness=0.15, texture=0.25, apart=0.45 * arm, roundness=1.0)
    if mitosis.subtype is Subtype.SLIPPAGE:
        return replace(ring, length=0.68 * large, width=rng.uniform(0.35, 0.55) * large, hollow=0.0)
    thick = (0.22 + 0.3 * mitosis.tilt) * large
    bend = float(rng.normal(0, 0.03))
    rough = 0.08 if mitosis.subtype is Subtype.NORMAL else 0.16
    return Condition(
        rng.uniform(0.62, 0.78) * large, thick, roughness=rough, texture=0.12, bend=bend, roundness=1.0
    )


def _shrinking(frames: list[KeyFrame], cell: Cell) -> list[KeyFrame]:
    """Replace what follows the beginning of the death by pyknosis."""
    times = np.array([t for t, _ in frames])
    table = np.array([astuple(c) for _, c in frames])
    begins = max(cell.dying_min, float(times[0]))
    now = Condition(*(float(np.interp(begins, times, column)) for column in table.T))
    pyknotic = replace(_larger(now, 0.55), roughness=0.2, texture=0.1, roundness=1.0)
    return [*(f for f in frames if f[0] < begins), (begins, now), (begins + SHRINKING_MIN, pyknotic)]
