"""The annotated tree -> drawings of its lineages: time runs down, each cell has a column.

A mitosis has the colour of its verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from lineage.report.svg import (
    BLUE,
    GREY,
    INK,
    PALE,
    RULE,
    VERMILLION,
    hour_step,
    hover,
    picture,
    tag,
    text,
)
from lineage.report.words import heading, prediction, reasons
from lineage.schema import CellKey, Decision, Fate
from lineage.tree import MITOSES, is_fused

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    import pandas as pd

WIDTH, HEIGHT, LONE_HEIGHT = 1120.0, 300.0, 90.0
AXIS, TOP, BOTTOM = 44.0, 22.0, 14.0  # left of, above and below the trees
COLUMN, WIDEST_COLUMN, GAP = 15.0, 34.0, 16.0  # between the cells of a tree, between trees
LONE_COLUMN = 5.0
MINUTES_PER_HOUR = 60.0
COLOURS = {
    Decision.NORMAL: BLUE,
    Decision.ABNORMAL: VERMILLION,
    Decision.UNDECIDED: GREY,
    Decision.NOT_A_MITOSIS: PALE,
}


def split(tree: nx.DiGraph, mothers: Iterable[int]) -> tuple[list[list[int]], list[int]]:
    """The families, most cells first, and the cells that neither divide, fuse nor go through a mitosis.

    Args:
        tree: mother -> daughter.
        mothers: cells of the events that are drawn.

    Returns:
        The cells of each family, and the cells alone.

    >>> split(nx.DiGraph([(8, 9), (1, 2), (1, 3)]), mothers=[])
    ([[1, 2, 3], [8, 9]], [])
    """
    eventful = set(mothers)
    parts = sorted(
        (sorted(part) for part in nx.weakly_connected_components(tree)), key=lambda p: (-len(p), p[0])
    )
    lone = [part[0] for part in parts if len(part) == 1 and part[0] not in eventful]
    return [part for part in parts if len(part) > 1 or part[0] in eventful], lone


def columns(tree: nx.DiGraph, family: Sequence[int]) -> dict[int, float]:
    """Cell -> its column: the last cells side by side, mothers over the middle of their daughters.

    A fused cell is drawn below its lowest-numbered parent.

    >>> columns(nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4)]), [1, 2, 3, 4])
    {4: 0.0, 3: 1.0, 2: 0.0, 1: 0.5}
    """
    one_parent = nx.DiGraph()
    one_parent.add_nodes_from(family)
    one_parent.add_edges_from((min(tree.predecessors(c)), c) for c in family if tree.in_degree(c))
    roots = [cell for cell in family if not one_parent.in_degree(cell)]
    order = [cell for root in roots for cell in nx.dfs_preorder_nodes(one_parent, root)]
    column: dict[int, float] = {}
    for cell in [c for c in order if not one_parent.out_degree(c)]:
        column[cell] = float(len(column))
    for cell in reversed(order):
        if below := [column[d] for d in one_parent.successors(cell)]:
            column[cell] = (min(below) + max(below)) / 2
    return column


def pack(widths: Sequence[float], room: float, gap: float) -> list[list[int]]:
    """Put things into rows: each goes into the first row that still has room for it.

    Args:
        widths: of the things, SVG units.
        room: width of a row.
        gap: between two things.

    Returns:
        For each row, the indices of its things.

    >>> pack([60, 50, 30], room=100, gap=10)
    [[0, 2], [1]]
    """
    rows: list[list[int]] = []
    used: list[float] = []
    for k, width in enumerate(widths):
        row = next((r for r, u in enumerate(used) if u + gap + width <= room), len(rows))
        if row == len(rows):
            rows.append([])
            used.append(-gap)
        rows[row].append(k)
        used[row] += gap + width
    return rows


def forest(tree: nx.DiGraph, events: pd.DataFrame) -> list[str]:
    """One drawing for each row of families; a row is as wide as the page.

    Args:
        tree: annotated tree.
        events: EVENT_COLUMNS; rejected proposals are not drawn.

    Returns:
        An SVG for each row.
    """
    shown = _mitoses(events)
    families, _ = split(tree, shown)
    layouts = [columns(tree, family) for family in families]
    room = WIDTH - AXIS
    n_columns = [max(at.values()) + 1 for at in layouts]
    # A family too wide for the page is narrowed, rather than cut.
    rows = pack([min(n * COLUMN, room) for n in n_columns], room, GAP)
    drawings = []
    for row in _balanced(rows, n_columns):
        # What a row has room for is given to its families.
        pitch = (room - GAP * len(row)) / max(sum(n_columns[k] for k in row), 1)
        pitch = min(pitch, WIDEST_COLUMN)
        left, pieces = AXIS, _clock(tree, HEIGHT)
        for k in row:
            x = {cell: left + (column + 0.5) * pitch for cell, column in layouts[k].items()}
            pieces += _family(tree, x, shown)
            left += n_columns[k] * pitch + GAP
        drawings.append(picture("".join(pieces), WIDTH, HEIGHT, "lineage trees, time running down"))
    return drawings


def _balanced(rows: Sequence[Sequence[int]], n_columns: Sequence[float]) -> list[list[int]]:
    """The same items in as many rows and the same order, with about as many columns in each row.

    >>> _balanced([[0, 1, 2, 3], [4]], [2, 2, 2, 2, 2])
    [[0, 1, 2], [3, 4]]
    """
    total = sum(n_columns)
    balanced: list[list[int]] = [[] for _ in rows]
    done = 0.0
    for k in (k for row in rows for k in row):
        balanced[min(int(done * len(rows) / total), len(rows) - 1)].append(k)
        done += n_columns[k]
    return [row for row in balanced if row]


def row(tree: nx.DiGraph, events: pd.DataFrame, families: Sequence[Sequence[int]]) -> str:
    """These families side by side, in this order; cells to which nothing happens may be among them.

    Args:
        tree: annotated tree; its `n_frames` and `minutes_per_frame` say how far down the time goes.
        events: as in `forest`.
        families: cells of each; `row_room` says how many fit.

    Returns:
        One SVG.
    """
    shown = _mitoses(events)
    left, pieces = AXIS, _clock(tree, HEIGHT)
    for family in families:
        at = columns(tree, family)
        pieces += _family(tree, {cell: left + (c + 0.5) * COLUMN for cell, c in at.items()}, shown)
        left += (max(at.values()) + 1) * COLUMN + GAP
    return picture("".join(pieces), WIDTH, HEIGHT, "lineage trees, time running down")


def row_room(tree: nx.DiGraph, families: Sequence[Sequence[int]]) -> int:
    """How many of the families, from the first on, fit into one `row`."""
    widths = [(max(columns(tree, f).values()) + 1) * COLUMN + GAP for f in families]
    return int((np.cumsum(widths) <= WIDTH - AXIS + GAP).sum())


def lone_strip(tree: nx.DiGraph, events: pd.DataFrame) -> list[str]:
    """The cells to which nothing happens, as thin lines side by side, in order of their first frames."""
    _, lone = split(tree, _mitoses(events))
    lone.sort(key=lambda cell: (tree.nodes[cell][CellKey.FIRST_FRAME], -tree.nodes[cell][CellKey.LAST_FRAME]))
    a_row = int((WIDTH - AXIS) // LONE_COLUMN)
    drawings = []
    for start in range(0, len(lone), a_row):
        lives = [
            _life(tree, cell, AXIS + (k + 0.5) * LONE_COLUMN, LONE_HEIGHT, thickness=1.5)
            for k, cell in enumerate(lone[start : start + a_row])
        ]
        drawings.append(
            picture("".join(_clock(tree, LONE_HEIGHT) + lives), WIDTH, LONE_HEIGHT, "cells without a mitosis")
        )
    return drawings


def _mitoses(events: pd.DataFrame) -> dict[int, list[dict[Hashable, Any]]]:
    """Mother -> her mitoses, less rejected proposals."""
    found: dict[int, list[dict[Hashable, Any]]] = {}
    for event in events[events["verdict"].isin(MITOSES)].to_dict("records"):
        found.setdefault(event["mother_id"], []).append(event)
    return found


def _y(tree: nx.DiGraph, minutes: float, height: float) -> float:
    movie_min = tree.graph["n_frames"] * tree.graph["minutes_per_frame"]
    return TOP + (height - TOP - BOTTOM) * minutes / movie_min


def _clock(tree: nx.DiGraph, height: float) -> list[str]:
    """Horizontal rules every few hours."""
    hours = tree.graph["n_frames"] * tree.graph["minutes_per_frame"] / MINUTES_PER_HOUR
    step = hour_step(hours, 8 if height > LONE_HEIGHT else 3)
    ticks = [k * step for k in range(int(hours / step + 1e-9) + 1)]
    pieces = []
    for h in ticks:
        y = _y(tree, h * MINUTES_PER_HOUR, height)
        pieces.append(tag("line", x1=AXIS - 6, x2=WIDTH, y1=y, y2=y, stroke=RULE))
        pieces.append(text(f"{h:g} h", AXIS - 10, y + 4, text_anchor="end"))
    return pieces


def _family(
    tree: nx.DiGraph, x: Mapping[int, float], mitoses: Mapping[int, list[dict[Hashable, Any]]]
) -> list[str]:
    """Lives, what joins them, and on top the mitoses and the founders' numbers."""
    lives = [_life(tree, cell, at, HEIGHT, thickness=2.4) for cell, at in x.items()]
    bars = [_bar(tree, cell, x) for cell in x if tree.out_degree(cell)]
    dots = [_mitosis(tree, event, at) for cell, at in x.items() for event in mitoses.get(cell, ())]
    names = [
        text(str(cell), at, _y(tree, tree.nodes[cell][CellKey.BIRTH_MIN], HEIGHT) - 7, class_="name")
        for cell, at in x.items()
        if not tree.in_degree(cell)
    ]
    return lives + bars + dots + names


