"""Runs whose mitoses are known -> the weights of the verdict, to be copied to `lineage/mitosis/verdict.json`.

    python benchmarks/fit_verdict.py --mosaic RUN MOSAIC.csv FOLD --simulated RUN TRUTH --out FILE
    python benchmarks/fit_verdict.py --list RUNS.csv --out FILE

`--mosaic` and `--simulated` may be given many times. RUNS.csv has the columns `kind` (mosaic or simulated),
`run`, `truth` and `group`; paths are taken from where it lies. A mosaic (`benchmarks/mosaic.py`) must have
been run with a classifier that has not seen its clips, which `classify.model` of the run names; FOLD names
the clips that the classifier did not see. A simulated movie is a group of its own unless told.

Printed is how each group's mitoses are judged by weights that the other groups were fitted on. Real and
simulated mitoses weigh equally in total. Facts that speak for abnormal have weights of 0 or more, and what is
hardly seen in the runs stays near the weights that were set by hand (PRIOR).
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from classifier.data import parse_name
from lineage.evaluate import events as matching
from lineage.evaluate import mosaic
from lineage.evaluate.inputs import read_run, read_truth
from lineage.io.files import atomic_write, read_table
from lineage.mitosis import verdict
from lineage.mitosis.event_table import events_of as events_of_table
from lineage.mitosis.subtypes import subtype
from lineage.mitosis.verdict import CLASSIFIER, FACTS, NONE
from lineage.schema import ABNORMAL_SUBTYPES, Decision, EventType, InputError, MitosisClass, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lineage.evaluate.inputs import Run
    from lineage.schema import MitosisEvent

MOSAIC, SIMULATED = "mosaic", "simulated"
NOTHING = "none"  # the class of what is no mitosis
JUDGED = (Decision.NORMAL.value, Decision.ABNORMAL.value)
FURTHER = 0.2  # weight of a mosaic's events beside the clips' mitoses as false ones: some are true
STRENGTH = 2.0  # of the penalty on the distance from PRIOR, over two
LARGEST = 6.0  # weight
# Cautious: where three daughters are tracked, half of real mitoses are abnormal, nearly all simulated ones.
HAND_SET = dict(zip(FACTS, (1.2, 1.0, 0.7, 0.8, 0.8, 1.0, 0.1, 0.2, 0.2, 2.0, 2.0), strict=True))
PRIOR = {
    "with_classifier": {"offset": 0.0, CLASSIFIER: 1.0} | HAND_SET,
    "without_classifier": {"offset": -1.0} | HAND_SET,
    "not_a_mitosis": {"offset": 0.0, NONE: 1.0},
}


@dataclass(frozen=True)
class Known:
    """A run's event of which it is known what it was."""

    kind: str  # MOSAIC or SIMULATED
    group: str
    event: MitosisEvent
    p_abnormal: float | None
    p_none: float | None
    true: str  # normal, abnormal or NOTHING
    weight: float = 1.0  # within its kind
    hardly_seen: bool = False
    line: str = ""  # of cells, of a clip's mitosis

    @property
    def is_abnormal(self) -> bool:
        """Truly."""
        return self.true == MitosisClass.ABNORMAL


@dataclass(frozen=True)
class Source:
    """A run and what is known of it."""

    kind: str
    run: Path
    truth: Path
    group: str


# --- Reading


def sources(args: argparse.Namespace) -> list[Source]:
    """Every run that was named."""
    found = [Source(MOSAIC, Path(run), Path(truth), fold) for run, truth, fold in args.mosaic]
    found += [Source(SIMULATED, Path(run), Path(truth), Path(run).stem) for run, truth in args.simulated]
    for table in args.list:
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if missing := {"kind", "run", "truth"} - set(row):
                    raise InputError(f"{table} lacks {', '.join(sorted(missing))}")
                run, truth = (table.parent / row[name] for name in ("run", "truth"))
                found.append(Source(row["kind"], run, truth, row.get("group") or run.stem))
    if strange := {s.kind for s in found} - {MOSAIC, SIMULATED}:
        raise InputError(f"{sorted(strange)[0]}: wanted mosaic or simulated")
    if not found:
        raise InputError("no run was named; wanted --mosaic, --simulated or --list")
    return found


