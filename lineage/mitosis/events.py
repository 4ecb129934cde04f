"""Lineage -> events: every division, fusion and death, and every attempt to divide that came to nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.corrections.events import WITHIN_FRAMES
from lineage.edge import diameter_um
from lineage.mitosis.episodes import Episode, episodes, in_view, is_alone, log_odds, onset
from lineage.schema import (
    CROP_FRAMES,
    CROP_INTERVAL_MIN,
    DECIDED,
    SEPARATION_INDEX,
    EventType,
    LeftOut,
    MitosisEvent,
)
from lineage.tracking import likelihoods
from lineage.tracking.resolve import SURE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import networkx as nx
    import pandas as pd

    from lineage.schema import Geometry, Lineage

HALVED = -0.4  # logarithm of DNA after over before a mitosis, below which a daughter was lost from sight
LOST = 0.67  # of its DNA, which a cell that breaks up does not keep
NEAR_FRAMES = 3  # nuclei before and after an event that its DNA is measured from
ARREST_MIN = 180.0  # a cell in mitosis for so long is arrested: normal ones seldom take half of it
AFTER_MIN = (CROP_FRAMES - SEPARATION_INDEX - 1) * CROP_INTERVAL_MIN  # that a crop shows after the event
AGAIN_MIN = 480.0  # no cell enters mitosis twice within eight hours
DIVISION, FUSION, ALONE, HALF, ENDED = "division", "fusion", "condensed", "half_division", "end_of_track"
PERSON = "person"


def propose(
    lineage: Lineage,
    *,
    geometry: Geometry,
    last_frames: Collection[int],
    classified: bool = True,
    also: Iterable[tuple[int, int]] = (),
    regression_min: float = 120.0,
    min_log_odds: float = -4.0,
    min_log_odds_unclassified: float = 0.0,
) -> tuple[list[MitosisEvent], dict[LeftOut, int]]:
    """List the events of a lineage, numbered from 1 in order of frame, then position.

    A separation of one frame counts. Two daughters that are one cell again within `regression_min` are part
    of their division; a later fusion is an event of its own. A cell whose chromatin condenses and that
    neither divides nor is being born is an event, too: it slips out of mitosis, dies in it, or lost a
    daughter from sight. One that is still condensed in the last frame is none yet, unless it has been so for
    ARREST_MIN and was seen before it was. One at the edge of the image is none at all: what the edge cuts
    looks condensed. A cell attempts it once in eight hours: what looks condensed before a division, or before
    or after an attempt that is surer, is none, nor is it one when daughters that fused part again.

    Args:
        lineage: with STATE_COLUMNS on its detections.
        geometry: of the movie.
        last_frames: after which cells are out of sight: before long gaps, and the last usable one.
        classified: whether a classifier will see the events, and reject what is no mitosis.
        also: cell and frame of mitoses that a person sees; none is added where there is one.
        regression_min: after a separation, in which a fusion is a regression of the furrow.
        min_log_odds: from which on a condensed stretch is proposed as a mitosis, if it will be
            classified.
        min_log_odds_unclassified: likewise, if it will not.

    Returns:
        The events; and how many are left out: later separations and further attempts, since they are part of
        another event, and mitoses that have not ended.
    """
    if not classified:
        min_log_odds = min_log_odds_unclassified
    minutes_per_frame = geometry.minutes_per_frame
    lives = _lives(lineage)
    diameter_px = diameter_um(lineage.detections) / geometry.pixel_size_um
    found = episodes(lineage, minutes_per_frame=minutes_per_frame, last_frame=max(last_frames))
    by_cell: dict[int, list[Episode]] = {}
    for e in found:
        by_cell.setdefault(e.cell, []).append(e)
    divisions = [
        _division(lineage.graph, m, lives, by_cell, minutes_per_frame, regression_min)
        for m in lineage.graph
        if len(_daughters(lineage.graph, m)) > 1
    ]
    alone = [
        e
        for e in found
        if is_alone(lineage, e) and in_view(e, lives[e.cell], shape=geometry.shape, diameter_px=diameter_px)
    ]
    going_on = [
        e for e in alone if _unfinished(e, lives, last_frames) and not _is_arrested(e, minutes_per_frame)
    ]
    ended = [e for e in alone if e not in going_on]
    events = _first_separations(lineage.graph, divisions, minutes_per_frame)
    proposed = partial(
        _of_episodes,
        lives=lives,
        kind=likelihoods.kind_of(lineage.detections),
        minutes_per_frame=minutes_per_frame,
        last_frame=max(last_frames),
        min_log_odds=min_log_odds,
    )
    attempts = proposed(ended)
    once = _once(attempts, {e.mother: e.frame for e in events}, minutes_per_frame)
    left_out = {
        LeftOut.SEPARATED_AGAIN: len(divisions) - len(events),
        LeftOut.ATTEMPTED_AGAIN: len(attempts) - len(once),
        LeftOut.STILL_IN_MITOSIS: len(proposed(going_on)),
    }
    events += once
    dead = {e.mother for e in events if e.died_after_min is not None and not e.daughters}
    dead |= {e.mother for e in events if e.event_type is EventType.DEATH}
    events += [
        _death(c, lives[c])
        for c, d in lineage.graph.nodes(data=True)
        if d.get("dies") and c not in dead and not lineage.graph.out_degree(c)
    ]
    events += _fusions(lineage.graph, lives, minutes_per_frame, regression_min)
    for cell, frame in also:
        if not any(cell in (e.mother, *e.daughters) and _is_mitosis_at(e, frame) for e in events):
            events.append(_by_person(cell, frame, lives[cell]))
    return _numbered(events), left_out


def _is_mitosis_at(event: MitosisEvent, frame: int) -> bool:
    return event.event_type is EventType.MITOSIS and abs(event.frame - frame) <= WITHIN_FRAMES


def _by_person(cell: int, frame: int, life: pd.DataFrame) -> MitosisEvent:
    """A mitosis after which one cell is seen, and which nobody proposed."""
    at = life[life["frame"] == frame].iloc[0]
    return MitosisEvent(
        event_id=0,
        mother=cell,
        daughters=(),
        frame=frame,
        **_position([at]),
        source=PERSON,
        confidence=SURE,
        evidence={"condensation": float(at["condensation"]), "log_odds": SURE},
    )


def _numbered(events: Iterable[MitosisEvent]) -> list[MitosisEvent]:
    order = sorted(events, key=lambda e: (e.frame, e.y_um, e.x_um, e.event_type))
    numbered = [replace(e, event_id=i) for i, e in enumerate(order, start=1)]
    division_of = {e.mother: e.event_id for e in numbered if e.source == DIVISION}
    # Until now a fusion names the mother whose division it undoes.
    return [
        e if e.linked_event is None else replace(e, linked_event=division_of.get(e.linked_event))
        for e in numbered
    ]


def _lives(lineage: Lineage) -> dict[int, pd.DataFrame]:
    table = lineage.detections
    table = table[table["tracklet_id"] >= 0].sort_values(["tracklet_id", "frame"], kind="stable")
    return {int(str(c)): rows for c, rows in table.groupby("tracklet_id")}


def _daughters(graph: nx.DiGraph, mother: int) -> list[int]:
    """Those born of her alone."""
    return sorted(d for d in graph.successors(mother) if graph.in_degree(d) == 1)


# --- Divisions


def _division(
    graph: nx.DiGraph,
    mother: int,
    lives: Mapping[int, pd.DataFrame],
    by_cell: Mapping[int, list[Episode]],
    minutes_per_frame: float,
    regression_min: float,
) -> MitosisEvent:
    daughters = _daughters(graph, mother)
    frame = min(int(lives[d]["frame"].iloc[0]) for d in daughters)
    seen = [lives[d].iloc[0] for d in daughters if lives[d]["frame"].iloc[0] == frame]
    before = lives[mother]
    reunion = _reunion(graph, daughters, lives)
    refusion = None if reunion is None else (reunion - frame) * minutes_per_frame
    deaths = [
        (int(lives[d]["frame"].iloc[-1]) - frame) * minutes_per_frame
        for d in daughters
        if graph.nodes[d].get("dies")
    ]
    begun = onset(by_cell, mother, int(before["frame"].iloc[-1]))
    firsts = np.array([[lives[d]["y_um"].iloc[0], lives[d]["x_um"].iloc[0]] for d in daughters])
    odds = min(graph.edges[mother, d].get("log_odds", np.nan) for d in daughters)
    masses = [float(lives[d]["dna_mass"].iloc[:NEAR_FRAMES].median()) for d in daughters]
    last = before.iloc[-NEAR_FRAMES:]
    return MitosisEvent(
        event_id=0,
        mother=mother,
        daughters=tuple(daughters),
        frame=frame,
        **_position(seen),
        source=DIVISION,
        confidence=odds,
        n_poles=len(daughters),
        separated=True,
        onset_frame=begun,
        refusion_after_min=refusion if refusion is not None and refusion <= regression_min else None,
        died_after_min=min(deaths, default=None),
        evidence={
            "mass_ratio": sum(masses) / max(float(before["dna_mass"].iloc[-NEAR_FRAMES:].median()), 1e-9),
            "daughters_mass_ratio": min(masses) / max(*masses, 1e-9),
            "condensation": float(last["condensation"].max()),
            "rounding": _max(last["rounding"]),
            "separation_um": float(np.linalg.norm(firsts[:, None] - firsts[None], axis=2).max()),
            "lasts_min": np.nan if begun is None else (frame - begun) * minutes_per_frame,
            "log_odds": odds,
        },
    )


def _reunion(graph: nx.DiGraph, daughters: list[int], lives: Mapping[int, pd.DataFrame]) -> int | None:
    """The first frame in which two of them are one cell again."""
    frames = [
        int(lives[c]["frame"].iloc[0])
        for c in {c for d in daughters for c in graph.successors(d)}
        if sum(p in daughters for p in graph.predecessors(c)) > 1
    ]
    return min(frames, default=None)


def _first_separations(
    graph: nx.DiGraph, divisions: list[MitosisEvent], minutes_per_frame: float
) -> list[MitosisEvent]:
    """Those that are no later separation of a mitosis: daughters that fused, and soon part again.

    Args:
        graph: of the lineage.
        divisions: one a mother.
        minutes_per_frame: of the movie.
    """
    begun: dict[int, int] = {}  # mother -> frame in which the mitosis that this belongs to first separated
    kept = []
    for event in sorted(divisions, key=lambda e: (e.frame, e.mother)):
        parents = list(graph.predecessors(event.mother))
        common = set.intersection(*(set(graph.predecessors(p)) for p in parents)) if parents[1:] else set()
        first = min((begun[m] for m in common if m in begun), default=None)
        if first is not None and (event.frame - first) * minutes_per_frame < AGAIN_MIN:
            begun[event.mother] = first
        else:
            begun[event.mother] = event.frame
            kept.append(event)
    return kept


# --- Attempts that no division follows


def _unfinished(e: Episode, lives: Mapping[int, pd.DataFrame], last_frames: Collection[int]) -> bool:
    """Still condensed when the movie ends, or a long gap begins."""
    last = int(lives[e.cell]["frame"].iloc[-1])
    return not e.goes_on and (last in last_frames or last > max(last_frames))


def _is_arrested(e: Episode, minutes_per_frame: float) -> bool:
    """In mitosis for far too long, and seen before it was."""
    return not e.features["opens"] and (e.last - e.first + 1) * minutes_per_frame >= ARREST_MIN


def _of_episodes(
    found: list[Episode],
    lives: Mapping[int, pd.DataFrame],
    kind: str,
    minutes_per_frame: float,
    last_frame: int,
    min_log_odds: float,
) -> list[MitosisEvent]:
    mitosis, death = log_odds(found, kind)
    events = []
    for e, odds, dies in zip(found, mitosis.tolist(), death.tolist(), strict=True):
        is_mitosis = odds > min_log_odds
        is_death = dies > 0 and e.last < last_frame  # what goes on to the last frame may be alive
        if not (is_mitosis or is_death):
            continue
        life = lives[e.cell]
        later = life[life["frame"] > e.last]
        inside = life[life["frame"].between(e.first, e.last)]
        if is_death:
            at = _breaks_up(life[life["frame"] >= e.first])
        elif len(later):
            at = later.iloc[0]
        else:
            # Of an arrested cell so early that the movie has all that a crop shows.
            until = e.last - AFTER_MIN / minutes_per_frame if e.last >= last_frame else e.last
            at = inside[inside["frame"] <= max(e.first, until)].iloc[-1]
        half = not is_death and bool(e.features["mass_in_all"] < HALVED)
        lasts_min = (e.last - e.first + 1) * minutes_per_frame
        events.append(
            MitosisEvent(
                event_id=0,
                mother=e.cell,
                daughters=(),
                frame=int(at["frame"]),
                **_position([at]),
                source=HALF if half else ALONE if e.goes_on else ENDED,
                event_type=EventType.MITOSIS if is_mitosis else EventType.DEATH,
                confidence=odds if is_mitosis else dies,
                n_poles=2 * half,
                separated=half,
                returned=e.goes_on and not half and not is_death,
                onset_frame=None if e.features["opens"] else e.first,
                died_after_min=(int(at["frame"]) - e.first) * minutes_per_frame if is_death else None,
                evidence={
                    "mass_ratio": float(np.exp(e.features["mass_in_all"])),
                    "condensation": float(inside["condensation"].max()),
                    "rounding": _max(inside["rounding"]),
                    "separation_um": np.nan,
                    "lasts_min": lasts_min,
                    "log_odds": odds,
                },
            )
        )
    return events


def _once(
    attempts: list[MitosisEvent], divides: Mapping[int, int], minutes_per_frame: float
) -> list[MitosisEvent]:
    """Those that end in death, and of each cell's others that are less than AGAIN_MIN apart the surest.

    A cell that divides has not died of an attempt.

    Args:
        attempts: as `_of_episodes` gives them.
        divides: cell -> frame in which its daughters are first seen; an attempt shortly before is none.
        minutes_per_frame: of the movie.
    """
    taken = {cell: [frame] for cell, frame in divides.items()}
    kept = []
    for event in sorted(attempts, key=lambda e: (e.died_after_min is None, -e.confidence)):
        others = taken.setdefault(event.mother, [])
        is_near = any(abs(event.frame - frame) * minutes_per_frame < AGAIN_MIN for frame in others)
        if (event.died_after_min is not None and event.mother not in divides) or not is_near:
            others.append(event.frame)
            kept.append(event)
    return kept


def _breaks_up(life: pd.DataFrame) -> pd.Series:
    """Of a cell that is condensed from the first row on, the nucleus in which its DNA breaks up.

    That is the first that has lost a third of what the cell had then, and does not get it back.
    """
    mass = life["dna_mass"].to_numpy(float)
    full = float(np.median(mass[:NEAR_FRAMES]))
    lost = np.maximum.accumulate(mass[::-1])[::-1] < LOST * full
    return life.iloc[int(lost.argmax())] if lost.any() else life.iloc[-1]


def _death(cell: int, life: pd.DataFrame) -> MitosisEvent:
    """In interphase: nothing was condensed before. It died when it began to look so, else at its end."""
    alive = np.flatnonzero(life["p_dead"].to_numpy(float) < DECIDED)
    at = life.iloc[min(alive[-1] + 1 if len(alive) else 0, len(life) - 1)]
    return MitosisEvent(
        event_id=0,
        mother=cell,
        daughters=(),
        frame=int(at["frame"]),
        **_position([at]),
        source=ENDED,
        event_type=EventType.DEATH,
        died_after_min=0.0,
        evidence={"condensation": float(at["condensation"])},
    )


# --- Fusions


def _fusions(
    graph: nx.DiGraph, lives: Mapping[int, pd.DataFrame], minutes_per_frame: float, regression_min: float
) -> list[MitosisEvent]:
    """All but those that are part of a division."""
    events = []
    for fused in graph:
        parents = sorted(graph.predecessors(fused))
        if len(parents) < 2:
            continue
        frame = int(lives[fused]["frame"].iloc[0])
        mothers = [set(graph.predecessors(p)) for p in parents]
        common = sorted(set.intersection(*mothers))
        born = min(int(lives[p]["frame"].iloc[0]) for p in parents)
        if common and (frame - born) * minutes_per_frame <= regression_min:
            continue
        mass = sum(float(lives[p]["dna_mass"].iloc[-NEAR_FRAMES:].median()) for p in parents)
        ends = np.array([[lives[p]["y_um"].iloc[-1], lives[p]["x_um"].iloc[-1]] for p in parents])
        odds = min(graph.edges[p, fused].get("log_odds", np.nan) for p in parents)
        events.append(
            MitosisEvent(
                event_id=0,
                mother=parents[0],
                daughters=(fused,),
                frame=frame,
                **_position([lives[fused].iloc[0]]),
                source=FUSION,
                event_type=EventType.FUSION,
                confidence=odds,
                linked_event=common[0] if common else None,
                evidence={
                    "mass_ratio": float(lives[fused]["dna_mass"].iloc[:NEAR_FRAMES].median())
                    / max(mass, 1e-9),
                    "condensation": float(lives[fused]["condensation"].iloc[0]),
                    "separation_um": float(np.linalg.norm(ends[0] - ends[-1])),
                    "log_odds": odds,
                },
            )
        )
    return events


def _position(rows: list[pd.Series]) -> dict[str, Any]:
    """Mean position of some nuclei, by column."""
    return {c: float(np.mean([row[c] for row in rows])) for c in ("y_px", "x_px", "y_um", "x_um")}


def _max(values: pd.Series) -> float:
    return float(values.max()) if values.notna().any() else float("nan")
