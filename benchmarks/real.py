"""Links and divisions in movies that others filmed, beside btrack and LapTrack.

    python benchmarks/real.py REAL OUT

From masks, from masks with mistakes (3 % of the nuclei missed, 3 % split, as many merged as touch), and
from pixels. All tools see the same nuclei. Our likelihoods were fitted on simulated movies; LapTrack's
distances are those that are best on the other movies, in diameters of a nucleus; btrack has its published
settings. Movies that are not there are skipped. OUT keeps the nuclei, measured once. Within 25 px of HeLa's
border few nuclei are annotated: of what is found there only the annotated counts.

A second table, from pixels, is of `mitocheck_30` (in REAL, or beside it): only three of its divisions are
known, so that these are counted, and further ones listed; LapTrack's distances are the best on all others.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import real_lineages
import real_places
import trackers
from nuclei_real_data import BORDER_PX
from real_lineages import MASKS, MISTAKES, PIXELS, Real
from tracking import matched_nuclei

from lineage.edge import diameter_um
from lineage.evaluate import ctc
from lineage.evaluate import tracking as scoring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lineage.evaluate.match import Count

LAPTRACK_TRIED = {  # in diameters
    "cutoff": (0.3, 0.5, 0.8, 1.2),
    "gap_closing_cutoff": (1.0,),
    "splitting_cutoff": (0.5, 0.8, 1.1, 1.5),
}
GLPK_LIMIT_S = 60.0
Told = tuple[tuple[str, float], ...]  # distances by name
COLUMNS = (
    "movie", "from", "tool", "links F1", "divisions F1, same frame", "precision, within a frame", "recall",
    "F1", "TRA", "complete tracks", "seconds",
)  # fmt: skip
COLUMNS_OF_PLACES = (
    "movie", "from", "tool", "found, same frame", "further", "missed", "found, within a frame", "further",
    "missed", "further on dying cells", "frame, y, x of the further",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Found:
    """What one tool's lineage comes to; counts of lineage.evaluate."""

    links: Count
    divisions: Mapping[int, Count]  # by frames of tolerance
    measures: Mapping[str, float | None]  # of the Cell Tracking Challenge


def scored(movie: Real, tracked: trackers.Tracked) -> Found:
    """Nucleus by nucleus; what nobody annotated near a border that hardly is counts for nothing."""
    truth, nuclei = movie.truth, movie.nuclei
    places = nuclei[["y_px", "x_px"]].to_numpy(float)
    inside = np.minimum(places, np.array(movie.shape) - 1 - places).min(axis=1)
    told = (inside >= BORDER_PX[movie.name]) | (nuclei["cell"].to_numpy() > 0)
    who = matched_nuclei(truth.tracks, nuclei[told], tracked.cell[told])
    every, _ = scoring.score_links(who, truth.graph.edges, tracked.graph.edges, blank_frames=[])
    true = scoring.divisions(truth.graph, who.truth)
    found = scoring.divisions(tracked.graph, who.run)
    return Found(
        every,
        scoring.score_junctions(true, found, who, scoring.DIVISION_TOLERANCES),
        ctc.tally(who, truth, tracked.graph).measures(),
    )


def ours(movie: Real | real_places.Filmed) -> trackers.Tracked:
    """With the likelihoods that are loaded."""
    return trackers.ours(
        movie.nuclei, usable=movie.usable, shape_um=movie.shape_um, pixel_size_um=movie.pixel_size_um,
        minutes=movie.minutes,
    )  # fmt: skip


def btrack(movie: Real | real_places.Filmed) -> trackers.Tracked:
    """With its published settings."""
    return trackers.btrack(movie.nuclei, shape_um=movie.shape_um, glpk_limit_s=GLPK_LIMIT_S)


def laptrack(movie: Real | real_places.Filmed, **told: float) -> trackers.Tracked:
    """Distances in diameters."""
    diameter = diameter_um(movie.nuclei)
    squares = {name: (d * diameter) ** 2 for name, d in told.items()}
    return trackers.laptrack(movie.nuclei, n_frames=movie.n_frames, **squares)


TOOLS: dict[str, Callable[..., trackers.Tracked]] = {"ours": ours, "btrack": btrack, "LapTrack": laptrack}


