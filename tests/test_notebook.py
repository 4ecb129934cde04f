"""The notebook runs from top to bottom, and uses nothing of ours but the public functions."""

import json
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

NOTEBOOK = Path("examples/lineage.ipynb")


def cells():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def test_the_notebook_knows_public_functions_only():
    imports = set(re.findall(r"^(?:from|import) (lineage[.\w]*)", "\n".join(cells()), re.MULTILINE))
    assert imports == {"lineage"}


def test_the_notebook_runs():
    mpl.use("agg")
    names = {}
    for cell in cells():
        exec(compile(cell, str(NOTEBOOK), "exec"), names)
    plt.close("all")
    assert len(names["mitoses"]) > 15
    assert names["kept"].joinpath("report.html").exists()
