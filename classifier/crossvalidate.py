"""Clips -> predictions by networks that had not seen them: `python -m classifier.crossvalidate CLIPS`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from classifier.data import CLASSES, data_hash, find_clips, folds
from classifier.model import DEFAULT
from classifier.out_of_fold import COLUMNS, DECOY, PROBABILITIES
from lineage.console import one_line_errors
from lineage.device import AUTO, HELP, device_of, one_line_failures
from lineage.io.spreadsheets import bare_table, guarded_table
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import torch

    from classifier.data import Clip
    from classifier.recipes import Recipe
    from classifier.tensors import ClipTensors
    from classifier.trial import Start

CLIP = "clip"  # at random: clips of one field, which may show the same cells, on both sides
BY = ("fold", "line", "date", CLIP)

app = typer.Typer(add_completion=False)


def parts(clips: Sequence[Clip], by: str, n_folds: int) -> dict[str, np.ndarray]:
    """Divide clips into parts, each of which is held out in turn.

    Args:
        clips: N.
        by: one of BY.
        n_folds: number of parts, where they are folds, or clips dealt out at random.

    Returns:
        Name -> (N,) bool.

    Raises:
        InputError: unknown `by`.
    """
    if by not in BY:
        raise InputError(f"--by {by}; wanted {', '.join(BY)}")
    keys = {
        "fold": lambda: folds(clips, n_folds).tolist(),
        "line": lambda: [c.name.line for c in clips],
        "date": lambda: [c.name.date or "undated" for c in clips],
        CLIP: lambda: (np.random.default_rng(0).permutation(len(clips)) % n_folds).tolist(),
    }[by]()
    return {f"{by} {k}": np.array([key == k for key in keys]) for k in sorted(set(keys))}


@dataclass(frozen=True, eq=False)
class Material:
    """All clips as a recipe needs them, read once, and the decoys cut out of them."""

    clips: list[Clip]
    tensors: ClipTensors
    decoys: ClipTensors | None
    sources: np.ndarray  # index of the clip that each decoy was cut from


def read_material(
    clips: Sequence[Clip], recipe: Recipe, device: torch.device, *, dying: Sequence[np.ndarray] = ()
) -> Material:
    """Read and measure the clips, and cut decoys if the recipe needs them; all of it on one device."""
    from classifier.tensors import clip_tensors, decoy_tensors

    decoys, sources = None, np.zeros(0, int)
    if recipe.none_share:
        decoys, sources = decoy_tensors(clips, recipe, device, dying=dying)
    return Material(list(clips), clip_tensors(clips, recipe, device), decoys, sources)


def held_out_rows(
    material: Material,
    held_out: np.ndarray,
    name: str,
    recipe: Recipe,
    *,
    seed: int,
    start: Start,
    whole_fields: bool = True,
) -> pd.DataFrame:
    """Train without the fields of some clips, and predict these.

    Args:
        material: N clips and their decoys.
        held_out: (N,) bool.
        whole_fields: whether no other clips of their fields are learned from, either.
        name: one of `model.MODELS`.
        recipe: how it is trained.
        seed: of everything random.
        start: first weights, and where to leave the state of the training.

    Returns:
        Rows of the table, from the column `condition` on: each held-out clip in every condition, and decoys.
    """
    from classifier.trial import (
        UNCHANGED,
        forest_probabilities,
        network_probabilities,
        train_forest,
        train_network,
    )

    clips, decoys, sources = material.clips, material.decoys, material.sources
    fields = {c.field for c, out in zip(clips, held_out, strict=True) if out}
    of_others = np.array([c.field not in fields for c in clips])
    seen = of_others if whole_fields else ~held_out
    training, test = material.tensors.subset(seen), material.tensors.subset(held_out)
    seen_decoys = decoys.subset(seen[sources]) if decoys is not None else None
    model, _ = train_network(name, training, seen_decoys, recipe, seed=seed, start=start, progress=_progress)
    by_condition = network_probabilities(model, test)
    by_forest = {}
    if recipe.forest:
        by_forest = forest_probabilities(train_forest(training, recipe, seed=seed), test)
    unseen = [c for c, out in zip(clips, held_out, strict=True) if out]
    tables = [_table(unseen, c, p, recipe, by_forest.get(c)) for c, p in by_condition.items()]
    if decoys is not None and held_out[sources].any():
        cut_from = [clips[i] for i in sources[held_out[sources]]]
        p = network_probabilities(model, decoys.subset(held_out[sources]))[UNCHANGED]
        tables.append(_table(cut_from, DECOY, p, recipe, None))
    return _concatenated(tables)


def _table(
    clips: Sequence[Clip], condition: str, p: np.ndarray, recipe: Recipe, forest: np.ndarray | None
) -> pd.DataFrame:
    import pandas as pd

    by_class = dict(zip(recipe.classes, p.T, strict=True))
    return pd.DataFrame(
        {
            "condition": condition,
            "clip": [c.path.name for c in clips],
            "mitosis_class": [
                MitosisClass.NONE.value if condition == DECOY else c.label.value for c in clips
            ],
            **{
                column: by_class.get(name, np.zeros(len(p)))
                for column, name in zip(PROBABILITIES, CLASSES, strict=True)
            },
            "p_forest": np.full(len(p), np.nan) if forest is None else forest,
        }
    )


def _concatenated(tables: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    columns = {c: np.concatenate([t[c].to_numpy() for t in tables]) for c in tables[0].columns}
    return pd.DataFrame(columns)


def prepare_folder(out: Path, identity: dict[str, str | None]) -> None:
    """Make the folder, and write what its parts depend on into it.

    Raises:
        InputError: it holds parts of a cross-validation of other clips or settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "settings.json"
    if not path.exists():
        path.write_text(json.dumps(identity, indent=1), encoding="utf-8")
    elif json.loads(path.read_text(encoding="utf-8")) != identity:
        raise InputError(f"{out} holds a cross-validation of other clips or settings; give another --out")