def _split_min(tree: nx.DiGraph, cell: int) -> float:
    """When the cell becomes others: the first of their births."""
    return min(tree.nodes[d][CellKey.BIRTH_MIN] for d in tree.successors(cell))


def _span_min(tree: nx.DiGraph, cell: int) -> tuple[float, float]:
    """From when to when the cell is drawn: lines meet those of parents and daughters."""
    life = tree.nodes[cell]
    start = min((_split_min(tree, p) for p in tree.predecessors(cell)), default=life[CellKey.BIRTH_MIN])
    if tree.out_degree(cell):
        return start, _split_min(tree, cell)
    return start, life[CellKey.END_MIN] + tree.graph["minutes_per_frame"]


def _life(tree: nx.DiGraph, cell: int, x: float, height: float, *, thickness: float) -> str:
    top, bottom = (_y(tree, minutes, height) for minutes in _span_min(tree, cell))
    end = _end(tree.nodes[cell][CellKey.FATE], x, bottom, 1.5 * thickness)
    # A thin line is hard to hit with a mouse: an unseen wider one answers to it.
    lines = [
        tag("line", x1=x, x2=x, y1=top, y2=bottom, stroke=colour, stroke_width=width)
        for colour, width in ((INK, thickness), ("transparent", max(4 * thickness, LONE_COLUMN)))
    ]
    return tag("g", hover(_story(tree, cell)) + "".join(lines) + end, class_="cell", data_cell=cell)


