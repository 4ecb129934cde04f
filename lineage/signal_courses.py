"""Nuclei, tree and events -> the courses of further channels, aligned to birth and to mitosis."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.schema import (
    SIGNAL_COLUMNS,
    CellKey,
    CyclePhase,
    Decision,
    EventType,
    State,
    signal_names,
)
from lineage.tree import mothers

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import networkx as nx


class Aligned(StrEnum):
    """What a course's minutes count from."""

    BIRTH = "birth"  # the cell's first frame, where its mother is in the movie
    MITOSIS = "mitosis"  # the event's frame: separation, or the exit where nothing separates


def courses(detections: pd.DataFrame, tree: nx.DiGraph, events: pd.DataFrame) -> pd.DataFrame:
    """Each further channel over time, cell by cell.

    Args:
        detections: DETECTION_COLUMNS and those of further channels.
        tree: annotated tree.
        events: EVENT_COLUMNS.

    Returns:
        SIGNAL_COLUMNS, a row for each cell, frame, channel and alignment; empty without such channels. `mean`
        is above the local background, `ring_ratio` the ring's mean over it (empty where the nucleus is no
        brighter than the background). Aligned to mitosis, `tracklet_id` is the mother: before the separation
        she herself, after it the mean of her daughters, until the first of them ends.
    """
    names = signal_names(detections.columns)
    seen = _of_living_cells(detections)
    aligned = [_since_birth(seen, tree), _around_mitosis(seen, events)]
    rows = [_of_channel(part, name) for part in aligned if len(part) for name in names]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(SIGNAL_COLUMNS))


def _of_living_cells(detections: pd.DataFrame) -> pd.DataFrame:
    in_cell = (detections["tracklet_id"] >= 0) & (detections["state"] != State.DEAD)
    return detections[in_cell].rename(columns={"tracklet_id": "cell"})


def _since_birth(seen: pd.DataFrame, tree: nx.DiGraph) -> pd.DataFrame:
    """The nuclei of cells whose birth is in the movie, with minutes since then."""
    born = {c: tree.nodes[c][CellKey.BIRTH_MIN] for c in tree if len(mothers(tree, c)) == 1}
    at = seen["cell"].map(born)
    part = seen.assign(time_min=seen["time_min"] - at, tracklet_id=seen["cell"], event_id=np.nan)
    return part[at.notna()].assign(aligned=Aligned.BIRTH.value).sort_values(["cell", "time_min"])


