"""Cells of one founder -> how alike relatives are, and what an abnormal mitosis predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import MitosisClass
from pipelines.dose.collect import DIVIDED, ENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

MIN_PAIRS = 4  # of a correlation; and cells of each kind, of a difference of risks
OWN_FUSION_H = 2.0  # daughters that reunite sooner belong to their mother's mitosis, which failed
OUTCOMES = ("death", "fusion", "arrest", "abnormal_exit")
# Measures of wells.csv.
AFTER_MOTHER = "risk_difference_next_generation"
BESIDE_SISTER = "risk_difference_sister"


def outcomes(cells: pd.DataFrame, *, window_h: float) -> pd.Series:
    """The outcome of each cell born in view, within a window after its birth.

    `division`, `abnormal_exit`, `death`, `fusion`, or `arrest` if it was still there undivided; missing where
    that is not known: it was lost sooner, or born so late that the movie ends before the window does. All
    cells born in time count alike, so quick ends are not seen more often than slow ones.
    """
    known = (cells["age_at_exit_h"] <= window_h) & cells["end"].isin(ENDS)
    outcome = cells["end"].where(known).mask(cells["age_at_exit_h"] > window_h, "arrest")
    in_time = cells["entry_h"] + window_h <= cells["to_h"]
    return outcome.where(cells["born_in_view"] & in_time)


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


def relatives(cells: pd.DataFrame, *, window_h: float) -> Iterator[tuple[str, str, float, int]]:
    """(measure, stratum, value, n) of one well's cells.

    Correlations are of log cycle times. What an abnormal mitosis predicts is a difference of risks: after an
    abnormal less after a normal mitosis of the mother; and beside a sister whose own mitosis is abnormal less
    beside one whose is normal.
    """
    divided = cells["end"].isin(DIVIDED) & cells["born_in_view"]
    cells = cells.assign(
        outcome=outcomes(cells, window_h=window_h), log_cycle=np.log(cells["age_at_exit_h"].where(divided))
    )
    sisters, daughters = sisters_of(cells), mothers_of(cells)
    of_sisters = correlation(sisters["log_cycle"], sisters["log_cycle_sister"], twice=True)
    yield "correlation_sisters", "all", *of_sisters
    of_mothers = correlation(daughters["log_cycle_mother"], daughters["log_cycle"])
    yield "correlation_mother_daughter", "all", *of_mothers
    own_fusion = (daughters["outcome"] == "fusion") & (daughters["age_at_exit_h"] <= OWN_FUSION_H)
    later = daughters[~own_fusion]
    yield from _risk_differences(AFTER_MOTHER, later["counted_class_mother"], later["outcome"])
    yield from _risk_differences(BESIDE_SISTER, sisters["counted_class_sister"], sisters["outcome"])


def correlation(x: pd.Series, y: pd.Series, *, twice: bool = False) -> tuple[float, int]:
    """Pearson's correlation, NaN of fewer than MIN_PAIRS pairs; and the number of pairs.

    Args:
        x: (N,), NaN where it is not known.
        y: (N,) likewise.
        twice: each pair stands there in both orders, which makes it the intraclass correlation.
    """
    both = x.notna() & y.notna()
    n = int(both.sum()) // (2 if twice else 1)
    if n < MIN_PAIRS or x[both].std() == 0 or y[both].std() == 0:
        return float("nan"), n
    return float(np.corrcoef(x[both], y[both])[0, 1]), n


def _risk_differences(
    name: str, relative: pd.Series, outcome: pd.Series
) -> Iterator[tuple[str, str, float, int]]:
    """Of each outcome, its share by an abnormal relative less its share by a normal one."""
    known = outcome.notna()
    abnormal = outcome[known & (relative == MitosisClass.ABNORMAL.value)]
    normal = outcome[known & (relative == MitosisClass.NORMAL.value)]
    enough = min(len(abnormal), len(normal)) >= MIN_PAIRS
    for kind in OUTCOMES:
        value = float((abnormal == kind).mean() - (normal == kind).mean()) if enough else float("nan")
        yield name, kind, value, len(abnormal)
