"""Matches + tracks -> the Cell Tracking Challenge's measures, by py-ctcmetrics.

DET, SEG, TRA, LNK, CT, TF, BC(i) and CCA as defined at
https://celltrackingchallenge.net/evaluation-methodology. The run's tracks are those that `lineage.export
ctc` writes: split at gaps, a fused cell without a parent.

The measures are the package's own functions. Only the operations on the graph are counted here: its own
count holds a matrix of (wrong nuclei) x (all true nuclei), some 40 GB for five days of 600 cells. A test
compares the two.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lineage.evaluate.tracking import is_in, links
from lineage.export import ctc as export

if TYPE_CHECKING:
    import networkx as nx

    from lineage.evaluate.inputs import Truth
    from lineage.evaluate.match import Matches, Nuclei

BC_FRAMES = (0, 1, 2, 3)
MEASURES = ("DET", "SEG", "TRA", "LNK", "CT", "TF", *(f"BC({i})" for i in BC_FRAMES), "CCA")
OPERATIONS = ("NS", "FN", "FP", "ED", "EA", "EC", "num_vertices", "num_edges")


@dataclass(frozen=True, eq=False)
class Tally:
    """The counts that the measures are computed from; they are added over movies."""

    operations: dict[str, int]
    seg_iou: float
    n_seg: int
    n_complete: float  # tracks reconstructed from end to end
    n_tracks: int  # of truth and run together
    fractions: float  # sum over the true tracks that were found at all
    n_found: int
    branchings: dict[int, tuple[int, int, int]]  # frames -> right, false, missed
    truth_tracks: np.ndarray = field(repr=False)  # (N, 4): label, first, last frame (inclusive), parent or 0
    run_tracks: np.ndarray = field(repr=False)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            {k: self.operations[k] + other.operations[k] for k in OPERATIONS},
            self.seg_iou + other.seg_iou,
            self.n_seg + other.n_seg,
            self.n_complete + other.n_complete,
            self.n_tracks + other.n_tracks,
            self.fractions + other.fractions,
            self.n_found + other.n_found,
            {
                i: (a + d, b + e, c + f)
                for i, (a, b, c) in self.branchings.items()
                for d, e, f in [other.branchings[i]]
            },
            _append(self.truth_tracks, other.truth_tracks),
            _append(self.run_tracks, other.run_tracks),
        )

    def measures(self) -> dict[str, float | None]:
        """MEASURES; None where the truth has nothing to measure it by."""
        from ctc_metrics import metrics

        has_nuclei, has_links = self.operations["num_vertices"] > 0, self.operations["num_edges"] > 0
        cca = metrics.cca(self.run_tracks, self.truth_tracks) if len(self.truth_tracks) else None
        found = {
            "DET": metrics.det(**self.operations) if has_nuclei else None,
            "SEG": self.seg_iou / self.n_seg if self.n_seg else None,
            "TRA": metrics.tra(**self.operations)[0] if has_nuclei else None,
            "LNK": metrics.lnk(**self.operations) if has_links else None,
            "CT": 2 * self.n_complete / self.n_tracks if len(self.truth_tracks) else None,
            "TF": (self.fractions / self.n_found if self.n_found else 0.0) if has_nuclei else None,
            **{f"BC({i})": metrics.bc(*self.branchings[i]) for i in BC_FRAMES},
            "CCA": cca,
        }
        return {name: None if found[name] is None else float(found[name]) for name in MEASURES}


def tally(matches: Matches, truth: Truth, tree: nx.DiGraph) -> Tally:
    """Count one movie.

    Args:
        matches: of all its frames.
        truth: its table of tracks.
        tree: the run's.

    Returns:
        The counts of this movie.

    Raises:
        InputError: the run's labels and its tree are not of one run.
    """
    from ctc_metrics import metrics

    run_tracks, run_label = relabelled(matches.run, tree)
    operations = count_operations(matches, run_label, truth.tracks, run_tracks)
    n_frames = truth.n_frames
    truth_in, run_in = matches.truth.frame, matches.run.frame
    labels = _by_frame(truth_in, matches.truth.label, n_frames)
    at = truth_in[matches.of_truth]
    true = _by_frame(at, matches.truth.label[matches.of_truth], n_frames)
    found = _by_frame(at, run_label[matches.of_run], n_frames)
    alone = matches.n_covered == 1
    n_tracks = len(truth.tracks) + len(run_tracks)
    n_found = len(np.unique(matches.truth.label[matches.of_truth[alone]]))
    some = bool(len(truth_in) and len(run_in))
    as_lists = [a.tolist() for a in true], [a.tolist() for a in found]
    return Tally(
        operations=operations,
        seg_iou=matches.seg_iou,
        n_seg=matches.n_seg,
        n_complete=metrics.ct(run_tracks, truth.tracks, labels, true, found) * n_tracks / 2 if some else 0.0,
        n_tracks=n_tracks,
        fractions=float(metrics.tf(truth.tracks, labels, true, found)) * n_found if some else 0.0,
        n_found=n_found,
        branchings={
            i: tuple(map(int, metrics.raw_division_metrics(run_tracks, truth.tracks, *as_lists, i=i)))  # type: ignore[misc]
            for i in BC_FRAMES
        },
        truth_tracks=truth.tracks,
        run_tracks=run_tracks,
    )


def relabelled(nuclei: Nuclei, tree: nx.DiGraph) -> tuple[np.ndarray, np.ndarray]:
    """The run's tracks, (N, 4), and the label of each of its nuclei in them."""
    stretches = {cell: _stretches(frames) for cell, frames in sorted(nuclei.frames_of.items())}
    lines = export.tracks(tree, stretches)
    starting = defaultdict(list)
    for line in lines:
        starting[line.first_frame].append(line)
    label_of = np.zeros(max((line.cell for line in lines), default=0) + 1, np.int64)
    labels = np.zeros(len(nuclei.frame), np.int64)
    begins = np.searchsorted(nuclei.frame, np.arange(int(nuclei.frame.max(initial=-1)) + 2))
    for t, (a, b) in enumerate(pairwise(begins)):
        for line in starting[t]:
            label_of[line.cell] = line.label
        labels[a:b] = label_of[nuclei.cell[a:b]]
    table = [(line.label, line.first_frame, line.last_frame, line.parent) for line in lines]
    return np.array(table, np.int64).reshape(-1, 4), labels


