"""Rows of one well, or of one position -> its numbers: one value a measure and stratum.

A measure that a well has too little for is NaN; `n` is what it was counted from. The first is the primary
one, all others are exploratory.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from lineage.schema import Decision, MitosisClass
from pipelines.dose import clones
from pipelines.dose.assessed import FINE_KINDS
from pipelines.dose.collect import DIVIDED, ENDS, JUDGED, Tables, is_classified, kinds_of
from pipelines.dose.columns import SUBTYPES, UNSPECIFIED
from pipelines.dose.fates import ends_of
from pipelines.dose.incidence import CENSORED, aalen_johansen
from pipelines.dose.motility import diffusion_um2_h
from pipelines.dose.relatives import relatives
from pipelines.dose.turnbull import turnbull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PRIMARY = "fraction_abnormal"
BIN_H = 12.0
MIN_OF_BIN_H = 3.0  # watched; the rate of a shorter time cannot be compared with those of full bins
LAST_GENERATION = 3  # later ones are few
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "mitoses_per_1000_cell_hours": "per 1000 h",
        "abnormal_per_1000_cell_hours": "per 1000 h",
        "deaths_per_1000_cell_hours": "per 1000 h",
        "sister_fusions_per_1000_cell_hours": "per 1000 h",
        "mitotic_index": "share",
        "mitotic_duration": "min",
        "time_to_first_mitosis": "h",
        "cycle_time": "h",
        "doubling_time": "h",
        "growth": "fold",
        "clone_size": "cells",
        "generation_reached": "generations",
        "diffusion": "um2/h",
        **{f"incidence_{end}": "share" for end in ENDS},
    }
)


class Row(NamedTuple):
    """One number."""

    measure: str
    stratum: str
    value: float
    n: int  # what it was counted from
    k: float = np.nan  # of a share, how many
    called: float = np.nan  # of a fraction abnormal: by the runs' own verdicts, a person's left out
    n_by_person: int = 0  # of n: mitoses that a person decided
    k_by_person: int = 0  # of k: likewise


@dataclass(frozen=True, eq=False)
class Context:
    """Settings that all wells of a plate are measured with."""

    follow_up_h: float  # since irradiation: until then every movie was watched
    divisions: int  # of reproductive survival
    arrest_h: float  # after birth; a cell undivided for so long is arrested


def measure(part: Tables, context: Context) -> Iterator[Row]:
    """Every measure of one part of the plate."""
    for rows_of in MEASURES:
        yield from rows_of(part, context)


def fractions(part: Tables, _: Context) -> Iterator[Row]:
    """Abnormal, of the mitoses that were judged; by generation and by time; each kind; undecided, of all."""
    m = part.mitoses
    judged = m[m["judged"]]
    known = m[is_classified(m) | m["by_person"]]
    for stratum, rows in (("all", known), *strata(known)):
        automatic = rows[rows["verdict"].isin(JUDGED) & ~rows["by_person"]]
        share = _share_abnormal(stratum, rows[rows["judged"]], "counted_class")
        yield share._replace(called=_share_abnormal(stratum, automatic, "verdict").value)
    for subtype in SUBTYPES:
        rows = judged[judged[f"{subtype}_assessed"]] if subtype in FINE_KINDS else judged
        yield _share_of_judged(fraction(subtype), "all", rows, kinds_of(rows) == subtype)
    yield _share("fraction_undecided", "all", m, m["counted_class"] == Decision.UNDECIDED.value)


def _share_abnormal(stratum: str, rows: pd.DataFrame, column: str) -> Row:
    return _share_of_judged(PRIMARY, stratum, rows, rows[column] == MitosisClass.ABNORMAL.value)


def _share_of_judged(name: str, stratum: str, rows: pd.DataFrame, which: pd.Series) -> Row:
    by_person = rows["by_person"]
    return _share(name, stratum, rows, which)._replace(
        n_by_person=int(by_person.sum()), k_by_person=int((which & by_person).sum())
    )


def fraction(subtype: str) -> str:
    """Name of the measure.

    >>> fraction("tripolar"), fraction("abnormal")
    ('fraction_tripolar', 'fraction_unspecified')
    """
    return "fraction_unspecified" if subtype == UNSPECIFIED else f"fraction_{subtype}"


def strata(mitoses: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Generations after the first frame, and 12-hour bins since irradiation."""
    for g in range(LAST_GENERATION + 1):
        yield f"generation {g}", mitoses[mitoses["generation"] == g]
    mitoses = mitoses.sort_values("hours", kind="stable")
    for name, rows in mitoses.groupby(mitoses["hours"].map(bin_of), sort=False):
        yield str(name), rows


