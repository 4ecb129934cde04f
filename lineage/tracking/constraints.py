"""What a person says of tracks -> constraints of the integer program.

A tracklet is cut wherever a person says something of its nuclei: a cut decides nothing. What they say then
is the only explanation of the ends and beginnings that it names, and what they deny is none. Of two things
that cannot both hold the later one does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from lineage.corrections.find import Finder
from lineage.corrections.journal import OVERRULED
from lineage.corrections.lines import Cut, Death, Division, Fusion, Join, NoDeath, NoDivision
from lineage.edge import diameter_um
from lineage.schema import Hypotheses, Hypothesis
from lineage.tracking.tracklet_arrays import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import networkx as nx
    import pandas as pd

    from lineage.corrections.lines import Nucleus, OfTracks
    from lineage.tracking.tracklet_arrays import TrackletArrays

NEAR_FRAMES, NEAR = 3, 1.0  # frames and diameters, within which a division or death is the one denied
SAME = 0.5  # diameters, within which a person who names another frame means the same nucleus
GONE = "a nucleus that it names is not there any more"


@dataclass(frozen=True)
class Said:
    """That this holds, or that it does not: nuclei are known by `detection_id`."""

    kind: Hypothesis
    ends: tuple[int, ...] = ()  # the last nuclei of what ends by it
    starts: tuple[int, ...] = ()  # the first nuclei of what begins by it
    is_denied: bool = False

    @cached_property
    def sides(self) -> frozenset[tuple[str, int]]:
        """The ends and beginnings that it explains."""
        return frozenset([("end", d) for d in self.ends] + [("start", d) for d in self.starts])

    @cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """Which nucleus comes from which."""
        return frozenset((a, b) for a in self.ends for b in self.starts)


@dataclass(frozen=True)
class Constraints:
    """All that was said, but for what is overruled or not there any more."""

    said: Mapping[str, Said] = field(default_factory=dict)  # id of the line -> what holds
    denied: Mapping[str, Said] = field(default_factory=dict)  # ... -> what does not: links, divisions, deaths
    outlined: frozenset[int] = frozenset()  # nuclei whose outlines are a person's: no debris
    not_applied: Mapping[str, str] = field(default_factory=dict)  # id of the line -> why not

    def __bool__(self) -> bool:
        return bool(self.said or self.denied or self.outlined)

    def denials(self, kind: Hypothesis) -> dict[str, Said]:
        """Id of the line -> what of this kind does not hold."""
        return {i: s for i, s in self.denied.items() if s.kind is kind}

    @property
    def spared(self) -> frozenset[int]:
        """Nuclei whose cells do not die."""
        return frozenset(d for s in self.denials(Hypothesis.DEATH).values() for d in s.ends)

    # --- before the program

    def cut(self, p: TrackletArrays, ids: np.ndarray) -> TrackletArrays:
        """Cut tracklets at every nucleus that something is said of.

        Args:
            p: tracklets.
            ids: `detection_id` of each row of the table that they are of.
        """
        if not self:
            return p
        index = {int(d): i for i, d in enumerate(ids[p.row])}
        named = [*self.said.values(), *self.denials(Hypothesis.LINK).values()]
        ends, starts = [d for s in named for d in s.ends], [d for s in named for d in s.starts]
        goes_on = np.setdiff1d([index[d] for d in ends if d in index], p.last)
        return p.split(np.r_[goes_on + 1, [index[d] for d in starts if d in index]].astype(int))

    def applied(self, hypotheses: Hypotheses, p: TrackletArrays, ids: np.ndarray) -> Hypotheses:
        """The hypotheses that are left, with what was said among them.

        Args:
            hypotheses: about these tracklets.
            p: tracklets, cut.
            ids: `detection_id` of each row of the table that they are of.
        """
        if not self:
            return hypotheses
        row_of = ids[p.row]
        ending = {int(d): k for k, d in enumerate(row_of[p.last])}
        starting = {int(d): k for k, d in enumerate(row_of[p.first])}
        given = [
            (s.kind, _padded([ending[d] for d in s.ends], 2), _padded([starting[d] for d in s.starts], 4))
            for s in self.said.values()
        ]
        denied = self._denied(hypotheses, p, {int(d): i for i, d in enumerate(row_of)})
        for cut in self.denials(Hypothesis.LINK).values():
            ((a, b),) = cut.pairs
            from_a = (hypotheses.ends == ending[a]).any(axis=1)
            denied |= from_a & (hypotheses.starts == starting[b]).any(axis=1)
        ends = [t for _, sides, _ in given for t in sides if t != NONE]
        starts = [t for _, _, sides in given for t in sides if t != NONE]
        others = np.isin(hypotheses.ends, ends).any(axis=1) | np.isin(hypotheses.starts, starts).any(axis=1)
        kept = ~(others | denied)
        added = len(given)
        return Hypotheses(
            np.r_[hypotheses.kind[kept], np.array([k for k, _, _ in given], object)],
            np.r_[hypotheses.ends[kept], np.array([e for _, e, _ in given], int).reshape(added, 2)],
            np.r_[hypotheses.starts[kept], np.array([s for _, _, s in given], int).reshape(added, 4)],
            np.r_[hypotheses.log_odds[kept], np.zeros(added)],
            n_given=added,
        )

    def _denied(self, hypotheses: Hypotheses, p: TrackletArrays, index: Mapping[int, int]) -> np.ndarray:
        """(H,) divisions and deaths where they are denied, and that what a person outlined is false."""
        real = p.tracklet[[index[d] for d in self.outlined if d in index]]
        denied = (hypotheses.kind == Hypothesis.FALSE_POSITIVE) & np.isin(hypotheses.starts[:, 0], real)
        last = p.last[np.maximum(hypotheses.ends[:, 0], 0)]
        for kind in (Hypothesis.DIVISION, Hypothesis.DEATH):
            of_kind = (hypotheses.kind == kind) & (hypotheses.ends[:, 0] != NONE)
            for i in (index[d] for s in self.denials(kind).values() for d in s.ends if d in index):
                is_near = np.linalg.norm(p.position[last] - p.position[i], axis=1) <= NEAR
                denied |= of_kind & is_near & (np.abs(p.time[last] - p.time[i]) <= NEAR_FRAMES)
        return denied

    # --- after it

    def checked(self, detections: pd.DataFrame, graph: nx.DiGraph) -> Constraints:
        """The same; what does not hold in the lineage after all is among `not_applied`.

        Args:
            detections: `detection_id, tracklet_id`; the latter is the cell.
            graph: of the cells.
        """
        pairs = zip(detections["detection_id"], detections["tracklet_id"], strict=True)
        cell = {int(d): int(c) for d, c in pairs}

        def holds(said: Said) -> bool:
            ends, starts = [cell[d] for d in said.ends], [cell[d] for d in said.starts]
            if NONE in (*ends, *starts):
                return said.is_denied
            if said.kind is Hypothesis.DEATH:
                return bool(graph.nodes[ends[0]].get("dies")) != said.is_denied
            if said.is_denied:
                return not any(a == b or graph.has_edge(a, b) for a in ends for b in starts)
            if said.kind is Hypothesis.LINK:
                return ends == starts
            return all(graph.has_edge(a, b) for a in ends for b in starts)

        failed = [i for i, said in {**self.said, **self.denied}.items() if not holds(said)]
        why = "no lineage was found in which it holds"
        return replace(self, not_applied={**self.not_applied, **dict.fromkeys(failed, why)})


def constraints_of(
    nuclei: pd.DataFrame,
    lines: Iterable[OfTracks],
    *,
    pixel_size_um: float,
    outlined: Mapping[int, Sequence[int]] = MappingProxyType({}),
) -> Constraints:
    """What lines say, of these nuclei.

    Args:
        nuclei: NUCLEUS_COLUMNS.
        lines: in the order in which they were said.
        pixel_size_um: of the movie.
        outlined: frame -> labels of the outlines that a person made or changed.
    """
    find = Finder(nuclei, pixel_size_um=pixel_size_um)
    is_seen_again = _SeenAgain(nuclei)
    standing: dict[str, Said] = {}
    not_applied: dict[str, str] = {}
    for line in lines:
        ends, starts = _found(find, _ends(line)), _found(find, _starts(line))
        if None in (*ends, *starts):
            not_applied[line.id] = GONE
            continue
        if len({*ends, *starts}) < len(ends) + len(starts):
            not_applied[line.id] = "two of the nuclei that it names are one"
            continue
        new = Said(_KIND[type(line)], ends, starts, isinstance(line, Cut | NoDivision | NoDeath))
        for i, earlier in list(standing.items()):
            if _is_same(earlier, new):
                del standing[i]
            elif _contradict(earlier, new, is_seen_again):
                del standing[i]
                not_applied[i] = OVERRULED
        standing[line.id] = new
    is_outlined = np.zeros(len(nuclei), bool)
    for t, labels in outlined.items():
        is_outlined |= (nuclei["frame"] == t) & nuclei["label"].isin(labels)
    ids = frozenset(nuclei["detection_id"][is_outlined].tolist())
    said, denied = ({i: s for i, s in standing.items() if s.is_denied is no} for no in (False, True))
    return Constraints(said, denied, ids, not_applied)


def _is_same(one: Said, other: Said) -> bool:
    return (one.kind, one.is_denied, one.sides) == (other.kind, other.is_denied, other.sides)


def _contradict(one: Said, other: Said, is_seen_again: Callable[[int, int], bool]) -> bool:
    """Whether both cannot hold."""
    if one.is_denied == other.is_denied:
        return not one.is_denied and bool(one.sides & other.sides)
    denial, said = (one, other) if one.is_denied else (other, one)
    if denial.kind is Hypothesis.LINK:
        return bool(denial.pairs & said.pairs)
    return denial.kind is said.kind and is_seen_again(denial.ends[0], said.ends[0])


class _SeenAgain:
    """Whether two nuclei are one, seen in two frames: nearer to each other than those of two cells can be."""

    def __init__(self, nuclei: pd.DataFrame) -> None:
        ids, diameter = nuclei["detection_id"].tolist(), diameter_um(nuclei)
        places = (nuclei[["y_um", "x_um"]].to_numpy(float) / diameter).tolist()
        self._of = dict(zip(ids, zip(nuclei["frame"].tolist(), places, strict=True), strict=True))

    def __call__(self, one: int, other: int) -> bool:
        (t, here), (later, there) = self._of[one], self._of[other]
        return one == other or (0 < abs(t - later) <= NEAR_FRAMES and math.dist(here, there) <= SAME)


_KIND: Mapping[type, Hypothesis] = {
    Division: Hypothesis.DIVISION,
    Join: Hypothesis.LINK,
    Cut: Hypothesis.LINK,
    Fusion: Hypothesis.FUSION,
    Death: Hypothesis.DEATH,
    NoDivision: Hypothesis.DIVISION,
    NoDeath: Hypothesis.DEATH,
}


def _ends(line: OfTracks) -> tuple[Nucleus, ...]:
    if isinstance(line, Division | NoDivision):
        return (line.mother,)
    if isinstance(line, Fusion):
        return line.parents
    return (line.nucleus,) if isinstance(line, Death | NoDeath) else (line.before,)


def _starts(line: OfTracks) -> tuple[Nucleus, ...]:
    if isinstance(line, Division):
        return line.daughters
    if isinstance(line, Fusion):
        return (line.fused,)
    return (line.after,) if isinstance(line, Join | Cut) else ()


def _found(find: Finder, nuclei: tuple[Nucleus, ...]) -> tuple:
    return tuple(map(find, nuclei))


def _padded(tracklets: list[int], width: int) -> list[int]:
    return [*tracklets, *[NONE] * (width - len(tracklets))]
