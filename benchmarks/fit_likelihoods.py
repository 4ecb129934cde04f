"""Simulated movies -> `lineage/likelihoods.json`: `python benchmarks/fit_likelihoods.py OUT`.

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tifffile

from lineage import config, episodes, hypotheses, labels, likelihoods, state, track
from lineage.export import graphml
from lineage.outputs import RunFolder, read_table
from lineage.pieces import Pieces
from lineage.progress import Screen
from lineage.resolve import resolve
from lineage.schema import NUCLEUS_COLUMNS, Hypothesis, State
from lineage.simulate.course import SHRINKING_MIN, breaks_up_min
from lineage.simulate.detections import detect, imperfect
from lineage.simulate.dish import area_ratio
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings
from lineage.video import open_video

if TYPE_CHECKING:
    import networkx as nx

    from lineage.simulate.cells import Cell

DOSES_GY = (12, 6, 2, 8)
IMAGINED_GY = (10, 5, 2, 1)
HELD_OUT_GY = 2
SEEDS = {line: 1000 * (k + 1) for k, line in enumerate(CellLine)}
# Real nuclei vary more than simulated ones, and a movie's reference may be off. So states are fitted on a
# second copy of each nucleus as well, changed for each cell by these spreads of the logarithm.
VARIED = {"area_um2": 0.35, "condensation": 0.3, "rounding": 0.4, "texture": 0.5}
TELOPHASE_MIN = 30.0  # so long after its birth a daughter still counts as in anaphase
LEAST_TRUE = 8  # examples, below which a question cannot be fitted


@dataclass(frozen=True, eq=False)
class Sample:
    """The nuclei of one movie and what they truly are."""

    nuclei: pd.DataFrame  # NUCLEUS_COLUMNS
    cell: np.ndarray  # (N,) label of the true track; 0 where there is nothing
    truth: nx.DiGraph
    cells: dict[int, Cell]  # by simulated id
    settings: Settings
    usable: np.ndarray


def movie_settings(line: CellLine, dose: int) -> Settings:
    """Of one movie."""
    return Settings(
        frames=145, size=512, founders=60, cell_line=line, dose_gy=dose,
        irradiated_min_before_start=75 * dose, well=dose + 50, seed=SEEDS[line] + dose,
    )  # fmt: skip


def read_sample(movie: Path, settings: Settings, screen: Screen) -> Sample:
    """Simulate and segment a movie unless it is there, and match its nuclei to the truth."""
    from lineage.stages.movie import start
    from lineage.stages.nuclei import assess, segment

    if not movie.exists():
        with screen.stage(movie.stem) as progress:
            simulate(movie, settings, progress=lambda t: progress(t + 1, settings.frames))
    told = config.read(None, {})
    video = open_video(movie, **told.video.model_dump())
    folder = RunFolder.open(movie.with_suffix(".seg.lineage"), video=movie, overwrite=False)
    job = start(folder, video, told, screen)
    quality = assess(job)
    segment(job, quality)
    nuclei = read_table(folder.nuclei)
    truth = graphml.read(truth_folder(movie) / "lineage.graphml")
    return Sample(
        nuclei, matched(nuclei, folder, truth_folder(movie)), truth, lives(settings), settings, quality.usable
    )


def imagined(line: CellLine, dose: int) -> Sample:
    """A day and a half of nuclei without pixels, with mistakes."""
    settings = Settings(
        frames=216, size=620, founders=80, cell_line=line, dose_gy=dose,
        irradiated_min_before_start=75 * dose, well=dose + 50, seed=SEEDS[line] + 500 + dose,
    )  # fmt: skip
    found = detect(settings)
    rng = np.random.default_rng(settings.seed)
    nuclei = imperfect(found.nuclei, rng, miss=0.02, false=0.02, merge_touching=0.05).reset_index(drop=True)
    cells = lives(settings)
    cell = nuclei["cell"].to_numpy(int)
    return Sample(nuclei[list(NUCLEUS_COLUMNS)], cell, found.graph, cells, settings, found.usable)


def lives(settings: Settings) -> dict[int, Cell]:
    """Simulated id -> cell, as the movie's simulation draws them."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed).spawn(3)[0])
    founders = round(settings.founders * area_ratio(settings))
    return {cell.cell_id: cell for cell in grow(rng, settings, founders=founders)}