def bin_of(hours: float) -> str:
    """The 12-hour bin of an event that is first seen at that time, so happened in the frame interval before.

    >>> bin_of(0.0), bin_of(12.0), bin_of(12.1)
    ('0-12 h', '0-12 h', '12-24 h')
    """
    bins_before = max(np.ceil(hours / BIN_H) - 1, 0)
    return f"{BIN_H * bins_before:g}-{BIN_H * (bins_before + 1):g} h"


def _share(name: str, stratum: str, rows: pd.DataFrame, which: pd.Series) -> Row:
    k, n = int(which.sum()), len(rows)
    return Row(name, stratum, k / n if n else np.nan, n, k)


def rates(part: Tables, _: Context) -> Iterator[Row]:
    """Mitoses for each hour that a live cell was watched in interphase; mitotic index; in usable frames."""
    f, m = part.frames, part.mitoses
    watched = m.merge(f[["movie", "frame"]], on=["movie", "frame"])
    hours, live = float(f["cell_hours"].sum()), float(f["n_live"].sum())
    abnormal = int((watched["counted_class"] == MitosisClass.ABNORMAL.value).sum())
    for name, k in (("mitoses", len(watched)), ("abnormal", abnormal)):
        yield Row(f"{name}_per_1000_cell_hours", "all", 1000 * k / hours if hours else np.nan, k)
    yield Row("mitotic_index", "all", float(f["n_in_mitosis"].sum()) / live if live else np.nan, int(live))


def ends_over_time(part: Tables, _: Context) -> Iterator[Row]:
    """Deaths and late fusions of sisters for each hour that a live cell was watched, by 12-hour bins."""
    watched = part.frames.assign(bin=part.frames["hours"].map(bin_of))
    dead = part.cells[part.cells["end"] == "death"].rename(columns={"exit_h": "hours"})
    fused = part.fusions[part.fusions["subtype"] == "sister_fusion"]
    for name, ends in (("deaths", dead), ("sister_fusions", fused)):
        seen = _at_same_time(ends, watched)
        for stratum, frames in watched.groupby("bin"):
            if np.ptp(frames["hours"]) < MIN_OF_BIN_H:
                continue
            k, hours = int((seen["bin"] == stratum).sum()), float(frames["cell_hours"].sum())
            yield Row(f"{name}_per_1000_cell_hours", str(stratum), 1000 * k / hours if hours else np.nan, k)


def _at_same_time(rows: pd.DataFrame, frames: pd.DataFrame) -> pd.DataFrame:
    """What happened in usable frames, with the frame's bin."""
    keys = ["movie", "hours"]
    parts = (rows[keys], frames[[*keys, "bin"]])
    # Rounded, since both are sums of minutes, added in different orders.
    rows, frames = (t.assign(hours=t["hours"].astype(float).round(6)) for t in parts)
    return rows.merge(frames, on=keys)


def timing(part: Tables, context: Context) -> Iterator[Row]:
    """Medians: of mitosis, between bounds (Turnbull); to the first mitosis; of the cycle (Kaplan & Meier)."""
    timed = part.intervals[part.intervals["kind"] == "mitosis"]
    kinds = {"all": timed} | {c: timed[timed["counted_class"] == c] for c in JUDGED}
    for stratum, rows in kinds.items():
        found = turnbull(60 * rows["least_h"], 60 * rows["most_h"]) if len(rows) else None
        yield Row("mitotic_duration", stratum, found.middle() if found else np.nan, len(rows))
    yield Row("time_to_first_mitosis", "of those that get there", *first_mitosis(part, context.follow_up_h))
    born = part.cells[part.cells["born_in_view"]]
    divided = born["end"].isin(DIVIDED).to_numpy().astype(int)
    found_cycle = aalen_johansen(np.zeros(len(born)), born["age_at_exit_h"], divided, n_causes=1)
    yield Row("cycle_time", "all", found_cycle.quantile(1, 0.5), int(divided.sum()))


def first_mitosis(part: Tables, follow_up_h: float) -> tuple[float, int]:
    """Median hours from irradiation to the founders' first mitosis, of those that get there; how many did.

    The time at which the incidence of mitosis, other ends competing, is half of what it is at the end of the
    follow-up.
    """
    founders = part.cells[part.cells["generation"] == 0]
    times = part.mitoses[part.mitoses["generation"] == 0].groupby(["movie", "mother_id"])["hours"].min()
    keys = pd.MultiIndex.from_frame(founders[["movie", "tracklet_id"]])
    at = times.reindex(keys).to_numpy(float)
    end = np.where(np.isfinite(at), at, founders["exit_h"].to_numpy(float))
    other = np.where(founders["end"].isin(["death", "fusion"]), 2, CENSORED)
    cause = np.where(np.isfinite(at), 1, other)
    late = end > follow_up_h
    found = aalen_johansen(
        founders["entry_h"].to_numpy(float),
        np.where(late, follow_up_h, end),
        np.where(late, CENSORED, cause),
        n_causes=2,
    )
    if not len(found.times) or found.by_cause[0, -1] == 0:
        return float("nan"), 0
    return found.quantile(1, 0.5 * float(found.by_cause[0, -1])), int(((cause == 1) & ~late).sum())


