"""Masks of the truth and of the run, a frame at a time -> which nuclei are the same.

A nucleus of the run is matched with a true one if it covers more than half of that one's marker: the rule of
the Cell Tracking Challenge. So a true nucleus has at most one match, while a nucleus of the run may cover
several true ones. Where it does, only the pair with the largest overlap is one to one.

Also here, since every figure is counted with them: `Count`, and pairing by distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lineage.evaluate.inputs import Truth

NO_FRAMES = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Count:
    """How many of one kind of thing are right, how many the run has, and how many the truth has.

    Counts are added over movies, so that rates need not be averaged.

    >>> some = Count(right=1, run=2, truth=1) + Count(right=1, run=1, truth=3)
    >>> some.precision, some.recall, round(some.f1, 3)
    (0.6666666666666666, 0.5, 0.571)
    >>> print(Count(run=3).precision, Count(run=3).recall, Count(run=3).f1)    # the truth has none
    0.0 None None
    """

    right: int = 0
    run: int = 0
    truth: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.right + other.right, self.run + other.run, self.truth + other.truth)

    @property
    def precision(self) -> float | None:
        """Share of the run's that are right; None if the run has none."""
        return self.right / self.run if self.run else None

    @property
    def recall(self) -> float | None:
        """Share of the truth's that were found; None if the truth has none."""
        return self.right / self.truth if self.truth else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if the truth has none."""
        return 2 * self.right / (self.run + self.truth) if self.truth else None

    def as_dict(self) -> dict[str, float | int | None]:
        """As it is written to evaluation.json."""
        rates = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"right": self.right, "run": self.run, "truth": self.truth} | rates


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Which cell is seen where: one entry for each nucleus of each frame, by frame, then by label."""

    frame: np.ndarray  # (N,) int64
    label: np.ndarray  # (N,) int64, the number in the mask
    cell: np.ndarray  # (N,) int64

    @cached_property
    def frames_of(self) -> dict[int, np.ndarray]:
        """Cell -> the frames in which it is seen, ascending."""
        order = np.lexsort((self.frame, self.cell))
        cells, starts = np.unique(self.cell[order], return_index=True)
        parts = np.split(self.frame[order], starts[1:]) if len(cells) else []
        return dict(zip(cells.tolist(), parts, strict=True))

    def first(self, cell: int) -> int:
        """The first frame in which the cell is seen."""
        return int(self.frames_of[cell][0])


@dataclass(frozen=True, eq=False)
class Matches:
    """Which nuclei of the run are which true ones; `of_truth` and `of_run` are indices into these two."""

    truth: Nuclei
    run: Nuclei
    of_truth: np.ndarray  # (M,) int64
    of_run: np.ndarray  # (M,) int64
    iou: np.ndarray  # (M,) float64, intersection over union
    n_covered: np.ndarray  # (M,) int64, how many true nuclei the run's one covers; 1 is well separated
    one_to_one: np.ndarray  # (M,) bool
    seg_iou: float  # sum of `iou` over the nuclei of SEG; those without a match add nothing
    n_seg: int  # nuclei in SEG; 0 where the truth has no full masks

    @cached_property
    def together(self) -> dict[tuple[int, int], np.ndarray]:
        """(Cell of the truth, cell of the run) -> the frames in which they are one to one."""
        at = np.flatnonzero(self.one_to_one)
        a, b = self.truth.cell[self.of_truth[at]], self.run.cell[self.of_run[at]]
        order = np.lexsort((self.truth.frame[self.of_truth[at]], b, a))
        pairs = np.stack([a[order], b[order]], axis=1)
        keys, starts = np.unique(pairs, axis=0, return_index=True)
        frames = self.truth.frame[self.of_truth[at]][order]
        parts = np.split(frames, starts[1:]) if len(keys) else []
        return {(int(k[0]), int(k[1])): part for k, part in zip(keys, parts, strict=True)}

    def are_same(self, true: int, found: int, frames: np.ndarray | range) -> bool:
        """Whether a true cell and a cell of the run are one to one in at least one of some frames.

        Args:
            true: a cell of the truth.
            found: a cell of the run.
            frames: where to look.

        Returns:
            False also where either is not seen in these frames.
        """
        return bool(np.isin(self.together.get((true, found), NO_FRAMES), np.asarray(frames)).any())

    def truth_of_run(self) -> np.ndarray:
        """(nuclei of the run,) index of the true nucleus that each is one to one with, or -1."""
        found = np.full(len(self.run.frame), -1, np.int64)
        found[self.of_run[self.one_to_one]] = self.of_truth[self.one_to_one]
        return found


def nearest_first(candidates: Iterable[tuple[float, int, int]]) -> dict[int, int]:
    """(Distance, i, j) -> i -> j: the nearest two become a pair, then the nearest of the others; each once.

    There may be fewer pairs than possible: a near partner is not given up so that another finds one.

    >>> nearest_first([(0.9, 0, 1), (0.0, 0, 0), (0.8, 1, 0)])
    {0: 0}
    """
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return pairs


