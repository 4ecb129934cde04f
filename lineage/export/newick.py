"""Annotated tree -> Newick, a line for each founder, for ete, Biopython, ape, FigTree and iTOL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import networkx as nx

from lineage.io.files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

RESERVED = re.compile(r"[\s()\[\]{}:;,=|'\"]+")  # what ends a value of NHX in one reader or another


def write(tree: nx.DiGraph, path: Path, *, annotated: bool = False) -> list[str]:
    """Write a Newick tree of each founder's lineage; the file is written completely or not at all.

    A node is a cell where its life ends: `cell7`, for a bare number would be read as a bootstrap
    value. A branch is as long as the hours from its parent's end to its own, a founder's from its
    first frame, so that depth in the tree is time.

    Args:
        tree: the annotated tree, with `birth_min` and `end_min` for each cell.
        path: replaced if it is there.
        annotated: as NHX, with the attributes of each cell: `[&&NHX:verdict=normal:...]`.

    Returns:
        What Newick cannot hold, one remark a kind.
    """
    fused = {cell: sorted(tree.predecessors(cell)) for cell, parents in tree.in_degree if parents > 1}
    forest = nx.DiGraph(tree.edges)
    forest.add_nodes_from(tree)
    forest.remove_edges_from((other, cell) for cell, parents in fused.items() for other in parents[1:])

    texts: dict[int, str] = {}
    for cell in reversed(list(nx.topological_sort(forest))):
        life = tree.nodes[cell]
        parent = next(forest.predecessors(cell), None)
        start_min = life["birth_min"] if parent is None else tree.nodes[parent]["end_min"]
        daughters = ",".join(texts.pop(d) for d in sorted(forest.successors(cell)))
        hours = (life["end_min"] - start_min) / 60
        texts[cell] = (f"({daughters})" if daughters else "") + f"cell{cell}:{hours:.8g}"
        if annotated:
            several = {"parents": "/".join(map(str, fused[cell]))} if cell in fused else {}
            texts[cell] += _nhx(life | several)
    with atomic_write(path) as part:
        part.write_text("".join(f"{texts[founder]};\n" for founder in sorted(texts)), encoding="utf-8")
    return [f"cells with several parents: {len(fused)}, each under the lowest number"] if fused else []


def _nhx(attributes: dict[str, object]) -> str:
    """The attributes as an NHX comment; in texts, `_` stands for what NHX reserves."""
    return "[&&NHX:" + ":".join(f"{k}={RESERVED.sub('_', str(v))}" for k, v in attributes.items()) + "]"
