"""Do the intervals hold what they promise? `python benchmarks/intervals.py [--plates 1000] [--out TABLE.md]`.

Plates are made of lives alone: `lives.grow_clone` grows clones of U251 for each dose and for each of a row of
deviations of well and position (log odds), three days long. A plate draws a deviation for each well and each
position from the simulator's own spreads (0.25, 0.15) and for each founder a clone of that deviation from
this library, with replacement; of two neighbouring deviations it picks one at random, the nearer more often.
So the spread between wells, positions and clones, and the mitoses a founder has, are the simulator's.
What is true follows from the library exactly. The analysis is that of `pipelines.dose`, as in a real run;
beside it stand Welch's intervals and the robust trend test.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lineage.simulate.cells import Subtype
from lineage.simulate.lives import SEEDS, grow_clone
from lineage.simulate.settings import Settings
from pipelines.dose.estimates import Estimate, difference, mean, proportion, slope
from pipelines.dose.shares import Shares

DOSES = (0, 1, 2, 4, 8)
CURVE = (0, 2, 4, 8)  # of a plate
SMALL = (0, 1, 2)  # of a plate with a small effect
FRAMES = 433  # three days
FOUNDERS = 30  # a position
WELLS, POSITIONS = (2, 3, 6), (1, 3)
DEVIATIONS = np.round(np.arange(-1.2, 1.201, 0.15), 2)
CLONES = 400  # of each dose and deviation
NULL_DOSE = 2  # whose clones all doses of a plate without effect are made of
NULL_FOUNDERS = {0: 30, 2: 24, 4: 15, 8: 8}  # as many mitoses are lost to dose there as in truth, nearly
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Library:
    """Mitoses and abnormal ones of clones: (deviations, clones, 2) for each dose."""

    counts: dict[int, np.ndarray]
    well_sd: float
    position_sd: float

    def well(self, rng: np.random.Generator, dose: int, *, positions: int, founders: int) -> np.ndarray:
        """(positions, founders, 2): one well."""
        own = self.well_sd * rng.standard_normal() + self.position_sd * rng.standard_normal(positions)
        at = np.clip((own - DEVIATIONS[0]) / (DEVIATIONS[1] - DEVIATIONS[0]), 0, len(DEVIATIONS) - 1)
        bins = (at[:, None] + rng.random((positions, founders))).astype(int).clip(0, len(DEVIATIONS) - 1)
        return self.counts[dose][bins, rng.integers(CLONES, size=(positions, founders))]

    def truth(self, dose: int) -> float:
        """The mean over wells of the fraction that a well would show with endless positions and founders."""
        node, weight = np.polynomial.hermite_e.hermegauss(40)
        weight = weight / weight.sum()
        expected = self.counts[dose].mean(axis=1)  # (deviations, 2)
        at = self.well_sd * node[:, None] + self.position_sd * node
        per_well = [np.interp(at, DEVIATIONS, expected[:, i]) @ weight for i in (0, 1)]
        return float((per_well[1] / per_well[0]) @ weight)


def library(rng: np.random.Generator) -> Library:
    """Grow all clones."""
    counts = {}
    for dose in DOSES:
        settings = Settings(frames=FRAMES, dose_gy=dose)
        table = np.zeros((len(DEVIATIONS), CLONES, 2), int)
        for i, deviation in enumerate(DEVIATIONS):
            for c in range(CLONES):
                for life in grow_clone(int(rng.integers(SEEDS)), settings, float(deviation)):
                    if life.mitosis and 0 <= life.mitosis.event_min <= settings.minutes:
                        table[i, c] += (1, life.mitosis.subtype is not Subtype.NORMAL)
        counts[dose] = table
    return Library(counts, settings.well_sd, settings.position_sd)


Plate = dict[int, list[np.ndarray]]  # dose -> its wells, (positions, founders, 2)


def fractions(wells: list[np.ndarray]) -> np.ndarray:
    """Abnormal of all, a well."""
    return np.array([w[..., 1].sum() / w[..., 0].sum() for w in wells])


def by_position(wells: list[np.ndarray]) -> np.ndarray:
    """Abnormal of all, a position, as if each were independent; NaN where there is no mitosis."""
    counts = np.concatenate([w.sum(axis=1) for w in wells])
    return counts[:, 1] / np.where(counts[:, 0] > 0, counts[:, 0], np.nan)


def pooled(wells: list[np.ndarray]) -> tuple[int, int]:
    """Abnormal and all mitoses of a dose: cells as if each were independent."""
    return sum(int(w[..., 1].sum()) for w in wells), sum(int(w[..., 0].sum()) for w in wells)


def cell_difference(treated: list[np.ndarray], control: list[np.ndarray]) -> Estimate:
    """Of pooled fractions, Newcombe's interval (1998, Statist Med 17:873) over cells."""
    a, b = proportion(*pooled(treated)), proportion(*pooled(control))
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    return Estimate(value, low, value + math.hypot(a.high - a.value, b.value - b.low))


def holds(one: Estimate, truth: float) -> bool:
    """Whether the interval covers."""
    return one.low <= truth <= one.high


