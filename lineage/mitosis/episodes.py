"""Lineage -> stretches of a cell's life in which its chromatin is condensed, or the cell is rounded up.

Each is an attempt to divide, whether or not a division follows: a cell that slips out of mitosis never has
daughters, and only this shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lineage.edge import diameter_um, is_cut
from lineage.tracking import likelihoods

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from lineage.schema import Lineage

MITOTIC = 0.3  # probability from which on a nucleus may be mitotic: what is false of it is rejected later
BRIDGED = 1  # so many nuclei in a row that do not seem so are passed over
YOUNG_MIN = 70.0  # after a birth chromatin is still condensed
ENDING_FRAMES = 3  # before its last frame, in which a mitosis leads to what follows
WINDOW = 4  # nuclei before and after that are looked at


@dataclass(frozen=True)
class Episode:
    """One stretch. Frames are the movie's, `last` inclusive; `features` is what it is scored by."""

    cell: int
    first: int
    last: int
    goes_on: bool  # the cell is seen after it
    young: bool  # it began with the cell's birth
    features: Mapping[str, float] = field(default_factory=dict)


def episodes(lineage: Lineage, *, minutes_per_frame: float, last_frame: int) -> list[Episode]:
    """All of them, in order of cell and frame.

    Args:
        lineage: detections with STATE_COLUMNS.
        minutes_per_frame: of the movie.
        last_frame: the last usable one.
    """
    table = lineage.detections
    table = table[table["tracklet_id"] >= 0].sort_values(["tracklet_id", "frame"], kind="stable")
    if table.empty:
        return []
    columns = _columns(table)
    number = table["tracklet_id"].to_numpy()
    begins = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
    found = []
    for a, b in zip(begins, [*begins[1:], len(number)][: len(begins)], strict=True):
        cell = int(number[a])
        life = {name: values[a:b] for name, values in columns.items()}
        born = lineage.graph.in_degree(cell) > 0
        for i, j in runs(life["mitotic"] >= MITOTIC):
            age = (life["frame"][i] - life["frame"][0]) * minutes_per_frame
            found.append(
                Episode(
                    cell,
                    int(life["frame"][i]),
                    int(life["frame"][j]),
                    goes_on=bool(j + 1 < b - a),
                    young=bool(born and age <= YOUNG_MIN),
                    features=_features(life, i, j, minutes_per_frame, last_frame),
                )
            )
    return found


def in_view(episode: Episode, life: pd.DataFrame, *, shape: tuple[int, int], diameter_px: float) -> bool:
    """Whether the nucleus was whole in half of the frames or more.

    Args:
        episode: of the cell.
        life: the cell's detections.
        shape: (Y, X) of the image.
        diameter_px: of the movie's nuclei.
    """
    seen = life[life["frame"].between(episode.first, episode.last)]
    cut = is_cut(seen[["y_px", "x_px"]].to_numpy(float), shape, diameter_px)
    return bool(cut.mean() <= 0.5)


def is_alone(lineage: Lineage, episode: Episode) -> bool:
    """Whether no division, fusion or birth in the lineage is what the episode belongs to."""
    leads_on = episode.features["closes"] > 0 and lineage.graph.out_degree(episode.cell) > 0
    return not episode.young and not leads_on


