"""Events -> how many mitoses of each verdict, as the page, the screen and lineages.csv count them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.schema import Decision, EventType, MitosisClass

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MitosisCounts:
    """How many mitoses of each verdict."""

    normal: int
    abnormal: int
    undecided: int
    rejected: int  # proposals that are no mitoses
    unclassified: int  # of the abnormal, those without a prediction

    @property
    def mitoses(self) -> int:
        """Without rejected proposals."""
        return self.normal + self.abnormal + self.undecided

    @property
    def decided(self) -> int:
        """Those that a fraction is of: normal or abnormal, and with a prediction."""
        return self.normal + self.abnormal - self.unclassified

    @property
    def abnormal_percent(self) -> float | None:
        """Of those decided; None where there are none.

        Without a prediction only what was seen to be abnormal is known, never what is normal.

        >>> MitosisCounts(6, 5, 9, 0, unclassified=3).abnormal_percent
        25.0
        """
        return 100 * (self.abnormal - self.unclassified) / self.decided if self.decided else None

    def __str__(self) -> str:
        """One line for the screen.

        >>> print(MitosisCounts(4, 6, 1, 2, unclassified=0))
        4 normal, 6 abnormal, 1 undecided; rejected proposals: 2
        >>> print(MitosisCounts(0, 0, 0, 0, unclassified=0))
        none
        """
        numbers = ((self.normal, "normal"), (self.abnormal, "abnormal"), (self.undecided, "undecided"))
        found = ", ".join(f"{n} {words}" for n, words in numbers if n) or "none"
        return found + (f"; rejected proposals: {self.rejected}" if self.rejected else "")


def mitoses_of(events: pd.DataFrame) -> pd.DataFrame:
    """The mitoses among the events, rejected proposals included.

    Args:
        events: EVENT_COLUMNS.
    """
    return events[events["event_type"] == EventType.MITOSIS]


def count(mitoses: pd.DataFrame) -> MitosisCounts:
    """Count the rows of `mitoses_of`."""
    n = mitoses["verdict"].value_counts()
    unclassified = mitoses["mitosis_class"] == MitosisClass.UNCLASSIFIED
    return MitosisCounts(
        normal=int(n.get(Decision.NORMAL, 0)),
        abnormal=int(n.get(Decision.ABNORMAL, 0)),
        undecided=int(n.get(Decision.UNDECIDED, 0)),
        rejected=int(n.get(Decision.NOT_A_MITOSIS, 0)),
        unclassified=int((unclassified & (mitoses["verdict"] == Decision.ABNORMAL)).sum()),
    )
