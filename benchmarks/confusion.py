"""Held-out verdicts -> pipelines/dose/data/confusion.csv: `python benchmarks/confusion.py`.

What the classifier calls the paper's clips that it has not seen, by cell line and true class, counted from
benchmarks/classifier/out_of_fold.csv.gz. `all` is both lines.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from classifier.data import Clip, parse_name
from classifier.out_of_fold import read, verdicts
from classifier.trial import PLAIN
from lineage.schema import MitosisClass, verdict

HERE = Path(__file__).parent
OUT = HERE.parent / "pipelines" / "dose" / "data" / "confusion.csv"


def main() -> None:
    """Count and write."""
    table = read(HERE / "classifier" / "out_of_fold.csv.gz")
    rows = table[(table["condition"] == PLAIN) & table["held_out"].str.startswith("fold")]
    labels = rows.groupby("clip")["mitosis_class"].first()
    clips = [
        Clip(Path(name), MitosisClass(label), parse_name(Path(name).stem), name)
        for name, label in labels.items()
    ]
    p_abnormal, p_none = verdicts(table, clips)
    told = [verdict(a, n).value for a, n in zip(p_abnormal, p_none, strict=True)]
    found = pd.DataFrame({
        "cell_line": [c.name.line for c in clips],
        "true_class": [c.label.value for c in clips],
        "called": told,
    })  # fmt: skip
    found = pd.concat([found, found.assign(cell_line="all")])
    counts = found.groupby(["cell_line", "true_class"])["called"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(
        columns=[m.value for m in (MitosisClass.NORMAL, MitosisClass.ABNORMAL, MitosisClass.NONE)]
    )
    counts.columns = [f"n_called_{c}" for c in counts.columns]
    OUT.parent.mkdir(exist_ok=True)
    counts.fillna(0).astype(int).reset_index().to_csv(OUT, index=False)
    print(OUT.read_text())


if __name__ == "__main__":
    main()
