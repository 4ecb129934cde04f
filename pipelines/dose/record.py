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
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from pipelines.dose.correction import Classifier
    from pipelines.dose.dna import Calibration
    from pipelines.dose.measures import Context

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
    "n_unusable_frames",
)
IN_ORDER = ["cell_line", "drug_uM", "treatment", "dose_gy"]  # what has no drug goes first
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "trackpy")


def record_of(
    movies: pd.DataFrame,
    *,
    options: Mapping[str, Any],
    unit: str,
    context: Context,
    classifiers: Mapping[str, Classifier],
    calibrated: Mapping[tuple[str, str], Calibration],
    notes: Sequence[str],
) -> dict[str, Any]:
    """What of it goes into analysis.json.

    Args:
        movies: one row a movie, with COUNTED.
        options: that a person chose.
        unit: of the analysis, well or experiment.
        context: that all wells were measured by.
        classifiers: cell line -> what corrected its fractions.
        calibrated: session -> calibration of its DNA content.
        notes: sentences that a reader should see.
    """
    wells = movies.groupby([*SERIES, "dose_gy"], dropna=False)
    per_dose = wells.agg(
        n_experiments=("experiment_date", "nunique"), n_positions=("movie", "size"),
        **{c: (c, "sum") for c in COUNTED},
    )  # fmt: skip
    one_a_well = movies.drop_duplicates(list(WELL_ROW))
    per_dose["n_wells"] = one_a_well.groupby([*SERIES, "dose_gy"], dropna=False).size()
    return {
        "format": "dose-analysis",
        "format_version": 1,
        "versions": {"lineage": __version__, **{name: version(name) for name in PACKAGES}},
        "options": dict(options),
        "unit": unit,
        "primary": f"trend over dose of {PRIMARY}",
        "context": asdict(context),
        "reproductive_survival": clones.NOT_CLONOGENIC.format(k=context.divisions, hours=context.follow_up_h),
        "classifiers": {
            line: asdict(c)
            | {"sensitivity": c.sensitivity, "specificity": c.specificity, "corrects": c.usable}
            for line, c in classifiers.items()
        },
        "dna_calibration": {" ".join(k): asdict(v) for k, v in calibrated.items()},
        "n": per_dose.reset_index().sort_values(IN_ORDER).to_dict("records"),
        "notes": list(notes),
    }
