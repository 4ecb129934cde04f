"""Label images and a person's corrections of outlines -> label images as corrected.

Labels as they were found stay in the file; they are corrected whenever they are read. `candidate` is what the
network would outline at a point that a person shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from lineage.corrections.lines import DrawOutline, FalseNuclei, MergeOutlines, SplitOutline
from lineage.nuclei.measure import measures_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lineage.corrections.lines import Line, Nucleus, OfOutlines
    from lineage.io.labels import Frames

MIN_PIXELS = 12  # of an outline that is drawn, and of each part of one that is split
MAX_GAP = 1.0  # radii of the largest piece: pieces further apart are not merged
MIN_CANDIDATE = 0.02  # probability; below, the network sees nothing that is worth showing
FEW = 2
AT_CENTRE = 0.5  # pixels from the centre of an outline, as whoever names a nucleus by its centre is
_CLOSE = 0.51  # pixels from a line: of two neighbours on either side of it, one is this close


def by_frame(
    lines: Iterable[Line], *, usable: Sequence[bool] | np.ndarray | None = None
) -> dict[int, list[OfOutlines]]:
    """The corrections of outlines in each frame that has some, in order.

    Args:
        lines: of all kinds, in order; one that is about several frames is shared out among them.
        usable: (T,), which frames have outlines at all; the others are left out. All have if None.
    """
    found: dict[int, list[OfOutlines]] = {}
    for line in lines:
        for t, part in _parts(line):
            if usable is None or (t < len(usable) and usable[t]):
                found.setdefault(t, []).append(part)
    return dict(sorted(found.items()))


def _parts(line: Line) -> Iterator[tuple[int, OfOutlines]]:
    """What a line says of each frame; nothing if it is not about outlines."""
    if isinstance(line, DrawOutline):
        yield line.frame, line
    elif isinstance(line, SplitOutline):
        yield line.nucleus.frame, line
    elif isinstance(line, MergeOutlines):
        yield line.nuclei[0].frame, line
    elif isinstance(line, FalseNuclei):
        nuclei: dict[int, list[Nucleus]] = {}
        for nucleus in line.nuclei:
            nuclei.setdefault(nucleus.frame, []).append(nucleus)
        for t, some in nuclei.items():
            yield t, line.model_copy(update={"nuclei": tuple(some)})


def edited(labels: np.ndarray, lines: Iterable[OfOutlines]) -> tuple[np.ndarray, dict[str, str]]:
    """Correct the outlines of one frame.

    Args:
        labels: (Y, X) whole numbers, 0 is background.
        lines: of this frame, as `by_frame` gives them; each is applied to what those before it left.

    Returns:
        A new (Y, X), and for each line that is not applied its id and the reason. Merged outlines have the
        lowest of their labels, the larger part of a split one keeps its own, and what is new has a label
        above all of `labels`.
    """
    out = labels.copy()
    fresh = count(int(labels.max(initial=0)) + 1)
    not_applied = {}
    for line in lines:
        if isinstance(line, DrawOutline):
            reason = _draw(out, line, fresh)
        elif isinstance(line, SplitOutline):
            reason = _split(out, line, fresh)
        elif isinstance(line, MergeOutlines):
            reason = _merge(out, line)
        else:
            reason = _delete(out, line)
        if reason:
            not_applied[line.id] = reason
    return out, not_applied


def touched(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(N,) the labels in `after`, lowest first, that gained or lost a pixel.

    >>> touched(np.array([[1, 1, 2, 3]]), np.array([[1, 4, 2, 0]]))
    array([1, 4])
    """
    changed = before != after
    names = np.union1d(before[changed], after[changed])
    return names[np.isin(names, after) & (names > 0)]


@dataclass(frozen=True, eq=False)
class EditedLabels:
    """Labels of a movie to read from, a frame at a time, as a person corrected them."""

    raw: Frames
    lines: Mapping[int, Sequence[OfOutlines]]  # as `by_frame` gives them

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X)."""
        return tuple(self.raw.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of the labels."""
        return np.dtype(self.raw.dtype)

    def __getitem__(self, t: int) -> np.ndarray:
        """(Y, X) of frame t."""
        labels = np.asarray(self.raw[t])
        lines = self.lines.get(range(self.shape[0])[t])
        return edited(labels, lines)[0] if lines else labels