def matched(nuclei: pd.DataFrame, folder: RunFolder, truth: Path) -> np.ndarray:
    """(N,) the true track that each nucleus covers more than half of; of several the largest."""
    raw = labels.open_array(folder.labels, labels.RAW)
    files = sorted((truth / "TRA").glob("man_track*.tif"))
    cell = np.zeros(len(nuclei), int)
    for t, rows in nuclei.groupby("frame"):
        true, found = tifffile.imread(files[t]).astype(int), np.asarray(raw[t]).astype(int)
        size = np.bincount(true.ravel())
        both = (found > 0) & (true > 0)
        pairs, counts = np.unique(found[both] * len(size) + true[both], return_counts=True)
        best: dict[int, tuple[int, int]] = {}
        for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True):
            label, one = divmod(pair, len(size))
            if 2 * n > size[one]:
                best[label] = max(best.get(label, (0, 0)), (n, one))
        cell[rows.index] = [best.get(label, (0, 0))[1] for label in rows["label"]]
    return cell


def true_state(cell: Cell, minutes: float) -> State:
    """What the simulator draws."""
    if minutes >= min(breaks_up_min(cell), cell.dying_min + 0.6 * SHRINKING_MIN):
        return State.DEAD
    mitosis = cell.mitosis
    if mitosis is not None and minutes >= mitosis.start_min + 0.4 * (mitosis.plate_min - mitosis.start_min):
        if minutes < mitosis.plate_min or mitosis.event_min <= minutes < mitosis.event_min + 30:
            return State.PROMETAPHASE
        return State.METAPHASE if minutes < mitosis.event_min else State.INTERPHASE
    young = cell.parents and cell.siblings > 1 and minutes - cell.born_min < TELOPHASE_MIN
    return State.ANAPHASE if young else State.INTERPHASE


def true_states(sample: Sample, table: pd.DataFrame, cell: np.ndarray) -> np.ndarray:
    """(N,) of the nuclei; "" where there is nothing."""
    simulated = {track: sample.cells[d["simulated_cell"]] for track, d in sample.truth.nodes(data=True)}
    return np.array(
        [
            str(true_state(simulated[c], t)) if c else ""
            for c, t in zip(cell.tolist(), table["time_min"].tolist(), strict=True)
        ],
        object,
    )


# --- Hypotheses and whether they are true


def considered(sample: Sample, table: pd.DataFrame, cell: np.ndarray) -> list[tuple[Any, np.ndarray]]:
    """Candidates of each kind and which are true. Tracklets are cut wherever geometry allows."""
    s = sample.settings
    side = s.size * s.pixel_size_um
    given = table.assign(cell=cell)
    tracklets = track.link(
        given, usable=sample.usable, shape_um=(side, side), minutes_per_frame=s.minutes_per_frame
    )
    detections = tracklets.detections
    cell = given.set_index("detection_id")["cell"].loc[detections["detection_id"]].to_numpy()
    time = track.usable_time(detections, sample.usable)
    reach = hypotheses.Reach(tracklets.step_um, division_um=30.0, fusion_um=25.0, gap_frames=4)
    whole = Pieces.of(detections, time, shape_um=(side, side), pixel_size_um=s.pixel_size_um)
    cut = hypotheses.cut(whole, reach, plausible_division, plausible_fusion, at=0.0)
    told = hypotheses.of_pieces(tracklets, whole, cut)
    found = hypotheses.candidates(cut, reach, btrack=told)
    return [(c, is_true(c, cut, cell[cut.row], sample.truth)) for c in found]


def plausible_division(f: dict[str, np.ndarray]) -> np.ndarray:
    """Cut generously: half to twice the DNA, not all on one side, or a mitotic mother."""
    fits = (np.abs(f["share"]) < 0.9) & (f["one_sided"] < 0.95) & (f["uneven2"] < 1.5)
    return np.where(fits & (f["mother_mitotic"] + f["daughters_mitotic"] > 0.2), 1.0, -1.0)