def _progress(done: int, total: int, loss: float, _: float | None) -> None:
    if done % 10 == 0 or done == total:
        typer.echo(f"  epoch {done}/{total} loss {loss:.4f}")


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder with NormalMitosis/ and AbnormalMitosis/.")],
    out: Annotated[Path, typer.Option(help="Folder for out_of_fold.csv and what a resumption needs.")],
    model: Annotated[str, typer.Option(help="Network to train.")] = DEFAULT,
    pretrained: Annotated[str | None, typer.Option(help="Published weights: a file or an address.")] = None,
    by: Annotated[
        str, typer.Option(help="What is held out together: fold, line, date, or clip (at random).")
    ] = "fold",
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds that fields are dealt into.")] = 5,
    dying: Annotated[
        Path | None, typer.Option(help="Folder of pictures of dying nuclei, which are no mitoses either.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often, each time from another seed.")] = 3,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most so many; by default the recipe's.")
    ] = None,
    device: Annotated[str, typer.Option(help=HELP)] = AUTO,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Cross-validate, field by field; started again on the same folder, it goes on where it stopped."""
    import pandas as pd

    from classifier.dying import digest, read_pictures
    from classifier.pretrained import fetch, read_weights
    from classifier.recipes import recipe
    from classifier.trial import Start

    with one_line_errors(debug=debug, stopped="the same command goes on"):
        place = device_of(device)
        found = find_clips(clips)
        pictures = read_pictures(dying) if dying else []
        plan = recipe(model, pretrained=pretrained is not None).shortened(epochs, None)
        weights = read_weights(fetch(pretrained)) if pretrained else None
        identity = {"model": model, "recipe": repr(plan), "data": data_hash(found), "pretrained": pretrained}
        identity["dying"] = digest(pictures)
        prepare_folder(out, identity)
        typer.echo(f"reading {len(found)} clips ...")
        material = read_material(found, plan, place, dying=pictures)
        tables = []
        for seed in range(seeds):
            for name, held_out in parts(found, by, n_folds).items():
                path = out / f"{name.replace(' ', '_')}_of_{n_folds}_seed_{seed}.csv"
                if not path.exists():
                    typer.echo(f"{name}, seed {seed}: {held_out.sum()} clips held out")
                    start = Start(weights, path.with_suffix(".pt"), identity | {"part": path.stem})
                    with one_line_failures(place):
                        rows = held_out_rows(
                            material,
                            held_out,
                            model,
                            plan,
                            seed=seed,
                            start=start,
                            whole_fields=by != CLIP,
                        )
                    rows.insert(0, "seed", seed)
                    rows.insert(0, "held_out", name)
                    guarded_table(rows).to_csv(path, index=False, float_format="%.5f")
                    path.with_suffix(".pt").unlink(missing_ok=True)
                tables.append(bare_table(pd.read_csv(path, dtype={"held_out": str})))
        table = _concatenated(tables)[list(COLUMNS)]
        guarded_table(table).to_csv(out / "out_of_fold.csv", index=False, float_format="%.5f")
        typer.echo(f"-> {out / 'out_of_fold.csv'}")


if __name__ == "__main__":
    app()
