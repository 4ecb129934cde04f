"""A person's verdicts on a sample of this plate's events -> the classifier's errors on this very plate."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.schema import InputError, MitosisClass
from pipelines.dose.correction import Classifier

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("movie", "event_id", "mitosis_class")
CLASSES = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value, MitosisClass.NONE.value)
DRAWS, SEED = 2000, 1
LEAST = 10  # of truly normal, and of truly abnormal mitoses; fewer say too little


def read(path: Path) -> pd.DataFrame:
    """COLUMNS, one row a judged event; judged without seeing dose or the classifier's word.

    Raises:
        InputError: no such table, one with other columns or classes, or an event judged twice.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; wanted a table with {', '.join(COLUMNS)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is no UTF-8 text; in a spreadsheet, save it as CSV UTF-8") from error
    # Spreadsheets of half of Europe separate by semicolons.
    separator = max(",;\t", key=text.partition("\n")[0].count)
    table = pd.read_csv(io.StringIO(text), sep=separator, dtype={"movie": str, "mitosis_class": str})
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise InputError(f"{path.name} lacks {', '.join(missing)}; it has {', '.join(table.columns)}")
    if unknown := set(table["mitosis_class"].dropna()) - {*CLASSES, MitosisClass.UNCLASSIFIED.value}:
        raise InputError(f"{path.name}: {sorted(unknown)[0]} is no class; wanted {', '.join(CLASSES)}")
    judged = table[table["mitosis_class"].isin(CLASSES)]
    twice = judged[judged.duplicated(["movie", "event_id"])].to_dict("records")
    if twice:
        raise InputError(
            f"{path.name}: event {twice[0]['event_id']} of {twice[0]['movie']} is judged twice; leave one"
        )
    return judged


def classifier(sample: pd.DataFrame, mitoses: pd.DataFrame, movies: pd.DataFrame) -> Classifier | None:
    """Sensitivity and specificity from a sample stratified by dose and predicted class.

    Within a stratum the judged events are known, and the truth of the others is drawn from what the judged
    ones say, with Jeffreys' prior; so a stratum in which no error was found leaves room for some. The counts
    that are returned are those of a simple sample of the same precision.

    Args:
        sample: of `read`.
        mitoses: of one cell line: `movie, event_id, mitosis_class, dose_gy`.
        movies: of the same: `movie, dose_gy, n_rejected`.

    Returns:
        None if the sample holds too few of this line.
    """
    mine = sample.merge(movies[["movie", "dose_gy"]], on="movie")
    told = mitoses[["movie", "event_id", "mitosis_class"]].rename(columns={"mitosis_class": "called"})
    mine = mine.merge(told, on=["movie", "event_id"], how="left")
    mine["called"] = mine["called"].fillna(CLASSES[2])  # what is no mitosis was rejected
    mine = mine[mine["called"].isin(CLASSES)]
    if min((mine["mitosis_class"] == true).sum() for true in CLASSES[:2]) < LEAST:
        return None
    n_called = mitoses.groupby(["dose_gy", "mitosis_class"]).size()
    n_rejected = movies.groupby("dose_gy")["n_rejected"].sum()
    rng = np.random.default_rng(SEED)
    truth = np.zeros((DRAWS, len(CLASSES), len(CLASSES)))  # draws, truth, called
    for (dose, called), judged in mine.groupby(["dose_gy", "called"]):
        there = n_rejected.get(dose, 0) if called == CLASSES[2] else n_called.get((dose, called), 0)
        seen = np.array([(judged["mitosis_class"] == true).sum() for true in CLASSES])
        others = max(int(there) - len(judged), 0)
        truth[:, :, CLASSES.index(called)] += seen + others * rng.dirichlet(seen + 0.5, DRAWS)
    counts = [_of_same_precision(truth[:, i], i) for i in (0, 1)]
    return Classifier(counts[0], counts[1], f"{len(mine)} reviewed events of this plate")


def _of_same_precision(drawn: np.ndarray, true: int) -> tuple[float, float, float]:
    """(draws, called) counts of one truth -> those of a simple sample that tells as surely who is right."""
    mitosis = drawn[:, :2].sum(axis=1)
    right = drawn[:, true] / mitosis
    share, total = float(right.mean()), float(mitosis.mean())
    toss = max(share * (1 - share), 1 / (4 * total))
    n = toss / (float(right.var()) + toss / total)
    called = n * drawn.mean(axis=0) / total
    return float(called[0]), float(called[1]), float(called[2])
