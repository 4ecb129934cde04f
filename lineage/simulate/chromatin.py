"""A cell, a time and a position -> its chromatin as bodies, in micrometres."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lineage.simulate.bodies import Body
from lineage.simulate.course import breaks_up_min, condition, n_pieces
from lineage.simulate.motion import separation_um

if TYPE_CHECKING:
    from lineage.simulate.cells import Cell, Mitosis
    from lineage.simulate.course import Condition

# Grey levels of 8 bit x um2: with the haze, a G1 nucleus stands about 14 above background.
MASS_PER_DNA = 2700.0
STAIN_SPREAD = 0.2  # from clone to clone
N_FRAGMENTS = 9
FADING_MIN = 90.0
BRIDGED_MIN = 60.0  # chromatin between daughters is taken up within about this time
FOCUS_UM = 1.7  # blur of a cell in focus
DEPTH_UM = 3.0  # spread of heights; rounded cells lie higher
BLUR_PER_UM = 0.16  # more blur for each micrometre out of focus

Pieces = list[tuple[bool, Body]]  # whether it belongs to the living cell's mask, and what is drawn


def dna_mass(cell: Cell, minutes: float) -> float:
    """Summed SiR-DNA light, grey levels x um2; a clone stains alike, so divisions conserve it."""
    return MASS_PER_DNA * _stain(cell.founder) * cell.dna_at(minutes)


@lru_cache(maxsize=8192)
def _stain(founder: int) -> float:
    return math.exp(np.random.default_rng([founder, 2]).normal(0, STAIN_SPREAD))


def chromatin(
    cell: Cell, minutes: float, position: np.ndarray, *, origin: Mitosis | None = None, focus_um: float = 0.0
) -> Pieces:
    """The cell's chromatin.

    Args:
        cell: alive, or dead with remains to be seen.
        minutes: since the first frame.
        position: (2,) y, x of the cell, um.
        origin: the mitosis it was born from.
        focus_um: height of the focal plane.

    Returns:
        (whether it belongs to the living cell's mask, body); lengths in um. A fused cell has a nucleus for
        each parent, in one mask. Micronuclei and lagging DNA have no mask. Of a dying cell
        the largest fragment keeps the mask until the cell's end.
    """
    if minutes >= breaks_up_min(cell):
        return _fragments(cell, minutes, minutes - breaks_up_min(cell), position, focus_um)
    now, n = condition(cell, minutes), n_pieces(cell, minutes)
    blur, heading = blur_um(cell, minutes, now.roundness, focus_um), heading_rad(cell, minutes)
    beside = sum(cell.micronuclei)
    behind = _lagging(cell, origin, minutes, position, blur)
    mass = dna_mass(cell, minutes) * (1 - beside) - sum(piece.mass for _, piece in behind)
    plated = cell.mitosis is not None and minutes >= cell.mitosis.plate_min
    first = cell.mitosis.axis + np.pi / n if cell.mitosis is not None and plated else cell.birth_axis
    bodies = [
        Body(
            y=position[0] + now.apart * math.sin(direction),
            x=position[1] + now.apart * math.cos(direction),
            length=now.length,
            width=now.width,
            angle=direction if plated and n > 2 else heading,
            mass=mass / n,
            seed=cell.seed + k,
            roughness=now.roughness,
            texture=now.texture,
            grain=max(0.3 * now.width, 4.0),
            bend=now.bend,
            hollow=now.hollow,
            blur=blur,
        )
        for k, direction in enumerate(first + 2 * np.pi * np.arange(n) / n)
    ]
    return [*((True, body) for body in bodies), *_micronuclei(cell, minutes, position, now, blur), *behind]


def blur_um(cell: Cell, minutes: float, roundness: float, focus_um: float) -> float:
    """Blur of a cell: most lie in focus, rounded or piled-up ones may not.

    Args:
        cell: alive or dead.
        minutes: since the first frame.
        roundness: of the cell, 0 flat to 1 a ball.
        focus_um: height of the focal plane.

    Returns:
        Standard deviation of the point spread, um.
    """
    height, lift = _height_um(cell.seed)
    rocking = 1.5 * math.sin(minutes / 17 + cell.own_phase) * roundness
    return FOCUS_UM + BLUR_PER_UM * abs(height + lift * roundness + rocking - focus_um)


@lru_cache(maxsize=8192)
def _height_um(seed: int) -> tuple[float, float]:
    """Of a flat cell, and how much higher it lies when round."""
    rng = np.random.default_rng([seed, 3])
    return abs(rng.normal(0, DEPTH_UM)), rng.exponential(3.0)


def heading_rad(cell: Cell, minutes: float) -> float:
    """Direction of the long axis: it wanders, and lies across the spindle in mitosis."""
    wander = 0.5 * math.sin((minutes - cell.born_min) / 150 + cell.own_phase) - 0.5 * math.sin(cell.own_phase)
    young = cell.birth_axis + math.pi / 2 + wander
    mitosis = cell.mitosis
    if mitosis is None or minutes < mitosis.start_min:
        return young
    rocking = 0.25 * math.sin((minutes - mitosis.event_min) / 12)
    # It turns while the ball of chromosomes is round, so the turn is not seen.
    turned = min(max((minutes - mitosis.start_min) / (mitosis.plate_min - mitosis.start_min), 0), 1)
    turn = (mitosis.axis + math.pi / 2 - young + math.pi / 2) % math.pi - math.pi / 2
    return young + turned * (turn + rocking)


def _micronuclei(cell: Cell, minutes: float, position: np.ndarray, now: Condition, blur: float) -> Pieces:
    """Small round bodies beside the nucleus."""
    if not cell.micronuclei:
        return []
    rng = np.random.default_rng([cell.seed, 10])
    pieces = []
    for k, share in enumerate(cell.micronuclei):
        direction = rng.uniform(0, 2 * np.pi) + 0.3 * math.sin(minutes / 90 + k)
        far = 0.5 * max(now.length, now.width) + now.apart + rng.uniform(0.5, 3.0)
        size = 9.0 * math.sqrt(share / 0.25) * cell.dna**0.4
        piece = Body(
            y=position[0] + far * math.sin(direction),
            x=position[1] + far * math.cos(direction),
            length=1.1 * size,
            width=size,
            angle=direction,
            mass=share * dna_mass(cell, minutes),
            seed=cell.seed + 50 + k,
            blur=blur,
        )
        pieces.append((False, piece))
    return pieces


def _lagging(cell: Cell, origin: Mitosis | None, minutes: float, position: np.ndarray, blur: float) -> Pieces:
    """A daughter's half of the lagging DNA between the plates: loose chromosomes, or half a bridge."""
    age = minutes - cell.born_min
    if origin is None or not origin.lagging or age >= BRIDGED_MIN:
        return []
    back = cell.birth_axis + math.pi
    reach = 0.5 * separation_um(age)
    left = origin.lagging * (1 - age / BRIDGED_MIN)
    length, far = (reach, 0.5 * reach) if origin.bridge else (3.5, 0.75 * reach)
    piece = Body(
        y=position[0] + far * math.sin(back),
        x=position[1] + far * math.cos(back),
        length=length,
        width=1.6 if origin.bridge else 2.4,
        angle=back,
        mass=left * dna_mass(cell, minutes),
        seed=cell.seed + 40,
        blur=blur,
    )
    return [(False, piece)]


def _fragments(cell: Cell, minutes: float, age: float, position: np.ndarray, focus_um: float) -> Pieces:
    """Pyknotic pieces that drift apart and fade; the largest is the first."""
    rng = np.random.default_rng([cell.seed, 4])
    shares = np.sort(rng.dirichlet(np.full(N_FRAGMENTS, 1.5)))[::-1] * math.exp(-age / FADING_MIN)
    spread = 2.0 + 5.0 * (1 - math.exp(-age / 20))
    blur = blur_um(cell, minutes, 1.0, focus_um)
    pieces = []
    for k, share in enumerate(shares.tolist()):
        direction, far = rng.uniform(0, 2 * np.pi), spread * rng.uniform(0.3, 1.3) * (k > 0)
        direction += 0.2 * math.sin(minutes / 25 + k)
        size = 3.0 + 14.0 * math.sqrt(share)
        piece = Body(
            y=position[0] + far * math.sin(direction),
            x=position[1] + far * math.cos(direction),
            length=size,
            width=0.85 * size,
            angle=direction,
            mass=share * dna_mass(cell, minutes),
            seed=cell.seed + k,
            roughness=0.2,
            blur=blur,
        )
        pieces.append((k == 0 and minutes < cell.end_min, piece))
    return pieces
