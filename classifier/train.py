"""Clips -> a trained checkpoint: `python -m classifier.train CLIPS --out DIR`."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier import __version__, checkpoint
from classifier.augment import TYPICAL_SEPARATION, augment
from classifier.console import one_line_errors
from classifier.data import CLASS_FOLDERS, CLIP_PIXEL_UM, data_hash, find_clips, read_clip, resample
from classifier.evaluate import figures, fold_of, is_abnormal, judge, line
from classifier.predict import Classifier
from lineage.schema import SEPARATION_INDEX, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.data import Clip
    from classifier.model import MitosisNet

CLASSES = tuple(label.value for label in CLASS_FOLDERS.values())
LICENCE = (
    "MIT. Trained on the clips of Delgado-Rodriguez et al. 2024, Scientific Reports (CC BY 4.0): cite it. "
    "Weights that start from ImageNet derive from google-coral/test_data's MobileNetV2, Apache-2.0."
)

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Settings:
    """Everything that the result depends on beside the clips."""

    epochs: int = 24
    seed: int = 0
    hold_out_fold: int | None = None
    folds: int = 4
    pretrained: bool = False
    n_blocks: int = 17
    side_px: int = 80
    batch: int = 12
    rate: float = 1e-3  # of all but the backbone, at its highest
    backbone_rate: float = 1e-4
    head_epochs: int = 6  # at first, in which a pretrained backbone rests
    n_frozen: int = 4  # first layers of a pretrained backbone that rest throughout
    weight_decay: float = 0.05
    label_smoothing: float = 0.05  # a few expert labels look wrong
    averaging: float = 0.98  # of the weights, a step


def learning_rate(progress: float) -> float:
    """Share of the highest rate at 0..1 of the training: a twentieth of warm-up, then a cosine to 0.

    >>> learning_rate(0.0), learning_rate(0.05), round(learning_rate(1.0), 6)
    (0.0, 1.0, 0.0)
    """
    return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * max(progress - 0.05, 0) / 0.95))


def train(clips: Sequence[Clip], settings: Settings, out: Path, pretrained: Path | None) -> MitosisNet:
    """Train on all `clips`, going on from `out/state.pt` if a killed training left one.

    Equal clips, settings and threads give equal weights, however often the training was interrupted.

    Returns:
        The running average of the weights, rounded to what a checkpoint stores.

    Raises:
        InputError: `out` holds a training of other clips or settings.
    """
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Where a processor has no bfloat16, emulating it takes longer than float32.
    halved = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    torch.manual_seed(settings.seed)
    model = new_model(settings, pretrained).to(device)
    head = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True)
    optimiser = torch.optim.AdamW(
        [
            {"params": model.backbone.parameters(), "peak": settings.backbone_rate},
            {"params": head, "peak": settings.rate},
        ],
        weight_decay=settings.weight_decay,
    )
    labels = torch.tensor([CLASSES.index(clip.label) for clip in clips])
    # Full balance would call too much abnormal at the rate of abnormal mitoses that is usual.
    weights = (len(labels) / (len(CLASSES) * torch.bincount(labels, minlength=len(CLASSES)))).sqrt()
    loss_of = torch.nn.CrossEntropyLoss(weights.to(device), label_smoothing=settings.label_smoothing)
    clip_pixels = [read_clip(clip.path) for clip in clips]
    sides = [max(p.shape[-2:]) * CLIP_PIXEL_UM for p in clip_pixels]
    pixels = [resample(p, settings.side_px) for p in clip_pixels]
    separations = [TYPICAL_SEPARATION.get(clip.name.line, SEPARATION_INDEX) for clip in clips]

    # What the weights depend on; where the state was left is refused if it differs.
    identity = {"settings": asdict(settings), "data_sha256": data_hash(clips)}
    state_path = out / "state.pt"
    first = resume(state_path, identity, model, average, optimiser)
    started = time.monotonic()
    for epoch in range(first, settings.epochs):
        # Seeded anew each epoch, so that a resumed training draws what an undisturbed one would.
        torch.manual_seed(settings.seed * 10_000 + epoch)
        rng = np.random.default_rng((settings.seed, epoch))
        order = rng.permutation(len(clips))
        rests = settings.n_frozen if epoch >= settings.head_epochs else len(model.backbone.features)
        model.backbone.requires_grad_(True)
        model.backbone.features[:rests].requires_grad_(not settings.pretrained)
        model.train()
        losses = []
        for start in range(0, len(order), settings.batch):
            chosen = order[start : start + settings.batch]
            done = epoch + start / len(order)
            ramp = min(max(done - settings.head_epochs, 0), 1) if settings.pretrained else 1
            for group, share in zip(optimiser.param_groups, (ramp, 1), strict=True):
                group["lr"] = share * group["peak"] * learning_rate(done / settings.epochs)
            crops = np.stack([augment(pixels[i], separations[i], sides[i], rng) for i in chosen])
            with torch.autocast(device.type, torch.bfloat16, enabled=halved):
                logits = model(torch.from_numpy(crops).to(device))  # (B, K)
            loss = loss_of(logits.float(), labels[chosen].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            average.update_parameters(model)
            losses.append(loss.item())
        save_state(state_path, identity, epoch + 1, model, average, optimiser)
        spent = time.monotonic() - started
        left = spent / (epoch + 1 - first) * (settings.epochs - epoch - 1)
        typer.echo(
            f"epoch {epoch + 1}/{settings.epochs} loss {np.mean(losses):.4f}, {left / 60:.0f} min left"
        )
    model.load_state_dict(average.module.state_dict())
    return model.half().float().cpu().eval()


def new_model(settings: Settings, pretrained: Path | None) -> MitosisNet:
    """The network before training, its backbone from `pretrained` if given."""
    from classifier.model import MitosisNet

    model = MitosisNet(len(CLASSES), n_blocks=settings.n_blocks)
    if pretrained is not None:
        try:
            with np.load(pretrained) as arrays:
                model.backbone.load_imagenet(dict(arrays))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{pretrained}: not the MobileNetV2 weights as .npz ({error})") from error
    return model


def save_state(path: Path, identity: dict[str, Any], epoch: int, *parts: Any) -> None:
    """Model, average and optimiser after `epoch` epochs; whole or not at all."""
    import torch

    part = path.with_name(f"{path.name}.part")
    torch.save({"identity": identity, "epoch": epoch, "parts": [p.state_dict() for p in parts]}, part)
    os.replace(part, path)


def resume(path: Path, identity: dict[str, Any], *parts: Any) -> int:
    """Load a killed training's state into `parts`; how many epochs it had done, 0 if there is none.

    Raises:
        InputError: the state is of other clips or settings.
    """
    import torch

    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["identity"] != identity:
        raise InputError(f"{path.parent} holds a training of other clips or settings; give another --out")
    for part, saved in zip(parts, state["parts"], strict=True):
        part.load_state_dict(saved)
    return int(state["epoch"])


def calibration(log_odds: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    """The temperature (0.25 to 4) and offset (-3 to 3) under which the labels are likeliest.

    Args:
        log_odds: (N,) of abnormal, uncalibrated; calibrated they are `log_odds / temperature + offset`.
        abnormal: (N,) bool, the expert's label.

    Source: Platt 1999, Probabilistic outputs for support vector machines; Guo et al. 2017, On calibration
    of modern neural networks.
    """
    from scipy.optimize import minimize

    sign = np.where(abnormal, 1, -1)
    best = minimize(
        lambda q: np.logaddexp(0, -sign * (log_odds / q[0] + q[1])).mean(),
        (1, 0),
        bounds=((0.25, 4), (-3, 3)),
    )
    return {"temperature": float(best.x[0]), "offset": float(best.x[1])}


def held_out_figures(classifier: Classifier, clips: Sequence[Clip]) -> dict[str, Any]:
    """Figures on clips that the model has not seen, in all and by cell line, and their calibration."""
    truth, p = is_abnormal(clips), judge(clips, classifier)
    lines = np.array([clip.name.line for clip in clips])
    log_odds = classifier.card.temperature * (np.log(p) - np.log1p(-p) - classifier.card.offset)
    return {
        **figures(truth, p),
        "by_line": {
            name: figures(truth[lines == name], p[lines == name]) for name in np.unique(lines).tolist()
        },
        **calibration(log_odds, truth),
    }


@app.command()
def main(
    clips: Annotated[Path, typer.Argument(help="Folder with NormalMitosis/ and AbnormalMitosis/.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors and what a resumption needs.")],
    hold_out_fold: Annotated[int | None, typer.Option(min=0, help="Leave this fold out; test on it.")] = None,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds that fields are dealt into.")] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the clips.")] = Settings.epochs,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    pretrained: Annotated[Path | None, typer.Option(help="MobileNetV2's ImageNet weights, .npz.")] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint trained alike with a fold held out: its calibration and figures are taken."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Train the mitosis classifier; started again on the same folder, a killed training goes on."""
    with one_line_errors(debug=debug):
        found = find_clips(clips)
        held_out = [] if hold_out_fold is None else fold_of(found, hold_out_fold, n_folds)
        trained_on = [clip for clip in found if clip not in held_out]
        if len({clip.label for clip in trained_on}) < len(CLASSES):
            raise InputError(f"the {len(trained_on)} clips left for training lack a class; hold out less")
        settings = Settings(
            epochs=epochs,
            seed=seed,
            hold_out_fold=hold_out_fold,
            folds=n_folds,
            pretrained=pretrained is not None,
        )
        known = checkpoint.read_card(like).held_out if like else {}
        out.mkdir(parents=True, exist_ok=True)
        model = train(trained_on, settings, out, pretrained)
        card = checkpoint.Card(
            kwargs={"n_blocks": settings.n_blocks},
            classes=CLASSES,
            side_px=settings.side_px,
            temperature=known.get("temperature", 1.0),
            offset=known.get("offset", 0.0),
            training={
                **asdict(settings),
                "data_sha256": data_hash(trained_on),
                "clips": dict(Counter(clip.label.value for clip in trained_on)),
            },
            held_out=known,
            licence=LICENCE,
            version=__version__,
        )
        if held_out:
            card = replace(card, held_out=held_out_figures(Classifier(model, card, ""), held_out))
            typer.echo(line("held out", card.held_out))
        checkpoint.save(model, card, out / "model.safetensors")
        typer.echo(f"-> {out / 'model.safetensors'}")


if __name__ == "__main__":
    app()
