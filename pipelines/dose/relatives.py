"""Cells of families -> how alike kin are, and what an abnormal mitosis foretells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import MitosisClass

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

LEAST_PAIRS = 4  # of a correlation; and cells of each kind, of a difference of risks
OWN_FUSION_H = 2.0  # daughters that reunite sooner belong to their mother's mitosis, which failed
OUTCOMES = ("death", "fusion", "arrest", "abnormal_exit")


def outcomes(cells: pd.DataFrame, *, window_h: float) -> pd.Series:
    """What each cell born in view came to within a window after its birth.

    `division`, `abnormal_exit`, `death`, `fusion`, or `arrest` if it was still there undivided; missing where
    that is not known: it was lost sooner, or born so late that the movie ends before the window does. All
    cells born in time count alike, so quick ends are not seen more often than slow ones.
    """
    ends = ("division", "abnormal_exit", "death", "fusion")
    within = cells["age_at_exit_h"] <= window_h
    known = within & cells["end"].isin(ends)
    result = cells["end"].where(known)
    result = result.mask((cells["age_at_exit_h"] > window_h), "arrest")
    in_time = cells["entry_h"] + window_h <= cells["to_h"]
    return result.where(cells["born_in_view"] & in_time)


def mothers_of(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a cell born in view: its columns, and its mother's with `_mother` behind the name."""
    born = cells[cells["born_in_view"]].copy()
    born["mother_id"] = born["parent_ids"].astype(int)
    return born.merge(
        cells, left_on=["movie", "mother_id"], right_on=["movie", "tracklet_id"], suffixes=("", "_mother")
    )


def sisters_of(cells: pd.DataFrame) -> pd.DataFrame:
    """One row an ordered pair of sisters (each pair twice), the other's columns with `_sister`."""
    born = cells[cells["born_in_view"]]
    pairs = born.merge(born, on=["movie", "parent_ids"], suffixes=("", "_sister"))
    return pairs[pairs["tracklet_id"] != pairs["tracklet_id_sister"]]


def kin(cells: pd.DataFrame, *, window_h: float) -> Iterator[tuple[str, str, float, int]]:
    """(measure, stratum, value, n) of one well's cells.

    Correlations are of log cycle times. What an abnormal mitosis foretells is a difference of risks: after an
    abnormal less after a normal mitosis of the mother; and beside a sister whose own mitosis is abnormal less
    beside one whose is normal.
    """
    told = cells.assign(outcome=outcomes(cells, window_h=window_h))
    cycle = np.log(
        told["age_at_exit_h"].where(told["end"].isin(("division", "abnormal_exit")) & told["born_in_view"])
    )
    told = told.assign(log_cycle=cycle)
    sisters, families = sisters_of(told), mothers_of(told)
    yield (
        "correlation_sisters",
        "all",
        *correlation(sisters["log_cycle"], sisters["log_cycle_sister"], twice=True),
    )
    yield (
        "correlation_mother_daughter",
        "all",
        *correlation(families["log_cycle_mother"], families["log_cycle"]),
    )
    whole = families[~((families["outcome"] == "fusion") & (families["age_at_exit_h"] <= OWN_FUSION_H))]
    yield from _foretold("next_generation", whole["counted_class_mother"], whole["outcome"])
    yield from _foretold("sister", sisters["counted_class_sister"], sisters["outcome"])


def correlation(x: pd.Series, y: pd.Series, *, twice: bool = False) -> tuple[float, int]:
    """Pearson's, and of how many pairs; ordered pairs that stand there `twice` make it the intraclass one."""
    both = x.notna() & y.notna()
    n = int(both.sum()) // (2 if twice else 1)
    if n < LEAST_PAIRS or x[both].std() == 0 or y[both].std() == 0:
        return float("nan"), n
    return float(np.corrcoef(x[both], y[both])[0, 1]), n


def _foretold(name: str, cause: pd.Series, outcome: pd.Series) -> Iterator[tuple[str, str, float, int]]:
    known = outcome.notna()
    after = {
        kind: outcome[known & (cause == kind)]
        for kind in (MitosisClass.ABNORMAL.value, MitosisClass.NORMAL.value)
    }
    bad, good = after.values()
    n = len(bad)
    for what in OUTCOMES:
        enough = min(len(bad), len(good)) >= LEAST_PAIRS
        value = float((bad == what).mean() - (good == what).mean()) if enough else float("nan")
        yield f"foretold_{name}", what, value, n
