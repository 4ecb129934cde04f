"""Matches + events of both -> slippages: right, of those in the run and in the truth.

A true slippage is an event of that subtype. The run claims one by an event of that subtype; where its
events.csv has no column `subtype`, by an event (not rejected) whose mother has fewer than two daughters, does
not die and goes on being seen after the event's frame. It also claims one, at no particular time, by a cell
with `n_slippages` or the fate `slipped` that no such event speaks of. A claim is right if its cell is one to
one with the true cell within 120 min of the true event, and its own time, if it has one, is no further away.
Each is used once, nearest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.evaluate.counts import Count
from lineage.evaluate.pairs import nearest_first
from lineage.schema import CellKey, Fate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx
    import pandas as pd

    from lineage.evaluate.match import Matches

SLIPPAGE = "slippage"
WITHIN_MIN = 120.0

Claim = tuple[int, int | None]  # cell, frame


def score_slippages(
    events: pd.DataFrame, claims: Sequence[Claim], matches: Matches, *, minutes_per_frame: float
) -> Count:
    """Count them.

    Args:
        events: of the truth: `mother_id, frame, subtype`.
        claims: of the run.
        matches: of all frames.
        minutes_per_frame: interval.
    """
    true = events.loc[events["subtype"] == SLIPPAGE, ["mother_id", "frame"]].astype(int).to_numpy().tolist()
    within = int(WITHIN_MIN // minutes_per_frame)
    candidates = []
    for i, (mother, at) in enumerate(true):
        near = range(at - within, at + within + 1)
        for j, (cell, frame) in enumerate(claims):
            apart = within if frame is None else abs(frame - at)
            if apart <= within and matches.are_one(mother, cell, near):
                candidates.append((apart, i, j))
    return Count(len(nearest_first(candidates)), len(claims), len(true))


def claims(proposals: pd.DataFrame, tree: nx.DiGraph) -> list[Claim]:
    """What the run says of slippages.

    Args:
        proposals: its mitoses but for those that are rejected.
        tree: its annotated tree.
    """
    events = list(zip(proposals["mother_id"].astype(int), proposals["frame"].astype(int), strict=True))
    if "subtype" in proposals:
        slips = (proposals["subtype"] == SLIPPAGE).tolist()
    else:
        slips = [_goes_on(tree, mother, frame) for mother, frame in events]
    timed: list[Claim] = [event for event, slipped in zip(events, slips, strict=True) if slipped]
    spoken_of = {cell for cell, _ in timed}
    slipped = (
        cell
        for cell, life in tree.nodes.items()
        if life.get(CellKey.N_SLIPPAGES, 0) or life.get(CellKey.FATE) == Fate.SLIPPED
    )
    return timed + [(cell, None) for cell in slipped if cell not in spoken_of]


def _goes_on(tree: nx.DiGraph, mother: int, frame: int) -> bool:
    """Whether the cell neither divides nor dies, and is seen after `frame`.

    >>> import networkx as nx
    >>> tree = nx.DiGraph()
    >>> tree.add_node(1, last_frame=20, fate="lost")
    >>> _goes_on(tree, 1, 19), _goes_on(tree, 1, 20)
    (True, False)
    """
    life = tree.nodes[mother]
    return (
        tree.out_degree(mother) < 2
        and life[CellKey.FATE] not in (Fate.DIED_MITOSIS, Fate.DIED_INTERPHASE)
        and life[CellKey.LAST_FRAME] > frame
    )
