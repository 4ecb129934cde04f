"""One irradiated cell -> the lives of its clone, until the movie's last frame.

Each cell draws from the generator of its own seed: first its whole life, then its daughters and their seeds.
So a longer movie of the same seed has the same lives, and further ones.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lineage.schema import Fate
from lineage.simulate import biology
from lineage.simulate.biology import Burden, lognormal
from lineage.simulate.cell_lines import End
from lineage.simulate.cells import REGRESSION_MIN, Mitosis, Subtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineage.simulate.cell_lines import Line
    from lineage.simulate.settings import Settings

STREAM = 201  # added to a cell's seed, so that these numbers are independent of those for drawing
SEEDS = 2**53  # seeds are below it: such integers are exact as floats

T = TypeVar("T", bound="Subtype | End")


@dataclass(eq=False)
class Life:
    """A cell while its life is being drawn; `population` turns it into a `Cell`."""

    seed: int
    generation: int
    born_min: float
    dna: float
    deviation: float  # standard normal, of its log cycle time
    parents: tuple[Life, ...] = ()
    index: int = 0  # among its siblings
    siblings: int = 1
    birth_axis: float = 0.0
    parents_age_min: float = 0.0
    micronuclei: tuple[float, ...] = ()
    aneuploid: bool = False  # from a multipolar division, and not fused again
    replication_min: tuple[float, float] = (np.inf, np.inf)
    mitosis: Mitosis | None = None
    arrested: bool = False
    dying_min: float = np.inf
    end_min: float = np.inf
    fate: Fate = Fate.END_OF_MOVIE
    daughters: list[Life] = field(default_factory=list)
    rng: np.random.Generator = field(init=False)
    prophase_min: float = field(init=False)
    metaphase_min: float = field(init=False)  # with prometaphase, of a normal mitosis

    def __post_init__(self) -> None:
        self.rng = rng = np.random.default_rng([self.seed, STREAM])
        self.prophase_min = lognormal(biology.PROPHASE_MIN, biology.PROPHASE_SD, rng.standard_normal())
        self.metaphase_min = lognormal(biology.METAPHASE_MIN, biology.METAPHASE_SD, rng.standard_normal())

    @property
    def fused(self) -> bool:
        """Whether it is made of two or more cells."""
        return len(self.parents) > 1

    @property
    def busy_min(self) -> float:
        """Time from which on it can no longer fuse."""
        return min(self.mitosis.start_min if self.mitosis else np.inf, self.dying_min)

    def dna_at(self, minutes: float) -> float:
        """As `Cell.dna_at`."""
        start, stop = self.replication_min
        replicated = min(max((minutes - start) / (stop - start), 0.0), 1.0) if start < np.inf else 0.0
        return self.dna * (1 + replicated)


@dataclass(frozen=True, eq=False)
class Clone:
    """What the cells of a clone share."""

    settings: Settings
    cells: Line
    burden: Burden
    limit: float  # cells of this and later generations do not divide
    cached_chances: dict[tuple[int, bool], Mapping[Subtype, float]] = field(default_factory=dict)

    @property
    def irradiated_min(self) -> float:
        """When the founder was irradiated."""
        return -self.settings.irradiated_min_before_start

    def chances(self, life: Life) -> Mapping[Subtype, float]:
        """Probability of each subtype of its mitosis."""
        key = (life.generation, life.fused)
        if key not in self.cached_chances:
            self.cached_chances[key] = biology.chances(
                self.burden, self.cells, life.generation, fused=life.fused
            )
        return self.cached_chances[key]


def pick(shares: Mapping[T, float], uniform: float) -> T:
    """Draw a key by its share, with a random number from 0 to 1."""
    total = 0.0
    for key, share in shares.items():
        total += share
        if uniform < total:
            return key
    return key


def grow_clone(seed: int, settings: Settings, deviation: float) -> list[Life]:
    """Draw all lives of one irradiated cell's clone that begin before the movie ends.

    Args:
        seed: of the founder.
        settings: of the movie.
        deviation: of the log odds, of well and position together.

    Returns:
        Mothers before their daughters; the founder first.
    """
    clone, founder = _irradiated(seed, settings, deviation)
    lives: list[Life] = []
    waiting = deque([founder])
    while waiting:
        life = waiting.popleft()
        lives.append(life)
        if life.fate is Fate.DIVIDED and life.mitosis and life.end_min <= settings.minutes:
            waiting.extend(_divide(life, life.mitosis, clone))
        del life.rng  # large, and not needed any more
    return lives


def _irradiated(seed: int, settings: Settings, deviation: float) -> tuple[Clone, Life]:
    """An irradiated cell, and what its clone shares.

    Its age follows the age distribution of a growing population: newborn cells are twice as frequent as
    dividing ones.
    """
    cells = biology.line(settings)
    rng = np.random.default_rng([seed, STREAM + 1])
    life = Life(seed, 0, 0.0, 1.0, rng.standard_normal(), birth_axis=2 * math.pi * rng.random())
    interphase = _interphase_min(life, settings, 1.0)
    age = -math.log2(1 - rng.random() / 2) * (interphase + life.prophase_min + life.metaphase_min)
    life.born_min = -settings.irradiated_min_before_start - age
    doomed = rng.random() >= biology.survival(settings.dose_gy, cells)
    left = biology.divisions_left(settings.dose_gy, rng.random())
    total = biology.mean_shift(settings) + deviation + settings.clone_sd * rng.standard_normal()
    burden = Burden(settings.dose_gy, biology.phase_at(age / interphase, cells), doomed, total)
    clone = Clone(settings, cells, burden, left if doomed else np.inf)
    held = 0.0
    if interphase - age > biology.TRANSITION_MIN:
        delay = biology.delay_min(settings.dose_gy, age / interphase, cells)
        held = lognormal(delay, biology.DELAY_SD, rng.standard_normal())
    _draw_life(life, clone, held_min=held)
    return clone, life


def _interphase_min(life: Life, settings: Settings, factor: float) -> float:
    median = biology.median_cycle_min(settings) - biology.PROPHASE_MIN - biology.METAPHASE_MIN
    return lognormal(median, biology.CYCLE_SD, life.deviation) * factor


def _draw_life(life: Life, clone: Clone, *, held_min: float = 0.0) -> None:
    """Draw the life of a newborn cell, to its end."""
    cells = clone.cells
    start = _replicate(life, clone) + held_min
    # Too close to mitosis to arrest, whatever its damage.
    committed = life.generation == 0 and start - clone.irradiated_min < biology.TRANSITION_MIN
    fails = life.generation >= clone.limit or life.rng.random() < _failure_chance(life)
    if committed or not fails:
        _enter_mitosis(life, pick(clone.chances(life), life.rng.random()), start, clone)
        return
    match pick(cells.ends, life.rng.random()):
        case End.ARREST:
            life.arrested = True
            if life.rng.random() < biology.DIES_AFTER_ARREST:
                _die_in_interphase(life, start + biology.DEATH_AFTER_MIN * life.rng.standard_exponential())
        case End.DEATH_INTERPHASE:
            wait = lognormal(0.6 * biology.median_cycle_min(clone.settings), 0.5, life.rng.standard_normal())
            _die_in_interphase(life, max(life.born_min, clone.irradiated_min) + 180 + wait)
        case End.DEATH_MITOSIS:
            _enter_mitosis(life, Subtype.DEATH, start, clone)
        case End.SLIPPAGE:
            _enter_mitosis(life, Subtype.SLIPPAGE, start, clone)


def _replicate(life: Life, clone: Clone) -> float:
    """Set the S phase, unless the cell replicated before it fused; return when it would enter mitosis."""
    factor = biology.slowdown(clone.settings.dose_gy, life.generation) if clone.burden.doomed else 1.0
    if life.fused:
        factor *= biology.FUSED_SLOWER
    interphase = _interphase_min(life, clone.settings, factor)
    origin = life.born_min - life.parents_age_min
    start = max(origin + interphase, life.born_min + 60)
    if life.fused and life.parents[0].replication_min[1] <= life.born_min:
        return start
    first = max(origin + clone.cells.g1 * interphase, life.born_min)
    life.replication_min = (first, first + clone.cells.s * interphase)
    return max(start, life.replication_min[1] + 30)


def _failure_chance(life: Life) -> float:
    """Probability that a cell stops dividing before its clone's limit."""
    success = 1 - biology.FAILS
    for applies, chance in (
        (bool(life.micronuclei), biology.FAILS_MICRONUCLEI),
        (life.aneuploid, biology.FAILS_ANEUPLOID),
        (life.fused, biology.FAILS_FUSED),
    ):
        success *= 1 - chance * applies
    return 1 - success