def _end(fate: str, x: float, y: float, r: float) -> str:
    """A mark for how the life ends; ends that the drawing shows anyway have none."""
    if fate == Fate.LOST:
        return tag(
            "path", d=f"M{x - r:.1f} {y - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}", class_="fate"
        )
    if fate == Fate.LEFT_FIELD:
        return tag("path", d=f"M{x - r:.1f} {y - r:.1f}l{r} {1.6 * r:.1f}l{r} {-1.6 * r:.1f}", class_="fate")
    if fate in (Fate.DIED_INTERPHASE, Fate.DIED_MITOSIS):
        return tag("rect", x=x - r, y=y - r, width=2 * r, height=2 * r)
    return ""


def _bar(tree: nx.DiGraph, cell: int, x: Mapping[int, float]) -> str:
    """The horizontal line from a cell to what it becomes; double where cells fuse."""
    below = list(tree.successors(cell))
    across = [x[cell], *(x[d] for d in below)]
    y = _y(tree, _split_min(tree, cell), HEIGHT)
    if all(is_fused(tree, d) for d in below):
        colour, width, heights = INK, 1.2, [y - 1.8, y + 1.8]
    else:
        verdict = Decision(tree.nodes[cell].get(CellKey.VERDICT, Decision.UNDECIDED))
        colour, width, heights = COLOURS[verdict], 2.4, [y]
    return "".join(
        tag(
            "line",
            x1=min(across),
            x2=max(across),
            y1=at,
            y2=at,
            stroke=colour,
            stroke_width=width,
            stroke_linecap="square",
        )
        for at in heights
    )


