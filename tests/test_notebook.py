"""The notebooks run from top to bottom, and show and keep what they promise."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pandas as pd
import pytest
from dose_plates import write_plate
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **parameters: object) -> list:
    """Outputs of all cells; the parameters come after those of the notebook, as papermill puts them."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    (given,) = (k for k, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", ()))
    code = "\n".join(f"{key} = {value!r}" for key, value in parameters.items())
    notebook.cells.insert(given + 1, nbformat.v4.new_code_cell(code))
    root = str(EXAMPLES.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(outputs: list) -> int:
    return sum("image/png" in output.get("data", ()) for output in outputs)


def shown(outputs: list) -> str:
    return "\n".join(output.get("data", {}).get("text/plain", output.get("text", "")) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_sentence_stands_above_every_cell_and_no_results_are_kept(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds == ["markdown", *["markdown", "code"] * (len(kinds) // 2)]
    assert not any(cell["outputs"] for cell in cells if cell["cell_type"] == "code")


def test_the_notebook_of_a_movie_knows_public_functions_only():
    code = (EXAMPLES / "lineage.ipynb").read_text(encoding="utf-8")
    assert set(re.findall(r'"(?:from|import) (lineage[.\w]*)', code)) == {"lineage"}


def test_the_notebook_of_a_movie_runs_shows_retrains_and_packs(corner, tmp_path, monkeypatch):
    outputs = run("lineage.ipynb", tmp_path, monkeypatch, MOVIE=str(corner), DOSE_GY=4)
    assert pictures(outputs) == 2
    assert "model.safetensors" in shown(outputs)
    with ZipFile(tmp_path / "results.zip") as archive:
        names = set(archive.namelist())
        record = json.loads(archive.read("movie.lineage/run.json"))
    assert {"movie.lineage/report.html", "movie.lineage/events.csv", "classifier/model.safetensors"} <= names
    assert len([name for name in names if re.fullmatch(r"clips/\w+Mitosis/4Gy_p1_\d+\.tif", name)]) == 7
    assert record["settings"]["classify"]["model"].endswith("model.safetensors")


def test_the_notebook_of_doses_shows_what_its_tables_hold(tmp_path, monkeypatch):
    write_plate(tmp_path / "plate", doses=(0, 8), frames=73, founders=8)
    outputs = run("dose.ipynb", tmp_path, monkeypatch, RUNS="plate", OUT="dose")
    assert pictures(outputs) == 1
    with ZipFile(tmp_path / "dose_results.zip") as archive:
        assert {"dose_report.html", "doses.csv", "wells.csv"} <= set(archive.namelist())
        doses = pd.read_csv(archive.open("doses.csv"))
    fraction = doses.query("measure == 'fraction_abnormal' and stratum == 'all'").set_index("dose_gy")
    assert fraction.loc[8, "estimate"] > fraction.loc[0, "estimate"]
    assert f"{fraction.loc[8, 'estimate']:.6g}" in shown(outputs)
