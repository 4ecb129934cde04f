"""The table of a cross-validation -> calibrated probabilities of clips that no network had seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from classifier.calibrate import Calibration, cross_fitted, fit
from classifier.data import CLASSES
from classifier.trial import UNCHANGED
from lineage.io.spreadsheets import bare_table
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from classifier.data import Clip

# `p_normal, p_abnormal, p_none` are the network's, `p_forest` is the forest's of abnormal.
PROBABILITIES = tuple(f"p_{name}" for name in CLASSES)
COLUMNS = ("held_out", "seed", "condition", "clip", "mitosis_class", *PROBABILITIES, "p_forest")
DECOY = "decoy"  # the condition of crops without a mitosis; `clip` is the one that they were cut from


def read(path: Path) -> pd.DataFrame:
    """Read the table that `classifier.crossvalidate` wrote.

    Raises:
        InputError: no such table, or one with other columns.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a table written by classifier.crossvalidate")
    table = bare_table(pd.read_csv(path, dtype={"held_out": str}))
    if tuple(table.columns) != COLUMNS:
        raise InputError(
            f"{path.name} has the columns {', '.join(table.columns)}; wanted {', '.join(COLUMNS)}"
        )
    return table


def mean_predictions(
    table: pd.DataFrame,
    clips: Sequence[Clip],
    condition: str = UNCHANGED,
    seeds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Average the predictions of each clip over seeds.

    Args:
        table: see `read`.
        clips: N.
        condition: how the clips were shown.
        seeds: those to average over; all if None.

    Returns:
        N rows in the clips' order: `held_out, network, forest, none`. `network` and `forest` are of abnormal,
        given that it is a mitosis.

    Raises:
        InputError: a clip is missing in the table, or has another label there.
    """
    rows = table[(table["condition"] == condition) & (table["held_out"].str.startswith("fold"))]
    if seeds is not None:
        rows = rows[rows["seed"].isin(seeds)]
    known = rows.groupby("clip")["mitosis_class"].first().to_dict()
    for clip in clips:
        if known.get(clip.path.name) != clip.label:
            found = known.get(clip.path.name, "missing")
            raise InputError(f"{clip.path.name} is {found} in the table and {clip.label} here; wrong table")
    mean = rows.groupby("clip").agg(
        {"held_out": "first", "p_normal": "mean", "p_abnormal": "mean", "p_none": "mean", "p_forest": "mean"}
    )
    mean = mean.loc[[clip.path.name for clip in clips]].reset_index()
    mitosis = mean["p_normal"] + mean["p_abnormal"]
    return mean.assign(network=mean["p_abnormal"] / mitosis, forest=mean["p_forest"], none=mean["p_none"])


def calibrated_predictions(
    table: pd.DataFrame,
    clips: Sequence[Clip],
    condition: str = UNCHANGED,
    seeds: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Calibrate the averaged predictions.

    Args:
        table: see `read`.
        clips: N.
        condition: how the clips were shown.
        seeds: those to average over; all if None.

    Returns:
        (N,) p_abnormal, each fold calibrated by the others, and (N,) p_none, calibrated by all; 0 where the
        networks had no decoys.

    Raises:
        InputError: a clip is missing in the table, or has another label there.
    """
    mean = mean_predictions(table, clips, condition, seeds)
    abnormal = np.array([clip.label == MitosisClass.ABNORMAL for clip in clips])
    forest = mean["forest"].to_numpy()
    p = cross_fitted(
        abnormal,
        mean["held_out"].to_numpy(),
        mean["network"].to_numpy(),
        None if np.isnan(forest).all() else forest,
    )
    none = fit_none(table)
    return p, np.zeros(len(p)) if none is None else none.calibrated(mean["none"].to_numpy())


def fit_none(table: pd.DataFrame) -> Calibration | None:
    """The calibration of p_none, fitted on clips and decoys; None where the networks had no decoys."""
    rows = table[table["condition"].isin((UNCHANGED, DECOY)) & table["held_out"].str.startswith("fold")]
    decoy = (rows["condition"] == DECOY).to_numpy()
    return fit(decoy, rows["p_none"].to_numpy()) if decoy.any() else None