def events_of(run: Run) -> dict[int, tuple[MitosisEvent, float | None, float | None]]:
    """event_id -> a proposed mitosis, before anything was undone, and the classifier's p_abnormal, p_none."""
    table = read_table(run.folder.predictions, text=("window",))
    classes = tuple(table.columns[2:])
    said = verdict.by_event(
        Predictions(table["event_id"].to_numpy(np.int64), table[list(classes)].to_numpy(np.float32), classes)
    )
    proposed = read_table(run.folder.proposed, text=("daughter_ids", "source"))
    return {
        e.event_id: (e, told.get("p_abnormal"), told.get("p_none"))
        for e in events_of_table(proposed, minutes_per_frame=run.minutes_per_frame)
        if e.event_type is EventType.MITOSIS
        for told in [said.get(e.event_id, {})]
    }


def of_mosaic(source: Source, run: Run) -> list[Known]:
    """The clips' mitoses, and what lies beside them, most of it nothing.

    A clip of which the run rejected every event has the rejected one that is nearest to its middle.
    """
    tiles = mosaic.read_mosaic(source.truth)
    scored = mosaic.score(run.events, tiles)
    missed = mosaic.score(run.events.assign(verdict=Decision.UNDECIDED.value), tiles[scored["event_id"] < 0])
    pairs = pd.concat([scored, missed])
    true = dict(zip(pairs["event_id"].tolist(), pairs["class"].tolist(), strict=True))
    lines = {e: parse_name(Path(c).stem).line for e, c in zip(pairs["event_id"], pairs["clip"], strict=True)}
    every = [
        Known(MOSAIC, source.group, *of_event, true.get(event_id, NOTHING), line=lines.get(event_id, ""))
        for event_id, of_event in events_of(run).items()
    ]
    return [k if k.true != NOTHING else _further(k) for k in every]


def _further(known: Known) -> Known:
    return Known(MOSAIC, known.group, known.event, known.p_abnormal, known.p_none, NOTHING, FURTHER)


def of_simulated(source: Source, run: Run) -> list[Known]:
    """Every proposal, rejected ones as well."""
    truth = read_truth(source.truth)
    if truth.events is None:
        raise InputError(f"{source.truth} does not tell of what kind its mitoses are; give a simulated truth")
    # All are proposals here, so that what was rejected finds its mitosis, too.
    found = matching.outcomes(
        truth.events, run.events.assign(verdict=Decision.UNDECIDED.value), drift_px=run.drift_px(),
        shape=run.tracked.shape[1:], pixel_size_um=run.pixel_size_um, diameter_um=run.diameter_um,
        minutes_per_frame=run.minutes_per_frame,
    )  # fmt: skip
    rows = found[found["run_event"] >= 0].set_index("run_event")
    known = []
    for event_id, of_event in events_of(run).items():
        kind, word = rows.loc[event_id, ["truth_class", "subtype"]]
        hidden = word in matching.BARELY_VISIBLE
        known.append(Known(SIMULATED, source.group, *of_event, kind or NOTHING, hardly_seen=hidden))
    return known