def log_odds(found: list[Episode], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """(N,) log-odds that each is a mitosis, and that the cell dies of it."""
    if not found:
        return np.zeros(0), np.zeros(0)
    measured = {name: np.array([e.features[name] for e in found]) for name in found[0].features}
    mitosis, death = (
        likelihoods.load(kind, name).log_odds(measured) for name in ("episode", "episode_death")
    )
    return mitosis, death


def runs(mitotic: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last index of each stretch, both in it; short breaks are passed over.

    >>> list(runs(np.array([False, True, False, True, False, False, False, True])))
    [(1, 3), (7, 7)]
    """
    at = np.flatnonzero(mitotic)
    if not len(at):
        return
    for part in np.split(at, np.flatnonzero(np.diff(at) > BRIDGED + 1) + 1):
        yield int(part[0]), int(part[-1])


def _columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    def log(name: str) -> np.ndarray:
        values = np.maximum(table[name].to_numpy(float), 1e-6)
        return np.log(values / np.median(values)) if len(values) else values

    return {
        "frame": table["frame"].to_numpy(int),
        "mitotic": table["p_mitotic"].to_numpy(float),
        "dead": table["p_dead"].to_numpy(float),
        "dense": np.log(np.clip(table["condensation"].to_numpy(float), 0.05, 20)),
        "mass": log("dna_mass"),
        "size": log("area_um2"),
        "rounding": table["rounding"].to_numpy(float),
        "y": table["y_um"].to_numpy(float) / diameter_um(table),
        "x": table["x_um"].to_numpy(float) / diameter_um(table),
    }


def _features(
    life: Mapping[str, np.ndarray], i: int, j: int, minutes_per_frame: float, last_frame: int
) -> dict[str, float]:
    """What a stretch from index i to j is scored by; NaN where the cell is not seen before or after."""
    inside = slice(i, j + 1)
    before, after = slice(max(i - WINDOW, 0), i), slice(j + 1, j + 1 + WINDOW)
    minutes = (life["frame"][j] - life["frame"][i] + 1) * minutes_per_frame

    def change(name: str, a: slice, b: slice) -> float:
        one, two = life[name][a], life[name][b]
        return float(np.median(two) - np.median(one)) if len(one) and len(two) else np.nan

    rest_min = (life["frame"][-1] - life["frame"][j]) * minutes_per_frame
    return {
        "lasts": float(np.log(minutes)),
        "single": float(i == j),
        "surest": float(life["mitotic"][inside].max()),
        "mean": float(life["mitotic"][inside].mean()),
        "dense": float(np.median(life["dense"][inside])),
        "densest": float(life["dense"][inside].max()),
        "mass": float(np.median(life["mass"][inside])),
        "size": float(np.median(life["size"][inside])),
        "rounding": float(np.nanmax(life["rounding"][inside]))
        if np.isfinite(life["rounding"]).any()
        else np.nan,
        "condenses": change("dense", before, inside),
        "decondenses": -change("dense", inside, after),
        "shrinks": -change("size", before, inside),
        "grows": change("size", inside, after),
        "mass_before": change("mass", before, inside),
        "mass_after": change("mass", inside, after),
        "mass_in_all": change("mass", before, after),
        "at_first": float(i == 0 and life["frame"][0] == 0),
        "opens": float(i == 0),
        "closes": float(life["frame"][-1] - life["frame"][j] < ENDING_FRAMES),
        "ends": float(life["frame"][-1] < last_frame),
        "ends_soon": float(life["frame"][-1] < last_frame and rest_min < 300),
        "dead": float(life["dead"][inside].mean()),
        "dead_after": float(life["dead"][after].mean()) if len(life["dead"][after]) else np.nan,
        "late_mass": float(np.median(life["mass"][-WINDOW:]) - np.median(life["mass"][inside])),
        "late_size": float(np.median(life["size"][-WINDOW:]) - np.median(life["size"][inside])),
        "late_dense": float(np.median(life["dense"][-WINDOW:])),
        "moves": float(np.hypot(np.ptp(life["y"][inside]), np.ptp(life["x"][inside]))),
    }


def onset(lineage_episodes: Mapping[int, list[Episode]], cell: int, last_frame: int) -> int | None:
    """The first condensed frame of the attempt that ends with the cell, if it was seen to begin.

    Args:
        lineage_episodes: cell -> its episodes.
        cell: a mother.
        last_frame: the last that she is seen in.
    """
    mine = [e for e in lineage_episodes.get(cell, []) if last_frame - e.last < ENDING_FRAMES]
    if not mine or mine[-1].features["opens"]:
        return None
    return mine[-1].first
