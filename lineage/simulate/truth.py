"""What happened in a simulated movie -> `OUT.truth/`: CTC masks and tracks, lineage, events, settings.

Masks are written a frame at a time, tables at the end.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import tifffile

from lineage.schema import EVENT_COLUMNS, CellKey, Fate
from lineage.simulate.chromatin import dna_mass
from lineage.simulate.population import Subtype

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lineage.simulate.population import Cell, Mitosis
    from lineage.simulate.settings import Settings

PREDICTED = {"p_abnormal", "p_none", "side_um", "flags"}  # what only a run can say
TRUE_EVENT_COLUMNS = (*(column for column in EVENT_COLUMNS if column not in PREDICTED), "subtype")


class TruthWriter:
    """Writes a movie's masks as they come, remembers who was seen where, and writes the tables at the end."""

    def __init__(self, folder: Path, cells: Mapping[int, Cell], settings: Settings) -> None:
        self.folder, self.cells, self.settings = folder, cells, settings
        self.runs: dict[int, list[list[int]]] = {}  # cell -> [label, first, last], one a stretch in view
        self.born_at: dict[int, np.ndarray] = {}  # cell -> y, x in um where it is first seen
        self.events: list[dict[str, object]] = []
        self.next_label = max(cells, default=0) + 1
        (folder / "TRA").mkdir(parents=True)

    def add(self, frame: int, masks: np.ndarray, places: Mapping[int, np.ndarray], drift: np.ndarray) -> None:
        """Take one frame: masks (Y, X) of cell ids, places in um on the dish, drift in px.

        A cell's label is its id. One that comes back into view goes on under a new label, a child of the old
        one, since the format wants a label in every frame between its first and its last.
        """
        label_of = np.zeros(max(self.cells, default=0) + 1, np.uint16)
        for cell in sorted(set(np.unique(masks).tolist()) - {0}):
            label_of[cell] = self._seen(cell, frame)
            self.born_at.setdefault(cell, places[cell])
        digits = 3 if self.settings.frames <= 1000 else 4
        path = self.folder / "TRA" / f"man_track{frame:0{digits}d}.tif"
        tifffile.imwrite(path, label_of[masks], compression="zlib")
        for cell in self.cells.values():
            mitosis = cell.mitosis
            if mitosis and frame_of(mitosis.event_min, self.settings) == frame and cell.cell_id in self.runs:
                self.events.append(self._event(cell, mitosis, places, drift))

    def _seen(self, cell: int, frame: int) -> int:
        runs = self.runs.setdefault(cell, [])
        if runs and runs[-1][2] == frame - 1:
            runs[-1][2] = frame
        else:
            label = self.next_label if runs else cell
            self.next_label += bool(runs)
            runs.append([label, frame, frame])
        return runs[-1][0]

    def _event(
        self, cell: Cell, mitosis: Mitosis, places: Mapping[int, np.ndarray], drift: np.ndarray
    ) -> dict[str, object]:
        y_um, x_um = np.mean([places[i] for i in cell.daughters or (cell.cell_id,)], axis=0).round(2).tolist()
        frame = frame_of(mitosis.event_min, self.settings)
        return {
            "event_id": len(self.events),
            "mother_id": cell.cell_id,
            "daughter_ids": " ".join(map(str, cell.daughters)),
            "frame": frame,
            "time_min": frame * self.settings.minutes_per_frame,
            "y_px": round(y_um / self.settings.pixel_size_um + float(drift[0]), 2),
            "x_px": round(x_um / self.settings.pixel_size_um + float(drift[1]), 2),
            "y_um": y_um,
            "x_um": x_um,
            "mitosis_class": str(mitosis.subtype.mitosis_class),
            "source": "simulated",
            "subtype": str(mitosis.subtype),
        }

    def finish(self) -> None:
        """Write the tables."""
        lines = ctc_lines(self.runs, self.cells)
        (self.folder / "TRA" / "man_track.txt").write_text(
            "".join(f"{a} {b} {c} {d}\n" for a, b, c, d in lines)
        )
        with (self.folder / "events.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, TRUE_EVENT_COLUMNS)
            table.writeheader()
            table.writerows(self.events)
        graph = lineage_graph(self.cells, self.runs, self.born_at, self.events, self.settings)
        nx.write_graphml(graph, self.folder / "lineage.graphml", infer_numeric_types=True)
        (self.folder / "settings.json").write_text(self.settings.model_dump_json(indent=2) + "\n")


def frame_of(minutes: float, settings: Settings) -> int:
    """The first frame at or after a time."""
    return int(np.ceil(minutes / settings.minutes_per_frame))


def ctc_lines(
    runs: Mapping[int, Sequence[Sequence[int]]], cells: Mapping[int, Cell]
) -> list[tuple[int, int, int, int]]:
    """Rows L B E P of man_track.txt, by label.

    The format knows no fusion: a fused cell begins without a parent. lineage.graphml has both.

    >>> from lineage.simulate.population import Cell
    >>> mother = Cell(1, (), 0, 1, born_min=-5, dna=1, seed=0)
    >>> child = Cell(2, (1,), 1, 1, born_min=20, dna=1, seed=0)
    >>> ctc_lines({1: [[1, 0, 1]], 2: [[2, 2, 4], [3, 7, 9]]}, {1: mother, 2: child})  # unseen at 5 and 6
    [(1, 0, 1, 0), (2, 2, 4, 1), (3, 7, 9, 2)]
    """
    lines = []
    for i, stretches in runs.items():
        parents = [p for p in cells[i].parents if p in runs]
        before = runs[parents[0]][-1][0] if len(parents) == 1 and len(cells[i].parents) == 1 else 0
        for label, first, last in stretches:
            lines.append((label, first, last, before))
            before = label
    return sorted(lines)


def lineage_graph(
    cells: Mapping[int, Cell],
    runs: Mapping[int, Sequence[Sequence[int]]],
    born_at: Mapping[int, np.ndarray],
    events: Sequence[Mapping[str, object]],
    settings: Settings,
) -> nx.DiGraph:
    """One node for each cell that was seen, with the keys of `CellKey`, and its offspring's edges.

    An edge goes from mother to daughter, and from each fused sister to what they became. `dna_mass` is the
    light at the middle of the cell's time in view, grey levels x um2, before bleaching.
    """
    graph = nx.DiGraph(pixel_size_um=settings.pixel_size_um, minutes_per_frame=settings.minutes_per_frame)
    event_of = {event["mother_id"]: event for event in events}
    for i in sorted(runs):
        cell, first, last = cells[i], runs[i][0][1], runs[i][-1][2]
        event = event_of.get(i)
        node = {
            CellKey.FIRST_FRAME: first,
            CellKey.LAST_FRAME: last,
            CellKey.BIRTH_MIN: first * settings.minutes_per_frame,
            CellKey.END_MIN: last * settings.minutes_per_frame,
            CellKey.Y_UM: float(born_at[i][0]),
            CellKey.X_UM: float(born_at[i][1]),
            CellKey.FATE: str(_fate(cell, last, settings)),
            CellKey.GENERATION: cell.generation,
            CellKey.FOUNDER: cell.founder,
            CellKey.DNA_MASS: dna_mass(cell, 0.5 * (first + last) * settings.minutes_per_frame),
            CellKey.N_SLIPPAGES: int(event is not None and event["subtype"] == Subtype.SLIPPAGE),
        }
        if event is not None:
            node |= {CellKey.EVENT_ID: event["event_id"], CellKey.MITOSIS: event["mitosis_class"]}
        graph.add_node(i, **{str(key): value for key, value in node.items()})
    graph.add_edges_from((p, i) for i in runs for p in cells[i].parents if p in runs)
    return graph


def _fate(cell: Cell, last: int, settings: Settings) -> Fate:
    """How the cell ends as far as the movie shows it."""
    if cell.end_min > settings.minutes:
        return Fate.END_OF_MOVIE if last == settings.frames - 1 else Fate.LEFT_FIELD
    final = frame_of(cell.end_min, settings) - 1
    return cell.fate if last >= final else Fate.LEFT_FIELD