def read(found: Sequence[Source]) -> tuple[list[Known], dict[str, Any]]:
    """All events, and what is said of the held-out cells: their lines and interval."""
    known: list[Known] = []
    lines: dict[str, set[str]] = {MOSAIC: set(), SIMULATED: set()}
    minutes: set[float] = set()
    clean = True
    for source in found:
        run = read_run(source.run)
        minutes.add(run.minutes_per_frame)
        known += (of_mosaic if source.kind == MOSAIC else of_simulated)(source, run)
        if source.kind == SIMULATED:
            lines[SIMULATED].add(str(read_truth(source.truth).settings.get("cell_line", "unknown")))
            continue
        clips = mosaic.read_mosaic(source.truth)["clip"]
        lines[MOSAIC] |= {parse_name(Path(clip).stem).line for clip in clips}
        if not run.record["settings"]["classify"].get("model"):
            clean = False
            print(
                f"{source.run.name}: run with the bundled classifier, which has seen the clips: not held out"
            )
    kind = MOSAIC if lines[MOSAIC] else SIMULATED
    about = {
        "cells": "real" if kind == MOSAIC else "simulated",
        "lines": sorted(lines[kind]),
        "minutes_per_frame": minutes.pop() if len(minutes) == 1 else None,
    }
    return known, about | {"clean": clean}


# --- Fitting


def names_of(which: str) -> list[str]:
    """The features of one set of weights."""
    return [name for name in PRIOR[which] if name != "offset"]


def matrix(known: Sequence[Known], which: str) -> np.ndarray:
    """(N, 1 + F): ones, then the features."""
    rows = [verdict.features(k.event, k.p_abnormal, k.p_none) for k in known]
    return np.array([[1.0, *(row[name] for name in names_of(which))] for row in rows]).reshape(len(known), -1)


def shares(known: Sequence[Known]) -> np.ndarray:
    """(N,): the kinds weigh equally in total, and all as much as there are events."""
    total: Counter[str] = Counter()
    for k in known:
        total[k.kind] += k.weight
    return np.array([k.weight * len(known) / (len(total) * total[k.kind]) for k in known])


def fit(known: Sequence[Known], is_true: Sequence[bool], which: str) -> dict[str, float]:
    """The weights under which the truth is likeliest, near PRIOR where it says little."""
    from scipy.optimize import minimize

    x, weight = matrix(known, which), shares(known)
    prior = np.array([PRIOR[which][name] for name in ("offset", *names_of(which))])
    if not len(known):
        return dict(PRIOR[which])
    sign = np.where(is_true, 1.0, -1.0)

    def surprise(w: np.ndarray) -> float:
        misfit = (weight * np.logaddexp(0, -sign * (x @ w))).sum()
        return float(misfit + 0.5 * STRENGTH * ((w - prior) ** 2).sum())

    bounds = [(-LARGEST, LARGEST), *[(0.0, LARGEST)] * (len(prior) - 1)]
    best = minimize(surprise, prior, bounds=bounds).x
    return {name: round(float(w), 3) for name, w in zip(("offset", *names_of(which)), best, strict=True)}


def weights_of(known: Sequence[Known]) -> dict[str, Any]:
    """All that `verdict.json` holds, but for how the verdicts did."""
    mitoses = [k for k in known if k.true != NOTHING and not k.hardly_seen]
    asked = [k for k in mitoses if k.p_abnormal is not None]
    return {
        "with_classifier": fit(asked, [k.is_abnormal for k in asked], "with_classifier"),
        "without_classifier": fit(mitoses, [k.is_abnormal for k in mitoses], "without_classifier"),
        # Not fitted. Weak tracking, taken as a sign that there is no mitosis, as in simulated movies and not
        # in mosaics, rejected 39 of the 403 real mitoses of the mosaics in place of 6.
        "not_a_mitosis": PRIOR["not_a_mitosis"],
        "limits": verdict.load()["limits"],
    }


# --- How the verdicts do

Judge = tuple[float, str]
"""p of abnormal, and the class."""


def by_classifier(known: Known, _: Any) -> Judge:
    """The classifier alone."""
    p = known.p_abnormal or 0.0
    return p, "abnormal" if p >= 0.5 else "normal"


def by_old_rule(known: Known, _: Any) -> Judge:
    """What was seen to be abnormal is, whatever the classifier says."""
    seen = subtype(known.event, MitosisClass.NORMAL) in ABNORMAL_SUBTYPES
    p = 1.0 if seen else (known.p_abnormal or 0.0)
    return p, "abnormal" if p >= 0.5 else "normal"


