"""What classifiers said of clips that they had not seen: one table, and the verdicts in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from classifier.calibrate import Calibration, cross_fitted, fit
from classifier.trial import PLAIN
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from classifier.data import Clip

COLUMNS = (
    "held_out", "seed", "condition", "clip", "mitosis_class", "p_normal", "p_abnormal", "p_none", "p_forest",
)  # fmt: skip
DECOY = "decoy"  # the condition of crops without a mitosis; `clip` is the one that they were cut from


def read(path: Path) -> pd.DataFrame:
    """The table, as `classifier.crossvalidate` writes it.

    Raises:
        InputError: no such table, or another one.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a table written by classifier.crossvalidate")
    table = pd.read_csv(path, dtype={"held_out": str})
    if tuple(table.columns) != COLUMNS:
        raise InputError(
            f"{path.name} has the columns {', '.join(table.columns)}; wanted {', '.join(COLUMNS)}"
        )
    return table


def voices(
    table: pd.DataFrame, clips: Sequence[Clip], condition: str = PLAIN, seeds: Sequence[int] | None = None
) -> pd.DataFrame:
    """One row a clip, in the clips' order: `held_out, network, forest, none`, the mean over seeds.

    `network` and `forest` are probabilities of abnormal, given that it is a mitosis.

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


def verdicts(
    table: pd.DataFrame, clips: Sequence[Clip], condition: str = PLAIN, seeds: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) p_abnormal, each fold calibrated by the others, and (N,) p_none, calibrated by all."""
    heard = voices(table, clips, condition, seeds)
    abnormal = np.array([clip.label == MitosisClass.ABNORMAL for clip in clips])
    forest = heard["forest"].to_numpy()
    p = cross_fitted(
        abnormal, heard["held_out"].to_numpy(), heard["network"].to_numpy(),
        None if np.isnan(forest).all() else forest,
    )  # fmt: skip
    none = none_calibration(table)
    return p, np.zeros(len(p)) if none is None else none.calibrated(heard["none"].to_numpy())


def none_calibration(table: pd.DataFrame) -> Calibration | None:
    """Fitted on clips and decoys; None where the networks were shown no decoys."""
    rows = table[table["condition"].isin((PLAIN, DECOY)) & table["held_out"].str.startswith("fold")]
    decoy = (rows["condition"] == DECOY).to_numpy()
    return fit(decoy, rows["p_none"].to_numpy()) if decoy.any() else None
