"""Tracklets as arrays: nuclei by tracklet, then time; which ends and beginnings lie near each other.

Lengths are in diameters of the movie's own nuclei: a cell moves, and its daughters part, by so many of them,
whatever kind of cell it is and whatever the pixels are said to measure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import MITOTIC_STATES

if TYPE_CHECKING:
    import pandas as pd

FIGURES = tuple(f"look_{s.value}" for s in MITOTIC_STATES)
AT_ONCE = 5  # nuclei: where so many more are seen, and twice as many, frames before were not found whole
LATE, EARLY = 5, 3  # nuclei that what ends, and what begins, is measured from
NONE = -1


def diameter_um(nuclei: pd.DataFrame) -> float:
    """Of the circle with the nuclei's median area; the unit of every length in tracking.

    Args:
        nuclei: with `area_um2`.
    """
    return float(2 * np.sqrt(nuclei["area_um2"].median() / np.pi)) if len(nuclei) else 1.0


@dataclass(frozen=True, eq=False)
class Pieces:
    """Detections in order of tracklet, then time; those of no tracklet are left out.

    `row` (N,) is a detection's place in the table, `first` and `last` (P,) the places here of a tracklet's
    ends, `piece` (N,) its tracklet.
    """

    row: np.ndarray
    n_rows: int
    time: np.ndarray
    place: np.ndarray  # (N, 2) diameters
    border: np.ndarray  # (N,) diameters to the edge of the image
    mass: np.ndarray  # log, over the median
    size: np.ndarray  # log, over the median
    dense: np.ndarray  # log condensation
    mitotic: np.ndarray
    dead: np.ndarray
    figure: np.ndarray  # how likely it looks like a mitotic figure, by its pixels; NaN where there are none
    sure: np.ndarray  # the segmentation's probability
    track: np.ndarray  # btrack's number, whatever is cut
    first: np.ndarray
    last: np.ndarray
    piece: np.ndarray

    @classmethod
    def of(
        cls, table: pd.DataFrame, time: np.ndarray, *, shape_um: tuple[float, float], pixel_size_um: float
    ) -> Pieces:
        """Of detections with tracklets' numbers."""
        tracklet = table["tracklet_id"].to_numpy()
        row = np.lexsort((time, tracklet))
        row = row[tracklet[row] >= 0]
        diameter = diameter_um(table)
        place = table[["y_um", "x_um"]].to_numpy(float)[row] / diameter
        seen = table[["y_px", "x_px"]].to_numpy(float)[row] * pixel_size_um
        border = np.minimum(seen, np.asarray(shape_um) - seen).min(axis=1) if len(row) else np.zeros(0)

        def log(column: str, floor: float) -> np.ndarray:
            values = table[column].to_numpy(float)[row]
            positive = values[values > 0]
            middle = float(np.median(positive)) if len(positive) else 1.0
            return np.log(np.maximum(values, floor * middle) / middle)

        same = tracklet[row]
        begins = np.flatnonzero(np.r_[True, same[1:] != same[:-1]]) if len(row) else np.zeros(0, int)
        return cls(
            row=row,
            n_rows=len(table),
            time=np.asarray(time)[row],
            place=place,
            border=border / diameter,
            mass=log("dna_mass", 0.02),
            size=log("area_um2", 0.02),
            dense=np.log(np.clip(table["condensation"].to_numpy(float)[row], 0.05, 20)),
            mitotic=table["p_mitotic"].to_numpy(float)[row],
            dead=table["p_dead"].to_numpy(float)[row],
            figure=table[list(FIGURES)].sum(axis=1, skipna=False).to_numpy(float)[row],
            sure=table["probability"].to_numpy(float)[row],
            track=same,
            first=begins,
            last=np.r_[begins[1:], len(row)] - 1 if len(row) else begins,
            piece=np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(row)])),
        )

    def split(self, before: np.ndarray) -> Pieces:
        """Cut in front of these detections (places here)."""
        first = np.union1d(self.first, before).astype(int)
        last = np.r_[first[1:], len(self.row)] - 1 if len(first) else first
        piece = np.repeat(np.arange(len(first)), last - first + 1)
        return replace(self, first=first, last=last, piece=piece)

    def number_of_detection(self) -> np.ndarray:
        """(rows of the table,) tracklet of each; NONE of those that are in none."""
        number = np.full(self.n_rows, NONE)
        number[self.row] = self.piece
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
        """(len(at), n) the values of the last nuclei up to `at`, NaN before their tracklet begins."""
        index = at[:, None] - np.arange(n)
        inside = index >= self.first[self.piece[at]][:, None]
        return np.where(inside, values[np.maximum(index, 0)], np.nan)

    def early(self, values: np.ndarray, at: np.ndarray, n: int = EARLY) -> np.ndarray:
        """(len(at), n) the values of the first nuclei from `at` on, NaN after their tracklet ends."""
        index = at[:, None] + np.arange(n)
        inside = index <= self.last[self.piece[at]][:, None]
        return np.where(inside, values[np.minimum(index, len(values) - 1)], np.nan)


def _far_more(n: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Whether frames hold so many more nuclei than the one beside them that they were not all born.

    >>> _far_more(np.array([20, 20, 6]), np.array([0, 11, 3]))
    array([ True, False, False])
    """
    return (n >= 2 * beside) & (n >= beside + AT_ONCE)


def near(
    p: Pieces, ends: np.ndarray, starts: np.ndarray, *, within: float, lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (places in `p`) of an end and a beginning `lag` frames later, at most so far away, in order."""
    from scipy.spatial import cKDTree

    if not len(ends) or not len(starts):
        return np.zeros(0, int), np.zeros(0, int)
    frames_apart = 10 * within  # so that another frame is out of reach
    later = np.c_[p.place[ends], (p.time[ends] + lag) * frames_apart]
    tree = cKDTree(np.c_[p.place[starts], p.time[starts] * frames_apart])
    found = tree.query_ball_point(later, within, return_sorted=True)
    counts = np.array([len(f) for f in found], int)
    second = np.concatenate([*found, []]).astype(int)
    return np.repeat(ends, counts), starts[second]
