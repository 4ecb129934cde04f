"""A person's classes of a sample of this plate's events -> the errors of the verdicts on this very plate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.schema import Decision, InputError, MitosisClass
from pipelines.dose.collect import is_classified
from pipelines.dose.correction import Classifier
from pipelines.sheet import lines_of, text_of

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("movie", "event_id", "mitosis_class")
CLASSES = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value, MitosisClass.NONE.value)
# Verdicts of a run on an event that was classified: the last two are neither normal nor abnormal.
VERDICTS = (
    Decision.NORMAL.value,
    Decision.ABNORMAL.value,
    Decision.NOT_A_MITOSIS.value,
    Decision.UNDECIDED.value,
)
DRAWS, SEED = 2000, 1
MIN_REVIEWED = 10  # truly normal mitoses, and truly abnormal ones; with fewer the errors are too uncertain


def read(path: Path) -> pd.DataFrame:
    """COLUMNS, one row an event that a person judged, without knowing dose or verdict.

    Raises:
        InputError: no such table, one with other columns or classes, or an event judged twice.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; wanted a table with {', '.join(COLUMNS)}")
    table = _table(path)
    if unknown := set(table["mitosis_class"]) - {*CLASSES, MitosisClass.UNCLASSIFIED.value, ""}:
        raise InputError(f"{path.name}: {sorted(unknown)[0]} is no class; wanted {', '.join(CLASSES)}")
    judged = table[table["mitosis_class"].isin(CLASSES)]
    twice = judged[judged.duplicated(["movie", "event_id"])].to_dict("records")
    if twice:
        raise InputError(
            f"{path.name}: event {twice[0]['event_id']} of {twice[0]['movie']} is judged twice; leave one"
        )
    return judged


def _table(path: Path) -> pd.DataFrame:
    """COLUMNS, one row an event, judged or left open."""
    (_, header), *body = [*lines_of(text_of(path), path.name)] or [(0, [])]
    if missing := [c for c in COLUMNS if c not in header]:
        raise InputError(f"{path.name} lacks {', '.join(missing)}; it has {', '.join(header)}")
    rows = [
        dict.fromkeys(COLUMNS, "") | dict(zip(header, map(str.strip, cells), strict=False))
        for _, cells in body
    ]
    for (line, _), row in zip(body, rows, strict=True):
        if not row["event_id"].isdecimal():
            raise InputError(f"{path.name}, line {line}: event_id = {row['event_id']}: wanted a whole number")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"event_id": int})


def classifier(sample: pd.DataFrame, mitoses: pd.DataFrame, movies: pd.DataFrame) -> Classifier | None:
    """Sensitivity and specificity of the verdicts from a sample stratified by dose and verdict.

    Within a stratum the true class of the judged events is known; that of the others is drawn from a
    Dirichlet distribution given these, with Jeffreys' prior, so a stratum in which no error was found leaves
    room for some. The counts that are returned are those of a simple sample of the same precision.

    Args:
        sample: of `read`.
        mitoses: of one cell line: `movie, event_id, verdict, mitosis_class, dose_gy`; unclassified ones are
            left out.
        movies: of the same: `movie, dose_gy, n_rejected`.

    Returns:
        None if the sample holds too few of this line.
    """
    events = sample.merge(movies[["movie", "dose_gy"]], on="movie")
    called = mitoses[["movie", "event_id"]].assign(
        called=mitoses["verdict"].where(is_classified(mitoses), "")
    )
    events = events.merge(called, on=["movie", "event_id"], how="left")
    events["called"] = events["called"].fillna(Decision.NOT_A_MITOSIS.value)  # not among mitoses: rejected
    events = events[events["called"].isin(VERDICTS)]
    if min((events["mitosis_class"] == true).sum() for true in CLASSES[:2]) < MIN_REVIEWED:
        return None
    n_called = mitoses[is_classified(mitoses)].groupby(["dose_gy", "verdict"]).size()
    n_rejected = movies.groupby("dose_gy")["n_rejected"].sum()
    rng = np.random.default_rng(SEED)
    truth = np.zeros((DRAWS, len(CLASSES), len(VERDICTS)))  # draws, truth, called
    for (dose, verdict), judged in events.groupby(["dose_gy", "called"]):
        rejected = verdict == Decision.NOT_A_MITOSIS
        total = n_rejected.get(dose, 0) if rejected else n_called.get((dose, verdict), 0)
        counts = np.array([(judged["mitosis_class"] == true).sum() for true in CLASSES])
        others = max(int(total) - len(judged), 0)
        truth[:, :, VERDICTS.index(str(verdict))] += counts + others * rng.dirichlet(counts + 0.5, DRAWS)
    normal, abnormal = (_of_same_precision(truth[:, i], i) for i in (0, 1))
    return Classifier(normal, abnormal, f"{len(events)} reviewed events of this plate")


def _of_same_precision(drawn: np.ndarray, true: int) -> tuple[float, float, float]:
    """(draws, called) counts of one true class -> those of a simple sample with the same uncertainty."""
    mitosis = drawn[:, :2].sum(axis=1)
    right = drawn[:, true] / mitosis
    share, total = float(right.mean()), float(mitosis.mean())
    binomial = max(share * (1 - share), 1 / (4 * total))
    n = binomial / (float(right.var()) + binomial / total)
    called = n * drawn.mean(axis=0) / total
    return float(called[0]), float(called[1]), float(called[2:].sum())
