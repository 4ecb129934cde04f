"""How often mitoses of each kind are proposed at all, on simulated movies: data/proposals.csv.

`python benchmarks/proposals.py` counts them. Some kinds are rare there, so kinds are grouped by what a
proposal rests on: whether chromatin separates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING

from lineage.schema import Subtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEVER_SEPARATE = (Subtype.SLIPPAGE, Subtype.DEATH_IN_MITOSIS)


class Group(StrEnum):
    """Kinds that are proposed about as often as each other."""

    NORMAL = "normal"
    SEPARATES = "abnormal, separates"
    NEVER = "never separates"

    @classmethod
    def of(cls, subtype: str) -> Group:
        """The group of a kind, as events.csv names it.

        >>> Group.of("tripolar").value, Group.of("slippage").value
        ('abnormal, separates', 'never separates')
        """
        if subtype == Subtype.NORMAL:
            return cls.NORMAL
        return cls.NEVER if subtype in NEVER_SEPARATE else cls.SEPARATES


@dataclass(frozen=True)
class Recall:
    """Share of the true mitoses that are proposed."""

    normal: float = 1.0
    abnormal: float = 1.0
    error: float = 0.0  # standard error of the logarithm of abnormal / normal


ALL_PROPOSED = Recall()


@dataclass(frozen=True)
class Proposals:
    """Counts of true mitoses, and of those that were proposed."""

    counts: Mapping[Group, tuple[int, int]]

    def of(self, group: Group) -> float:
        """Share of the true mitoses of a group that is proposed."""
        true, proposed = self.counts[group]
        return proposed / true

    def relative_variance(self, group: Group) -> float:
        """Squared relative error of that share, one success and one failure added."""
        true, proposed = self.counts[group]
        share = (proposed + 1) / (true + 2)
        return (1 - share) / (share * true)

    def recall(self, abnormal: Iterable[str]) -> Recall:
        """Recall where the kinds are mixed as in these mitoses.

        Args:
            abnormal: subtypes of the abnormal mitoses of a plate; if there are none, one that separates.
        """
        groups = [Group.of(kind) for kind in abnormal] or [Group.SEPARATES]
        true = {group: groups.count(group) / self.of(group) for group in set(groups)}
        total = sum(true.values())
        variance = self.relative_variance(Group.NORMAL)
        variance += sum((n / total) ** 2 * self.relative_variance(group) for group, n in true.items())
        return Recall(self.of(Group.NORMAL), len(groups) / total, math.sqrt(variance))


def measured() -> Proposals:
    """Counts of simulated movies."""
    import pandas as pd

    path = files("pipelines.dose") / "data" / "proposals.csv"
    with path.open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    sums = table.groupby(table["subtype"].map(Group.of))[["n_true", "n_proposed"]].sum()
    return Proposals(
        {
            Group(name): (int(true), int(proposed))
            for name, true, proposed in zip(sums.index, sums["n_true"], sums["n_proposed"], strict=True)
        }
    )