def plausible_fusion(f: dict[str, np.ndarray]) -> np.ndarray:
    """Cut generously: the DNA of both."""
    return np.where((np.abs(f["share"]) < 0.6) & (f["grows"] > 0.1), 1.0, -1.0)


def is_true(c: Any, p: Any, cell: np.ndarray, truth: nx.DiGraph) -> np.ndarray:
    """(H,) bool."""
    begins, ends = cell[p.first], cell[p.last]
    order = np.lexsort((p.time[p.first], begins))
    opening = np.zeros(len(begins), bool)  # a cell's first tracklet
    opening[order[np.r_[True, begins[order][1:] != begins[order][:-1]]]] = True
    opening &= begins > 0
    order = np.lexsort((-p.time[p.last], ends))
    closing = np.zeros(len(ends), bool)
    closing[order[np.r_[True, ends[order][1:] != ends[order][:-1]]]] = True
    closing &= ends > 0
    majority = pd.Series(cell > 0).groupby(p.piece).mean().to_numpy()
    first_of = {int(begins[k]): k for k in np.flatnonzero(opening)}
    last_of = {int(ends[k]): k for k in np.flatnonzero(closing)}

    def born(k: int) -> bool:
        return any(m in last_of for m in truth.predecessors(int(begins[k])))

    def becomes(k: int) -> bool:
        return any(d in first_of for d in truth.successors(int(ends[k])))

    died = {n for n, d in truth.nodes(data=True) if d["fate"].startswith("died")}
    match c.kind:
        case Hypothesis.FALSE_POSITIVE:
            return majority < 0.5
        case Hypothesis.START:
            return np.array([opening[k] and not born(k) for k in range(len(begins))])
        case Hypothesis.END:
            return np.array(
                [closing[k] and not becomes(k) and int(ends[k]) not in died for k in range(len(ends))]
            )
        case Hypothesis.DEATH:
            return np.array([closing[k] and int(ends[k]) in died for k in range(len(ends))])
        case Hypothesis.LINK:
            following = follow(p, begins, ends)
            return np.array(
                [
                    following.get(i) == j
                    for i, j in zip(c.ends[:, 0].tolist(), c.starts[:, 0].tolist(), strict=True)
                ]
            )
        case Hypothesis.DIVISION:
            whole = {}
            for m, k in last_of.items():
                daughters = [
                    first_of[d] for d in truth.successors(m) if truth.in_degree(d) == 1 and d in first_of
                ]
                near = [d for d in daughters if 0 < p.time[p.first[d]] - p.time[p.last[k]] <= 3]
                if len(near) > 1:
                    whole[k] = frozenset(near)
            return np.array(
                [
                    whole.get(m) == frozenset(d for d in ds if d >= 0)
                    for m, ds in zip(c.ends[:, 0].tolist(), c.starts.tolist(), strict=True)
                ]
            )
        case _:
            joined = {}
            for f, k in first_of.items():
                parents = [last_of[x] for x in truth.predecessors(f) if x in last_of]
                if len(parents) > 1:
                    joined[k] = frozenset(parents)
            return np.array(
                [
                    joined.get(s) is not None and frozenset(e) <= joined[s]
                    for e, s in zip(c.ends.tolist(), c.starts[:, 0].tolist(), strict=True)
                ]
            )


def follow(p: Any, begins: np.ndarray, ends: np.ndarray) -> dict[int, int]:
    """Tracklet -> the next one of the same cell, where that is the truth."""
    by_start: dict[int, list[int]] = {}
    for k in np.lexsort((p.time[p.first], begins)).tolist():
        by_start.setdefault(int(begins[k]), []).append(k)
    found = {}
    for k, c in enumerate(ends.tolist()):
        later = [j for j in by_start.get(c, []) if c and p.time[p.first[j]] > p.time[p.last[k]]]
        if later:
            found[k] = later[0]
    return found


# --- Fitting


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


def as_masks(nuclei: pd.DataFrame) -> pd.DataFrame:
    """As a run of masks alone would measure these nuclei."""
    return nuclei.assign(dna_mass=nuclei["area_um2"], mean_intensity=1.0, texture=0.0, rounding=np.nan)


