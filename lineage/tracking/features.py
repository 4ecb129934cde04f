"""Tracklets -> features that hypotheses about them are scored by: an array a feature, a number a hypothesis.

DNA, size and density are logarithms over the movie's median; lengths are in diameters of its nuclei, or in
steps. What is not known is NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.tracking.tracklet_arrays import EARLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage.tracking.tracklet_arrays import TrackletArrays

SAMPLES = 24  # nuclei that stand for a long tracklet
UNSEEN = 0.4  # of the cost of a daughter's first unseen frame: each further one, as `lag` has it of links
BORDER = 0.7  # diameters, over which the edge of the image counts less and less


def ends_and_starts(p: TrackletArrays, first: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
    """Features of a tracklet by itself: (P,) each.

    Args:
        p: tracklets.
        first: (P,) index of each one's first detection.
        last: (P,) index of its last.
    """
    length = last - first + 1
    overall = _median(_sampled(p, p.mass, first, last))
    late = _median(p.late(p.mass, last))
    return {
        "length": np.log(length),
        "single": (length == 1) * 1.0,
        "at_first": p.opens(first) * 1.0,
        "at_last": p.closes(last) * 1.0,
        "starts_at_border": np.exp(-np.maximum(p.border[first], 0) / BORDER),
        "ends_at_border": np.exp(-np.maximum(p.border[last], 0) / BORDER),
        "mass": overall,
        "mass2": overall**2,
        "size": _median(p.late(p.size, last)),
        "dense": _median(p.late(p.dense, last)),
        "starts_mitotic": _max(p.early(p.mitotic, first)),
        "ends_mitotic": _max(p.late(p.mitotic, last)),
        "ends_dead": _median(p.late(p.dead, last)),
        "dead": _mean(_sampled(p, p.dead, first, last)),
        "faded": late - overall,
        "sure": _mean(_sampled(p, p.sure, first, last)),
    }


def _sampled(p: TrackletArrays, values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(P, SAMPLES) values from all along the tracklets."""
    index = first[:, None] + np.round((last - first)[:, None] * np.linspace(0, 1, SAMPLES)).astype(int)
    return values[index]


def link_features(
    p: TrackletArrays, end: np.ndarray, start: np.ndarray, step: float
) -> dict[str, np.ndarray]:
    """Of links.

    Args:
        p: tracklets.
        end: (L,) index of the detection before.
        start: (L,) index of the one after.
        step: how far nearly all nuclei go between two frames, diameters.
    """
    lag = (p.time[start] - p.time[end]).astype(float)
    far = np.linalg.norm(p.position[start] - p.position[end], axis=1) / (step * np.sqrt(np.maximum(lag, 1)))
    grows = _median(p.early(p.mass, start)) - _median(p.late(p.mass, end))
    larger = _median(p.early(p.size, start)) - _median(p.late(p.size, end, EARLY))
    return {
        "lag": lag,
        "next": (lag == 1) * 1.0,
        "far": far,
        "far2": far**2,
        "grows": grows,
        "grows2": grows**2,
        "larger2": larger**2,
        "ends_mitotic": _max(p.late(p.mitotic, end, EARLY)),
        "starts_mitotic": _max(p.early(p.mitotic, start, 1)),
        "halved": np.exp(-(((grows + 0.69) / 0.3) ** 2)) * _max(p.late(p.mitotic, end, EARLY)),
        "ends_dead": _median(p.late(p.dead, end)),
        "dead": _median(p.early(p.dead, start)),
    }


