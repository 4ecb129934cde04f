"""Tests of a trend over dose, compared: `python benchmarks/trend_tests.py [--plates 1500]`.

On the plates of `benchmarks/intervals.py`: how often each finds a trend where there is none (as many cells at
all doses; fewer at high dose), and where there is a small one (0, 1, 2 Gy). Percent of plates at p < 0.05.
"""

from __future__ import annotations

import argparse

import numpy as np
from intervals import CURVE, LEVEL, NULL_DOSE, NULL_FOUNDERS, POSITIONS, SMALL, WELLS, by_dose, library, made
from scipy.special import stdtr
from scipy.stats import linregress

from pipelines.dose.estimates import slope
from pipelines.dose.shares import Shares


def dispersion(x: np.ndarray, y: np.ndarray, n: np.ndarray) -> float:
    """The one that is used: one dispersion for all doses."""
    return Shares.of(x, y, n).slope().p


def robust(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> float:
    """HC2, Bell-McCaffrey."""
    return slope(x, y).p


def plain(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> float:
    """Least squares, t(n - 2)."""
    return float(linregress(x, y).pvalue)


def arcsine(x: np.ndarray, y: np.ndarray, n: np.ndarray) -> float:
    """Plain, on arcsine square roots."""
    return plain(x, np.arcsin(np.sqrt(y)), n)


def permuted(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> float:
    """Robust, its t compared with those of 999 plates whose wells are dealt out anew."""
    rng = np.random.default_rng(1)
    dealt = np.vstack([y, rng.permuted(np.tile(y, (999, 1)), axis=1)])
    design = np.column_stack([np.ones(len(x)), x])
    map_ = np.linalg.pinv(design)
    hat = design @ map_
    weight = map_[1] / np.sqrt(1 - np.diag(hat))
    t = np.abs(dealt @ map_[1]) / np.sqrt((((dealt - dealt @ hat) * weight) ** 2).sum(axis=1))
    return float((t >= t[0] - 1e-9).mean())


def by_means(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> float:
    """The slope as a contrast of dose means, each dose with its own variance (Satterthwaite)."""
    centred = x - x.mean()
    weight = centred / (centred**2).sum()
    terms, squares = [], []
    for dose in np.unique(x):
        mine = x == dose
        n = int(mine.sum())
        terms.append((n * weight[mine][0]) ** 2 * y[mine].var(ddof=1) / n)
        squares.append(terms[-1] ** 2 / (n - 1))
    df = sum(terms) ** 2 / sum(squares)
    return 2 * float(stdtr(df, -abs(float(weight @ y)) / np.sqrt(sum(terms))))


def hc3(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> float:
    """HC3, t(n - 2)."""
    design = np.column_stack([np.ones(len(x)), x])
    map_ = np.linalg.pinv(design)
    hat = design @ map_
    se = np.sqrt(((map_[1] * (y - hat @ y) / (1 - np.diag(hat))) ** 2).sum())
    return 2 * float(stdtr(len(x) - 2, -abs(float(map_[1] @ y)) / se))


TESTS = {
    "one dispersion": dispersion,
    "HC2, Bell-McCaffrey": robust,
    "HC2, permuted": permuted,
    "plain": plain,
    "arcsine": arcsine,
    "dose means": by_means,
    "HC3": hc3,
}


def main() -> None:
    """Draw, test, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--plates", type=int, default=1500)
    plates = parser.parse_args().plates
    lib = library(np.random.default_rng(7))
    print("| wells x positions | plates | " + " | ".join(TESTS) + " |\n" + "|---" * (len(TESTS) + 2) + "|")
    for wells in WELLS:
        for positions in POSITIONS:
            rng = np.random.default_rng([3, wells, positions])
            for name, doses, options in (
                ("no effect", CURVE, {"of": NULL_DOSE}),
                ("no effect, fewer cells", CURVE, {"of": NULL_DOSE, "founders": NULL_FOUNDERS}),
                ("0, 1, 2 Gy", SMALL, {}),
            ):
                drawn = [by_dose(made(lib, rng, doses, wells, positions, **options)) for _ in range(plates)]
                shares = [100 * np.mean([test(*plate) < LEVEL for plate in drawn]) for test in TESTS.values()]
                figures = " | ".join(f"{share:.1f}" for share in shares)
                print(f"| {wells} x {positions} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
