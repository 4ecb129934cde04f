"""The classifier on clips that it has not seen: `python benchmarks/classifier_figures.py CLIPS`.

TABLE is what `classifier.crossvalidate` wrote, by fold, line and date together.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifier.calibrate import Calibration, cross_fitted, fit
from classifier.crossvalidate import CLIP
from classifier.data import find_clips, folds
from classifier.evaluate import ClassifiedClips
from classifier.figures import auc_within, calibration_error, figures, intervals
from classifier.out_of_fold import DECOY, calibrated_predictions, fit_none, mean_predictions, read
from classifier.pixels import read_clip
from classifier.trial import SHIFTS
from lineage.schema import p_abnormal

if TYPE_CHECKING:
    import pandas as pd

TABLE = Path(__file__).parent / "classifier" / "out_of_fold.csv.gz"
BORDER_PX = 6
PAPER_SHARE = 0.5  # of abnormal clips among the paper's test clips
SUSPICIOUS = 0.9  # so sure of the other class that the strip was looked at
# The label is normal, and in the strip the daughters come together again.
LOOK_WRONG = (
    "N_160930.nd2_PC3_8Gy_p3_540_551.tif",
    "N_160930.nd2_U251c_8Gy_p1_164_175.tif",
    "N_160930.nd2_U251c_8Gy_p1_299_310.tif",
)


def f1_at(abnormal: np.ndarray, p: np.ndarray, share: float) -> float:
    """F1 if so large a share of the clips were abnormal, at the same recall and false alarms.

    >>> float(f1_at(np.array([True, False]), np.array([0.9, 0.1]), 0.5))
    1.0
    """
    called = p >= 0.5
    recall, false = called[abnormal].mean(), called[~abnormal].mean()
    precision = share * recall / max(share * recall + (1 - share) * false, 1e-12)
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def row(name: str, abnormal: np.ndarray, p: np.ndarray, fields: list[str] | None = None) -> None:
    """Print one line, with intervals where fields are given."""
    found = figures(abnormal, p)
    text = f"{name:34s} {len(p):4d} " + " ".join(
        f"{found[k]:.3f}" for k in ("accuracy", "precision", "recall")
    )
    between = intervals(abnormal, p, fields) if fields else {}
    for key in ("f1", "auc"):
        span = " [{:.3f}, {:.3f}]".format(*between[key]) if fields else ""
        text += f" {found[key]:.3f}{span}"
    print(text)


def by_regression(x: np.ndarray, abnormal: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(N,) out-of-fold p of extremely randomised trees: a baseline."""
    from sklearn.ensemble import ExtraTreesClassifier

    p = np.zeros(len(x))
    for k in np.unique(fold):
        trees = ExtraTreesClassifier(300, min_samples_leaf=5, class_weight="balanced", random_state=0)
        p[fold == k] = trees.fit(x[fold != k], abnormal[fold != k]).predict_proba(x[fold == k])[:, 1]
    return p


