"""Detections -> arrays in order of tracklet, then time; which ends and beginnings are neighbours.

Lengths are in diameters of the movie's own nuclei: a cell moves, and its daughters part, by so many of them,
whatever kind of cell it is and whatever the pixel size is given as.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.edge import diameter_um, to_edge
from lineage.schema import MITOTIC_STATES

if TYPE_CHECKING:
    import pandas as pd

MITOTIC_LOOKS = tuple(f"look_{s.value}" for s in MITOTIC_STATES)
AT_ONCE = 5  # nuclei: where so many more are seen, and twice as many, frames before were not found whole
LATE, EARLY = 5, 3  # nuclei that what ends, and what begins, is measured from
NONE = -1
MARKER = 0.25  # of the median area, at most; what is a marker and no outline
ALIKE = 10  # nuclei that have exactly its area, at least, and PEAK times as many as have a pixel more or less
PEAK = 5


@dataclass(frozen=True, eq=False)
class TrackletArrays:
    """Detections in order of tracklet, then time; those of no tracklet are left out.

    Arrays have one value for each of these N detections, or for each of the P tracklets. An *index* is one
    into the first kind.
    """

    row: np.ndarray  # (N,) row of the table of detections
    n_rows: int  # of that table
    time: np.ndarray  # (N,) usable frames
    position: np.ndarray  # (N, 2) y, x; diameters
    border: np.ndarray  # (N,) diameters to the edge of the image
    # NaN, as all up to `figure`, where a mask is a marker: what is within is no measure.
    mass: np.ndarray  # log, over the median
    size: np.ndarray  # log, over the median
    dense: np.ndarray  # log condensation
    mitotic: np.ndarray
    dead: np.ndarray
    figure: np.ndarray  # how likely it looks like a mitotic figure, by its pixels; NaN where there are none
    sure: np.ndarray  # the segmentation's probability
    track: np.ndarray  # (N,) btrack's number, whatever is cut
    first: np.ndarray  # (P,) index of a tracklet's first detection
    last: np.ndarray  # (P,) index of its last
    tracklet: np.ndarray  # (N,) its number, 0 to P - 1

    @classmethod
    def of(
        cls, table: pd.DataFrame, time: np.ndarray, *, shape_um: tuple[float, float], pixel_size_um: float
    ) -> TrackletArrays:
        """From a table of detections.

        Args:
            table: DETECTION_COLUMNS; `tracklet_id` is -1 for detections of no tracklet.
            time: (rows,) usable frames.
            shape_um: (Y, X) of the image.
            pixel_size_um: of the image.
        """
        tracklet = table["tracklet_id"].to_numpy()
        row = np.lexsort((time, tracklet))
        row = row[tracklet[row] >= 0]
        diameter = diameter_um(table)
        position = table[["y_um", "x_um"]].to_numpy(float)[row] / diameter
        shape = (round(shape_um[0] / pixel_size_um), round(shape_um[1] / pixel_size_um))
        border = to_edge(table[["y_px", "x_px"]].to_numpy(float)[row], shape) * pixel_size_um

        marker = are_markers(table, pixel_size_um)[row]

        def measure(values: np.ndarray) -> np.ndarray:
            return np.where(marker, np.nan, values)

        def log(column: str, floor: float) -> np.ndarray:
            values = table[column].to_numpy(float)[row]
            positive = values[values > 0]
            middle = float(np.median(positive)) if len(positive) else 1.0
            return measure(np.log(np.maximum(values, floor * middle) / middle))

        same = tracklet[row]
        first = np.flatnonzero(np.r_[True, same[1:] != same[:-1]]) if len(row) else np.zeros(0, int)
        return cls(
            row=row,
            n_rows=len(table),
            time=np.asarray(time)[row],
            position=position,
            border=border / diameter,
            mass=log("dna_mass", 0.02),
            size=log("area_um2", 0.02),
            dense=measure(np.log(np.clip(table["condensation"].to_numpy(float)[row], 0.05, 20))),
            mitotic=measure(table["p_mitotic"].to_numpy(float)[row]),
            dead=measure(table["p_dead"].to_numpy(float)[row]),
            figure=measure(table[list(MITOTIC_LOOKS)].sum(axis=1, skipna=False).to_numpy(float)[row]),
            sure=table["probability"].to_numpy(float)[row],
            track=same,
            first=first,
            last=np.r_[first[1:], len(row)] - 1 if len(row) else first,
            tracklet=np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(row)])),
        )

    def split(self, before: np.ndarray) -> TrackletArrays:
        """Cut in front of these detections, given by index."""
        first = np.union1d(self.first, before).astype(int)
        last = np.r_[first[1:], len(self.row)] - 1 if len(first) else first
        tracklet = np.repeat(np.arange(len(first)), last - first + 1)
        return replace(self, first=first, last=last, tracklet=tracklet)

    def number_of_detection(self) -> np.ndarray:
        """(rows of the table,) tracklet of each; NONE of those that are in none."""
        number = np.full(self.n_rows, NONE)
        number[self.row] = self.tracklet
        return number

    def opens(self, at: np.ndarray) -> np.ndarray:
        """Whether `at` lie in a first frame: the movie's, or one with far more nuclei than the one before."""
        n = np.bincount(self.time)
        return np.r_[True, _far_more(n[1:], n[:-1])][self.time[at]]

    def closes(self, at: np.ndarray) -> np.ndarray:
        """Whether `at` lie in a last frame: the movie's, or one with far more nuclei than the next."""
        n = np.bincount(self.time)
        return np.r_[_far_more(n[:-1], n[1:]), True][self.time[at]]

    def late(self, values: np.ndarray, at: np.ndarray, n: int = LATE) -> np.ndarray:
        """(len(at), n) the values of the last nuclei up to `at`, NaN before their tracklet begins.

        Args:
            values: (N,) one for each detection.
            at: (M,) indices of detections.
            n: how many, `at` and before.
        """
        index = at[:, None] - np.arange(n)
        inside = index >= self.first[self.tracklet[at]][:, None]
        return np.where(inside, values[np.maximum(index, 0)], np.nan)

    def early(self, values: np.ndarray, at: np.ndarray, n: int = EARLY) -> np.ndarray:
        """(len(at), n) the values of the first nuclei from `at` on, NaN after their tracklet ends.

        Args:
            values: (N,) one for each detection.
            at: (M,) indices of detections.
            n: how many, `at` and after.
        """
        index = at[:, None] + np.arange(n)
        inside = index <= self.last[self.tracklet[at]][:, None]
        return np.where(inside, values[np.minimum(index, len(values) - 1)], np.nan)


