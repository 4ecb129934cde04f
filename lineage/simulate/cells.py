"""The records of a cell's life, which the population fills and the drawing reads.

Nothing here knows where a cell is or what it looks like. Times are minutes since the first frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.schema import Fate, MitosisClass


class Subtype(StrEnum):
    """What happens in a mitosis."""

    NORMAL = "normal"
    TRIPOLAR = "tripolar"
    TETRAPOLAR = "tetrapolar"
    FURROW_REGRESSION = "furrow_regression"  # daughters reunite within REGRESSION_MIN of anaphase
    SLIPPAGE = "slippage"  # never separates, and returns to interphase
    DEATH = "death_in_mitosis"
    LAGGING = "lagging_chromatin"  # chromosomes, or a bridge, stay between the plates
    MICRONUCLEI = "micronuclei"  # beside the daughters' nuclei

    @property
    def mitosis_class(self) -> MitosisClass:
        """Normal or abnormal."""
        return MitosisClass.NORMAL if self is Subtype.NORMAL else MitosisClass.ABNORMAL

    @property
    def n_poles(self) -> int:
        """How many daughters separate, if any do."""
        return {Subtype.TRIPOLAR: 3, Subtype.TETRAPOLAR: 4}.get(self, 2)


REGRESSION_MIN = 120.0  # sisters that reunite later have divided; their fusion is a fate


@dataclass(frozen=True)
class Mitosis:
    """One mitosis. `event_min`: separation of the chromatin, exit from mitosis, or first blebbing."""

    subtype: Subtype
    start_min: float  # prophase: begins to condense and to round up
    plate_min: float  # the metaphase plate has formed
    event_min: float
    axis: float  # radians, direction in which the first daughter moves
    tilt: float  # 0 the plate is seen from its edge, 1 half way to its face
    lagging: float = 0.0  # share of the DNA that stays between the plates
    bridge: bool = False  # the lagging DNA is a bridge, not loose chromosomes


@dataclass(frozen=True)
class Cell:
    """One cell's life, from its birth (its first frame as a separate body) to its end."""

    cell_id: int  # from 1
    parents: tuple[int, ...]  # none for founders and cells that are there from the start; several if fused
    generation: int  # after irradiation: founders are 0; a fused cell's is the larger of its parents'
    founder: int
    born_min: float
    dna: float  # at birth; 1 is G1
    seed: int
    replication_min: tuple[float, float] = (np.inf, np.inf)  # S phase, from and to
    birth_axis: float = 0.0  # radians, from the mother's centre to its own
    siblings: int = 1  # born of the same division, itself included
    parents_age_min: float = 0.0  # of a fused cell: how long its parents had lived
    n_nuclei: int = 1  # more for a fused cell
    family: int = 0  # the same number for all born of one division
    micronuclei: tuple[float, ...] = ()  # shares of its DNA, from birth on
    mitosis: Mitosis | None = None
    arrested: bool = False  # will not divide any more: grows flat and large
    dying_min: float = np.inf  # of a death in interphase: begins to shrink and to bleb
    fusing_min: float = np.inf  # when it will fuse again; may be after the end of the movie
    fusing_with: tuple[int, ...] = ()  # the cells that fuse, itself included
    end_min: float = np.inf
    fate: Fate = Fate.END_OF_MOVIE
    daughters: tuple[int, ...] = ()

    @property
    def own_phase(self) -> float:
        """Phase of the cell's periodic movements, radians, 0 to 6.283."""
        return self.seed % 6283 / 1000

    def dna_at(self, minutes: float) -> float:
        """DNA content; it doubles through S phase.

        >>> Cell(1, (), 0, 1, 0.0, 1.0, 0, (300, 700)).dna_at(500)
        1.5
        """
        start, stop = self.replication_min
        replicated = np.interp(minutes, (start, stop), (0, 1)) if np.isfinite(start) else 0.0
        return self.dna * (1 + float(replicated))
