"""Clips with an expert's labels -> figures of a classifier: `python -m classifier.evaluate CLIPS`.

Abnormal is the positive class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from classifier.data import data_hash, find_clips, folds
from classifier.figures import auc_within, calibration_error, figures, intervals, table_row
from classifier.pixels import pixel_size, read_clip
from classifier.predict import load
from lineage.console import one_line_errors
from lineage.device import AUTO, HELP
from lineage.schema import InputError, MitosisClass, p_abnormal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.data import Clip
    from classifier.predict import Classifier

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, eq=False)
class ClassifiedClips:
    """Labelled clips with their predictions."""

    clips: list[Clip]
    p: np.ndarray  # (N,) p(abnormal), given that it is a mitosis
    none: np.ndarray  # (N,) p(none); 0 where the model has no such class

    @property
    def abnormal(self) -> np.ndarray:
        """(N,) bool, by the expert's label."""
        return np.array([clip.label == MitosisClass.ABNORMAL for clip in self.clips])

    @property
    def lines(self) -> np.ndarray:
        """(N,) cell lines."""
        return np.array([clip.name.line for clip in self.clips])

    @property
    def doses_gy(self) -> np.ndarray:
        """(N,) doses."""
        return np.array([clip.name.dose_gy for clip in self.clips])

    @property
    def fields(self) -> list[str]:
        """The field of view of each clip."""
        return [clip.field for clip in self.clips]

    def by(self, groups: np.ndarray) -> dict[str, dict[str, float]]:
        """The figures of each group."""
        return {_name(g): figures(self.abnormal[groups == g], self.p[groups == g]) for g in np.unique(groups)}


def _name(group: object) -> str:
    return f"{group:g}" if isinstance(group, float) else str(group)


def classify_clips(clips: Sequence[Clip], classifier: Classifier) -> ClassifiedClips:
    """Read and classify every clip."""
    classes = classifier.card.classes
    rows = np.array([classifier.probabilities(read_clip(clip.path), pixel_size(clip.path)) for clip in clips])
    none = rows[:, classes.index(MitosisClass.NONE)] if MitosisClass.NONE in classes else np.zeros(len(rows))
    return ClassifiedClips(list(clips), p_abnormal(rows, classes), none)


def clips_in_fold(clips: Sequence[Clip], fold: int, n_folds: int) -> list[Clip]:
    """The clips of one fold.

    Args:
        clips: all of them.
        fold: its number, from 0.
        n_folds: folds that fields are dealt into.

    Returns:
        Those of the fold, in order.

    Raises:
        InputError: no such fold.
    """
    if not 0 <= fold < n_folds:
        raise InputError(f"fold {fold} of {n_folds}; wanted 0 to {n_folds - 1}")
    return [clip for clip, k in zip(clips, folds(clips, n_folds), strict=True) if k == fold]


def report_lines(classified: ClassifiedClips) -> list[str]:
    """The lines on the screen; the last one is `accuracy A precision P recall R F1 F`."""
    truth, p = classified.abnormal, classified.p
    total, spread = figures(truth, p), intervals(truth, p, classified.fields)
    lines = [table_row(name, found) for name, found in classified.by(classified.lines).items()]
    lines += [table_row(f"{name} Gy", found) for name, found in classified.by(classified.doses_gy).items()]
    lines.append(table_row("all", total))
    between = ", ".join(f"{k.replace('f1', 'F1')} {a:.3f} to {b:.3f}" for k, (a, b) in spread.items())
    lines.append(f"95 % over fields of view: {between}")
    lines.append(
        f"within dose: AUC {auc_within(truth, p, classified.doses_gy):.3f}; calibration error "
        f"{calibration_error(truth, p):.3f}; called none: {(classified.none >= 0.5).sum()}"
    )
    lines.append(
        f"accuracy {total['accuracy']:.3f} precision {total['precision']:.3f} "
        f"recall {total['recall']:.3f} F1 {total['f1']:.3f}"
    )
    return lines


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder with NormalMitosis/ and AbnormalMitosis/.")],
    model: Annotated[Path | None, typer.Option(help="Checkpoint; by default the bundled one.")] = None,
    fold: Annotated[int | None, typer.Option(min=0, help="Only the clips of this fold.")] = None,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds the clips are split into.")] = 5,
    out_of_fold: Annotated[
        Path | None, typer.Option(help="Table of classifier.crossvalidate: evaluate its predictions.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="HTML page to write: curves, worst mistakes.")] = None,
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Accuracy, precision, recall and F1 of the abnormal class, in all, by cell line and by dose."""
    with one_line_errors(debug=debug, stopped="nothing was written"):
        if page is not None and page.exists():
            raise InputError(f"{page} is already there; give another --page")
        found = find_clips(clips)
        if fold is not None:
            found = clips_in_fold(found, fold, n_folds)
        classifier = load(model, device)
        if out_of_fold is not None:
            from classifier.out_of_fold import calibrated_predictions, read

            classified = ClassifiedClips(found, *calibrated_predictions(read(out_of_fold), found))
        else:
            if classifier.card.training.get("data_sha256") == data_hash(found):
                typer.echo("The model was trained on these clips; on new ones it does worse.")
            classified = classify_clips(found, classifier)
        if page is not None:
            from classifier.page import write

            write(classified, classifier, page, unseen=out_of_fold is not None)
            typer.echo(f"-> {page}")
        for text in report_lines(classified):
            typer.echo(text)


if __name__ == "__main__":
    app()
