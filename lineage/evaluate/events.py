"""Mitoses of truth and run -> one row for each true event and each false proposal, and counts on these rows.

Every mitosis of a run's events.csv that is not rejected is a proposal. A true event is proposed if a proposal
lies within 25 um of it and 3 frames; where nothing separates, within 60 min. Each is used once, nearest
first, by the sum of the two distances, each divided by its limit. Of the missed events, those are marked, by
the same rule, that the run had proposed and then rejected as no mitosis.

Abnormal is the positive class. End to end, an abnormal mitosis that was not proposed, or not called
abnormal, is missed; a proposal that is called abnormal is a false alarm if it is no mitosis or a normal one.
The run's class is its verdict; an undecided proposal is not called abnormal.

Calibration: of the mitoses whose verdict has the probability 0.8, are four fifths abnormal? Counted are the
true events that were proposed and have a probability. Events that the truth, a corrected run, leaves
undecided are in neither fraction abnormal nor calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.edge import may_cross
from lineage.evaluate.match import Count, nearest_first
from lineage.schema import Decision, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lineage.evaluate.tracking import Junction

WITHIN_UM = 25.0
WITHIN_FRAMES = 3
WITHIN_MIN_UNSEPARATED = 60.0
UNSEPARATED = ("slippage", "death_in_mitosis")  # and every event without daughters in the truth
BARELY_VISIBLE = ("lagging_chromatin", "micronuclei")  # one to three pixels at 1 um a pixel
EDGE_FRAMES = 3
MISSED, NOTHING = "missed", ""  # in place of the run's class, and of the truth's
UNKNOWN, DIVISION = "unknown", "division"  # class and subtype, where the truth has divisions only
CALIBRATION_BINS = 10
CALLS = (MitosisClass.NORMAL, MitosisClass.ABNORMAL)
OUTCOME_COLUMNS = (
    "truth_event",
    "run_event",
    "frame",
    "y_px",
    "x_px",
    "truth_class",
    "subtype",
    "run_class",
    "p_abnormal",
    "p_none",
    "at_edge",
)
# Set for empty tables too: pandas could not append them to others otherwise.
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
    diameter_um: float,
) -> pd.DataFrame:
    """Find what the run made of each true event.

    Args:
        truth: `event_id, frame, y_px, x_px, mitosis_class, subtype, daughter_ids`.
        found: every mitosis of the run: `event_id, frame, y_px, x_px, verdict, p_verdict`, and `p_none` where
            the run has it.
        drift_px: (T, 2) of the stage, y, x; taken out of both before positions are compared.
        shape: (Y, X) of a frame.
        pixel_size_um: side of a pixel, micrometres.
        minutes_per_frame: interval.
        diameter_um: of the movie's nuclei.

    Returns:
        OUTCOME_COLUMNS: the true events in their order, then the false proposals. A missed event has the
        `run_class` `missed`, and `run_event` -1 unless the run rejected it; a false proposal has
        `truth_event` -1 and an empty `truth_class`. Position and frame are the truth's where there is a true
        event. `run_class` is the run's verdict and `p_abnormal` its probability; `p_none`, the classifier's,
        is given for rejected events only.
    """
    is_none = found["verdict"] == Decision.NOT_A_MITOSIS
    proposals, rejected = found[~is_none], found[is_none]

    def near(some: pd.DataFrame) -> list[tuple[float, int, int]]:
        return _near(truth, some, drift_px * pixel_size_um, pixel_size_um, minutes_per_frame)

    pairs = nearest_first(near(proposals))
    rejected_pairs = nearest_first(c for c in near(rejected) if c[1] not in pairs)
    rows: list[dict[str, Any]] = [
        _missed(true)
        | (_proposed(proposals.iloc[pairs[i]]) if i in pairs else {})
        | (_rejected(rejected.iloc[rejected_pairs[i]]) if i in rejected_pairs else {})
        for i, true in enumerate(truth.itertuples())
    ]
    for j in sorted(set(range(len(proposals))) - set(pairs.values())):
        position = {name: proposals[name].iloc[j] for name in ("frame", "y_px", "x_px")}
        nothing = {"truth_event": -1, "truth_class": NOTHING, "subtype": NOTHING}
        rows.append(nothing | position | _proposed(proposals.iloc[j]))
    table = pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS)).astype(OUTCOME_TYPES)
    at_border = may_cross(table[["y_px", "x_px"]].to_numpy(float), shape, diameter_um / pixel_size_um)
    table["at_edge"] = at_border | ~table["frame"].between(EDGE_FRAMES, len(drift_px) - EDGE_FRAMES - 1)
    return table


def from_divisions(divisions: Sequence[Junction], cells: Callable[[int], np.ndarray]) -> pd.DataFrame:
    """Events for `outcomes` from a truth that has divisions only; their class is unknown.

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
    """y, x: the mean position of all pixels of some cells."""
    ys, xs = np.nonzero(np.isin(mask, cells))
    return float(ys.mean()), float(xs.mean())


