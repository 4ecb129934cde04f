"""Tracklets and btrack's hypotheses -> shorter tracklets and everything that may join them, with log-odds.

btrack's hypotheses are binary, and it often lets a mother go on as one of her daughters. So its tracklets are
cut wherever a division or a fusion would explain what begins or ends beside them, and to its hypotheses are
added: going on across the cut, division into two, three and four, fusion, and death. Each hypothesis explains
the ends of some tracklets and the beginnings of others; its log-odds come from the likelihoods' models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from lineage import likelihoods
from lineage.schema import Hypotheses, Hypothesis
from lineage.state import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from lineage.schema import Tracklets

LATE, EARLY = 5, 3  # nuclei that a mother's, and a daughter's, DNA is measured from
DIVISION_FRAMES = 3  # from a mother's last frame to a daughter's first, at most
FUSION_FRAMES = 2  # from a parent's last frame to the fused cell's first, at most
MOST_DAUGHTERS = 4
NEAREST = 6  # beginnings around a mother that are combined
CUT_AT = -5.0  # log-odds of a division or fusion, for which a tracklet is cut
KEPT_AT = -7.0  # log-odds below which a hypothesis is not worth an unknown
NONE = -1
# Added to the log-odds. The simulated nuclei that the likelihoods were fitted on have a fiftieth of debris, and it
# looks like daughters that part for a frame or two; in real movies it is rarer, and such daughters are what is
# looked for. Chosen on mosaics of real mitoses that nothing else is measured on; simulated divisions gain, too.
PRIOR = {Hypothesis.FALSE_POSITIVE: -3.0, Hypothesis.DIVISION: 1.5}


@dataclass(frozen=True)
class Reach:
    """How far things may be from each other, micrometres; frames are usable ones."""

    step_um: float  # between two frames, nearly always less
    division_um: float  # from a mother to a daughter's first place
    fusion_um: float  # from a parent to the fused cell
    gap_frames: int  # from an end to the beginning that goes on from it


def consider(
    tracklets: Tracklets,
    time: np.ndarray,
    *,
    shape_um: tuple[float, float],
    pixel_size_um: float,
    division_reach_um: float = 30.0,
    fusion_reach_um: float = 25.0,
    most_gap_frames: int = 4,
) -> tuple[pd.DataFrame, Hypotheses]:
    """List what may have happened.

    Args:
        tracklets: of btrack.
        time: (N,) of the detections, in usable frames.
        shape_um: (Y, X) of the image.
        pixel_size_um: of the image.
        division_reach_um: from a mother to a daughter's first place.
        fusion_reach_um: from a parent to the fused cell's first place.
        most_gap_frames: from an end to the beginning that goes on from it.

    Returns:
        The detections with the shorter tracklets' numbers, from 0; and the hypotheses about these.
    """
    models = Models.of(tracklets.detections)
    reach = Reach(tracklets.step_um, division_reach_um, fusion_reach_um, most_gap_frames)
    pieces = Pieces.of(tracklets.detections, time, shape_um=shape_um, pixel_size_um=pixel_size_um)
    shorter = cut(pieces, reach, models.division, models.fusion)
    table = tracklets.detections.assign(tracklet_id=shorter.number_of_detection())
    return table, judged(candidates(shorter, reach, btrack=of_pieces(tracklets, pieces, shorter)), models)


@dataclass(frozen=True)
class Models:
    """The likelihoods' models, by kind of hypothesis."""

    by_kind: Mapping[Hypothesis, likelihoods.Model]

    @classmethod
    def of(cls, detections: pd.DataFrame) -> Models:
        """Those that hold for these nuclei."""
        kind = kind_of(detections)
        return cls({h: likelihoods.load(kind, h.value) for h in Hypothesis})

    @property
    def division(self) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """Log-odds from features."""
        return self.by_kind[Hypothesis.DIVISION].log_odds

    @property
    def fusion(self) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """Log-odds from features."""
        return self.by_kind[Hypothesis.FUSION].log_odds


# --- Tracklets as arrays


