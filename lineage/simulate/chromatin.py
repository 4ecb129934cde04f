"""A cell, a time and a place -> its chromatin as bodies, in micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import Fate
from lineage.simulate.bodies import Body
from lineage.simulate.course import condition

if TYPE_CHECKING:
    from lineage.simulate.population import Cell

MASS_PER_DNA = (
    2700.0  # grey levels of 8 bit x um2: with the haze, a G1 nucleus stands about 14 above background
)
STAIN_SPREAD = 0.15  # from clone to clone
N_FRAGMENTS = 7
FADING_MIN = 45.0


def dna_mass(cell: Cell, minutes: float) -> float:
    """Summed SiR-DNA light of a cell, grey levels x um2; a clone keeps its stain: division conserves it."""
    stain = np.exp(np.random.default_rng([cell.founder, 2]).normal(0, STAIN_SPREAD))
    return MASS_PER_DNA * float(stain) * cell.dna_at(minutes)


def chromatin(cell: Cell, minutes: float, place: np.ndarray) -> list[tuple[bool, Body]]:
    """The cell's chromatin.

    Args:
        cell: alive, or dead with remains to be seen.
        minutes: since the first frame.
        place: (2,) y, x of the cell, um.

    Returns:
        (whether it belongs to the living cell's mask, body); lengths in um. A fused cell has a nucleus for
        each parent, in one mask; of a dying cell the largest fragment keeps the mask until the cell's end.
    """
    if cell.fate is Fate.DIED_MITOSIS and cell.mitosis is not None and minutes >= cell.mitosis.event_min:
        return _fragments(cell, minutes, minutes - cell.mitosis.event_min, place)
    now, n = condition(cell, minutes), max(len(cell.parents), 1)
    ways = cell.birth_axis + 2 * np.pi * np.arange(n) / n
    nuclei = (
        Body(
            y=place[0] + now.apart * np.sin(way),
            x=place[1] + now.apart * np.cos(way),
            length=now.length,
            width=now.width,
            angle=_heading(cell, minutes),
            mass=dna_mass(cell, minutes) / n,
            seed=cell.seed + k,
            roughness=now.roughness,
            texture=now.texture,
            grain=0.4 * now.width,
            bend=now.bend,
            hollow=now.hollow,
            blur=_focus_um(cell),
        )
        for k, way in enumerate(ways)
    )
    return [(True, nucleus) for nucleus in nuclei]


def _focus_um(cell: Cell) -> float:
    """Blur of a cell: most lie in focus, rounded or piled-up ones may not."""
    return 1.45 + 0.3 * float(np.random.default_rng([cell.seed, 3]).exponential())


def _heading(cell: Cell, minutes: float) -> float:
    """Direction of the long axis: it wanders, and lies across the spindle in mitosis."""
    wander = 0.5 * np.sin((minutes - cell.born_min) / 150 + cell.seed) - 0.5 * np.sin(cell.seed)
    young = cell.birth_axis + np.pi / 2 + wander
    mitosis = cell.mitosis
    if mitosis is None or minutes < mitosis.start_min:
        return float(young)
    rocking = 0.2 * np.sin((minutes - mitosis.event_min) / 12)
    # It turns while the ball of chromosomes is round, so the turn is not seen.
    turned = np.clip((minutes - mitosis.start_min) / (mitosis.plate_min - mitosis.start_min), 0, 1)
    turn = (mitosis.axis + np.pi / 2 - young + np.pi / 2) % np.pi - np.pi / 2
    return float(young + turned * (turn + rocking))


def _fragments(cell: Cell, minutes: float, age: float, place: np.ndarray) -> list[tuple[bool, Body]]:
    """Pyknotic pieces that drift apart and fade; the largest is the first."""
    rng = np.random.default_rng([cell.seed, 4])
    shares = np.sort(rng.dirichlet(np.full(N_FRAGMENTS, 2.0)))[::-1] * np.exp(-age / FADING_MIN)
    spread = 3.0 + 4.0 * (1 - np.exp(-age / 20))
    pieces = []
    for k, share in enumerate(shares):
        way, far = rng.uniform(0, 2 * np.pi), spread * rng.uniform(0.5, 1.3) * (k > 0)
        size = 4.5 + 14.0 * float(share)
        piece = Body(
            y=place[0] + far * np.sin(way),
            x=place[1] + far * np.cos(way),
            length=size,
            width=0.85 * size,
            angle=way,
            mass=float(share) * dna_mass(cell, minutes),
            seed=cell.seed + k,
            roughness=0.2,
            blur=1.25,
        )
        pieces.append((k == 0 and minutes < cell.end_min, piece))
    return pieces
