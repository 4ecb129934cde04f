"""Judged clips -> one HTML page: figures, curves, the worst mistakes as film strips."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from classifier.figures import curves, figures, intervals, reliability, within
from classifier.model import VOLUME
from classifier.pixels import DNA, PHASE, by_percentiles, pixel_size, read_clip, resample
from classifier.saliency import weighed
from lineage.schema import MitosisClass, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from classifier.data import Clip
    from classifier.evaluate import Judged
    from classifier.predict import Classifier

WORST = 12  # mistakes shown
FRAME_PX = 96


def write(judged: Judged, classifier: Classifier, path: Path, *, unseen: bool) -> None:
    """Write the page; `unseen`: the verdicts come from networks that had not seen the clips."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    truth, p = judged.abnormal, judged.p
    environment = Environment(
        loader=PackageLoader("classifier"), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    html = environment.get_template("evaluation.html.j2").render(
        unseen=unseen,
        total=figures(truth, p),
        spread=intervals(truth, p, judged.fields),
        groups={**judged.by(judged.lines), **{f"{k} Gy": v for k, v in judged.by(judged.doses_gy).items()}},
        within_dose=within(truth, p, judged.doses_gy),
        confusion=confusion(judged),
        curves=picture(drawn(truth, p)),
        mistakes=[mistake(judged.clips[i], p[i], classifier) for i in worst(judged)],
    )
    path.write_text(html)


def confusion(judged: Judged) -> dict[str, dict[str, int]]:
    """Expert's label -> verdict -> clips."""
    words = [verdict(a, b) for a, b in zip(judged.p, judged.none, strict=True)]
    return {
        label.value: {
            word.value: sum(w == word and c.label == label for w, c in zip(words, judged.clips, strict=True))
            for word in (MitosisClass.NORMAL, MitosisClass.ABNORMAL, MitosisClass.NONE)
        }
        for label in (MitosisClass.NORMAL, MitosisClass.ABNORMAL)
    }


def worst(judged: Judged) -> list[int]:
    """Indices of the mistakes, the surest first."""
    error = np.abs(judged.abnormal - judged.p)
    return [int(i) for i in np.argsort(-error, kind="stable")[:WORST] if error[i] > 0.5]


def mistake(clip: Clip, p: float, classifier: Classifier) -> dict[str, str]:
    """What the page says of one clip."""
    pixels = read_clip(clip.path)
    if classifier.card.model == VOLUME:  # it has no maps of single frames
        shares, heat = np.zeros(len(pixels)), np.zeros((len(pixels), FRAME_PX, FRAME_PX))
    else:
        shares, heat = weighed(classifier, pixels, pixel_size(clip.path))
    return {
        "name": clip.path.name,
        "label": clip.label.value,
        "p": f"{p:.2f}",
        "line": f"{clip.name.line}, {clip.name.dose_gy:g} Gy",
        "frames": ", ".join(str(t) for t in np.sort(np.argsort(-shares)[:3])),
        "strip": image(strip(pixels, heat)),
    }


def strip(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(12, 2, H, W) and (12, S, S) -> (3 * 96, 12 * 96, 3) uint8: phase, DNA, what weighed on DNA."""
    film = by_percentiles(resample(pixels, (FRAME_PX, FRAME_PX)))
    phase = np.clip(film[:, PHASE] / 3 + 0.5, 0, 1)
    dna = np.clip(film[:, DNA], 0, 1)
    warm = resample(heat[:, None], (FRAME_PX, FRAME_PX))[:, 0]
    rows = [
        np.stack([phase] * 3, -1),
        np.stack([dna] * 3, -1),
        np.stack([np.maximum(dna, warm), dna, dna * (1 - warm)], -1),
    ]
    return (255 * np.concatenate([np.concatenate(list(r), axis=1) for r in rows])).astype(np.uint8)


def image(rgb: np.ndarray) -> str:
    """(H, W, 3) uint8 -> a data address."""
    from imagecodecs import jpeg8_encode

    jpeg = jpeg8_encode(np.ascontiguousarray(rgb), level=85)
    return "data:image/jpeg;base64," + b64encode(jpeg).decode()


def drawn(abnormal: np.ndarray, p: np.ndarray) -> Figure:
    """ROC, precision over recall, calibration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    roc, pr, calibration = figure.subplots(1, 3)
    found = curves(abnormal, p)
    roc.plot(found["false"], found["recall"])
    roc.plot([0, 1], [0, 1], color="0.8")
    roc.set(xlabel="normal called abnormal", ylabel="recall", title="ROC")
    pr.plot(found["recall"], found["precision"])
    pr.axhline(abnormal.mean(), color="0.8")
    pr.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="Precision and recall")
    said, so, clips = np.array(reliability(abnormal, p)).T
    calibration.plot([0, 1], [0, 1], color="0.8")
    calibration.scatter(said, so, s=4 + 2 * clips)
    calibration.set(
        xlabel="p_abnormal", ylabel="share abnormal", title="Calibration", xlim=(0, 1), ylim=(0, 1)
    )
    return figure


def picture(figure: Figure) -> str:
    """A figure -> a data address."""
    png = BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return "data:image/png;base64," + b64encode(png.getvalue()).decode()