@dataclass(frozen=True, eq=False)
class Pieces:
    """Detections in order of tracklet, then time; those of no tracklet are left out.

    `row` (N,) is a detection's place in the table, `first` and `last` (P,) the places here of a tracklet's
    ends, `piece` (N,) its tracklet.
    """

    row: np.ndarray
    n_rows: int
    time: np.ndarray
    place: np.ndarray  # (N, 2) um
    border: np.ndarray  # (N,) um to the edge of the image
    mass: np.ndarray  # log, over the median
    size: np.ndarray  # log, over the median
    dense: np.ndarray  # log condensation
    mitotic: np.ndarray
    dead: np.ndarray
    sure: np.ndarray  # the segmentation's probability
    track: np.ndarray  # btrack's number, whatever is cut
    first: np.ndarray
    last: np.ndarray
    piece: np.ndarray

    @classmethod
    def of(
        cls, table: pd.DataFrame, time: np.ndarray, *, shape_um: tuple[float, float], pixel_size_um: float
    ) -> Pieces:
        """Of detections with tracklets' numbers."""
        tracklet = table["tracklet_id"].to_numpy()
        row = np.lexsort((time, tracklet))
        row = row[tracklet[row] >= 0]
        place = table[["y_um", "x_um"]].to_numpy(float)[row]
        seen = table[["y_px", "x_px"]].to_numpy(float)[row] * pixel_size_um
        border = np.minimum(seen, np.asarray(shape_um) - seen).min(axis=1) if len(row) else np.zeros(0)

        def log(column: str, floor: float) -> np.ndarray:
            values = table[column].to_numpy(float)[row]
            positive = values[values > 0]
            middle = float(np.median(positive)) if len(positive) else 1.0
            return np.log(np.maximum(values, floor * middle) / middle)

        same = tracklet[row]
        begins = np.flatnonzero(np.r_[True, same[1:] != same[:-1]]) if len(row) else np.zeros(0, int)
        return cls(
            row=row,
            n_rows=len(table),
            time=np.asarray(time)[row],
            place=place,
            border=border,
            mass=log("dna_mass", 0.02),
            size=log("area_um2", 0.02),
            dense=np.log(np.clip(table["condensation"].to_numpy(float)[row], 0.05, 20)),
            mitotic=table["p_mitotic"].to_numpy(float)[row],
            dead=table["p_dead"].to_numpy(float)[row],
            sure=table["probability"].to_numpy(float)[row],
            track=same,
            first=begins,
            last=np.r_[begins[1:], len(row)] - 1 if len(row) else begins,
            piece=np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(row)])),
        )

    def split(self, before: np.ndarray) -> Pieces:
        """Cut in front of these detections (places here)."""
        from dataclasses import replace

        first = np.union1d(self.first, before).astype(int)
        last = np.r_[first[1:], len(self.row)] - 1 if len(first) else first
        piece = np.repeat(np.arange(len(first)), last - first + 1)
        return replace(self, first=first, last=last, piece=piece)

    def number_of_detection(self) -> np.ndarray:
        """(rows of the table,) tracklet of each; NONE of those that are in none."""
        number = np.full(self.n_rows, NONE)
        number[self.row] = self.piece
        return number

    def late(self, values: np.ndarray, at: np.ndarray, n: int = LATE) -> np.ndarray:
        """(len(at), n) the values of the last nuclei up to `at`, NaN before their tracklet begins."""
        index = at[:, None] - np.arange(n)
        inside = index >= self.first[self.piece[at]][:, None]
        return np.where(inside, values[np.maximum(index, 0)], np.nan)

    def early(self, values: np.ndarray, at: np.ndarray, n: int = EARLY) -> np.ndarray:
        """(len(at), n) the values of the first nuclei from `at` on, NaN after their tracklet ends."""
        index = at[:, None] + np.arange(n)
        inside = index <= self.last[self.piece[at]][:, None]
        return np.where(inside, values[np.minimum(index, len(values) - 1)], np.nan)


