"""Frames -> drift of the stage, as the median shift of many blocks by sub-pixel phase correlation.

Stage drift moves everything; cells move one by one. So blocks are cut around the objects of an earlier frame,
each is looked for by itself, and the median of their shifts is the drift if it is clearly larger than their
scatter; otherwise it is exactly 0. A loose cell, however bright, is one block of many. Frames are compared
with an old one as long as they resemble it, so that errors do not add up while the stage stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lineage.quality.measures import halved
from lineage.quality.register import shifts

_WORKING_PX = 512  # longer fields are halved until they fit: 1024 px are registered at 512
_BLOCKS_A_SIDE = 12  # blocks are a twelfth of the field wide,
_MIN_BLOCK_PX = 32  # but hold a cell and its surroundings, in working pixels
_MAX_BLOCKS = 64
_UPSAMPLING = 20  # registration in twentieths of a working pixel
_BAND_PX = (1.0, 8.0)  # Gaussian sigmas, working pixels: noise is finer, shading coarser than nuclei
_NOISE_IN_BAND = 0.28  # of white noise, by the finer of them: 1 / (2 sqrt(pi))
_NOISE_CUT = 3.0  # standard deviations
_MIN_ENERGY = 0.15  # of the highest in the field: below it there is no object
_MIN_MATCH = 0.5  # correlation of a block with its counterpart, to count as found
_MIN_BLOCKS = 3
_FEW_BLOCKS = 6  # fewer must agree outright, as their scatter cannot be estimated
_AGREEMENT_PX = 2.0  # movie pixels
_LOCALISATION_PX = 0.3  # movie pixels; blocks that stand still scatter by less
_JUMP_ADVANTAGE = 1.5  # a jump must explain this many times the blocks that no jump explains
_MIN_STANDARD_ERRORS = 4.5  # by which a displacement must exceed 0
_MAX_ERROR_PX = 1.0  # an anchor that gives the median no better than this is replaced


@dataclass(frozen=True, eq=False)
class View:
    """A frame as it is registered: objects of about equal weight on zero."""

    image: np.ndarray  # (Y, X) float32, working pixels
    scale: int  # movie pixels a working pixel


@dataclass(frozen=True, eq=False)
class Votes:
    """The displacements of the blocks that were found again, movie pixels."""

    shifts: np.ndarray  # (N, 2): y, x
    n_blocks: int  # that were looked for

    @property
    def middle(self) -> np.ndarray:
        """(2,) median displacement; zero where there is no block."""
        return np.median(self.shifts, axis=0) if len(self.shifts) else np.zeros(2)

    @property
    def standard_error(self) -> float:
        """Of the median, by y or x, from the scatter; infinite where the blocks are few and disagree."""
        if self.n_agreeing < _MIN_BLOCKS or (
            len(self.shifts) < _FEW_BLOCKS and self.n_agreeing < len(self.shifts)
        ):
            return np.inf
        n = len(self.shifts)
        scatter = max(_LOCALISATION_PX, 1.4826 * float(np.median(np.abs(self.shifts - self.middle))))
        return 1.2533 * scatter / np.sqrt(n) * (1 + 4 / n)  # the last for the scatter of the scatter

    @property
    def n_agreeing(self) -> int:
        """Blocks that moved as the median did."""
        return int(np.count_nonzero(np.linalg.norm(self.shifts - self.middle, axis=1) <= _AGREEMENT_PX))

    @property
    def is_found(self) -> bool:
        """Half of the blocks were found again, and they give the median precisely."""
        return len(self.shifts) >= self.n_blocks / 2 and self.standard_error < _MAX_ERROR_PX

    @property
    def is_rigid(self) -> bool:
        """Half of the blocks agree, so no other displacement need be tried."""
        return self.n_agreeing >= max(_MIN_BLOCKS, self.n_blocks / 2)


def prepare(channels: list[np.ndarray]) -> View:
    """Band-pass and compress the channels of one frame and add them up.

    Args:
        channels: one or more, each (Y, X); nucleus, and phase contrast where there is some.

    Returns:
        View.
    """
    scale = 1
    while max(channels[0].shape) > _WORKING_PX * scale:
        scale *= 2
    flat = [_flatten(_block_means(c.astype(np.float32), scale)) for c in channels]
    return View(np.sum(flat, axis=0), scale)


def vote(reference: View, view: View, offset_px: np.ndarray) -> Votes:
    """Look for each object of the reference in the view, about `offset_px` away.

    Args:
        reference: where the blocks are cut.
        view: where they are looked for.
        offset_px: (2,) expected displacement, y and x, movie pixels.

    Returns:
        Votes of the blocks that were found.
    """
    step = np.rint(offset_px / view.scale).astype(int)
    side = max(min(view.image.shape) // _BLOCKS_A_SIDE, min(_MIN_BLOCK_PX, *view.image.shape))
    window = np.outer(*[np.hanning(side + 2)[1:-1].astype(np.float32)] * 2)
    padded = np.pad(view.image, side)  # a block may reach over the edge, its middle may not
    corners = _find_blocks(reference.image, side)
    middles = corners + step + side // 2
    corners = corners[((middles >= 0) & (middles < view.image.shape)).all(axis=1)]
    blocks = _cut_all(reference.image, corners, side) * window
    found, positions = _find(blocks, window, padded, corners + step)
    return Votes((positions - corners[found]) * view.scale, len(corners))


def _find(
    blocks: np.ndarray, window: np.ndarray, padded: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find windowed blocks in an image that was padded by their side.

    Args:
        blocks: (N, side, side), each multiplied by the window.
        window: (side, side).
        padded: the image.
        expected: (N, 2) corners where they should be, working pixels before padding.

    Returns:
        Indices (M,) of those that were found, and their corners (M, 2), to parts of a pixel.
    """
    side = len(window)
    corners, fraction = expected.copy(), np.zeros(expected.shape)
    is_inside, active = np.ones(len(blocks), bool), np.arange(len(blocks))
    # A block that has moved is registered again at its new position: the first time it was cut in part.
    for _ in range(2):
        cut = _cut_all(padded, corners[active] + side, side)
        is_inside[active] = cut.any(axis=(1, 2))
        active, cut = active[is_inside[active]], cut[is_inside[active]]
        if not len(active):
            break
        # Windowed on one side only: on both, the windows would pull the shift towards zero.
        moved = -shifts(blocks[active], cut, upsampling=_UPSAMPLING)
        pixels = np.rint(moved).astype(int)
        corners[active] += pixels
        fraction[active] = moved - pixels
        active = active[pixels.any(axis=1)]
    matches = _cut_all(padded, corners + side, side) * window
    close = np.array([_correlate(a, b) >= _MIN_MATCH for a, b in zip(blocks, matches, strict=True)], bool)
    found = np.flatnonzero(is_inside & close)
    return found, corners[found] + fraction[found]


