"""A person's verdicts on a sample of this plate's events -> the classifier's errors on this very plate."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd

from lineage.schema import InputError, MitosisClass
from pipelines.dose.correction import Classifier

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("movie", "event_id", "mitosis_class")
CLASSES = (MitosisClass.NORMAL.value, MitosisClass.ABNORMAL.value, MitosisClass.NONE.value)
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

    Each judged event stands for as many as its stratum has for each that was judged in it (Horvitz & Thompson
    1952, JASA 47:663); the counts are those of a simple sample of the same precision (Kish 1965: the squared
    sum of the weights over the sum of their squares).

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
    of_mitoses = mitoses.groupby(["dose_gy", "mitosis_class"]).size()
    of_rejected = movies.groupby("dose_gy")["n_rejected"].sum()
    there = [
        float(of_rejected.get(dose, 0) if called == CLASSES[2] else of_mitoses.get((dose, called), 0))
        for dose, called in zip(mine["dose_gy"], mine["called"], strict=True)
    ]
    judged = mine.groupby(["dose_gy", "called"])["event_id"].transform("size")
    mine["weight"] = pd.Series(there, index=mine.index) / judged
    counts = []
    for true in CLASSES[:2]:
        rows = mine[mine["mitosis_class"] == true]
        if len(rows) < LEAST:
            return None
        effective = rows["weight"].sum() / (rows["weight"] ** 2).sum()
        by_call = rows.groupby("called")["weight"].sum() * effective
        counts.append((*(float(by_call.get(c, 0.0)) for c in CLASSES),))
    (n0, n1, n2), (a0, a1, a2) = counts
    return Classifier((n0, n1, n2), (a0, a1, a2), f"{len(mine)} events of this plate, judged by a person")
