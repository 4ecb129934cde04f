"""Events -> how many mitoses of each class, as the page, the screen and lineages.csv count them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineage.schema import EventType, MitosisClass, counted_class

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MitosisCounts:
    """How many mitoses of each class; what was seen to be abnormal is, whatever the classifier says."""

    normal: int
    abnormal: int
    unclassified: int
    rejected: int  # proposals that are no mitoses
    called_normal: int  # of the abnormal, those that the classifier calls normal
    not_classified: int  # of the abnormal, those without a prediction of normal or abnormal

    @property
    def mitoses(self) -> int:
        """Without rejected proposals."""
        return self.normal + self.abnormal + self.unclassified

    @property
    def classified(self) -> int:
        """Those that the classifier calls normal or abnormal."""
        return self.normal + self.abnormal - self.not_classified

    @property
    def abnormal_percent(self) -> float | None:
        """Of those classified; None where there are none.

        Of mitoses without a prediction only what was seen to be abnormal is known, never what is normal.
        """
        abnormal = self.abnormal - self.not_classified
        return 100 * abnormal / self.classified if self.classified else None

    @property
    def otherwise(self) -> str:
        """How the classifier differs on the abnormal ones; empty where it does not.

        >>> MitosisCounts(4, 6, 0, 0, called_normal=2, not_classified=1).otherwise
        '2 of them called normal by the classifier, 1 of them not classified'
        """
        numbers = (
            (self.called_normal, "called normal by the classifier"), (self.not_classified, "not classified"),
        )  # fmt: skip
        return ", ".join(f"{n} of them {words}" for n, words in numbers if n)

    def __str__(self) -> str:
        """One line for the screen.

        >>> print(MitosisCounts(4, 6, 0, 2, called_normal=2, not_classified=0))
        4 normal, 6 abnormal (2 of them called normal by the classifier); rejected proposals: 2
        >>> print(MitosisCounts(0, 0, 0, 0, called_normal=0, not_classified=0))
        none
        """
        abnormal = f"abnormal ({self.otherwise})" if self.otherwise else "abnormal"
        numbers = ((self.normal, "normal"), (self.abnormal, abnormal), (self.unclassified, "unclassified"))
        found = ", ".join(f"{n} {words}" for n, words in numbers if n) or "none"
        return found + (f"; rejected proposals: {self.rejected}" if self.rejected else "")


def with_class(events: pd.DataFrame) -> pd.DataFrame:
    """The mitoses among the events, with the class each is `counted` under; rejected proposals included.

    Args:
        events: EVENT_COLUMNS.
    """
    mitoses = events[events["event_type"] == EventType.MITOSIS]
    pairs = zip(mitoses["mitosis_class"], mitoses["subtype"], strict=True)
    return mitoses.assign(counted=[counted_class(*pair).value for pair in pairs])


def count(mitoses: pd.DataFrame) -> MitosisCounts:
    """Count the rows of `with_class`."""
    n = mitoses["counted"].value_counts()
    seen = mitoses.loc[mitoses["counted"] == MitosisClass.ABNORMAL, "mitosis_class"].value_counts()
    return MitosisCounts(
        normal=int(n.get(MitosisClass.NORMAL, 0)),
        abnormal=int(n.get(MitosisClass.ABNORMAL, 0)),
        unclassified=int(n.get(MitosisClass.UNCLASSIFIED, 0)),
        rejected=int(n.get(MitosisClass.NONE, 0)),
        called_normal=int(seen.get(MitosisClass.NORMAL, 0)),
        not_classified=int(seen.get(MitosisClass.UNCLASSIFIED, 0)),
    )
