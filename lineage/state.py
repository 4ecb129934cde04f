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
RESIDENT_UM = 11.0  # a nucleus this near to where one was is that one
# Spreads of what divisions look like: of the logarithm of the DNA mass of both daughters over their mother's,
# of that of one daughter over the other's; of their middle about the mother, in parts of their distance; and
# of how far the condensation of the brightest of the three falls short of CHROMATIN.
MASS_SPREAD, SYMMETRY_SPREAD, MIDDLE_SPREAD, CONDENSATION_SPREAD = 0.4, 0.6, 0.25, 0.35
CHROMATIN = 1.5


def estimate(
    nuclei: pd.DataFrame,
    *,
    usable: np.ndarray,
    reach_um: float = 24.0,
    least_separation_um: float = 4.0,
    most_separation_um: float = 34.0,
    most_misfit: float = 6.0,
    refractory_min: float = 30.0,
) -> pd.DataFrame:
    """Add `condensation`, `state`, and `divides`: whether the nucleus is two in the next usable frame.

    A nucleus is in anaphase if it is one of two that appear, in the next usable frame, on both sides of
    where one nucleus was, with about its DNA mass between them; that one is then in metaphase. Any other
    condensed nucleus is in metaphase too (prometaphase is not told apart); the rest are in interphase.

    Args:
        nuclei: NUCLEUS_COLUMNS.
        usable: (T,) bool; a pair is looked for across frames that are not.
        reach_um: a daughter is no further from its mother.
        least_separation_um: between the centres of the two daughters.
        most_separation_um: likewise.
        most_misfit: how unlike a division a pair may look; half the summed squares of how many spreads its
            mass, symmetry, middle and condensation are off.
        refractory_min: a nucleus that has just come out of a division does not divide for so long.

    Returns:
        A new table, sorted by frame, then place, with STATE_COLUMNS.
    """
    check_columns(nuclei, NUCLEUS_COLUMNS, "nuclei")
    table = nuclei.sort_values(["frame", "y_um", "x_um", "detection_id"], ignore_index=True)
    table["condensation"] = condensation(table)
    state = np.where(_is_condensed(table), State.METAPHASE, State.INTERPHASE).astype(object)
    divides = np.zeros(len(table), bool)
    time = table["time_min"].to_numpy(float)
    born = np.full(len(table), -np.inf)  # minutes; when a nucleus last came out of a division
    frames = np.flatnonzero(usable)
    rows = {t: g.index.to_numpy() for t, g in table.groupby("frame")}
    none = np.zeros(0, int)
    for earlier, later in pairwise(frames):
        here, there = (rows.get(t, none) for t in (earlier, later))
        resident = _residents(*(table.loc[r, ["y_um", "x_um"]].to_numpy(float) for r in (here, there)))
        stayed = resident >= 0
        born[there[stayed]] = born[here[resident[stayed]]]
        mothers, pairs = _divisions(
            table.loc[here],
            table.loc[there],
            resident,
            time[here] - born[here] >= refractory_min,
            reach_um=reach_um,
            separation_um=(least_separation_um, most_separation_um),
            most_misfit=most_misfit,
        )
        born[pairs.ravel()] = time[pairs.ravel()]
        state[mothers] = State.METAPHASE
        divides[mothers] = True
        state[pairs.ravel()] = State.ANAPHASE
    table["state"] = state
    table["divides"] = divides
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
    resident: np.ndarray,
    may_divide: np.ndarray,
    *,
    reach_um: float,
    separation_um: tuple[float, float],
    most_misfit: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Mothers (M,) and their daughters (M, 2), as index labels of the two tables; each nucleus once."""
    from scipy.spatial import cKDTree

    if len(earlier) == 0 or len(later) < 2:
        return np.zeros(0, int), np.zeros((0, 2), int)
    before, after = (t[["y_um", "x_um"]].to_numpy(float) for t in (earlier, later))
    tree = cKDTree(after)
    pairs = tree.query_pairs(separation_um[1], output_type="ndarray")
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    # Every pair with every nucleus that lay within reach of both.
    near = cKDTree(before).query_ball_point(after[pairs].mean(axis=1), reach_um, return_sorted=True)
    pairs = np.repeat(pairs, [len(n) for n in near], axis=0)
    mother = np.concatenate([*near, []]).astype(int)
    apart = np.linalg.norm(after[pairs[:, 0]] - after[pairs[:, 1]], axis=1)
    from_mother = np.linalg.norm(after[pairs] - before[mother][:, None], axis=2)
    known = resident[pairs]
    possible = (
        (apart >= separation_um[0])
        & (from_mother <= reach_um).all(axis=1)
        & ((known == -1) | (known == mother[:, None])).all(axis=1)
        & may_divide[mother]
    )
    pairs, mother, apart = pairs[possible], mother[possible], apart[possible]
    misfit = _misfit(earlier, later, mother, pairs, apart)
    chosen: list[int] = []
    for i in np.argsort(misfit, kind="stable"):
        free = mother[i] not in mother[chosen] and not np.isin(pairs[i], pairs[chosen]).any()
        if misfit[i] <= most_misfit and free:
            chosen.append(int(i))
    return earlier.index.to_numpy()[mother[chosen]], later.index.to_numpy()[pairs[chosen]]


def _residents(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """For each later nucleus, the earlier one that it simply is: nearest to each other, and near; or -1."""
    from scipy.spatial import cKDTree

    if len(before) == 0:
        return np.full(len(after), -1)
    distance, earlier = cKDTree(before).query(after)
    _, later = cKDTree(after).query(before)
    same = (later[earlier] == np.arange(len(after))) & (distance <= RESIDENT_UM)
    return np.where(same, earlier, -1)


def _misfit(
    earlier: pd.DataFrame, later: pd.DataFrame, mother: np.ndarray, pairs: np.ndarray, apart: np.ndarray
) -> np.ndarray:
    """(P,) how unlike a division each pair looks; 0 is as it should be."""
    mass = np.maximum(earlier["dna_mass"].to_numpy(float), 1e-9)[mother]
    both = np.maximum(later["dna_mass"].to_numpy(float), 1e-9)[pairs]
    middle = later[["y_um", "x_um"]].to_numpy(float)[pairs].mean(axis=1)
    off = np.linalg.norm(middle - earlier[["y_um", "x_um"]].to_numpy(float)[mother], axis=1)
    brightest = np.maximum(
        earlier["condensation"].to_numpy(float)[mother],
        later["condensation"].to_numpy(float)[pairs].max(axis=1),
    )
    return 0.5 * (
        (np.log(both.sum(axis=1) / mass) / MASS_SPREAD) ** 2
        + (np.log(both[:, 0] / both[:, 1]) / SYMMETRY_SPREAD) ** 2
        + (off / (MIDDLE_SPREAD * apart + 1.0)) ** 2
        + (np.maximum(CHROMATIN - brightest, 0) / CONDENSATION_SPREAD) ** 2
    )