def _around_mitosis(seen: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The nuclei of mothers and daughters, with minutes since the event of the mitosis."""
    rows: list[dict[str, Any]] = []
    last = seen.groupby("cell")["time_min"].max().to_dict()
    for event in mitoses_of_cells(events):
        at, daughters = event["time_min"], daughters_of(event)
        until = min((last.get(d, -np.inf) for d in daughters), default=np.inf)
        key = {"tracklet_id": event["mother_id"], "event_id": event["event_id"], "at_min": at}
        # Where nothing separates she goes on by herself.
        rows.append(key | {"cell": event["mother_id"], "until_min": at if daughters else np.inf})
        rows += [key | {"cell": d, "until_min": until + 1e-6} for d in daughters]
    columns = ["tracklet_id", "event_id", "at_min", "cell", "until_min"]
    pairs = pd.DataFrame(rows, columns=columns).astype({"cell": seen["cell"].dtype})
    part = seen.merge(pairs, on="cell")
    part = part[part["time_min"] < part["until_min"]]
    part = part.assign(time_min=part["time_min"] - part["at_min"], aligned=Aligned.MITOSIS.value)
    return part.sort_values(["tracklet_id", "event_id", "time_min", "cell"])


def mitoses_of_cells(events: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The mitoses that were not rejected."""
    is_mitosis = (events["event_type"] == EventType.MITOSIS) & (events["verdict"] != Decision.NOT_A_MITOSIS)
    return events[is_mitosis].to_dict("records")


def daughters_of(event: Mapping[Hashable, Any]) -> list[int]:
    """The daughters of a row of events.

    >>> daughters_of({"daughter_ids": "3 4"}), daughters_of({"daughter_ids": ""})
    ([3, 4], [])
    """
    return [int(d) for d in str(event["daughter_ids"]).split() if d != "nan"]


def _of_channel(part: pd.DataFrame, name: str) -> pd.DataFrame:
    keys = ["tracklet_id", "aligned", "time_min", "event_id"]
    levels = part[keys].assign(mean=part[f"{name}_mean"], ring=part[f"{name}_ring_mean"])
    # Daughters of one mother and time are averaged; nothing else has the same keys.
    one = levels.groupby(keys, dropna=False, sort=False, as_index=False).mean()
    ratio = (one["ring"] / one["mean"]).where(one["mean"] > 0)
    return one.assign(channel=name, ring_ratio=ratio)[list(SIGNAL_COLUMNS)].astype({"event_id": "Int64"})


def of_cells(detections: pd.DataFrame, tree: nx.DiGraph, events: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: its mean in each further channel, and how long it was in which phase of the cycle.

    Args:
        detections: DETECTION_COLUMNS and those of further channels.
        tree: annotated tree.
        events: EVENT_COLUMNS.

    Returns:
        `tracklet_id`, `NAME_mean` (over its life), and where nuclei have a `phase`, `g1_min`, from birth to
        the beginning of S phase, and `s_g2_min`, from there to the onset of mitosis; both empty where
        beginning or end are not in the movie.
    """
    seen = _of_living_cells(detections)
    cells = pd.DataFrame({"tracklet_id": sorted(tree)})
    for name in signal_names(detections.columns):
        column = f"{name}_mean"
        cells[column] = cells["tracklet_id"].map(seen.groupby("cell")[column].mean())
    if "phase" not in detections:
        return cells
    began = {cell: s_phase_from(one) for cell, one in seen.sort_values("frame").groupby("cell")}
    onset = {e["mother_id"]: _onset_min(e) for e in reversed(mitoses_of_cells(events))}
    born = {c: tree.nodes[c][CellKey.BIRTH_MIN] for c in tree if len(mothers(tree, c)) == 1}
    s_min, birth_min, onset_min = (
        cells["tracklet_id"].map(known).astype(float) for known in (began, born, onset)
    )
    s_g2 = onset_min - s_min
    return cells.assign(g1_min=s_min - birth_min, s_g2_min=s_g2.where(s_g2 >= 0))


def _onset_min(event: Mapping[Hashable, Any]) -> float:
    """When chromatin condensed; the separation where that was not seen."""
    onset = pd.to_numeric(event["onset_min"], errors="coerce")
    return float(event["time_min"] if pd.isna(onset) else onset)


def s_phase_from(nuclei: pd.DataFrame) -> float:
    """When a cell's S phase begins, in minutes; NaN where the movie does not show it.

    Single frames may be wrong: the first of S phase is taken to be the one with the fewest nuclei in S/G2/M
    before it and in G1 from it on. Nuclei without a phase say nothing.

    Args:
        nuclei: of one cell, in order of frame; `time_min` and `phase`.

    >>> frames = pd.DataFrame({"time_min": [0, 10, 20, 30], "phase": ["", "G1", "S/G2/M", "S/G2/M"]})
    >>> s_phase_from(frames), s_phase_from(frames[2:])   # the second is never seen before S phase
    (20.0, nan)
    """
    after = (nuclei["phase"] == CyclePhase.S_G2_M).to_numpy()
    before = (nuclei["phase"] == CyclePhase.G1).to_numpy()
    wrong_before = np.concatenate([[0], np.cumsum(after)])
    wrong_after = before.sum() - np.concatenate([[0], np.cumsum(before)])
    first = int(np.argmin(wrong_before + wrong_after))
    # The first frame of S phase is one in which it is seen, however long nothing was seen before.
    first += int(np.argmax(after[first:])) if after[first:].any() else len(after)
    if first == 0 or first >= len(after):
        return float("nan")
    return float(nuclei["time_min"].iloc[first])