def mark(verdict: str, x: float, y: float, r: float = 4.6) -> str:
    """The sign of a mitosis; its shape says the same as its colour, for prints in grey.

    Args:
        verdict: one of `Decision`.
        x: its middle, SVG units.
        y: likewise.
        r: radius, SVG units.

    Returns:
        One element.
    """
    colour, s = COLOURS[Decision(verdict)], 1.35 * r
    if verdict == Decision.ABNORMAL:
        corners = f"M{x:.1f} {y - s:.1f}l{s:.1f} {s:.1f}l{-s:.1f} {s:.1f}l{-s:.1f} {-s:.1f}z"
        return tag("path", d=corners, fill=colour)
    if verdict == Decision.NORMAL:
        return tag("circle", cx=x, cy=y, r=r, fill=colour)
    return tag("circle", cx=x, cy=y, r=r - 0.8, fill="#fff", stroke=colour, stroke_width=1.8)


def _mitosis(tree: nx.DiGraph, event: Mapping[Hashable, Any], x: float) -> str:
    """Its mark, which leads to its film strip."""
    words = (
        f"Mitosis {event['event_id']}: {heading(event)}\n{reasons(event)}\n{prediction(event)}\n"
        f"{event['time_min'] / MINUTES_PER_HOUR:.1f} h, frame {event['frame']}; click to see it"
    )
    dot = mark(event["verdict"], x, _y(tree, event["time_min"], HEIGHT))
    return tag("a", hover(words) + dot, href=f"#event-{event['event_id']}")


def _story(tree: nx.DiGraph, cell: int) -> str:
    """A cell's life in a few lines."""
    life = tree.nodes[cell]
    parents, children = sorted(tree.predecessors(cell)), sorted(tree.successors(cell))
    begin, end = (life[key] / MINUTES_PER_HOUR for key in (CellKey.BIRTH_MIN, CellKey.END_MIN))
    frames = f"frames {life[CellKey.FIRST_FRAME]} to {life[CellKey.LAST_FRAME]}"
    lines = [
        f"Cell {cell}, generation {life[CellKey.GENERATION]}, founder {life[CellKey.FOUNDER]}",
        f"{begin:.1f} to {end:.1f} h ({frames})",
        f"from {' + '.join(map(str, parents))}" if parents else "",
        life[CellKey.FATE].replace("_", " ") + (f": {' '.join(map(str, children))}" if children else ""),
    ]
    return "\n".join(filter(None, lines))
