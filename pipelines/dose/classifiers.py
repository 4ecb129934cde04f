"""Cell line -> what corrects its fractions: reviewed events or the paper's clips, and the recall."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipelines.dose import correction, reviewed
from pipelines.dose.collect import kinds_of

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.dose.collect import Tables
    from pipelines.dose.correction import Classifier
    from pipelines.dose.proposals import Proposals
    from pipelines.dose.reviewed import Review


def of_lines(
    rows: Tables, proposals: Proposals, *, correct: bool, review: Review | None
) -> tuple[dict[str, Classifier], list[str]]:
    """Cell line -> what corrects its fractions; and notes for the reader.

    Args:
        rows: of the plate.
        proposals: how often each kind of mitosis is proposed.
        correct: whether to correct at all.
        review: what people said of a sample of the plate's events.
    """
    known, notes = {}, review.notes() if review else []
    if review and (strange := sorted(set(review.classes) - set(rows.movies["movie"]))):
        notes.append(f"Verdicts on movies that are not in this analysis are left out: {', '.join(strange)}.")
    for line in sorted(rows.movies["cell_line"].unique()):
        mitoses, movies = (t[t["cell_line"] == line] for t in (rows.mitoses, rows.movies))
        classifier = correction.out_of_fold(line)
        if review:
            of_plate = _of_plate(review, mitoses, movies)
            if of_plate is None:
                notes.append(
                    f"{line}: fewer than {reviewed.MIN_REVIEWED} events were reviewed as normal, or fewer "
                    f"than {reviewed.MIN_REVIEWED} abnormal. Fractions are corrected by the paper's clips "
                    "instead."
                )
            classifier = of_plate or classifier
        if not correct:
            known[line] = replace(classifier, normal=(1, 1, 0), abnormal=(1, 1, 0), source="not asked for")
            continue
        if not classifier.usable:
            notes.append(
                f"{line}: sensitivity + specificity is {classifier.youden:.2f}, below "
                f"{correction.MIN_YOUDEN}. Fractions are not corrected."
            )
        elif classifier.source.startswith(correction.ALL):
            notes.append(
                f"{line}: the classifier was never tested on this cell line. Fractions are corrected by its "
                "average errors on other lines."
            )
        known[line] = replace(classifier, recall=proposals.recall(_kinds_of_abnormal(mitoses)))
    return known, notes


def _of_plate(review: Review, mitoses: pd.DataFrame, movies: pd.DataFrame) -> Classifier | None:
    """From the events that nobody decided while looking at the runs: only of these are verdicts the runs'."""
    sample = review.found[~review.found["by_person"].astype(bool)]
    automatic = movies.assign(n_rejected=movies["n_rejected"] - movies["n_rejected_by_person"])
    return reviewed.classifier(sample, mitoses[~mitoses["by_person"]], automatic)


def _kinds_of_abnormal(mitoses: pd.DataFrame) -> pd.Series:
    kinds = kinds_of(mitoses[mitoses["judged"]])
    return kinds[kinds != ""]