def _die_in_interphase(life: Life, minutes: float) -> None:
    life.fate, life.dying_min = Fate.DIED_INTERPHASE, minutes
    life.end_min = minutes + life.rng.uniform(30, 60)


def _enter_mitosis(life: Life, subtype: Subtype, start: float, clone: Clone) -> None:
    """Draw the mitosis and how the cell leaves it."""
    rng = life.rng
    factor = biology.metaphase_factor(subtype, clone.settings.dose_gy, doomed=clone.burden.doomed)
    held = lognormal(factor, biology.metaphase_sd(subtype), rng.standard_normal())
    metaphase = life.metaphase_min * max(held, 1.0)
    plate = start + life.prophase_min + min(biology.PROMETAPHASE_SHARE * metaphase, 40)
    event = start + life.prophase_min + metaphase
    axis, tilt = 2 * math.pi * rng.random(), rng.random() ** 3
    lagging, bridge = rng.uniform(0.01, 0.08), rng.random() < 0.5
    if subtype is not Subtype.LAGGING:
        lagging, bridge = 0.0, False
    life.mitosis = Mitosis(subtype, start, plate, event, axis, tilt, lagging, bridge)
    if subtype is Subtype.DEATH:
        life.fate, life.end_min = Fate.DIED_MITOSIS, event + rng.uniform(30, 60)
    elif subtype is Subtype.SLIPPAGE:
        life.fate = Fate.SLIPPED
        if rng.random() < biology.DIES_AFTER_SLIPPAGE:
            _die_in_interphase(life, event + 120 + biology.DEATH_AFTER_MIN * rng.standard_exponential())
    else:
        life.fate, life.end_min = Fate.DIVIDED, event


