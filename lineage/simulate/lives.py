"""One irradiated cell -> the lives of its clone, until the movie's last frame.

Each cell draws from generators of its own seed, and its daughters' seeds are drawn by its division: a longer movie
of the same seed has the same lives, and some further ones.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lineage.schema import Fate
from lineage.simulate import biology
from lineage.simulate.biology import Burden, End, Line, Phase, lognormal
from lineage.simulate.cells import REGRESSION_MIN, Mitosis, Subtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineage.simulate.settings import Settings

LIFE, DIVISION, FOUNDER = 0, 1, 2  # streams of a cell's seed
SEEDS = 2**53  # below it every integer is a float, too
BARREN = (Subtype.SLIPPAGE, Subtype.DEATH)  # no daughters

T = TypeVar("T", bound="Subtype | End")


@dataclass(eq=False)
class Life:
    """A cell in the making; `population.Cell` is what becomes of it."""

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

    @property
    def fused(self) -> bool:
        """Made of two cells or more."""
        return len(self.parents) > 1

    @property
    def busy_min(self) -> float:
        """From when on it can no longer fuse."""
        return min(self.mitosis.start_min if self.mitosis else np.inf, self.dying_min)

    def dna_at(self, minutes: float) -> float:
        """As `Cell.dna_at`."""
        start, stop = self.replication_min
        return self.dna * (1 + min(max((minutes - start) / (stop - start), 0.0), 1.0)) if start < np.inf else self.dna


@dataclass(frozen=True)
class Clone:
    """What the cells of a clone share."""

    settings: Settings
    cells: Line
    burden: Burden
    limit: float  # generations from this one on do not divide

    @property
    def irradiated_min(self) -> float:
        """When the founder was irradiated."""
        return -self.settings.irradiated_min_before_start


def pick(shares: Mapping[T, float], uniform: float) -> T:
    """The key whose share of the whole a uniform number falls in."""
    total = 0.0
    for key, share in shares.items():
        total += share
        if uniform < total:
            return key
    return key


def grow_clone(seed: int, settings: Settings, deviation: float) -> list[Life]:
    """All lives of the clone of one irradiated cell, that begin before the movie ends.

    Args:
        seed: of the founder.
        settings: of the movie.
        deviation: of well and position, of the log odds.
    """
    clone, founder = _found(seed, settings, deviation)
    lives: list[Life] = []
    waiting = deque([founder])
    while waiting:
        life = waiting.popleft()
        lives.append(life)
        if life.fate is Fate.DIVIDED and life.end_min <= settings.minutes:
            waiting.extend(_divide(life, clone))
    return lives


def _found(seed: int, settings: Settings, deviation: float) -> tuple[Clone, Life]:
    """An irradiated cell, and what its clone shares.

    Its age follows the age distribution of a growing population: newborn cells are twice as frequent as dividing
    ones.
    """
    rng = np.random.default_rng([seed, FOUNDER])
    u, z = rng.random(3), rng.standard_normal(3)
    cells = biology.line(settings)
    life = Life(seed, 0, 0.0, 1.0, float(z[0]), birth_axis=2 * math.pi * float(rng.random()))
    interphase = _interphase_min(life, settings, 1.0)
    prophase, metaphase = _normal_mitosis_min(np.random.default_rng([seed, LIFE]).standard_normal(8))
    age = -math.log2(1 - float(u[0]) / 2) * (interphase + prophase + metaphase)
    life.born_min = -settings.irradiated_min_before_start - age
    doomed = float(u[1]) >= biology.survival(settings.dose_gy, cells)
    total = biology.mean_shift(settings) + deviation + settings.clone_sd * float(z[1])
    phase = biology.phase_at(age / interphase, cells)
    burden = Burden(settings.dose_gy, phase, doomed, total)
    limit = biology.divisions_left(settings.dose_gy, float(u[2])) if doomed else np.inf
    clone = Clone(settings, cells, burden, limit)
    _live(life, clone, held_min=_held_min(age, interphase, float(z[2]), clone))
    return clone, life


def _held_min(age: float, interphase: float, normal: float, clone: Clone) -> float:
    """How long the irradiated cell is held up before mitosis: not at all past the transition point."""
    if interphase - age < biology.TRANSITION_MIN:
        return 0.0
    return lognormal(biology.delay_min(clone.settings.dose_gy, age / interphase, clone.cells), 0.25, normal)


def _interphase_min(life: Life, settings: Settings, factor: float) -> float:
    median = biology.median_cycle_min(settings) - biology.PROPHASE_MIN - biology.METAPHASE_MIN
    return lognormal(median, biology.CYCLE_SD, life.deviation) * factor


def _normal_mitosis_min(z: np.ndarray) -> tuple[float, float]:
    """Prophase; prometaphase and metaphase."""
    prophase = lognormal(biology.PROPHASE_MIN, biology.PROPHASE_SD, float(z[0]))
    return prophase, lognormal(biology.METAPHASE_MIN, biology.METAPHASE_SD, float(z[1]))


def _live(life: Life, clone: Clone, *, held_min: float = 0.0) -> None:
    """Write the life of a cell that has just been born, to its end."""
    rng = np.random.default_rng([life.seed, LIFE])
    z, u = rng.standard_normal(8), rng.random(8)
    settings, cells = clone.settings, clone.cells
    factor = biology.slowdown(settings.dose_gy, life.generation) if clone.burden.doomed else 1.0
    if life.fused:
        factor *= biology.FUSED_SLOWER
    interphase = _interphase_min(life, settings, factor)
    origin = life.born_min - life.parents_age_min
    start = origin + interphase + held_min
    if all(p.replication_min[1] > life.born_min for p in life.parents):  # a cell fused in G2 has replicated
        first = max(origin + cells.g1 * interphase, life.born_min)
        life.replication_min = (first, first + cells.s * interphase)
        start = max(start, life.replication_min[1] + 30)
    start = max(start, life.born_min + 60)
    past_transition = life.generation == 0 and start - clone.irradiated_min < biology.TRANSITION_MIN
    if not past_transition and (life.generation >= clone.limit or u[0] < _failure_chance(life)):
        end = pick(cells.ends, float(u[1]))
        if end in (End.ARREST, End.DEATH_INTERPHASE):
            _stop_in_interphase(life, start, clone, dies_now=end is End.DEATH_INTERPHASE, z=z, u=u)
            return
        subtype = Subtype.DEATH if end is End.DEATH_MITOSIS else Subtype.SLIPPAGE
    else:
        subtype = pick(biology.chances(clone.burden, cells, life.generation, fused=life.fused), float(u[1]))
    life.mitosis = _mitosis(subtype, start, clone, z, u)
    _leave_mitosis(life, life.mitosis, u)


def _failure_chance(life: Life) -> float:
    """That a cell stops before its clone's limit."""
    goes_on = 1 - biology.FAILS
    for burdened, chance in (
        (bool(life.micronuclei), biology.FAILS_MICRONUCLEI),
        (life.aneuploid, biology.FAILS_ANEUPLOID),
        (life.fused, biology.FAILS_FUSED),
    ):
        goes_on *= 1 - chance * burdened
    return 1 - goes_on