def match(
    truth: Truth, tracked: Any, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Matches:
    """Match the nuclei of every frame; masks are read a frame at a time.

    Args:
        truth: its masks are read here.
        tracked: (T, Y, X) cell ids of the run.
        progress: called with (done, total) frames.

    Returns:
        The matches of all frames.

    Raises:
        InputError: truth and run differ in number or size of frames, or the truth's masks and its table
            contradict each other.
    """
    if truth.n_frames != tracked.shape[0]:
        raise InputError(
            f"{truth.folder} has {truth.n_frames} frames, the run has {tracked.shape[0]}; "
            "give the truth of the same movie"
        )
    rows: list[np.ndarray] = []
    truth_labels, run_labels = [], []
    seg_iou, n_seg = 0.0, 0
    for t in range(truth.n_frames):
        found = np.asarray(tracked[t])
        true = truth.mask(t)
        check_shape(truth.mask_name(t), true, found)
        pairs, labels, cells = pair(true, found)
        rows.append(np.column_stack([np.full(len(pairs), t), pairs]))
        truth_labels.append(labels)
        run_labels.append(cells)
        full = truth.full_mask(t)
        if full is not None:
            check_shape(truth.seg[t].name, full, found)
            pairs, labels, _ = pair(full, found)
        if full is not None or (truth.masks_are_full and not truth.seg):
            seg_iou += float(pairs[:, 2].sum())
            n_seg += len(labels)
        progress(t + 1, truth.n_frames)
    true_nuclei, run_nuclei = _nuclei(truth_labels, truth.cell_of), _nuclei(run_labels, None)
    check_tracks(truth, true_nuclei)
    frame, label, cell, iou, n_covered, best = np.concatenate(rows).T
    return Matches(
        truth=true_nuclei,
        run=run_nuclei,
        of_truth=_index(true_nuclei, frame, label),
        of_run=_index(run_nuclei, frame, cell),
        iou=iou,
        n_covered=n_covered.astype(np.int64),
        one_to_one=best > 0,
        seg_iou=seg_iou,
        n_seg=n_seg,
    )


def pair(truth: np.ndarray, run: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match the nuclei of one frame.

    Args:
        truth: (Y, X) labels or markers.
        run: (Y, X) cell ids.

    Returns:
        (M, 5) float: label, cell, intersection over union, how many labels that cell covers, and 1 where the
        two are one to one; then the labels of the truth and the cells of the run, ascending.

    >>> two, one = np.array([[1, 1, 1, 2, 2, 0]]), np.array([[5, 5, 5, 5, 5, 5]])
    >>> pair(two, one)[0].round(2).tolist()
    [[1.0, 5.0, 0.5, 2.0, 1.0], [2.0, 5.0, 0.33, 2.0, 0.0]]
    >>> pair(np.array([[1, 1]]), np.array([[3, 4]]))[0].tolist()       # half is not more than half
    []
    """
    seen = (truth > 0) | (run > 0)
    a, b = truth[seen].astype(np.int64), run[seen].astype(np.int64)
    stride = int(b.max(initial=0)) + 1
    keys, shared = np.unique(a * stride + b, return_counts=True)
    label, cell = keys // stride, keys % stride
    labels, of_label = np.unique(label, return_inverse=True)
    cells, of_cell = np.unique(cell, return_inverse=True)
    size_a = np.bincount(of_label, shared, len(labels))[of_label]
    size_b = np.bincount(of_cell, shared, len(cells))[of_cell]
    at = np.flatnonzero((label > 0) & (cell > 0) & (2 * shared > size_a))
    iou = shared[at] / (size_a + size_b - shared)[at]
    # The largest overlap first; among equal ones the lower label.
    order = np.lexsort((label[at], -shared[at], cell[at]))
    best = np.zeros(len(at), bool)
    best[order[np.unique(cell[at][order], return_index=True)[1]]] = True
    n_covered = np.bincount(of_cell[at], minlength=len(cells))[of_cell[at]]
    return np.column_stack([label[at], cell[at], iou, n_covered, best]), labels[labels > 0], cells[cells > 0]


def check_shape(name: str, truth: np.ndarray, run: np.ndarray) -> None:
    """Refuse masks that are not of one size.

    Args:
        name: file of the truth's mask, for the message.
        truth: (Y, X) mask of the truth.
        run: (Y, X) mask of the run.

    Raises:
        InputError: their shapes differ.
    """
    if truth.shape != run.shape:
        (h, w), (height, width) = truth.shape, run.shape
        raise InputError(
            f"{name} is {w} x {h} px, the run's frames are {width} x {height}; "
            "give the truth of the same movie"
        )


def check_tracks(truth: Truth, nuclei: Nuclei) -> None:
    """Raise InputError unless the truth's table and its masks have the same labels in the same frames."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for frame, label in zip(nuclei.frame.tolist(), nuclei.label.tolist(), strict=True):
        first.setdefault(label, frame)
        last[label] = frame
    for label, begin, end, _ in truth.tracks.tolist():
        if (first.get(label), last.get(label)) != (begin, end):
            seen = f"frames {first[label]} to {last[label]}" if label in first else "no frame"
            raise InputError(
                f"{truth.folder}: man_track.txt has label {label} in frames {begin} to {end}, "
                f"the masks in {seen}; correct one of them"
            )


def _nuclei(labels: list[np.ndarray], cell_of: Mapping[int, int] | None) -> Nuclei:
    """Labels of each frame -> Nuclei; without `cell_of` a label is the cell itself."""
    frame = np.repeat(np.arange(len(labels)), [len(each) for each in labels])
    label = np.concatenate(labels).astype(np.int64)
    if cell_of is None:
        return Nuclei(frame, label, label)
    if unlisted := sorted(set(np.unique(label).tolist()) - set(cell_of)):
        raise InputError(f"the truth's masks hold label {unlisted[0]}, which man_track.txt does not list")
    table = np.zeros(max(cell_of, default=0) + 1, np.int64)
    table[list(cell_of)] = list(cell_of.values())
    return Nuclei(frame, label, table[label])


def _index(nuclei: Nuclei, frame: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Index into `nuclei` of each (frame, label)."""
    stride = int(nuclei.label.max(initial=0)) + 1
    wanted = frame.astype(np.int64) * stride + label.astype(np.int64)
    return np.searchsorted(nuclei.frame * stride + nuclei.label, wanted)
