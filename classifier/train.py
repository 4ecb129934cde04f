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
from classifier.console import one_line_errors
from classifier.corrected import corrected
from classifier.data import data_hash, find_clips
from classifier.evaluate import fold_of, judge
from classifier.figures import figures, line
from classifier.model import DEFAULT
from classifier.nuclei import digests
from classifier.out_of_fold import voices
from classifier.pixels import NORMALISATIONS
from classifier.predict import Classifier
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from classifier.data import Clip
    from classifier.recipes import Recipe
    from classifier.trial import Start

LICENCE = (
    "MIT. Trained on the clips of Delgado-Rodriguez et al. 2024, Scientific Reports (CC BY 4.0): cite it. "
    "Weights that start from published ones keep the licence of those."
)
UNCALIBRATED = Calibration(network=0.5, forest=0.5)

app = typer.Typer(add_completion=False)


def train_all(
    clips: Sequence[Clip],
    name: str,
    recipe: Recipe,
    *,
    seed: int,
    start: Start,
    validation: Sequence[Clip] = (),
    curves: Path | None = None,
) -> Classifier:
    """The networks of a recipe, one after another, and its forest; nothing is calibrated yet."""
    from classifier.curves import draw
    from classifier.films import decoy_films, films
    from classifier.learn import best_device
    from classifier.trial import learn, learn_forest

    device = best_device()
    shown = films(clips, recipe, device)
    tried = films(validation, recipe, device) if validation else None
    decoys = decoy_films(clips, recipe, device)[0] if recipe.none_share else None
    models, histories = [], []
    for member in range(recipe.members):
        path = start.state_path and start.state_path / f"member_{member}.pt"
        model, history = learn(
            name, shown, decoys, recipe, seed=seed + member, start=replace(start, state_path=path),
            validation=tried, progress=_progress(f"network {member + 1}/{recipe.members}"),
        )  # fmt: skip
        models.append(model.cpu())
        histories.append(history)
        if curves:
            draw(histories, curves)
    forest = (
        learn_forest(shown.measures.cpu().numpy(), shown.labels, recipe, seed=seed) if recipe.forest else None
    )
    card = checkpoint.Card(
        model=name,
        options=recipe.options,
        members=recipe.members,
        classes=recipe.classes,
        side_px=recipe.side_px,
        normalisation=NORMALISATIONS[recipe.normalisation],
        calibration=UNCALIBRATED if recipe.forest else Calibration(),
        nucleus_models=digests() if recipe.forest or not recipe.side_px else {},
        licence=LICENCE,
        version=__version__,
    )
    return Classifier(models, forest, card)


def _progress(name: str) -> Callable[[int, int, float, float | None], None]:
    started = time.monotonic()

    def tell(done: int, total: int, loss: float, accuracy: float | None) -> None:
        left = (time.monotonic() - started) / done * (total - done)
        tried = "" if accuracy is None else f" validation accuracy {accuracy:.3f}"
        typer.echo(f"{name} epoch {done}/{total} loss {loss:.4f}{tried}, at most {left / 60:.0f} min left")

    return tell


def from_table(path: Path, clips: Sequence[Clip], recipe: Recipe) -> dict[str, Any]:
    """Of a card: calibrations fitted on a cross-validation of the same clips, and its figures."""
    from classifier.evaluate import Judged
    from classifier.figures import intervals
    from classifier.out_of_fold import none_calibration, read, verdicts

    table = read(path)
    heard = voices(table, clips)
    judged = Judged(list(clips), *verdicts(table, clips))
    network = heard["network"].to_numpy()
    forest = heard["forest"].to_numpy() if recipe.forest else None
    truth = judged.abnormal
    return {
        "calibration": fit(truth, network, forest),
        "without_dna": _without_dna(table, clips, truth),
        "none": none_calibration(table) or Calibration(),
        "held_out": {
            **figures(truth, judged.p),
            "by_line": judged.by(judged.lines),
            "intervals": intervals(truth, judged.p, judged.fields),
            "how": "fields held out; mean of the seeds' networks; each fold calibrated by the others",
        },
    }


def _without_dna(table: pd.DataFrame, clips: Sequence[Clip], abnormal: np.ndarray) -> Calibration:
    """What is said where there is no DNA to see: by the phase, or how often a clip is abnormal at all."""
    if (table["condition"] == "phase_only").any():
        return fit(abnormal, voices(table, clips, "phase_only")["network"].to_numpy())
    share = float(abnormal.mean())
    return Calibration(network=0.0, offset=math.log(share / (1 - share)))


def divided(
    clips: Sequence[Clip], share: float, fold: int | None, n_folds: int, seed: int
) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Clips to learn from, to stop early by, and held out."""
    from classifier.trial import split

    held_out = [] if fold is None else fold_of(clips, fold, n_folds)
    rest = [clip for clip in clips if clip not in held_out]
    chosen = split(len(rest), share, seed)
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
        list[Path] | None, typer.Option(help="Run folder whose corrections.csv adds events; may be repeated.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Table of classifier.crossvalidate on the same clips.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Train a mitosis classifier; started again on the same folder, a killed training goes on."""
    from classifier.pretrained import arrays, fetch
    from classifier.recipes import recipe
    from classifier.trial import Start

    with one_line_errors(debug=debug):
        plan = recipe(model, pretrained=pretrained is not None).shortened(epochs, patience)
        plan = replace(plan, members=members or plan.members)
        found = find_clips(clips)
        known = from_table(calibration, found, plan) if calibration else {}
        seen, stop_by, held_out = divided(found, validation, hold_out_fold, n_folds, seed)
        added = [clip for folder in run or [] for clip in corrected(folder)]
        seen += [clip for clip in added if clip.label.value in plan.classes]
        if len({clip.label for clip in seen if clip.label != MitosisClass.NONE}) < 2:
            raise InputError(f"the {len(seen)} clips left for training lack a class; hold out less")
        out.mkdir(parents=True, exist_ok=True)
        identity = {
            "model": model, "recipe": repr(plan), "data": data_hash(seen), "stop_by": data_hash(stop_by),
            "seed": seed, "pretrained": pretrained,
        }  # fmt: skip
        start = Start(arrays(fetch(pretrained)) if pretrained else None, out, identity)
        trained = train_all(
            seen, model, plan, seed=seed, start=start, validation=stop_by, curves=out / "curves.png"
        )
        training = {
            "seed": seed, "pretrained": bool(pretrained), "recipe": asdict(plan),
            "data_sha256": data_hash(seen),
            "clips": dict(Counter(clip.label.value for clip in seen)), "hold_out_fold": hold_out_fold,
        }  # fmt: skip
        card = replace(trained.card, training=training, **known)
        trained = replace(trained, card=card)
        if held_out:
            judged = judge(held_out, trained)
            card = replace(card, held_out=figures(judged.abnormal, judged.p))
            typer.echo(line("held out", card.held_out))
        checkpoint.save(trained.models, trained.forest, card, out / "model.safetensors")
        typer.echo(f"-> {out / 'model.safetensors'}")


if __name__ == "__main__":
    app()
