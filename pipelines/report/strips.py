"""Mitoses of a plate -> film strips of typical and of doubtful ones, from the runs' crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from lineage.io.run_folder import RunFolder
from lineage.report.strips import film_strip
from lineage.report.words import reasons
from lineage.schema import Flag
from pipelines.report.drawing import Figure, dose_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TILE_PX = 72
N_DOUBTFUL = 6
SURE = 2.0  # log-odds of the tracking, from which on a mitosis may be called typical
# What the strip shows was not all filmed.
MADE_UP = "|".join((Flag.FRAME_REPLACED, Flag.SQUARE_PADDED, Flag.WINDOW_PADDED))
COLUMNS = (
    "movie", "well", "position", "dose_gy", "event_id", "frame", "hours", "verdict", "p_verdict",
    "verdict_because", "mitosis_class", "counted_class", "subtype", "p_abnormal", "confidence", "flags",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Strip:
    """One strip, and what is said above it."""

    figure: Figure
    mitosis_class: str  # that it is counted under
    words: tuple[str, ...]


def strips(mitoses: pd.DataFrame, roots: Mapping[str, Path]) -> tuple[list[Strip], list[Strip]]:
    """Strips of typical mitoses, one of each class and dose, and of the most doubtful of all.

    The class is the verdict that a mitosis is counted under. Typical is the one in the middle of its class
    and dose by the verdict's probability, of those that are judged and the tracking is sure of, and of these
    of those filmed whole, if there are any; doubtful are those with the smallest log-odds of the tracking.

    Args:
        mitoses: of one series.
        roots: movie -> its run folder.
    """
    names = zip(mitoses["movie"].tolist(), mitoses["event_id"].tolist(), strict=True)
    there = mitoses[[_crop(roots[movie], event).exists() for movie, event in names]]
    if not len(there):
        return [], []
    there = there.assign(confidence=pd.to_numeric(there["confidence"], errors="coerce"))
    judged = there[there["judged"]]
    sure = judged[~(judged["confidence"].abs() < SURE)]
    typical = [_middle(_filmed_whole(t)) for _, t in sure.groupby(["dose_gy", "counted_class"])]
    doubt = there[there["confidence"].notna()].sort_values("confidence", key=abs, kind="stable")
    return (
        [_strip(r, "typical", roots) for r in typical],
        [_strip(r, "doubtful", roots) for _, r in doubt.head(N_DOUBTFUL).iterrows()],
    )


def _crop(root: Path, event_id: int) -> Path:
    return RunFolder(root).crops / f"event_{event_id:04d}.tif"


def _filmed_whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Those that lie within the movie's time and field; all of them if none does, or if no run says."""
    if "flags" not in rows:
        return rows
    whole = rows[~rows["flags"].fillna("").astype(str).str.contains(MADE_UP)]
    return whole if len(whole) else rows


def _middle(rows: pd.DataFrame) -> pd.Series:
    return rows.sort_values(["p_verdict", "movie", "event_id"]).iloc[len(rows) // 2]


def _strip(row: pd.Series, kind: str, roots: Mapping[str, Path]) -> Strip:
    words = (
        dose_words(row["dose_gy"]),
        str(row["subtype"]).replace("_", " "),
        reasons(row.to_dict()) if row["verdict"] == row["counted_class"] else "by a person",
        f"log-odds {row['confidence']:.1f}" if row["confidence"] == row["confidence"] else "",
        f"well {row['well']}, position {row['position']}, event {row['event_id']}",
        f"{row['hours']:.1f} h",
    )
    name = f"{kind}_{row['movie']}_event_{row['event_id']:04d}"
    svg = film_strip(
        _crop(roots[row["movie"]], row["event_id"]), side_um=float(row["side_um"]), tile_px=TILE_PX
    )
    data = row.reindex(COLUMNS).to_frame().T
    told = tuple(filter(None, words))
    return Strip(Figure(name, ", ".join(told), "", svg, data), str(row["counted_class"]), told)