def by_verdict(known: Known, weights: Any) -> Judge:
    """Fitted on the other groups; that it is a mitosis is taken for granted."""
    found = verdict.decide(known.event, known.p_abnormal, None, weights=weights)
    return float(found.p or 0.0), found.verdict.value


def without_classifier(known: Known, weights: Any) -> Judge:
    """The same, of what was seen alone."""
    found = verdict.decide(known.event, None, None, weights=weights)
    return float(found.p or 0.0), found.verdict.value


JUDGES: dict[str, Callable[[Known, Any], Judge]] = {
    "classifier alone": by_classifier,
    "old rule": by_old_rule,
    "verdict": by_verdict,
    "verdict, classifier not asked": without_classifier,
}


def figures(true: np.ndarray, p: np.ndarray, called: np.ndarray) -> dict[str, float]:
    """Of verdicts on mitoses.

    Args:
        true: (N,) bool, abnormal.
        p: (N,) of abnormal.
        called: (N,) words.

    Returns:
        accuracy, sensitivity and specificity of the decided; F1, where the undecided are not called abnormal;
        AUC of `p`; share undecided.
    """
    abnormal, decided = called == "abnormal", called != Decision.UNDECIDED
    right = (abnormal & true).sum()

    def share(of: np.ndarray, which: np.ndarray) -> float:
        return float(of[which].mean()) if which.any() else float("nan")

    return {
        "n": len(true),
        "accuracy": share(abnormal == true, decided),
        "sensitivity": share(abnormal, decided & true),
        "specificity": share(~abnormal, decided & ~true),
        "F1": float(2 * right / max(1, abnormal.sum() + true.sum())),
        "AUC": area(p, true),
        "undecided": float((~decided).mean()) if len(true) else float("nan"),
    }


def area(score: np.ndarray, true: np.ndarray) -> float:
    """Under the ROC curve: how often a true one scores above one that is not; NaN where there are none."""
    from scipy.stats import rankdata

    n, m = int(true.sum()), int((~true).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(score)[true].sum() - n * (n + 1) / 2) / (n * m))


def crossed(known: Sequence[Known]) -> list[tuple[Known, dict[str, Any]]]:
    """Every event with weights that its group had no part in; nothing where there is one group."""
    groups = sorted({k.group for k in known})
    if len(groups) < 2:
        return []
    of_others = {g: weights_of([k for k in known if k.group != g]) for g in groups}
    return [(k, of_others[k.group]) for k in known]


def table(pairs: Sequence[tuple[Known, dict[str, Any]]]) -> pd.DataFrame:
    """One row a kind of movies, group and judge, of classified mitoses."""
    rows = []
    asked = [p for p in pairs if p[0].true != NOTHING and p[0].p_abnormal is not None]
    seen = [p for p in asked if not p[0].hardly_seen]
    parts = {(kind, "all"): [p for p in seen if p[0].kind == kind] for kind in (MOSAIC, SIMULATED)}
    parts |= {(p[0].kind, p[0].group): [] for p in seen}
    for pair in seen:
        parts[pair[0].kind, pair[0].group].append(pair)
    for (kind, group), mine in parts.items():
        for name, judge in JUDGES.items() if mine else ():
            true = np.array([k.is_abnormal for k, _ in mine])
            found = [judge(k, weights) for k, weights in mine]
            told = figures(true, np.array([p for p, _ in found]), np.array([word for _, word in found]))
            rows.append({"movies": kind, "group": group, "by": name} | told)
    return pd.DataFrame(rows)