def propose_jump(reference: View, view: View, max_shift_px: float) -> np.ndarray | None:
    """The displacement that phase correlation of the complete fields suggests.

    Args:
        reference: the earlier frame.
        view: the later one.
        max_shift_px: by y and by x, movie pixels.

    Returns:
        (2,) y, x, movie pixels; None if it is too far, or one of the two shows nothing.
    """
    from skimage.registration import phase_cross_correlation

    if not (reference.image.any() and view.image.any()):
        return None
    moved, _, _ = phase_cross_correlation(reference.image, view.image, normalization=None)
    shift = -np.asarray(moved, float) * view.scale
    return shift if np.abs(shift).max() <= max_shift_px else None


class DriftTracker:
    """Follows the stage through the usable frames, in order.

    Two earlier frames are kept: an old one, the anchor, from which displacements are measured so that errors
    do not add up; and the last one, for jumps, and for when the cells no longer resemble the anchor.
    """

    def __init__(self, *, max_jump_px: float, min_shift_px: float) -> None:
        self._max_jump_px = max_jump_px
        self._min_shift_px = min_shift_px
        self._anchor: tuple[View, np.ndarray] | None = None
        self._last: tuple[View, np.ndarray] | None = None

    def follow(self, view: View) -> tuple[np.ndarray, bool]:
        """The displacement (y, x) of the field since the first frame, and whether it is known.

        It is that of the last frame unless the field has clearly moved.
        """
        if self._anchor is None or self._last is None:
            self._anchor = self._last = (view, np.zeros(2))
            return np.zeros(2), True
        before = self._last[1]
        reference, origin = self._anchor
        votes = vote(reference, view, before - origin)
        candidates = [(origin + votes.middle, votes.standard_error)]
        jumped = False
        if not votes.is_rigid:
            recent, jumped = self._vote_on_jump(self._last[0], view)
            if jumped or not votes.is_found:
                votes, candidates = recent, []
                self._anchor = self._last
            candidates.append((before + recent.middle, 0.0 if jumped else recent.standard_error))
        position = self._choose(before, candidates)
        self._last = (view, position)
        if jumped:
            self._anchor = self._last  # much of the old anchor is out of view
        return position, len(votes.shifts) >= min(_MIN_BLOCKS, votes.n_blocks)

    def _choose(self, before: np.ndarray, candidates: list[tuple[np.ndarray, float]]) -> np.ndarray:
        """The most precise position that clearly differs from the one before, or else the one before."""
        for position, error in sorted(candidates, key=lambda c: c[1]):
            if np.linalg.norm(position - before) > max(self._min_shift_px, _MIN_STANDARD_ERRORS * error):
                return position
        return before

    def _vote_on_jump(self, reference: View, view: View) -> tuple[Votes, bool]:
        """The votes since the last frame, and whether the stage has jumped."""
        stay = vote(reference, view, np.zeros(2))
        offset = None if stay.is_rigid else propose_jump(reference, view, 1.5 * self._max_jump_px)
        if offset is None:
            return stay, False
        jump = vote(reference, view, offset)
        jumped = jump.n_agreeing >= max(_MIN_BLOCKS, _JUMP_ADVANTAGE * stay.n_agreeing)
        return (jump, True) if jumped else (stay, False)


