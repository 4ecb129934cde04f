"""Tracklets and btrack's hypotheses -> shorter tracklets and everything that may join them, with log-odds.

btrack's hypotheses are binary, and it often lets a mother go on as one of her daughters. So its tracklets are
cut wherever a division or a fusion would explain what begins or ends beside them, and to its hypotheses are
added: going on across the cut, division into two, three and four, fusion, and death. Each hypothesis explains
the ends of some tracklets and the beginnings of others; its log-odds come from the likelihoods' models, those
of divisions moved by how often the movie's own cells divide. However unlikely, none is left out here:
`resolve.worth_it` leaves out what no likeliest lineage holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lineage.edge import diameter_um
from lineage.schema import Hypotheses, Hypothesis
from lineage.tracking import likelihoods
from lineage.tracking.constraints import Constraints
from lineage.tracking.features import division_features, ends_and_starts, fusion_features, link_features
from lineage.tracking.rates import division_offset
from lineage.tracking.tracklet_arrays import NONE, TrackletArrays, neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from lineage.schema import Tracklets

FUSION_FRAMES = 2  # from a parent's last frame to the fused cell's first, at most
LINK_REACH = 1.7  # steps, from an end to the beginning that goes on from it: sisters leave each other faster
MAX_DAUGHTERS = 4
NEAREST = 6  # beginnings around a mother that are combined, the earliest and nearest
# Added to the log-odds that a tracklet is false. Of the simulated nuclei that the likelihoods were fitted on
# a fiftieth is debris, which looks like daughters that part for a frame or two; in real movies it is rarer,
# and such daughters are what is looked for. Chosen on the fitting movies and on mosaics of another fold.
DEBRIS = -3.0
FOLLOWED_FRAMES = 6  # what is followed for so long is no debris
NOTHING_SAID = Constraints()

Joins: TypeAlias = "Callable[[TrackletArrays, np.ndarray, np.ndarray], np.ndarray]"
"""Tracklets, indices of nuclei, as many others -> log-odds."""

BtrackScores = dict[tuple[Hypothesis, int, int, int], float]
"""Of btrack: kind, tracklet, first, second -> log-likelihood."""


@dataclass(frozen=True)
class Reach:
    """How far things may be from each other, in diameters of a nucleus; frames are usable ones."""

    step: float  # between two frames, nearly always less
    division: float  # from a mother to a daughter's first position
    fusion: float  # from a parent to the fused cell
    gap_frames: int  # from an end to the beginning that goes on from it, or of a daughter


def build_hypotheses(
    tracklets: Tracklets,
    time: np.ndarray,
    *,
    shape_um: tuple[float, float],
    pixel_size_um: float,
    division_reach: float = 2.0,
    fusion_reach: float = 1.5,
    max_gap_frames: int = 3,
    constraints: Constraints = NOTHING_SAID,
) -> tuple[pd.DataFrame, Hypotheses]:
    """List what may have happened.

    Args:
        tracklets: of btrack.
        time: (N,) of the detections, in usable frames.
        shape_um: (Y, X) of the image.
        pixel_size_um: of the image.
        division_reach: from a mother to a daughter's first position, in diameters of the movie's nuclei.
        fusion_reach: from a parent to the fused cell's first position, likewise.
        max_gap_frames: without a nucleus, between an end and the beginning that goes on from it, and before a
            daughter is seen.
        constraints: what a person says of these nuclei.

    Returns:
        The detections with the shorter tracklets' numbers, from 0; and the hypotheses about these.
    """
    models = Models.of(tracklets.detections)
    step = tracklets.step_um / diameter_um(tracklets.detections)
    reach = Reach(step, division_reach, fusion_reach, max_gap_frames + 1)
    arrays = TrackletArrays.of(tracklets.detections, time, shape_um=shape_um, pixel_size_um=pixel_size_um)
    ids = tracklets.detections["detection_id"].to_numpy(int)

    def all_of(p: TrackletArrays, by: Models) -> Hypotheses:
        return scored(candidates(p, reach, btrack=of_shorter(tracklets, arrays, p)), by)

    def more_often() -> float:
        """What a person says of some cells is no sign of how often the others divide."""
        unsaid = cut(arrays, reach, models.divides(reach), models.fuses(reach))
        n = len(unsaid.first)
        return division_offset(all_of(unsaid, models), n)

    offset = more_often()
    models = models.with_divisions(offset)
    shorter = constraints.cut(cut(arrays, reach, models.divides(reach), models.fuses(reach)), ids)
    table = tracklets.detections.assign(tracklet_id=shorter.number_of_detection())
    found = constraints.applied(all_of(shorter, models), shorter, ids)
    note = f"divisions: {offset:+.1f} on their log-odds, by how often this movie's cells divide"
    return table, replace(found, notes=(note,))


@dataclass(frozen=True)
class Models:
    """The likelihoods' models, by kind of hypothesis."""

    by_kind: Mapping[Hypothesis, likelihoods.Model]

    @classmethod
    def of(cls, detections: pd.DataFrame) -> Models:
        """Those that hold for these nuclei."""
        kind = likelihoods.kind_of(detections)
        return cls({h: likelihoods.load(kind, h.value) for h in Hypothesis})

    def with_divisions(self, offset: float) -> Models:
        """In which every division has so much higher log-odds."""
        one = self.by_kind[Hypothesis.DIVISION]
        return Models({**self.by_kind, Hypothesis.DIVISION: replace(one, offset=one.offset + offset)})

    def divides(self, reach: Reach) -> Joins:
        """(mothers' last nuclei, first ones beside) -> log-odds over going on, and beginning anew."""
        starts, link, division = (
            self.by_kind[h].log_odds for h in (Hypothesis.START, Hypothesis.LINK, Hypothesis.DIVISION)
        )

        def gain(p: TrackletArrays, mother: np.ndarray, start: np.ndarray) -> np.ndarray:
            daughters = np.c_[mother + 1, start, np.full((len(start), MAX_DAUGHTERS - 2), NONE)]
            alone = ends_and_starts(p, start, p.last[p.tracklet[start]])
            goes_on = link_features(p, mother, mother + 1, reach.step)
            together = division(division_features(p, mother, daughters))
            return together - link(_unasked(goes_on)) - starts(_unasked(alone))

        return gain

    def fuses(self, reach: Reach) -> Joins:
        """(parents' last nuclei, fused ones beside) -> log-odds over ending, and going on."""
        ends, link, fusion = (
            self.by_kind[h].log_odds for h in (Hypothesis.END, Hypothesis.LINK, Hypothesis.FUSION)
        )

        def gain(p: TrackletArrays, end: np.ndarray, fused: np.ndarray) -> np.ndarray:
            alone = ends_and_starts(p, p.first[p.tracklet[end]], end)
            goes_on = link_features(p, fused - 1, fused, reach.step)
            together = fusion(fusion_features(p, np.c_[end, fused - 1], fused))
            return together - link(_unasked(goes_on)) - ends(_unasked(alone))

        return gain