def division_features(p: TrackletArrays, mother: np.ndarray, daughters: np.ndarray) -> dict[str, np.ndarray]:
    """Of divisions.

    Args:
        p: tracklets.
        mother: (D,) index of the mother's last detection.
        daughters: (D, n) indices of the daughters' first, NONE where there are fewer.
    """
    there = daughters >= 0
    n = there.sum(axis=1)
    at = np.maximum(daughters, 0)

    def each(values: np.ndarray, how: Callable[[np.ndarray], np.ndarray], window: int) -> np.ndarray:
        flat = how(p.early(values, at.ravel(), window)).reshape(at.shape)
        return np.where(there, flat, np.nan)

    mass = each(p.mass, _median, EARLY)
    together = np.log(np.where(there, np.exp(mass), 0).sum(axis=1))  # unknown if one is
    of_mother = _median(p.late(p.mass, mother))
    share = together - of_mother
    position = np.where(there[:, :, None], p.position[at], np.nan)
    outward = position - p.position[mother][:, None]
    middle = _mean(outward)
    length = np.linalg.norm(outward, axis=2)
    apart = 2 * _mean(np.linalg.norm(position - _mean(position)[:, None], axis=2))
    one_sided = np.linalg.norm(_mean(outward / np.maximum(length, 1e-6)[:, :, None]), axis=1)
    off = np.linalg.norm(middle, axis=1)
    lag = np.where(there, p.time[at] - p.time[mother][:, None], np.nan)
    uneven = np.where(there, mass, -np.inf).max(axis=1) - np.where(there, mass, np.inf).min(axis=1)
    later = _max(lag) - _min(lag)
    first = np.where(there, p.figure[at], np.nan)
    figure = np.fmax(np.fmax.reduce(p.late(p.figure, mother, 2), axis=1), np.fmin.reduce(first, axis=1))
    return {
        "many": (n > 2) * 1.0,
        "four": (n > 3) * 1.0,
        "share": share,
        "share2": np.minimum(share**2, 4),
        "uneven2": np.minimum(uneven**2, 4),
        "off": off,
        "off2": np.minimum((off / (0.25 * apart + 0.14)) ** 2, 16),
        "apart": apart,
        "apart2": apart**2,
        "farthest": _max(length),
        "one_sided": one_sided,
        "lag": _min(lag),
        "uneven_lag": np.minimum(later, 1) + UNSEEN * np.maximum(later - 1, 0),
        "mother_mitotic": _max(p.late(p.mitotic, mother, EARLY)),
        "mother_dense": _max(p.late(p.dense, mother, EARLY)),
        "mother_mass": of_mother,
        "daughters_mitotic": _min(each(p.mitotic, _max, EARLY)),
        "daughters_dense": _min(each(p.dense, _max, EARLY)),
        "daughters_size": _max(each(p.size, _median, 2)),
        "daughters_dead": _max(each(p.dead, _median, EARLY)),
        "mother_dead": _median(p.late(p.dead, mother, EARLY)),
        "figure": figure,  # seen in the mother's last frames, or in all daughters
    }


def fusion_features(p: TrackletArrays, parents: np.ndarray, fused: np.ndarray) -> dict[str, np.ndarray]:
    """Of fusions.

    Args:
        p: tracklets.
        parents: (F, 2) indices of the parents' last detections.
        fused: (F,) index of the fused cell's first.
    """
    one, two = (_median(p.late(p.mass, parents[:, k])) for k in (0, 1))
    with np.errstate(invalid="ignore"):  # where one is not known
        share = _median(p.early(p.mass, fused)) - np.logaddexp(one, two)
    grows = _median(p.early(p.mass, fused)) - np.maximum(one, two)
    apart = np.linalg.norm(p.position[parents[:, 0]] - p.position[parents[:, 1]], axis=1)
    off = np.linalg.norm(p.position[parents].mean(axis=1) - p.position[fused], axis=1)
    lag = p.time[fused][:, None] - p.time[parents]
    return {
        "share": share,
        "share2": np.minimum(share**2, 4),
        "grows": grows,
        "uneven2": np.minimum((one - two) ** 2, 4),
        "apart": apart,
        "apart2": apart**2,
        "off": off,
        "off2": off**2,
        "lag": lag.max(axis=1).astype(float),
        "larger": _median(p.early(p.size, fused))
        - np.maximum(*(_median(p.late(p.size, parents[:, k], EARLY)) for k in (0, 1))),
        "parents_mitotic": _max(
            np.stack([_max(p.late(p.mitotic, parents[:, k], EARLY)) for k in (0, 1)], axis=1)
        ),
        "parents_dead": _max(
            np.stack([_median(p.late(p.dead, parents[:, k], EARLY)) for k in (0, 1)], axis=1)
        ),
        "shortest": np.log(
            np.min(
                [parents[:, k] - p.first[p.tracklet[parents[:, k]]] + 1 for k in (0, 1)],
                axis=0,
                initial=10_000,
            )
        ),
    }


def _median(values: np.ndarray) -> np.ndarray:
    return _of_known(np.nanmedian, values)


def _mean(values: np.ndarray) -> np.ndarray:
    return _of_known(np.nanmean, values)


def _max(values: np.ndarray) -> np.ndarray:
    return np.fmax.reduce(values, axis=1) if len(values) else np.zeros(0)


def _min(values: np.ndarray) -> np.ndarray:
    return np.fmin.reduce(values, axis=1) if len(values) else np.zeros(0)


def _of_known(how: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """By row of (N, ...) along its second axis; NaN where nothing of it is known."""
    found = np.full((len(values), *values.shape[2:]), np.nan)
    known = ~np.isnan(values).all(axis=tuple(range(1, values.ndim)))
    if known.any():
        found[known] = how(values[known], axis=1)
    return found