def _flatten(image: np.ndarray) -> np.ndarray:
    """Take out shading and noise, and compress, so that no bright mitosis or debris dominates."""
    from lineage.blur import blurred

    band = blurred(image, _BAND_PX[0]) - blurred(image, _BAND_PX[1], truncate=3)
    # Differences in both directions are little but noise, that of four pixels.
    noise = 1.4826 * float(np.median(np.abs(np.diff(np.diff(image, axis=0), axis=1)))) / 2
    signal = np.sign(band) * np.maximum(np.abs(band) - _NOISE_CUT * _NOISE_IN_BAND * noise, 0)
    present = signal != 0
    if not present.any():
        return signal
    return signal / (np.abs(signal) + float(np.abs(signal[present]).mean()))


def _find_blocks(image: np.ndarray, side: int) -> np.ndarray:
    """(N, 2) corners of blocks around the most structured spots, at least a third of a side apart."""
    from skimage.feature import peak_local_max

    from lineage.blur import blurred

    coarse = 4
    energy = blurred(_block_means(np.square(image), coarse), side / coarse / 6)
    centres = peak_local_max(
        energy,
        min_distance=max(side // coarse // 3, 1),
        threshold_rel=_MIN_ENERGY,
        exclude_border=side // coarse // 4,
        num_peaks=_MAX_BLOCKS,
    )
    last = np.array(image.shape) - side
    return np.clip(centres * coarse + coarse // 2 - side // 2, 0, last)


def _cut_all(image: np.ndarray, corners: np.ndarray, side: int) -> np.ndarray:
    """(N, side, side): the blocks at these corners; zeros where one does not lie inside completely."""
    blocks = np.zeros((len(corners), side, side), image.dtype)
    inside = ((corners >= 0) & (corners + side <= image.shape)).all(axis=1)
    for k in np.flatnonzero(inside):
        y, x = corners[k]
        blocks[k] = image[y : y + side, x : x + side]
    return blocks


def _correlate(a: np.ndarray, b: np.ndarray) -> float:
    """Normalised correlation; the means are left in, as the band-pass has made them small."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / norm if norm > 0 else 0.0


def _block_means(image: np.ndarray, scale: int) -> np.ndarray:
    """Means of squares of `scale`, a power of two; rows and columns left over are left out."""
    while scale > 1:
        image, scale = halved(image), scale // 2
    return image
