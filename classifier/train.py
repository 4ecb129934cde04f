"""Clips -> a trained checkpoint: `python -m classifier.train CLIPS --out DIR`."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier import __version__, checkpoint
from classifier.calibrate import Calibration, fit
from classifier.corrected import corrected
from classifier.data import data_hash, find_clips
from classifier.evaluate import classify_clips, clips_in_fold
from classifier.figures import figures, table_row
from classifier.model import DEFAULT
from classifier.nuclei import model_digests
from classifier.pixels import NORMALISATIONS
from classifier.predict import Classifier
from lineage.console import one_line_errors
from lineage.device import AUTO, HELP, description, device_of, one_line_failures
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from classifier.data import Clip
    from classifier.learn import Progress
    from classifier.recipes import Recipe
    from classifier.trial import Start

LICENCE = (
    "MIT. Trained on the clips of Delgado-Rodriguez et al. 2024, Scientific Reports (CC BY 4.0): cite it. "
    "Weights that start from published ones keep the licence of those."
)
UNCALIBRATED = Calibration(network=0.5, forest=0.5)

app = typer.Typer(add_completion=False)


def train_classifier(
    clips: Sequence[Clip],
    name: str,
    recipe: Recipe,
    *,
    seed: int,
    start: Start,
    validation: Sequence[Clip] = (),
    dying: Sequence[np.ndarray] = (),
    curves: Path | None = None,
    device: str = AUTO,
) -> Classifier:
    """Train the networks of a recipe, one after another, and its forest; nothing is calibrated yet.

    Args:
        clips: learned from.
        name: one of `model.MODELS`.
        recipe: how many networks, with or without a forest, and how they are trained.
        seed: of the first network and of the forest; the others count on from it.
        start: first weights, and the folder for the states of the trainings.
        validation: the epoch that is best on these is kept; without them, the last.
        dying: pictures of dying nuclei, as `classifier.dying.read_pictures` gives them.
        curves: PNG of the losses, drawn anew after each network; None: none.
        device: that trains, as `lineage.device.device_of` knows it.

    Returns:
        The classifier, its networks on the processor.
    """
    from classifier.curves import draw
    from classifier.tensors import clip_tensors, decoy_tensors
    from classifier.trial import train_forest, train_network

    place = device_of(device)
    tensors = clip_tensors(clips, recipe, place)
    validation_tensors = clip_tensors(validation, recipe, place) if validation else None
    decoys = decoy_tensors(clips, recipe, place, dying=dying)[0] if recipe.none_share else None
    models, histories = [], []
    for member in range(recipe.members):
        path = start.state_path and start.state_path / f"member_{member}.pt"
        with one_line_failures(place):
            model, history = train_network(
                name,
                tensors,
                decoys,
                recipe,
                seed=seed + member,
                start=replace(start, state_path=path),
                validation=validation_tensors,
                progress=_progress(f"network {member + 1}/{recipe.members}"),
            )
        models.append(model.cpu())
        histories.append(history)
        if curves:
            draw(histories, curves)
    forest = train_forest(tensors, recipe, seed=seed) if recipe.forest else None
    return Classifier(models, forest, uncalibrated_card(name, recipe))


def uncalibrated_card(name: str, recipe: Recipe) -> checkpoint.Card:
    """The card of a classifier that was just trained."""
    return checkpoint.Card(
        model=name,
        options=recipe.options,
        members=recipe.members,
        classes=recipe.classes,
        side_px=recipe.side_px,
        normalisation=NORMALISATIONS[recipe.normalisation],
        calibration=UNCALIBRATED if recipe.forest else Calibration(),
        nucleus_models=model_digests() if recipe.forest or not recipe.side_px else {},
        licence=LICENCE,
        version=__version__,
    )


def _progress(name: str) -> Progress:
    started = time.monotonic()

    def report(done: int, total: int, loss: float, accuracy: float | None) -> None:
        left = (time.monotonic() - started) / done * (total - done)
        validated = "" if accuracy is None else f" validation accuracy {accuracy:.3f}"
        typer.echo(
            f"{name} epoch {done}/{total} loss {loss:.4f}{validated}, at most {left / 60:.0f} min left"
        )

    return report


def calibrations(path: Path, clips: Sequence[Clip], recipe: Recipe) -> dict[str, Any]:
    """Fit the calibrations of a card on a cross-validation.

    Args:
        path: table written by `classifier.crossvalidate`.
        clips: the same ones that it was run on.
        recipe: with or without a forest.

    Returns:
        Fields of a card: the calibrations, and its figures on clips held out.

    Raises:
        InputError: no such table, or one of other clips.
    """
    from classifier.evaluate import ClassifiedClips
    from classifier.figures import intervals
    from classifier.out_of_fold import calibrated_predictions, fit_none, mean_predictions, read

    table = read(path)
    mean = mean_predictions(table, clips)
    classified = ClassifiedClips(list(clips), *calibrated_predictions(table, clips))
    truth = classified.abnormal
    forest = mean["forest"].to_numpy() if recipe.forest else None
    return {
        "calibration": fit(truth, mean["network"].to_numpy(), forest),
        "without_dna": _without_dna(table, clips, truth),
        "none": fit_none(table) or Calibration(),
        "held_out": {
            **figures(truth, classified.p),
            "by_line": classified.by(classified.lines),
            "intervals": intervals(truth, classified.p, classified.fields),
            "how": "fields held out; mean of the seeds' networks; each fold calibrated by the others",
        },
    }


def _without_dna(table: pd.DataFrame, clips: Sequence[Clip], abnormal: np.ndarray) -> Calibration:
    """For crops without DNA: calibrated on phase alone, or the fraction of abnormal clips for all of them."""
    from classifier.out_of_fold import mean_predictions

    if (table["condition"] == "phase_only").any():
        return fit(abnormal, mean_predictions(table, clips, "phase_only")["network"].to_numpy())
    share = float(abnormal.mean())
    return Calibration(network=0.0, offset=math.log(share / (1 - share)))


def split_clips(
    clips: Sequence[Clip], share: float, fold: int | None, n_folds: int, seed: int
) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Split clips into those to learn from, to stop early by, and held out.

    Args:
        clips: all of them.
        share: of those not held out that go to validation, chosen at random.
        fold: the fold to hold out; None: none.
        n_folds: folds that fields are dealt into.
        seed: of the random choice.

    Returns:
        Training, validation and held-out clips.

    Raises:
        InputError: no such fold.
    """
    from classifier.trial import random_split

    held_out = [] if fold is None else clips_in_fold(clips, fold, n_folds)
    rest = [clip for clip in clips if clip not in held_out]
    chosen = random_split(len(rest), share, seed)
    return (
        [c for c, v in zip(rest, chosen, strict=True) if not v],
        [c for c, v in zip(rest, chosen, strict=True) if v],
        held_out,
    )


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder with NormalMitosis/ and AbnormalMitosis/.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors, curves.png and resumption.")],
    model: Annotated[str, typer.Option(help="Network to train.")] = DEFAULT,
    pretrained: Annotated[
        str | None, typer.Option(help="Published weights: a file, or an address; its hash is checked.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most so many; by default the recipe's.")
    ] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Epochs without a better validation.")] = None,
    members: Annotated[int | None, typer.Option(min=1, help="Networks that vote.")] = None,
    validation: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share of the clips to stop early by; 0: the last epoch is kept."),
    ] = 0.0,
    hold_out_fold: Annotated[int | None, typer.Option(min=0, help="Leave this fold out; test on it.")] = None,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds that fields are dealt into.")] = 5,
    run: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder whose events with a person's verdict are added; repeatable."),
    ] = None,
    dying: Annotated[
        Path | None, typer.Option(help="Folder of pictures of dying nuclei, which are no mitoses either.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Table of classifier.crossvalidate on the same clips.")
    ] = None,
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Train a mitosis classifier; started again on the same folder, a killed training goes on."""
    from classifier.dying import digest, read_pictures
    from classifier.pretrained import fetch, read_weights
    from classifier.recipes import recipe
    from classifier.trial import Start

    with one_line_errors(debug=debug, stopped="the same command goes on from the last epoch"):
        device_of(device)  # one that is not there is refused before clips are read
        plan = recipe(model, pretrained=pretrained is not None).shortened(epochs, patience)
        plan = replace(plan, members=members or plan.members)
        found = find_clips(clips)
        calibrated = calibrations(calibration, found, plan) if calibration else {}
        training, stop_by, held_out = split_clips(found, validation, hold_out_fold, n_folds, seed)
        for folder in run or []:
            added = corrected(folder)
            typer.echo(f"{folder}: {len(added)} event{'s' * (len(added) != 1)} that people judged")
            training += [clip for clip in added if clip.label.value in plan.classes]
        if len({clip.label for clip in training if clip.label != MitosisClass.NONE}) < 2:
            raise InputError(f"the {len(training)} clips left for training lack a class; hold out less")
        pictures = read_pictures(dying) if dying else []
        out.mkdir(parents=True, exist_ok=True)
        identity = {
            "model": model,
            "dying": digest(pictures),
            "recipe": repr(plan),
            "data": data_hash(training),
            "stop_by": data_hash(stop_by),
            "seed": seed,
            "pretrained": pretrained,
        }
        start = Start(read_weights(fetch(pretrained)) if pretrained else None, out, identity)
        trained = train_classifier(
            training,
            model,
            plan,
            seed=seed,
            start=start,
            validation=stop_by,
            dying=pictures,
            curves=out / "curves.png",
            device=device,
        )
        record = {
            "seed": seed,
            "pretrained": bool(pretrained),
            "recipe": asdict(plan),
            "data_sha256": data_hash(training),
            "clips": dict(Counter(clip.label.value for clip in training)),
            "dying": len(pictures),
            "hold_out_fold": hold_out_fold,
            "device": description(device),
        }
        trained = replace(trained, card=replace(trained.card, training=record, **calibrated))
        save(trained, held_out, out / "model.safetensors")


def save(trained: Classifier, held_out: Sequence[Clip], path: Path) -> None:
    """Test a classifier on the clips held out, if any, and write its checkpoint.

    Args:
        trained: with its calibrations.
        held_out: clips that it was not trained on.
        path: a .safetensors file; replaced if it is there.
    """
    card = trained.card
    if held_out:
        classified = classify_clips(held_out, trained)
        card = replace(card, held_out=figures(classified.abnormal, classified.p))
        typer.echo(table_row("held out", card.held_out))
    checkpoint.save(trained.models, trained.forest, card, path)
    typer.echo(f"-> {path}")


if __name__ == "__main__":
    app()
