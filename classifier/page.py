"""Labelled clips with predictions -> one HTML page: figures, curves, the worst mistakes as film strips."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from classifier.data import CLASS_FOLDERS, CLASSES
from classifier.figures import auc_within, figures, intervals, reliability, threshold_curves
from classifier.model import VOLUME
from classifier.pixels import DNA, PHASE, by_percentiles, pixel_size, read_clip, resample
from classifier.saliency import saliency
from lineage.schema import mitosis_class

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from classifier.data import Clip
    from classifier.evaluate import ClassifiedClips
    from classifier.predict import Classifier

WORST = 12  # mistakes shown
FRAME_PX = 96


def write(classified: ClassifiedClips, classifier: Classifier, path: Path, *, unseen: bool) -> None:
    """Write the page.

    Args:
        classified: labelled clips with predictions.
        classifier: whose first network the maps of the mistakes come from.
        path: replaced if it is there.
        unseen: whether the predictions come from networks that were not trained on the clips.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    truth, p = classified.abnormal, classified.p
    environment = Environment(
        loader=PackageLoader("classifier"), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    html = environment.get_template("evaluation.html.j2").render(
        unseen=unseen,
        total=figures(truth, p),
        spread=intervals(truth, p, classified.fields),
        groups={
            **classified.by(classified.lines),
            **{f"{k} Gy": v for k, v in classified.by(classified.doses_gy).items()},
        },
        within_dose=auc_within(truth, p, classified.doses_gy),
        confusion=confusion(classified),
        curves=png_address(curves(truth, p)),
        mistakes=[
            describe_mistake(classified.clips[i], p[i], classifier) for i in worst_mistakes(classified)
        ],
    )
    path.write_text(html, encoding="utf-8")


def confusion(classified: ClassifiedClips) -> dict[str, dict[str, int]]:
    """Expert's label -> predicted class -> number of clips."""
    predicted = [mitosis_class(a, b) for a, b in zip(classified.p, classified.none, strict=True)]
    return {
        label.value: {
            name.value: sum(
                q == name and c.label == label for q, c in zip(predicted, classified.clips, strict=True)
            )
            for name in CLASSES
        }
        for label in CLASS_FOLDERS.values()
    }


def worst_mistakes(classified: ClassifiedClips) -> list[int]:
    """Indices of the mistakes, those of highest probability first."""
    error = np.abs(classified.abnormal - classified.p)
    return [int(i) for i in np.argsort(-error, kind="stable")[:WORST] if error[i] > 0.5]


def describe_mistake(clip: Clip, p: float, classifier: Classifier) -> dict[str, str]:
    """What the page shows of one misclassified clip.

    Args:
        clip: with its label.
        p: its predicted p(abnormal).
        classifier: whose first network the maps come from.

    Returns:
        The words of the template.
    """
    pixels = read_clip(clip.path)
    if classifier.card.model == VOLUME:  # it has no feature maps of single frames
        shares, heat = np.zeros(len(pixels)), np.zeros((len(pixels), FRAME_PX, FRAME_PX))
    else:
        shares, heat = saliency(classifier, pixels, pixel_size(clip.path))
    return {
        "name": clip.path.name,
        "label": clip.label.value,
        "p": f"{p:.2f}",
        "line": f"{clip.name.line}, {clip.name.dose_gy:g} Gy",
        "frames": ", ".join(str(t) for t in np.sort(np.argsort(-shares)[:3])),
        "strip": jpeg_address(film_strip(pixels[: len(heat)], heat)),
    }


def film_strip(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(T, 2, H, W) and (T, S, S) -> (3 * 96, T * 96, 3) uint8: phase, DNA, DNA under the map `heat`."""
    crop = by_percentiles(resample(pixels, (FRAME_PX, FRAME_PX)))
    phase = np.clip(crop[:, PHASE] / 3 + 0.5, 0, 1)
    dna = np.clip(crop[:, DNA], 0, 1)
    warm = resample(heat[:, None], (FRAME_PX, FRAME_PX))[:, 0]
    rows = [
        np.stack([phase] * 3, -1),
        np.stack([dna] * 3, -1),
        np.stack([np.maximum(dna, warm), dna, dna * (1 - warm)], -1),
    ]
    return (255 * np.concatenate([np.concatenate(list(r), axis=1) for r in rows])).astype(np.uint8)


def jpeg_address(rgb: np.ndarray) -> str:
    """(H, W, 3) uint8 -> a data address."""
    from imagecodecs import jpeg8_encode

    jpeg = jpeg8_encode(np.ascontiguousarray(rgb), level=85)
    return "data:image/jpeg;base64," + b64encode(jpeg).decode()


def curves(abnormal: np.ndarray, p: np.ndarray) -> Figure:
    """Draw ROC, precision over recall, and calibration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    roc, pr, calibration = figure.subplots(1, 3)
    found = threshold_curves(abnormal, p)
    roc.plot(found["false"], found["recall"])
    roc.plot([0, 1], [0, 1], color="0.8")
    roc.set(xlabel="normal called abnormal", ylabel="recall", title="ROC")
    pr.plot(found["recall"], found["precision"])
    pr.axhline(abnormal.mean(), color="0.8")
    pr.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="Precision and recall")
    predicted, true, clips = np.array(reliability(abnormal, p)).T
    calibration.plot([0, 1], [0, 1], color="0.8")
    calibration.scatter(predicted, true, s=4 + 2 * clips)
    calibration.set(
        xlabel="p_abnormal", ylabel="share abnormal", title="Calibration", xlim=(0, 1), ylim=(0, 1)
    )
    return figure


def png_address(figure: Figure) -> str:
    """A figure -> a data address."""
    png = BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return "data:image/png;base64," + b64encode(png.getvalue()).decode()
