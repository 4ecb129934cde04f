"""Lineage -> candidate mitoses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.schema import MitosisEvent

if TYPE_CHECKING:
    import pandas as pd

    from lineage.schema import Lineage


def propose(lineage: Lineage) -> list[MitosisEvent]:
    """One event for each mother, numbered from 1 in order of frame, then place.

    The event's frame is the first in which a daughter is seen apart; one frame of separation is enough.
    Its place is the middle of the daughters seen in that frame.
    """
    first = lineage.detections.drop_duplicates("tracklet_id").set_index("tracklet_id")
    last = lineage.detections.drop_duplicates("tracklet_id", keep="last").set_index("tracklet_id")
    mothers = [m for m in lineage.graph if lineage.graph.out_degree(m) >= 2]
    found = [_event(m, sorted(lineage.graph.successors(m)), first, last) for m in mothers]
    found.sort(key=lambda e: (e.frame, e.y_um, e.x_um))
    return [MitosisEvent(**{**vars(e), "event_id": i}) for i, e in enumerate(found, start=1)]


def _event(mother: int, daughters: list[int], first: pd.DataFrame, last: pd.DataFrame) -> MitosisEvent:
    seen, before = first.loc[daughters], last.loc[[mother]]
    frame = int(seen["frame"].min())
    place = seen.loc[seen["frame"] == frame, ["y_px", "x_px", "y_um", "x_um"]].mean()
    mass = float(before["dna_mass"].sum())
    apart = seen[["y_um", "x_um"]].to_numpy(float)
    evidence = {
        "mass_ratio": float(seen["dna_mass"].sum()) / mass if mass > 0 else float("nan"),
        "condensation": float(before["condensation"].sum()),
        "separation_um": float(((apart[0] - apart[-1]) ** 2).sum() ** 0.5),
    }
    return MitosisEvent(
        event_id=0,
        mother=mother,
        daughters=tuple(daughters),
        frame=frame,
        **{str(k): float(v) for k, v in place.items()},
        source="btrack_division",
        evidence=evidence,
    )
