"""Settings -> the lives of all cells: who is born of whom, when each divides, how, and how it ends.

Nothing here knows where a cell is or what it looks like. Times are minutes since the first frame; founders
are born before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import Fate, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lineage.simulate.settings import Settings

CYCLE_SPREAD = 0.15  # standard deviation of the logarithm of cycle times
REFUSION_AFTER_MULTIPOLAR = 0.85  # Hurwitz & Tolmach 1969


class Subtype(StrEnum):
    """What a mitosis comes to."""

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
    """One attempt to divide. `event_min`: chromatin first separate, mitotic exit, or first blebbing."""

    subtype: Subtype
    start_min: float  # prophase: begins to condense and to round up
    plate_min: float  # the metaphase plate stands
    event_min: float
    axis: float  # radians, where the first daughter goes
    tilt: float  # 0 the plate is seen from its edge, 1 half way to its face
    lagging: float = 0.0  # share of the DNA that stays between the plates
    bridge: bool = False  # it spans them, rather than lying loose


@dataclass(frozen=True)
class Cell:
    """One cell's life, from its birth (its first frame as a separate body) to its end."""

    cell_id: int  # from 1
    parents: tuple[int, ...]  # none for founders, two or more for a fused cell
    generation: int  # after irradiation: founders are 0; a fused cell's is the larger of its parents'
    founder: int
    born_min: float
    dna: float  # at birth; 1 is G1
    seed: int
    replication_min: tuple[float, float] = (np.inf, np.inf)  # S phase, from and to
    birth_axis: float = 0.0  # radians, from the mother's centre to its own
    siblings: int = 1  # born of the same division, itself included
    parents_age_min: float = 0.0  # of a fused cell: how long its parents had lived
    micronuclei: tuple[float, ...] = ()  # shares of its DNA, from birth on
    mitosis: Mitosis | None = None
    arrested: bool = False  # will not divide any more: grows flat and large
    dying_min: float = np.inf  # of a death in interphase: begins to shrink and to bleb
    end_min: float = np.inf
    fate: Fate = Fate.END_OF_MOVIE
    daughters: tuple[int, ...] = ()

    def dna_at(self, minutes: float) -> float:
        """DNA content; it doubles through S phase.

        >>> Cell(1, (), 0, 1, 0.0, 1.0, 0, (300, 700)).dna_at(500)
        1.5
        """
        start, stop = self.replication_min
        replicated = np.interp(minutes, (start, stop), (0, 1)) if np.isfinite(start) else 0.0
        return self.dna * (1 + float(replicated))


def abnormal_rates(dose_gy: float) -> dict[Subtype, float]:
    """Share of the divisions that goes wrong in each way; it rises with dose and saturates.

    Fusion and multipolar division pass through 22 % and 5.5 % at 5 Gy, 0.9 % and 0.5 % without.

    Source: Hurwitz & Tolmach 1969, HeLa S3; slippage and death are of the order seen in the paper's clips.
    """
    effect = 1 - np.exp(-dose_gy / 6)
    return {
        Subtype.SISTER_FUSION: 0.009 + 0.37 * effect,
        Subtype.TRIPOLAR: 0.004 + 0.065 * effect,
        Subtype.TETRAPOLAR: 0.001 + 0.025 * effect,
        Subtype.SLIPPAGE: 0.005 + 0.10 * effect,
        Subtype.DEATH: 0.005 + 0.10 * effect,
    }


def grow(rng: np.random.Generator, settings: Settings) -> list[Cell]:
    """All cells that live during the movie, by id.

    Founders' ages follow the age distribution of a growing population: newborn cells are twice as frequent as
    dividing ones.
    """
    ids = count(1)
    waiting: deque[Cell] = deque()
    for cell_id, u in zip(ids, rng.random(settings.founders), strict=False):
        cycle = _cycle(rng, settings)
        age = -np.log2(1 - u / 2) * cycle
        founder = Cell(cell_id, (), 0, cell_id, -age, 1.0, _seed(rng), cycle, rng.uniform(0, 2 * np.pi))
        waiting.append(founder)
    cells = []
    while waiting:
        cell = waiting.popleft()
        if cell.fate is not Fate.FUSED:
            cell, offspring = _live(rng, cell, settings, ids)
            waiting.extend(offspring)
        cells.append(cell)
    return sorted(cells, key=lambda cell: cell.cell_id)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _cycle(rng: np.random.Generator, settings: Settings) -> float:
    return 60 * settings.cycle_hours * float(np.exp(rng.normal(0, CYCLE_SPREAD)))


