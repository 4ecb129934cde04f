"""Fraction called abnormal -> fraction abnormal, corrected for the errors of the calls.

Rogan & Gladen 1978 (Am J Epidemiol 107:71), with the uncertainty of sensitivity and specificity as Lang &
Reiczigel 2014 (Prev Vet Med 113:13) add it. Abnormal mitoses may be missed or rejected more often than normal
ones: `kept` corrects for that. The kind of an abnormal mitosis is seen and not predicted: shares of kinds are
corrected only for mitoses that were missed or rejected. What a person decided has no errors to be corrected:
it is added to the true mitoses that the others stand for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files

from lineage.schema import MitosisClass
from pipelines.dose.estimates import Estimate
from pipelines.dose.proposals import ALL_PROPOSED, Recall

MIN_YOUDEN = 1.5  # sensitivity + specificity; below it a correction adds more noise than it removes bias
ALL = "all"  # the row of all cell lines together


@dataclass(frozen=True)
class Known:
    """Shares of the judged mitoses whose class is known, since a person decided it."""

    normal: float = 0.0
    abnormal: float = 0.0

    @property
    def share(self) -> float:
        """All of them."""
        return self.normal + self.abnormal

    @property
    def rest(self) -> float:
        """Share of those that are judged by the run's own verdict."""
        rest = 1.0 - self.share
        return rest if rest > 1e-9 else 0.0


NOTHING_KNOWN = Known()


