"""Simulated movies -> `lineage/tracking/likelihoods.json`: `python benchmarks/fit_likelihoods.py OUT`.

Eight movies of a day (two lines, four doses) are simulated in OUT and segmented as `lineage.run` would; what
is there is not made again. Eight longer ones are simulated as nuclei alone, with a
segmentation's mistakes: they hold more of what is rare. Every nucleus, and every hypothesis about the
tracklets, is told from the truth, and a logistic regression is fitted for each question, with intensities and
for masks alone. Figures are printed for the movies of 2 Gy, left out; what is written is fitted on all. None
of these movies is tested on elsewhere. Takes about half an hour.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from samples import imagined, movie_settings, read_sample, run_of, true_states
from true_hypotheses import attempted, considered

from lineage.progress import Screen
from lineage.simulate.settings import CellLine
from lineage.tracking import likelihoods, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from samples import Sample

    from lineage.schema import Hypothesis

DOSES_GY = (12, 6, 2, 8)
IMAGINED_GY = (10, 5, 2, 1)
HELD_OUT_GY = 2
# Real nuclei vary more than simulated ones, and a movie's reference may be off. So states are fitted on a
# second copy of each nucleus as well, changed for each cell by these spreads of the logarithm.
VARIED = {"area_um2": 0.35, "condensation": 0.3, "rounding": 0.4, "texture": 0.5}
STATE, STATE_WITHOUT_PHASE = "state", "state_without_phase"

Answers = tuple[pd.DataFrame, np.ndarray, np.ndarray]
"""Features (N, F), what is true (N,), and whether it is left out of the trial (N,) bool."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A sample's nuclei as a run of one kind would measure them, in order of frame and place."""

    sample: Sample
    nuclei: pd.DataFrame
    cell: np.ndarray  # (N,) label of the true track; 0 where there is nothing

    @classmethod
    def of(cls, sample: Sample, kind: str) -> Measured:
        """Of masks alone the area stands for the DNA, and there is no texture."""
        nuclei = as_masks(sample.nuclei) if kind == likelihoods.MASKS else sample.nuclei
        nuclei = nuclei.assign(cell=sample.cell).sort_values(["frame", "y_um", "x_um"], ignore_index=True)
        cell = nuclei.pop("cell").to_numpy()
        return cls(sample, nuclei.assign(condensation=state.condensation(nuclei)), cell)

    def held_out(self, n: int) -> np.ndarray:
        """(n,) bool, all the same."""
        return np.full(n, self.sample.settings.dose_gy == HELD_OUT_GY)

    def with_states(self) -> tuple[Sample, pd.DataFrame, np.ndarray]:
        """The sample, its nuclei with their states as the likelihoods now say, and each one's true track."""
        table = state.estimate(self.nuclei.assign(detection_id=np.arange(len(self.nuclei))))
        return self.sample, table, self.cell[table["detection_id"].to_numpy()]


def as_masks(nuclei: pd.DataFrame) -> pd.DataFrame:
    """As a run of masks alone would measure these nuclei."""
    return nuclei.assign(dna_mass=nuclei["area_um2"], mean_intensity=1.0, texture=0.0, rounding=np.nan)


def varied(nuclei: pd.DataFrame, cell: np.ndarray) -> pd.DataFrame:
    """The nuclei as if each cell were larger, denser and rounder than it is, or less so."""
    rng = np.random.default_rng(len(nuclei))
    factor = {c: np.exp(spread * rng.standard_normal(cell.max() + 1))[cell] for c, spread in VARIED.items()}
    return nuclei.assign(**{c: nuclei[c] * f for c, f in factor.items()})


# --- One question


