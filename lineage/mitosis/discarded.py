"""What a run found and what of it is not counted -> counts that add up, and the words that say them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lineage.mitosis.verdict import PERSON
from lineage.schema import Decision, EventType, Flag, LeftOut

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

MANY = 0.05  # of all objects
KEPT, FOUND, ADDED = "kept", "found", "added_by_person"
# Why a crop is not wholly what the movie shows; one that has several of these counts as the first.
_PARTLY = (Flag.SQUARE_PADDED, Flag.WINDOW_PADDED, Flag.FRAME_REPLACED)
_WORDS = {
    "frames": "frames",
    "nuclei": "nuclei",
    "events": "events",
    "classified": "mitoses shown to the classifier",
    "crops": "crops of mitoses",
    "too_small": "too small",
    "debris": "taken for debris or pieces",
    "rejected": "judged no mitosis",
    "rejected_by_person": "no mitosis, says a person",
    **{why.value: why.replace("_", " ") for why in LeftOut},
    Flag.INTERVAL_TOO_LONG.value: "frame interval too long",
    "no_intensities": "of masks alone",
    Flag.SQUARE_PADDED.value: "in part beyond the image's edge",
    Flag.WINDOW_PADDED.value: "in part before or after the movie",
    Flag.FRAME_REPLACED.value: "an unusable frame replaced",
}


@dataclass(frozen=True)
class Row:
    """One line of the account: what was found, and added by a person, is what is kept and left out."""

    what: str
    found: int
    added_by_person: int
    kept: int
    left_out: tuple[tuple[str, int], ...]  # why, and how many; without those of which there are none

    @property
    def words(self) -> str:
        """Why something is left out; empty where nothing is."""
        return ", ".join(f"{n} {why}" for why, n in self.left_out)


def account(
    objects: Mapping[str, Any], *, quality: pd.DataFrame, detections: pd.DataFrame, events: pd.DataFrame
) -> dict[str, dict[str, int]]:
    """Count what was found, what is kept, and what is left out for each reason.

    Args:
        objects: that were measured, and those that were too small; `by_person`, how many more there are
            since a person corrected outlines; by LeftOut, events that are in no table, where they were
            counted.
        quality: QUALITY_COLUMNS.
        detections: `tracklet_id`, -1 of nuclei in no cell.
        events: EVENT_COLUMNS, rejected proposals included.

    Returns:
        Kind -> counts; in each, `found` + `added_by_person` = `kept` + all others.
    """
    in_no_table = {why.value: int(objects[why]) for why in LeftOut if why in objects}
    reasons = quality.loc[~quality["usable"].astype(bool), "reason"].value_counts()
    mitoses = events[events["event_type"] == EventType.MITOSIS]
    rejected = mitoses["verdict"] == Decision.NOT_A_MITOSIS
    by_person = rejected & (mitoses["verdict_because"] == PERSON)
    flags = mitoses["flags"].fillna("").astype(str).str.split()
    cut = flags.map(lambda names: Flag.INTERVAL_TOO_LONG not in names)
    has_crop = mitoses["side_um"].notna()
    first = flags[has_crop].map(lambda names: next((f.value for f in _PARTLY if f in names), KEPT))
    partly = first.value_counts()
    return {
        "frames": {
            FOUND: len(quality),
            KEPT: int(quality["usable"].sum()),
            **{str(why): int(n) for why, n in sorted(reasons.items(), key=lambda pair: str(pair[0]))},
        },
        "nuclei": {
            FOUND: int(objects["measured"]),
            ADDED: int(objects.get("by_person", 0)),
            KEPT: int((detections["tracklet_id"] >= 0).sum()),
            "too_small": int(objects["too_small"]),
            "debris": int((detections["tracklet_id"] < 0).sum()),
        },
        "events": {
            FOUND: int((events["source"] != PERSON).sum()) + sum(in_no_table.values()),
            ADDED: int((events["source"] == PERSON).sum()),
            KEPT: len(events) - int(rejected.sum()),
            "rejected": int((rejected & ~by_person).sum()),
            "rejected_by_person": int(by_person.sum()),
            **in_no_table,
        },
        "classified": {
            FOUND: len(mitoses),
            KEPT: int((has_crop & cut).sum()),
            Flag.INTERVAL_TOO_LONG.value: int((has_crop & ~cut).sum()),
            "no_intensities": int((~has_crop).sum()),
        },
        "crops": {
            FOUND: int(has_crop.sum()),
            KEPT: int(partly.get(KEPT, 0)),
            **{flag.value: int(partly.get(flag.value, 0)) for flag in _PARTLY},
        },
    }


def adds_up(counts: Mapping[str, int]) -> bool:
    """Whether what was found, and added, is what is kept and what is left out.

    >>> adds_up({"found": 10, "kept": 7, "too_small": 2, "debris": 1})
    True
    """
    here = counts[FOUND] + counts.get(ADDED, 0)
    return here == sum(n for name, n in counts.items() if name not in (FOUND, ADDED))


def rows(counted: Mapping[str, Any], words: Mapping[str, str] = MappingProxyType(_WORDS)) -> list[Row]:
    """The account in words, a row for each kind; none of a run of an earlier version.

    Args:
        counted: `discarded` of run.json.
        words: for each kind, and each reason.
    """
    return [
        Row(
            words[kind],
            counts[FOUND],
            counts.get(ADDED, 0),
            counts[KEPT],
            tuple(
                (words.get(why, why), n) for why, n in counts.items() if n and why not in (FOUND, ADDED, KEPT)
            ),
        )
        for kind, counts in counted.items()
        if kind in words and isinstance(counts, dict) and (counts[FOUND] or counts.get(ADDED))
    ]


def in_words(counts: Mapping[str, Any]) -> str:
    """One sentence on nuclei, shown for every run.

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


def notes(left_out: Mapping[LeftOut, int]) -> tuple[str, ...]:
    """One sentence on events that are in no table; none where there are none.

    >>> notes({LeftOut.DIVIDED_TOO_SOON: 2, LeftOut.SEPARATED_AGAIN: 0, LeftOut.ATTEMPTED_AGAIN: 1})
    ('events left out: 2 divided too soon, 1 attempted again',)
    """
    words = ", ".join(f"{n} {_WORDS[why]}" for why, n in left_out.items() if n)
    return (f"events left out: {words}",) if words else ()


def warnings(counts: Mapping[str, Any]) -> list[str]:
    """What is to be warned of: much that is left out."""
    share = (counts["too_small"] + counts["debris"]) / max(counts["measured"], 1)
    if share <= MANY:
        return []
    where = "in no track" if counts.get("given") else "taken for debris, pieces or micronuclei"
    return [
        f"{share:.0%} of the objects that were found are left out: {in_words(counts)}; look at them in "
        f"labels.zarr, and at those {where} in detections.csv, tracklet_id -1"
    ]
