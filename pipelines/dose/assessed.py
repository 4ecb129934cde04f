"""Mitoses -> in which of them micronuclei and lagging chromatin could be assessed; a note on the rest.

Where the pixels are too coarse events.csv says `not assessable`; the share of that kind is missing then, not
0.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from lineage.schema import Subtype

if TYPE_CHECKING:
    from collections.abc import Mapping

# Kinds that may not be visible at a pixel size, and the column of events.csv that says what was seen.
FINE_KINDS: Mapping[str, str] = MappingProxyType(
    {Subtype.LAGGING.value: "bridge", Subtype.MICRONUCLEI.value: "n_micronuclei"}
)


def assessed(mitoses: pd.DataFrame, kind: str) -> pd.Series:
    """In which mitoses a kind could be assessed.

    At some pixel sizes large bodies are visible but their absence cannot be asserted, so that no share can be
    counted: movies of a pixel size count only if one of them states absence in some mitosis. Mitoses without
    daughters are not of the kind, in movies that assess it in other mitoses.

    Args:
        mitoses: of all movies: `movie, pixel_size_um` and FINE_KINDS as text.
        kind: of FINE_KINDS.
    """
    written = mitoses[FINE_KINDS[kind]]
    answer = pd.to_numeric(written.replace({"False": "0", "True": "1"}), errors="coerce")
    by_movie = answer.notna().groupby(mitoses["movie"]).transform("any")
    by_pixel_size = (answer == 0).groupby(mitoses["pixel_size_um"]).transform("any")
    return by_movie & by_pixel_size & (answer.notna() | (written == ""))


def marked(mitoses: pd.DataFrame, movies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mitoses with a column KIND_assessed, movies with how many of the judged were: n_assessed_KIND."""
    found = {kind: assessed(mitoses, kind) for kind in FINE_KINDS}
    judged = mitoses["judged"]
    counts = {k: (which & judged).groupby(mitoses["movie"]).sum() for k, which in found.items()}
    per_movie = {k: movies["movie"].map(n).fillna(0).astype(int) for k, n in counts.items()}
    return (
        mitoses.assign(**{f"{kind}_assessed": which for kind, which in found.items()}),
        movies.assign(**{f"n_assessed_{kind}": n for kind, n in per_movie.items()}),
    )


def known_movies(movies: pd.DataFrame, kind: str) -> pd.Series:
    """Whether a kind was assessed in each movie that shows a judged mitosis."""
    return movies.loc[movies["n_judged"] > 0, f"n_assessed_{kind}"] > 0


def pixel_sizes(movies: pd.DataFrame) -> str:
    """Pixel sizes in words.

    >>> pixel_sizes(pd.DataFrame({"pixel_size_um": [1.1518, 0.65, 1.1518]}))
    '0.65 and 1.15 µm'
    """
    return " and ".join(f"{size:.3g}" for size in sorted(set(movies["pixel_size_um"]))) + " µm"


def notes(movies: pd.DataFrame, mitoses: pd.DataFrame) -> list[str]:
    """A note on each kind that was not assessed in some movies."""
    sentences = []
    for kind in FINE_KINDS:
        known = known_movies(movies, kind)
        if known.all():
            continue
        unknown = movies.loc[known.index[~known]]
        in_these = mitoses["movie"].isin(unknown["movie"]) & (mitoses["counted_class"] == "abnormal")
        seen = int(((mitoses["subtype"] == kind) & in_these).sum())
        sentences.append(
            f"{kind.replace('_', ' ').capitalize()}: not assessable in {len(unknown)} of {len(known)} movies "
            f"({pixel_sizes(unknown)} a pixel). Its share is missing there, not 0."
            + f" It was seen in {seen} of their mitoses, which count as abnormal." * (seen > 0)
            + " The fraction abnormal includes it in the other movies only." * bool(known.any())
        )
    return sentences