def _labels_at(labels: np.ndarray, nuclei: Sequence[Nucleus]) -> list[int]:
    """The label of each nucleus, 0 where there is none.

    It is the one that has its centre there; else the one under the point; else, as a crescent's centre lies
    beside it, the one whose centre is nearest of those from which the point is no further than their radius.
    """
    under = [_under(labels, n.y_px, n.x_px) for n in nuclei]
    # Looking at each of a few is faster than measuring the frame.
    if len(nuclei) <= FEW and all(map(partial(_is_centre, labels), under, nuclei)):
        return under
    every = measures_of(labels.astype(np.int32), np.zeros(labels.shape, np.float32))
    radius = np.sqrt(every.area_px / np.pi)
    found = []
    for name, nucleus in zip(under, nuclei, strict=True):
        far = np.hypot(*(every.position_px - (nucleus.y_px, nucleus.x_px)).T)
        far[far > (AT_CENTRE if name else radius)] = np.inf
        found.append(int(every.label[far.argmin()]) if np.isfinite(far).any() else name)
    return found


def _is_centre(labels: np.ndarray, name: int, nucleus: Nucleus) -> bool:
    if not name:
        return False
    y, x = (np.mean(v) for v in np.nonzero(labels == name))
    return bool(np.hypot(y - nucleus.y_px, x - nucleus.x_px) <= AT_CENTRE)


def _under(labels: np.ndarray, y_px: float, x_px: float) -> int:
    y, x = round(y_px), round(x_px)
    inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    return int(labels[y, x]) if inside else 0


def _none_there(nuclei: Sequence[Nucleus], found: Sequence[int]) -> str:
    """Which of these has no outline; empty if all have one."""
    missing = [n for n, label in zip(nuclei, found, strict=True) if not label]
    if not missing:
        return ""
    first = missing[0]
    more = f" (and {len(missing) - 1} more)" if missing[1:] else ""
    return f"there is no outline at y {first.y_px:.0f}, x {first.x_px:.0f} in frame {first.frame}{more}"


def _delete(labels: np.ndarray, line: FalseNuclei) -> str:
    found = _labels_at(labels, line.nuclei)
    labels[np.isin(labels, [label for label in found if label])] = 0
    return _none_there(line.nuclei, found)


def _merge(labels: np.ndarray, line: MergeOutlines) -> str:
    """Make one outline of several, and what lies between them, in the background, a part of it."""
    from scipy import ndimage
    from skimage.morphology import convex_hull_image

    found, frame = _labels_at(labels, line.nuclei), line.nuclei[0].frame
    if reason := _none_there(line.nuclei, found):
        return reason
    names = sorted(set(found))
    if len(names) == 1:
        return f"the places that were named lie in one outline of frame {frame}: there is nothing to merge"
    part = labels[_box(np.isin(labels, names))]
    pieces = np.isin(part, names)
    gap = MAX_GAP * np.sqrt(max(np.count_nonzero(part == name) for name in names) / np.pi)
    reached = ndimage.distance_transform_edt(~pieces) <= gap / 2
    if ndimage.label(reached, np.ones((3, 3)))[1] > 1:
        return (
            f"the outlines in frame {frame} are further apart than {gap:.0f} pixels: no pieces of one nucleus"
        )
    part[pieces | ((part == 0) & convex_hull_image(pieces))] = names[0]
    return ""


def _split(labels: np.ndarray, line: SplitOutline, fresh: Iterator[int]) -> str:
    """Cut an outline along a line; its pixels, and crumbs, go to the part that they are nearest to."""
    from scipy import ndimage

    (name,), frame = _labels_at(labels, [line.nucleus]), line.nucleus.frame
    if reason := _none_there([line.nucleus], [name]):
        return reason
    box = _box(labels == name)
    part = labels[box]
    mine = part == name
    cut = mine & _along(_to_the_edge(np.array(line.line) - [s.start for s in box], mine), mine.shape)
    pieces, n = ndimage.label(mine & ~cut)
    if not cut.any() or n < 2:
        return f"the line does not cut through the outline in frame {frame}"
    sizes = np.bincount(pieces.ravel())[1:]
    large = np.flatnonzero(sizes >= MIN_PIXELS) + 1
    if len(large) < 2:
        return f"one part of the outline in frame {frame} would have fewer than {MIN_PIXELS} pixels"
    if len(large) > 2:
        return (
            f"the line cuts the outline in frame {frame} into {len(large)} parts; draw one that cuts it once"
        )
    _, nearest = ndimage.distance_transform_edt(~np.isin(pieces, large), return_indices=True)
    side = pieces[tuple(nearest)]
    one, other = (mine & (side == k) for k in large)
    part[one if np.count_nonzero(one) < np.count_nonzero(other) else other] = next(fresh)
    return ""


