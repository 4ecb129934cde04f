"""Annotated tree -> GraphML with yEd's own elements: each cell a box over its life, in its verdict's colour.

Format: https://docs.yworks.com/yfiles/doc/developers-guide/graphml.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
from networkx.readwrite.graphml import GraphMLWriter

from lineage.export.colours import colours
from lineage.export.graphml import plain
from lineage.io.files import atomic_write
from lineage.schema import CellKey

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

NAMESPACE = "http://www.yworks.com/xml/graphml"
WIDTH, GAP, HOUR = 60.0, 20.0, 100.0  # of a cell, between cells, and of an hour, in points
MIN_HEIGHT = 36.0  # two lines of text


def write(tree: nx.DiGraph, path: Path) -> None:
    """Write the tree with all that `lineage.export.graphml` writes, and how yEd draws it.

    A cell is a box from its birth down to its end, labelled with its number and the subtype of its mitosis.

    Args:
        tree: annotated tree.
        path: replaced if it is there; written completely or not at all.

    Raises:
        TypeError: an attribute that GraphML cannot hold.
    """
    # Not lxml's writer, which networkx takes where it can: it writes as it goes, and nothing can be added.
    writer = GraphMLWriter(plain(tree), infer_numeric_types=True, prettyprint=True)
    root = writer.xml
    root.set("xmlns:y", NAMESPACE)
    for kind in ("node", "edge"):
        key = writer.myElement("key", {"id": kind, "for": kind, "yfiles.type": f"{kind}graphics"})
        root.insert(0, key)
    boxes, colour = _boxes(tree), colours(tree, "verdict")
    for node in root.iter("node"):
        cell = int(node.attrib["id"])
        shape = _add(_add(node, "data", key="node"), "y:ShapeNode")
        _add(shape, "y:Geometry", **boxes[cell])
        _add(shape, "y:Fill", color=colour[cell], transparent="false")
        _add(shape, "y:BorderStyle", color="#000000", type="line", width=1.0)
        subtype = tree.nodes[cell].get(CellKey.SUBTYPE, "")
        _add(shape, "y:NodeLabel").text = f"{cell}\n{subtype}".strip().replace("_", " ")
        _add(shape, "y:Shape", type="roundrectangle")
    for edge in root.iter("edge"):
        mother, daughter = (boxes[int(edge.attrib[end])] for end in ("source", "target"))
        line = _add(_add(edge, "data", key="edge"), "y:PolyLineEdge")
        # From the middle of the mother's lower side to that of the daughter's upper one.
        _add(line, "y:Path", sx=0.0, sy=mother["height"] / 2, tx=0.0, ty=-daughter["height"] / 2)
        _add(line, "y:Arrows", source="none", target="none")
    with atomic_write(path) as part, part.open("wb") as file:
        writer.dump(file)


def _add(parent: Element, tag: str, **attributes: Any) -> Element:
    from xml.etree.ElementTree import SubElement

    return SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})


def _boxes(tree: nx.DiGraph) -> dict[int, dict[str, float]]:
    """Cell -> its box in points: time runs down, daughters stand beside each other below their mother."""
    forest = nx.DiGraph(tree)  # a fused cell stands below one of its parents
    forest.remove_edges_from((p, c) for c in tree for p in sorted(tree.predecessors(c))[1:])
    middle: dict[int, float] = {}
    free = 0.0
    for founder in [cell for cell in sorted(tree) if not tree.in_degree(cell)]:
        for cell in nx.dfs_postorder_nodes(forest, founder):
            if below := [middle[daughter] for daughter in forest.successors(cell)]:
                middle[cell] = sum(below) / len(below)
            else:
                middle[cell], free = free, free + WIDTH + GAP
    return {
        cell: {
            "x": middle[cell] - WIDTH / 2,
            "y": life[CellKey.BIRTH_MIN] / 60 * HOUR,
            "width": WIDTH,
            "height": max(MIN_HEIGHT, (life[CellKey.END_MIN] - life[CellKey.BIRTH_MIN]) / 60 * HOUR),
        }
        for cell, life in tree.nodes.items()
    }
