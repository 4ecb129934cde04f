"""Clips -> what networks say of those that they have not seen: `python -m classifier.crossvalidate CLIPS`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from classifier.console import one_line_errors
from classifier.data import data_hash, find_clips, folds
from classifier.model import DEFAULT
from classifier.out_of_fold import COLUMNS, DECOY
from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from classifier.data import Clip
    from classifier.films import Films
    from classifier.recipes import Recipe
    from classifier.trial import Start

BY = ("fold", "line", "date")

app = typer.Typer(add_completion=False)


def parts(clips: Sequence[Clip], by: str, n_folds: int) -> dict[str, np.ndarray]:
    """Name -> (N,) bool, the clips held out together."""
    if by not in BY:
        raise InputError(f"--by {by}; wanted {', '.join(BY)}")
    keys = {
        "fold": lambda: folds(clips, n_folds).tolist(),
        "line": lambda: [c.name.line for c in clips],
        "date": lambda: [c.name.date or "undated" for c in clips],
    }[by]()
    return {f"{by} {k}": np.array([key == k for key in keys]) for k in sorted(set(keys))}


@dataclass(frozen=True, eq=False)
class Material:
    """All clips as a recipe wants them, read once, and the decoys cut out of them."""

    clips: list[Clip]
    films: Films
    decoys: Films | None
    sources: np.ndarray  # index of the clip that each decoy comes from


def prepared(clips: Sequence[Clip], recipe: Recipe) -> Material:
    """Read and measure the clips, and cut decoys where the recipe wants them."""
    from classifier.films import decoy_films, films
    from classifier.learn import best_device

    device = best_device()
    decoys, sources = decoy_films(clips, recipe, device) if recipe.none_share else (None, np.zeros(0, int))
    return Material(list(clips), films(clips, recipe, device), decoys, sources)


def held_out_rows(
    material: Material, test: np.ndarray, name: str, recipe: Recipe, *, seed: int, start: Start
) -> pd.DataFrame:
    """Train on all fields that are not in `test`, and tell of those that are."""
    from classifier.trial import learn, learn_forest, tell, tell_forest

    clips, decoys, sources = material.clips, material.decoys, material.sources
    tested = {c.field for c, t in zip(clips, test, strict=True) if t}
    seen = np.array([c.field not in tested for c in clips])
    shown, tried = material.films.some(seen), material.films.some(test)
    own = decoys.some(seen[sources]) if decoys is not None else None
    model, _ = learn(name, shown, own, recipe, seed=seed, start=start, progress=_progress)
    said = tell(model, tried)
    trees = {}
    if recipe.forest:
        forest = learn_forest(shown.measures.cpu().numpy(), shown.labels, recipe, seed=seed)
        trees = tell_forest(forest, tried.measures.cpu().numpy())
    unseen = [c for c, t in zip(clips, test, strict=True) if t]
    tables = [_table(unseen, c, p, recipe, trees.get(c)) for c, p in said.items()]
    if decoys is not None and test[sources].any():
        others = [clips[i] for i in sources[test[sources]]]
        p = tell(model, decoys.some(test[sources]))["both"]
        tables.append(_table(others, DECOY, p, recipe, None))
    return _joined(tables)


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
            **{f"p_{k}": by_class.get(k, np.zeros(len(p))) for k in ("normal", "abnormal", "none")},
            "p_forest": np.full(len(p), np.nan) if forest is None else forest,
        }
    )


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    columns = {c: np.concatenate([t[c].to_numpy() for t in tables]) for c in tables[0].columns}
    return pd.DataFrame(columns)


def claim(out: Path, identity: dict[str, str | None]) -> None:
    """Make the folder, and write down what its parts depend on.

    Raises:
        InputError: it holds parts that depend on something else.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "settings.json"
    if not path.exists():
        path.write_text(json.dumps(identity, indent=1))
    elif json.loads(path.read_text()) != identity:
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
    by: Annotated[str, typer.Option(help="What is held out together: fold, line or date.")] = "fold",
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds that fields are dealt into.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How often, each time from another seed.")] = 3,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most so many; by default the recipe's.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Cross-validate, field by field; started again on the same folder, it goes on where it stopped."""
    import pandas as pd

    from classifier.pretrained import arrays, fetch
    from classifier.recipes import recipe
    from classifier.trial import Start

    with one_line_errors(debug=debug):
        found = find_clips(clips)
        plan = recipe(model, pretrained=pretrained is not None).shortened(epochs, None)
        weights = arrays(fetch(pretrained)) if pretrained else None
        identity = {"model": model, "recipe": repr(plan), "data": data_hash(found), "pretrained": pretrained}
        claim(out, identity)
        typer.echo(f"reading {len(found)} clips ...")
        material = prepared(found, plan)
        tables = []
        for seed in range(seeds):
            for name, test in parts(found, by, n_folds).items():
                path = out / f"{name.replace(' ', '_')}_of_{n_folds}_seed_{seed}.csv"
                if not path.exists():
                    typer.echo(f"{name}, seed {seed}: {test.sum()} clips held out")
                    start = Start(weights, path.with_suffix(".pt"), identity | {"part": path.stem})
                    rows = held_out_rows(material, test, model, plan, seed=seed, start=start)
                    rows.insert(0, "seed", seed)
                    rows.insert(0, "held_out", name)
                    rows.to_csv(path, index=False, float_format="%.5f")
                    path.with_suffix(".pt").unlink(missing_ok=True)
                tables.append(pd.read_csv(path, dtype={"held_out": str}))
        table = _joined(tables)[list(COLUMNS)]
        table.to_csv(out / "out_of_fold.csv", index=False, float_format="%.5f")
        typer.echo(f"-> {out / 'out_of_fold.csv'}")


if __name__ == "__main__":
    app()
