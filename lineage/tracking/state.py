"""Nuclei -> nuclei with their mitotic state, each by itself: by its measurements and by its pixels.

Prometaphase, metaphase and anaphase are well distinguished from interphase, roughly from each other; what
happens to a cell is decided later, from its whole track (`hypotheses.py`, `episodes.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import LOOK_COLUMNS, LOOKS, MITOTIC_STATES, NUCLEUS_COLUMNS, State, check_columns
from lineage.tracking import likelihoods

if TYPE_CHECKING:
    import pandas as pd

MIN_PROBABILITY = 0.005  # probability that a look is given at least
REFERENCE_FRAMES = 25  # half-width of the window in which interphase brightness is measured


def estimate(nuclei: pd.DataFrame) -> pd.DataFrame:
    """Add STATE_COLUMNS.

    Args:
        nuclei: NUCLEUS_COLUMNS.

    Returns:
        A new table, sorted by frame, then position. `p_mitotic` sums the three mitotic states' probabilities;
        `state` is the likeliest.
    """
    check_columns(nuclei, NUCLEUS_COLUMNS, "nuclei")
    table = nuclei.sort_values(["frame", "y_um", "x_um", "detection_id"], ignore_index=True)
    table["condensation"] = condensation(table)
    model = likelihoods.load(
        likelihoods.kind_of(table), "state" if has_phase(table) else "state_without_phase"
    )
    p = combined(table, model.probabilities(features(table)), model.classes)
    column = {State(name): k for k, name in enumerate(model.classes)}
    table["p_mitotic"] = sum(p[:, column[s]] for s in MITOTIC_STATES)
    table["p_dead"] = p[:, column[State.DEAD]]
    table["state"] = np.array(model.classes, object)[p.argmax(axis=1)] if len(p) else ""
    return table


def combined(table: pd.DataFrame, p: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """(N, K) what the measures say and what the pixels say, put together as if they were independent.

    Args:
        table: LOOK_COLUMNS.
        p: (N, K) by the measures.
        classes: K states.
    """
    looks = dict(zip(LOOKS, table[list(LOOK_COLUMNS)].to_numpy(float).T, strict=True))
    # What is no state of its own is seen in interphase.
    in_interphase = [looks[name] for name in LOOKS if name == State.INTERPHASE or name not in classes]
    looks[State.INTERPHASE] = np.sum(in_interphase, axis=0)
    of_pixels = np.stack([looks[name] for name in classes], axis=1)
    weighed = p * np.nan_to_num(np.maximum(of_pixels, MIN_PROBABILITY), nan=1.0)
    return weighed / weighed.sum(axis=1, keepdims=True)


def has_phase(nuclei: pd.DataFrame) -> bool:
    """Whether rounding was measured."""
    return bool(nuclei["rounding"].notna().any())


def condensation(nuclei: pd.DataFrame) -> np.ndarray:
    """(N,) DNA per area, over that of the interphase nuclei of the frames around.

    Interphase nuclei are taken to be those at least as large as the median: mitotic chromatin is small.
    Of masks alone all nuclei are taken to hold the same DNA: what is small is dense.
    """
    if nuclei.empty:
        return np.ones(0)
    if likelihoods.kind_of(nuclei) == likelihoods.MASKS:
        return nuclei["area_um2"].median() / nuclei["area_um2"].to_numpy(float)
    large = nuclei[nuclei["area_um2"] >= nuclei["area_um2"].median()]
    frames = np.arange(int(nuclei["frame"].max()) + 1)
    by_frame = large.groupby("frame")["mean_intensity"].median().reindex(frames)
    window = by_frame.rolling(2 * REFERENCE_FRAMES + 1, center=True, min_periods=1).median()
    reference = window.bfill().ffill().to_numpy()[nuclei["frame"]]
    return nuclei["mean_intensity"].to_numpy(float) / np.maximum(reference, np.finfo(float).tiny)


def features(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What a nucleus's state is read from; `table` has NUCLEUS_COLUMNS and `condensation`."""
    reference = table["area_um2"].median() if len(table) else 1.0
    dense = np.log(table["condensation"].clip(lower=0.05).to_numpy(float))
    size = np.log(table["area_um2"].to_numpy(float) / reference)
    eccentricity, solidity, texture, rounding = (
        table[c].to_numpy(float) for c in ("eccentricity", "solidity", "texture", "rounding")
    )
    return {
        "dense": dense,
        "dense2": dense**2,
        "size": size,
        "size2": size**2,
        "dense_size": dense * size,
        "mass": np.clip(dense + size, -3, 3),
        "eccentricity": eccentricity,
        "eccentricity2": eccentricity**2,
        "dense_eccentricity": dense * eccentricity,
        "solidity": solidity,
        "texture": texture,
        "dense_texture": dense * texture,
        "rounding": rounding,
        "dense_rounding": dense * rounding,
    }
