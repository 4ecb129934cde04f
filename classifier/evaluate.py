"""A classifier against expert labels: `python -m classifier.evaluate CLIPS`. Abnormal is positive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from classifier.console import one_line_errors
from classifier.data import data_hash, find_clips, folds
from classifier.figures import calibration_error, figures, intervals, line, within
from classifier.pixels import pixel_size, read_clip
from classifier.predict import load
from lineage.schema import InputError, MitosisClass, p_abnormal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.data import Clip
    from classifier.predict import Classifier

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, eq=False)
class Judged:
    """Clips with what was said of them."""

    clips: list[Clip]
    p: np.ndarray  # (N,) of abnormal, given that it is a mitosis
    none: np.ndarray  # (N,) of no mitosis; 0 where the model has no such class

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
        """N fields of view."""
        return [clip.field for clip in self.clips]

    def by(self, groups: np.ndarray) -> dict[str, dict[str, float]]:
        """The figures of each group."""
        return {_name(g): figures(self.abnormal[groups == g], self.p[groups == g]) for g in np.unique(groups)}


def _name(group: object) -> str:
    return f"{group:g}" if isinstance(group, float) else str(group)


def judge(clips: Sequence[Clip], classifier: Classifier) -> Judged:
    """Every clip as the classifier sees it."""
    classes = classifier.card.classes
    rows = np.array([classifier.probabilities(read_clip(clip.path), pixel_size(clip.path)) for clip in clips])
    none = rows[:, classes.index(MitosisClass.NONE)] if MitosisClass.NONE in classes else np.zeros(len(rows))
    return Judged(list(clips), p_abnormal(rows, classes), none)


def fold_of(clips: Sequence[Clip], fold: int, n_folds: int) -> list[Clip]:
    """The clips of one fold.

    Raises:
        InputError: no such fold.
    """
    if not 0 <= fold < n_folds:
        raise InputError(f"fold {fold} of {n_folds}; wanted 0 to {n_folds - 1}")
    return [clip for clip, k in zip(clips, folds(clips, n_folds), strict=True) if k == fold]


def said(judged: Judged) -> list[str]:
    """The lines on the screen; the last one is `accuracy A precision P recall R F1 F`."""
    truth, p = judged.abnormal, judged.p
    total, spread = figures(truth, p), intervals(truth, p, judged.fields)
    lines = [line(name, found) for name, found in judged.by(judged.lines).items()]
    lines += [line(f"{name} Gy", found) for name, found in judged.by(judged.doses_gy).items()]
    lines.append(line("all", total))
    between = ", ".join(f"{k.replace('f1', 'F1')} {a:.3f} to {b:.3f}" for k, (a, b) in spread.items())
    lines.append(f"95 % over fields of view: {between}")
    lines.append(
        f"within dose: AUC {within(truth, p, judged.doses_gy):.3f}; calibration error "
        f"{calibration_error(truth, p):.3f}; called none: {(judged.none >= 0.5).sum()}"
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
        Path | None, typer.Option(help="Table of classifier.crossvalidate: judge what stands in it.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="HTML page to write: curves, worst mistakes.")] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Accuracy, precision, recall and F1 of the abnormal class, in all, by cell line and by dose."""
    with one_line_errors(debug=debug):
        if page is not None and page.exists():
            raise InputError(f"{page} is already there; give another --page")
        found = find_clips(clips)
        if fold is not None:
            found = fold_of(found, fold, n_folds)
        classifier = load(model)
        if out_of_fold is not None:
            from classifier.out_of_fold import read, verdicts

            judged = Judged(found, *verdicts(read(out_of_fold), found))
        else:
            if classifier.card.training.get("data_sha256") == data_hash(found):
                typer.echo("These are the clips that the model learned from: the figures flatter it.")
            judged = judge(found, classifier)
        if page is not None:
            from classifier.page import write

            write(judged, classifier, page, unseen=out_of_fold is not None)
            typer.echo(f"-> {page}")
        for text in said(judged):
            typer.echo(text)


if __name__ == "__main__":
    app()
