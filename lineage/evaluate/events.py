"""Mitoses of truth and run -> a row for each true event and each proposal of nothing, and counts on them.

Every mitosis of a run's events.csv that is not rejected is a proposal. A true event is proposed if a proposal
lies within 25 um of it and 3 frames; where nothing separates, within 60 min. Each is used once, nearest
first, by the sum of the two distances, each divided by its limit. Of those that are missed it is told, by
the same rule, which the run had proposed and then rejected as no mitosis.

Abnormal is the positive class. End to end, an abnormal mitosis that was not proposed, or not called
abnormal, is missed; a proposal that is called abnormal and is none, or of a normal mitosis, is a false
alarm. The run's class is its verdict; a proposal that is undecided is not called abnormal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.evaluate.counts import Count
from lineage.evaluate.pairs import nearest_first
from lineage.schema import Decision, MitosisClass
from lineage.tree import near_border

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lineage.evaluate.junctions import Junction

WITHIN_UM = 25.0
WITHIN_FRAMES = 3
WITHIN_MIN_UNSEPARATED = 60.0
UNSEPARATED = ("slippage", "death_in_mitosis")  # and whatever the truth names no daughters of
HARDLY_SEEN = ("lagging_chromatin", "micronuclei")  # of a pixel or three at 1 um a pixel
EDGE_FRAMES = 3
EDGE_UM = 20.0
MISSED, NOTHING = "missed", ""  # in place of the run's class, and of the truth's
UNKNOWN, DIVISION = "unknown", "division"  # class and subtype, where the truth tells of divisions alone
OUTCOME_COLUMNS = (
    "truth_event", "run_event", "frame", "y_px", "x_px", "truth_class", "subtype", "run_class", "p_abnormal",
    "p_none", "at_edge",
)  # fmt: skip


# Also of empty tables, which pandas could not append to others otherwise.
OUTCOME_TYPES = {"truth_event": int, "run_event": int, "frame": int} | dict.fromkeys(
    ("y_px", "x_px", "p_abnormal", "p_none"), float
)


def outcomes(
    truth: pd.DataFrame,
    found: pd.DataFrame,
    *,
    drift_px: np.ndarray,
    shape: tuple[int, int],
    pixel_size_um: float,
    minutes_per_frame: float,
) -> pd.DataFrame:
    """OUTCOME_COLUMNS: the true events in their order, then the proposals of nothing.

    Args:
        truth: `event_id, frame, y_px, x_px, mitosis_class, subtype, daughter_ids`.
        found: every mitosis of the run: `event_id, frame, y_px, x_px, verdict, p_verdict`, and `p_none` where
            the run has it.
        drift_px: (T, 2) of the stage, taken out of both before places are compared.
        shape: (Y, X) of a frame.
        pixel_size_um: side of a pixel.
        minutes_per_frame: interval.

    Returns:
        A missed event has the class `missed`, and `run_event` -1 unless the run rejected it; a proposal
        of nothing has `truth_event` -1 and an empty true class. Place and frame are the truth's where there
        is one. `run_class` is the run's verdict and `p_abnormal` its probability; `p_none`, the classifier's,
        is told of the rejected alone.
    """
    is_none = found["verdict"] == Decision.NOT_A_MITOSIS
    proposals, rejected = found[~is_none], found[is_none]

    def near(some: pd.DataFrame) -> list[tuple[float, int, int]]:
        apart_um = _distances(truth, some, drift_px * pixel_size_um, pixel_size_um)
        apart_frames = np.abs(np.subtract.outer(truth["frame"].to_numpy(int), some["frame"].to_numpy(int)))
        limit = _frames_allowed(truth, minutes_per_frame)[:, None]
        return candidates(apart_um / WITHIN_UM, apart_frames / limit)

    pairs = nearest_first(near(proposals))
    refused = nearest_first(c for c in near(rejected) if c[1] not in pairs)
    rows: list[dict[str, Any]] = [
        {
            "truth_event": true.event_id,
            "frame": true.frame,
            "y_px": true.y_px,
            "x_px": true.x_px,
            "truth_class": true.mitosis_class,
            "subtype": true.subtype,
            "run_event": -1,
            "run_class": MISSED,
        }
        | (_said(proposals.iloc[pairs[i]]) if i in pairs else {})
        | (_refused(rejected.iloc[refused[i]]) if i in refused else {})
        for i, true in enumerate(truth.itertuples())
    ]
    for j in sorted(set(range(len(proposals))) - set(pairs.values())):
        place = {name: proposals[name].iloc[j] for name in ("frame", "y_px", "x_px")}
        nothing = {"truth_event": -1, "truth_class": NOTHING, "subtype": NOTHING}
        rows.append(nothing | place | _said(proposals.iloc[j]))
    table = pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS)).astype(OUTCOME_TYPES)
    table["at_edge"] = near_border(
        table[["y_px", "x_px"]].to_numpy(float), shape, EDGE_UM / pixel_size_um
    ) | ~table["frame"].between(EDGE_FRAMES, len(drift_px) - EDGE_FRAMES - 1)
    return table


def from_divisions(divisions: Sequence[Junction], cells: Callable[[int], np.ndarray]) -> pd.DataFrame:
    """What `outcomes` wants of a truth, where that is divisions alone: of no known class.

    Args:
        divisions: of the truth.
        cells: frame -> (Y, X) cells of the truth.
    """
    rows = []
    for i, division in enumerate(divisions):
        y, x = middle(cells(division.frame), division.after)
        rows.append((i, division.frame, y, x, UNKNOWN, DIVISION, " ".join(map(str, division.after))))
    columns = ("event_id", "frame", "y_px", "x_px", "mitosis_class", "subtype", "daughter_ids")
    return pd.DataFrame(rows, columns=list(columns))


def middle(mask: np.ndarray, cells: Sequence[int]) -> tuple[float, float]:
    """y, x of all pixels of some cells."""
    ys, xs = np.nonzero(np.isin(mask, cells))
    return float(ys.mean()), float(xs.mean())


def candidates(*scaled: np.ndarray) -> list[tuple[float, int, int]]:
    """Sum of the distances, row and column, where every distance is at most 1.

    >>> candidates(np.array([[0.25, 1.5]]), np.array([[0.5, 0.0]]))
    [(0.75, 0, 0)]
    """
    total = np.sum(scaled, axis=0)
    near = np.argwhere(np.all(np.array(scaled) <= 1, axis=0)).tolist()
    return [(float(total[i, j]), i, j) for i, j in near]


def _distances(
    truth: pd.DataFrame, proposals: pd.DataFrame, drift_um: np.ndarray, pixel_size_um: float
) -> np.ndarray:
    """(true, proposed) micrometres on the dish."""
    a, b = (
        table[["y_px", "x_px"]].to_numpy(float) * pixel_size_um
        - drift_um[np.clip(table["frame"].to_numpy(int), 0, len(drift_um) - 1)]
        for table in (truth, proposals)
    )
    return np.hypot(*np.moveaxis(a[:, None] - b[None], 2, 0))


def _frames_allowed(truth: pd.DataFrame, minutes_per_frame: float) -> np.ndarray:
    """(N,) float."""
    unseparated = truth["subtype"].isin(UNSEPARATED) | (truth["daughter_ids"] == "")
    longest = max(WITHIN_FRAMES, WITHIN_MIN_UNSEPARATED / minutes_per_frame)
    return np.where(unseparated, longest, WITHIN_FRAMES)


def _said(proposal: pd.Series) -> dict[str, Any]:
    return {
        "run_event": proposal["event_id"],
        "run_class": proposal["verdict"],
        "p_abnormal": proposal["p_verdict"],
    }


def _refused(event: pd.Series) -> dict[str, Any]:
    return {"run_event": event["event_id"], "p_none": event.get("p_none", np.nan)}


# --- Counts


def is_true(table: pd.DataFrame) -> pd.Series:
    """Rows of true events."""
    return table["truth_class"] != NOTHING


def is_matched(table: pd.DataFrame) -> pd.Series:
    """Rows of true events that were proposed."""
    return is_true(table) & (table["run_class"] != MISSED)


def proposed(table: pd.DataFrame) -> Count:
    """Of all true events."""
    return Count(
        int(is_matched(table).sum()), int((table["run_class"] != MISSED).sum()), int(is_true(table).sum())
    )


def abnormal(table: pd.DataFrame) -> Count:
    """The positive class: end to end for all rows, of the verdict alone for those that are matched."""
    true = table["truth_class"] == MitosisClass.ABNORMAL
    called = table["run_class"] == MitosisClass.ABNORMAL
    return Count(int((true & called).sum()), int(called.sum()), int(true.sum()))


def can_be_seen(table: pd.DataFrame) -> pd.DataFrame:
    """Without the true events of which 1 um a pixel shows next to nothing, whatever they were called."""
    return table[~table["subtype"].isin(HARDLY_SEEN)]


def fraction_abnormal(table: pd.DataFrame) -> tuple[float | None, float | None]:
    """Of the true mitoses, and of the proposals that are decided: what a dose curve would be drawn from."""
    judged = (MitosisClass.NORMAL, MitosisClass.ABNORMAL)
    sides = (
        table.loc[is_true(table), "truth_class"],
        table.loc[table["run_class"].isin(judged), "run_class"],
    )
    true, called = (float((s == MitosisClass.ABNORMAL).mean()) if len(s) else None for s in sides)
    return true, called


def same_class(table: pd.DataFrame) -> Count:
    """Of the proposed true events, those called what they are; its recall is the accuracy."""
    matched = table[is_matched(table)]
    n = len(matched)
    return Count(int((matched["truth_class"] == matched["run_class"]).sum()), n, n)


def by_subtype(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Subtype -> how many there are, and how many were called what; normal first, then by number.

    What the run proposed where there is nothing stands last, under an empty name.
    """
    columns = (Decision.NORMAL, Decision.ABNORMAL, Decision.UNDECIDED, MISSED)
    counts = {
        str(name): {"truth": len(rows) if name != NOTHING else 0}
        | {str(c): int((rows["run_class"] == c).sum()) for c in columns}
        for name, rows in table.groupby("subtype")
    }
    order = sorted(counts, key=lambda s: (s == NOTHING, s != MitosisClass.NORMAL, -counts[s]["truth"], s))
    return {name: counts[name] for name in order}
