"""What was found and taken for no cell -> counts that add up, and sentences that say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineage.schema import Lineage

LONG_FRAMES = 6  # what is followed for so long is mostly no debris
MANY = 0.05  # of all objects


def of_lineage(lineage: Lineage) -> dict[str, int]:
    """Counts of what tracking takes for no cell."""
    return {
        "no_cell": int((lineage.detections["tracklet_id"] < 0).sum()),
        "no_cell_tracks": len(lineage.false_tracks),
        "no_cell_followed": sum(n >= LONG_FRAMES for n in lineage.false_tracks),
    }


def in_words(counts: Mapping[str, int]) -> str:
    """One sentence, said of every run.

    >>> in_words({"measured": 110, "too_small": 10, "no_cell": 5, "no_cell_tracks": 4})
    'of 110 objects 95 are in cells; left out: 10 too small, 5 taken for debris (4 tracks)'
    """
    small, debris = counts["too_small"], counts["no_cell"]
    return (
        f"of {counts['measured']} objects {counts['measured'] - small - debris} are in cells; left out: "
        f"{small} too small, {debris} taken for debris ({counts['no_cell_tracks']} tracks)"
    )


def warnings(counts: Mapping[str, int]) -> list[str]:
    """What is to be warned of: much left out, or what was followed for long."""
    found = []
    if counts["no_cell_followed"]:
        found.append(
            f"{counts['no_cell_followed']} objects were followed for {LONG_FRAMES} frames or more and are "
            "taken for debris: look at them in detections.csv, tracklet_id -1"
        )
    left_out = counts["too_small"] + counts["no_cell"]
    if left_out > MANY * max(counts["measured"], 1):
        found.append(f"{left_out} of {counts['measured']} objects are left out: {in_words(counts)}")
    return found
