"""Nuclei with their states -> tracklets and btrack's hypotheses. The only module that knows btrack."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.edge import diameter_um
from lineage.schema import (
    DETECTION_COLUMNS,
    HYPOTHESIS_COLUMNS,
    NUCLEUS_COLUMNS,
    STATE_COLUMNS,
    Hypothesis,
    State,
    Tracklets,
    check_columns,
    long_gaps,
)

if TYPE_CHECKING:
    from btrack import BayesianTracker

ACROSS_GAP = 20  # frames that a long gap counts as: more than any track may go without a nucleus
EXACT_UP_TO = 60  # nuclei a frame; above, btrack looks at the nearest only: as good, four times as fast
DIAMETER = 15.0  # of the usual nucleus, in the lengths that btrack is given: its settings are for these
VISUAL = ("dna_mass", "area_um2", "mean_intensity")  # what a nucleus is recognised by, beside its position

_LABELS = {
    State.INTERPHASE: 0,
    State.PROMETAPHASE: 1,
    State.METAPHASE: 2,
    State.ANAPHASE: 3,
    State.DEAD: 4,
}  # btrack.constants.States
_KINDS = {
    0: Hypothesis.FALSE_POSITIVE,
    **dict.fromkeys((1, 10, 11, 12), Hypothesis.START),
    **dict.fromkeys((2, 20, 21, 22), Hypothesis.END),
    3: Hypothesis.LINK,
    4: Hypothesis.DIVISION,
    5: Hypothesis.DEATH,
}  # btrack.constants.Fates
AT_ONCE = 10_000  # nuclei that are objects of Python at a time


def link(
    nuclei: pd.DataFrame,
    *,
    usable: np.ndarray,
    shape_um: tuple[float, float],
    minutes_per_frame: float,
    max_speed: float = 0.08,
    min_step: float = 0.4,
    division_reach: float = 2.0,
    max_gap_frames: int = 3,
    miss_rate: float = 0.01,
) -> Tracklets:
    """Join nuclei of consecutive frames, and list what may join the tracklets.

    How far nuclei go from frame to frame is read off the movie itself (`step_of`), within the bounds given.

    Args:
        nuclei: NUCLEUS_COLUMNS and STATE_COLUMNS.
        usable: (T,) bool; the others are left out and the rest numbered through, so that no track breaks on
            them, but on long gaps (`lineage.schema.long_gaps`).
        shape_um: (Y, X) of the image.
        minutes_per_frame: with the speed, how far a nucleus may go at most between two frames.
        max_speed: of a nucleus, in diameters of the movie's nuclei a minute.
        min_step: a nucleus may always seem to move as far as this, by segmentation alone; in diameters.
        division_reach: how far from its mother a daughter may first be seen; in diameters.
        max_gap_frames: about how many frames a track may go without its nucleus.
        miss_rate: share of nuclei that segmentation misses or makes up.

    Returns:
        Tracklets; detections sorted by frame and position.

    Source: Ulicna et al. 2021 (Front. Comput. Sci. 3:734559), the Bayesian tracker and its hypotheses.
    """
    check_columns(nuclei, (*NUCLEUS_COLUMNS, *STATE_COLUMNS), "nuclei")
    # btrack's result depends on the order of the objects within a frame.
    table = nuclei.sort_values(["frame", "y_um", "x_um", "detection_id"], ignore_index=True)
    time = usable_time(table, usable, minutes_per_frame)
    diameter = diameter_um(table)
    min_um = min_step * diameter
    max_um = max(max_speed * minutes_per_frame * diameter, min_um)
    if len(np.unique(time)) < 2:
        return _unlinked(table, max_um)
    step_um = step_of(table, time, min_um=min_um, max_um=max_um)
    unit_um = diameter / DIAMETER
    crowd = int(np.bincount(time).max())
    method = "EXACT" if crowd <= EXACT_UP_TO else "APPROXIMATE"
    settings = _settings(step_um / unit_um, division_reach * DIAMETER, max_gap_frames, miss_rate, method)
    y_range, x_range = _field(table, shape_um, margin_um=min_um, unit_um=unit_um)
    tracker = _tracker(settings, (x_range, y_range, (-1e5, 1e5)))
    _append(tracker, table, time, unit_um)
    tracker.track()
    tracklet = np.full(len(table), -1)
    for i, refs in enumerate(tracker.refs):
        # btrack bridges gaps with dummy objects, numbered below zero; they have no nucleus.
        tracklet[[r for r in refs if r >= 0]] = i
    # Nuclei that btrack put into no track are tracklets of their own.
    alone = np.flatnonzero(tracklet < 0)
    tracklet[alone] = tracklet.max(initial=-1) + 1 + np.arange(len(alone))
    table["tracklet_id"] = tracklet
    note = (
        f"btrack: {method} for up to {crowd} nuclei a frame, steps up to {step_um:.1f} um, "
        f"{tracklet.max() + 1} tracklets"
    )
    return Tracklets(table[list(DETECTION_COLUMNS)], _hypotheses(tracker), step_um, (note,))


def usable_time(table: pd.DataFrame, usable: np.ndarray, minutes_per_frame: float) -> np.ndarray:
    """(N,) the detections' frames, counted in usable ones from the first that has any.

    Unusable frames between are not counted, so that no track breaks on them; a long gap counts as so many
    that none goes on across it.

    Args:
        table: detections, with `frame`.
        usable: (T,) bool.
        minutes_per_frame: interval.
    """
    counted = usable.astype(int)
    counted[long_gaps(usable, minutes_per_frame) + 1] = ACROSS_GAP
    time = np.cumsum(counted)[table["frame"].to_numpy(int)]
    return time - time.min(initial=len(usable))


def step_of(table: pd.DataFrame, time: np.ndarray, *, min_um: float, max_um: float) -> float:
    """How far nearly all nuclei go between two usable frames, micrometres.

    Half as much again as the 99th percentile of the steps between nuclei that are each other's nearest.

    Args:
        table: nuclei in order of time.
        time: (N,) usable frames.
        min_um: the least it can be.
        max_um: the most it can be.
    """
    from scipy.spatial import cKDTree

    positions = table[["y_um", "x_um"]].to_numpy(float)
    by_time = np.split(positions, np.flatnonzero(np.diff(time)) + 1)
    steps = []
    for earlier, later in pairwise(by_time):
        far, back = cKDTree(earlier).query(later)
        _, forth = cKDTree(later).query(earlier)
        steps.append(far[forth[back] == np.arange(len(later))])
    typical = np.concatenate([*steps, []])
    typical = typical[typical <= max_um]
    far = 1.5 * float(np.percentile(typical, 99)) if len(typical) else max_um
    return float(np.clip(far, min_um, max_um))


def _unlinked(table: pd.DataFrame, step_um: float) -> Tracklets:
    """Every nucleus a tracklet of its own: one frame, or none, leaves nothing to link."""
    n = len(table)
    table["tracklet_id"] = np.arange(n)
    kinds = [Hypothesis.FALSE_POSITIVE, Hypothesis.START, Hypothesis.END]
    rows = [(kind, i, -1, -1, -5.0 * (kind is kinds[0])) for i in range(n) for kind in kinds]
    hypotheses = pd.DataFrame(rows, columns=list(HYPOTHESIS_COLUMNS))
    note = "fewer than two frames with nuclei"
    return Tracklets(table[list(DETECTION_COLUMNS)], hypotheses, step_um, (note,))


def _settings(
    step: float, division_reach: float, max_gap_frames: int, miss_rate: float, method: str
) -> dict[str, Any]:
    """The configuration of btrack, in lengths of which a nucleus has DIAMETER, and usable frames."""
    identity = np.eye(3)
    settings = {
        "motion_model": {
            "measurements": 3,
            "states": 6,
            "dt": 1.0,
            "accuracy": min(step / 3, 10.0),
            "prob_not_assign": 0.001,
            "max_lost": max_gap_frames,
            "A": np.block([[identity, identity], [0 * identity, identity]]),
            "H": np.hstack([identity, 0 * identity]),
            # The velocity of a new track is unknown up to a step; that of an old one changes by a quarter.
            "P": np.diag([1.0] * 3 + [(step / 2) ** 2] * 3),
            "Q": np.diag([1.0] * 3 + [(step / 4) ** 2] * 3),
            "R": identity * 1.5**2,
        },
        "hypothesis_model": {
            "hypotheses": ["P_FP", "P_init", "P_term", "P_link", "P_branch"],
            "lambda_time": 5.0,
            "lambda_dist": 1.2,
            "lambda_link": 3.5,
            # btrack's own 50 makes every branch as good as certain; this lets states and angle decide.
            "lambda_branch": 0.25,
            "eta": 1e-10,
            "theta_dist": 8.0,
            "theta_time": 5.0,
            "dist_thresh": max(division_reach, step),
            "time_thresh": float(max_gap_frames),
            "apop_thresh": 5,
            "segmentation_miss_rate": miss_rate,
            "apoptosis_rate": 0.001,
            "relax": True,
        },
        "max_search_radius": 2 * step,
        "update_method": method,
    }
    check(settings)
    return settings


def check(settings: dict[str, Any]) -> None:
    """Raise ValueError where btrack's C++ would silently ignore the whole motion model."""
    motion = settings["motion_model"]
    if not 0 < motion["accuracy"] <= 10:
        raise ValueError(f"btrack: accuracy is {motion['accuracy']}, wanted above 0 and at most 10")
    if not 0 <= motion["max_lost"] <= 10:
        raise ValueError(f"btrack: max_lost is {motion['max_lost']}, wanted 0 to 10")
    if not 0 < motion["prob_not_assign"] < 1:
        raise ValueError(f"btrack: prob_not_assign is {motion['prob_not_assign']}, wanted between 0 and 1")
    if not 0 <= settings["hypothesis_model"]["segmentation_miss_rate"] < 1:
        raise ValueError("btrack: segmentation_miss_rate must lie in [0, 1)")