def are_markers(table: pd.DataFrame, pixel_size_um: float) -> np.ndarray:
    """(rows,) which nuclei have no mask but a marker: a small square or disc, the same for all of them.

    Only masks that are given may be such: a segmentation's are never certain.

    Args:
        table: DETECTION_COLUMNS.
        pixel_size_um: of the image.
    """
    area = np.round(table["area_um2"].to_numpy(float) / pixel_size_um**2).astype(int)
    usual = np.median(area) if len(area) else 0
    is_small = (table["probability"].to_numpy(float) == 1) & (area <= MARKER * usual)
    n = np.bincount(area[is_small], minlength=2)
    beside = np.maximum(np.r_[n[1:], 0], np.r_[0, n[:-1]])
    markers = np.flatnonzero((n >= ALIKE) & (n >= PEAK * beside))
    return is_small & np.isin(area, markers)


def _far_more(n: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Whether frames hold so many more nuclei than the one beside them that they were not all born.

    >>> _far_more(np.array([20, 20, 6]), np.array([0, 11, 3]))
    array([ True, False, False])
    """
    return (n >= 2 * beside) & (n >= beside + AT_ONCE)


def neighbours(
    p: TrackletArrays, ends: np.ndarray, starts: np.ndarray, *, within: float, lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an end and of a beginning that follows it closely, in order.

    Args:
        p: tracklets.
        ends: indices of detections that end tracklets.
        starts: indices of detections that begin tracklets.
        within: distance at most, diameters of a nucleus.
        lag: frames from one to the other.

    Returns:
        Two arrays of indices, of the ends and of the beginnings.
    """
    from scipy.spatial import cKDTree

    if not len(ends) or not len(starts):
        return np.zeros(0, int), np.zeros(0, int)
    frames_apart = 10 * within  # so that another frame is out of reach
    first = np.c_[p.position[ends], (p.time[ends] + lag) * frames_apart]
    second = np.c_[p.position[starts], p.time[starts] * frames_apart]
    few, many = sorted((first, second), key=len)
    found = cKDTree(many).query_ball_point(few, within)
    pair = np.repeat(np.arange(len(few)), [len(f) for f in found]), np.concatenate([*found, []]).astype(int)
    end, start = pair if few is first else pair[::-1]
    order = np.lexsort((start, end))
    return ends[end[order]], starts[start[order]]
