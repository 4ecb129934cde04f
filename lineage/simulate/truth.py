"""What happened in a simulated movie -> `OUT.truth/`: CTC masks and tracks, lineage, events, settings.

The truth is what the movie shows: a cell that leaves the field and comes back is a new track, as it would be
for a person who annotates the movie. Masks are written a frame at a time, tables at the end.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from lineage.export import graphml
from lineage.export.ctc import LARGEST_LABEL
from lineage.schema import EVENT_COLUMNS, CellKey, EventType, Fate, InputError
from lineage.simulate.cells import Subtype
from lineage.simulate.chromatin import dna_mass
from lineage.simulate.fucci import phase
from lineage.tree import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import networkx as nx

    from lineage.simulate.cells import Cell
    from lineage.simulate.microscope import Microscope
    from lineage.simulate.settings import Settings

TRUE_EVENT_COLUMNS = EVENT_COLUMNS  # those that only a run can fill stay empty
SUBTYPE, CELL = "subtype", "simulated_cell"  # node keys beside CellKey


@dataclass
class Track:
    """A stretch of a cell's life in view. Frames are inclusive; y, x in um where it is first seen."""

    label: int
    cell: int
    first: int
    last: int
    position_um: tuple[float, float]


class Chronicle:
    """Records which cells are in view, frame by frame, and turns this into tracks, lineage and events."""

    def __init__(self, cells: Mapping[int, Cell], settings: Settings, microscope: Microscope) -> None:
        self.cells, self.settings, self.microscope = cells, settings, microscope
        self.seen: dict[int, list[Track]] = defaultdict(list)  # by cell
        self.events: list[dict[str, object]] = []
        self.next_label = max(cells, default=0) + 1
        self.due: dict[int, list[Cell]] = defaultdict(
            list
        )  # frame -> cells whose mitosis has its event there
        for cell in cells.values():
            if cell.mitosis is not None:
                self.due[frame_of(cell.mitosis.event_min, settings)].append(cell)
        self.previous: Mapping[int, np.ndarray] = {}

    def add(self, frame: int, in_view: Iterable[int], positions: Mapping[int, np.ndarray]) -> np.ndarray:
        """Record one frame.

        Args:
            frame: its number; frames come in order.
            in_view: ids of the cells in view.
            positions: cell id -> (2,) y, x in um on the dish.

        Returns:
            The label of each cell id; 0 for those not in view. A cell's label is its id; one that comes
            back into view has a new label.
        """
        label_of = np.zeros(max(self.cells, default=0) + 1, np.uint16)
        for i in in_view:
            label_of[i] = self._label_in(i, frame, positions[i])
        for cell in self.due[frame]:
            tracks = self.seen.get(cell.cell_id)
            if tracks and tracks[-1].last >= frame - 1:
                self._record_event(cell, frame, positions)
        self.previous = positions
        return label_of

    def _label_in(self, cell: int, frame: int, position: np.ndarray) -> int:
        tracks = self.seen[cell]
        if tracks and tracks[-1].last == frame - 1:
            tracks[-1].last = frame
        else:
            label = self.next_label if tracks else cell
            if label > LARGEST_LABEL:
                raise InputError(
                    f"more tracks than the masks hold ({LARGEST_LABEL}); take fewer founders or frames"
                )
            self.next_label += bool(tracks)
            tracks.append(Track(label, cell, frame, frame, (float(position[0]), float(position[1]))))
        return tracks[-1].label

    def _record_event(self, cell: Cell, frame: int, positions: Mapping[int, np.ndarray]) -> None:
        drift = self.microscope.drift_px[frame]
        now = [positions[i] for i in cell.daughters or (cell.cell_id,) if i in positions]
        y_um, x_um = np.mean(now or [self.previous[cell.cell_id]], axis=0).round(2).tolist()
        seen = [self.seen[i][-1].label for i in cell.daughters if i in self.seen]
        subtype = cell.mitosis.subtype if cell.mitosis else Subtype.NORMAL
        y_px, x_px = (
            round(um / self.settings.pixel_size_um + float(d), 2)
            for um, d in zip((y_um, x_um), drift, strict=True)
        )
        if not (0 <= y_px < self.settings.size and 0 <= x_px < self.settings.size):
            return  # the movie does not show it
        self.events.append(
            {
                "event_id": len(self.events),
                "mother_id": self.seen[cell.cell_id][-1].label,
                "daughter_ids": " ".join(map(str, seen)),
                "frame": frame,
                "time_min": frame * self.settings.minutes_per_frame,
                "y_px": y_px,
                "x_px": x_px,
                "y_um": y_um,
                "x_um": x_um,
                "event_type": EventType.MITOSIS.value,
                "mitosis_class": str(subtype.mitosis_class),
                "source": "simulated",
                SUBTYPE: str(subtype),
            }
        )

    def tracks(self) -> np.ndarray:
        """(N, 4) int64, as in man_track.txt: label, first and last frame (inclusive), parent or 0."""
        parents = parent_labels(self.seen, self.cells)
        rows = [(t.label, t.first, t.last, _single_parent(parents[t.label])) for t in self._by_label()]
        return np.array(rows, np.int64).reshape(-1, 4)

    def graph(self) -> nx.DiGraph:
        """The lineage as far as it is in view."""
        return lineage_graph(
            self._by_label(),
            parent_labels(self.seen, self.cells),
            self.cells,
            self.events,
            self.settings,
            self.microscope.dna_gain,
        )

    def _by_label(self) -> list[Track]:
        return sorted((t for ts in self.seen.values() for t in ts), key=lambda t: t.label)


