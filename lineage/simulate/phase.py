"""Cells and their positions -> a phase-contrast image.

The microscope shows the optical thickness minus that of its neighbourhood: a tall round cell becomes a bright
disc with a brighter rim and a dark ring, a flat one a faint grainy patch with a faint outline. So the
thickness is drawn, and the blurred thickness is subtracted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import Fate
from lineage.simulate.bodies import Body, draw
from lineage.simulate.camera import spread
from lineage.simulate.chromatin import heading_rad
from lineage.simulate.course import alive, breaks_up_min, condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.simulate.cells import Cell
    from lineage.simulate.course import Condition

ROUND_UM = 24.0  # diameter of a rounded mitotic cell of G2 DNA content
SHARP_UM = 0.6  # width of the point spread
HALO_UM = 2.5  # width of the neighbourhood that is subtracted
GLOW_UM = 7.0  # ... and of the faint bright ring around it
BRIGHT = 0.5  # factor on bright parts: in the clips, dark rings are deeper than discs are bright
SHEDDING_MIN = 25.0  # how long an anaphase cell blebs
LASTING_MIN = 100.0  # time constant with which the remains of a dead cell fade

PhaseBodies = list[tuple[bool, Body]]  # whether it is a cell's own body rather than something in it


def cell_bodies(cell: Cell, minutes: float, position: np.ndarray) -> PhaseBodies:
    """The cell's body, what is visible in it, and its blebs.

    Cells push each other aside and do not pile up; what is in them adds to their thickness.

    Args:
        cell: alive, or dead with remains to be seen.
        minutes: since the first frame.
        position: (2,) y, x of the cell, um.

    Returns:
        (whether it is a body of its own, body); lengths in um, mass = thickness x area.
    """
    if not alive(cell, minutes) or minutes >= breaks_up_min(cell):
        return _remains(cell, minutes, position)
    now = condition(cell, minutes)
    volume = cell.dna_at(minutes) / 2  # of a G2 cell
    rng = np.random.default_rng([cell.seed, 5])
    large = (
        1.0
        if not (cell.arrested or cell.fate is Fate.SLIPPED)
        else 1.0 + 0.4 * min((minutes - cell.born_min) / 2880, 1.0)
    )
    flat = large * volume**0.4 * np.array([rng.uniform(40, 78), rng.uniform(17, 27)])
    crawl = rng.uniform(0, 2 * np.pi) + 0.6 * math.sin(minutes / 200 + cell.own_phase)
    r = now.roundness
    ball = ROUND_UM * volume ** (1 / 3) * (1 + 0.05 * math.sin(minutes / 13 + cell.own_phase))
    length, width = (r * ball + (1 - r) * flat).tolist()
    spindly = (1 - r) ** 2
    body = _thick_body(
        position,
        length,
        width,
        0.6 + 3.3 * r**2,
        angle=crawl,
        seed=cell.seed,
        roughness=0.03 + 0.20 * spindly,
        texture=0.04 + 0.26 * spindly,
        grain=3.4,
        bend=0.16 * spindly * math.sin(cell.own_phase),
    )
    return [
        (True, body),
        *_inside(cell, minutes, position, now),
        *_blebs(cell, minutes, position, 0.5 * ball),
    ]


def _thick_body(position: np.ndarray, length: float, width: float, height: float, **looks: Any) -> Body:
    """A body whose density is its thickness, about `height` in its middle."""
    mass = 0.8 * height * np.pi / 4 * length * width
    y, x = map(float, position)
    return Body(y=y, x=x, length=length, width=width, mass=mass, blur=0.0, **looks)


def _inside(cell: Cell, minutes: float, position: np.ndarray, now: Condition) -> PhaseBodies:
    """The nucleus with its nucleoli in a flat cell, the plate in a round one."""
    r, direction = now.roundness, heading_rad(cell, minutes)
    if r > 0.8:
        return [(False, _thick_body(position, now.length, now.width, 0.5, angle=direction, seed=cell.seed))]
    nucleus = _thick_body(
        position,
        now.length + 1,
        now.width + 1,
        0.3 * (1 - r),
        angle=direction,
        seed=cell.seed,
        roughness=0.03,
        texture=1.3,
        grain=5.0,
    )
    return [(False, nucleus)]


def _blebs(cell: Cell, minutes: float, position: np.ndarray, reach: float) -> PhaseBodies:
    """Blebs at the edge after separation or exit from mitosis and while a cell dies; new in each frame."""
    exited = cell.mitosis is not None and 0 <= minutes - cell.mitosis.event_min < SHEDDING_MIN
    young = len(cell.parents) == 1 and minutes - cell.born_min < SHEDDING_MIN
    dying = minutes >= cell.dying_min
    if not (exited or young or dying):
        return []
    rng = np.random.default_rng([cell.seed, 6, round(60 * minutes)])
    blebs = []
    for _ in range(rng.integers(3, 8) if dying else rng.integers(0, 4)):
        direction, size = rng.normal(cell.birth_axis, 1.8 if dying else 1.2), 4 + rng.exponential(3)
        where = position + reach * rng.uniform(0.7, 1.1) * np.array(
            [math.sin(direction), math.cos(direction)]
        )
        bleb = _thick_body(where, size, size, 3.0, angle=0.0, seed=cell.seed, roughness=0.1)
        blebs.append((True, bleb))
    return blebs


def _remains(cell: Cell, minutes: float, position: np.ndarray) -> PhaseBodies:
    """A heap of moving blebs that fades."""
    age = minutes - breaks_up_min(cell)
    rng = np.random.default_rng([cell.seed, 7])
    fade = math.exp(-age / LASTING_MIN)
    turn = rng.uniform(0, np.pi)
    core = _thick_body(
        position, 18, 14, 2.4 * fade, angle=turn, seed=cell.seed, roughness=0.3, texture=0.5, grain=4
    )
    bodies = [(True, core)]
    for _ in range(12):
        direction, far, size = rng.uniform(0, 2 * np.pi), rng.uniform(4, 11), rng.uniform(3.5, 8)
        direction += 0.3 * math.sin(minutes * rng.uniform(0.05, 0.2))
        where = position + far * np.array([math.sin(direction), math.cos(direction)])
        bodies.append(
            (
                True,
                _thick_body(where, size, size, 3.4 * fade, angle=direction, seed=cell.seed, roughness=0.15),
            )
        )
    return bodies


def phase_image(
    bodies: Iterable[tuple[bool, Body]],
    shape: tuple[int, int],
    *,
    grey: float,
    contrast: float,
    pixel_size_um: float,
    defocus_um: float = 0.0,
) -> np.ndarray:
    """Phase contrast of bodies given in pixels.

    Args:
        bodies: cells, what is in them, and debris: (whether it is a body of its own, body).
        shape: (Y, X).
        grey: level of the empty dish.
        contrast: grey levels for a unit of thickness.
        pixel_size_um: of the image.
        defocus_um: distance, 0 or more, from the focal plane; rings grow wider with it.

    Returns:
        (Y, X) float64, noiseless.
    """
    thickness, inner = np.zeros(shape), np.zeros(shape)
    for own, body in bodies:
        stamp = draw(body, shape)
        if own:
            view = thickness[stamp.rows, stamp.cols]
            np.maximum(view, stamp.density, out=view)
        else:
            inner[stamp.rows, stamp.cols] += stamp.density
    sharp, halo, glow = (um / pixel_size_um + 0.1 * defocus_um for um in (SHARP_UM, HALO_UM, GLOW_UM))
    relief = spread(thickness + inner, {sharp: 1.0, halo: -1.12, glow: 0.12})
    return grey + contrast * np.where(relief > 0, BRIGHT * relief, relief)
