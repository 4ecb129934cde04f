"""Lineage -> the same, without divisions and fusions that are slips of the segmentation, or micronuclei.

A nucleus that is cut in two for a frame or two seems to divide and to fuse again; two that are taken for one
for as long seem to fuse and to divide. What divides is condensed before; where nothing was, nothing did.
No cell divides within hours of its birth: of two such divisions the surer is one.
A body with a tenth of its sister's DNA is no daughter, unless it divides; and no cell, unless it goes on as
large as a nucleus: then it is a pale one that came into sight beside her.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.tracking.tracklet_arrays import NONE

if TYPE_CHECKING:
    from collections.abc import Hashable

    import networkx as nx

SLIP_FRAMES = 2  # that it lasts at most
BEFORE_FRAMES = 3  # of which one shows a mitotic figure, if it is a division
MITOTIC = 0.5  # probability of one
MICRONUCLEUS = 0.12  # of the DNA of the largest daughter, at most
SPECK = 0.2  # likewise, of one of two daughters that is seen for no longer than a slip
AS_LARGE = (
    0.4  # of her area over their lives, a pale nucleus; with so little DNA a body has a quarter at most
)
SEEN = ("frame", "y_um", "x_um", "area_um2", "dna_mass", "p_mitotic")  # what is asked of nuclei here
YOUNG_FRAMES = 3  # in which daughters are compared


def without_slips(
    detections: pd.DataFrame, graph: nx.DiGraph, *, min_life_frames: float = 0.0
) -> tuple[pd.DataFrame, nx.DiGraph, int]:
    """Join what was one cell all along, and part what was two.

    Args:
        detections: DETECTION_COLUMNS; `tracklet_id` is the cell.
        graph: of the cells.
        min_life_frames: no cell divides sooner after its birth.

    Returns:
        Both anew, and how many divisions are undone since a daughter divides too soon. Of a nucleus that was
        cut in two the smaller part belongs to no cell; one that stood for two belongs to the nearer of them.
    """
    seen = detections.loc[detections["tracklet_id"] != NONE, ["tracklet_id", *SEEN]]
    by_cell = seen.sort_values("frame", kind="stable").groupby("tracklet_id")
    lives = {cell: by_cell.get_group(cell) for cell in by_cell.groups}
    last_frame = int(detections["frame"].max()) if len(detections) else 0
    cells = Cells(lives, graph.copy(), {}, last_frame, min_life_frames)
    for cell in sorted(cells.lives, key=lambda c: (cells.lives[c]["frame"].iloc[0], c)):
        while cell in cells.graph and any(
            undo(cell)
            for undo in (
                cells.has_micronuclei,
                cells.was_cut_in_two,
                cells.was_taken_for_one,
                cells.divided_too_soon,
            )
        ):
            pass
    for cell, now in reversed(cells.becomes.items()):  # what a cell became may have become another
        cells.becomes[cell] = cells.becomes.get(now, now)
    number = detections["tracklet_id"].map(lambda c: cells.becomes.get(c, c))
    return detections.assign(tracklet_id=number.astype(np.int64)), cells.graph, cells.n_divided_too_soon


def is_said(graph: nx.DiGraph, cell: Hashable) -> bool:
    """Whether a person says what the cell came from, or what it became."""
    edges = (*graph.in_edges(cell, data=True), *graph.out_edges(cell, data=True))
    return any(d.get("said") for *_, d in edges)


@dataclass
class Cells:
    """Cells that are joined one by one."""

    lives: dict[Hashable, pd.DataFrame]  # detections of each, in order of frame
    graph: nx.DiGraph
    becomes: dict[Hashable, Hashable]  # cell -> the one that it is part of, or NONE
    last_frame: int  # of the movie
    min_life_frames: float  # from a birth to the division
    n_divided_too_soon: int = 0  # divisions that are undone

    def has_micronuclei(self, cell: Hashable) -> bool:
        """Take bodies with too little DNA for a nucleus from the daughters of `cell`."""
        daughters = [d for d in self.graph.successors(cell) if self.graph.in_degree(d) == 1]
        dna = {d: float(self.lives[d]["dna_mass"].iloc[:YOUNG_FRAMES].median()) for d in daughters}
        least = {d: SPECK if self._is_brief(d) and len(daughters) == 2 else MICRONUCLEUS for d in daughters}
        small = [
            d for d in daughters if dna[d] < least[d] * max(dna.values()) and not self.graph.out_degree(d)
        ]
        small = [d for d in small if not is_said(self.graph, d)]
        area = {d: float(self.lives[d]["area_um2"].median()) for d in daughters}
        for d in small:
            if area[d] < AS_LARGE * area[max(dna, key=dna.__getitem__)]:
                self._drop(d, NONE)
            else:
                self.graph.remove_edge(cell, d)
        left = list(self.graph.successors(cell))
        if small and len(left) == 1 and self.graph.in_degree(left[0]) == 1:
            self._join(cell, left[0])
        return bool(small)

    def _is_brief(self, cell: Hashable) -> bool:
        """Whether a cell is seen for no longer than a slip, and not because the movie ends."""
        frames = self.lives[cell]["frame"]
        return len(frames) <= SLIP_FRAMES and int(frames.iloc[-1]) < self.last_frame

    def was_cut_in_two(self, cell: Hashable) -> bool:
        """Undo a division of `cell` whose daughters soon fuse, unless it was in mitosis."""
        parts = list(self.graph.successors(cell))
        after = {a for p in parts for a in self.graph.successors(p)}
        if len(parts) != 2 or len(after) != 1 or not self._only(parts, [cell], list(after)):
            return False
        (whole,) = after
        if set(self.graph.predecessors(whole)) != set(parts) or self._in_mitosis(cell):
            return False
        larger, smaller = sorted(parts, key=lambda p: -self.lives[p]["area_um2"].sum())
        self._drop(smaller, NONE)
        self._join(cell, larger)
        self._join(cell, whole)
        return True

    def was_taken_for_one(self, cell: Hashable) -> bool:
        """Undo a fusion of `cell` with another that soon divides, unless the division is one."""
        after = list(self.graph.successors(cell))
        if len(after) != 1:
            return False
        (one,) = after
        before, later = list(self.graph.predecessors(one)), list(self.graph.successors(one))
        if len(before) != 2 or len(later) != 2 or not self._only([one], before, later):
            return False
        if any(self.graph.in_degree(c) > 1 for c in later) or self._in_mitosis(one):
            return False
        far = np.linalg.norm(self._positions(before, -1)[:, None] - self._positions(later, 0), axis=2)
        if far[0, 1] + far[1, 0] < far[0, 0] + far[1, 1]:
            later, far = later[::-1], far[:, ::-1]
        middle = self.lives[one][["y_um", "x_um"]].to_numpy(float).mean(axis=0)
        nearer = before[int(np.argmin(np.linalg.norm(self._positions(before, -1) - middle, axis=1)))]
        self.lives[nearer] = pd.concat([self.lives[nearer], self.lives[one]])
        self._drop(one, nearer)
        for earlier, goes_on in zip(before, later, strict=True):
            self._join(earlier, goes_on)
        return True

    def divided_too_soon(self, cell: Hashable) -> bool:
        """Undo the less sure of two divisions: that of `cell`, or that of a daughter soon after her birth."""
        born = self._divides(cell)
        for daughter in self.graph.successors(cell):
            frames = self.lives[daughter]["frame"]
            is_brief = frames.iloc[-1] - frames.iloc[0] + 1 < self.min_life_frames
            divides = self._divides(daughter)
            if born and divides and is_brief and not is_said(self.graph, daughter):
                self._undo_division(cell if born < divides else daughter)
                self.n_divided_too_soon += 1
                return True
        return False

    def _divides(self, cell: Hashable) -> float:
        """Log-odds of its division; 0 where there is none, or what it was divided into fused."""
        edges = list(self.graph.out_edges(cell, data=True))
        later = [c for _, d, _ in edges for c in self.graph.successors(d)]
        if len(edges) < 2 or any(self.graph.in_degree(c) > 1 for c in (*(d for _, d, _ in edges), *later)):
            return 0.0
        return float(min(data["log_odds"] for *_, data in edges))

    def _undo_division(self, cell: Hashable) -> None:
        """The cell goes on as the nearest daughter, the others come from nowhere."""
        daughters = list(self.graph.successors(cell))
        far = np.linalg.norm(self._positions(daughters, 0) - self._positions([cell], -1), axis=1)
        self.graph.remove_edges_from([(cell, d) for d in daughters])
        self._join(cell, daughters[int(far.argmin())])

    def _only(self, short: list[Hashable], before: list[Hashable], after: list[Hashable]) -> bool:
        """Whether `short` are short, no others come before and after them, and no person says so."""
        return all(
            len(set(self.lives[c]["frame"])) <= SLIP_FRAMES
            and not is_said(self.graph, c)
            and set(self.graph.predecessors(c)) == set(before)
            and set(self.graph.successors(c)) == set(after)
            for c in short
        )

    def _in_mitosis(self, cell: Hashable) -> bool:
        return bool((self.lives[cell]["p_mitotic"].iloc[-BEFORE_FRAMES:] >= MITOTIC).any())

    def _positions(self, cells: list[Hashable], which: int) -> np.ndarray:
        return np.array([self.lives[c][["y_um", "x_um"]].iloc[which] for c in cells], float)

    def _join(self, earlier: Hashable, later: Hashable) -> None:
        """`later` is `earlier`, seen again."""
        self.graph.add_edges_from((earlier, c, d) for _, c, d in list(self.graph.out_edges(later, data=True)))
        self.graph.nodes[earlier].update(self.graph.nodes[later])
        self.lives[earlier] = pd.concat([self.lives[earlier], self.lives[later]])
        self._drop(later, earlier)

    def _drop(self, cell: Hashable, becomes: Hashable) -> None:
        self.graph.remove_node(cell)
        del self.lives[cell]
        self.becomes[cell] = becomes
