"""Given tracks without a movie -> nuclei and a lineage: of a nucleus only its place, and perhaps its size.

Nothing is known of how the nuclei look: each is in interphase and alive, so events are the divisions and
fusions that the tracks have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.imports.match import positions_px
from lineage.imports.place import PLACED_COLUMNS, Placed, cells_of
from lineage.imports.record import MICROMETRES
from lineage.schema import (
    DETECTION_COLUMNS,
    LOOK_COLUMNS,
    NUCLEUS_COLUMNS,
    QUALITY_COLUMNS,
    FrameQuality,
    Geometry,
    InputError,
    Lineage,
    State,
)
from lineage.tracking.renumber import renumbered

if TYPE_CHECKING:
    from lineage.imports.record import GivenTracks


def geometry_of(
    given: GivenTracks, *, pixel_size_um: float | None = None, minutes_per_frame: float | None = None
) -> tuple[Geometry, tuple[str, ...]]:
    """The movie that the tracks are of, as far as they say it, and notes on what was assumed.

    Args:
        given: the tracks.
        pixel_size_um: goes above what the file states.
        minutes_per_frame: likewise.

    Raises:
        InputError: pixel size or interval are neither stated nor given.
    """
    size = pixel_size_um or given.pixel_size_um
    interval = minutes_per_frame or given.minutes_per_frame
    if size is None or interval is None:
        raise InputError(
            f"{given.source} states no {'pixel size' if size is None else 'time between frames'}; give "
            "pixel_size_um and minutes_per_frame, or the movie"
        )
    n_frames = given.image[0] or int(given.spots["frame"].max()) + 1
    geometry = Geometry(n_frames, (1, 1), size, interval)
    height, width = (int(n) + 2 for n in np.nanmax(positions_px(given, geometry), axis=0))
    notes = () if given.image[1] else ("the image's size is not stated: taken from the outermost positions",)
    shape = (given.image[1] or height, given.image[2] or width)
    return Geometry(n_frames, shape, size, interval), notes


def as_nuclei(placed: Placed, geometry: Geometry) -> tuple[pd.DataFrame, FrameQuality]:
    """The nuclei of such a lineage, and frames of which each can be used."""
    frames = np.arange(geometry.n_frames)
    blank = dict.fromkeys(QUALITY_COLUMNS, 0.0)
    table = pd.DataFrame(
        blank
        | {"frame": frames, "time_min": frames * geometry.minutes_per_frame, "usable": True, "reason": ""}
    )
    return placed.lineage.detections[list(NUCLEUS_COLUMNS)], FrameQuality(table[list(QUALITY_COLUMNS)])


def lineage_alone(given: GivenTracks, geometry: Geometry) -> Placed:
    """A lineage whose nuclei are the spots.

    Args:
        given: the tracks.
        geometry: of `geometry_of`.
    """
    places, frame = positions_px(given, geometry), given.spots["frame"].to_numpy()
    to_um = 1.0 if given.unit == MICROMETRES else geometry.pixel_size_um
    area = np.pi * (given.spots["radius"].to_numpy(float) * to_um) ** 2
    unknown = ("dna_mass", "mean_intensity", "eccentricity", "solidity", "texture", "rounding", *LOOK_COLUMNS)
    detections = pd.DataFrame(
        {
            "detection_id": np.arange(len(frame)),
            "frame": frame,
            "time_min": frame * geometry.minutes_per_frame,
            "label": given.spots["spot_id"].to_numpy(),
            "y_px": places[:, 0],
            "x_px": places[:, 1],
            "y_um": places[:, 0] * geometry.pixel_size_um,
            "x_um": places[:, 1] * geometry.pixel_size_um,
            "area_um2": area,
            "probability": 1.0,
            "condensation": 1.0,
            "p_mitotic": 0.0,
            "p_dead": 0.0,
            "state": State.INTERPHASE.value,
        }
        | dict.fromkeys(unknown, np.nan)
    )
    spots = given.spots[["spot_id", "frame"]].assign(
        y_px=places[:, 0], x_px=places[:, 1], detection_id=detections["detection_id"], why=""
    )
    cell_of, graph, notes = cells_of(given, spots)
    cell = detections["detection_id"].map(cell_of)
    lineage = renumbered(detections.assign(tracklet_id=cell)[list(DETECTION_COLUMNS)], graph)
    return Placed(Lineage(lineage.detections, lineage.graph, (), notes), spots[list(PLACED_COLUMNS)])