def varied(nuclei: pd.DataFrame, cell: np.ndarray) -> pd.DataFrame:
    """The nuclei as if each cell were larger, denser and rounder than it is, or less so."""
    rng = np.random.default_rng(len(nuclei))
    factor = {c: np.exp(spread * rng.standard_normal(cell.max() + 1))[cell] for c, spread in VARIED.items()}
    return nuclei.assign(**{c: nuclei[c] * f for c, f in factor.items()})


def fit_kind(kind: str, samples: list[Sample]) -> dict[str, Any]:
    """All questions of one kind, and beside them what they come to on the samples left out."""
    from sklearn.metrics import roc_auc_score

    tables = []
    for s in samples:
        nuclei = as_masks(s.nuclei) if kind == likelihoods.MASKS else s.nuclei
        nuclei = nuclei.assign(cell=s.cell).sort_values(["frame", "y_um", "x_um"], ignore_index=True)
        cell = nuclei.pop("cell").to_numpy()
        nuclei["condensation"] = state.condensation(nuclei)
        tables.append((nuclei, cell, true_states(s, nuclei, cell)))
    held = np.array([s.settings.dose_gy == HELD_OUT_GY for s in samples])
    models: dict[str, Any] = {}
    for name in ("state", "state_without_phase"):
        parts = []
        for (nuclei, cell, true), out in zip(tables, held, strict=True):
            if name == "state" and kind == likelihoods.INTENSITIES and nuclei["rounding"].isna().all():
                continue
            known = true != ""
            for copy, table in enumerate((nuclei, varied(nuclei, cell))):
                x = pd.DataFrame(state.features(table))[known]
                parts.append((x, true[known], np.full(len(x), out), np.full(len(x), copy)))
        x = pd.concat([p[0] for p in parts])
        y, out, copy = (np.concatenate([p[k] for p in parts]) for k in (1, 2, 3))
        x = x.loc[:, x.std() > 1e-6]  # what does not vary tells nothing
        if name == "state_without_phase":
            x = x.drop(columns=["rounding", "dense_rounding"], errors="ignore")
        trial = likelihoods._model(fit(x[~out], y[~out]))
        as_they_are = out & (copy == 0)
        p = trial.probabilities({k: x[as_they_are][k].to_numpy() for k in x})
        said = np.array(trial.classes)[p.argmax(axis=1)]
        print(kind, name, pd.crosstab(y[as_they_are], said).to_string(), sep="\n")
        models[name] = fit(x, y)
    likelihoods._file.cache_clear()
    told = json.loads(likelihoods.PATH.read_text()) if likelihoods.PATH.exists() else {}
    write({**told, kind: {**told.get(kind, {}), **models}})
    likelihoods._file.cache_clear()
    rows: dict[Hypothesis, list[tuple[pd.DataFrame, np.ndarray, bool]]] = {}
    for s, (nuclei, cell, _), out in zip(samples, tables, held, strict=True):
        estimated = state.estimate(nuclei.assign(detection_id=np.arange(len(nuclei))))
        for c, true in considered(s, estimated, cell[estimated["detection_id"].to_numpy()]):
            rows.setdefault(c.kind, []).append((pd.DataFrame(dict(c.features)), true, out))
    for h, found in rows.items():
        x, y = pd.concat([f[0] for f in found]).reset_index(drop=True), np.concatenate([f[1] for f in found])
        out = np.concatenate([np.full(len(f[1]), f[2]) for f in found])
        x = x.loc[:, x.std() > 1e-6]  # what does not vary tells nothing
        trial = likelihoods._model(fit(x[~out], y[~out]))
        odds = trial.log_odds({k: x[out][k].to_numpy() for k in x})
        auc = roc_auc_score(y[out], odds) if 0 < y[out].sum() < out.sum() else float("nan")
        print(
            f"{kind} {h}: {y.sum()} true of {len(y)}; held out {y[out].sum()} of {out.sum()}: AUC {auc:.4f}, "
            f"at 0: right {(odds[y[out]] > 0).mean():.3f}, false {(odds[~y[out]] > 0).sum()}",
            flush=True,
        )
        models[h.value] = fit(x, y)
        told_now = json.loads(likelihoods.PATH.read_text())
        write({**told_now, kind: {**told_now.get(kind, {}), **models}})
    likelihoods._file.cache_clear()
    attempts: list[tuple[pd.DataFrame, np.ndarray, np.ndarray, bool]] = []
    for s, (nuclei, cell, _), out in zip(samples, tables, held, strict=True):
        estimated = state.estimate(nuclei.assign(detection_id=np.arange(len(nuclei))))
        x, mitosis, death = attempted(s, estimated, cell[estimated["detection_id"].to_numpy()])
        attempts.append((x, mitosis, death, out))
    x = pd.concat([a[0] for a in attempts]).reset_index(drop=True)
    x = x.loc[:, x.std() > 1e-6]
    out = np.concatenate([np.full(len(a[0]), a[3]) for a in attempts])
    for name, k in (("episode", 1), ("episode_death", 2)):
        y = np.concatenate([a[k] for a in attempts])
        trial = likelihoods._model(fit(x[~out], y[~out]))
        odds = trial.log_odds({c: x[out][c].to_numpy() for c in x})
        print(
            f"{kind} {name}: {y.sum()} true of {len(y)}; held out {y[out].sum()} of {out.sum()}: "
            f"AUC {roc_auc_score(y[out], odds):.4f}, at 0: right {(odds[y[out]] > 0).mean():.3f}, "
            f"false {(odds[~y[out]] > 0).sum()}",
            flush=True,
        )
        models[name] = fit(x, y)
    return models


