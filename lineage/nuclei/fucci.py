"""Measured nuclei with two FUCCI channels -> the phase of the cell cycle of each.

The first reporter (hCdt1) is bright in G1, the second (geminin) in S, G2 and M. Which nuclei are bright is
read from the movie itself, by Otsu's threshold on logarithms. A nucleus in which neither shows has no phase:
it may have been born an hour ago, and it may lack the reporters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import CyclePhase

if TYPE_CHECKING:
    import pandas as pd

    from lineage.nuclei.signals import Signals

MIN_NUCLEI = 30  # of fewer no threshold is read
RANGE = 50.0  # what is darker than the brightest nuclei by this is dark, however dark it is
BRIGHTEST = 0.99  # quantile that stands for the brightest nuclei
NOISE_TIMES = 1.0  # what is darker than so much of the noise is dark as well
MIN_BRIGHTEST = 8.0  # times the noise: darker brightest nuclei are no signal
# The share of the variance that lies between the two classes: 0.64 if there is one normal population, 0.75 if
# all values are equally frequent, more if there are two.
MIN_BETWEEN = 0.75
MIN_FOLD = 3.0  # times: by how much the means of the two classes differ
_BINS = 256


@dataclass(frozen=True)
class Threshold:
    """The grey level above the background from which on nuclei are bright; None if it cannot be told."""

    level: float | None
    because: str = ""  # why it cannot be told


def with_phases(
    nuclei: pd.DataFrame, signals: Signals, *, told_by: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Add the column `phase` where two FUCCI channels are measured.

    Args:
        nuclei: of all frames, unless `told_by` is given.
        signals: what is measured.
        told_by: the nuclei of all frames, from which thresholds are read; `nuclei` themselves if None.

    Returns:
        The table; `phase` is S/G2/M where the second channel is bright, else G1 where the first is, else
        empty. Sentences for the record, and warnings: where a threshold cannot be told all phases are empty.
    """
    if signals.fucci is None:
        return nuclei, [], []
    everyone = nuclei if told_by is None else told_by
    found = [threshold(everyone[f"{name}_mean"].to_numpy(float)) for name in signals.fucci]
    levels = [nuclei[f"{name}_mean"].to_numpy(float) for name in signals.fucci]
    unknown = [
        f"FUCCI: no threshold for {name}: {t.because}; no nucleus has a phase"
        for name, t in zip(signals.fucci, found, strict=True)
        if t.level is None
    ]
    if unknown:
        return nuclei.assign(phase=""), [], unknown
    in_g1, after = (values >= t.level for values, t in zip(levels, found, strict=True))
    phase = np.select([after, in_g1], [CyclePhase.S_G2_M.value, CyclePhase.G1.value], "")
    words = " and ".join(
        f"{t.level:.3g} grey levels above the background in {name}"
        for name, t in zip(signals.fucci, found, strict=True)
    )
    return nuclei.assign(phase=phase), [f"FUCCI: nuclei are bright from {words} on"], []


def threshold(values: np.ndarray) -> Threshold:
    """Otsu's threshold on logarithms.

    Args:
        values: (N,) grey levels above the background.

    Returns:
        None where there are few nuclei, or no two populations.

    Source: Otsu 1979, IEEE Trans Syst Man Cybern 9:62.

    >>> rng = np.random.default_rng(0)
    >>> threshold(rng.normal(0, 1, 500)).because
    'no nucleus is brighter than its surroundings'
    """
    values = values[np.isfinite(values)]
    if len(values) < MIN_NUCLEI:
        return Threshold(None, f"{len(values)} nuclei are measured, and {MIN_NUCLEI} are wanted")
    brightest = float(np.quantile(values, BRIGHTEST))
    # Dark nuclei scatter around the background, so those below it show how far.
    noise = float(np.sqrt(np.mean(values[values < 0] ** 2))) if (values < 0).any() else 0.0
    if brightest <= MIN_BRIGHTEST * noise:
        return Threshold(None, "no nucleus is brighter than its surroundings")
    logs = np.log(np.maximum(values, max(brightest / RANGE, NOISE_TIMES * noise)))
    counts, edges = np.histogram(logs, _BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = len(logs) - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_above - mean_below) ** 2 / len(logs) ** 2
    # Where nothing lies between two populations many thresholds are equally good: the middle one is taken.
    best = int(np.mean(np.flatnonzero(between >= between.max() * (1 - 1e-9))))
    share = between[best] / max(float(logs.var()), 1e-12)
    if share < MIN_BETWEEN or mean_above[best] - mean_below[best] < np.log(MIN_FOLD):
        return Threshold(None, "its brightness shows no two populations")
    return Threshold(float(np.exp(edges[best + 1])))
