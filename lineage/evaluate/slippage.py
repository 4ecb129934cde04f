"""Matches + events of both -> slippages: right, of those in the run and in the truth.

A true slippage is an event of that subtype. The run claims one by an event of that subtype; where its
events.csv has no column `subtype`, by an event (not `none`) without daughters that last: fewer than two, or
they become one again within 120 min. It also claims one, at no particular time, by a cell with
`n_slippages` or the fate `slipped` that no such event speaks of. A claim is right if its cell is one to one
with the true cell within 120 min of the true event, and its own time, if it has one, is no further away.
Each is used once, nearest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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


def claims(proposals: pd.DataFrame, tree: nx.DiGraph, *, minutes_per_frame: float) -> list[Claim]:
    """What the run says of slippages.

    Args:
        proposals: its events but for those that are `none`.
        tree: its annotated tree.
        minutes_per_frame: interval.
    """
    if "subtype" in proposals:
        said = proposals[proposals["subtype"] == SLIPPAGE]
    else:
        within = WITHIN_MIN / minutes_per_frame
        lasts = [
            _last(tree, [int(d) for d in str(daughters).split()], frame + within)
            for daughters, frame in zip(proposals["daughter_ids"], proposals["frame"], strict=True)
        ]
        said = proposals[~np.array(lasts, bool)]
    timed: list[Claim] = [
        (int(m), int(t)) for m, t in zip(said["mother_id"], said["frame"], strict=True)
    ]  # fmt: skip
    spoken_of = {cell for cell, _ in timed}
    slipped = (
        cell
        for cell, life in tree.nodes.items()
        if life.get(CellKey.N_SLIPPAGES, 0) or life.get(CellKey.FATE) == Fate.SLIPPED
    )
    return timed + [(cell, None) for cell in slipped if cell not in spoken_of]


def _last(tree: nx.DiGraph, daughters: list[int], until_frame: float) -> bool:
    """Whether there are two daughters at least, which do not become one again before `until_frame`.

    >>> import networkx as nx
    >>> tree = nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4)])
    >>> tree.nodes[4]["first_frame"] = 20
    >>> _last(tree, [2, 3], 15), _last(tree, [2, 3], 20), _last(tree, [2], 15)
    (True, False, False)
    """
    if len(daughters) < 2:
        return False
    shared = set.intersection(*(set(tree.successors(d)) if d in tree else set() for d in daughters))
    return not any(tree.nodes[cell][CellKey.FIRST_FRAME] <= until_frame for cell in shared)
