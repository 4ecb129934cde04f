"""An analysis -> analysis.json: versions, options, what was decided, all n."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lineage import __version__
from pipelines.dose import clones
from pipelines.dose.columns import SERIES, WELL_ROW
from pipelines.dose.measures import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd

    from pipelines.dose.prepare import Plate

COUNTED = (
    "n_founders",
    "n_cells",
    "n_mitoses",
    "n_judged",
    "n_abnormal",
    "n_undecided",
    "n_seen_abnormal_called_normal",
    "n_unclassified",
    "n_seen_abnormal_unclassified",
    "n_rejected",
    "n_rejected_by_person",
    "n_verdicts_by_person",
    "n_other_corrections",
    "n_corrections_not_applied",
    "n_unusable_frames",
)
IN_ORDER = ["cell_line", "drug_uM", "treatment", "dose_gy"]  # what has no drug goes first
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "trackpy")


def record_of(plate: Plate, notes: Sequence[str]) -> dict[str, Any]:
    """The content of analysis.json.

    Args:
        plate: that was analysed.
        notes: sentences that a reader should see.
    """
    context = plate.context
    return {
        "format": "dose-analysis",
        "format_version": 1,
        "versions": {"lineage": __version__, **{name: version(name) for name in PACKAGES}},
        "options": asdict(plate.options),
        "unit": plate.unit,
        "primary": f"trend over dose of {PRIMARY}",
        "context": asdict(context),
        "reproductive_survival": clones.NOT_CLONOGENIC.format(k=context.divisions, hours=context.follow_up_h),
        "classifiers": {
            line: asdict(c)
            | {"sensitivity": c.sensitivity, "specificity": c.specificity, "corrects": c.usable}
            for line, c in plate.classifiers.items()
        },
        "dna_calibration": {" ".join(k): asdict(v) for k, v in plate.calibrations.items()},
        "reviewed": plate.review.record() if plate.review else None,
        "n": _counts(plate.rows.movies),
        "notes": list(notes),
    }


def _counts(movies: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """All n of each series and dose."""
    keys = [*SERIES, "dose_gy"]
    sums = {name: (name, "sum") for name in COUNTED}
    per_dose = movies.groupby(keys, dropna=False).agg(
        n_experiments=("experiment_date", "nunique"), n_positions=("movie", "size"), **sums
    )
    one_a_well = movies.drop_duplicates(list(WELL_ROW))
    per_dose["n_wells"] = one_a_well.groupby(keys, dropna=False).size()
    return per_dose.reset_index().sort_values(IN_ORDER).to_dict("records")
