"""The truth about reading Keras models: small StarDist2D models, and what they say of an image.

    PYTHONPATH=. STARDIST_PYTHON benchmarks/keras_models.py tests/fixtures/stardist

STARDIST_PYTHON is that of an environment of its own, with tensorflow, tf_keras and stardist. Each model is
trained for a minute or two on simulated nuclei, by Keras 3 or, where its name says so, by Keras 2. Beside its
files lies `truth.npz`: an image of raw grey levels and the model's answer, normalised as StarDist's users do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STEP = 3  # of the distances, every third in both directions is kept


@dataclass(frozen=True)
class Recipe:
    """A model to make."""

    config: dict[str, Any]
    shape: tuple[int, int] = (90, 107)  # of the image; no multiple of anything, so that it must be padded
    keras: int = 3
    own_layout: bool = False  # Keras 3's, in place of the one that the stardist package keeps to
    after_others: bool = False  # built after another model, so that its layers count on from there
    training: dict[str, Any] = field(default_factory=dict)


def small(grid: int, depth: int, filters: int = 4, **more: Any) -> dict[str, Any]:
    """StarDist's defaults, but for the size."""
    return {
        "grid": (grid, grid), "unet_n_depth": depth, "unet_n_filter_base": filters, "n_rays": 16,
        "net_conv_after_unet": 16, **more,
    }  # fmt: skip


RECIPES = {
    "grid1": Recipe(small(1, 2, n_rays=32), shape=(62, 77)),
    "grid2": Recipe(small(2, 3), after_others=True),
    "grid4": Recipe(small(4, 1, filters=8)),
    "grid2_keras2": Recipe(small(2, 2, unet_batch_norm=True), keras=2, after_others=True),
    "batch_norm_own_layout": Recipe(small(2, 1, unet_batch_norm=True, n_classes=2), own_layout=True),
    "no_features": Recipe(
        small(
            2, 2, filters=6, net_conv_after_unet=0, unet_dropout=0.05, unet_activation="elu",
            unet_last_activation="elu",
        )
    ),
    "kernel5": Recipe(small(2, 1, filters=6, unet_kernel_size=(5, 5), unet_n_conv_per_depth=3)),
    "channels3": Recipe(small(2, 2, n_channel_in=3, unet_n_conv_per_depth=1, unet_last_activation="linear")),
    "classes": Recipe(small(2, 2, n_classes=2, unet_last_activation="tanh")),
}  # fmt: skip
STANDARD = Recipe(
    {"grid": (2, 2)}, shape=(250, 301), training={"n": 40, "epochs": 6, "steps": 25, "patch": 128}
)


def field_of(seed: int, shape: tuple[int, int], channels: int) -> tuple[np.ndarray, np.ndarray]:
    """An 8-bit image (Y, X) or (Y, X, C) of simulated nuclei, and its masks (Y, X)."""
    from lineage.simulate.nuclei import nucleus_field

    rng = np.random.default_rng(seed)
    side = max(shape)
    image, mask = nucleus_field(rng, size=side, n_nuclei=max(4, round(90 * (side / 256) ** 2)))
    image, mask = image[: shape[0], : shape[1]], mask[: shape[0], : shape[1]]
    if channels > 1:
        tint = rng.uniform(0.4, 1.0, channels)
        image = image[..., None] * tint + rng.normal(0, 0.7, (*shape, channels))
    return np.clip(np.round(2 * image), 0, 255).astype(np.uint8), mask


def make(recipe: Recipe, folder: Path) -> None:
    """Build, train and save one model in this process, and write what it says of an image it has not seen."""
    from csbdeep.utils import normalize
    from stardist.models import Config2D, StarDist2D

    how = {"n": 24, "epochs": 8, "steps": 60, "patch": 96} | recipe.training
    channels = recipe.config.get("n_channel_in", 1)
    side = how["patch"] + 32
    fields = [field_of(seed, (side, side), channels) for seed in range(how["n"])]
    images = [normalize(image, 1, 99.8, axis=(0, 1)) for image, _ in fields]
    masks = [mask.astype(np.int32) for _, mask in fields]
    n_held = how["n"] // 6
    if recipe.after_others:
        StarDist2D(Config2D(grid=(4, 4)), name=None, basedir=None)
    config = Config2D(
        **recipe.config, train_patch_size=(how["patch"],) * 2, train_learning_rate=2e-3,
        train_batch_size=4, train_tensorboard=False,
    )  # fmt: skip
    model = StarDist2D(config, name=folder.name, basedir=str(folder.parent))
    classes = [dict.fromkeys(range(1, mask.max() + 1), 1) for mask in masks] if config.n_classes else None
    parts = (images, masks, classes) if classes else (images, masks)
    held, seen = [part[:n_held] for part in parts], [part[n_held:] for part in parts]
    model.train(
        *seen[:2], validation_data=tuple(held), classes=seen[2] if classes else "auto", seed=0,
        epochs=how["epochs"], steps_per_epoch=how["steps"],
    )  # fmt: skip
    model.optimize_thresholds(*held[:2])
    if recipe.own_layout:
        model.keras_model.save_weights(str(folder / "weights_best.weights.h5"))
        (folder / "weights_best.h5").unlink()
    (folder / "weights_last.h5").unlink(missing_ok=True)
    (folder / "weights_now.h5").unlink(missing_ok=True)

    model = StarDist2D(None, name=folder.name, basedir=str(folder.parent))
    image, mask = field_of(1000, recipe.shape, channels)
    ready = normalize(image, 1, 99.8, axis=(0, 1))
    prob, dist = model.predict(ready)[:2]
    labels, details = model.predict_instances(ready)
    np.savez_compressed(
        folder / "truth.npz", image=image, prob=prob, dist=dist[::STEP, ::STEP], step=STEP,
        labels=labels.astype(np.uint16), scores=details["prob"],
    )  # fmt: skip
    print(f"{folder.name}: {labels.max()} objects found of {mask.max()}", flush=True)


def main() -> None:
    """Make each model that is not there yet, in a process of its own, with the Keras that it wants."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", choices=[*RECIPES, "standard"], help="this one alone, in this process")
    args = parser.parse_args()
    if args.only:
        make(STANDARD if args.only == "standard" else RECIPES[args.only], args.out / args.only)
        return
    missing = {
        name: recipe for name, recipe in RECIPES.items() if not (args.out / name / "truth.npz").exists()
    }
    for name, recipe in missing.items():
        variables = os.environ | {"TF_USE_LEGACY_KERAS": str(int(recipe.keras == 2))}
        subprocess.run([sys.executable, __file__, str(args.out), "--only", name], check=True, env=variables)


if __name__ == "__main__":
    main()
