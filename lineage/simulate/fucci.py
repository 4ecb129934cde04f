"""A cell and a time -> its phase of the cycle, and how bright its two FUCCI reporters are.

hCdt1 gathers through G1 and is destroyed when S phase begins; geminin gathers from then on and is destroyed
at anaphase. So a newborn nucleus is dark, and for an hour around the beginning of S phase both show.

Which shows when is taken from Sakaue-Sawano et al. 2008, Cell 132:487, and 2017, Mol Cell 68:626. How fast
they rise and fall, and how bright they are, is assumed.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import CyclePhase, Fate
from lineage.simulate.course import breaks_up_min

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineage.simulate.cells import Cell

CHANNELS = ("mCherry-hCdt1", "mVenus-hGem")
MASS = 4500.0  # grey levels x um2 of a reporter at its brightest, as `chromatin.MASS_PER_DNA`
SPREAD = 0.25  # from clone to clone, of the logarithm
DARK_MIN = 45.0  # after birth, before hCdt1 shows
CDT1_RISES_MIN = 200.0
CDT1_FALLS_MIN = 20.0  # time constant
GEMININ_RISES_MIN = 300.0
GEMININ_FALLS_MIN = 10.0  # time constant


def phase(cell: Cell, cells: Mapping[int, Cell], minutes: float) -> CyclePhase:
    """The cell's phase; after slippage it is in G1 again, with all its DNA.

    Args:
        cell: alive, or dead with remains to be seen.
        cells: all, by id.
        minutes: since the first frame.
    """
    is_g1 = minutes < _s_phase_min(cell, cells) or minutes >= _slipped_min(cell)
    return CyclePhase.G1 if is_g1 else CyclePhase.S_G2_M


def levels(cell: Cell, cells: Mapping[int, Cell], minutes: float) -> tuple[float, float]:
    """How bright hCdt1 and geminin are, 0 to about 1; both are lost when a cell breaks up.

    Args:
        cell: alive, or dead with remains to be seen.
        cells: all, by id.
        minutes: since the first frame.
    """
    if minutes >= breaks_up_min(cell):
        return 0.0, 0.0
    began, slipped = _s_phase_min(cell, cells), _slipped_min(cell)
    born = cell.born_min if minutes < slipped else slipped
    end_of_g1 = began if minutes < slipped else math.inf
    cdt1 = _risen(min(minutes, end_of_g1) - born - DARK_MIN, CDT1_RISES_MIN)
    cdt1 *= math.exp(-max(minutes - end_of_g1, 0.0) / CDT1_FALLS_MIN)
    geminin = _risen(minutes - end_of_g1, GEMININ_RISES_MIN)
    inherited = _risen(slipped - began, GEMININ_RISES_MIN) if minutes >= slipped else _of_mother(cell, cells)
    geminin = max(geminin, inherited * math.exp(-(minutes - born) / GEMININ_FALLS_MIN))
    bright = _brightness(cell.founder)
    return bright[0] * cdt1, bright[1] * geminin


def _risen(minutes: float, lasts: float) -> float:
    return min(max(minutes / lasts, 0.0), 1.0)


def _s_phase_min(cell: Cell, cells: Mapping[int, Cell]) -> float:
    """When S phase begins; never, if it does not, and at birth if its parents fused after theirs."""
    if np.isfinite(cell.replication_min[0]):
        return cell.replication_min[0]
    parents = [cells[p] for p in cell.parents if p in cells] if cell.n_nuclei > 1 else []
    return cell.born_min if any(p.replication_min[0] <= cell.born_min for p in parents) else math.inf


def _slipped_min(cell: Cell) -> float:
    has_slipped = cell.fate is Fate.SLIPPED and cell.mitosis is not None
    return cell.mitosis.event_min if has_slipped and cell.mitosis else math.inf


def _of_mother(cell: Cell, cells: Mapping[int, Cell]) -> float:
    """Geminin at the end of the mother's life; 0 where she is not known, or did not divide."""
    mother = cells.get(cell.parents[0]) if len(cell.parents) == 1 else None
    return _risen(cell.born_min - _s_phase_min(mother, cells), GEMININ_RISES_MIN) if mother else 0.0


@lru_cache(maxsize=8192)
def _brightness(founder: int) -> tuple[float, float]:
    cdt1, geminin = np.random.default_rng([founder, 3]).normal(0, SPREAD, 2)
    return math.exp(cdt1), math.exp(geminin)