def _tracker(settings: dict[str, Any], volume: tuple[tuple[float, float], ...]) -> BayesianTracker:
    from lineage.tracking import btrack_library

    btrack_library.install()
    import btrack
    from btrack.config import TrackerConfig
    from btrack.constants import BayesianUpdateFeatures, BayesianUpdates
    from btrack.models import HypothesisModel, MotionModel

    logging.getLogger("btrack").setLevel(logging.ERROR)
    tracker = btrack.BayesianTracker(verbose=False)
    tracker.configure(
        TrackerConfig(
            motion_model=MotionModel(**settings["motion_model"]),
            hypothesis_model=HypothesisModel(**settings["hypothesis_model"]),
            max_search_radius=settings["max_search_radius"],
            update_method=BayesianUpdates[settings["update_method"]],
            volume=volume,
            features=list(VISUAL),
            tracking_updates=[BayesianUpdateFeatures.MOTION, BayesianUpdateFeatures.VISUAL],
        )
    )
    return tracker


def _field(
    table: pd.DataFrame, shape_um: tuple[float, float], *, margin_um: float, unit_um: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of y and x that hold every nucleus: with the drift taken out some lie outside the image."""
    y, x = (
        ((min(0.0, table[c].min()) - margin_um) / unit_um, (max(side, table[c].max()) + margin_um) / unit_um)
        for c, side in zip(("y_um", "x_um"), shape_um, strict=True)
    )
    return y, x


def _append(tracker: BayesianTracker, table: pd.DataFrame, time: np.ndarray, unit_um: float) -> None:
    """Give btrack the nuclei; its library has copies, so that of its Python objects few are there at once."""
    import ctypes

    from btrack.btypes import PyTrackObject

    class Nucleus(PyTrackObject):  # type: ignore[misc]
        """Its features lie in one array of all; btrack would copy them one by one, a third of the time."""

        def set_features(self, keys: list[str]) -> None:
            """They are set."""

    # Logarithms over the median, about 1: btrack compares the directions of the vectors.
    looks = np.stack(
        [1 + np.log(np.maximum(table[c] / max(table[c].median(), 1e-9), 0.1)) for c in VISUAL], axis=1
    )
    looks = np.ascontiguousarray(looks, np.float64)
    tracker.looks = looks  # kept as long as it is pointed at
    double = ctypes.POINTER(ctypes.c_double)
    labels = [_LABELS[State(name)] for name in table["state"]]
    columns = (time.tolist(), *((table[c] / unit_um).tolist() for c in ("x_um", "y_um")), labels)
    rows = list(zip(*columns, strict=True))
    for start in range(0, len(rows), AT_ONCE):
        objects = []
        for k, (t, x, y, label) in enumerate(rows[start : start + AT_ONCE], start=start):
            one = Nucleus()
            one.t, one.x, one.y, one.label = t, x, y, label
            one.features = ctypes.cast(looks.ctypes.data + k * looks.strides[0], double)
            one.n_features = looks.shape[1]
            objects.append(one)
        tracker.append(objects)
        tracker._objects[start:] = [None] * len(objects)  # a kilobyte each; btrack counts them, no more


def _hypotheses(tracker: BayesianTracker) -> pd.DataFrame:
    from btrack.optimise.hypothesis import Hypothesis as Raw

    raw = tracker.hypotheses()
    read = np.frombuffer((Raw * len(raw))(*raw), np.dtype(Raw))
    kind = np.array([_KINDS[k] for k in read["hypothesis"]], object)
    links, divides = kind == Hypothesis.LINK, kind == Hypothesis.DIVISION
    # Fields that do not belong to a hypothesis's kind are uninitialised; ids count from 1.
    first = np.where(links, read["link_ID"], read["child_one_ID"]).astype(np.int64) - 1
    second = read["child_two_ID"].astype(np.int64) - 1
    return pd.DataFrame(
        {
            "kind": kind,
            "tracklet": read["ID"].astype(np.int64) - 1,
            "first": np.where(links | divides, first, -1),
            "second": np.where(divides, second, -1),
            "log_likelihood": read["probability"].astype(float),
        }
    )
