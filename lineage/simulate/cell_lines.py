"""The two cell lines: cycle, survival, and what goes wrong in their mitoses.

Cycle times: U251 doubles in 24 h (23.8 h, NCI-DTP; Cellosaurus CVCL_0021), PC3 in 27 h (NCI-DTP) to 33 h.
Phases are assumed: S phase of 8-9 h, G2 of 4 h.

Clonogenic survival: PC3 Leith et al. 1993, Int J Radiat Oncol Biol Phys 25:283 (alpha 0.487 / Gy, beta 0.055
/ Gy2, 32 % at 2 Gy). U251 assumed: the alpha/beta of 7.15 Gy of Fan et al. 2011, Chin J Clin Oncol, p. 391,
with 53 % at 2 Gy, inside the 0.2-0.8 that glioblastoma lines span (Taghian et al. 1995, IJROBP 32:99).

What goes wrong: the totals at 5 Gy are those of Hurwitz & Tolmach 1969 (HeLa S3; see `biology.chances`).
Their composition was estimated by eye from the clips of Delgado-Rodriguez et al. 2024: multipolar divisions
in U251, aborted cleavage and slippage in PC3. Lagging chromatin and micronuclei are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from lineage.simulate.cells import Subtype
from lineage.simulate.settings import CellLine

if TYPE_CHECKING:
    from collections.abc import Mapping


class End(StrEnum):
    """How a cell ends that stops dividing."""

    ARREST = "arrest"
    DEATH_INTERPHASE = "death_interphase"
    DEATH_MITOSIS = "death_mitosis"
    SLIPPAGE = "slippage"


@dataclass(frozen=True)
class Line:
    """What differs between cell lines.

    Odds are pairs: without dose, and added at 5 Gy in a doomed clone. They are relative to a normal mitosis.
    """

    cycle_hours: float  # median, birth to anaphase
    g1: float  # share of interphase
    s: float
    alpha: float  # of clonogenic survival, 1/Gy
    beta: float  # 1/Gy2
    odds: Mapping[Subtype, tuple[float, float]]
    late_fusion: tuple[float, float]  # odds, of sisters that separated
    regression_min: float  # median time from anaphase to fusion where the furrow regresses
    regression_sd: float  # of its logarithm
    ends: Mapping[End, float]  # shares among the cells that stop dividing


LINES: Mapping[CellLine, Line] = MappingProxyType(
    {
        CellLine.U251: Line(
            cycle_hours=24.0,
            g1=0.48,
            s=0.34,
            alpha=0.25,
            beta=0.035,
            odds={
                Subtype.TRIPOLAR: (0.004, 0.062),
                Subtype.TETRAPOLAR: (0.001, 0.020),
                Subtype.FURROW_REGRESSION: (0.002, 0.042),
                Subtype.SLIPPAGE: (0.0005, 0.005),
                Subtype.DEATH: (0.002, 0.020),
                Subtype.LAGGING: (0.012, 0.10),
                Subtype.MICRONUCLEI: (0.008, 0.10),
            },
            late_fusion=(0.005, 0.23),
            regression_min=35.0,
            regression_sd=0.55,
            ends={
                End.ARREST: 0.925,
                End.DEATH_INTERPHASE: 0.01,
                End.DEATH_MITOSIS: 0.05,
                End.SLIPPAGE: 0.015,
            },
        ),
        CellLine.PC3: Line(
            cycle_hours=28.0,
            g1=0.50,
            s=0.33,
            alpha=0.487,
            beta=0.055,
            odds={
                Subtype.TRIPOLAR: (0.002, 0.035),
                Subtype.TETRAPOLAR: (0.001, 0.005),
                Subtype.FURROW_REGRESSION: (0.006, 0.27),
                Subtype.SLIPPAGE: (0.002, 0.06),
                Subtype.DEATH: (0.002, 0.025),
                Subtype.LAGGING: (0.012, 0.08),
                Subtype.MICRONUCLEI: (0.008, 0.08),
            },
            late_fusion=(0.002, 0.06),
            regression_min=18.0,
            regression_sd=0.4,
            ends={End.ARREST: 0.88, End.DEATH_INTERPHASE: 0.01, End.DEATH_MITOSIS: 0.06, End.SLIPPAGE: 0.05},
        ),
    }
)
