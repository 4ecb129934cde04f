"""Drift from the images against drift from the nuclei. The only module that knows trackpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from lineage.schema import FrameQuality

_MAX_NUCLEI = 100  # a frame, in the mean; where there are more, those around the middle say how all moved
_MIN_LINKED = 5  # nuclei found in both of two frames, for their mean displacement to count
_MAX_RANDOM_WALK = 4.0  # standard deviations that the sum of random steps may reach


def check_with_trackpy(
    detections: pd.DataFrame,
    quality: FrameQuality,
    *,
    search_range_px: float = 15.0,
    max_disagreement_px: float = 3.0,
) -> tuple[str, ...]:
    """Compare the stage drift with the nuclei: after its correction their mean should not move.

    Single steps are compared, and the displacement over the movie. The mean of cells that walk at random
    moves too, and that is allowed for. In a large field the nuclei around its middle are enough.

    Args:
        detections: `frame, y_px, x_px`, positions in the images.
        quality: what `assess` found.
        search_range_px: how far a nucleus may move by itself between two frames.
        max_disagreement_px: larger differences are warned of.

    Returns:
        Warnings, a sentence each; none where the two agree, or where there are too few nuclei to compare.
    """
    import trackpy
    from trackpy.linking.utils import SubnetOversizeException

    table = _without_drift(detections, quality)
    if table["frame"].nunique() < 2:
        return ()
    trackpy.quiet()
    try:
        # In a crowd the range is shortened, down to an eighth, before it is given up.
        linked = trackpy.link(table, search_range_px, adaptive_stop=search_range_px / 8, adaptive_step=0.7)
    except SubnetOversizeException:
        return ("drift: could not be checked with trackpy, the nuclei are too crowded to be linked",)
    counts = _linked_nuclei(linked)
    steps = (
        trackpy.compute_drift(linked)[["y", "x"]].diff().loc[lambda s: counts.reindex(s.index) >= _MIN_LINKED]
    )
    return _compare(steps.dropna(), np.flatnonzero(quality.usable), max_disagreement_px)


def _without_drift(detections: pd.DataFrame, quality: FrameQuality) -> pd.DataFrame:
    """Drift-corrected positions in usable frames, which are renumbered, as trackpy ends tracks at a gap."""
    kept = detections[quality.usable[detections["frame"].to_numpy(int)]]
    frames = kept["frame"].to_numpy(int)
    positions = kept[["y_px", "x_px"]].to_numpy(float) - quality.drift_px[frames]
    number = np.cumsum(quality.usable) - 1
    table = pd.DataFrame({"frame": number[frames], "y": positions[:, 0], "x": positions[:, 1]})
    return _around_the_middle(table)


def _around_the_middle(table: pd.DataFrame) -> pd.DataFrame:
    """The nuclei in so large a part of the field around its middle that there are _MAX_NUCLEI a frame."""
    share = _MAX_NUCLEI * table["frame"].nunique() / max(len(table), 1)
    if share >= 1:
        return table
    positions = table[["y", "x"]].to_numpy()
    low, high = positions.min(axis=0), positions.max(axis=0)
    inside = np.abs(positions - (low + high) / 2) <= np.sqrt(share) * (high - low) / 2
    return table[inside.all(axis=1)].reset_index(drop=True)


def _linked_nuclei(linked: pd.DataFrame) -> pd.Series:
    """How many nuclei of each frame were in the frame before."""
    ordered = linked.sort_values(["particle", "frame"])
    before = ordered.groupby("particle")["frame"].diff()
    return (before == 1).groupby(ordered["frame"]).sum()


def _compare(steps: pd.DataFrame, usable: np.ndarray, max_disagreement_px: float) -> tuple[str, ...]:
    """The warnings.

    Args:
        steps: (N, 2) mean displacements of the nuclei between consecutive usable frames, y and x, pixels.
        usable: which frames these are.
        max_disagreement_px: larger displacements are warned of.
    """
    if steps.empty:
        return ()
    warnings = []
    sizes = np.linalg.norm(steps.to_numpy(), axis=1)
    far = steps.index.to_numpy(int)[sizes > max_disagreement_px]
    if len(far):
        warnings.append(
            f"drift: in {len(far)} frame{'s' if len(far) > 1 else ''} (first: {usable[far[0]]}) the nuclei "
            "moved on average by up to "
            f"{sizes.max():.1f} px that the images do not show; look at the drift before trusting links there"
        )
    middle = steps.median()
    random_walk = 1.2533 * float((steps - middle).abs().to_numpy().mean()) * np.sqrt(len(steps))
    total = float(np.linalg.norm(steps.sum()))
    if not len(far) and total > max_disagreement_px + _MAX_RANDOM_WALK * random_walk:
        warnings.append(
            f"drift: over the movie the nuclei moved on average by {total:.1f} px that the images do not "
            "show; the cells may migrate together, or slow drift was missed"
        )
    return tuple(warnings)