class TruthWriter:
    """Writes a movie's masks frame by frame, and the tables at the end."""

    def __init__(
        self, folder: Path, cells: Mapping[int, Cell], settings: Settings, microscope: Microscope
    ) -> None:
        self.folder, self.settings, self.microscope = folder, settings, microscope
        self.cells, self.phases = cells, list[tuple[int, int, str]]()
        self.chronicle = Chronicle(cells, settings, microscope)
        (folder / "TRA").mkdir(parents=True)

    def add(self, frame: int, masks: np.ndarray, positions: Mapping[int, np.ndarray]) -> None:
        """Write one frame's masks and record it.

        Args:
            frame: its number; frames come in order.
            masks: (Y, X) uint16 of cell ids.
            positions: cell id -> (2,) y, x in um on the dish.
        """
        label_of = self.chronicle.add(frame, in_view(masks), positions)
        if self.settings.fucci:
            minutes = frame * self.settings.minutes_per_frame
            self.phases += [
                (frame, int(label_of[i]), phase(self.cells[i], self.cells, minutes)) for i in in_view(masks)
            ]
        digits = max(3, len(str(self.settings.frames - 1)))
        path = self.folder / "TRA" / f"man_track{frame:0{digits}d}.tif"
        tifffile.imwrite(path, label_of[masks], compression="zlib")

    def finish(self, movie_name: str) -> None:
        """Write the tables."""
        lines = (" ".join(map(str, line)) + "\n" for line in self.chronicle.tracks().tolist())
        (self.folder / "TRA" / "man_track.txt").write_text("".join(lines), encoding="utf-8")
        with (self.folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, TRUE_EVENT_COLUMNS)
            table.writeheader()
            table.writerows(self.chronicle.events)
        if self.settings.fucci:
            with (self.folder / "phases.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("frame", "label", "phase"), *self.phases])
        graph = self.chronicle.graph()
        graph.graph |= {"video": movie_name, "units": UNITS}
        graphml.write(graph, self.folder / "lineage.graphml")
        bad = {
            "blank_frames": tuple(sorted(self.microscope.blank)),
            "blurred_frames": tuple(sorted(self.microscope.blurred)),
        }
        settings = self.settings.model_copy(update=bad)
        (self.folder / "settings.json").write_text(
            settings.model_dump_json(indent=2) + "\n", encoding="utf-8"
        )


def in_view(masks: np.ndarray) -> list[int]:
    """The cells that masks (Y, X) show, ascending."""
    found: list[int] = (np.flatnonzero(np.bincount(masks.ravel())[1:]) + 1).tolist()
    return found


def frame_of(minutes: float, settings: Settings) -> int:
    """The first frame at or after a time."""
    return int(np.ceil(minutes / settings.minutes_per_frame))


def _single_parent(parents: Sequence[int]) -> int:
    """The parent for man_track.txt; 0 for a fused cell, since that file cannot hold fusions."""
    return parents[0] if len(parents) == 1 else 0


def parent_labels(
    tracks: Mapping[int, Sequence[Track]], cells: Mapping[int, Cell]
) -> dict[int, tuple[int, ...]]:
    """Label -> its parents' labels; none where the movie does not show the birth.

    >>> from lineage.simulate.cells import Cell
    >>> cells = {1: Cell(1, (), 0, 1, born_min=-5, dna=1, seed=0), 2: Cell(2, (1,), 1, 1, 20, dna=1, seed=0)}
    >>> away_from_5_to_6 = [Track(2, 2, 2, 4, (0, 0)), Track(3, 2, 7, 9, (0, 0))]
    >>> parent_labels({1: [Track(1, 1, 0, 1, (0, 0))], 2: away_from_5_to_6}, cells)
    {1: (), 2: (1,), 3: ()}
    """

    def before(cell: int, first: int) -> list[Track]:
        found: dict[int, Track] = {}
        for parent in cells[cell].parents:
            if parent in tracks:
                found[parent] = tracks[parent][-1]
            elif parent in cells:  # it was born and ended between two frames
                found |= {t.cell: t for t in before(parent, first)}
        return [t for t in found.values() if first - 2 <= t.last < first]

    labels: dict[int, tuple[int, ...]] = {}
    for cell, stretches in tracks.items():
        for k, track in enumerate(stretches):
            labels[track.label] = tuple(sorted(t.label for t in before(cell, track.first))) if not k else ()
    return labels


def lineage_graph(
    tracks: Sequence[Track],
    parents: Mapping[int, Sequence[int]],
    cells: Mapping[int, Cell],
    events: Sequence[Mapping[str, object]],
    settings: Settings,
    dna_gain: float = 1.0,
) -> nx.DiGraph:
    """The lineage: one node for each track, with the keys of `CellKey`.

    Args:
        tracks: all of the movie.
        parents: label -> labels of its parents.
        cells: by id.
        events: rows of events.csv.
        settings: of the movie.
        dna_gain: of the microscope.

    Returns:
        Edges go from mother to daughter, and from each fusing cell to the fused one. `generation` and
        `founder` are the population's, also where the birth was out of sight. `dna_mass` is the light at the
        middle of the track, grey levels x um2, before bleaching.
    """
    import networkx as nx

    graph = nx.DiGraph(
        n_frames=settings.frames,
        height_px=settings.size,
        width_px=settings.size,
        pixel_size_um=settings.pixel_size_um,
        minutes_per_frame=settings.minutes_per_frame,
        dose_gy=settings.dose_gy,
        cell_line=str(settings.cell_line),
    )
    event_of = {event["mother_id"]: event for event in events}
    final = {track.cell: track.label for track in tracks}
    for track in tracks:
        cell, event = cells[track.cell], event_of.get(track.label)
        at_last = track.label == final[track.cell]
        node = {
            CellKey.FIRST_FRAME: track.first,
            CellKey.LAST_FRAME: track.last,
            CellKey.BIRTH_MIN: track.first * settings.minutes_per_frame,
            CellKey.END_MIN: track.last * settings.minutes_per_frame,
            CellKey.Y_UM: track.position_um[0],
            CellKey.X_UM: track.position_um[1],
            CellKey.FATE: str(_fate(cell, track.last, event, settings) if at_last else Fate.LEFT_FIELD),
            CellKey.GENERATION: cell.generation,
            CellKey.FOUNDER: cell.founder,
            CellKey.DNA_MASS: dna_gain
            * dna_mass(cell, 0.5 * (track.first + track.last) * settings.minutes_per_frame),
            CellKey.N_SLIPPAGES: int(event is not None and event[SUBTYPE] == Subtype.SLIPPAGE),
            CELL: cell.cell_id,
        }
        if event is not None:
            node |= {CellKey.EVENT_ID: event["event_id"], CellKey.MITOSIS: event["mitosis_class"]}
            node[CellKey.VERDICT] = event["mitosis_class"]
            node[SUBTYPE] = event[SUBTYPE]
        graph.add_node(track.label, **{str(key): value for key, value in node.items()})
    graph.add_edges_from((p, label) for label in sorted(parents) for p in parents[label])
    return graph


def _fate(cell: Cell, last: int, event: Mapping[str, object] | None, settings: Settings) -> Fate:
    """How the cell ends, as far as the movie shows it."""
    if cell.fate is Fate.SLIPPED:
        if event is not None:
            return Fate.SLIPPED
    elif cell.fate is not Fate.END_OF_MOVIE:
        final = min(frame_of(cell.end_min, settings), settings.frames) - 1
        return cell.fate if last >= final else Fate.LEFT_FIELD
    return Fate.END_OF_MOVIE if last == settings.frames - 1 else Fate.LEFT_FIELD