def fit(x: pd.DataFrame, y: np.ndarray) -> dict[str, Any]:
    """A logistic regression as `likelihoods.json` holds it."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = x.mean(), x.std().replace(0, 1).fillna(1)
    mean = mean.fillna(0)
    z = ((x - mean) / spread).fillna(0).clip(-6, 6).to_numpy()
    model = LogisticRegression(C=1.0, max_iter=2000).fit(z, y)
    classes = [str(c) for c in model.classes_] if len(model.classes_) > 2 else ["true"]
    return {
        "classes": classes,
        "offset": np.round(model.intercept_, 4).tolist(),
        "features": {
            name: {
                "mean": round(float(mean[name]), 5),
                "spread": round(float(spread[name]), 5),
                "weights": np.round(model.coef_[:, k], 4).tolist(),
            }
            for k, name in enumerate(x.columns)
        },
        "fitted_on": {str(c): int((y == c).sum()) for c in np.unique(y)},
    }


def joined(answers: Sequence[Answers]) -> Answers:
    """Of all samples; a feature that does not vary tells nothing and goes."""
    x = pd.concat([x for x, _, _ in answers], ignore_index=True)
    y, out = (np.concatenate([one[k] for one in answers]) for k in (1, 2))
    return x.loc[:, x.std() > 1e-6], y, out


def fit_yes_or_no(question: str, answers: Sequence[Answers]) -> dict[str, Any]:
    """Print what it comes to on the samples left out; the model is fitted on all."""
    from sklearn.metrics import roc_auc_score

    x, y, out = joined(answers)
    trial = likelihoods._model(fit(x[~out], y[~out]))
    odds = trial.log_odds({k: x[out][k].to_numpy() for k in x})
    auc = roc_auc_score(y[out], odds) if 0 < y[out].sum() < out.sum() else float("nan")
    print(
        f"{question}: {y.sum()} true of {len(y)}; held out {y[out].sum()} of {out.sum()}: AUC {auc:.4f}, "
        f"at 0: right {(odds[y[out]] > 0).mean():.3f}, false {(odds[~y[out]] > 0).sum()}",
        flush=True,
    )
    return fit(x, y)


def fit_state(kind: str, name: str, measured: Sequence[Measured]) -> dict[str, Any]:
    """The states of nuclei; what is printed are the nuclei left out as they are, not varied."""
    with_phase = name == STATE and kind == likelihoods.INTENSITIES
    answers, as_they_are = [], []
    for m in measured:
        if with_phase and m.nuclei["rounding"].isna().all():
            continue
        true = true_states(m.sample, m.nuclei, m.cell)
        known = true != ""
        for copy, nuclei in enumerate((m.nuclei, varied(m.nuclei, m.cell))):
            answers.append(
                (pd.DataFrame(state.features(nuclei))[known], true[known], m.held_out(known.sum()))
            )
            as_they_are.append(np.full(known.sum(), copy == 0))
    x, y, out = joined(answers)
    if name == STATE_WITHOUT_PHASE:
        x = x.drop(columns=["rounding", "dense_rounding"], errors="ignore")
    trial = likelihoods._model(fit(x[~out], y[~out]))
    shown = out & np.concatenate(as_they_are)
    p = trial.probabilities({k: x[shown][k].to_numpy() for k in x})
    said = np.array(trial.classes)[p.argmax(axis=1)]
    print(kind, name, pd.crosstab(y[shown], said).to_string(), sep="\n")
    return fit(x, y)


# --- All questions


def fit_kind(kind: str, samples: Sequence[Sample]) -> None:
    """Fit the states; by them what may have happened to tracklets; by both the episodes."""
    measured = [Measured.of(s, kind) for s in samples]
    write(kind, {name: fit_state(kind, name, measured) for name in (STATE, STATE_WITHOUT_PHASE)})
    told = [m.with_states() for m in measured]

    hypotheses: dict[Hypothesis, list[Answers]] = {}
    for m, nuclei in zip(measured, told, strict=True):
        for c, true in considered(*nuclei):
            answers = pd.DataFrame(dict(c.features)), true, m.held_out(len(true))
            hypotheses.setdefault(c.kind, []).append(answers)
    write(kind, {h.value: fit_yes_or_no(f"{kind} {h}", answers) for h, answers in hypotheses.items()})

    mitoses, deaths = [], []
    for m, nuclei in zip(measured, told, strict=True):
        x, is_mitosis, is_death = attempted(*nuclei)
        mitoses.append((x, is_mitosis, m.held_out(len(x))))
        deaths.append((x, is_death, m.held_out(len(x))))
    episodes = {"episode": mitoses, "episode_death": deaths}
    write(kind, {name: fit_yes_or_no(f"{kind} {name}", answers) for name, answers in episodes.items()})


def write(kind: str, models: dict[str, Any]) -> None:
    """Put the models into `likelihoods.json`, a feature a line, where what is fitted next reads them."""
    told = json.loads(likelihoods.PATH.read_text()) if likelihoods.PATH.exists() else {}
    text = json.dumps({**told, kind: {**told.get(kind, {}), **models}}, indent=1)
    text = re.sub(
        r"\{\s+\"mean\": ([^{}]*?)\}", lambda m: '{"mean": ' + re.sub(r"\s+", " ", m[1]).strip() + "}", text
    )
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
    likelihoods.PATH.write_text(text + "\n")
    likelihoods._file.cache_clear()


def main() -> None:
    """Simulate, segment, fit, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--only-there", action="store_true", help="only movies that are segmented already")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    for dose in DOSES_GY:
        for line in CellLine:
            movie = args.out / f"{line}_{dose}Gy.tif"
            if args.only_there and not (run_of(movie) / "stages" / "nuclei.npz").exists():
                continue
            samples.append(read_sample(movie, movie_settings(line, dose), Screen()))
    samples += [imagined(line, dose) for dose in IMAGINED_GY for line in CellLine]
    for kind in (likelihoods.INTENSITIES, likelihoods.MASKS):
        fit_kind(kind, samples)


if __name__ == "__main__":
    main()
