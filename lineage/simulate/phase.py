"""Cells and their places -> a phase-contrast image.

The microscope shows the optical thickness less its neighbourhood's: a tall round cell becomes a bright disc
with a brighter rim and a dark ring, a flat one a faint grainy patch with a faint outline. Thickness is drawn,
and the blurred thickness taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from lineage.schema import Fate
from lineage.simulate.bodies import Body, draw
from lineage.simulate.course import alive, condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lineage.simulate.population import Cell

ROUND_UM = 25.0  # diameter of a rounded mitotic cell of G2 DNA content
HALO_PX = 2.6  # width of the neighbourhood that the phase ring takes away
BRIGHT = 0.6  # in the clips, dark rings are deeper than discs are bright


def cell_bodies(cell: Cell, minutes: float, place: np.ndarray) -> list[Body]:
    """The cell's body and its blebs, lengths in um, mass = thickness x area."""
    if not alive(cell, minutes) or _bursts(cell, minutes):
        return _remains(cell, minutes, place)
    now = condition(cell, minutes)
    volume = cell.dna_at(minutes) / 2  # of a G2 cell
    rng = np.random.default_rng([cell.seed, 5])
    ball = ROUND_UM * volume ** (1 / 3)
    flat_length, flat_width = np.array([rng.uniform(38, 62), rng.uniform(20, 30)]) * volume**0.4
    crawl = rng.uniform(0, 2 * np.pi) + 0.6 * np.sin(minutes / 200 + cell.seed)
    r = now.roundness
    length, width = r * ball + (1 - r) * flat_length, r * ball + (1 - r) * flat_width
    height = 0.6 + 3.4 * r**2
    body = _lump(
        place,
        length,
        width,
        height,
        angle=crawl,
        seed=cell.seed,
        roughness=0.02 + 0.3 * (1 - r),
        texture=0.10 + 0.3 * (1 - r),
        grain=4.5 + 1.5 * r,
        bend=0.12 * (1 - r),
    )
    nucleus = _lump(
        place,
        now.length + 2,
        now.width + 2,
        0.25 * (1 - r),
        angle=crawl,
        seed=cell.seed + 1,
        roughness=0.05,
        texture=0.9,
        grain=6.0,
    )
    return [body, nucleus, *_blebs(cell, minutes, place, 0.5 * min(length, width))]


def _lump(place: np.ndarray, length: float, width: float, height: float, **looks: Any) -> Body:
    """A body whose density is its thickness."""
    mass = height * np.pi / 4 * length * width
    return Body(y=place[0], x=place[1], length=length, width=width, mass=mass, blur=0.8, **looks)


def _bursts(cell: Cell, minutes: float) -> bool:
    return cell.fate is Fate.DIED_MITOSIS and cell.mitosis is not None and minutes >= cell.mitosis.event_min


def _blebs(cell: Cell, minutes: float, place: np.ndarray, reach: float) -> list[Body]:
    """Bubbles at the edge for half an hour after a separation or an exit, other ones in each frame."""
    exited = cell.mitosis is not None and 0 <= minutes - cell.mitosis.event_min < 30
    if not exited and not (len(cell.parents) == 1 and minutes - cell.born_min < 25):
        return []
    rng = np.random.default_rng([cell.seed, 6, round(60 * minutes)])
    blebs = []
    for _ in range(rng.integers(0, 4)):
        way, size = rng.normal(cell.birth_axis, 1.2), 4 + rng.exponential(3)
        where = place + reach * np.array([np.sin(way), np.cos(way)])
        blebs.append(_lump(where, size, size, 3.0, angle=0.0, seed=cell.seed, roughness=0.1))
    return blebs


def _remains(cell: Cell, minutes: float, place: np.ndarray) -> list[Body]:
    """A boiling heap of bubbles that shrinks and fades."""
    age = minutes - (cell.mitosis.event_min if cell.mitosis else cell.end_min)
    rng = np.random.default_rng([cell.seed, 7])
    fade = float(np.exp(-age / 90))
    turn = rng.uniform(0, np.pi)
    core = _lump(place, 19, 15, 3 * fade, angle=turn, seed=cell.seed, roughness=0.3, texture=0.6, grain=5)
    heap = [core]
    for _ in range(14):
        way, far, size = rng.uniform(0, 2 * np.pi), rng.uniform(5, 11), rng.uniform(4, 9)
        way += 0.3 * np.sin(minutes * rng.uniform(0.05, 0.2))
        where = place + far * np.array([np.sin(way), np.cos(way)])
        heap.append(_lump(where, size, size, 4 * fade, angle=way, seed=cell.seed, roughness=0.15))
    return heap


def phase_image(
    bodies: Iterable[Body], shape: tuple[int, int], *, grey: float, contrast: float
) -> np.ndarray:
    """Phase contrast of bodies given in pixels.

    Args:
        bodies: cells, blebs, debris.
        shape: (Y, X).
        grey: level of the empty dish.
        contrast: grey levels for a unit of thickness.

    Returns:
        (Y, X) float32, noiseless.
    """
    thickness = np.zeros(shape, np.float32)
    for body in bodies:
        stamp = draw(body, shape)
        view = thickness[stamp.rows, stamp.cols]
        # Cells push each other aside, they do not pile up.
        np.maximum(view, stamp.density, out=view)
    relief = thickness - gaussian_filter(thickness, HALO_PX)
    return grey + contrast * np.where(relief > 0, BRIGHT * relief, relief)
