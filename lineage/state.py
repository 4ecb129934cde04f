"""Nuclei -> nuclei with a first estimate of their mitotic state, from condensation, shape and the next frame.

btrack can propose a division only where it knows a metaphase and two anaphases: a nucleus that goes on as
one of its own daughters leaves it nothing to propose.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import NUCLEUS_COLUMNS, State, check_columns

if TYPE_CHECKING:
    import pandas as pd

CONDENSED = 1.6  # times the brightness of the movie's interphase nuclei
REFERENCE_FRAMES = 25  # half-width of the window in which interphase brightness is measured


def estimate(
    nuclei: pd.DataFrame,
    *,
    usable: np.ndarray,
    reach_um: float = 16.0,
    least_separation_um: float = 4.0,
    most_separation_um: float = 26.0,
    least_mass_ratio: float = 0.6,
    most_mass_ratio: float = 1.7,
    least_symmetry: float = 0.45,
) -> pd.DataFrame:
    """Add `condensation` and `state`.

    A nucleus is in anaphase if it is one of two that appear, in the next usable frame, on both sides of
    where one nucleus was, with about its DNA mass between them; that one is then in metaphase. Any other
    condensed nucleus is in metaphase too (prometaphase is not told apart); the rest are in interphase.

    Args:
        nuclei: NUCLEUS_COLUMNS.
        usable: (T,) bool; a pair is looked for across frames that are not.
        reach_um: a daughter is no further from its mother.
        least_separation_um: between the centres of the two daughters.
        most_separation_um: likewise.
        least_mass_ratio: DNA mass of both daughters over their mother's.
        most_mass_ratio: likewise.
        least_symmetry: mass of the lighter daughter over the heavier.

    Returns:
        A new table, sorted by frame, then place, with STATE_COLUMNS.
    """
    check_columns(nuclei, NUCLEUS_COLUMNS, "nuclei")
    table = nuclei.sort_values(["frame", "y_um", "x_um", "detection_id"], ignore_index=True)
    table["condensation"] = condensation(table)
    state = np.where(_is_condensed(table), State.METAPHASE, State.INTERPHASE).astype(object)
    frames = np.flatnonzero(usable)
    rows = {t: g.index.to_numpy() for t, g in table.groupby("frame")}
    none = np.zeros(0, int)
    for earlier, later in pairwise(frames):
        mothers, pairs = _divisions(
            table.loc[rows.get(earlier, none)],
            table.loc[rows.get(later, none)],
            reach_um=reach_um,
            separation_um=(least_separation_um, most_separation_um),
            mass_ratio=(least_mass_ratio, most_mass_ratio),
            least_symmetry=least_symmetry,
        )
        state[mothers] = State.METAPHASE
        state[pairs.ravel()] = State.ANAPHASE
    table["state"] = state
    return table


def condensation(nuclei: pd.DataFrame) -> np.ndarray:
    """(N,) brightness over that of the interphase nuclei of the frames around.

    Interphase nuclei are taken to be those at least as large as the median: mitotic chromatin is small.
    """
    large = nuclei[nuclei["area_um2"] >= nuclei["area_um2"].median()]
    if large.empty:
        return np.ones(len(nuclei))
    frames = np.arange(int(nuclei["frame"].max()) + 1)
    by_frame = large.groupby("frame")["mean_intensity"].median().reindex(frames)
    window = by_frame.rolling(2 * REFERENCE_FRAMES + 1, center=True, min_periods=1).median()
    reference = window.bfill().ffill().to_numpy()[nuclei["frame"]]
    return nuclei["mean_intensity"].to_numpy(float) / np.maximum(reference, np.finfo(float).tiny)


def _is_condensed(table: pd.DataFrame) -> np.ndarray:
    small = table["area_um2"] < table["area_um2"].median()
    return ((table["condensation"] > CONDENSED) & small).to_numpy(bool)


def _divisions(
    earlier: pd.DataFrame,
    later: pd.DataFrame,
    *,
    reach_um: float,
    separation_um: tuple[float, float],
    mass_ratio: tuple[float, float],
    least_symmetry: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Mothers (M,) and their daughters (M, 2), as index labels of the two tables; each nucleus once."""
    from scipy.spatial import cKDTree

    nothing = np.zeros(0, int), np.zeros((0, 2), int)
    if len(earlier) == 0 or len(later) < 2:
        return nothing
    place, after = (t[["y_um", "x_um"]].to_numpy(float) for t in (earlier, later))
    mass, mass_after = (t["dna_mass"].to_numpy(float) for t in (earlier, later))
    tree = cKDTree(after)
    pairs = tree.query_pairs(separation_um[1], output_type="ndarray")
    if len(pairs) == 0:
        return nothing
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    apart = np.linalg.norm(after[pairs[:, 0]] - after[pairs[:, 1]], axis=1)
    both = mass_after[pairs]
    symmetry = both.min(axis=1) / np.maximum(both.max(axis=1), 1e-9)
    keep = (apart >= separation_um[0]) & (symmetry >= least_symmetry)
    pairs, apart, symmetry, both = pairs[keep], apart[keep], symmetry[keep], both[keep].sum(axis=1)
    if len(pairs) == 0:
        return nothing
    middle = after[pairs].mean(axis=1)
    off, mother = cKDTree(place).query(middle)
    ratio = both / np.maximum(mass[mother], 1e-9)
    area = earlier["area_um2"].to_numpy(float)[mother]
    areas = later["area_um2"].to_numpy(float)[pairs]
    # Two neighbours that stood there before are no daughters: each must be nearer to its own earlier self
    # than to the middle of the pair for that, so a daughter has no nucleus of its own where it is.
    before, whose = cKDTree(place).query(after[pairs])
    resident = ((whose != mother[:, None]) & (before < apart[:, None] / 2)).any(axis=1)
    likely = (
        (off <= np.minimum(apart / 2, reach_um))
        & (np.linalg.norm(after[pairs] - place[mother][:, None], axis=2) <= reach_um).all(axis=1)
        & (ratio >= mass_ratio[0])
        & (ratio <= mass_ratio[1])
        & (areas < area[:, None] * 1.3).all(axis=1)
        & ~resident
    )
    cost = off / reach_um + np.abs(np.log(np.maximum(ratio, 1e-9))) + (1 - symmetry)
    used_mothers: set[int] = set()
    used: set[int] = set()
    chosen = []
    for i in np.argsort(cost, kind="stable"):
        a, b = pairs[i]
        if likely[i] and mother[i] not in used_mothers and not used & {a, b}:
            used_mothers.add(mother[i])
            used |= {a, b}
            chosen.append(i)
    kept = np.array(chosen, int)
    return earlier.index.to_numpy()[mother[kept]], later.index.to_numpy()[pairs[kept]]