def candidates(*scaled: np.ndarray) -> list[tuple[float, int, int]]:
    """(Sum of the distances, row, column) of each pair whose every distance is at most 1.

    >>> candidates(np.array([[0.25, 1.5]]), np.array([[0.5, 0.0]]))
    [(0.75, 0, 0)]
    """
    total = np.sum(scaled, axis=0)
    near = np.argwhere(np.all(np.array(scaled) <= 1, axis=0)).tolist()
    return [(float(total[i, j]), i, j) for i, j in near]


def _distances(
    truth: pd.DataFrame, proposals: pd.DataFrame, drift_um: np.ndarray, pixel_size_um: float
) -> np.ndarray:
    """(true, proposed) distances between drift-corrected positions, micrometres."""
    a, b = (
        table[["y_px", "x_px"]].to_numpy(float) * pixel_size_um
        - drift_um[np.clip(table["frame"].to_numpy(int), 0, len(drift_um) - 1)]
        for table in (truth, proposals)
    )
    return np.hypot(*np.moveaxis(a[:, None] - b[None], 2, 0))


def _frames_allowed(truth: pd.DataFrame, minutes_per_frame: float) -> np.ndarray:
    """(N,) how many frames a proposal may be away from each true event."""
    unseparated = truth["subtype"].isin(UNSEPARATED) | (truth["daughter_ids"] == "")
    longest = max(WITHIN_FRAMES, WITHIN_MIN_UNSEPARATED / minutes_per_frame)
    return np.where(unseparated, longest, WITHIN_FRAMES)


def _near(
    truth: pd.DataFrame,
    some: pd.DataFrame,
    drift_um: np.ndarray,
    pixel_size_um: float,
    minutes_per_frame: float,
) -> list[tuple[float, int, int]]:
    """(Distance, index in `truth`, index in `some`) of the pairs that are near enough in space and time."""
    apart_um = _distances(truth, some, drift_um, pixel_size_um)
    apart_frames = np.abs(np.subtract.outer(truth["frame"].to_numpy(int), some["frame"].to_numpy(int)))
    limit = _frames_allowed(truth, minutes_per_frame)[:, None]
    return candidates(apart_um / WITHIN_UM, apart_frames / limit)


def _missed(true: Any) -> dict[str, Any]:
    """The row of a true event as long as the run has none for it."""
    return {
        "truth_event": true.event_id,
        "frame": true.frame,
        "y_px": true.y_px,
        "x_px": true.x_px,
        "truth_class": true.mitosis_class,
        "subtype": true.subtype,
        "run_event": -1,
        "run_class": MISSED,
    }


def _proposed(proposal: pd.Series) -> dict[str, Any]:
    return {
        "run_event": proposal["event_id"],
        "run_class": proposal["verdict"],
        "p_abnormal": proposal["p_verdict"],
    }


def _rejected(event: pd.Series) -> dict[str, Any]:
    return {"run_event": event["event_id"], "p_none": event.get("p_none", np.nan)}


# --- Counts