def _unasked(features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """With what btrack thinks of it not known."""
    return {**features, "btrack": np.full(len(next(iter(features.values()))), np.nan)}


# --- Where to cut


def cut(p: TrackletArrays, reach: Reach, divides: Joins, fuses: Joins) -> TrackletArrays:
    """Cut tracklets where they went without a nucleus, and where one may be what begins or ends beside it.

    Fusions come after divisions, so that parents are measured without their mother.

    Args:
        p: tracklets.
        reach: how far things may be from each other.
        divides: nuclei, and ones that begin beside their next -> log-odds that these are sisters.
        fuses: nuclei that end, and ones beside them -> log-odds that they went into these.
    """
    goes_on = np.setdiff1d(np.arange(len(p.row)), p.last)
    bridged = goes_on[p.time[goes_on + 1] > p.time[goes_on] + 1] + 1
    p = p.split(bridged)
    p = p.split(_at_divisions(p, reach, divides))
    return p.split(_at_fusions(p, reach, fuses))


def _at_divisions(p: TrackletArrays, reach: Reach, divides: Joins) -> np.ndarray:
    """Nuclei that may be the sister of one that begins beside them."""
    goes_on = np.setdiff1d(np.arange(len(p.row)), p.last)
    starts = p.first[p.time[p.first] > 0]
    found = []
    for lag in range(1, reach.gap_frames + 1):
        mother, start = neighbours(p, goes_on, starts, within=reach.division, lag=lag)
        other = p.tracklet[mother] != p.tracklet[start]
        mother, start = mother[other], start[other]
        found.append(mother[divides(p, mother, start) > 0] + 1)
    return np.concatenate(found)


def _at_fusions(p: TrackletArrays, reach: Reach, fuses: Joins) -> np.ndarray:
    """Nuclei into which one that ends beside them may have gone."""
    ends = p.last[p.time[p.last] < p.time.max(initial=0)]
    has_past = np.setdiff1d(np.arange(len(p.row)), p.first)
    found = []
    for lag in range(1, FUSION_FRAMES + 1):
        end, fused = neighbours(p, ends, has_past, within=reach.fusion, lag=lag)
        other = p.tracklet[end] != p.tracklet[fused]
        end, fused = end[other], fused[other]
        found.append(fused[fuses(p, end, fused) > 0])
    return np.concatenate(found)


# --- What may have happened


@dataclass(frozen=True, eq=False)
class Candidates:
    """Hypotheses of one kind before they are scored; `ends`, `starts` number tracklets."""

    kind: Hypothesis
    ends: np.ndarray  # (H, 2)
    starts: np.ndarray  # (H, MAX_DAUGHTERS)
    features: Mapping[str, np.ndarray]


def candidates(p: TrackletArrays, reach: Reach, *, btrack: BtrackScores) -> list[Candidates]:
    """All hypotheses about these tracklets, with the features that they are scored by.

    Args:
        p: tracklets, cut.
        reach: how far things may be from each other.
        btrack: what it holds possible.
    """
    n = len(p.first)
    alone = np.arange(n)
    before = ends_and_starts(p, p.first, p.last)
    found = [
        _one(kind, alone, features=before | {"btrack": _btrack_scores(btrack, kind, alone, np.full(n, NONE))})
        for kind in (Hypothesis.FALSE_POSITIVE, Hypothesis.START, Hypothesis.END, Hypothesis.DEATH)
    ]
    i, j = links(p, reach, btrack)
    features = link_features(p, p.last[i], p.first[j], reach.step)
    scores = _btrack_scores(btrack, Hypothesis.LINK, i, j)
    found.append(
        Candidates(
            Hypothesis.LINK, _padded([i], 2), _padded([j], MAX_DAUGHTERS), features | {"btrack": scores}
        )
    )
    mother, daughters = divisions(p, reach, btrack)
    at = np.where(daughters >= 0, p.first[daughters], NONE)
    found.append(
        Candidates(
            Hypothesis.DIVISION, _padded([mother], 2), daughters, division_features(p, p.last[mother], at)
        )
    )
    parents, fused = fusions(p, reach)
    found.append(
        Candidates(
            Hypothesis.FUSION,
            parents,
            _padded([fused], MAX_DAUGHTERS),
            fusion_features(p, p.last[parents], p.first[fused]),
        )
    )
    return found


def scored(found: list[Candidates], models: Models) -> Hypotheses:
    """Give each its log-odds."""
    kinds, ends, starts, odds = [], [], [], []
    for c in found:
        log_odds = models.by_kind[c.kind].log_odds(c.features)
        kept = np.ones(len(log_odds), bool)
        if c.kind is Hypothesis.FALSE_POSITIVE:
            log_odds = log_odds + DEBRIS
            kept = c.features["length"] < np.log(FOLLOWED_FRAMES)
        kinds.append(np.full(int(kept.sum()), c.kind, object))
        ends.append(c.ends[kept])
        starts.append(c.starts[kept])
        odds.append(log_odds[kept])
    return Hypotheses(
        np.concatenate(kinds), np.concatenate(ends), np.concatenate(starts), np.concatenate(odds)
    )


def _one(kind: Hypothesis, alone: np.ndarray, features: Mapping[str, np.ndarray]) -> Candidates:
    """A hypothesis about each tracklet by itself."""
    nobody = np.full(len(alone), NONE)
    ends = nobody if kind is Hypothesis.START else alone
    starts = alone if kind in (Hypothesis.START, Hypothesis.FALSE_POSITIVE) else nobody
    return Candidates(kind, _padded([ends], 2), _padded([starts], MAX_DAUGHTERS), features)


def _padded(columns: list[np.ndarray], width: int) -> np.ndarray:
    nobody = np.full(len(columns[0]), NONE)
    return np.stack([*columns, *[nobody] * (width - len(columns))], axis=1)


def links(p: TrackletArrays, reach: Reach, btrack: BtrackScores) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of tracklets of which the second may go on from the first: neighbours, and those of btrack.

    Args:
        p: tracklets, cut.
        reach: how far things may be from each other.
        btrack: its own hypotheses.
    """
    pairs = [
        neighbours(p, p.last, p.first, within=LINK_REACH * reach.step * np.sqrt(lag), lag=lag)
        for lag in range(1, reach.gap_frames + 1)
    ]
    i, j = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    theirs = np.array([(a, b) for kind, a, b, _ in btrack if kind is Hypothesis.LINK], int).reshape(-1, 2)
    across = np.flatnonzero(p.track[p.last[:-1]] == p.track[p.first[1:]])
    pairs_of_all = np.r_[np.c_[p.tracklet[i], p.tracklet[j]], theirs, np.c_[across, across + 1]]
    i, j = np.unique(pairs_of_all, axis=0).T
    return i.astype(int), j.astype(int)


def divisions(p: TrackletArrays, reach: Reach, btrack: BtrackScores) -> tuple[np.ndarray, np.ndarray]:
    """Mothers (H,) and daughters (H, MAX_DAUGHTERS).

    Every two, three and four of the beginnings next to an end in time and place, and those of btrack.

    Args:
        p: tracklets, cut.
        reach: how far things may be from each other.
        btrack: its own hypotheses.
    """
    pairs = [
        neighbours(p, p.last, p.first, within=reach.division, lag=lag)
        for lag in range(1, reach.gap_frames + 1)
    ]
    mother, start = (p.tracklet[np.concatenate([pair[k] for pair in pairs])] for k in (0, 1))
    far = np.linalg.norm(p.position[p.first[start]] - p.position[p.last[mother]], axis=1)
    later = p.time[p.first[start]] - p.time[p.last[mother]]
    order = np.lexsort((far, later, mother))
    mother, start = mother[order], start[order]
    theirs = {(m, frozenset((a, b))) for kind, m, a, b in btrack if kind is Hypothesis.DIVISION}
    mothers: list[int] = []
    found: list[tuple[int, ...]] = []
    for m, group in _groups(mother):
        around = start[group][:NEAREST].tolist()
        for n in range(2, MAX_DAUGHTERS + 1):
            for some in combinations(around, n):
                mothers.append(m)
                found.append(some + (NONE,) * (MAX_DAUGHTERS - n))
                theirs.discard((m, frozenset(some)))
    for m, two in sorted((m, sorted(two)) for m, two in theirs):
        mothers.append(m)
        found.append((*two, *(NONE,) * (MAX_DAUGHTERS - 2)))
    return np.array(mothers, int), np.array(found, int).reshape(-1, MAX_DAUGHTERS)


def fusions(p: TrackletArrays, reach: Reach) -> tuple[np.ndarray, np.ndarray]:
    """Parents (H, 2) and what they became (H,): every two of the nearest ends before a beginning."""
    pairs = [
        neighbours(p, p.last, p.first, within=reach.fusion, lag=lag) for lag in range(1, FUSION_FRAMES + 1)
    ]
    end, start = (p.tracklet[np.concatenate([pair[k] for pair in pairs])] for k in (0, 1))
    order = np.lexsort((end, start))
    end, start = end[order], start[order]
    found = [
        (*two, s) for s, group in _groups(start) for two in combinations(end[group][:NEAREST].tolist(), 2)
    ]
    table = np.array(found, int).reshape(-1, 3)
    return table[:, :2], table[:, 2]


def _groups(values: np.ndarray) -> list[tuple[int, slice]]:
    """Runs of equal values: the value, and where it stands."""
    if not len(values):
        return []
    begins = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    stops = np.r_[begins[1:], len(values)]
    return [(int(values[a]), slice(int(a), int(b))) for a, b in zip(begins, stops, strict=True)]


# --- btrack's


def of_shorter(tracklets: Tracklets, uncut: TrackletArrays, shorter: TrackletArrays) -> BtrackScores:
    """What btrack holds possible of its own tracklets, as of those that these were cut into.

    Args:
        tracklets: of btrack, with its hypotheses.
        uncut: the same as arrays.
        shorter: what they were cut into.
    """
    track = uncut.track[uncut.first]
    begins = dict(zip(track.tolist(), shorter.tracklet[uncut.first].tolist(), strict=True)) | {NONE: NONE}
    ends = dict(zip(track.tolist(), shorter.tracklet[uncut.last].tolist(), strict=True))
    table = tracklets.hypotheses
    columns = (table[c].tolist() for c in ("kind", "tracklet", "first", "second", "log_likelihood"))
    scores: BtrackScores = {}
    for kind, i, first, second, likelihood in zip(*columns, strict=True):
        if i not in ends or first not in begins or second not in begins:
            continue
        one = begins[i] if kind is Hypothesis.START else ends[i]
        scores[kind, one, begins[first], begins[second]] = float(likelihood)
    return scores


def _btrack_scores(btrack: BtrackScores, kind: Hypothesis, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Btrack's log-likelihoods; NaN where it has none."""
    pairs = zip(i.tolist(), j.tolist(), strict=True)
    return np.array([btrack.get((kind, a, b, NONE), np.nan) for a, b in pairs], float)