def _divide(mother: Life, mitosis: Mitosis, clone: Clone) -> list[Life]:
    """The daughters, around the mother's axis, and the fused cell if some of them fuse again."""
    rng, n = mother.rng, mitosis.subtype.n_poles
    # A multipolar spindle divides the DNA unevenly.
    shares = [rng.uniform(0.65, 1.35) if n > 2 else 1.0 for _ in range(n)]
    dna = mother.dna_at(mitosis.event_min) / sum(shares)
    shared = rng.standard_normal()
    daughters = [
        Life(
            int(rng.integers(SEEDS)),
            mother.generation + 1,
            mitosis.event_min,
            dna * share,
            biology.cycle_deviation(mother.deviation, shared, rng.standard_normal()),
            parents=(mother,),
            index=k,
            siblings=n,
            birth_axis=mitosis.axis + 2 * math.pi * k / n + rng.normal(0, 0.1 if n == 2 else 0.2),
            aneuploid=n > 2,
        )
        for k, share in enumerate(shares)
    ]
    _give_micronuclei(rng, daughters, mitosis.subtype)
    for daughter in daughters:
        _draw_life(daughter, clone)
    mother.daughters = daughters
    return [*daughters, *_fuse(rng, daughters, mitosis.subtype, clone)]


def _give_micronuclei(rng: np.random.Generator, daughters: list[Life], subtype: Subtype) -> None:
    """Give one daughter or both one to three micronuclei, if the subtype says so."""
    often = subtype is Subtype.LAGGING and rng.random() < biology.MICRONUCLEI_AFTER_LAGGING
    if not (subtype is Subtype.MICRONUCLEI or often):
        return
    first = int(rng.integers(2))
    for k in (first, 1 - first)[: 2 if rng.random() < 0.4 else 1]:
        n = int(rng.integers(1, 4))
        daughters[k].micronuclei = tuple(rng.uniform(0.003, 0.04) for _ in range(n))


def _fuse(rng: np.random.Generator, daughters: list[Life], subtype: Subtype, clone: Clone) -> list[Life]:
    """The cell that two or all of the daughters become if they fuse again; those daughters end then."""
    n, delay = _fusion(rng, daughters, subtype, clone)
    parts, born = daughters[:n], daughters[0].born_min
    fusion = born + delay
    if any(p.replication_min[0] < fusion for p in parts):
        # Postponed until all have replicated, so that the DNA is the sum.
        fusion = max(fusion, *(p.replication_min[1] for p in parts))
    if n == 0 or fusion > min(born + 60 * biology.LATE_FUSION_HOURS[1], *(p.busy_min - 30 for p in parts)):
        return []
    dna = [p.dna_at(fusion) for p in parts]
    fused = Life(
        int(rng.integers(SEEDS)),
        parts[0].generation,
        fusion,
        sum(dna),
        deviation=sum(p.deviation for p in parts) / n,
        parents=tuple(parts),
        birth_axis=parts[0].birth_axis,
        parents_age_min=fusion - born,
        micronuclei=tuple(m * d / sum(dna) for p, d in zip(parts, dna, strict=True) for m in p.micronuclei),
    )
    for part in parts:
        part.fate, part.end_min, part.daughters = Fate.FUSED, fusion, [fused]
        part.mitosis, part.arrested, part.dying_min = None, False, np.inf
    _draw_life(fused, clone)
    return [fused]


def _fusion(
    rng: np.random.Generator, daughters: list[Life], subtype: Subtype, clone: Clone
) -> tuple[int, float]:
    """How many of the daughters fuse, and how many minutes after they separated."""
    cells, generation = clone.cells, daughters[0].generation - 1
    if subtype is Subtype.FURROW_REGRESSION:
        delay = lognormal(cells.regression_min, cells.regression_sd, rng.standard_normal())
        return 2, min(max(delay, 10.0), REGRESSION_MIN)
    if len(daughters) > 2:
        fuses = rng.random() < biology.REFUSION_AFTER_MULTIPOLAR
        delay = lognormal(biology.MULTIPOLAR_REFUSION_MIN, 0.5, rng.standard_normal())
        return int(fuses) * (2 if rng.random() < 0.5 else len(daughters)), max(delay, 10.0)
    first, last = (60 * hours for hours in biology.LATE_FUSION_HOURS)
    fuses = rng.random() < biology.late_fusion_chance(clone.burden, cells, generation)
    wait = 60 * biology.LATE_FUSION_MEAN_HOURS * rng.standard_exponential()
    return 2 * int(fuses), first + wait % (last - first)
