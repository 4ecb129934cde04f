"""Every number of the simulated population: how long, how often and how likely, by cell line and dose.

Published numbers are cited beside them. Those marked *assumed* are our own, of the right order of magnitude,
chosen so that the totals agree with what is published (`benchmarks/populations.py` compares them).

Hurwitz & Tolmach 1969 is Time-lapse cinemicrographic studies of X-irradiated HeLa S3 cells, part I
(progression and disintegration), Biophys J 9:607, and part II (fusion), Biophys J 9:1131.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from lineage.simulate.cell_lines import LINES, Line
from lineage.simulate.cells import Subtype

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings

# The cycle
CYCLE_SD = 0.18  # of the logarithm of cycle times: a coefficient of variation of 18 %, assumed
MOTHER_DAUGHTER = 0.4  # correlation of log cycle times; see cycle_deviation
SISTERS = 0.65
DELAY_SD = 0.25  # of the logarithm of mitotic delays, assumed
TRANSITION_MIN = 40.0  # a cell this near to prophase is no longer held up; see delay_min
FUSED_SLOWER = 1.2  # fused cells progress more slowly (Hurwitz & Tolmach 1969); by how much is assumed

# Mitosis; medians, minutes; assumed, as mitoses look in the paper's movies
PROPHASE_MIN = 14.0
METAPHASE_MIN = 30.0  # prometaphase and metaphase
PROPHASE_SD, METAPHASE_SD = 0.2, 0.27  # of the logarithms: nearly all within 10-20 and 18-50 min
PROMETAPHASE_SHARE = 0.35  # of prometaphase and metaphase together

# What happens to the daughters
REFUSION_AFTER_MULTIPOLAR = 0.85  # Hurwitz & Tolmach 1969
MULTIPOLAR_REFUSION_MIN = 25.0  # median; in the clips masks merge again within 1-4 frames
MICRONUCLEI_AFTER_LAGGING = 0.6  # assumed, as all below
LATE_FUSION_HOURS = (2.0, 24.0)
LATE_FUSION_MEAN_HOURS = 5.0
FUSION_RISE = 1.25  # by generation
FAILS = 0.01  # a cell without any damage arrests or dies
FAILS_MICRONUCLEI, FAILS_ANEUPLOID, FAILS_FUSED = 0.25, 0.6, 0.2  # further risks, independent of it
SURVIVORS_SHARE = 0.25  # odds that the dose adds in a surviving clone, relative to a doomed one
MULTIPOLAR_AFTER_FUSION = 12.0  # factor on the odds: a fused cell has two centrosomes too many
DIES_AFTER_ARREST = 0.015
DIES_AFTER_SLIPPAGE = 0.25
DEATH_AFTER_MIN = 4320.0  # mean time to these deaths


class Phase(StrEnum):
    """Of the cell cycle."""

    G1 = "G1"
    S = "S"
    G2 = "G2"
    M = "M"


def line(settings: Settings) -> Line:
    """The movie's cell line."""
    return LINES[settings.cell_line]


def median_cycle_min(settings: Settings) -> float:
    """Median time from birth to anaphase without dose, minutes."""
    return 60 * (settings.cycle_hours or line(settings).cycle_hours)


def lognormal(median: float, sd: float, normal: float) -> float:
    """A lognormal quantity, cut at 2.5 standard deviations.

    Args:
        median: of the quantity.
        sd: standard deviation of its logarithm.
        normal: a standard normal number.

    Returns:
        In the unit of `median`.
    """
    return median * math.exp(sd * min(max(normal, -2.5), 2.5))


def cycle_deviation(mother: float, shared: float, own: float) -> float:
    """Standard normal deviation of a daughter's log cycle time, from three standard normal numbers.

    Args:
        mother: her mother's deviation.
        shared: drawn once for all sisters.
        own: drawn for her alone.

    Returns:
        Standard normal, too; sisters correlate by 0.65, mother and daughters by 0.4.

    Source: sisters correlate strongly, mothers and daughters less: Kuchen et al. 2020, eLife 9:e51002;
    Chakrabarti et al. 2018, Nat Commun 9:5372. The two figures are assumed, of that order.
    """
    sisters = math.sqrt(SISTERS - MOTHER_DAUGHTER**2) * shared
    return MOTHER_DAUGHTER * mother + sisters + math.sqrt(1 - SISTERS) * own


def phase_at(share: float, cells: Line) -> Phase:
    """The phase of a cell that has passed this share of its interphase; from 1 on it is in mitosis.

    >>> u251 = LINES["U251"]
    >>> phase_at(0.0, u251).value, phase_at(1.0, u251).value
    ('G1', 'M')
    """
    edges = ((cells.g1, Phase.G1), (cells.g1 + cells.s, Phase.S), (1.0, Phase.G2))
    return next((phase for edge, phase in edges if share < edge), Phase.M)