def _live(
    rng: np.random.Generator, cell: Cell, settings: Settings, ids: Iterator[int]
) -> tuple[Cell, list[Cell]]:
    """The cell with its mitosis and its end, and the cells that come of it within the movie."""
    mitosis = _mitosis(rng, cell.born_min + cell.cycle_min, abnormal_rates(settings.dose_gy))
    cell = replace(cell, mitosis=mitosis)
    if mitosis.event_min > settings.minutes or mitosis.subtype is Subtype.SLIPPAGE:
        return cell, []
    if mitosis.subtype is Subtype.DEATH:
        return replace(cell, fate=Fate.DIED_MITOSIS, end_min=mitosis.event_min + rng.uniform(30, 60)), []
    daughters = _daughters(rng, cell, mitosis, settings, ids)
    mother = replace(
        cell, fate=Fate.DIVIDED, end_min=mitosis.event_min, daughters=tuple(d.cell_id for d in daughters)
    )
    return mother, _refused(rng, daughters, mitosis.subtype, settings, ids)


def _mitosis(rng: np.random.Generator, event_min: float, rates: dict[Subtype, float]) -> Mitosis:
    chances = [1 - sum(rates.values()), *rates.values()]
    subtype = (Subtype.NORMAL, *rates)[rng.choice(len(chances), p=chances)]
    # What goes wrong takes longer: the spindle checkpoint holds.
    metaphase = rng.uniform(20, 40) if subtype is Subtype.NORMAL else rng.uniform(30, 90)
    plate = event_min - metaphase
    return Mitosis(
        subtype, plate - rng.uniform(20, 30), plate, event_min, rng.uniform(0, 2 * np.pi), rng.random() ** 3
    )


def _daughters(
    rng: np.random.Generator, mother: Cell, mitosis: Mitosis, settings: Settings, ids: Iterator[int]
) -> list[Cell]:
    """The daughters, around the mother's axis; a multipolar spindle shares the DNA out unevenly."""
    n = N_DAUGHTERS[mitosis.subtype]
    uneven = 0.0 if n == 2 else 0.15
    shares = 1 + rng.uniform(-uneven, uneven, n)
    shares *= mother.dna_at(mitosis.event_min) / shares.sum()
    jitter = rng.normal(0, 0.1 if n == 2 else 0.2, n)
    return [
        Cell(
            next(ids), (mother.cell_id,), mother.generation + 1, mother.founder, mitosis.event_min,
            float(share), _seed(rng), _cycle(rng, settings),
            birth_axis=float(mitosis.axis + 2 * np.pi * k / n + jitter[k]), siblings=n,
        )
        for k, share in enumerate(shares)
    ]  # fmt: skip


def _refused(
    rng: np.random.Generator, daughters: list[Cell], subtype: Subtype, settings: Settings, ids: Iterator[int]
) -> list[Cell]:
    """The daughters and, where some of them fuse again within the movie, what they become."""
    interval = settings.minutes_per_frame
    if subtype is Subtype.SISTER_FUSION:
        n, delay = 2, rng.uniform(2, 8) * max(interval, 10)
    elif len(daughters) > 2 and rng.random() < REFUSION_AFTER_MULTIPOLAR:
        n, delay = int(rng.integers(2, len(daughters) + 1)), rng.uniform(1, 4) * max(interval, 10)
    else:
        return daughters
    fusion = daughters[0].born_min + delay
    if fusion > settings.minutes:
        return daughters
    parts, rest = daughters[:n], daughters[n:]
    whole = Cell(
        next(ids), tuple(d.cell_id for d in parts), parts[0].generation, parts[0].founder, fusion,
        sum(d.dna for d in parts), _seed(rng), _cycle(rng, settings),
        birth_axis=parts[0].birth_axis, parents_age_min=delay,
    )  # fmt: skip
    parts = [replace(d, fate=Fate.FUSED, end_min=fusion, daughters=(whole.cell_id,)) for d in parts]
    return [*parts, *rest, whole]