def _stop_in_interphase(
    life: Life, start: float, clone: Clone, *, dies_now: bool, z: np.ndarray, u: np.ndarray
) -> None:
    if dies_now:
        begin = max(life.born_min, clone.irradiated_min) + 180
        life.dying_min = begin + lognormal(0.6 * biology.median_cycle_min(clone.settings), 0.5, float(z[2]))
    else:
        life.arrested = True
        if u[2] < biology.DIES_AFTER_ARREST:
            life.dying_min = start - biology.DEATH_AFTER_MIN * math.log(1 - float(u[3]))
    _die_in_interphase(life, u)


def _die_in_interphase(life: Life, u: np.ndarray) -> None:
    if life.dying_min < np.inf:
        life.fate, life.end_min = Fate.DIED_INTERPHASE, life.dying_min + 30 + 30 * float(u[4])


def _mitosis(subtype: Subtype, start: float, clone: Clone, z: np.ndarray, u: np.ndarray) -> Mitosis:
    prophase, _ = _normal_mitosis_min(z)
    factor = biology.metaphase_factor(subtype, clone.settings.dose_gy, doomed=clone.burden.doomed)
    metaphase = lognormal(biology.METAPHASE_MIN * factor, biology.metaphase_sd(subtype), float(z[1]))
    plate = start + prophase + min(biology.PROMETAPHASE_SHARE * metaphase, 40)
    lags = subtype is Subtype.LAGGING
    return Mitosis(
        subtype, start, plate, start + prophase + metaphase,
        axis=2 * math.pi * float(u[5]),
        tilt=float(u[6]) ** 3,
        lagging=0.01 + 0.07 * float(u[7]) if lags else 0.0,
        bridge=lags and z[3] > 0,
    )  # fmt: skip


def _leave_mitosis(life: Life, mitosis: Mitosis, u: np.ndarray) -> None:
    if mitosis.subtype is Subtype.DEATH:
        life.fate, life.end_min = Fate.DIED_MITOSIS, mitosis.event_min + 30 + 30 * float(u[4])
    elif mitosis.subtype is Subtype.SLIPPAGE:
        life.fate = Fate.SLIPPED
        if u[2] < biology.DIES_AFTER_SLIPPAGE:
            life.dying_min = mitosis.event_min + 120 - biology.DEATH_AFTER_MIN * math.log(1 - float(u[3]))
        _die_in_interphase(life, u)
    else:
        life.fate, life.end_min = Fate.DIVIDED, mitosis.event_min