def delay_min(dose_gy: float, share: float, cells: Line) -> float:
    """Mean delay of the first mitosis after irradiation.

    It is proportional to dose: 0.4 h per gray in early G1, 0.7 where S phase begins, 1.1 from its end on.

    Args:
        dose_gy: dose, gray.
        share: of interphase that had passed at irradiation.
        cells: the cell line.

    Returns:
        Minutes. A cell less than TRANSITION_MIN before prophase, or in mitosis, is not delayed; the caller
        takes care of that.

    Source: proportional to dose, with one time of action late in G2 whatever the dose: Walters & Petersen
    1968, Biophys J 8:1475. Least in early G1 and rising through the cycle, none in mitosis: Terasima &
    Tolmach 1963, Biophys J 3:11 (HeLa; the delay of the next division, of cells irradiated in mitosis, is
    left out). Chinese hamster cells, hours per gray: 0.3 in G1 and 0.7 in S phase (Yu & Sinclair 1967, J Natl
    Cancer Inst 39:619); 0.5 in G1 to 1.4 in late S phase (X-ray-induced delay in the Chinese hamster
    cell-cycle, 1973, Int J Radiat Biol, doi 10.1080/09553007314550691). About 1 h per gray is the common
    rule.
    """
    return 60 * dose_gy * float(np.interp(share, (0, cells.g1, cells.g1 + cells.s), (0.4, 0.7, 1.1)))


def survival(dose_gy: float, cells: Line) -> float:
    """Share of the irradiated cells that found a colony: linear-quadratic, the same in all phases.

    >>> round(survival(2, LINES["PC3"]), 2)  # 32 % published
    0.3
    """
    return math.exp(-cells.alpha * dose_gy - cells.beta * dose_gy**2)


def divisions_left(dose_gy: float, uniform: float) -> int:
    """How many generations of a doomed clone still divide; `uniform` is a random number from 0 to 1.

    Poisson, of mean 2.2 exp(-dose / 8). At 5 Gy 0, 1, 2, 3 or more: 31, 36, 21 and 12 %.

    Source: cells that will not survive divide a few times first, fewer at higher dose: Elkind, Han & Volz
    1963, J Natl Cancer Inst 30:705; Thompson & Suit 1969, Int J Radiat Biol 15:347. The mean is assumed.
    """
    mean = 2.2 * math.exp(-dose_gy / 8)
    term = total = math.exp(-mean)
    n = 0
    while uniform > total and n < 10:
        n += 1
        term *= mean / n
        total += term
    return n


def aberrations(dose_gy: float) -> float:
    """Yield of chromosome aberrations, relative to 5 Gy: linear-quadratic, alpha/beta of 1 Gy (assumed).

    Source: that dicentrics and fragments follow this form after 250 kV X-rays: Lloyd et al. 1975, Int J
    Radiat Biol 28:75.

    >>> aberrations(0), aberrations(5)
    (0.0, 1.0)
    """
    return dose_gy * (1 + dose_gy) / 30


def slowdown(dose_gy: float, generation: int) -> float:
    """Factor by which the cycle of a cell of a doomed clone is longer.

    The irradiated cycle is delayed (`delay_min`), the next is not, the two after that are again, though less.

    Source: Hurwitz & Tolmach 1969, part I; the amount is assumed.
    """
    return 1 + min(0.03 * dose_gy, 0.3) if generation in (2, 3) else 1.0


METAPHASE_FACTORS = MappingProxyType(
    {
        Subtype.NORMAL: 1.0,
        Subtype.FURROW_REGRESSION: 1.2,
        Subtype.MICRONUCLEI: 1.2,
        Subtype.LAGGING: 1.5,
        Subtype.TRIPOLAR: 2.2,
        Subtype.TETRAPOLAR: 2.8,
        Subtype.SLIPPAGE: 4.5,
        Subtype.DEATH: 4.5,
    }
)


def metaphase_factor(subtype: Subtype, dose_gy: float, *, doomed: bool) -> float:
    """Factor by which prometaphase and metaphase last longer than in a normal mitosis of a healthy clone.

    Args:
        subtype: what the mitosis comes to.
        dose_gy: dose, gray.
        doomed: the clone will not survive.

    Returns:
        1 or more.

    Source: mitosis is prolonged more than interphase after irradiation, and most where the cell will
    disintegrate: Hurwitz & Tolmach 1969, part I. The factors are assumed.
    """
    return METAPHASE_FACTORS[subtype] * (1 + min(0.03 * dose_gy, 0.4) * doomed)


def metaphase_sd(subtype: Subtype) -> float:
    """Standard deviation of the logarithm of `metaphase_factor`: long delays vary (assumed)."""
    return 0.4 if METAPHASE_FACTORS[subtype] > 2 else 0.0