def border(pixels: np.ndarray) -> np.ndarray:
    """What lies within 6 px of the edge: moments of both channels, and how much they change."""
    edge = np.ones(pixels.shape[-2:], bool)
    edge[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
    rim = pixels[:, :, edge]  # (12, 2, n)
    change = np.abs(np.diff(rim, axis=0)).mean((0, 2))
    return np.concatenate(
        [np.percentile(rim, (1, 25, 50, 75, 99), axis=(0, 2)).ravel(), rim.std((0, 2)), change]
    )


def shipped(judged: ClassifiedClips) -> None:
    """What the bundled file does, by line and by dose."""
    truth, p, fields = judged.abnormal, judged.p, judged.fields
    row("shipped", truth, p, fields)
    for name in np.unique(judged.lines):
        ours = judged.lines == name
        row(f"  {name}", truth[ours], p[ours], [f for f, o in zip(fields, ours, strict=True) if o])
    for dose in np.unique(judged.doses_gy):
        row(f"  {dose:g} Gy", truth[judged.doses_gy == dose], p[judged.doses_gy == dose])
    print(f"AUC within dose {auc_within(truth, p, judged.doses_gy):.3f}")
    print(f"calibration error {calibration_error(truth, p):.3f}")
    print(f"F1 at {PAPER_SHARE:.0%} abnormal {f1_at(truth, p, PAPER_SHARE):.3f}")


def parts(judged: ClassifiedClips, table: pd.DataFrame) -> None:
    """Each seed alone, networks alone, the forest alone."""
    truth, fields, heard = judged.abnormal, judged.fields, mean_predictions(table, judged.clips)
    print("one network a fold, each seed alone, with the forest")
    seeds = sorted(table["seed"].unique())
    each = [figures(truth, calibrated_predictions(table, judged.clips, seeds=[s])[0]) for s in seeds]
    for key in ("accuracy", "f1", "auc"):
        values = [f[key] for f in each]
        told = ", ".join(f"{v:.3f}" for v in values)
        print(f"  {key} {np.mean(values):.3f} +- {np.std(values):.3f}: {told}")
    fold = heard["held_out"].to_numpy()
    row("three networks, no forest", truth, cross_fitted(truth, fold, heard["network"].to_numpy()), fields)
    row("forest alone", truth, cross_fitted(truth, fold, heard["forest"].to_numpy()), fields)


def other_conditions(judged: ClassifiedClips, table: pd.DataFrame) -> None:
    """One channel, or the separation at another frame."""
    truth, clips = judged.abnormal, judged.clips
    heard = mean_predictions(table, clips)
    by = fit(truth, heard["network"].to_numpy(), heard["forest"].to_numpy())
    print("other conditions, by the calibration of the whole")
    there = set(table["condition"])
    for name in (c for c in ("dna_only", "phase_only", *(f"shift{s:+d}" for s in SHIFTS)) if c in there):
        said = mean_predictions(table, clips, name)
        forest = said["forest"].to_numpy()
        deaf = bool(np.isnan(forest).all())
        by_these = fit(truth, said["network"].to_numpy()) if deaf else by
        moved = by_these.calibrated(said["network"].to_numpy(), None if deaf else forest)
        row(f"  {name}", truth, moved)
        same = ((moved >= 0.5) == (judged.p >= 0.5)).mean()
        print(f"{'':34s}      same verdict as unmoved {same:.3f}")


def strangers(judged: ClassifiedClips, table: pd.DataFrame) -> None:
    """Lines and dates that the classifier was trained without."""
    print("trained without a line, a date, or clips at random, uncalibrated, one seed")
    label = {clip.path.name: t for clip, t in zip(judged.clips, judged.abnormal, strict=True)}
    # Clips at random, of whose fields others were learned from, are one row.
    parts = table["held_out"].where(~table["held_out"].str.startswith(CLIP), "clips at random")
    for name in sorted(h for h in parts.unique() if not h.startswith("fold")):
        rows = table[(parts == name) & (table["condition"] == "both") & (table["seed"] == 0)]
        network = p_abnormal(rows[["p_normal", "p_abnormal"]].to_numpy(), ("normal", "abnormal"))
        said = Calibration(0.5, 0.5).calibrated(network, rows["p_forest"].to_numpy())
        row(f"  {name}", np.array([label[c] for c in rows["clip"]]), said)


def baselines(judged: ClassifiedClips) -> None:
    """What is told by things that are no mitosis."""
    print("baselines")
    truth, fields, k = judged.abnormal, judged.fields, folds(judged.clips, 5)
    pixels = [read_clip(clip.path) for clip in judged.clips]
    for name, x in (
        ("dose", judged.doses_gy[:, None]),
        ("side of the clip", np.array([[x.shape[-1]] for x in pixels])),
        ("a border of 6 px", np.array([border(x) for x in pixels])),
    ):
        row(f"  {name} alone", truth, by_regression(x, truth, k), fields)


def rejected(judged: ClassifiedClips, table: pd.DataFrame) -> None:
    """How many decoys, and how many clips, are called no mitosis."""
    decoys = table[(table["condition"] == DECOY) & table["held_out"].str.startswith("fold")]
    said, calibration = decoys["p_none"].to_numpy(), fit_none(table)
    none = said if calibration is None else calibration.calibrated(said)
    print(f"none: called so {(none >= 0.5).mean():.3f} of {len(decoys) // 3} decoys,")
    for name, ours in (("normal", ~judged.abnormal), ("abnormal", judged.abnormal)):
        print(f"      {(judged.none[ours] >= 0.5).mean():.3f} of {name} clips")


def doubtful_labels(judged: ClassifiedClips) -> None:
    """The figures without labels that look wrong; clips whose label is most surely contradicted."""
    truth, p = judged.abnormal, judged.p
    wrong = np.array([clip.path.name in LOOK_WRONG for clip in judged.clips])
    row(f"without the {wrong.sum()} labels that look wrong", truth[~wrong], p[~wrong])
    odd = np.where(truth, 1 - p, p) > SUSPICIOUS
    row(f"without {odd.sum()} surest mistakes", truth[~odd], p[~odd])
    mistaken = [(clip, said) for clip, said, is_odd in zip(judged.clips, p, odd, strict=True) if is_odd]
    for clip, said in sorted(mistaken, key=lambda c: c[0].path.name):
        print(f"  {clip.label.value:9s} p_abnormal {said:.2f}  {clip.path.name}")


def main() -> None:
    """Read, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--table", type=Path, default=TABLE)
    args = parser.parse_args()
    clips, table = find_clips(args.clips), read(args.table)
    judged = ClassifiedClips(clips, *calibrated_predictions(table, clips))
    print(f"{'':34s}    n acc. prec. recall F1 AUC")
    shipped(judged)
    parts(judged, table)
    other_conditions(judged, table)
    strangers(judged, table)
    baselines(judged)
    rejected(judged, table)
    doubtful_labels(judged)


if __name__ == "__main__":
    main()
