"""Fraction called abnormal -> fraction abnormal, corrected for the errors of the calls.

Rogan & Gladen 1978 (Am J Epidemiol 107:71), with the uncertainty of sensitivity and specificity as Lang &
Reiczigel 2014 (Prev Vet Med 113:13) add it. Who proposes a mitosis, and who calls it none, may lose abnormal
mitoses more often than normal ones: `kept` puts that right. What kind an abnormal mitosis is was seen to
happen and is not the classifier's word: of kinds, only what was lost is put right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from lineage.schema import MitosisClass
from pipelines.dose.estimates import Estimate
from pipelines.dose.proposals import ALL_PROPOSED, Recall

LEAST_YOUDEN = 1.5  # sensitivity + specificity; below it a correction magnifies more noise than it removes
ALL = "all"  # the row of all cell lines together


@dataclass(frozen=True)
class Classifier:
    """What a classifier makes of mitoses whose class is known, and where that is known from."""

    normal: tuple[float, float, float]  # truly normal: called normal, abnormal, none or undecided
    abnormal: tuple[float, float, float]  # truly abnormal: likewise
    source: str
    recall: Recall = ALL_PROPOSED

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
        kept_normal, kept_abnormal = self._kept()
        return kept_abnormal / kept_normal

    @property
    def usable(self) -> bool:
        """Whether a correction is worth making."""
        return self.youden >= LEAST_YOUDEN

    @property
    def relative_error(self) -> float:
        """Standard error of a corrected difference that the clips leave, as a share of it."""
        *errors, of_kept = self._errors()
        return math.hypot(math.hypot(*errors) / (self.youden - 1), of_kept)

    def correct(self, raw: float) -> float:
        """The corrected fraction; NaN if no correction is made. Not cut at 0 and 1: that would bias means.

        >>> perfect = Classifier((10, 0, 0), (0, 10, 0), "")
        >>> perfect.correct(0.25), Classifier((5, 5, 0), (5, 5, 0), "").correct(0.25)
        (0.25, nan)
        """
        if not self.usable:
            return math.nan
        q = self._of_judged(raw)
        return q / (q + self.kept * (1 - q))

    def correct_kind(self, share: float, raw: float, *, recall: float) -> float:
        """The corrected share of a kind that was seen to happen.

        Args:
            share: of the judged mitoses that are of this kind.
            raw: of them, the fraction called abnormal.
            recall: share of the true mitoses of this kind that are proposed.
        """
        if not self.usable:
            return math.nan
        q = self._of_judged(raw)
        kept_normal, kept_abnormal = self._kept()
        there = (1 - q) / kept_normal + q / kept_abnormal  # true mitoses, a judged one
        return share * self.recall.abnormal / (kept_abnormal * recall) / there

    def slope(self, raw: float) -> float:
        """Of the corrected fraction over the raw one."""
        return self._slopes(raw)[0]

    def widen(self, raw: Estimate) -> Estimate:
        """The corrected mean of units whose raw mean is `raw`, the classifier's uncertainty in its interval.

        Sensitivity, specificity and recall are the same for all units, so their errors do not average out:
        the squared distances of the parts to either side add up (Zou & Donner 2008, Statist Med 27:1693).
        """
        value = self.correct(raw.value)
        if not (math.isfinite(value) and math.isfinite(raw.low)):
            return Estimate(value, n=raw.n)
        over_units, *over_clips = self._slopes(raw.value)
        clips = [1.96 * s * e for s, e in zip(over_clips, self._errors(), strict=True)]
        below, above = (
            math.hypot(over_units * apart, *clips) for apart in (raw.value - raw.low, raw.high - raw.value)
        )
        return Estimate(
            value, value - below, value + above, df=raw.df, n=raw.n, method=f"{raw.method}, corrected"
        )

    def _of_judged(self, raw: float) -> float:
        """Truly abnormal, of those that reached a verdict."""
        return (raw + self.specificity - 1) / (self.youden - 1)

    def _kept(self) -> tuple[float, float]:
        """Share of the truly normal, abnormal mitoses that reach a verdict."""
        normal, abnormal = (1 - n[2] / max(1, sum(n)) for n in (self.normal, self.abnormal))
        return self.recall.normal * normal, self.recall.abnormal * abnormal

    def _errors(self) -> tuple[float, float, float]:
        """Standard errors of sensitivity and specificity, one success and one failure added; of ln(kept)."""
        found = []
        for hit, miss in ((self.abnormal[1], self.abnormal[0]), (self.normal[0], self.normal[1])):
            share = (hit + 1) / (hit + miss + 2)
            found.append(math.sqrt(share * (1 - share) / max(1, hit + miss)))
        lost = [n[2] / max(1, sum(n)) / max(1, sum(n) - n[2]) for n in (self.normal, self.abnormal)]
        return found[0], found[1], math.sqrt(self.recall.error**2 + sum(lost))

    def _slopes(self, raw: float) -> tuple[float, float, float, float]:
        """Of the corrected fraction, over the raw one, sensitivity, specificity and ln(kept)."""
        j = self.youden - 1
        q = self._of_judged(raw)
        below = (q + self.kept * (1 - q)) ** 2
        outer = self.kept / below
        return outer / j, -outer * q / j, outer * (1 - q) / j, -outer * q * (1 - q)


def out_of_fold(cell_line: str) -> Classifier:
    """The verdicts, by the paper's clips in movies that they had not seen; all, of a line that is not there.

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
        f"{name}: {sum(normal) + sum(abnormal)} of the paper's clips in movies, held out; model-based",
    )


_CALLED = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value, MitosisClass.NONE.value)
