"""An effect -> the wells, positions and hours that are needed to find it, by simulated lives without pixels.

Lives come from `lineage.simulate.population.grow`. A pool of wells is grown for each dose, as long as the
longest movie asked for; shorter ones are its first hours. Plates are drawn from the pool, and each is tested
as a real one is: for a trend of the wells' fraction abnormal over dose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.schema import InputError
from pipelines.dose.estimates import proportion
from pipelines.dose.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lineage.simulate.settings import Settings

ALPHA = 0.05
MINUTES = 10  # a frame; lives do not depend on it
MAX_GY = 15.0  # of the doses that are searched for an effect
STEPS = 6  # halvings of that range
SEARCH_FOUNDERS = 1000  # for each


@dataclass(frozen=True, eq=False)
class Pool:
    """Counts of simulated wells: mitoses, and abnormal ones."""

    doses: tuple[float, ...]
    hours: tuple[float, ...]
    counts: np.ndarray  # (doses, wells, positions, hours, 2)

    def fractions(self, hours: float) -> np.ndarray:
        """(doses,) mean of the wells, all positions taken."""
        counts = self.counts[..., self.hours.index(hours), :].sum(axis=2)
        return np.nanmean(_share(counts), axis=1)


def grow_pool(
    settings: Settings,
    doses: Sequence[float],
    hours: Sequence[float],
    *,
    founders: int,
    wells: int,
    positions: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pool:
    """Grow the wells of every dose.

    Args:
        settings: line and spreads; dose, length, well and position are set here.
        doses: gray.
        hours: lengths of movies, irradiated as they begin.
        founders: cells in view at the start, a position.
        wells: of each dose.
        positions: of each well.
        progress: called with wells done and in all.
    """
    counts = np.zeros((len(doses), wells, positions, len(hours), 2), int)
    frames = int(max(hours) * 60 / MINUTES) + 1
    for d, dose in enumerate(doses):
        for w in range(wells):
            for p in range(positions):
                update = {"dose_gy": dose, "frames": frames, "minutes_per_frame": MINUTES}
                update |= {"well": d * wells + w + 1, "position": p + 1}
                of_position = settings.model_copy(update=update)
                counts[d, w, p] = _mitoses(of_position, hours, founders, seed=(settings.seed, d, w, p))
            progress(d * wells + w + 1, len(doses) * wells)
    return Pool(tuple(doses), tuple(hours), counts)


def _mitoses(settings: Settings, hours: Sequence[float], founders: int, *, seed: Sequence[int]) -> np.ndarray:
    """(hours, 2): mitoses that end within them, and the abnormal of these."""
    from lineage.simulate.population import grow

    cells = grow(np.random.default_rng(list(seed)), settings, founders=founders)
    ends = [(c.mitosis.event_min, c.mitosis.subtype != "normal") for c in cells if c.mitosis]
    at = np.array(ends, float).reshape(-1, 2)
    seen = [at[(at[:, 0] >= 0) & (at[:, 0] <= 60 * h)] for h in hours]
    return np.array([[len(x), x[:, 1].sum()] for x in seen], int)


def dose_for(settings: Settings, difference: float, *, hours: float) -> float:
    """The dose that adds `difference` to the fraction abnormal, by bisection.

    Args:
        settings: line and seed; wells and positions do not differ here.
        difference: of the fraction abnormal.
        hours: length of the movie.

    Raises:
        InputError: no dose up to MAX_GY adds as much.
    """

    def fraction(dose: float) -> float:
        flat = settings.model_copy(update={"well_sd": 0.0, "position_sd": 0.0})
        pool = grow_pool(flat, [dose], [hours], founders=SEARCH_FOUNDERS, wells=1, positions=1)
        return float(pool.fractions(hours)[0])

    wanted, low, high = fraction(0.0) + difference, 0.0, MAX_GY
    if fraction(high) < wanted:
        raise InputError(
            f"no dose up to {MAX_GY:g} Gy adds {difference:g} to the fraction abnormal; give a smaller "
            "--difference"
        )
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fraction(middle) < wanted else (low, middle)
    return round(0.5 * (low + high), 2)


def power_table(
    pool: Pool, *, wells: Sequence[int], positions: Sequence[int], plates: int, rng: np.random.Generator
) -> pd.DataFrame:
    """One row a design: the share of plates whose trend is found, with the interval that `plates` leave.

    Args:
        pool: to draw wells and, within a well, positions from; wells with replacement.
        wells: of each dose.
        positions: of each well; no more than the pool's wells have.
        plates: drawn for each design.
        rng: of the draws.
    """
    rows = []
    for h, hours in enumerate(pool.hours):
        for p in positions:
            for w in wells:
                found = sum(_finds(pool.counts[:, :, :, h], pool.doses, w, p, rng) for _ in range(plates))
                power = proportion(found, plates)
                n = pool.counts[:, :, :, h, 0].mean(axis=(1, 2)) * p
                row = {"wells": w, "positions": p, "hours": hours, "power": power.value}
                row |= {"low": power.low, "high": power.high, "plates": plates}
                row |= {
                    f"mitoses_a_well_{d:g}_gy": round(float(m), 1) for d, m in zip(pool.doses, n, strict=True)
                }
                rows.append(row)
    return pd.DataFrame(rows)


def _finds(
    counts: np.ndarray, doses: Sequence[float], wells: int, positions: int, rng: np.random.Generator
) -> bool:
    """Whether one drawn plate shows the trend."""
    n_doses, n_wells, n_positions, _ = counts.shape
    which = rng.integers(n_wells, size=(n_doses, wells))
    seen = rng.permuted(np.tile(np.arange(n_positions), (n_doses, wells, 1)), axis=2)[..., :positions]
    drawn = counts[np.arange(n_doses)[:, None, None], which[..., None], seen].sum(axis=2)  # (doses, wells, 2)
    shares = Shares.of(np.repeat(doses, wells), _share(drawn).ravel(), drawn[..., 0].ravel())
    return shares.slope().p < ALPHA


def _share(counts: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return counts[..., 1] / counts[..., 0]


def smallest_design(table: pd.DataFrame, target: float) -> str:
    """In words, the design with the fewest movies, then hours, that reaches the target."""
    enough = table[table["power"] >= target]
    if enough.empty:
        best = table.iloc[int(table["power"].to_numpy().argmax())]
        return (
            f"none of these designs finds it {100 * target:.0f} times in 100; the best, {_design(best)}, "
            f"finds it {100 * best['power']:.0f} times"
        )
    movies = (enough["wells"] * enough["positions"]).rename("movies")
    best = enough.assign(movies=movies).sort_values(["movies", "hours", "wells"]).iloc[0]
    return (
        f"{_design(best)} find it {100 * best['power']:.0f} times in 100 ({100 * best['low']:.0f} to "
        f"{100 * best['high']:.0f})"
    )


def _design(row: pd.Series) -> str:
    return f"{row['wells']:g} wells a dose x {positions_words(row['positions'])} x {row['hours']:g} h"


def positions_words(n: float) -> str:
    """How many positions, in words.

    >>> positions_words(1), positions_words(3)
    ('1 position', '3 positions')
    """
    return f"{n:g} position" if n == 1 else f"{n:g} positions"