PHASE_FACTORS = MappingProxyType({Phase.G1: 1.0, Phase.S: 1.1, Phase.G2: 0.9, Phase.M: 1.4})


def by_phase(phase: Phase) -> float:
    """Factor on the odds of abnormal mitoses, by the phase at irradiation.

    Source: Hurwitz & Tolmach 1969, part II, found that it does; the factors are assumed, in the
    order of the sensitivities of Terasima & Tolmach 1963: mitosis most, G2 least.
    """
    return PHASE_FACTORS[phase]


def by_generation(subtype: Subtype | None, generation: int) -> float:
    """Factor on the added odds, by the generation after irradiation; None is late fusion.

    Fusion of sisters becomes more frequent in doomed clones. The share of cells of surviving clones grows
    meanwhile, so that over all clones it is about constant for three generations; later everything becomes
    rarer. Fragments and bridges are lost, by half each generation.

    Source: Hurwitz & Tolmach 1969, part II; Carrano & Heddle 1973, J Theor Biol 38:289. The later
    decrease is assumed.
    """
    if subtype in (Subtype.LAGGING, Subtype.MICRONUCLEI):
        return 0.5**generation
    rise = 1.0 if subtype in (Subtype.TRIPOLAR, Subtype.TETRAPOLAR) else FUSION_RISE ** min(generation, 2)
    return rise * 0.7 ** max(0, generation - 2)


@dataclass(frozen=True)
class Burden:
    """The damage of a clone, which makes its mitoses go wrong."""

    dose_gy: float
    phase: Phase  # of the clone's founder, at irradiation
    doomed: bool  # the clone will not survive
    deviation: float  # of the log odds: clone, position and well together

    def odds(self, subtype: Subtype | None, rates: tuple[float, float], generation: int) -> float:
        """Odds of an abnormal mitosis, relative to 1 for a normal one.

        Args:
            subtype: None is late fusion.
            rates: without dose, and added at 5 Gy in a doomed clone.
            generation: after irradiation.

        Returns:
            0 or more.
        """
        without, at_5_gy = rates
        added = at_5_gy * self.added * by_generation(subtype, generation)
        return (without + added) * self.factor

    @cached_property
    def added(self) -> float:
        """Factor on the odds that the dose adds."""
        status = 1.0 if self.doomed else SURVIVORS_SHARE
        return aberrations(self.dose_gy) * by_phase(self.phase) * status

    @cached_property
    def factor(self) -> float:
        """Factor on all odds."""
        return math.exp(self.deviation)


def chances(burden: Burden, cells: Line, generation: int, *, fused: bool) -> dict[Subtype, float]:
    """The probability of each subtype: a multinomial logit, so that they sum to 1.

    With U251's numbers, over all clones at 5 Gy, sisters fuse after about 22 % of the divisions (within 120
    min, later, and after multipolar division together; 0.9 % without dose), as published, and 6 to 7 % are
    multipolar (5.5 published; 0.5 without dose is assumed). A fused cell often divides multipolar.

    Args:
        burden: of the clone.
        cells: the cell line.
        generation: of the dividing cell.
        fused: whether it is made of several cells.

    Returns:
        Subtype -> probability.

    Source: Hurwitz & Tolmach 1969, part II, HeLa S3.
    """
    odds = {subtype: burden.odds(subtype, rates, generation) for subtype, rates in cells.odds.items()}
    if fused:
        for subtype in (Subtype.TRIPOLAR, Subtype.TETRAPOLAR):
            odds[subtype] *= MULTIPOLAR_AFTER_FUSION
    total = 1 + sum(odds.values())
    return {Subtype.NORMAL: 1 / total, **{subtype: value / total for subtype, value in odds.items()}}


def late_fusion_chance(burden: Burden, cells: Line, generation: int) -> float:
    """Probability that sisters who have separated fuse more than two hours later.

    Args:
        burden: of the clone.
        cells: the cell line.
        generation: of the mother.

    Returns:
        0 to 1.
    """
    odds = burden.odds(None, cells.late_fusion, generation)
    return odds / (1 + odds)


def well_deviation(settings: Settings) -> float:
    """Deviation of the well's log odds: the same for all of its movies, whatever their seeds."""
    rng = np.random.default_rng([settings.experiment, 101, settings.well])
    return settings.well_sd * float(rng.standard_normal())


def position_deviation(settings: Settings) -> float:
    """Deviation of the position's log odds, to be added to its well's."""
    rng = np.random.default_rng([settings.experiment, 102, settings.well, settings.position])
    return settings.position_sd * float(rng.standard_normal())


def mean_shift(settings: Settings) -> float:
    """Added to all log odds, so that the mean odds do not depend on how wells, positions and clones vary."""
    return -(settings.well_sd**2 + settings.position_sd**2 + settings.clone_sd**2) / 2