def ends(part: Tables, context: Context) -> Iterator[Row]:
    """Cumulative incidence of the founders' competing ends at the end of the follow-up."""
    founders = part.cells[part.cells["generation"] == 0]
    found = ends_of(founders, since_birth=False)
    for name, value in zip(ENDS, found.at([context.follow_up_h])[:, 0], strict=True):
        yield Row(f"incidence_{name}", "founders", float(value) if len(founders) else np.nan, len(founders))
    divisions = part.cells["end"].isin(DIVIDED) & (part.cells["fate"] == "divided")
    n = int(divisions.sum())
    fused = int((part.fusions["subtype"] == "sister_fusion").sum())
    yield Row("sister_fusions_per_division", "all", fused / n if n else np.nan, n, fused)


def clone_measures(part: Tables, context: Context) -> Iterator[Row]:
    """Of the founders: clone size, generations, and the share that goes on dividing."""
    c = part.clones
    n = len(c)
    yield Row("clone_size", "at the end", float(c["n_alive_at_end"].mean()) if n else np.nan, n)
    yield Row("generation_reached", "all", float(c["generation_reached"].mean()) if n else np.nan, n)
    value, n = clones.reproductive_survival(c, divisions=context.divisions, follow_up_h=context.follow_up_h)
    yield Row("reproductive_survival", f"{context.divisions} divisions", value, n, value * n)


def growth(part: Tables, _: Context) -> Iterator[Row]:
    """Live cells at the end for each at the start; doubling time by a line through their logarithms."""
    hour = np.floor(part.frames["hours"]).rename("hour")
    # Positions of one well may miss different frames, so the mean of each movie is taken first; an hour that
    # one of them misses is left out, since its cells would seem to be gone.
    live = part.frames.groupby([hour, "movie"])["n_live"].mean().unstack().dropna().sum(axis=1)
    live = live[live > 0]
    n = int(part.frames["frame"].nunique())
    if len(live) < 3:
        return
    slope = float(np.polyfit(live.index, np.log2(live), 1)[0])
    yield Row("growth", "end over start", float(live.iloc[-1] / live.iloc[0]), n)
    yield Row("doubling_time", "all", 1 / slope if slope > 0 else np.nan, n)


def sizes(part: Tables, _: Context) -> Iterator[Row]:
    """Polyploid, giant and fused cells; DNA content of the last 12 hours, where the session is calibrated."""
    if "ploidy" in part.dna.columns and len(part.dna):
        late = part.dna[part.dna["hours_from"] == part.dna["hours_from"].max()]
        for ploidy in ("4N", "8N", "above 8N"):
            yield _share(f"share_{ploidy.replace(' ', '_')}", "last 12 h", late, late["ploidy"] == ploidy)
        yield _share("share_giant", "last 12 h", late, late["giant"].astype(bool))
    yield _share("share_fused", "all", part.cells, part.cells["is_fused"])


def movement(part: Tables, _: Context) -> Iterator[Row]:
    """Diffusion before and after mitosis; movies are weighted by their cells."""
    for (when, kind), rows in part.motility.groupby(["when", "mitosis_class"]):
        weighted = (
            rows.assign(sum=rows["msd_um2"] * rows["n_cells"]).groupby("lag_min")[["sum", "n_cells"]].sum()
        )
        msd = (weighted["sum"] / weighted["n_cells"]).to_numpy(float)
        value = diffusion_um2_h(weighted.index.to_numpy(float), msd)
        yield Row("diffusion", f"{when} {kind} mitosis", value, int(weighted["n_cells"].max()))


def families(part: Tables, context: Context) -> Iterator[Row]:
    """Correlations of relatives, and what an abnormal mitosis predicts."""
    cells = part.cells.merge(part.movies[["movie", "to_h"]], on="movie")
    for name, stratum, value, n in relatives(cells, window_h=context.arrest_h):
        yield Row(name, stratum, value, n)


MEASURES: tuple[Callable[[Tables, Context], Iterator[Row]], ...] = (
    fractions,
    rates,
    ends_over_time,
    timing,
    ends,
    clone_measures,
    growth,
    sizes,
    movement,
    families,
)