@dataclass(frozen=True)
class Classifier:
    """How mitoses of known class were called, and the source of these counts."""

    normal: tuple[float, float, float]  # truly normal: called normal, called abnormal, none or undecided
    abnormal: tuple[float, float, float]  # truly abnormal: likewise
    source: str
    recall: Recall = ALL_PROPOSED

    @property
    def sensitivity(self) -> float:
        """Share of the truly abnormal that are called abnormal, of those that reach a verdict."""
        return self.abnormal[1] / max(1, self.abnormal[0] + self.abnormal[1])

    @property
    def specificity(self) -> float:
        """Share of the truly normal that are called normal, of those that reach a verdict."""
        return self.normal[0] / max(1, self.normal[0] + self.normal[1])

    @property
    def youden(self) -> float:
        """Sensitivity + specificity: 1 is chance, 2 is perfect."""
        return self.sensitivity + self.specificity

    @property
    def kept(self) -> float:
        """Share of the abnormal mitoses that reach a verdict, over that of the normal ones."""
        kept_normal, kept_abnormal = self._kept()
        return kept_abnormal / kept_normal

    @property
    def usable(self) -> bool:
        """Whether a correction is worth making."""
        return self.youden >= MIN_YOUDEN

    @property
    def relative_error(self) -> float:
        """Standard error of a corrected difference that is due to the clips, as a share of the difference."""
        *errors, of_kept = self._errors()
        return math.hypot(math.hypot(*errors) / (self.youden - 1), of_kept)

    def correct(self, raw: float, known: Known = NOTHING_KNOWN) -> float:
        """The corrected fraction; NaN if no correction is made. Not cut at 0 and 1: that would bias means.

        Args:
            raw: fraction called abnormal, of the mitoses that no person decided.
            known: what a person decided.

        >>> perfect = Classifier((10, 0, 0), (0, 10, 0), "")
        >>> perfect.correct(0.25), Classifier((5, 5, 0), (5, 5, 0), "").correct(0.25)
        (0.25, nan)
        """
        if not self.usable:
            return math.nan
        normal, abnormal = self._true(raw, known)
        return abnormal / (normal + abnormal)

    def correct_kind(
        self,
        share: float,
        raw: float,
        *,
        recall: float,
        known: Known = NOTHING_KNOWN,
        share_known: float = 0.0,
    ) -> float:
        """The corrected share of a kind that was seen to happen.

        Args:
            share: of the judged mitoses that are of this kind.
            raw: fraction called abnormal, of the mitoses that no person decided.
            recall: share of the true mitoses of this kind that are proposed.
            known: what a person decided.
            share_known: of the judged mitoses that are of this kind by a person.
        """
        if not self.usable:
            return math.nan
        reach_a_verdict = self._kept()[1] / self.recall.abnormal
        true = ((share - share_known) / reach_a_verdict + share_known) / recall
        return true / sum(self._true(raw, known))

    def slope(self, raw: float, known: Known = NOTHING_KNOWN) -> float:
        """Derivative of the corrected fraction by the raw one."""
        return self._slopes(raw, known)[0]

    def widen(self, raw: Estimate, known: Known = NOTHING_KNOWN, counted: Estimate | None = None) -> Estimate:
        """The corrected mean of units; its interval has the classifier's uncertainty.

        Sensitivity, specificity and recall are the same for all units, so their errors do not average out:
        the squared half widths of the parts add up, on either side (Zou & Donner 2008, Statist Med 27:1693).

        Args:
            raw: mean of the units' fractions called abnormal, of the mitoses that no person decided.
            known: what a person decided, as a mean of the units.
            counted: mean of the units' fractions as counted; where something is known, how units differ in
                it is taken from this.
        """
        value = self.correct(raw.value, known)
        over_units, *over_clips = self._slopes(raw.value, known)
        parts = [(over_units, raw)] if known.rest else []
        parts += [(known.share, counted)] if counted and known.share else []
        lengths = [(w * (e.value - e.low), w * (e.high - e.value)) for w, e in parts]
        clips = [1.96 * s * e for s, e in zip(over_clips, self._errors(), strict=True)]
        below, above = (math.hypot(sum(side), *clips) for side in zip(*lengths, strict=True))
        first = parts[0][1]
        if not (math.isfinite(value) and math.isfinite(below)):
            return Estimate(value, n=first.n)
        return Estimate(
            value, value - below, value + above, df=first.df, n=first.n, method=f"{first.method}, corrected"
        )

    def _true(self, raw: float, known: Known) -> tuple[float, float]:
        """True mitoses, normal and abnormal, for each one that was judged."""
        q = self._of_judged(raw) if known.rest else 0.0
        kept_normal, kept_abnormal = self._kept()
        return (
            known.rest * (1 - q) / kept_normal + known.normal / self.recall.normal,
            known.rest * q / kept_abnormal + known.abnormal / self.recall.abnormal,
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

    def _slopes(self, raw: float, known: Known) -> tuple[float, float, float, float]:
        """Derivatives of the corrected fraction by the raw one, sensitivity, specificity and ln(kept)."""
        if not known.rest or not self.usable:
            return 0.0, 0.0, 0.0, 0.0
        j = self.youden - 1
        q = self._of_judged(raw)
        kept_normal, kept_abnormal = self._kept()
        normal, abnormal = self._true(raw, known)
        per_true = known.rest / (normal + abnormal) ** 2
        outer = per_true * (normal / kept_abnormal + abnormal / kept_normal)
        return outer / j, -outer * q / j, outer * (1 - q) / j, -per_true * q / kept_abnormal * normal


def out_of_fold(cell_line: str) -> Classifier:
    """Errors of the verdicts on held-out clips of the paper; of a line without clips, those of all lines.

    >>> out_of_fold("U251").usable, out_of_fold("HeLa").source.split(":")[0]
    (True, 'all')
    """
    import pandas as pd

    path = files("pipelines.dose") / "data" / "confusion.csv"
    with path.open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    name = cell_line if cell_line in set(table["cell_line"]) else ALL
    rows = table[table["cell_line"] == name].set_index("true_class")
    called = [f"n_called_{c}" for c in (MitosisClass.NORMAL, MitosisClass.ABNORMAL, MitosisClass.NONE)]
    counts = rows.loc[[MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value], called].to_numpy(int)
    normal, abnormal = ((int(a), int(b), int(c)) for a, b, c in counts)
    n = counts.sum()
    return Classifier(normal, abnormal, f"{name}: {n} of the paper's clips in movies, held out; model-based")
