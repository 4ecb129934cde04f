"""Tables of an analysis -> notes: what a reader should know before trusting its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.dose.columns import SERIES, series_name
from pipelines.dose.compare import DESCRIPTIVE

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.dose.measures import Context

FEW_SURVIVE = 0.3  # of the founders without dose: then the movies are too short for reproductive survival
LONG_BEFORE_MIN = 720.0  # irradiated so long before, cells may have divided before the movie
ONE_WELL = (
    "Fewer than two doses have two wells with a judged mitosis. An effect of dose cannot be separated from "
    "differences between wells then, however many positions and cells are counted, so there is no p-value. "
    "The interval of a dose with one such well describes that well alone."
)


def one_well(trends: pd.DataFrame) -> list[str]:
    """That nothing is tested, in all series or in some.

    Args:
        trends: of `compare.trends`.
    """
    primary = trends[trends["family"] == "primary"]
    untested = primary[primary["method"].str.contains(DESCRIPTIVE) & (primary["n_doses"] > 1)]
    if len(untested) == len(primary):
        return [ONE_WELL]
    return [f"{series_name(*key)}: {ONE_WELL}" for key in untested[list(SERIES)].itertuples(index=False)]


def of_movies(movies: pd.DataFrame) -> list[str]:
    """What the plate map leaves open, movies without a cell, and what people corrected.

    Args:
        movies: one row a movie, with the plate map's columns, `n_cells` and how many corrections there are.
    """
    return [*_irradiation(movies), *_dye(movies), *_empty(movies), *_corrections(movies)]


def _irradiation(movies: pd.DataFrame) -> list[str]:
    notes = []
    before = movies["irradiated_min_before_start"]
    if unknown := int(before.isna().sum()):
        notes.append(
            f"irradiated_min_before_start is empty for {unknown} of {len(movies)} movies: these are taken to "
            "begin at irradiation. If they began later, fill in the column: hours since irradiation depend "
            "on it."
        )
    if before.max() > LONG_BEFORE_MIN:
        notes.append(
            "Generations count from the first frame. Cells were irradiated hours before it and may have "
            "divided in between."
        )
    return notes


def _dye(movies: pd.DataFrame) -> list[str]:
    if movies["control"].fillna("").astype(str).str.contains("dye-free").any():
        return []
    return [
        "No dye-free control is named: dye and light by themselves slow the cell cycle and damage DNA, so "
        "every rate here is that of stained, illuminated cells."
    ]


def _empty(movies: pd.DataFrame) -> list[str]:
    empty = movies.loc[movies["n_cells"] == 0, "movie"]
    if empty.empty:
        return []
    return [
        f"No nucleus was followed in {len(empty)} of {len(movies)} movies ({', '.join(map(str, empty))}): "
        "these are counted among positions and wells, and contribute to no other number."
    ]


def _corrections(movies: pd.DataFrame) -> list[str]:
    notes = []
    corrected = movies[movies["n_verdicts_by_person"] + movies["n_other_corrections"] > 0]
    if len(corrected):
        doses = ", ".join(
            f"{dose:g} Gy {corrections_words(of_dose)}" for dose, of_dose in movies.groupby("dose_gy")
        )
        notes.append(
            f"People corrected {len(corrected)} of {len(movies)} movies; their verdicts and other "
            f"corrections by dose: {doses}. If they knew the dose, or looked more closely at some doses than "
            "at others, doses differ by that as well."
        )
    if n := int(movies["n_corrections_not_applied"].sum()):
        names = movies.loc[movies["n_corrections_not_applied"] > 0, "movie"]
        notes.append(
            f"{n} corrections are not applied ({', '.join(map(str, names))}): "
            "the review of these runs says why."
        )
    return notes


def corrections_words(movies: pd.DataFrame) -> str:
    """How many verdicts and other corrections of some movies are people's.

    >>> import pandas as pd
    >>> corrections_words(pd.DataFrame({"n_verdicts_by_person": [3, 1], "n_other_corrections": [0, 2]}))
    '4 + 2'
    """
    return " + ".join(str(int(movies[c].sum())) for c in ("n_verdicts_by_person", "n_other_corrections"))


def too_short(wells: pd.DataFrame, context: Context) -> list[str]:
    """That hardly any founder without dose and drug divides as often as reproductive survival asks.

    Args:
        wells: one row a well, measure and stratum.
        context: that the wells were measured by.
    """
    controls = wells[(wells["dose_gy"] == 0) & (wells["drug_uM"] == 0)]
    share = float(controls.loc[controls["measure"] == "reproductive_survival", "value"].mean())
    if not share < FEW_SURVIVE:
        return []
    return [
        f"Only {100 * share:.0f} % of the unirradiated founders divide {context.divisions} times within "
        f"{context.follow_up_h:.0f} h: these movies are too short to measure reproductive survival; ask for "
        "fewer --divisions."
    ]
