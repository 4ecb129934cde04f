"""What a person says of tracks -> constraints of the integer program.

A tracklet is cut wherever a person says something of its nuclei: a cut decides nothing. What they say then
is the only explanation of the ends and beginnings that it names, and what they deny is none. Of two things
that cannot both hold the later one does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from lineage.corrections.find import Finder
from lineage.corrections.lines import Cut, Death, Division, Fusion, Join, NoDeath, NoDivision
from lineage.schema import Hypotheses, Hypothesis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import networkx as nx
    import pandas as pd

    from lineage.corrections.lines import Nucleus, OfTracks
    from lineage.tracking.tracklet_arrays import TrackletArrays

NONE = -1
NEAR_FRAMES, NEAR = 3, 1.0  # frames and diameters, within which a division or death is the one denied
GONE = "a nucleus that it names is not there any more"
OVERRULED = "a later correction says otherwise"
JOINS = (Hypothesis.LINK, Hypothesis.DIVISION, Hypothesis.FUSION)


@dataclass(frozen=True)
class Said:
    """That this holds: nuclei are known by `detection_id`."""

    kind: Hypothesis
    ends: tuple[int, ...] = ()  # the last nuclei of what ends by it
    starts: tuple[int, ...] = ()  # the first nuclei of what begins by it

    @property
    def sides(self) -> frozenset[tuple[str, int]]:
        """The ends and beginnings that it explains."""
        return frozenset([("end", d) for d in self.ends] + [("start", d) for d in self.starts])

    @property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """Which nucleus comes from which."""
        return frozenset((a, b) for a in self.ends for b in self.starts)


@dataclass(frozen=True)
class Constraints:
    """All that was said, but for what is overruled or not there any more."""

    said: Mapping[str, Said] = field(default_factory=dict)  # id of the line -> what holds
    cuts: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # the second comes not from the first
    no_divisions: Mapping[str, int] = field(default_factory=dict)  # the mother's last nucleus
    no_deaths: Mapping[str, int] = field(default_factory=dict)
    outlined: frozenset[int] = frozenset()  # nuclei whose outlines are a person's: no debris
    not_applied: Mapping[str, str] = field(default_factory=dict)  # id of the line -> why not

    def __bool__(self) -> bool:
        return bool(self.said or self.cuts or self.no_divisions or self.no_deaths or self.outlined)

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
        ends = [d for s in self.said.values() for d in s.ends] + [a for a, _ in self.cuts.values()]
        starts = [d for s in self.said.values() for d in s.starts] + [b for _, b in self.cuts.values()]
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
        for a, b in self.cuts.values():
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
        for kind, places in (
            (Hypothesis.DIVISION, self.no_divisions),
            (Hypothesis.DEATH, self.no_deaths),
        ):
            of_kind = (hypotheses.kind == kind) & (hypotheses.ends[:, 0] != NONE)
            for i in (index[d] for d in places.values() if d in index):
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
                return False
            if said.kind is Hypothesis.DEATH:
                return bool(graph.nodes[ends[0]].get("dies"))
            if said.kind is Hypothesis.LINK:
                return ends == starts
            return all(graph.has_edge(a, b) for a in ends for b in starts)

        failed = [i for i, said in self.said.items() if not holds(said)]
        failed += [
            i
            for i, (a, b) in self.cuts.items()
            if cell[a] != NONE and (cell[a] == cell[b] or graph.has_edge(cell[a], cell[b]))
        ]
        failed += [
            i for i, d in self.no_deaths.items() if cell[d] != NONE and graph.nodes[cell[d]].get("dies")
        ]
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
    said: dict[str, Said] = {}
    cuts: dict[str, tuple[int, int]] = {}
    denied: dict[type, dict[str, int]] = {NoDivision: {}, NoDeath: {}}
    not_applied: dict[str, str] = {}

    def overrule(lines_of: dict, is_overruled: Mapping[str, bool]) -> None:
        for i in [i for i, gone in is_overruled.items() if gone]:
            del lines_of[i]
            not_applied[i] = OVERRULED

    for line in lines:
        if isinstance(line, NoDivision | NoDeath):
            kind = Hypothesis.DIVISION if isinstance(line, NoDivision) else Hypothesis.DEATH
            (nucleus,) = _found(find, (line.mother if isinstance(line, NoDivision) else line.nucleus,))
            if nucleus is None:
                not_applied[line.id] = GONE
                continue
            overrule(said, {i: s.kind is kind and nucleus in s.ends for i, s in said.items()})
            denied[type(line)][line.id] = nucleus
            continue
        ends, starts = _found(find, _ends(line)), _found(find, _starts(line))
        if None in (*ends, *starts):
            not_applied[line.id] = GONE
            continue
        if len({*ends, *starts}) < len(ends) + len(starts):
            not_applied[line.id] = "two of the nuclei that it names are one"
            continue
        new = Said(_KIND[type(line)], ends, starts)
        if isinstance(line, Cut):
            overrule(said, {i: bool(s.pairs & new.pairs) for i, s in said.items()})
            cuts[line.id] = (ends[0], starts[0])
            continue
        overrule(said, {i: bool(s.sides & new.sides) for i, s in said.items()})
        overrule(cuts, {i: pair in new.pairs for i, pair in cuts.items()})
        if isinstance(line, Division | Death):
            opposite = denied[NoDivision if isinstance(line, Division) else NoDeath]
            overrule(opposite, {i: d in ends for i, d in opposite.items()})
        said[line.id] = new
    is_outlined = np.zeros(len(nuclei), bool)
    for t, labels in outlined.items():
        is_outlined |= (nuclei["frame"] == t) & nuclei["label"].isin(labels)
    ids = frozenset(nuclei["detection_id"][is_outlined].tolist())
    return Constraints(said, cuts, denied[NoDivision], denied[NoDeath], ids, not_applied)


_KIND: Mapping[type, Hypothesis] = {
    Division: Hypothesis.DIVISION,
    Join: Hypothesis.LINK,
    Cut: Hypothesis.LINK,
    Fusion: Hypothesis.FUSION,
    Death: Hypothesis.DEATH,
}


def _ends(line: Division | Join | Cut | Fusion | Death) -> tuple[Nucleus, ...]:
    if isinstance(line, Division):
        return (line.mother,)
    if isinstance(line, Fusion):
        return line.parents
    return (line.nucleus,) if isinstance(line, Death) else (line.before,)


def _starts(line: Division | Join | Cut | Fusion | Death) -> tuple[Nucleus, ...]:
    if isinstance(line, Division):
        return line.daughters
    if isinstance(line, Fusion):
        return (line.fused,)
    return () if isinstance(line, Death) else (line.after,)


def _found(find: Finder, nuclei: tuple[Nucleus, ...]) -> tuple:
    return tuple(map(find, nuclei))


def _padded(tracklets: list[int], width: int) -> list[int]:
    return [*tracklets, *[NONE] * (width - len(tracklets))]
