"""A run folder -> layers of napari: the movie, label images, tracks, events. Nothing of napari is imported.

napari finds `get_reader` by the manifest `napari.toml` beside. Layers: https://napari.org/stable/plugins
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import DETECTION_COLUMNS, EVENT_COLUMNS, CellKey, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import networkx as nx
    import pandas as pd

    from lineage.schema import Video

    Layer = tuple[Any, dict[str, Any], str]  # data, arguments, kind

SAID = ("event_id", "event_type", "subtype", "verdict", "p_verdict", "verdict_because")
RING_PX = 40.0  # around an event
CONTRAST = (1.0, 99.8)  # percentiles of the middle frame


@dataclass(frozen=True, eq=False)
class Frames:
    """One channel of a movie, (T, Y, X), read when it is looked at."""

    video: Video
    channel: int
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        return (self.video.n_frames, *self.video.shape)

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    def __len__(self) -> int:
        return self.video.n_frames

    def __getitem__(self, index: Any) -> np.ndarray:
        index = index if isinstance(index, tuple) else (index,)
        which, rest = range(self.video.n_frames)[index[0]], index[1:]
        if isinstance(which, int):
            return self.video.frame(which, self.channel)[rest]
        return np.stack([self.video.frame(t, self.channel)[rest] for t in which])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[Layer]] | None:
    """The reader of a run folder; None of anything else, so that napari asks other plugins.

    Args:
        path: what was dropped on the window or chosen in its menu.
    """
    from lineage.io.integrity import RECORD

    return read if isinstance(path, str) and (Path(path) / RECORD).is_file() else None


def read(path: str) -> list[Layer]:
    """The layers of a run folder: channels of the movie, cells, tracks, events.

    A movie that is not where it was is left out, with a warning.

    Args:
        path: the folder, VIDEO.lineage.

    Raises:
        InputError: the run has not ended, or a file is not as it was written.
    """
    from lineage.export import graphml
    from lineage.io import labels
    from lineage.io.files import read_table
    from lineage.io.integrity import check, read_record
    from lineage.io.run_folder import RunFolder
    from lineage.run import reopen

    root = Path(path)
    record = read_record(root)
    if "tree" not in record["stages"]:
        raise InputError(f"the run in {root} has not ended: give the same `python -m lineage.run` again")
    run = RunFolder(root, record)
    check(root, record, run.events, run.detections, run.graphml, run.labels / labels.TRACKED)
    pixel_um, minutes = record["video"]["pixel_size_um"], record["video"]["minutes_per_frame"]
    placed = {"scale": (minutes, pixel_um, pixel_um), "units": ("minute", "micrometer", "micrometer")}
    layers: list[Layer] = []
    try:
        video, _ = reopen(root, record)
    except InputError as error:
        warnings.warn(str(error), stacklevel=2)
    else:
        layers = [(*_image(video, channel), "image") for channel in range(len(video.channels))]
    tree = graphml.read(run.graphml)
    nuclei = read_table(run.detections, columns=DETECTION_COLUMNS)
    events = read_table(run.events, text=("verdict", "subtype"), columns=EVENT_COLUMNS)
    layers += [
        (labels.open_array(run.labels, labels.TRACKED).array, {"name": "cells", "opacity": 0.4}, "labels"),
        (*_tracks(tree, nuclei), "tracks"),
        (*_events(events), "points"),
    ]
    return [(data, arguments | placed, kind) for data, arguments, kind in layers]


def _image(video: Video, channel: int) -> tuple[Frames, dict[str, Any]]:
    """A channel; only the DNA stain is shown at first."""
    middle = video.frame(video.n_frames // 2, channel)
    low, high = (float(level) for level in np.percentile(middle, CONTRAST))
    arguments = {
        "name": video.channels[channel],
        "contrast_limits": (low, max(high, low + 1)),
        "rgb": False,
        "visible": channel == video.nucleus,
    }
    return Frames(video, channel, middle.dtype), arguments


def _tracks(tree: nx.DiGraph, nuclei: pd.DataFrame) -> tuple[np.ndarray, dict[str, Any]]:
    """(N, 4) cell, frame, y, x in pixels; the graph leads from a cell to those that it came from."""
    seen = nuclei[nuclei["tracklet_id"] != -1].sort_values(["tracklet_id", "frame"])
    cells = seen["tracklet_id"]
    arguments = {
        "name": "lineages",
        "graph": {cell: sorted(tree.predecessors(cell)) for cell in tree if tree.in_degree(cell)},
        "features": {
            key.value: cells.map({cell: life[key] for cell, life in tree.nodes.items()}).to_numpy()
            for key in (CellKey.FOUNDER, CellKey.GENERATION)
        },
        "color_by": CellKey.FOUNDER.value,
    }
    return seen[["tracklet_id", "frame", "y_px", "x_px"]].to_numpy(float), arguments


def _events(events: pd.DataFrame) -> tuple[np.ndarray, dict[str, Any]]:
    """(N, 3) frame, y, x in pixels: rings in the colour of the verdict."""
    from lineage.export.colours import PLAIN, VERDICTS

    arguments = {
        "name": "events",
        "features": events[list(SAID)],
        "face_color": [VERDICTS.get(verdict, PLAIN) for verdict in events["verdict"]],
        "symbol": "ring",
        "size": RING_PX,
    }
    return events[["frame", "y_px", "x_px"]].to_numpy(float), arguments
