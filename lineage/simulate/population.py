"""Settings -> the lives of all cells: who is born of whom, when each divides, how, and how it ends.

Positions and looks come later. Times are minutes since the first frame; founders are born before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.export.ctc import LARGEST_LABEL
from lineage.schema import Fate, InputError
from lineage.simulate import biology
from lineage.simulate.cells import Cell
from lineage.simulate.lives import SEEDS, Life, grow_clone

if TYPE_CHECKING:
    from lineage.simulate.settings import Settings

MAX_CLONES = 50  # for each founder; if nearly all clones are dead at the first frame, fewer cells are there


def grow(rng: np.random.Generator, settings: Settings, *, founders: int) -> list[Cell]:
    """All cells that live during the movie, by id.

    Cells are irradiated at random phases of their cycle, and their clones grow from then on. Clones are added
    until `founders` cells are alive at the first frame; surplus cells of the last clone are left out. If
    irradiation was before the movie, cells that ended before it are left out, too. A cell whose mother is
    left out has no parents here, but keeps its generation, clone and family. Lives do not depend on the
    movie's length or interval: a longer movie continues a shorter one.

    Args:
        rng: one number is drawn from it for each clone.
        settings: line, dose, irradiation, spread, length.
        founders: how many cells are alive at the first frame.

    Returns:
        Numbered from 1 in order of birth. `founder` is the clone's number, in order of the irradiated cells'
        birth: the founder's own id if the movie starts at irradiation. `mitosis` and `dying_min` may lie
        after the last frame; then the fate is END_OF_MOVIE, `end_min` is infinite, and there are no
        daughters. A death that has begun is a fate even if the cell ends after the last frame.

    Raises:
        InputError: more cells than the masks of the truth hold.
    """
    deviation = biology.well_deviation(settings) + biology.position_deviation(settings)
    clones: list[list[Life]] = []
    alive = n_seen = 0
    while alive < founders and len(clones) < MAX_CLONES * founders:
        clones.append(grow_clone(int(rng.integers(SEEDS)), settings, deviation))
        alive += sum(map(_is_alive, clones[-1]))
        n_seen += sum(_is_seen(life, settings.minutes) for life in clones[-1])
        if n_seen > LARGEST_LABEL:
            raise InputError(
                f"{founders} founders on the dish become more than {LARGEST_LABEL} cells, the most that "
                f"masks can hold; take fewer founders, or fewer frames than {settings.frames}"
            )
    if alive > founders:
        clones[-1] = _without(clones[-1], alive - founders)
    clones.sort(key=lambda lives: (lives[0].born_min, lives[0].seed))
    lived = ((life, clone) for clone, lives in enumerate(clones, 1) for life in lives)
    seen = [pair for pair in lived if _is_seen(pair[0], settings.minutes)]
    # Only sisters are born at the same time.
    seen.sort(key=lambda pair: (pair[0].born_min, pair[1], pair[0].index))
    ids = {id(life): n for n, (life, _) in enumerate(seen, 1)}
    families: dict[int, int] = {}
    return [_cell(life, clone, ids, families, settings.minutes) for life, clone in seen]


def _is_alive(life: Life) -> bool:
    """At the first frame."""
    return life.born_min <= 0 < life.end_min


def _without(lives: list[Life], n: int) -> list[Life]:
    """A clone without `n` of the cells alive at the first frame, and without their offspring.

    Sisters that will fuse are kept, so fewer than `n` may be removed.
    """
    waiting = [life for life in lives if _is_alive(life) and life.fate is not Fate.FUSED][::-1][:n]
    gone: set[int] = set()
    while waiting:
        life = waiting.pop()
        gone.add(id(life))
        waiting += life.daughters
    return [life for life in lives if id(life) not in gone]


def _is_seen(life: Life, minutes: float) -> bool:
    return life.born_min <= minutes and life.end_min > 0


def _cell(life: Life, clone: int, ids: dict[int, int], families: dict[int, int], minutes: float) -> Cell:
    """The record of a life, as far as a movie of this length shows it."""
    fate, end = _end(life, minutes)
    partners = life.daughters[0].parents if life.fate is Fate.FUSED else ()
    return Cell(
        cell_id=ids[id(life)],
        parents=tuple(ids[id(p)] for p in life.parents if id(p) in ids),
        generation=life.generation,
        founder=clone,
        born_min=life.born_min,
        dna=life.dna,
        seed=life.seed,
        replication_min=life.replication_min,
        birth_axis=life.birth_axis,
        siblings=life.siblings,
        parents_age_min=life.parents_age_min,
        n_nuclei=max(len(life.parents), 1),
        family=families.setdefault(id(life.parents[0]), len(families) + 1) if life.siblings > 1 else 0,
        micronuclei=life.micronuclei,
        mitosis=life.mitosis,
        arrested=life.arrested,
        dying_min=life.dying_min,
        fusing_min=life.end_min if partners else np.inf,
        fusing_with=tuple(ids[id(p)] for p in partners),
        end_min=end,
        fate=fate,
        daughters=tuple(ids[id(d)] for d in life.daughters if id(d) in ids),
    )


def _end(life: Life, minutes: float) -> tuple[Fate, float]:
    """Fate and end of a life in a movie of this length."""
    left_mitosis = life.mitosis.event_min if life.mitosis else np.inf
    settled = {
        Fate.DIED_INTERPHASE: life.dying_min,
        Fate.DIED_MITOSIS: left_mitosis,
        Fate.SLIPPED: left_mitosis,
    }
    if settled.get(life.fate, life.end_min) <= minutes:
        return life.fate, life.end_min
    if life.fate is Fate.DIED_INTERPHASE and left_mitosis <= minutes:
        return Fate.SLIPPED, np.inf  # it will die later, after the movie
    return Fate.END_OF_MOVIE, np.inf