def _divide(mother: Life, clone: Clone) -> list[Life]:
    """The daughters, around the mother's axis, and what they become where some of them fuse again."""
    mitosis = mother.mitosis
    if mitosis is None:
        return []
    rng = np.random.default_rng([mother.seed, DIVISION])
    n = mitosis.subtype.n_poles
    shared, own, jitter = float(rng.standard_normal()), rng.standard_normal(4), rng.normal(0, 0.1, 4)
    # A multipolar spindle shares the DNA out unevenly.
    shares = 1 + (rng.uniform(-0.35, 0.35, 4) if n > 2 else np.zeros(4))
    dna = mother.dna_at(mitosis.event_min) * shares / shares[:n].sum()
    seeds = rng.integers(SEEDS, size=5)
    u, z = rng.random(8), rng.standard_normal(2)
    daughters = [
        Life(
            int(seeds[k]), mother.generation + 1, mitosis.event_min, float(dna[k]),
            biology.cycle_deviation(mother.deviation, shared, float(own[k])),
            parents=(mother,), index=k, siblings=n,
            birth_axis=float(mitosis.axis + 2 * math.pi * k / n + jitter[k] * (1 if n == 2 else 2)),
            aneuploid=n > 2,
        )
        for k in range(n)
    ]  # fmt: skip
    _give_micronuclei(daughters, mitosis.subtype, rng)
    for daughter in daughters:
        _live(daughter, clone)
    mother.daughters = daughters
    return [*daughters, *_fuse(daughters, mitosis.subtype, clone, int(seeds[4]), u, z)]


def _give_micronuclei(daughters: list[Life], subtype: Subtype, rng: np.random.Generator) -> None:
    """To one daughter or both, one to three of them, always or often."""
    u = rng.random(4)
    always, often = subtype is Subtype.MICRONUCLEI, subtype is Subtype.LAGGING
    if not (always or (often and u[0] < biology.MICRONUCLEI_AFTER_LAGGING)):
        return
    first = int(u[1] < 0.5)
    for k in (first, 1 - first)[: 2 if u[2] < 0.4 else 1]:
        n = int(rng.integers(1, 4))
        daughters[k].micronuclei = tuple(float(share) for share in rng.uniform(0.003, 0.04, n))


def _fuse(
    daughters: list[Life], subtype: Subtype, clone: Clone, seed: int, u: np.ndarray, z: np.ndarray
) -> list[Life]:
    """The cell that two or all of the daughters become, if they fuse again; the parts end there."""
    n, delay = _fusion(daughters, subtype, clone, u, z)
    parts, born = daughters[:n], daughters[0].born_min
    fusion = born + delay
    if n == 0:
        return []
    replicating = any(p.replication_min[0] < fusion < p.replication_min[1] for p in parts)
    if replicating or len({p.replication_min[1] <= fusion for p in parts}) > 1:
        # Put off until all have replicated, so that the DNA is the sum.
        fusion = max(p.replication_min[1] for p in parts) + 1
    if fusion - born > 60 * biology.LATE_FUSION_HOURS[1] or any(fusion > p.busy_min - 30 for p in parts):
        return []
    dna = [p.dna_at(fusion) for p in parts]
    whole = Life(
        seed, parts[0].generation, fusion, sum(dna),
        deviation=sum(p.deviation for p in parts) / n,
        parents=tuple(parts), birth_axis=parts[0].birth_axis, parents_age_min=fusion - born,
        micronuclei=tuple(
            m * d / sum(dna) for p, d in zip(parts, dna, strict=True) for m in p.micronuclei
        ),
    )  # fmt: skip
    for part in parts:
        part.fate, part.end_min, part.daughters = Fate.FUSED, fusion, [whole]
        part.mitosis, part.arrested, part.dying_min = None, False, np.inf
    _live(whole, clone)
    return [whole]


def _fusion(
    daughters: list[Life], subtype: Subtype, clone: Clone, u: np.ndarray, z: np.ndarray
) -> tuple[int, float]:
    """How many of the daughters fuse, and how many minutes after they separated."""
    cells, generation = clone.cells, daughters[0].generation - 1
    if subtype is Subtype.FURROW_REGRESSION:
        delay = lognormal(cells.regression_min, cells.regression_sd, float(z[0]))
        return 2, min(max(delay, 10.0), REGRESSION_MIN)
    if len(daughters) > 2:
        n = (2, len(daughters))[int(u[1] < 0.5)]
        delay = lognormal(biology.MULTIPOLAR_REFUSION_MIN, 0.5, float(z[0]))
        return (n if u[0] < biology.REFUSION_AFTER_MULTIPOLAR else 0), max(delay, 10.0)
    if u[0] >= biology.late_fusion_chance(clone.burden, cells, generation):
        return 0, 0.0
    first, last = biology.LATE_FUSION_HOURS
    mean = biology.LATE_FUSION_MEAN_HOURS
    within = 1 - math.exp(-(last - first) / mean)
    return 2, 60 * (first - mean * math.log(1 - within * float(u[2])))
