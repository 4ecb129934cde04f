"""Mitoses of a plate -> film strips of typical and of doubtful ones, from the runs' crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from lineage.io.run_folder import RunFolder
from lineage.report.strips import strip_or_reason
from lineage.report.words import reasons
from lineage.schema import Flag
from pipelines.report.drawing import Figure, dose_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TILE_PX = 72
N_DOUBTFUL = 6
MIN_CONFIDENCE = 2.0  # log-odds of the tracking, of a typical mitosis
# Some of the strip's pixels are no part of the movie.
FILLED_IN = "|".join((Flag.FRAME_REPLACED, Flag.SQUARE_PADDED, Flag.WINDOW_PADDED))
COLUMNS = (
    "movie",
    "well",
    "position",
    "dose_gy",
    "event_id",
    "frame",
    "hours",
    "verdict",
    "p_verdict",
    "verdict_because",
    "mitosis_class",
    "counted_class",
    "subtype",
    "p_abnormal",
    "confidence",
    "flags",
)


@dataclass(frozen=True, eq=False)
class Strip:
    """One strip, and the facts that stand above it."""

    figure: Figure
    counted_class: str
    facts: tuple[str, ...]


def strips(mitoses: pd.DataFrame, roots: Mapping[str, Path]) -> tuple[list[Strip], list[Strip], list[str]]:
    """Strips of typical mitoses, one of each class and dose, and of the most doubtful of all.

    The class is the one that a mitosis is counted under. Typical is the median of a class and dose by the
    verdict's probability, among judged mitoses with a high confidence of the tracking and, if there are any,
    with a complete crop. Doubtful are those with the lowest confidence of the tracking. Those without a crop
    are passed over.

    Args:
        mitoses: of one series.
        roots: movie -> its run folder.

    Returns:
        Typical, doubtful, and a sentence for each of these whose crop is damaged: it has no strip.
    """
    names = zip(mitoses["movie"].tolist(), mitoses["event_id"].tolist(), strict=True)
    cropped = mitoses[[_crop(roots[movie], event).exists() for movie, event in names]]
    if not len(cropped):
        return [], [], []
    cropped = cropped.assign(confidence=pd.to_numeric(cropped["confidence"], errors="coerce"))
    judged = cropped[cropped["judged"]]
    confident = judged[~(judged["confidence"].abs() < MIN_CONFIDENCE)]
    typical = [_median(_complete(t)) for _, t in confident.groupby(["dose_gy", "counted_class"])]
    doubtful = cropped[cropped["confidence"].notna()].sort_values("confidence", key=abs, kind="stable")
    chosen = {
        "typical": typical,
        "doubtful": [row for _, row in doubtful.head(N_DOUBTFUL).iterrows()],
    }
    found: dict[str, list[Strip]] = {kind: [] for kind in chosen}
    damaged = []
    for kind, rows in chosen.items():
        for row in rows:
            crop = _crop(roots[row["movie"]], row["event_id"])
            svg, reason = strip_or_reason(crop, side_um=float(row["side_um"]), tile_px=TILE_PX)
            if svg:
                found[kind].append(_strip(row, kind, svg))
            else:
                damaged.append(f"no film strip of event {row['event_id']} of {row['movie']}: {reason}")
    return found["typical"], found["doubtful"], list(dict.fromkeys(damaged))  # one may be both


def _crop(root: Path, event_id: int) -> Path:
    return RunFolder(root).crops / f"event_{event_id:04d}.tif"


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Those whose crop lies within the movie's time and field; all of them where there are none."""
    if "flags" not in rows:
        return rows
    complete = rows[~rows["flags"].fillna("").astype(str).str.contains(FILLED_IN)]
    return complete if len(complete) else rows


def _median(rows: pd.DataFrame) -> pd.Series:
    return rows.sort_values(["p_verdict", "movie", "event_id"]).iloc[len(rows) // 2]


def _strip(row: pd.Series, kind: str, svg: str) -> Strip:
    facts = (
        dose_words(row["dose_gy"]),
        str(row["subtype"]).replace("_", " "),
        reasons(row.to_dict()) if row["verdict"] == row["counted_class"] else "class given by a person",
        f"tracking log-odds {row['confidence']:.1f}" if row["confidence"] == row["confidence"] else "",
        f"well {row['well']}, position {row['position']}, event {row['event_id']}",
        f"{row['hours']:.1f} h",
    )
    name = f"{kind}_{row['movie']}_event_{row['event_id']:04d}"
    data = row.reindex(COLUMNS).to_frame().T
    known = tuple(filter(None, facts))
    return Strip(Figure(name, ", ".join(known), "", svg, data), str(row["counted_class"]), known)
