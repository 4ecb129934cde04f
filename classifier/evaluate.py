"""A model against expert labels: `python -m classifier.evaluate CLIPS`. Abnormal is the positive class."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from classifier.console import one_line_errors
from classifier.data import find_clips, folds, read_clip
from classifier.predict import load
from lineage.schema import InputError, MitosisClass, p_abnormal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.data import Clip
    from classifier.predict import Classifier

app = typer.Typer(add_completion=False)


def figures(abnormal: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall, F1, area under the ROC curve.

    Args:
        abnormal: (N,) bool, the expert's label.
        p: (N,) the model's probability of abnormal; called abnormal from 0.5 on.

    Returns:
        Those five and `n`. Where nothing is called abnormal, precision is 0; where only one class
        occurs, `auc` is nan.

    >>> figures(np.array([True, False, False]), np.array([0.9, 0.6, 0.1]))["auc"]
    1.0
    """
    from scipy.stats import rankdata

    called = p >= 0.5
    hits = int((called & abnormal).sum())
    precision, recall = hits / max(called.sum(), 1), hits / max(abnormal.sum(), 1)
    positives, negatives = int(abnormal.sum()), int((~abnormal).sum())
    above = rankdata(p)[abnormal].sum() - positives * (positives + 1) / 2
    return {
        "n": len(p),
        "accuracy": float((called == abnormal).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(2 * precision * recall / max(precision + recall, 1e-12)),
        "auc": float(above / (positives * negatives)) if positives and negatives else float("nan"),
    }


def is_abnormal(clips: Sequence[Clip]) -> np.ndarray:
    """(N,) bool, by the expert's label."""
    return np.array([clip.label == MitosisClass.ABNORMAL for clip in clips])


def judge(clips: Sequence[Clip], classifier: Classifier) -> np.ndarray:
    """(N,) the model's probability of abnormal for each clip."""
    rows = np.array([classifier.probabilities(read_clip(clip.path)) for clip in clips])
    return p_abnormal(rows, classifier.card.classes)


def line(name: str, found: dict[str, float]) -> str:
    """One row of the table on the screen."""
    return (
        f"{name} {found['n']:.0f} clips: accuracy {found['accuracy']:.3f} precision {found['precision']:.3f} "
        f"recall {found['recall']:.3f} F1 {found['f1']:.3f} AUC {found['auc']:.3f}"
    )


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder with NormalMitosis/ and AbnormalMitosis/.")],
    model: Annotated[Path | None, typer.Option(help="Checkpoint; by default the bundled one.")] = None,
    fold: Annotated[int | None, typer.Option(min=0, help="Only the clips of this fold.")] = None,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds the clips are split into.")] = 4,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Accuracy, precision, recall and F1 of the abnormal class, by cell line and in all."""
    with one_line_errors(debug=debug):
        found = find_clips(clips)
        if fold is not None:
            found = fold_of(found, fold, n_folds)
        truth, p = is_abnormal(found), judge(found, load(model))
        lines = np.array([clip.name.line for clip in found])
        for name in np.unique(lines):
            typer.echo(line(name, figures(truth[lines == name], p[lines == name])))
        total = figures(truth, p)
        typer.echo(line("all", total))
        typer.echo(
            f"accuracy {total['accuracy']:.3f} precision {total['precision']:.3f} "
            f"recall {total['recall']:.3f} F1 {total['f1']:.3f}"
        )


def fold_of(clips: Sequence[Clip], fold: int, n_folds: int) -> list[Clip]:
    """The clips of one fold.

    Raises:
        InputError: no such fold.
    """
    if not 0 <= fold < n_folds:
        raise InputError(f"fold {fold} of {n_folds}; wanted 0 to {n_folds - 1}")
    return [clip for clip, k in zip(clips, folds(clips, n_folds), strict=True) if k == fold]


if __name__ == "__main__":
    app()
