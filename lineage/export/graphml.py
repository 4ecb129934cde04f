"""Annotated tree <-> GraphML, for networkx, Gephi, Cytoscape and yEd."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import networkx as nx

from lineage.io.files import atomic_write
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORBIDDEN = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def write(tree: nx.DiGraph, path: Path) -> None:
    """Write the tree; the file is written completely or not at all.

    Args:
        tree: int nodes; attributes bool, int, float or str, one type a key; missing keys are left out.
        path: replaced if it is there.

    Raises:
        TypeError: an attribute that GraphML cannot hold.
    """
    graph = plain(tree)
    with atomic_write(path) as part:
        nx.write_graphml(graph, part, infer_numeric_types=True)


def plain(tree: nx.DiGraph) -> nx.DiGraph:
    """A copy that GraphML can hold: control characters, which XML forbids, are dropped from texts.

    Raises:
        TypeError: an attribute that is no bool, int, float or str.
    """
    graph = nx.DiGraph(**_attributes(tree.graph))
    graph.add_nodes_from((cell, _attributes(life)) for cell, life in tree.nodes.items())
    graph.add_edges_from(tree.edges)
    return graph


def read(path: Path) -> nx.DiGraph:
    """The tree that `write` wrote: int nodes, equal attributes.

    Raises:
        InputError: the file is not GraphML, or hides entities that a parser would expand.
    """
    # xml.etree expands entities without a limit; defusedxml refuses a file that declares any.
    from defusedxml.ElementTree import parse

    try:
        parse(path)
        tree = nx.read_graphml(path, node_type=int)
    except OSError:
        raise
    except Exception as error:  # networkx raises all kinds of errors on damaged files
        raise InputError(f"{path} is not a GraphML file of a lineage: {error}") from error
    if not tree.is_directed() or tree.is_multigraph():
        raise InputError(f"{path} holds an undirected or multiple graph; a lineage is a directed one")
    for key in ("node_default", "edge_default"):  # networkx's own notes on reading
        tree.graph.pop(key, None)
    return tree


def _attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """A copy that XML can hold: control characters are dropped from texts."""
    if bad := {k: v for k, v in attributes.items() if type(v) not in (bool, int, float, str)}:
        raise TypeError(f"GraphML holds bool, int, float and str only, not {bad}")
    return {k: FORBIDDEN.sub("", v) if isinstance(v, str) else v for k, v in attributes.items()}