def is_true(table: pd.DataFrame) -> pd.Series:
    """Rows of true events."""
    return table["truth_class"] != NOTHING


def is_matched(table: pd.DataFrame) -> pd.Series:
    """Rows of true events that were proposed."""
    return is_true(table) & (table["run_class"] != MISSED)


def proposed(table: pd.DataFrame) -> Count:
    """How many true events were proposed."""
    return Count(
        int(is_matched(table).sum()), int((table["run_class"] != MISSED).sum()), int(is_true(table).sum())
    )


def abnormal(table: pd.DataFrame) -> Count:
    """The positive class: end to end if given all rows, of the verdict alone if given the matched ones."""
    true = table["truth_class"] == MitosisClass.ABNORMAL
    called = table["run_class"] == MitosisClass.ABNORMAL
    return Count(int((true & called).sum()), int(called.sum()), int(true.sum()))


def visible(table: pd.DataFrame) -> pd.DataFrame:
    """Without the true events that are next to invisible at 1 um a pixel, whatever they were called."""
    return table[~table["subtype"].isin(BARELY_VISIBLE)]


def fraction_abnormal(table: pd.DataFrame) -> tuple[float | None, float | None]:
    """Of the true mitoses, and of the decided proposals: what a dose curve would be drawn from."""
    sides = (table.loc[table[side].isin(CALLS), side] for side in ("truth_class", "run_class"))
    true, called = (float((s == MitosisClass.ABNORMAL).mean()) if len(s) else None for s in sides)
    return true, called


def same_class(table: pd.DataFrame) -> Count:
    """How many of the proposed true events have the right class; its recall is the accuracy."""
    matched = table[is_matched(table)]
    n = len(matched)
    return Count(int((matched["truth_class"] == matched["run_class"]).sum()), n, n)


def by_subtype(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Subtype -> how many there are, and how many were called what; normal first, then by number.

    The false proposals come last, under an empty name.
    """
    columns = (Decision.NORMAL, Decision.ABNORMAL, Decision.UNDECIDED, MISSED)
    counts = {
        str(name): {"truth": len(rows) if name != NOTHING else 0}
        | {str(c): int((rows["run_class"] == c).sum()) for c in columns}
        for name, rows in table.groupby("subtype")
    }
    order = sorted(counts, key=lambda s: (s == NOTHING, s != MitosisClass.NORMAL, -counts[s]["truth"], s))
    return {name: counts[name] for name in order}


# --- Calibration


@dataclass(frozen=True)
class Bin:
    """The events whose probability lies in one tenth of the scale."""

    low: float
    high: float
    n: int
    mean_p: float
    abnormal: float  # fraction of them


@dataclass(frozen=True)
class Calibration:
    """Bins that hold events; `brier` is the mean squared error, `error` the expected calibration error."""

    n: int
    bins: tuple[Bin, ...]
    brier: float
    error: float


def calibrate(table: pd.DataFrame) -> Calibration | None:
    """Whether the verdict's p(abnormal) is the fraction that is abnormal.

    Args:
        table: OUTCOME_COLUMNS.

    Returns:
        None where no proposed true event has a probability.
    """
    known = table[is_matched(table) & table["p_abnormal"].notna() & table["truth_class"].isin(CALLS)]
    p = known["p_abnormal"].to_numpy(float)
    true = (known["truth_class"] == MitosisClass.ABNORMAL).to_numpy(float)
    if not len(p):
        return None
    bin_of = np.minimum((p * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = tuple(
        Bin(
            low=k / CALIBRATION_BINS,
            high=(k + 1) / CALIBRATION_BINS,
            n=int(n),
            mean_p=float(p[bin_of == k].mean()),
            abnormal=float(true[bin_of == k].mean()),
        )
        for k, n in enumerate(np.bincount(bin_of, minlength=CALIBRATION_BINS))
        if n
    )
    error = sum(b.n * abs(b.mean_p - b.abnormal) for b in bins) / len(p)
    return Calibration(len(p), bins, float(((p - true) ** 2).mean()), error)
