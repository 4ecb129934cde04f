"""How many were right, of how many in the run and in the truth: counts that add up over movies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Of one kind of thing.

    >>> some = Count(right=1, run=2, truth=1) + Count(right=1, run=1, truth=3)
    >>> some.precision, some.recall, round(some.f1, 3)
    (0.6666666666666666, 0.5, 0.571)
    >>> print(Count(run=3).precision, Count(run=3).recall, Count(run=3).f1)    # the truth has none
    0.0 None None
    """

    right: int = 0
    run: int = 0
    truth: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.right + other.right, self.run + other.run, self.truth + other.truth)

    @property
    def precision(self) -> float | None:
        """Right, of those in the run; None if there are none."""
        return self.right / self.run if self.run else None

    @property
    def recall(self) -> float | None:
        """Right, of those in the truth; None if there are none."""
        return self.right / self.truth if self.truth else None

    @property
    def f1(self) -> float | None:
        """Their harmonic mean; None if the truth has none."""
        return 2 * self.right / (self.run + self.truth) if self.truth else None

    def told(self) -> dict[str, float | int | None]:
        """As it is written to evaluation.json."""
        rates = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"right": self.right, "run": self.run, "truth": self.truth} | rates