def cell_trend_p(plate: Plate) -> float:
    """Cochran-Armitage over cells."""
    from scipy.stats import norm

    x = np.array(list(plate), float)
    k, n = np.array([pooled(w) for w in plate.values()], float).T
    p = k.sum() / n.sum()
    centred = x - (n * x).sum() / n.sum()
    var = p * (1 - p) * (n * centred**2).sum()
    return 2 * float(norm.sf(abs((centred * k).sum()) / math.sqrt(var))) if var else 1.0


def by_dose(plate: Plate) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dose, fraction and number of mitoses of each well."""
    x = [dose for dose, wells in plate.items() for _ in wells]
    counts = np.array([w[..., 0].sum() for wells in plate.values() for w in wells])
    return np.array(x, float), np.concatenate([fractions(w) for w in plate.values()]), counts


def trend_p(plate: Plate) -> float:
    """Of the primary test."""
    return Shares.of(*by_dose(plate)).slope().p


def robust_trend_p(plate: Plate) -> float:
    """Of least squares with HC2 and Bell and McCaffrey's degrees of freedom: wells may differ in any way."""
    return slope(*by_dose(plate)[:2]).p


def made(
    lib: Library, rng: np.random.Generator, doses: tuple[int, ...], wells: int, positions: int, *,
    of: int | None = None, founders: dict[int, int] | None = None,
) -> Plate:  # fmt: skip
    """A plate; every dose of clones of dose `of` if given."""
    return {
        dose: [
            lib.well(
                rng, dose if of is None else of, positions=positions,
                founders=FOUNDERS if founders is None else founders[dose],
            )
            for _ in range(wells)
        ]
        for dose in doses
    }  # fmt: skip


def study(
    lib: Library, rng: np.random.Generator, wells: int, positions: int, plates: int
) -> dict[str, float]:
    """Shares of plates, percent."""
    truth = {dose: lib.truth(dose) for dose in CURVE}
    found: dict[str, list[bool]] = {}

    def note(name: str, what: bool) -> None:
        found.setdefault(name, []).append(what)

    for _ in range(plates):
        plate = made(lib, rng, CURVE, wells, positions)
        by_well = {dose: fractions(w) for dose, w in plate.items()}
        shares = Shares.of(*by_dose(plate))
        for dose in CURVE:
            note(f"fraction at {dose} Gy", holds(mean(by_well[dose]), truth[dose]))
            note(
                f"fraction at {dose} Gy, positions as units",
                holds(mean(by_position(plate[dose])), truth[dose]),
            )
            note(
                f"fraction at {dose} Gy, cells as units", holds(proportion(*pooled(plate[dose])), truth[dose])
            )
        for dose in CURVE[1:]:
            true = truth[dose] - truth[0]
            ours, welch = shares.difference(dose, 0), difference(by_well[dose], by_well[0])
            note(f"difference {dose} - 0 Gy", holds(ours, true))
            note(f"difference {dose} - 0 Gy, Welch", holds(welch, true))
            note(
                f"difference {dose} - 0 Gy, cells as units",
                holds(cell_difference(plate[dose], plate[0]), true),
            )
            note(f"power, {dose} - 0 Gy", ours.p < LEVEL)
            note(f"power, {dose} - 0 Gy, Welch", welch.p < LEVEL)
        trend, line = shares.slope(), np.polyfit(CURVE, [truth[dose] for dose in CURVE], 1)[0]
        note("slope, 0 to 8 Gy", holds(trend, line))
        note("power of the trend, 0 to 8 Gy", trend.p < LEVEL)
        note("power of the trend, 0 to 2 Gy", trend_p(made(lib, rng, SMALL, wells, positions)) < LEVEL)
        null = made(lib, rng, CURVE, wells, positions, of=NULL_DOSE)
        note("type I", trend_p(null) < LEVEL)
        note("type I, robust error", robust_trend_p(null) < LEVEL)
        note("type I, cells as units", cell_trend_p(null) < LEVEL)
        fewer = made(lib, rng, CURVE, wells, positions, of=NULL_DOSE, founders=NULL_FOUNDERS)
        note("type I, fewer cells at high dose", trend_p(fewer) < LEVEL)
        note("type I, fewer cells, robust error", robust_trend_p(fewer) < LEVEL)
    return {name: 100 * float(np.mean(all_)) for name, all_ in found.items()}


def table(results: dict[tuple[int, int], dict[str, float]]) -> str:
    """As markdown, a column a design."""
    names = list(next(iter(results.values())))
    head = "| | " + " | ".join(f"{w} wells x {p}" for w, p in results) + " |"
    lines = [head, "|---" * (len(results) + 1) + "|"]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{r[name]:.1f}" for r in results.values()) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Grow, draw, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--plates", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lib = library(np.random.default_rng(7))
    for dose in DOSES:
        n = lib.counts[dose][len(DEVIATIONS) // 2].mean(axis=0)
        print(f"{dose} Gy: true fraction {lib.truth(dose):.4f}, {n[0]:.2f} mitoses a founder")
    results = {
        (w, p): study(lib, np.random.default_rng([11, w, p]), w, p, given.plates)
        for w in WELLS
        for p in POSITIONS
    }
    text = table(results)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
