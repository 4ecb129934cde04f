"""Events of a run + MOSAIC.csv -> which of the real mitoses on the mosaic were proposed, and called what.

A mosaic is a movie of clips, each with a known mitosis on its own tile; `benchmarks/mosaic.py` makes them.
A mitosis is proposed if an event that is not rejected lies on its tile during its 12 frames; of several, the
one nearest to the middle of the tile counts. The others are counted as further events, as are those
elsewhere: some of them are true, since a quarter of the clips show a second condensed object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.evaluate.events import MISSED
from lineage.evaluate.match import Count
from lineage.schema import Decision, InputError, MitosisClass

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

MOSAIC_COLUMNS = (
    "clip",
    "class",
    "first_frame",
    "stop_frame",
    "y0_px",
    "x0_px",
    "height_px",
    "width_px",
)
CLASSES = (MitosisClass.NORMAL, MitosisClass.ABNORMAL)


def read_mosaic(path: Path) -> pd.DataFrame:
    """MOSAIC_COLUMNS, a row for each clip; frames are half-open, the tile's corner is in pixels of the image.

    Raises:
        InputError: no such file, columns missing, or a class that is neither normal nor abnormal.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"there is no file {path}; give the mosaic's own table, MOSAIC.csv")
    try:
        table = pd.read_csv(path, index_col=False)
    except (ValueError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not a table of a mosaic: {reason}") from error
    if missing := [c for c in MOSAIC_COLUMNS if c not in table]:
        raise InputError(f"{path} lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
    for name in MOSAIC_COLUMNS[2:]:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if len(bad := table.loc[~np.isfinite(numbers), name]):
            raise InputError(
                f"{path}: {name} is {str(bad.iloc[0])!r} in row {bad.index[0] + 1}; expected is a number"
            )
        table[name] = numbers
    if unknown := sorted(set(table["class"].astype(str)) - set(CLASSES)):
        raise InputError(f"{path} has the class {unknown[0]!r}; expected is normal or abnormal")
    return table


def score(events: pd.DataFrame, mosaic: pd.DataFrame) -> pd.DataFrame:
    """The mosaic's table with `event_id` (-1 where none was proposed) and the `verdict` on it.

    Args:
        events: of the run: `event_id, frame, y_px, x_px, verdict`; those that are no mitoses are left out.
        mosaic: MOSAIC_COLUMNS.
    """
    proposals = events[events["verdict"] != Decision.NOT_A_MITOSIS]
    found = []
    for _, clip in mosaic.iterrows():
        inside = proposals[
            proposals["frame"].between(clip["first_frame"], clip["stop_frame"] - 1)
            & proposals["y_px"].between(clip["y0_px"], clip["y0_px"] + clip["height_px"], inclusive="left")
            & proposals["x_px"].between(clip["x0_px"], clip["x0_px"] + clip["width_px"], inclusive="left")
        ]
        y, x = clip["y0_px"] + clip["height_px"] / 2, clip["x0_px"] + clip["width_px"] / 2
        order = np.hypot(inside["y_px"] - y, inside["x_px"] - x).sort_values().index
        best = inside.loc[order[0]] if len(order) else None
        found.append((-1, MISSED) if best is None else (int(best["event_id"]), best["verdict"]))
    return mosaic.assign(event_id=[i for i, _ in found], verdict=[verdict for _, verdict in found])


def count(scored: pd.DataFrame, events: pd.DataFrame) -> dict[str, Any]:
    """The figures of one mosaic, or of several whose tables were appended.

    Returns:
        `proposals`: of the clips, as are `of_normal` and `of_abnormal`. `right_class`: of the proposed.
        `abnormal_of_proposed`: the class among the proposed; `abnormal`: end to end, where what was not
        proposed was not called abnormal. `undecided`: of the clips; these are not called abnormal.
        `further_a_tile`: other events, for each clip.
    """
    proposed = scored["event_id"] >= 0
    abnormal = scored["class"] == MitosisClass.ABNORMAL
    called = scored["verdict"] == MitosisClass.ABNORMAL
    n_events = int((events["verdict"] != Decision.NOT_A_MITOSIS).sum())
    n, right = int(proposed.sum()), int((scored["class"] == scored["verdict"]).sum())
    return {
        "tiles": len(scored),
        "events": n_events,
        "proposals": Count(n, n_events, len(scored)),
        "of_normal": Count(int((proposed & ~abnormal).sum()), n_events, int((~abnormal).sum())),
        "of_abnormal": Count(int((proposed & abnormal).sum()), n_events, int(abnormal.sum())),
        "right_class": Count(right, n, n),
        "abnormal_of_proposed": Count(
            int((abnormal & called).sum()), int(called.sum()), int((abnormal & proposed).sum())
        ),
        "abnormal": Count(int((abnormal & called).sum()), int(called.sum()), int(abnormal.sum())),
        "undecided": int((scored["verdict"] == Decision.UNDECIDED).sum()),
        "further_a_tile": (n_events - n) / len(scored) if len(scored) else None,
    }
