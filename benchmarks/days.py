"""What comparing within days gains: `python benchmarks/days.py [--plates 4000]`.

Three days of 0, 2, 4 and 8 Gy, one unit each of 100 mitoses, 12 % abnormal without dose. Days differ in their
log odds by so much; percent of plates whose trend is found at p < 0.05, with days as blocks and without.
"""

from __future__ import annotations

import argparse

import numpy as np

from pipelines.dose.shares import Shares

AT, DAY = np.repeat([0, 2, 4, 8], 3), np.tile([0, 1, 2], 4)
MITOSES, LOG_ODDS = 100, -2.0
LEVEL = 0.05


def found(
    rng: np.random.Generator, plates: int, *, between_days: float, per_gy: float
) -> tuple[float, float]:
    """Percent of plates, with days as blocks and without."""
    shift = between_days * rng.standard_normal((plates, 3))[:, DAY]
    share = 1 / (1 + np.exp(-LOG_ODDS - per_gy * AT - shift))
    n = np.full(len(AT), MITOSES)
    drawn = rng.binomial(MITOSES, share) / MITOSES
    blocked, plain = ([Shares.of(AT, y, n, day).slope().p < LEVEL for y in drawn] for day in (DAY, None))
    return 100 * float(np.mean(blocked)), 100 * float(np.mean(plain))


def main() -> None:
    """Draw, test, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--plates", type=int, default=4000)
    plates = parser.parse_args().plates
    rng = np.random.default_rng(15)
    print("| log odds between days | effect, log odds a gray | days as blocks | without |\n|---|---|---|---|")
    for per_gy in (0.0, 0.06):
        for between_days in (0.0, 0.3, 0.6):
            one, other = found(rng, plates, between_days=between_days, per_gy=per_gy)
            print(f"| {between_days:g} | {per_gy:g} | {one:.1f} | {other:.1f} |")


if __name__ == "__main__":
    main()
