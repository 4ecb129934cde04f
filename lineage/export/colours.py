"""Annotated tree -> the colour that each cell is drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage.schema import CellKey, Decision

if TYPE_CHECKING:
    import networkx as nx

COLOUR_BY = ("lineage", "verdict")
# Bright enough to be seen on black, and told apart by those who do not see red or green (after Okabe & Ito).
FOUNDERS = ("#56B4E9", "#E69F00", "#2BC48A", "#F0E442", "#CC79A7", "#FF8A65", "#9FA8FF", "#B5E550")
VERDICTS = {Decision.NORMAL: "#56B4E9", Decision.ABNORMAL: "#FF6A1A", Decision.UNDECIDED: "#F0E442"}
PLAIN = "#B49CF0"  # cells whose life holds no mitosis that counts; no grey, for nuclei are


def colours(tree: nx.DiGraph, by: str) -> dict[int, str]:
    """Cell -> `#RRGGBB`: by `lineage` one a founder, of a row that repeats; by `verdict` that of its mitosis.

    Args:
        tree: annotated tree.
        by: one of COLOUR_BY.
    """
    if by == "verdict":
        return {cell: VERDICTS.get(life.get(CellKey.VERDICT, ""), PLAIN) for cell, life in tree.nodes.items()}
    founders = {cell: life[CellKey.FOUNDER] for cell, life in tree.nodes.items()}
    number = {founder: k for k, founder in enumerate(sorted(set(founders.values())))}
    return {cell: FOUNDERS[number[founder] % len(FOUNDERS)] for cell, founder in founders.items()}
