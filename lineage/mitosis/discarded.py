"""What was found and is in no cell -> counts that add up, and sentences that say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MANY = 0.05  # of all objects


def in_words(counts: Mapping[str, int]) -> str:
    """One sentence, shown for every run.

    Args:
        counts: objects that were measured, that were too small, and that are debris; `by_person`, how many
            more there are since a person corrected outlines; `given`, whether the tracks were.

    >>> in_words({"measured": 110, "too_small": 10, "debris": 5})
    'of 110 objects 95 are in cells; left out: 10 too small, 5 taken for debris or pieces'
    """
    small, debris = counts["too_small"], counts["debris"]
    why = "in none of the tracks that were given" if counts.get("given") else "taken for debris or pieces"
    objects = counts["measured"] + counts.get("by_person", 0)
    in_cells = objects - small - debris
    return f"of {objects} objects {in_cells} are in cells; left out: {small} too small, {debris} {why}"


def warnings(counts: Mapping[str, int]) -> list[str]:
    """What is to be warned of: much that is left out."""
    share = (counts["too_small"] + counts["debris"]) / max(counts["measured"], 1)
    if share <= MANY:
        return []
    where = "in no track" if counts.get("given") else "taken for debris, pieces or micronuclei"
    return [
        f"{share:.0%} of the objects that were found are left out: {in_words(counts)}; look at them in "
        f"labels.zarr, and at those {where} in detections.csv, tracklet_id -1"
    ]