def attempted(
    sample: Sample, table: pd.DataFrame, cell: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Episodes that no division or birth explains: features, which are mitoses, which are deaths."""
    s = sample.settings
    side = (s.size * s.pixel_size_um,) * 2
    true_of = dict(zip(table["detection_id"], cell, strict=True))
    tracklets = track.link(table, usable=sample.usable, shape_um=side, minutes_per_frame=s.minutes_per_frame)
    time = track.usable_time(tracklets.detections, sample.usable)
    lineage = resolve(*hypotheses.consider(tracklets, time, shape_um=side, pixel_size_um=s.pixel_size_um))
    last = int(np.flatnonzero(sample.usable)[-1])
    found = [
        e
        for e in episodes.episodes(lineage, minutes_per_frame=s.minutes_per_frame, last_frame=last)
        if episodes.is_alone(lineage, e)
    ]
    simulated = {t: sample.cells[d["simulated_cell"]] for t, d in sample.truth.nodes(data=True)}
    by_cell = dict(tuple(lineage.detections.groupby("tracklet_id")))
    mitosis, death = [], []
    for e in found:
        rows = by_cell[e.cell]
        rows = rows[rows["frame"].between(e.first, e.last)]
        names, counts = np.unique([true_of[d] for d in rows["detection_id"]], return_counts=True)
        who = simulated.get(int(names[counts.argmax()]))
        from_min, to_min = (f * s.minutes_per_frame for f in (e.first, e.last))
        m = who.mitosis if who else None
        mitosis.append(m is not None and m.start_min - 10 <= to_min and from_min <= m.event_min + 30)
        died = min(breaks_up_min(who), who.dying_min) if who else np.inf
        death.append(bool(from_min - 10 <= died <= to_min + 60))
    return pd.DataFrame([dict(e.features) for e in found]), np.array(mitosis, bool), np.array(death, bool)


def write(told: dict[str, Any]) -> None:
    """As `likelihoods.json`, a feature a line."""
    import re

    text = json.dumps(told, indent=1)
    text = re.sub(
        r"\{\s+\"mean\": ([^{}]*?)\}", lambda m: '{"mean": ' + re.sub(r"\s+", " ", m[1]).strip() + "}", text
    )
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
    likelihoods.PATH.write_text(text + "\n")


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
            if args.only_there and not (movie.with_suffix(".seg.lineage") / "stages" / "nuclei.csv").exists():
                continue
            samples.append(read_sample(movie, movie_settings(line, dose), Screen()))
    samples += [imagined(line, dose) for dose in IMAGINED_GY for line in CellLine]
    told: dict[str, Any] = {}
    for kind in (likelihoods.INTENSITIES, likelihoods.MASKS):
        told[kind] = fit_kind(kind, samples)
        write(told)


if __name__ == "__main__":
    main()
