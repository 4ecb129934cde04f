"""Mitoses and crops -> what the page shows of each mitosis, and in which order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lineage.processes import cores, in_order
from lineage.report.forest import MINUTES_PER_HOUR
from lineage.report.strips import strip_or_reason, tile_pixels
from lineage.report.words import confidence, flags, heading, prediction, reasons
from lineage.schema import DECIDED, Decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

WORTH_PROCESSES = 300  # film strips; of fewer, starting processes takes longer than they save


def cards(mitoses: pd.DataFrame, crops_dir: Path, *, page_dir: Path) -> Iterator[dict[str, Any]]:
    """One mitosis after another, in order of frame.

    Args:
        mitoses: of `counts.mitoses_of`.
        crops_dir: holds `event_0007.tif`.
        page_dir: where the page will lie; links to crops are relative to it.

    Yields:
        The columns of `mitoses`, and words, film strip (or why there is none) and link of the mitosis.
    """
    tile_px = tile_pixels(len(mitoses))
    events = mitoses.sort_values(["frame", "event_id"], kind="stable").to_dict("records")
    most_doubtful = sorted(events, key=doubt)
    rank = {event["event_id"]: k for k, event in enumerate(most_doubtful)}
    crops = [crops_dir / f"event_{event['event_id']:04d}.tif" for event in events]
    drawn = ((c, e["side_um"], tile_px) for c, e in zip(crops, events, strict=True))
    strips = in_order(_strip, drawn, workers=cores() if len(events) > WORTH_PROCESSES else 1)
    for event, crop, (strip, no_strip) in zip(events, crops, strips, strict=True):
        daughters = _daughters(event["daughter_ids"])
        yield {
            **{str(name): value for name, value in event.items()},
            "hours": event["time_min"] / MINUTES_PER_HOUR,
            "daughters": daughters,
            "cells": [str(event["mother_id"]), *daughters],
            "heading": heading(event),
            "prediction": prediction(event),
            "reasons": reasons(event),
            "confidence": confidence(event["confidence"]),
            "flags": flags(event),
            "doubt": rank[event["event_id"]],
            "strip": strip,
            "no_strip": no_strip,
            "crop": _link(crop, page_dir) if crop.exists() else None,
        }


def _strip(crop: Path, side_um: float, tile_px: int) -> tuple[str, str]:
    return strip_or_reason(crop, side_um=side_um, tile_px=tile_px)


def doubt(event: Mapping[Any, Any]) -> tuple[bool, float, float]:
    """Sorts the most doubtful first.

    First the undecided; then by how far the nearer of the probabilities of the verdict and of no mitosis is
    from one half, in steps of a tenth; then by the tracking's log-odds, 0 where there are none.
    """
    probabilities = [p for p in (event["p_verdict"], event["p_none"]) if p == p]  # NaN where there is none
    distance = min((abs(p - DECIDED) for p in probabilities), default=0.0)
    log_odds = event["confidence"] if event["confidence"] == event["confidence"] else 0.0
    return event["verdict"] != Decision.UNDECIDED, round(distance, 1), log_odds


def _link(file: Path, page_dir: Path) -> str:
    """A relative address, with / between folders whatever the system."""
    return quote(Path(os.path.relpath(file, page_dir)).as_posix())


def _daughters(ids: Any) -> list[str]:
    """A table read back from CSV holds NaN for none."""
    return str(ids).split() if ids == ids else []