def rejections(pairs: Sequence[tuple[Known, dict[str, Any]]]) -> pd.DataFrame:
    """One row a kind of movies: how many true mitoses, and how many false proposals, are rejected."""
    rows = []
    for kind in (MOSAIC, SIMULATED):
        mine = [(k, w) for k, w in pairs if k.kind == kind and k.p_none is not None]
        false = np.array([k.true == NOTHING for k, _ in mine], bool)
        if mine:
            gone = np.array([_rejected(k, w) for k, w in mine])
            n, m = int(false.sum()), int((~false).sum())
            rows.append({
                "movies": kind, "mitoses": m, "of these rejected": int((gone & ~false).sum()),
                "others": n, "of those rejected": int((gone & false).sum()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def confusion(pairs: Sequence[tuple[Known, dict[str, Any]]]) -> pd.DataFrame:
    """What held-out verdicts say of the clips' mitoses that were proposed, by cell line and true class.

    Returns:
        `cell_line, true_class, n_called_normal, n_called_abnormal, n_called_none`; the last are rejected or
        undecided. `all` is all lines.
    """
    rows = []
    for known, weights in pairs:
        if known.kind == MOSAIC and known.true != NOTHING and known.p_abnormal is not None:
            found = verdict.decide(known.event, known.p_abnormal, known.p_none, weights=weights)
            word = found.verdict.value if found.verdict.value in JUDGED else NOTHING
            rows += [(line, known.true, word) for line in (known.line, "all")]
    found = pd.DataFrame(rows, columns=["cell_line", "true_class", "called"])
    counts = found.groupby(["cell_line", "true_class"])["called"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[*JUDGED, NOTHING], fill_value=0).astype(int)
    counts.columns = [f"n_called_{c}" for c in counts.columns]
    return counts.reset_index()


def _rejected(known: Known, weights: dict[str, Any]) -> bool:
    found = verdict.decide(known.event, known.p_abnormal, known.p_none, weights=weights)
    return found.verdict is Decision.NOT_A_MITOSIS


def held_out(rows: pd.DataFrame, about: dict[str, Any]) -> dict[str, Any]:
    """What the report says of how far verdicts can be trusted; `n` is 0 where nothing was held out."""
    kind = MOSAIC if about["cells"] == "real" else SIMULATED
    mine = (
        rows[(rows["movies"] == kind) & (rows["group"] == "all") & (rows["by"] == "verdict")]
        if len(rows)
        else rows
    )
    if not len(mine) or (kind == MOSAIC and not about["clean"]):
        return {"n": 0}
    one = mine.iloc[0]
    told = {name: round(float(one[name]), 3) for name in ("sensitivity", "specificity", "undecided")}
    return {"n": int(one["n"])} | told | {k: about[k] for k in ("cells", "lines", "minutes_per_frame")}


def printed(rows: pd.DataFrame) -> None:
    """As Markdown."""
    if not len(rows):
        return
    print("| " + " | ".join(rows.columns) + " |\n|" + "---|" * len(rows.columns))
    for line in rows.itertuples(index=False):
        print("| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in line) + " |")
    print()


def main() -> None:
    """Read, hold out, fit, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mosaic", nargs=3, action="append", default=[], metavar=("RUN", "TABLE", "FOLD"))
    parser.add_argument("--simulated", nargs=2, action="append", default=[], metavar=("RUN", "TRUTH"))
    parser.add_argument("--list", type=Path, action="append", default=[], help="kind,run,truth,group")
    parser.add_argument("--out", type=Path, required=True, help="lineage/mitosis/verdict.json")
    parser.add_argument(
        "--confusion",
        type=Path,
        help="what held-out verdicts say of mosaics, as pipelines/dose/data/confusion.csv",
    )
    args = parser.parse_args()
    try:
        known, about = read(sources(args))
    except InputError as error:
        parser.error(str(error))
    n = Counter((k.kind, k.true) for k in known)
    print(", ".join(f"{count} {kind} {true}" for (kind, true), count in sorted(n.items())) + "\n")
    pairs = crossed(known)
    rows = table(pairs)
    printed(rows)
    printed(rejections(pairs))
    if not pairs:
        print("one group: nothing is held out")
    told = weights_of(known) | {"held_out": held_out(rows, about)}
    with atomic_write(args.out) as part:
        part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(args.out)
    if args.confusion:
        confusion(pairs).to_csv(args.confusion, index=False)
        print(args.confusion.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
