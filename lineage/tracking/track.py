"""Measured nuclei -> lineage: states, tracklets, hypotheses, the likeliest of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lineage.tracking.hypotheses import NOTHING_SAID, build_hypotheses
from lineage.tracking.link import link, usable_time
from lineage.tracking.resolve import resolve
from lineage.tracking.state import estimate

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lineage.schema import Geometry, Lineage
    from lineage.tracking.constraints import Constraints


def track(
    nuclei: pd.DataFrame,
    *,
    usable: np.ndarray,
    geometry: Geometry,
    max_speed: float = 0.08,
    min_step: float = 0.4,
    division_reach: float = 2.0,
    fusion_reach: float = 1.5,
    max_gap_frames: int = 3,
    miss_rate: float = 0.01,
    min_life_min: float = 240.0,
    time_limit_s: float = 600.0,
    constraints: Constraints = NOTHING_SAID,
) -> Lineage:
    """Follow the cells of a movie, through divisions, fusions and deaths.

    Args:
        nuclei: NUCLEUS_COLUMNS; further ones come back in the lineage's detections.
        usable: (T,) bool, frames whose nuclei count.
        geometry: of the movie.
        max_speed: of a nucleus, in diameters of the movie's nuclei a minute.
        min_step: a nucleus may always seem to move as far as this, by segmentation alone; in diameters.
        division_reach: from a mother to a daughter's first position, in diameters.
        fusion_reach: from a parent to the fused cell's first position, in diameters.
        max_gap_frames: for so many frames in a row a cell may go without a nucleus.
        miss_rate: share of nuclei that the segmentation misses or makes up.
        min_life_min: no cell divides sooner after its birth.
        time_limit_s: for each part of the integer program; after it the best lineage found is taken.
        constraints: what a person says of these nuclei (`lineage.tracking.constraints.constraints_of`).

    Returns:
        The lineage; `notes` says what was linked and solved, `warnings` what is not proven.

    Raises:
        Unsolved: no lineage was found within the time limit.
    """
    tracklets = link(
        estimate(nuclei),
        usable=usable,
        shape_um=geometry.shape_um,
        minutes_per_frame=geometry.minutes_per_frame,
        max_speed=max_speed,
        min_step=min_step,
        division_reach=division_reach,
        max_gap_frames=max_gap_frames,
        miss_rate=miss_rate,
    )
    detections, hypotheses = build_hypotheses(
        tracklets,
        usable_time(tracklets.detections, usable, geometry.minutes_per_frame),
        shape_um=geometry.shape_um,
        pixel_size_um=geometry.pixel_size_um,
        division_reach=division_reach,
        fusion_reach=fusion_reach,
        max_gap_frames=max_gap_frames,
        constraints=constraints,
    )
    lineage = resolve(
        detections,
        hypotheses,
        time_limit_s=time_limit_s,
        min_life_frames=min_life_min / geometry.minutes_per_frame,
        spared=constraints.spared,
    )
    further = [c for c in nuclei.columns if c not in lineage.detections]
    if further:
        also = nuclei[["detection_id", *further]]
        detections = lineage.detections.merge(also, on="detection_id", how="left", validate="one_to_one")
        lineage = replace(lineage, detections=detections)
    return replace(lineage, notes=(*tracklets.notes, *lineage.notes))
