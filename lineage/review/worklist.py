"""What a run found, and what was said of it -> what is worth a look, the most valuable first.

The score of an item is by how much the fraction abnormal is expected to move when somebody looks, up or
down, in units of one mitosis. By score alone the list would begin with the doubtful abnormal mitoses, and
whoever stops half way would have moved the fraction away from the truth: so items that may raise it and
items that may lower it take turns (`balanced`). How often something is a mitosis that nobody proposed is a
guess (`MISSED`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.corrections.lines import Verdict
from lineage.report import words
from lineage.schema import Decision, EventType, Fate, Flag, long_gaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lineage.corrections.lines import Line
    from lineage.review.tables import Nuclei, Tables

NEAR_HALF = (0.2, 0.8)  # a verdict's probability
SURE = 3.0  # log-odds of the tracking: 95 %
WORTH_A_LOOK = 0.2  # probability that what was rejected is a mitosis
DUE = 0.75  # of the time from birth to division: a cell that is lost later than this may have divided
SHORT_FRAMES = 5
MARGIN = 2.0  # diameters: nearer to the edge a cell may have come in
MIN_CYCLES = 5  # whose birth and division were both seen, from which a typical time is taken
NEAR_FRAMES = 3  # a line is about an item if it names its cell within so many frames
MISSED = {"lost_before_division": 0.3, "begins_in_the_field": 0.25, "lost_in_the_field": 0.1, "short": 0.05}
# Shares of mitoses that nobody proposes, on mosaics of real ones (docs/lab/verdicts.md).
MISSED_NORMAL, MISSED_ABNORMAL = 0.04, 0.15
OTHER_EVENTS = 0.1  # what a doubtful fusion or death counts, beside a mitosis
_LOOKED_AT = {
    Flag.NONE_AGAINST_TRACKING: "mitosis_or_not",
    Flag.FRAME_REPLACED: "unusable_frame",
    Flag.WINDOW_PADDED: "movie_ends",
    Flag.SQUARE_PADDED: "image_edge",
}


@dataclass(frozen=True)
class Item:
    """Something to look at."""

    key: str  # the same in the next run, if what it is about is found there again
    kind: str  # event, lost, begins, track
    reasons: tuple[str, ...]
    words: str
    score: float
    shift: float  # the score with its sign: how far the fraction is expected to rise
    event_id: int | None
    cell: int
    frame: int
    y_px: float
    x_px: float
    done: bool = False  # somebody has said something about it


def worklist(tables: Tables, usable: np.ndarray, standing: Sequence[Line]) -> dict[str, Any]:
    """The list, and how many are left of it.

    Args:
        tables: of the run.
        usable: (T,) bool.
        standing: the lines that hold.
    """
    spots = list(_spots(standing, tables.nuclei))
    items = [*_events(tables, spots), *_cells(tables, usable, spots)]
    items.sort(key=lambda item: (item.done, -item.score, item.frame, item.cell))
    items = [*balanced([i for i in items if not i.done]), *(i for i in items if i.done)]
    n_done = sum(item.done for item in items)
    return {"items": [asdict(item) for item in items], "n_left": len(items) - n_done, "n_done": n_done}


def balanced(items: Sequence[Item]) -> list[Item]:
    """The same items, those that may raise the fraction abnormal and those that may lower it in turns.

    After each the sum of what was expected so far is as near as can be to its share of the sum of all.

    Args:
        items: the highest score first.
    """
    rising = [item for item in items if item.shift > 0]
    falling = [item for item in items if item.shift <= 0]
    whole = sum(item.score for item in items) or 1.0
    rate = sum(item.shift for item in items) / whole
    order: list[Item] = []
    score = shift = 0.0
    while rising or falling:
        up = bool(rising) and (shift <= rate * score or not falling)
        item = (rising if up else falling).pop(0)
        order.append(item)
        score, shift = score + item.score, shift + item.shift
    return order


# --- Events


def _events(tables: Tables, spots: list[tuple[int, int]]) -> Iterator[Item]:
    fraction = fraction_abnormal(tables.events["verdict"])
    for event in tables.events.to_dict("records"):
        reasons = reasons_of(event)
        is_by_person = "person" in event["verdict_because"].split()
        if not reasons and not is_by_person:
            continue
        cells = {int(event["mother_id"]), *map(int, event["daughter_ids"].split())}
        score, shift = (0.0, 0.0) if is_by_person else expected(outcomes(event, fraction))
        frame, y, x = int(event["frame"]), float(event["y_px"]), float(event["x_px"])
        yield Item(
            key=f"{event['event_type']}-{frame}-{round(y)}-{round(x)}",
            kind="event",
            reasons=reasons or ("by_a_person",),
            words=_sentence(event),
            score=score,
            shift=shift,
            event_id=int(event["event_id"]),
            cell=int(event["mother_id"]),
            frame=frame,
            y_px=y,
            x_px=x,
            done=is_by_person or _is_named(spots, cells, frame, frame),
        )


def reasons_of(event: Mapping[Any, Any]) -> tuple[str, ...]:
    """Why an event is worth a look, in fixed words; nothing where it is not.

    Args:
        event: EVENT_COLUMNS.
    """
    flags = set(event["flags"].split())
    is_weak = event["confidence"] < SURE
    if event["event_type"] != EventType.MITOSIS:
        return ("weak_tracking",) if is_weak else ()
    if event["verdict"] == Decision.NOT_A_MITOSIS:
        return ("rejected_unsure",) if 1 - _p_none(event) > WORTH_A_LOOK else ()
    low, high = NEAR_HALF
    found = {
        "contradicted": "contradicted" in event["verdict_because"].split(),
        "undecided": event["verdict"] == Decision.UNDECIDED,
        "near_half": low < event["p_verdict"] < high,
        "weak_tracking": is_weak,
        **{reason: str(flag) in flags for flag, reason in _LOOKED_AT.items()},
    }
    return tuple(name for name, holds in found.items() if holds)


def fraction_abnormal(verdicts: Iterable[str]) -> float:
    """Of the mitoses that are decided; half a mitosis of each is added, so that it is never 0 or 1.

    >>> fraction_abnormal(["normal", "abnormal", "undecided"]), fraction_abnormal([])
    (0.5, 0.5)
    """
    known = [v for v in verdicts if v in (Decision.NORMAL, Decision.ABNORMAL)]
    return (sum(v == Decision.ABNORMAL for v in known) + 0.5) / (len(known) + 1)


def outcomes(event: Mapping[Any, Any], fraction: float) -> list[tuple[float, float]]:
    """What a look at an event may show: how likely each is, and how far it moves the fraction abnormal.

    An abnormal mitosis that is counted raises the fraction by the share of the normal ones, a normal one
    lowers it by that of the abnormal ones; in units of one mitosis.

    Args:
        event: EVENT_COLUMNS.
        fraction: abnormal, of the movie's mitoses.

    >>> seen = {"event_type": "mitosis", "p_verdict": 0.2, "p_none": 0.0, "confidence": 9.0}
    >>> for verdict in ("normal", "undecided", "abnormal"):
    ...     print(verdict, *expected(outcomes(seen | {"verdict": verdict}, 0.1)))
    normal 0.2 0.2
    undecided 0.26 0.1
    abnormal 0.8 -0.8
    """
    if event["event_type"] != EventType.MITOSIS:
        return [(1 - _probability(event["confidence"]), -OTHER_EVENTS)]
    p = 0.5 if math.isnan(event["p_verdict"]) else event["p_verdict"]
    none = _p_none(event)
    counts = {Decision.ABNORMAL.value: 1 - fraction, Decision.NORMAL.value: -fraction}
    now = counts.get(event["verdict"], 0.0)
    raises, lowers = (counts[k] - now for k in (Decision.ABNORMAL, Decision.NORMAL))
    return [((1 - none) * p, raises), ((1 - none) * (1 - p), lowers), (none, -now)]


def missed(probability: float, fraction: float) -> list[tuple[float, float]]:
    """The same of a cell in which there may be a mitosis that nobody proposed: more often an abnormal one.

    Args:
        probability: that there is one.
        fraction: abnormal, of the movie's mitoses.
    """
    abnormal, normal = fraction * MISSED_ABNORMAL, (1 - fraction) * MISSED_NORMAL
    p = abnormal / (abnormal + normal)
    return [(probability * p, 1 - fraction), (probability * (1 - p), -fraction)]


def expected(found: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """How far a look is expected to move the fraction abnormal, up or down, and with its sign.

    Args:
        found: of `outcomes` or `missed`.
    """
    some = list(found)
    return round(sum(p * abs(move) for p, move in some), 4), round(sum(p * move for p, move in some), 4)


def _p_none(event: Mapping[Any, Any]) -> float:
    """That it is no mitosis, by the classifier and, where it was not rejected, the tracking as well."""
    by_tracking = 1 - _probability(event["confidence"])
    by_classifier = event["p_none"]
    if math.isnan(by_classifier):
        return by_tracking
    return by_classifier if event["verdict"] == Decision.NOT_A_MITOSIS else by_classifier * by_tracking


def _probability(log_odds: float) -> float:
    """Certain where the log-odds are not known."""
    return 1.0 if math.isnan(log_odds) else 0.5 * (1 + math.tanh(log_odds / 2))


def _sentence(event: Mapping[Any, Any]) -> str:
    said = (
        [words.heading(event)] if event["event_type"] == EventType.MITOSIS else [words.kind(event["subtype"])]
    )
    said += [s for s in (words.reasons(event), words.confidence(event["confidence"])) if s]
    return f"{str(event['event_type']).capitalize()} of cell {event['mother_id']}: " + "; ".join(said)


# --- Cells


def _cells(tables: Tables, usable: np.ndarray, spots: list[tuple[int, int]]) -> Iterator[Item]:
    fraction = fraction_abnormal(tables.events["verdict"])
    minutes = float(tables.record["video"]["minutes_per_frame"])
    typical_min = time_to_division(tables.cells)
    openings = _openings(usable, minutes)
    margin = MARGIN * 2 * float(np.median(tables.nuclei.radius_px)) if len(tables.nuclei) else 0.0
    for cell in tables.cells.to_dict("records"):
        rows = tables.nuclei.of_cell(int(cell["tracklet_id"]))
        for kind, row, reasons, sentence in (
            _lost(cell, rows, tables, margin, typical_min),
            _begins(cell, rows, tables, margin, openings),
        ):
            if not reasons:
                continue
            nucleus = tables.nuclei.as_nucleus(row)
            score, shift = expected(missed(max(MISSED[r] for r in reasons), fraction))
            first, last = (int(cell[k]) for k in ("first_frame", "last_frame"))
            near = (first, last) if "short" in reasons else (nucleus["frame"],) * 2
            yield Item(
                key=f"{kind}-{nucleus['frame']}-{round(nucleus['y_px'])}-{round(nucleus['x_px'])}",
                kind=kind,
                reasons=reasons,
                words=sentence,
                score=score,
                shift=shift,
                event_id=None,
                cell=int(cell["tracklet_id"]),
                done=_is_named(spots, {int(cell["tracklet_id"])}, *near),
                **nucleus,
            )


_Found = tuple[str, int, tuple[str, ...], str]  # kind, row of the nucleus, reasons, sentence


def _lost(
    cell: Mapping[Any, Any], rows: np.ndarray, tables: Tables, margin: float, typical_min: float | None
) -> _Found:
    """A cell that is out of sight before its time."""
    row, number = int(rows[-1]), cell["tracklet_id"]
    if cell["fate"] not in (Fate.LOST, Fate.LEFT_FIELD):
        return "lost", row, (), ""
    age_min = cell["end_min"] - cell["birth_min"]
    where = "is lost" if cell["fate"] == Fate.LOST else "leaves the field"
    said = f"Cell {number} {where} at frame {cell['last_frame']}"
    if typical_min and age_min >= DUE * typical_min:
        known = "" if cell["parent_ids"] else "at least "
        ages = f"{known}{age_min / 60:.1f} h old; cells here divide after {typical_min / 60:.1f} h"
        return "lost", row, ("lost_before_division",), f"{said}, {ages}"
    if cell["fate"] == Fate.LOST and _is_inside(tables, row, margin):
        return "lost", row, ("lost_in_the_field",), f"{said}, in the middle of the field"
    return "lost", row, (), ""


def _begins(
    cell: Mapping[Any, Any], rows: np.ndarray, tables: Tables, margin: float, openings: set[int]
) -> _Found:
    """A cell that comes from nowhere, or is hardly seen at all."""
    row, number, first = int(rows[0]), cell["tracklet_id"], int(cell["first_frame"])
    n_frames = int(cell["last_frame"]) - first + 1
    is_short = n_frames <= SHORT_FRAMES and cell["fate"] == Fate.LOST
    seen = f"is seen for {n_frames} frame{'s' * (n_frames > 1)} only, from frame {first}"
    if not cell["parent_ids"] and first not in openings and _is_inside(tables, row, margin):
        reasons = ("begins_in_the_field", *(("short",) if is_short else ()))
        said = f"Cell {number} begins in the middle of the field at frame {first}, and has no mother"
        return "begins", row, reasons, said + (f"; it {seen}" if is_short else "")
    return "track", row, ("short",) if is_short else (), f"Cell {number} {seen}"


def time_to_division(cells: Any) -> float | None:
    """Median minutes from birth to division, of cells of which both were seen; None where they are few.

    Args:
        cells: TRACKLET_COLUMNS.
    """
    is_whole = (cells["fate"] == Fate.DIVIDED) & cells["parent_ids"].str.fullmatch(r"\d+")
    times = (cells["end_min"] - cells["birth_min"])[is_whole]
    return float(times.median()) if len(times) >= MIN_CYCLES else None


def _openings(usable: np.ndarray, minutes_per_frame: float) -> set[int]:
    """The frames in which every cell begins: the first, and those after long gaps."""
    frames = np.flatnonzero(usable)
    after = [frames[np.searchsorted(frames, t, side="right")] for t in long_gaps(usable, minutes_per_frame)]
    return {int(t) for t in (*frames[:1], *after)}


def _is_inside(tables: Tables, row: int, margin: float) -> bool:
    y, x = tables.nuclei.y_px[row], tables.nuclei.x_px[row]
    height, width = tables.record["video"]["shape"]
    return bool(margin <= y < height - margin and margin <= x < width - margin)


# --- What somebody said something about


def _spots(lines: Iterable[Line], nuclei: Nuclei) -> Iterator[tuple[int, int]]:
    """(cell, frame) of every nucleus that lines name; of an event its frame."""
    for line in lines:
        for nucleus in named(line):
            row = nuclei.at(nucleus)
            if row is not None:
                frame = line.event.frame if isinstance(line, Verdict) else nucleus.frame
                yield int(nuclei.cell[row]), frame


def named(line: Line) -> list[Any]:
    """The nuclei that a line names."""
    if isinstance(line, Verdict):
        return [line.event.mother]
    found: list[Any] = []
    for name in ("mother", "daughters", "before", "after", "parents", "fused", "nucleus", "nuclei"):
        value = getattr(line, name, ())
        found += value if isinstance(value, tuple) else [value]
    return found


def _is_named(spots: list[tuple[int, int]], cells: set[int], first: int, last: int) -> bool:
    return any(c in cells and first - NEAR_FRAMES <= t <= last + NEAR_FRAMES for c, t in spots)
