"""Clips -> the paper's tables, by its protocol: `python -m classifier.protocol CLIPS --models NAMES`.

Each repeat leaves 43 % of the clips, at random, for validation and trains on the rest with early stopping. It
is measured on the validation clips, by which the epoch was chosen, and on the clips of `--test`.

Source: Delgado-Rodriguez et al. 2024, tables 1 to 3.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier.data import data_hash, find_clips
from classifier.evaluate import classify_clips
from classifier.figures import figures
from classifier.model import DEFAULT, MODELS
from lineage.console import one_line_errors
from lineage.device import AUTO, HELP, device_of
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.data import Clip
    from classifier.recipes import Recipe

VALIDATION_SHARE = 0.43
MEASURES = ("accuracy", "precision", "recall", "f1")

app = typer.Typer(add_completion=False)


def repeat(
    clips: Sequence[Clip],
    test: Sequence[Clip],
    name: str,
    recipe: Recipe,
    *,
    seed: int,
    weights: Any,
    device: str = AUTO,
) -> dict[str, Any]:
    """Train once, and measure.

    Args:
        clips: for training and validation.
        test: further clips to measure on; may be empty.
        name: one of `model.MODELS`.
        recipe: how it is trained.
        seed: of the split and of the training.
        weights: published ones of the backbone; None: random ones.
        device: that trains, as `lineage.device.device_of` knows it.

    Returns:
        `validation` and, if there are test clips, `test` -> figures.
    """
    from classifier.train import train_classifier
    from classifier.trial import Start, random_split

    chosen = random_split(len(clips), VALIDATION_SHARE, seed)
    training = [c for c, v in zip(clips, chosen, strict=True) if not v]
    stop_by = [c for c, v in zip(clips, chosen, strict=True) if v]
    trained = train_classifier(
        training, name, recipe, seed=seed, start=Start(weights), validation=stop_by, device=device
    )
    found: dict[str, Any] = {}
    for part, members in (("validation", stop_by), ("test", list(test))):
        if members:
            classified = classify_clips(members, trained)
            found[part] = figures(classified.abnormal, classified.p)
    return found


def table(rows: dict[str, list[dict[str, Any]]], part: str) -> list[str]:
    """Mean and standard deviation over repeats, one line a network."""
    lines = [f"{part:12s} repeats  " + "  ".join(f"{k:15s}" for k in MEASURES)]
    for name, found in rows.items():
        values = np.array([[row[part][k] for k in MEASURES] for row in found if part in row])
        if len(values):
            cells = (f"{m:.3f} +- {s:.3f} " for m, s in zip(values.mean(0), values.std(0), strict=True))
            lines.append(f"{name:12s} {len(values):7d}  " + "  ".join(cells))
    return lines if len(lines) > 1 else []


def published(given: Sequence[str]) -> dict[str, str]:
    """Read the values of `--pretrained`, `NAME=FILE_OR_URL` -> file or address by name."""
    found = dict(text.partition("=")[::2] for text in given)
    if wrong := [name for name, source in found.items() if name not in MODELS or not source]:
        raise InputError(f"--pretrained {wrong[0]}: wanted NAME=FILE_OR_URL, NAME one of {', '.join(MODELS)}")
    return found


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder with NormalMitosis/ and AbnormalMitosis/.")],
    models: Annotated[str, typer.Option(help="Networks, with commas between.")] = ",".join(
        m for m in MODELS if m != DEFAULT
    ),
    repeats: Annotated[int, typer.Option(min=1, help="Trainings of each, each with another split.")] = 10,
    test: Annotated[Path | None, typer.Option(help="Folder of test clips, laid out alike.")] = None,
    pretrained: Annotated[list[str] | None, typer.Option(help="NAME=FILE_OR_URL; may be repeated.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many; the paper's 500.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Of early stopping; the paper's 100.")] = None,
    out: Annotated[
        Path, typer.Option(help="Figures of each repeat, so that a stopped command goes on.")
    ] = Path("protocol.json"),
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Repeat the paper's protocol and print its tables."""
    from classifier.pretrained import fetch, read_weights
    from classifier.recipes import recipe

    with one_line_errors(debug=debug, stopped="the same command goes on"):
        device_of(device)  # one that is not there is refused before clips are read
        sources = published(pretrained or [])
        found, tested = find_clips(clips), find_clips(test) if test else []
        done = json.loads(out.read_text()) if out.exists() else {}
        rows: dict[str, list[dict[str, Any]]] = {}
        for name in models.split(","):
            plan = recipe(name, pretrained=name in sources).shortened(epochs, patience)
            # The protocol is about single networks.
            plan = replace(plan, members=1, forest=False)
            weights = read_weights(fetch(sources[name])) if name in sources else None
            for seed in range(repeats):
                key = f"{name} {seed} {data_hash(found)[:8]} {data_hash(tested)[:8]} {plan}"
                if key not in done:
                    typer.echo(f"{name}, repeat {seed + 1}/{repeats}")
                    done[key] = repeat(found, tested, name, plan, seed=seed, weights=weights, device=device)
                    part = out.with_name(f"{out.name}.part")
                    part.write_text(json.dumps(done, indent=1))
                    os.replace(part, out)
                rows.setdefault(name, []).append(done[key])
        for part_name in ("validation", "test"):
            for text in table(rows, part_name):
                typer.echo(text)


if __name__ == "__main__":
    app()
