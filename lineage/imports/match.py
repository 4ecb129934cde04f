"""Spots of given tracks and the nuclei of a movie -> on which nucleus each spot lies."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from lineage.imports.record import MICROMETRES
from lineage.schema import InputError

if TYPE_CHECKING:
    import pandas as pd

    from lineage.imports.record import GivenTracks
    from lineage.io.labels import Frames
    from lineage.schema import Geometry

NONE = -1
MAX_OUTSIDE = 0.05  # of all spots, which may lie outside the image
MIN_ON_NUCLEI = 0.5  # of all spots, which lie on a nucleus if the tracks are of this movie
SAME = 0.01  # relative, within which two pixel sizes or intervals are one


class Why(StrEnum):
    """Why a spot is on no nucleus."""

    OUTSIDE = "outside the image"
    NOT_USED = "frame not used"
    NO_NUCLEUS = "no nucleus"
    TAKEN = "nucleus of a nearer spot"


def positions_px(given: GivenTracks, geometry: Geometry) -> np.ndarray:
    """(N, 2) y, x of each spot in the image.

    Micrometres are divided by the pixel size that the file states, which is what made them, else by the
    movie's.
    """
    places = given.spots[["y", "x"]].to_numpy(float)
    return places if given.unit != MICROMETRES else places / (given.pixel_size_um or geometry.pixel_size_um)


def check_movie(given: GivenTracks, geometry: Geometry) -> list[str]:
    """Refuse tracks that are not of this movie, and warn of what does not agree.

    Args:
        given: tracks.
        geometry: of the movie.

    Raises:
        InputError: frames or positions beyond it, or another size of image.
    """
    n, (height, width) = geometry.n_frames, geometry.shape
    frames = given.spots["frame"]
    if (last := int(frames.max())) >= n:
        one = given.spots[frames == last].iloc[0]
        hint = "; if its frames count from 1, take 1 off" if (frames.min(), last) == (1, n) else ""
        raise InputError(
            f"{given.source}: spot {one['spot_id']:g} is in frame {last}, the movie has {n}, 0 to "
            f"{n - 1}: give "
            f"the tracks of this movie{hint}"
        )
    stated = given.image[1:]
    if None not in stated and stated != (height, width):
        raise InputError(
            f"{given.source} is of images of {stated[1]} x {stated[0]} px, the movie's are {width} x "
            f"{height}: "
            "give the tracks of this movie, not of a piece of it"
        )
    y, x = positions_px(given, geometry).T
    outside = (y < -0.5) | (x < -0.5) | (y > height - 0.5) | (x > width - 0.5)
    if outside.mean() > MAX_OUTSIDE:
        k = int(np.flatnonzero(outside)[0])
        how = (
            ""
            if given.unit != MICROMETRES
            else f", read as micrometres at {_size(given, geometry):g} um a pixel"
        )
        raise InputError(
            f"{given.source}: {int(outside.sum())} of {len(y)} spots lie outside the image of {width} x "
            f"{height} px, "
            f"first spot {given.spots['spot_id'].iloc[k]} at y {y[k]:.1f}, x {x[k]:.1f} px{how}: give "
            "positions in "
            "pixels of this movie, or in micrometres and say so in the file"
        )
    return [*_differences(given, geometry)]


def _size(given: GivenTracks, geometry: Geometry) -> float:
    return given.pixel_size_um or geometry.pixel_size_um


def _differences(given: GivenTracks, geometry: Geometry) -> list[str]:
    pairs = (
        (
            given.pixel_size_um,
            geometry.pixel_size_um,
            "um a pixel",
            "positions are read in pixels of the former",
        ),
        (
            given.minutes_per_frame,
            geometry.minutes_per_frame,
            "min a frame",
            "frames are taken by their number",
        ),
    )
    return [
        f"{given.source} states {theirs:g} {what}, the movie has {ours:g}: {done}"
        for theirs, ours, what, done in pairs
        if theirs is not None and abs(theirs / ours - 1) > SAME
    ]


def match(
    given: GivenTracks,
    nuclei: pd.DataFrame,
    *,
    labels: Frames,
    geometry: Geometry,
    usable: np.ndarray,
    by_label: bool = False,
) -> pd.DataFrame:
    """The nucleus of each spot: the one whose outline it lies in, else the nearest within a radius.

    Of several spots on a nucleus the nearest to its middle has it; a nucleus belongs to one cell only.

    Args:
        given: tracks of this movie.
        nuclei: NUCLEUS_COLUMNS.
        labels: (T, Y, X) in which they were measured.
        geometry: of the movie.
        usable: (T,) bool, frames whose nuclei count.
        by_label: the labels are those that the spots name.

    Returns:
        `spot_id, frame, y_px, x_px, detection_id, why`, in the order of the spots; `detection_id` is -1 and
        `why` says so where a spot is on none.

    Raises:
        InputError: most spots are on no nucleus.
    """
    places = positions_px(given, geometry)
    radius = given.spots["radius"].to_numpy(float)
    radius = np.nan_to_num(radius / (_size(given, geometry) if given.unit == MICROMETRES else 1.0))
    found = np.full(len(places), NONE, np.int64)
    why = np.full(len(places), str(Why.NO_NUCLEUS), object)
    there = dict(tuple(nuclei.groupby("frame")))
    for frame, rows in given.spots.reset_index(drop=True).groupby("frame").indices.items():
        t = int(str(frame))
        seen = there.get(t)
        if not usable[t] or seen is None:
            why[rows] = Why.NO_NUCLEUS if usable[t] else Why.NOT_USED
            continue
        ids = seen["detection_id"].to_numpy(np.int64)
        named = seen["label"].to_numpy(np.int64)
        if by_label:
            is_same = given.spots["label"].to_numpy()[rows][:, None] == named[None]
            distance = np.where(is_same, 0.0, np.inf)
        else:
            own = np.sqrt(seen["area_um2"].to_numpy(float) / np.pi) / geometry.pixel_size_um
            middles = seen[["y_px", "x_px"]].to_numpy(float)
            distance = _distances(places[rows], radius[rows], middles, own, named, np.asarray(labels[t]))
        row, k, taken = _nearest_first(distance)
        found[rows[row]], why[rows[row]] = ids[k], ""
        why[rows[taken]] = Why.TAKEN
    height, width = geometry.shape
    outside = ~((places > -0.5) & (places < [height - 0.5, width - 0.5])).all(axis=1) & np.isfinite(
        places[:, 0]
    )
    why[outside & (found == NONE)] = Why.OUTSIDE
    spots = given.spots[["spot_id", "frame"]].reset_index(drop=True)
    table = spots.assign(y_px=places[:, 0], x_px=places[:, 1], detection_id=found, why=why)
    _check(given, table, nuclei)
    return table


def _distances(
    places: np.ndarray,
    radius: np.ndarray,
    middles: np.ndarray,
    own: np.ndarray,
    named: np.ndarray,
    labels: np.ndarray,
) -> np.ndarray:
    """(S, N) from spots to nuclei's middles, pixels; infinite where a spot is on no such nucleus.

    A nucleus in whose outline a spot lies comes before all others, so its distance is a share of a pixel.
    """
    apart = np.linalg.norm(places[:, None] - middles[None], axis=2)
    within = apart <= np.maximum(own[None], radius[:, None])
    known = np.nan_to_num(places, nan=-9.0)
    corner = np.clip(np.round(known).astype(int), 0, np.asarray(labels.shape) - 1)
    inside = (labels[corner[:, 0], corner[:, 1]][:, None] == named[None]) & (np.abs(corner - known) < 1).all(
        axis=1
    )[:, None]
    return np.where(inside, apart / (apart.max(initial=0) + 1), np.where(within, apart + 1, np.inf))


def _nearest_first(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of rows and columns, the nearest first, each once; and the rows that others left without.

    >>> [a.tolist() for a in _nearest_first(np.array([[1.0, np.inf], [0.5, np.inf], [np.inf, np.inf]]))]
    [[1], [0], [0]]
    """
    some = np.argwhere(np.isfinite(distance))
    order = np.argsort(distance[some[:, 0], some[:, 1]], kind="stable")
    rows: dict[int, int] = {}
    columns: set[int] = set()
    for row, column in some[order].tolist():
        if row not in rows and column not in columns:
            rows[row] = column
            columns.add(column)
    without = sorted(set(some[:, 0].tolist()) - set(rows))
    pairs = np.array(list(rows.items()), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], np.array(without, np.int64)


def _check(given: GivenTracks, table: pd.DataFrame, nuclei: pd.DataFrame) -> None:
    on = (table["detection_id"] != NONE).mean()
    if on >= MIN_ON_NUCLEI:
        return
    y, x = table["y_px"], table["x_px"]
    where = (
        f"spots lie at y {y.min():.0f} to {y.max():.0f}, x {x.min():.0f} to {x.max():.0f} px, nuclei at y "
        f"{nuclei['y_px'].min():.0f} to {nuclei['y_px'].max():.0f}, x {nuclei['x_px'].min():.0f} to "
        f"{nuclei['x_px'].max():.0f}"
        if len(nuclei) and np.isfinite(y).any()
        else f"{len(nuclei)} nuclei were found"
    )
    raise InputError(
        f"{given.source}: only {on:.0%} of {len(table)} spots lie on a nucleus ({where}): give the "
        "tracks of this "
        "movie, in pixels or micrometres as the file says, and with --labels the masks that they are of"
    )