def near(
    p: Pieces, ends: np.ndarray, starts: np.ndarray, *, um: float, lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (places in `p`) of an end and a beginning `lag` frames later and at most `um` away, in order."""
    from scipy.spatial import cKDTree

    if not len(ends) or not len(starts):
        return np.zeros(0, int), np.zeros(0, int)
    frames_apart = 10 * um  # so that another frame is out of reach
    later = np.c_[p.place[ends], (p.time[ends] + lag) * frames_apart]
    tree = cKDTree(np.c_[p.place[starts], p.time[starts] * frames_apart])
    found = tree.query_ball_point(later, um, return_sorted=True)
    counts = np.array([len(f) for f in found], int)
    second = np.concatenate([*found, []]).astype(int)
    return np.repeat(ends, counts), starts[second]


# --- Where to cut


def cut(
    p: Pieces,
    reach: Reach,
    division: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    fusion: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    *,
    at: float = CUT_AT,
) -> Pieces:
    """Cut tracklets where they went without a nucleus, and where one may be what begins or ends beside it.

    Fusions come after divisions, so that parents are measured without their mother.

    Args:
        p: tracklets.
        reach: how far things may be from each other.
        division: features -> log-odds.
        fusion: features -> log-odds.
        at: log-odds from which on is cut.
    """
    goes_on = np.setdiff1d(np.arange(len(p.row)), p.last)
    bridged = goes_on[p.time[goes_on + 1] > p.time[goes_on] + 1] + 1
    p = p.split(bridged)
    p = p.split(_at_divisions(p, reach, division, at))
    return p.split(_at_fusions(p, reach, fusion, at))


def _at_divisions(
    p: Pieces, reach: Reach, division: Callable[[Mapping[str, np.ndarray]], np.ndarray], at: float
) -> np.ndarray:
    """Nuclei that may be the sister of one that begins beside them."""
    goes_on = np.setdiff1d(np.arange(len(p.row)), p.last)
    starts = p.first[p.time[p.first] > 0]
    found = []
    for lag in (1, 2):
        mother, start = near(p, goes_on, starts, um=reach.division_um, lag=lag)
        other = p.piece[mother] != p.piece[start]
        mother, start = mother[other], start[other]
        daughters = np.c_[mother + 1, start, np.full((len(start), MOST_DAUGHTERS - 2), NONE)]
        found.append(mother[division(division_features(p, mother, daughters)) > at] + 1)
    return np.concatenate(found)


def _at_fusions(
    p: Pieces, reach: Reach, fusion: Callable[[Mapping[str, np.ndarray]], np.ndarray], at: float
) -> np.ndarray:
    """Nuclei into which one that ends beside them may have gone."""
    ends = p.last[p.time[p.last] < p.time.max(initial=0)]
    has_past = np.setdiff1d(np.arange(len(p.row)), p.first)
    found = []
    for lag in range(1, FUSION_FRAMES + 1):
        end, fused = near(p, ends, has_past, um=reach.fusion_um, lag=lag)
        other = p.piece[end] != p.piece[fused]
        end, fused = end[other], fused[other]
        found.append(fused[fusion(fusion_features(p, np.c_[end, fused - 1], fused)) > at])
    return np.concatenate(found)


# --- What may have happened


@dataclass(frozen=True, eq=False)
class Candidates:
    """Hypotheses of one kind before they are judged; `ends`, `starts` number tracklets."""

    kind: Hypothesis
    ends: np.ndarray  # (H, 2)
    starts: np.ndarray  # (H, MOST_DAUGHTERS)
    features: Mapping[str, np.ndarray]


def candidates(
    p: Pieces, reach: Reach, *, btrack: Mapping[tuple[Hypothesis, int, int], float]
) -> list[Candidates]:
    """All hypotheses about these tracklets, with what they are judged by.

    Args:
        p: tracklets, cut.
        reach: how far things may be from each other.
        btrack: kind, tracklet and the one it goes on as (or NONE) -> btrack's log-likelihood.
    """
    n = len(p.first)
    alone = np.arange(n)
    before = ends_and_starts(p, p.first, p.last)
    found = [
        _one(kind, alone, features=before | {"btrack": _told(btrack, kind, alone, np.full(n, NONE))})
        for kind in (Hypothesis.FALSE_POSITIVE, Hypothesis.START, Hypothesis.END, Hypothesis.DEATH)
    ]
    i, j = links(p, reach, btrack)
    features = link_features(p, p.last[i], p.first[j], reach.step_um)
    told = _told(btrack, Hypothesis.LINK, i, j)
    found.append(
        Candidates(Hypothesis.LINK, _padded([i], 2), _padded([j], MOST_DAUGHTERS), features | {"btrack": told})
    )
    mother, daughters = divisions(p, reach)
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
            _padded([fused], MOST_DAUGHTERS),
            fusion_features(p, p.last[parents], p.first[fused]),
        )
    )
    return found


def judged(found: list[Candidates], models: Models) -> Hypotheses:
    """Give each its log-odds; what joins tracklets and is most unlikely goes."""
    kinds, ends, starts, odds = [], [], [], []
    for c in found:
        log_odds = models.by_kind[c.kind].log_odds(c.features) + PRIOR.get(c.kind, 0.0)
        joins = c.kind in (Hypothesis.LINK, Hypothesis.DIVISION, Hypothesis.FUSION)
        kept = log_odds > KEPT_AT if joins else np.ones(len(log_odds), bool)
        kinds.append(np.full(int(kept.sum()), c.kind, object))
        ends.append(c.ends[kept])
        starts.append(c.starts[kept])
        odds.append(log_odds[kept])
    return Hypotheses(*map(np.concatenate, (kinds, ends, starts, odds)))


def _one(kind: Hypothesis, alone: np.ndarray, features: Mapping[str, np.ndarray]) -> Candidates:
    """A hypothesis about each tracklet by itself."""
    nobody = np.full(len(alone), NONE)
    ends = nobody if kind is Hypothesis.START else alone
    starts = alone if kind in (Hypothesis.START, Hypothesis.FALSE_POSITIVE) else nobody
    return Candidates(kind, _padded([ends], 2), _padded([starts], MOST_DAUGHTERS), features)


def _padded(columns: list[np.ndarray], width: int) -> np.ndarray:
    nobody = np.full(len(columns[0]), NONE)
    return np.stack([*columns, *[nobody] * (width - len(columns))], axis=1)


def links(
    p: Pieces, reach: Reach, btrack: Mapping[tuple[Hypothesis, int, int], float]
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of tracklets of which the second may go on from the first: near ones, and those of btrack."""
    pairs = [
        near(p, p.last, p.first, um=reach.step_um * np.sqrt(lag), lag=lag)
        for lag in range(1, reach.gap_frames + 1)
    ]
    i, j = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    theirs = np.array([(a, b) for kind, a, b in btrack if kind is Hypothesis.LINK], int).reshape(-1, 2)
    across = np.flatnonzero(p.track[p.last[:-1]] == p.track[p.first[1:]])
    pairs_of_all = np.r_[np.c_[p.piece[i], p.piece[j]], theirs, np.c_[across, across + 1]]
    i, j = np.unique(pairs_of_all, axis=0).T
    return i.astype(int), j.astype(int)


def divisions(p: Pieces, reach: Reach) -> tuple[np.ndarray, np.ndarray]:
    """Mothers (H,) and daughters (H, MOST_DAUGHTERS): every two, three and four of the nearest beginnings."""
    pairs = [
        near(p, p.last, p.first, um=reach.division_um, lag=lag) for lag in range(1, DIVISION_FRAMES + 1)
    ]
    mother, start = (p.piece[np.concatenate([pair[k] for pair in pairs])] for k in (0, 1))
    far = np.linalg.norm(p.place[p.first[start]] - p.place[p.last[mother]], axis=1)
    order = np.lexsort((far, mother))
    mother, start = mother[order], start[order]
    mothers: list[int] = []
    found: list[tuple[int, ...]] = []
    for m, group in _groups(mother):
        around = start[group][:NEAREST].tolist()
        for n in range(2, MOST_DAUGHTERS + 1):
            for some in combinations(around, n):
                mothers.append(m)
                found.append(some + (NONE,) * (MOST_DAUGHTERS - n))
    return np.array(mothers, int), np.array(found, int).reshape(-1, MOST_DAUGHTERS)


def fusions(p: Pieces, reach: Reach) -> tuple[np.ndarray, np.ndarray]:
    """Parents (H, 2) and what they became (H,): every two of the nearest ends before a beginning."""
    pairs = [near(p, p.last, p.first, um=reach.fusion_um, lag=lag) for lag in range(1, FUSION_FRAMES + 1)]
    end, start = (p.piece[np.concatenate([pair[k] for pair in pairs])] for k in (0, 1))
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


# --- What they are judged by


def ends_and_starts(p: Pieces, first: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
    """Features of a tracklet by itself: (P,) each."""
    length = last - first + 1
    final = p.time.max(initial=0)
    whole = np.nanmedian(_whole(p, p.mass, first, last), axis=1) if len(first) else np.zeros(0)
    late = _median(p.late(p.mass, last))
    return {
        "length": np.log(length),
        "single": (length == 1) * 1.0,
        "at_first": (p.time[first] == 0) * 1.0,
        "at_last": (p.time[last] == final) * 1.0,
        "starts_at_border": np.exp(-np.maximum(p.border[first], 0) / 12),
        "ends_at_border": np.exp(-np.maximum(p.border[last], 0) / 12),
        "mass": whole,
        "mass2": whole**2,
        "size": _median(p.late(p.size, last)),
        "dense": _median(p.late(p.dense, last)),
        "starts_mitotic": _most(p.early(p.mitotic, first)),
        "ends_mitotic": _most(p.late(p.mitotic, last)),
        "ends_dead": _median(p.late(p.dead, last)),
        "dead": np.nanmean(_whole(p, p.dead, first, last), axis=1) if len(first) else np.zeros(0),
        "faded": late - whole,
        "sure": np.nanmean(_whole(p, p.sure, first, last), axis=1) if len(first) else np.zeros(0),
    }


SAMPLES = 24  # nuclei that stand for a long tracklet


def _whole(p: Pieces, values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(P, SAMPLES) values from all along the tracklets."""
    index = first[:, None] + np.round((last - first)[:, None] * np.linspace(0, 1, SAMPLES)).astype(int)
    return values[index]


def link_features(p: Pieces, end: np.ndarray, start: np.ndarray, step_um: float) -> dict[str, np.ndarray]:
    """Of going on: places (L,) of an end and of a beginning."""
    lag = (p.time[start] - p.time[end]).astype(float)
    far = np.linalg.norm(p.place[start] - p.place[end], axis=1) / (step_um * np.sqrt(np.maximum(lag, 1)))
    grows = _median(p.early(p.mass, start)) - _median(p.late(p.mass, end))
    larger = _median(p.early(p.size, start)) - _median(p.late(p.size, end, EARLY))
    return {
        "lag": lag,
        "next": (lag == 1) * 1.0,
        "far": far,
        "far2": far**2,
        "grows": grows,
        "grows2": grows**2,
        "larger2": larger**2,
        "ends_mitotic": _most(p.late(p.mitotic, end, EARLY)),
        "starts_mitotic": _most(p.early(p.mitotic, start, 1)),
        "halved": np.exp(-(((grows + 0.69) / 0.3) ** 2)) * _most(p.late(p.mitotic, end, EARLY)),
        "ends_dead": _median(p.late(p.dead, end)),
        "dead": _median(p.early(p.dead, start)),
    }


def division_features(p: Pieces, mother: np.ndarray, daughters: np.ndarray) -> dict[str, np.ndarray]:
    """Of a division: places (D,) of a mother's last nucleus, (D, n) of daughters' first, NONE where fewer."""
    there = daughters >= 0
    n = there.sum(axis=1)
    at = np.maximum(daughters, 0)

    def each(values: np.ndarray, how: Callable[[np.ndarray], np.ndarray], window: int) -> np.ndarray:
        flat = how(p.early(values, at.ravel(), window)).reshape(at.shape)
        return np.where(there, flat, np.nan)

    mass = each(p.mass, _median, EARLY)
    whole = np.log(np.nansum(np.exp(mass), axis=1)) if len(mass) else np.zeros(0)
    of_mother = _median(p.late(p.mass, mother))
    share = whole - of_mother
    place = np.where(there[:, :, None], p.place[at], np.nan)
    outward = place - p.place[mother][:, None]
    middle = _mean(outward)
    length = np.linalg.norm(outward, axis=2)
    apart = 2 * _mean(np.linalg.norm(place - _mean(place)[:, None], axis=2))
    one_sided = np.linalg.norm(_mean(outward / np.maximum(length, 1e-6)[:, :, None]), axis=1)
    off = np.linalg.norm(middle, axis=1)
    lag = np.where(there, p.time[at] - p.time[mother][:, None], np.nan)
    uneven = _most(mass) - _least(mass)
    return {
        "many": (n > 2) * 1.0,
        "four": (n > 3) * 1.0,
        "share": share,
        "share2": np.minimum(share**2, 4),
        "uneven2": np.minimum(uneven**2, 4),
        "off": off / 10,
        "off2": np.minimum((off / (0.25 * apart + 2)) ** 2, 16),
        "apart": apart / 10,
        "apart2": (apart / 10) ** 2,
        "farthest": _most(length) / 10,
        "one_sided": one_sided,
        "lag": _least(lag),
        "uneven_lag": _most(lag) - _least(lag),
        "mother_mitotic": _most(p.late(p.mitotic, mother, EARLY)),
        "mother_dense": _most(p.late(p.dense, mother, EARLY)),
        "mother_mass": of_mother,
        "daughters_mitotic": _least(each(p.mitotic, _most, EARLY)),
        "daughters_dense": _least(each(p.dense, _most, EARLY)),
        "daughters_size": _most(each(p.size, _median, 2)),
        "daughters_dead": _most(each(p.dead, _median, EARLY)),
        "mother_dead": _median(p.late(p.dead, mother, EARLY)),
    }


def fusion_features(p: Pieces, parents: np.ndarray, fused: np.ndarray) -> dict[str, np.ndarray]:
    """Of a fusion: places (F, 2) of the parents' last nuclei, (F,) of the fused cell's first."""
    one, two = (_median(p.late(p.mass, parents[:, k])) for k in (0, 1))
    share = _median(p.early(p.mass, fused)) - np.logaddexp(one, two)
    grows = _median(p.early(p.mass, fused)) - np.maximum(one, two)
    apart = np.linalg.norm(p.place[parents[:, 0]] - p.place[parents[:, 1]], axis=1)
    off = np.linalg.norm(p.place[parents].mean(axis=1) - p.place[fused], axis=1)
    lag = p.time[fused][:, None] - p.time[parents]
    return {
        "share": share,
        "share2": np.minimum(share**2, 4),
        "grows": grows,
        "uneven2": np.minimum((one - two) ** 2, 4),
        "apart": apart / 10,
        "apart2": (apart / 10) ** 2,
        "off": off / 10,
        "off2": (off / 10) ** 2,
        "lag": lag.max(axis=1).astype(float),
        "larger": _median(p.early(p.size, fused))
        - np.maximum(*(_median(p.late(p.size, parents[:, k], EARLY)) for k in (0, 1))),
        "parents_mitotic": _most(
            np.stack([_most(p.late(p.mitotic, parents[:, k], EARLY)) for k in (0, 1)], axis=1)
        ),
        "parents_dead": _most(
            np.stack([_median(p.late(p.dead, parents[:, k], EARLY)) for k in (0, 1)], axis=1)
        ),
        "shortest": np.log(
            np.min(
                [parents[:, k] - p.first[p.piece[parents[:, k]]] + 1 for k in (0, 1)], axis=0, initial=10_000
            )
        ),
    }


def _median(values: np.ndarray) -> np.ndarray:
    return np.nanmedian(values, axis=1) if len(values) else np.zeros(0)


def _mean(values: np.ndarray) -> np.ndarray:
    return np.nanmean(values, axis=1)


def _most(values: np.ndarray) -> np.ndarray:
    return np.nanmax(values, axis=1) if len(values) else np.zeros(0)


def _least(values: np.ndarray) -> np.ndarray:
    return np.nanmin(values, axis=1) if len(values) else np.zeros(0)


# --- btrack's


def of_pieces(tracklets: Tracklets, whole: Pieces, cut: Pieces) -> dict[tuple[Hypothesis, int, int], float]:
    """btrack's hypotheses about its own tracklets, as about those that these were cut into."""
    track = whole.track[whole.first]
    first_piece = dict(zip(track.tolist(), cut.piece[whole.first].tolist(), strict=True))
    last_piece = dict(zip(track.tolist(), cut.piece[whole.last].tolist(), strict=True))
    told: dict[tuple[Hypothesis, int, int], float] = {}
    for h in tracklets.hypotheses.itertuples():
        if h.tracklet not in first_piece or (h.first != NONE and h.first not in first_piece):
            continue
        if h.kind == Hypothesis.LINK:
            told[Hypothesis.LINK, last_piece[h.tracklet], first_piece[h.first]] = h.log_likelihood
        elif h.kind == Hypothesis.START:
            told[Hypothesis.START, first_piece[h.tracklet], NONE] = h.log_likelihood
        elif h.kind == Hypothesis.END:
            told[Hypothesis.END, last_piece[h.tracklet], NONE] = h.log_likelihood
        elif h.kind == Hypothesis.FALSE_POSITIVE and first_piece[h.tracklet] == last_piece[h.tracklet]:
            told[Hypothesis.FALSE_POSITIVE, first_piece[h.tracklet], NONE] = h.log_likelihood
    return told


def _told(
    btrack: Mapping[tuple[Hypothesis, int, int], float], kind: Hypothesis, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """btrack's log-likelihoods; NaN where it has none."""
    pairs = zip(i.tolist(), j.tolist(), strict=True)
    return np.array([btrack.get((kind, a, b), np.nan) for a, b in pairs], float)