def laptrack_of_others(totals: Mapping[str, Mapping[Told, float]], movie: str) -> dict[str, float]:
    """The distances of the best division F1 within a frame and link F1, summed over the other movies.

    Where there is no other movie, none: those of `trackers.LAPTRACK` hold.
    """
    others = [by_told for name, by_told in totals.items() if name != movie]
    if not others:
        return {}
    return dict(max(others[0], key=lambda told: sum(by_told[told] for by_told in others)))


def laptrack_totals(movies: list[Real]) -> dict[str, dict[Told, float]]:
    """By movie and distances."""
    every = [tuple(zip(LAPTRACK_TRIED, values, strict=True)) for values in product(*LAPTRACK_TRIED.values())]
    totals: dict[str, dict[Told, float]] = {}
    for movie in movies:
        found = {told: scored(movie, laptrack(movie, **dict(told))) for told in every}
        totals[movie.name] = {t: (f.divisions[1].f1 or 0) + (f.links.f1 or 0) for t, f in found.items()}
    return totals


def row(movie: Real, kind: str, tool: str, found: Found, seconds: float) -> str:
    """One line of the table."""
    measures = found.measures
    exact, within = found.divisions[0], found.divisions[1]

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    cells = [
        movie.name, kind, tool, number(found.links.f1), number(exact.f1), number(within.precision),
        number(within.recall), number(within.f1), number(measures["TRA"]), number(measures["CT"]),
        f"{seconds:.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def row_of_places(movie: real_places.Filmed, tool: str, found: np.ndarray) -> str:
    """One line of the table of a movie of which places are known; `found` as `real_places.divisions`."""
    exact, within = (real_places.called(movie, found, tolerance=k) for k in (0, 1))
    counts = [str(n) for c in (exact, within) for n in (c.found, len(c.further), c.missed)]
    places = "; ".join(", ".join(f"{number:.0f}" for number in place) for place in within.further)
    cells = [real_places.NAME, PIXELS, tool, *counts, str(within.on_dead), places]
    return f"| {' | '.join(cells)} |"


def of_places(movie: real_places.Filmed, tools: list[str], distances: Mapping[str, float]) -> None:
    """Track a movie of which places are known with all tools, score, print."""
    print(header(COLUMNS_OF_PLACES))
    for name in tools:
        tracked = TOOLS[name](movie, **(distances if name == "LapTrack" else {}))
        print(row_of_places(movie, name, real_places.divisions(movie, tracked)), flush=True)


def header(columns: tuple[str, ...]) -> str:
    """Of a table."""
    return f"| {' | '.join(columns)} |\n" + "|---" * len(columns) + "|"


def main() -> None:
    """Track with all tools, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", default=list(TOOLS), help="tools")
    parser.add_argument("--kinds", nargs="+", default=[MASKS, MISTAKES, PIXELS])
    parser.add_argument("--movies", nargs="+", default=[*real_lineages.MOVIES, real_places.NAME])
    args = parser.parse_args()
    there = [name for name in real_lineages.MOVIES if (args.real / name).exists()]
    print(header(COLUMNS))
    for kind in args.kinds:
        names = [n for n in there if kind != PIXELS or n in real_lineages.WITH_NUCLEI]
        # LapTrack's distances are those of the other movies.
        needed = names if "LapTrack" in args.only else [n for n in names if n in args.movies]
        movies = [real_lineages.read(args.real, n, kind, store=args.out / "real") for n in needed]
        totals = laptrack_totals(movies) if "LapTrack" in args.only else {}
        for movie in movies:
            if movie.name not in args.movies:
                continue
            for name in args.only:
                told = laptrack_of_others(totals, movie.name) if name == "LapTrack" else {}
                begun = time.perf_counter()
                tracked = TOOLS[name](movie, **told)
                seconds = time.perf_counter() - begun
                print(row(movie, kind, name, scored(movie, tracked), seconds), flush=True)
        folder = real_places.folder_of(args.real)
        if kind == PIXELS and folder and real_places.NAME in args.movies:
            of_places(real_places.read(folder), args.only, laptrack_of_others(totals, real_places.NAME))


if __name__ == "__main__":
    main()
