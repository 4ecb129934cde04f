"""Fraction called abnormal -> fraction abnormal, corrected for the classifier's errors.

Rogan & Gladen 1978 (Am J Epidemiol 107:71), with the uncertainty of sensitivity and specificity as Lang &
Reiczigel 2014 (Prev Vet Med 113:13) add it. Who proposes a mitosis, and who calls it none, may lose abnormal
mitoses more often than normal ones: `kept` puts that right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from lineage.schema import MitosisClass
from pipelines.dose.estimates import Estimate

LEAST_YOUDEN = 1.5  # sensitivity + specificity; below it a correction magnifies more noise than it removes
ALL = "all"  # the row of all cell lines together


@dataclass(frozen=True)
class Classifier:
    """What a classifier makes of mitoses whose class is known, and where that is known from."""

    normal: tuple[float, float, float]  # truly normal: called normal, abnormal, none
    abnormal: tuple[float, float, float]  # truly abnormal: likewise
    source: str
    recall: tuple[float, float] = (1.0, 1.0)  # share of true normal, abnormal mitoses that are proposed

    @property
    def sensitivity(self) -> float:
        """Share of the truly abnormal called so, of those called a mitosis."""
        return self.abnormal[1] / max(1, self.abnormal[0] + self.abnormal[1])

    @property
    def specificity(self) -> float:
        """Share of the truly normal called so, likewise."""
        return self.normal[0] / max(1, self.normal[0] + self.normal[1])

    @property
    def youden(self) -> float:
        """Sensitivity + specificity: 1 is a coin, 2 is perfect."""
        return self.sensitivity + self.specificity

    @property
    def kept(self) -> float:
        """How much more of the abnormal than of the normal mitoses reach a verdict: 1 if as many."""
        share = [
            r * (1 - n[2] / max(1, sum(n)))
            for r, n in zip(self.recall, (self.normal, self.abnormal), strict=True)
        ]
        return share[1] / share[0]

    @property
    def usable(self) -> bool:
        """Whether a correction is worth making."""
        return self.youden >= LEAST_YOUDEN

    @property
    def relative_error(self) -> float:
        """Standard error of a corrected difference that the clips leave, as a share of it."""
        return math.hypot(*self._errors()) / (self.youden - 1)

    def correct(self, raw: float) -> float:
        """The corrected fraction; NaN if no correction is made. Not cut at 0 and 1: that would bias means.

        >>> perfect = Classifier((10, 0, 0), (0, 10, 0), "")
        >>> perfect.correct(0.25), Classifier((5, 5, 0), (5, 5, 0), "").correct(0.25)
        (0.25, nan)
        """
        if not self.usable:
            return math.nan
        q = (raw + self.specificity - 1) / (self.youden - 1)
        return q / (q + self.kept * (1 - q))

    def widen(self, raw: Estimate) -> Estimate:
        """The corrected mean of units whose raw mean is `raw`, the classifier's uncertainty in its interval.

        Sensitivity and specificity are the same for all units, so their error does not average out: the
        squared half widths of the three parts add up.
        """
        value = self.correct(raw.value)
        if not (math.isfinite(value) and math.isfinite(raw.low)):
            return Estimate(value, n=raw.n)
        over_units, *over_clips = self._slopes(raw.value)
        units = 0.5 * (raw.high - raw.low) * over_units
        clips = [1.96 * s * e for s, e in zip(over_clips, self._errors(), strict=True)]
        half = math.hypot(units, *clips)
        return Estimate(
            value, value - half, value + half, df=raw.df, n=raw.n, method=f"{raw.method}, corrected"
        )

    def _errors(self) -> tuple[float, float]:
        """Standard errors of sensitivity and specificity, one success and one failure added each."""
        found = []
        for hit, miss in ((self.abnormal[1], self.abnormal[0]), (self.normal[0], self.normal[1])):
            share = (hit + 1) / (hit + miss + 2)
            found.append(math.sqrt(share * (1 - share) / max(1, hit + miss)))
        return found[0], found[1]

    def _slopes(self, raw: float) -> tuple[float, float, float]:
        """Of the corrected fraction, over the raw one, sensitivity and specificity."""
        j = self.youden - 1
        q = (raw + self.specificity - 1) / j
        outer = self.kept / (q + self.kept * (1 - q)) ** 2
        return outer / j, -outer * q / j, outer * (1 - q) / j


def out_of_fold(cell_line: str) -> Classifier:
    """The bundled classifier, by the paper's clips that it had not seen; all, of a line that is not there.

    >>> out_of_fold("U251").usable, out_of_fold("HeLa").source.split(":")[0]
    (True, 'all')
    """
    import pandas as pd

    path = files("pipelines.dose") / "data" / "confusion.csv"
    with path.open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    name = cell_line if cell_line in set(table["cell_line"]) else ALL
    rows = table[table["cell_line"] == name].set_index("true_class")
    counts = {
        c: tuple(int(n) for n in np.asarray(rows.loc[c, [f"n_called_{m}" for m in _CALLED]]))
        for c in (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value)
    }
    normal, abnormal = counts["normal"], counts["abnormal"]
    return Classifier(
        (normal[0], normal[1], normal[2]),
        (abnormal[0], abnormal[1], abnormal[2]),
        f"{name}: {sum(normal) + sum(abnormal)} of the paper's clips, held out; model-based",
    )


_CALLED = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value, MitosisClass.NONE.value)
