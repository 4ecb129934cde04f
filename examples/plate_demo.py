"""A simulated plate whose truth is known -> dose_report.html, and how near its estimates come to the truth.

`python examples/plate_demo.py FOLDER`, or `make plate-demo`: 0, 2, 4 and 8 Gy, three wells each, twelve
hours of one position a well. A sample of the events is judged by the truth, in place of a person, and
corrects the fractions. What is there already is not made again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from lineage.corrections import journal, sample
from lineage.corrections.lines import make
from lineage.evaluate.events import NOTHING
from lineage.evaluate.inputs import read_run, read_truth
from lineage.evaluate.match import match
from lineage.evaluate.score import score
from lineage.processes import cores, in_order
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings

DOSES_GY = (0.0, 2.0, 4.0, 8.0)
WELLS_A_DOSE = 3
HOURS_AFTER = 7.0  # from irradiation to the first frame
HIDDEN = frozenset({"micronuclei", "lagging_chromatin"})  # what 1.15 um a pixel does not show
WELLS_OF_TRUTH = 100  # of each dose, lives alone: what the estimates are estimates of


def main(folder: Path) -> None:
    """Simulate, run, analyse, compare."""
    start = time.monotonic()
    movies, runs, out = folder / "movies", folder / "runs", folder / "dose"
    movies.mkdir(parents=True, exist_ok=True)
    plan = plan_of_plate()
    tasks = [(movies / name, settings) for name, settings in plan.items() if not (movies / name).exists()]
    for n, _ in enumerate(in_order(draw, tasks, workers=cores()), 1):
        print(f"simulated {n} of {len(tasks)} movies", flush=True)
    write_map(plan, movies / "plate.csv")
    command("pipelines.plate", "run", movies / "plate.csv", "--out", runs)
    drawn = folder / "sample"
    shutil.rmtree(drawn, ignore_errors=True)
    command("pipelines.dose", "sample", runs, "--out", drawn)
    judge(drawn, runs, movies)
    print(f"{drawn}: judged as a person might, here by the truth")
    command("pipelines.dose", runs, "--out", out, "--reviewed", drawn, "--overwrite")
    print(compared(plan, movies, out).to_string(index=False))
    print(
        f"truth: fraction abnormal of the simulated population, by the lives of {WELLS_OF_TRUTH} more wells "
        "a dose; visible: the same without micronuclei and lagging chromatin, which 1.15 um a pixel does not "
        "show, and what the intervals should hold; in_movies: all, of these movies"
    )
    used = os.times()
    cpu = used.user + used.children_user  # Windows knows none of children
    print(f"{time.monotonic() - start:.0f} s, {cpu:.0f} s of them computing (user, all cores)")
    print(f"Open {out / 'dose_report.html'} in a browser.")


def plan_of_plate() -> dict[str, Settings]:
    """Name of each movie -> what it is simulated from."""
    doses = np.repeat(DOSES_GY, WELLS_A_DOSE).tolist()
    return {
        f"PC3_{dose:g}Gy_{'ABCD'[w // WELLS_A_DOSE]}{w % WELLS_A_DOSE + 1}_p1.tif": settings_of(dose, w + 1)
        for w, dose in enumerate(doses)
    }


def settings_of(dose_gy: float, well: int) -> Settings:
    """Twelve hours of one position, small and with short cycles so that much happens.

    PC3, whose abnormal mitoses fail to part: that shows at 1.15 um a pixel, as micronuclei would not.
    """
    return Settings(
        cell_line=CellLine.PC3, frames=72, size=360, founders=34, cycle_hours=15, dose_gy=dose_gy,
        well=well, seed=100 + well, irradiated_min_before_start=60 * HOURS_AFTER,
    )  # fmt: skip


def draw(movie: Path, settings: Settings) -> None:
    """One movie and its truth; in a process of its own."""
    simulate(movie, settings, overwrite=True, workers=1)


def write_map(plan: dict[str, Settings], path: Path) -> None:
    """The plate map, as a person would write it."""
    rows = [
        {
            "movie": name, "experiment_date": "2026-11-02", "plate": "demo", "well": name.split("_")[2],
            "position": 1, "dose_gy": s.dose_gy, "cell_line": "PC3", "treatment": "none",
            "irradiated_min_before_start": s.irradiated_min_before_start,
        }
        for name, s in plan.items()
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)


def command(*words: object) -> None:
    """Run one of our commands as a person would; end where it fails."""
    told = ["python", "-m", *map(str, words)]
    print("$", " ".join(told), flush=True)
    subprocess.run([sys.executable, *told[1:]], check=True)


def judge(folder: Path, runs: Path, movies: Path) -> None:
    """Judge a sample as one who sees all that the pixels show: kinds in HIDDEN pass for normal."""
    items = sample.read(folder).items
    for movie in sorted({item.movie for item in items}):
        run, truth = read_run(runs / f"{movie}.lineage"), read_truth(truth_folder(movies / f"{movie}.tif"))
        outcomes = score(run, truth, match(truth, run.tracked)).outcomes
        assert outcomes is not None
        outcomes = outcomes[outcomes["run_event"] >= 0]
        seen = outcomes["truth_class"].mask(outcomes["subtype"].isin(HIDDEN), "normal")
        of_event = dict(zip(outcomes["run_event"], seen.replace(NOTHING, "not_a_mitosis"), strict=True))
        path = sample.lines_path(folder, "truth", movie)
        path.parent.mkdir(parents=True, exist_ok=True)
        mine = [(i, of_event.get(i.event_id, "not_a_mitosis")) for i in items if i.movie == movie]
        said = [
            {"what": "verdict", "event": item.event.model_dump(), "verdict": verdict}
            for item, verdict in mine
        ]
        journal.append(path, *(make(one, who="truth") for one in said))


def true_fraction(settings: Settings, *, hidden: frozenset[str] = frozenset()) -> float:
    """Of mitoses in view that are abnormal, over many wells like this one, each counting once.

    Kinds in `hidden` count as normal.
    """
    shares = []
    for well in range(1000, 1000 + WELLS_OF_TRUTH):
        other = settings.model_copy(update={"well": well})
        cells = grow(np.random.default_rng([well, 1]), other, founders=settings.founders)
        seen = [
            "normal" if c.mitosis.subtype in hidden else c.mitosis.subtype.mitosis_class
            for c in cells
            if c.mitosis is not None and 0 <= c.mitosis.event_min <= settings.minutes
        ]
        shares.append(np.mean([kind == "abnormal" for kind in seen]) if seen else np.nan)
    return float(np.nanmean(shares))


def fraction_in(movie: Path) -> float:
    """Of the mitoses that the movie shows."""
    events = pd.read_csv(truth_folder(movie) / "events.csv")
    kinds = events.loc[events["mitosis_class"].isin(["normal", "abnormal"]), "mitosis_class"]
    return float((kinds == "abnormal").mean())


def compared(plan: dict[str, Settings], movies: Path, out: Path) -> pd.DataFrame:
    """One row a dose: the truth, the estimates, and whether their intervals hold it."""
    doses = pd.read_csv(out / "doses.csv")
    doses = doses[(doses["measure"] == "fraction_abnormal") & (doses["stratum"] == "all")]
    by_dose = doses.set_index("dose_gy")
    rows = []
    for dose in DOSES_GY:
        mine = {name: s for name, s in plan.items() if s.dose_gy == dose}
        one_of_them = next(iter(mine.values()))
        visible = true_fraction(one_of_them, hidden=HIDDEN)
        row = {
            "dose_gy": f"{dose:g}",
            "truth": f"{true_fraction(one_of_them):.3f}",
            "visible": f"{visible:.3f}",
            "in_movies": f"{np.mean([fraction_in(movies / name) for name in mine]):.3f}",
        }
        for name, (value, low, high) in {
            "raw": ("estimate", "low", "high"),
            "corrected": ("corrected", "corrected_low", "corrected_high"),
        }.items():
            one = by_dose.loc[dose]
            row[name] = f"{one[value]:.3f} ({one[low]:.3f} to {one[high]:.3f})"
            row[f"{name}_holds"] = "yes" if one[low] <= visible <= one[high] else "NO"
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say where it goes: python examples/plate_demo.py FOLDER")
    main(Path(sys.argv[1]))
