"""One movie -> its rows of the plate's tables, each with the plate map's columns.

Hours are since irradiation unless a name says otherwise. Nothing here depends on doses or wells.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lineage.mitosis.events import ENDED
from lineage.mitosis.verdict import PERSON
from lineage.schema import ABNORMAL_SUBTYPES, MITOTIC_STATES, Decision, Fate, MitosisClass, State, Subtype
from pipelines.dose import signal_courses
from pipelines.dose.columns import UNSPECIFIED
from pipelines.dose.motility import displacements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.dose.movies import Movie

JUDGED = (Decision.NORMAL.value, Decision.ABNORMAL.value)
MITOSES = (*JUDGED, Decision.UNDECIDED.value)
DEATHS = ("death_in_mitosis", "death_in_interphase")
DEATH_FATES = (Fate.DIED_INTERPHASE.value, Fate.DIED_MITOSIS.value)
GONE = (Fate.LEFT_FIELD.value, Fate.LOST.value)
ENDS = ("division", "abnormal_exit", "death", "fusion")  # competing; what else ends a track censors
DIVIDED = ENDS[:2]
DNA_BIN_H = 12.0
GENERATIONS = 6  # how far clones are followed
CLASSES = ["verdict", "mitosis_class", "counted_class", "generation"]  # of an interval's mitosis


@dataclass(frozen=True, eq=False)
class Tables:
    """Rows of one movie, or of many."""

    movies: pd.DataFrame  # one row a movie
    mitoses: pd.DataFrame  # one row a mitosis; rejected proposals are left out
    fusions: pd.DataFrame  # one row a fusion that is no part of a mitosis
    cells: pd.DataFrame  # one row a cell: when it was seen and how it ended
    intervals: pd.DataFrame  # one row a duration, between bounds
    clones: pd.DataFrame  # one row a cell of the first frame, with its descendants
    frames: pd.DataFrame  # one row a usable frame: how many cells lived, and in which state
    dna: pd.DataFrame  # one row a cell and 12 hours: light of its DNA in interphase
    motility: pd.DataFrame  # one row a kind of cells and lag: mean squared displacement
    signals: pd.DataFrame  # one row a further channel, alignment and hour


def together(parts: Sequence[Tables]) -> Tables:
    """The rows of many movies."""
    return Tables(**{f.name: _stacked([getattr(p, f.name) for p in parts]) for f in fields(Tables)})


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One below the other; a column that a movie left empty takes the type that the others give it."""
    filled = [t for t in tables if len(t)] or tables[:1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that pandas will think otherwise of empty columns
        return pd.concat(filled, ignore_index=True)


def collect(movie: Movie, reviewed: Mapping[int, str] = MappingProxyType({})) -> Tables:
    """All rows of one movie.

    Args:
        movie: as it was run.
        reviewed: event_id -> normal, abnormal or not_a_mitosis, which overrules the verdict.
    """
    mitoses = _mitoses(movie, reviewed)
    cells = _cells(movie, reviewed)
    live = _live(movie)
    mitoses = _with_descent(mitoses, cells)
    tables = {
        "movies": _facts(movie, mitoses, cells),
        "mitoses": mitoses,
        "fusions": _events(movie, movie.events["event_type"] == "fusion"),
        "cells": cells,
        "intervals": _intervals(movie, mitoses, cells),
        "clones": _clones(movie, cells, mitoses),
        "frames": _frames(movie, live),
        "dna": _dna(movie, live),
        "motility": displacements(live, mitoses, cells, minutes_per_frame=movie.minutes_per_frame),
        "signals": signal_courses.of_movie(movie.signals),
    }
    return Tables(**{name: _with_map(movie, table) for name, table in tables.items()})


def _with_map(movie: Movie, table: pd.DataFrame) -> pd.DataFrame:
    """With the plate map's columns before its own."""
    columns = pd.DataFrame([dict(movie.row)]).loc[[0] * len(table)].reset_index(drop=True)
    own = table.reset_index(drop=True)
    return pd.concat([columns, own[[c for c in own.columns if c not in columns]]], axis=1)


def _hours(movie: Movie, minutes: Any) -> Any:
    return (minutes + movie.irradiated_min_before_start) / 60


def _first_usable(movie: Movie) -> int:
    usable = np.flatnonzero(movie.quality["usable"].to_numpy(bool))
    return int(usable[0]) if len(usable) else 0


def _events(movie: Movie, which: pd.Series) -> pd.DataFrame:
    table = movie.events[which].copy()
    table["hours"] = _hours(movie, table["time_min"].astype(float))  # an empty column has no type
    return table


def _mitoses(movie: Movie, reviewed: Mapping[int, str]) -> pd.DataFrame:
    table = _events(movie, (movie.events["event_type"] == "mitosis") & movie.events["verdict"].isin(MITOSES))
    table["counted_class"] = _counted(table, reviewed)
    table["by_person"] = is_by_person(table)
    # Of unclassified mitoses only abnormal ones are recognised, so their fraction abnormal would be 1.
    table["judged"] = table["counted_class"].isin(JUDGED) & (is_classified(table) | table["by_person"])
    table["pixel_size_um"] = movie.pixel_size_um
    duration = table["time_min"] - pd.to_numeric(table["onset_min"], errors="coerce")
    # A cell that is arrested when the movie ends has its event earlier, where a crop can show it.
    arrested = (table["source"] == ENDED) & (table["subtype"] != Subtype.DEATH_IN_MITOSIS.value)
    lasts = pd.to_numeric(table["evidence_lasts_min"], errors="coerce")
    duration = duration.mask(arrested & duration.notna(), lasts)
    # Onset and separation happened up to one frame before they were seen.
    table["least_min"] = (duration - movie.minutes_per_frame).clip(lower=0)
    table["most_min"] = duration + movie.minutes_per_frame
    return table


def is_classified(mitoses: pd.DataFrame) -> pd.Series:
    """Whether the classifier gave each mitosis a class."""
    return mitoses["mitosis_class"].isin((MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value))


def is_by_person(events: pd.DataFrame) -> pd.Series:
    """Whether a person decided each event, looking at the run itself."""
    return events["verdict_because"] == PERSON


def kinds_of(mitoses: pd.DataFrame) -> pd.Series:
    """The kind of each abnormal mitosis, UNSPECIFIED where none was seen; empty of the others."""
    abnormal = mitoses["counted_class"] == MitosisClass.ABNORMAL.value
    seen = mitoses["subtype"].where(mitoses["subtype"].isin(ABNORMAL_SUBTYPES), UNSPECIFIED)
    return seen.where(abnormal, "")


def _counted(table: pd.DataFrame, reviewed: Mapping[int, str]) -> list[str]:
    """What each mitosis counts as: its verdict, or a person's class in its place; empty of no mitosis."""
    pairs = zip(table["event_id"].tolist(), table["verdict"].tolist(), strict=True)
    return [reviewed.get(event, verdict) if verdict else "" for event, verdict in pairs]


def _with_descent(mitoses: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    descent = cells.set_index("tracklet_id")[["founder_id", "generation", "from_start"]]
    return mitoses.join(descent, on="mother_id")


def _cells(movie: Movie, reviewed: Mapping[int, str]) -> pd.DataFrame:
    """One row a cell, with its end among ENDS, or `censored` or `lost`."""
    t = movie.tracklets.copy()
    first = _first_usable(movie)
    started = t.set_index("tracklet_id")["first_frame"] <= first
    t["from_start"] = t["founder_id"].map(started).fillna(False).astype(bool)
    t["generation"] = t["generation"].where(t["from_start"]).astype("Int64")
    n_parents = t["parent_ids"].map(lambda ids: len(ids.split()))
    t["born_in_view"], t["is_fused"] = n_parents == 1, n_parents > 1
    events = movie.events.drop_duplicates("event_id").set_index("event_id")
    at_event = t["event_id"].map(events["time_min"])
    t["subtype"] = t["event_id"].map(events["subtype"]).fillna("")
    t[["verdict", "mitosis_class"]] = t[["verdict", "mitosis_class"]].fillna("")
    t["counted_class"] = _counted(t, reviewed)
    abnormal = t["counted_class"] == MitosisClass.ABNORMAL.value
    fate = t["fate"]
    t["end"] = np.select(
        [
            (fate == Fate.DIVIDED.value) & ~abnormal,
            (fate == Fate.DIVIDED.value) | (fate == Fate.SLIPPED.value),
            fate.isin(DEATH_FATES),
            fate == Fate.FUSED.value,
            fate == Fate.LOST.value,
        ],
        [*ENDS, "lost"],
        "censored",
    )
    # A mother's last frame is the one before her daughters' first; what is censored was seen in its last.
    step = movie.minutes_per_frame
    last = t["last_frame"] * step
    gone = last + step * fate.isin([Fate.DIVIDED.value, Fate.FUSED.value])
    settled = fate.isin([Fate.DIVIDED.value, Fate.SLIPPED.value, Fate.DIED_MITOSIS.value]) & at_event.notna()
    dead = _first_death(movie).reindex(t["tracklet_id"]).to_numpy()
    exit_min = np.where(settled, at_event, gone)
    exit_min = np.where((fate == Fate.DIED_INTERPHASE.value) & np.isfinite(dead), dead, exit_min)
    entry_min = t["first_frame"] * step
    t["entry_h"], t["exit_h"] = _hours(movie, entry_min), _hours(movie, exit_min)
    t["age_at_exit_h"] = (t["exit_h"] - t["entry_h"]).where(t["born_in_view"])
    return t


def _first_death(movie: Movie) -> pd.Series:
    deaths = movie.events[movie.events["subtype"].isin(DEATHS)]
    return deaths.groupby("mother_id")["time_min"].min().astype(float)


def _live(movie: Movie) -> pd.DataFrame:
    """Detections of tracked cells in usable frames, until their death."""
    d = movie.detections
    usable = movie.quality.loc[movie.quality["usable"].astype(bool), "frame"]
    d = d[(d["tracklet_id"] >= 0) & d["frame"].isin(usable)]
    dead = _first_death(movie).reindex(d["tracklet_id"]).to_numpy()
    d = d[~(d["time_min"].to_numpy(float) >= dead)]
    return d.assign(hours=_hours(movie, d["time_min"]))


def _frames(movie: Movie, live: pd.DataFrame) -> pd.DataFrame:
    """Live, in mitosis, in interphase; the two halves of an anaphase are one cell in mitosis."""
    counts = live.groupby(["frame", "state"]).size().unstack(fill_value=0)
    usable = movie.quality.loc[movie.quality["usable"].astype(bool), "frame"].to_numpy(int)
    counts = counts.reindex(index=usable, columns=[s.value for s in State], fill_value=0)
    in_mitosis = counts[[s.value for s in MITOTIC_STATES]].sum(axis=1) - 0.5 * counts[State.ANAPHASE.value]
    return pd.DataFrame(
        {
            "frame": usable,
            "hours": _hours(movie, usable * movie.minutes_per_frame),
            "n_live": (counts[State.INTERPHASE.value] + in_mitosis).to_numpy(float),
            "n_in_mitosis": in_mitosis.to_numpy(float),
            "n_interphase": counts[State.INTERPHASE.value].to_numpy(int),
            "cell_hours": counts[State.INTERPHASE.value].to_numpy(float) * movie.minutes_per_frame / 60,
        }
    )


def _dna(movie: Movie, live: pd.DataFrame) -> pd.DataFrame:
    interphase = live[live["state"] == State.INTERPHASE.value]
    # Put back: controls tell bleaching for all movies of a session, and runs could tell it for some alone.
    bleaching = movie.bleaching[interphase["frame"].to_numpy(int)]
    interphase = interphase.assign(dna_mass=interphase["dna_mass"] * bleaching)
    bins = np.floor(interphase["hours"] / DNA_BIN_H).astype(int).rename("bin")
    found = interphase.groupby(["tracklet_id", bins]).agg(
        dna_mass=("dna_mass", "median"),
        area_um2=("area_um2", "median"),
        frame=("frame", "median"),
        n_frames=("frame", "size"),
    )
    found = found[found["n_frames"] >= 3].reset_index()  # a median of fewer is one measurement
    found["hours_from"] = DNA_BIN_H * found.pop("bin")
    found["movie_hours"] = found.pop("frame") * movie.minutes_per_frame / 60  # of bleaching
    return found


def _intervals(movie: Movie, mitoses: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Durations of mitoses, of complete cycles, and from irradiation to the first mitosis; hours."""
    step = movie.minutes_per_frame / 60
    timed = mitoses[mitoses["least_min"].notna()]
    cycles = cells[cells["born_in_view"] & cells["end"].isin(DIVIDED)]
    first = mitoses[mitoses["generation"] == 0]
    parts = [
        timed[CLASSES].assign(
            kind="mitosis",
            tracklet_id=timed["mother_id"],
            hours=timed["hours"],
            least_h=timed["least_min"] / 60,
            most_h=timed["most_min"] / 60,
        ),
        cycles[CLASSES].assign(
            kind="cycle",
            tracklet_id=cycles["tracklet_id"],
            hours=cycles["exit_h"],
            least_h=(cycles["age_at_exit_h"] - step).clip(lower=0),
            most_h=cycles["age_at_exit_h"] + step,
        ),
        first[CLASSES].assign(
            kind="first_mitosis",
            tracklet_id=first["mother_id"],
            hours=first["hours"],
            least_h=first["hours"] - step,
            most_h=first["hours"],
        ),
    ]
    columns = ["kind", "tracklet_id", *CLASSES, "hours", "least_h", "most_h"]
    return pd.concat([p.astype({"generation": "Int64"})[columns] for p in parts], ignore_index=True)


def _clones(movie: Movie, cells: pd.DataFrame, mitoses: pd.DataFrame) -> pd.DataFrame:
    """The clone of each cell of the first frame; a cell that left may have gone on dividing elsewhere."""
    n_mitoses = mitoses.groupby("founder_id").size()
    n_abnormal = mitoses[mitoses["counted_class"] == MitosisClass.ABNORMAL.value].groupby("founder_id").size()
    rows = []
    for founder, clone in cells[cells["from_start"]].groupby("founder_id"):
        gone = clone[clone["fate"].isin(GONE)]
        row = {
            "founder_id": founder,
            "n_cells": len(clone),
            "n_alive_at_end": int((clone["fate"].isin([Fate.END_OF_MOVIE.value, Fate.SLIPPED.value])).sum()),
            "n_gone": len(gone),
            "n_mitoses": int(n_mitoses.get(founder, 0)),
            "n_abnormal": int(n_abnormal.get(founder, 0)),
            "generation_reached": int(clone["generation"].max()),
            "entry_h": float(clone["entry_h"].min()),
            "first_gone_h": float(gone["exit_h"].min()) if len(gone) else np.nan,
            "end_of_movie_h": float(_hours(movie, np.array((movie.n_frames - 1) * movie.minutes_per_frame))),
        }
        births = clone.groupby("generation")["entry_h"].min()
        row |= {f"h_to_{g}_divisions": births.get(g, np.nan) for g in range(1, GENERATIONS + 1)}
        rows.append(row)
    columns = ["founder_id"] if not rows else None
    return pd.DataFrame(rows, columns=columns)


def _facts(movie: Movie, mitoses: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    proposals = movie.events["event_type"] == "mitosis"
    rejected = proposals & (movie.events["verdict"] == Decision.NOT_A_MITOSIS.value)
    by_person = proposals & is_by_person(movie.events)
    called, counted = mitoses["mitosis_class"], mitoses["counted_class"]
    abnormal, judged = counted == Decision.ABNORMAL.value, mitoses["judged"]
    unclassified = ~is_classified(mitoses) & ~mitoses["by_person"]
    usable = movie.quality["usable"].astype(bool)
    start, end = _hours(movie, np.array([0.0, (movie.n_frames - 1) * movie.minutes_per_frame]))
    row = {
        "run": movie.root.name,
        "n_frames": movie.n_frames,
        "n_unusable_frames": int((~usable).sum()),
        "minutes_per_frame": movie.minutes_per_frame,
        "pixel_size_um": movie.pixel_size_um,
        "from_h": float(start),
        "to_h": float(end),
        "n_founders": int((cells["generation"] == 0).sum()),
        "n_cells": len(cells),
        "n_mitoses": len(mitoses),
        "n_judged": int(judged.sum()),
        "n_abnormal": int((abnormal & judged).sum()),
        "n_undecided": int((counted == Decision.UNDECIDED.value).sum()),
        "n_seen_abnormal_called_normal": int((abnormal & (called == MitosisClass.NORMAL.value)).sum()),
        "n_unclassified": int(unclassified.sum()),
        "n_seen_abnormal_unclassified": int((abnormal & unclassified).sum()),
        "n_rejected": int(rejected.sum()),
        "n_rejected_by_person": int((rejected & by_person).sum()),
        "n_verdicts_by_person": int(by_person.sum()),
        **movie.n_left_out,
        **movie.n_corrections,
        "n_without_onset": int(mitoses["least_min"].isna().sum()),
    }
    return pd.DataFrame([row])