def count_operations(
    matches: Matches, run_label: np.ndarray, truth_tracks: np.ndarray, run_tracks: np.ndarray
) -> dict[str, int]:
    """Count the operations that turn the run's graph into the truth's.

    Args:
        matches: of all frames.
        run_label: (nuclei of the run,) label of each in `run_tracks`.
        truth_tracks: (N, 4) label, first, last frame (inclusive), parent or 0.
        run_tracks: likewise, of the run.

    Returns:
        OPERATIONS: splits, missed and false nuclei, false, missed and mistaken links, and the size of the
        truth's graph.

    Source: Matula et al. 2015, Cell tracking accuracy measurement based on comparison of acyclic
    oriented graphs.
    """
    truth, run = matches.truth, matches.run
    alone = matches.n_covered == 1
    as_true = np.full(len(run.frame), -1, np.int64)
    as_true[matches.of_run[alone]] = matches.of_truth[alone]
    n_used = len(np.unique(matches.of_run))
    true, true_is_birth = _edges(truth.frame, truth.label, truth_tracks)
    found, found_is_birth = _edges(run.frame, run_label, run_tracks)
    both = (as_true[found] >= 0).all(axis=1)
    found, found_is_birth = as_true[found[both]], found_is_birth[both]
    right, known = is_in(found, true), is_in(true, found)
    births = {tuple(edge) for edge in true[true_is_birth].tolist()}
    wrong_kind = sum(
        (tuple(edge) in births) != birth
        for edge, birth in zip(found[right].tolist(), found_is_birth[right].tolist(), strict=True)
    )
    return {
        "NS": len(matches.of_truth) - n_used,
        "FN": len(truth.frame) - len(matches.of_truth),
        "FP": len(run.frame) - n_used,
        "ED": int((~right).sum()),
        "EA": int((~known).sum()),
        "EC": wrong_kind,
        "num_vertices": len(truth.frame),
        "num_edges": len(true),
    }


def _edges(frame: np.ndarray, label: np.ndarray, tracks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, 2) pairs of nuclei, and which of them join a parent to its child."""
    births = [(parent, child) for child, _, _, parent in tracks.tolist() if parent]
    pairs = links(frame, label, births, np.ones(len(frame), bool))
    is_birth = label[pairs[:, 0]] != label[pairs[:, 1]]
    successive = frame[pairs[:, 1]] - frame[pairs[:, 0]] == 1
    kept = is_birth | successive
    return pairs[kept], is_birth[kept]


def _stretches(frames: np.ndarray) -> list[range]:
    """Ascending frames -> stretches without a gap.

    >>> _stretches(np.array([3, 4, 7]))
    [range(3, 5), range(7, 8)]
    """
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return [range(int(p[0]), int(p[-1]) + 1) for p in parts]


def _by_frame(frame: np.ndarray, values: np.ndarray, n_frames: int) -> list[np.ndarray]:
    """One array for each frame; `frame` need not ascend."""
    order = np.argsort(frame, kind="stable")
    return np.split(values[order], np.searchsorted(frame[order], np.arange(1, n_frames)))


def _append(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Two tables of tracks as one, the second's labels after the first's."""
    after = others.copy()
    highest = int(some[:, 0].max(initial=0))
    after[:, 0] += highest
    after[after[:, 3] > 0, 3] += highest
    return np.concatenate([some, after])
