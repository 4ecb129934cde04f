"""Outcomes -> the mistakes, worst first.

Worst are abnormal mitoses that were missed, among them those that the run rejected as no mitosis; then wrong
classes, the surest first; then abnormal mitoses that are undecided; then proposals of nothing, those
called abnormal first; then normal mitoses that were missed. A normal one that is undecided is not
called abnormal, which is right. Where the truth tells of no events, the mistakes are the divisions that were
missed, or are false, within one frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.evaluate.events import (
    MISSED,
    NOTHING,
    OUTCOME_COLUMNS,
    OUTCOME_TYPES,
    is_matched,
    is_true,
    middle,
)
from lineage.evaluate.junctions import assign
from lineage.schema import DECIDED, Decision, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from lineage.evaluate.junctions import Junction
    from lineage.evaluate.match import Matches

MISSED_ABNORMAL, WRONG_CLASS, UNDECIDED = "missed abnormal", "wrong class", "undecided"
FALSE_PROPOSAL, MISSED_NORMAL = "false proposal", "missed normal"
MISSED_DIVISION, FALSE_DIVISION = "missed division", "false division"
EVENT_KINDS = (MISSED_ABNORMAL, WRONG_CLASS, UNDECIDED, FALSE_PROPOSAL, MISSED_NORMAL)  # worst first
KINDS = (*EVENT_KINDS, MISSED_DIVISION, FALSE_DIVISION)
DIVISION_TOLERANCE = 1  # frames
MISTAKE_COLUMNS = (*OUTCOME_COLUMNS, "movie", "kind", "words")


def mistakes(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The rows that are mistakes, worst first: MISTAKE_COLUMNS.

    Args:
        outcomes: OUTCOME_COLUMNS and `movie`.
    """
    judged = (MitosisClass.NORMAL, MitosisClass.ABNORMAL)
    missed = is_true(outcomes) & (outcomes["run_class"] == MISSED)
    abnormal = outcomes["truth_class"] == MitosisClass.ABNORMAL
    wrong = (
        is_matched(outcomes)
        & outcomes["run_class"].isin(judged)
        & (outcomes["truth_class"] != outcomes["run_class"])
    )
    undecided = abnormal & (outcomes["run_class"] == Decision.UNDECIDED)
    nothing = outcomes["truth_class"] == NOTHING
    kind = np.select([missed & abnormal, wrong, undecided, nothing, missed], [*EVENT_KINDS], default="")
    p = outcomes["p_abnormal"].fillna(DECIDED)
    table = outcomes.assign(
        kind=kind,
        words=[_words(row) for row in outcomes.to_dict("records")],
        rank=[KINDS.index(k) if k else len(KINDS) for k in kind],
        # A false proposal is worse the more abnormal it was called; a wrong class the surer it was.
        sure=np.where(kind == FALSE_PROPOSAL, p, (p - DECIDED).abs()),
    )
    found = table[table["kind"] != ""].sort_values(
        ["rank", "sure", "movie", "frame"], ascending=[True, False, True, True], kind="stable"
    )
    return found[list(MISTAKE_COLUMNS)]


def _words(row: Mapping[Any, Any]) -> str:
    """What went wrong.

    >>> slippage = {"truth_class": "abnormal", "subtype": "slippage", "run_class": "missed"}
    >>> _words(slippage | {"run_event": -1}), _words(slippage | {"run_event": 7, "p_none": 0.875})
    ('slippage, missed', 'slippage, rejected as no mitosis, p(none) 0.88')
    """
    subtype = str(row["subtype"]).replace("_", " ") if row["truth_class"] != NOTHING else "nothing"
    if row["run_class"] == Decision.UNDECIDED:
        return f"{subtype}, undecided"
    if row["run_class"] != MISSED:
        return f"{subtype}, called {row['run_class']}"
    if row["run_event"] < 0:
        return f"{subtype}, missed"
    p = "" if np.isnan(row["p_none"]) else f", p(none) {row['p_none']:.2f}"
    return f"{subtype}, rejected as no mitosis{p}"


def wrong_divisions(
    true: Sequence[Junction],
    found: Sequence[Junction],
    matches: Matches,
    *,
    true_mask: Callable[[int], np.ndarray],
    run_mask: Callable[[int], np.ndarray],
    event_of: Mapping[int, int],
) -> pd.DataFrame:
    """Divisions that were missed, then those that are false, in order of frame: MISTAKE_COLUMNS.

    Args:
        true: of the truth.
        found: of the run.
        matches: of all frames.
        true_mask: frame -> (Y, X) cells of the truth.
        run_mask: frame -> (Y, X) cells of the run.
        event_of: mother -> the run's event, for its film.
    """
    import pandas as pd

    pairs = assign(true, found, matches, tolerance=DIVISION_TOLERANCE)
    missed = [j for i, j in enumerate(true) if i not in pairs]
    false = [j for i, j in enumerate(found) if i not in set(pairs.values())]
    rows = []
    for kind, junctions, mask, said in (
        (MISSED_DIVISION, missed, true_mask, "missed"),
        (FALSE_DIVISION, false, run_mask, "false"),
    ):
        for junction in junctions:
            y, x = middle(mask(junction.frame), junction.after)
            rows.append(
                {
                    "truth_event": -1,
                    "truth_class": NOTHING,
                    "subtype": NOTHING,
                    "run_class": NOTHING,
                    "run_event": event_of.get(junction.before[0], -1) if kind == FALSE_DIVISION else -1,
                    "frame": junction.frame,
                    "y_px": y,
                    "x_px": x,
                    "p_abnormal": float("nan"),
                    "p_none": float("nan"),
                    "at_edge": False,
                    "movie": 0,
                    "kind": kind,
                    "words": f"{said} division into {len(junction.after)}",
                }
            )
    table = pd.DataFrame(rows, columns=list(MISTAKE_COLUMNS))
    return table.astype(OUTCOME_TYPES | {"at_edge": bool, "movie": int})