def _to_the_edge(line: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """(N, 2) points y, x of a line whose ends are prolonged until they are outside."""
    line = line[np.r_[True, (np.diff(line, axis=0) != 0).any(axis=1)]]
    if len(line) < 2:
        return line
    ends = []
    for end, before in ((line[0], line[1]), (line[-1], line[-2])):
        step = (end - before) / np.hypot(*(end - before))
        while _under(mine, *end):
            end = end + step
        ends.append(end)
    return np.concatenate([[ends[0]], line[1:-1], [ends[1]]])


def _along(line: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(Y, X) bool: pixels so close to a line of (N, 2) points that no step to a neighbour passes between."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    close = np.zeros(shape, bool)
    for (y0, x0), (dy, dx) in zip(line[:-1], np.diff(line, axis=0), strict=True):
        along = np.clip(((y - y0) * dy + (x - x0) * dx) / (dy**2 + dx**2), 0, 1)
        close |= np.hypot(y - y0 - along * dy, x - x0 - along * dx) <= _CLOSE
    return close


def _draw(labels: np.ndarray, line: DrawOutline, fresh: Iterator[int]) -> str:
    """Fill a polygon where nothing is; of several pieces the largest."""
    from scipy import ndimage
    from skimage.draw import polygon

    y, x = np.array(line.polygon).T
    at = polygon(y, x, shape=labels.shape)
    if not len(at[0]):
        return f"what was drawn lies outside of the image, or has no pixel, in frame {line.frame}"
    free = np.zeros(labels.shape, bool)
    free[at] = labels[at] == 0
    pieces, _ = ndimage.label(free)
    sizes = np.bincount(pieces.ravel())[1:]
    if sizes.max(initial=0) < MIN_PIXELS:
        return (
            f"what was drawn in frame {line.frame} has fewer than {MIN_PIXELS} pixels "
            "that are in no other outline"
        )
    labels[pieces == sizes.argmax() + 1] = next(fresh)
    return ""


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and the columns in which a mask has pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis=k)) for k in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def candidate(
    model: str, image: np.ndarray, *, zoom: float, y_px: float, x_px: float
) -> tuple[np.ndarray | None, float]:
    """What the network would outline at a point, also where it is too unsure to do so by itself.

    Args:
        model: a run's `segment.model`.
        image: (Y, X), raw grey levels of the DNA stain.
        zoom: of the run's `stages/scale.json`.
        y_px: the point, in pixels.
        x_px: likewise.

    Returns:
        The most probable polygon around the point, (N, 2) y, x in pixels, and its probability; None and 0
        where the network sees nothing.
    """
    from stardist.geometry import dist_to_coord

    from lineage.device import CPU
    from lineage.stardist.model import of_this_process
    from lineage.stardist.predict import candidates

    if not (0 <= y_px < image.shape[0] and 0 <= x_px < image.shape[1]):
        return None, 0.0
    found = candidates(
        of_this_process(model, CPU), image, zoom=zoom, min_probability=MIN_CANDIDATE, near=(y_px, x_px)
    )
    away = np.array([y_px, x_px]) - found.points
    n_rays = found.rays.shape[1]
    ray = np.arctan2(*away.T) / (2 * np.pi) * n_rays % n_rays
    before, share, k = np.floor(ray).astype(int) % n_rays, ray % 1, np.arange(len(ray))
    reach = (1 - share) * found.rays[k, before] + share * found.rays[k, (before + 1) % n_rays]
    around = np.flatnonzero(np.hypot(*away.T) <= reach)
    if not len(around):
        return None, 0.0
    best = around[found.probability[around].argmax()]
    polygon = dist_to_coord(found.rays[[best]], found.points[[best]])[0].T
    return np.asarray(polygon, float), float(found.probability[best])
