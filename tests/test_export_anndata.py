"""What the AnnData file promises: anndata reads cells, measures and mothers back."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import worlds
from test_export import command, run_dir  # noqa: F401
from test_tree import annotate, event_table
from worlds import as_lineage

from lineage import tables
from lineage.export.anndata import write
from lineage.export.graphml import read as read_graphml
from lineage.io.files import read_table


def test_anndata_reads_the_cells_back(run_dir, tmp_path):  # noqa: F811
    anndata = pytest.importorskip("anndata", reason="needs the extra exports")
    result = command("anndata", run_dir, tmp_path / "a.h5ad")

    assert result.exit_code == 0, result.stderr
    data = anndata.read_h5ad(tmp_path / "a.h5ad")
    tree, nuclei = read_graphml(run_dir / "lineage.graphml"), read_table(run_dir / "detections.csv")
    assert list(data.obs_names) == [f"cell{c}" for c in sorted(tree)]
    medians = nuclei.groupby("tracklet_id")["area_um2"].median()
    assert np.array_equal(data[:, "area_um2"].X.ravel(), medians)
    assert data["cell2"][:, ["life_min", "n_frames"]].X.tolist() == [[90.0, 8.0]]  # unseen in two frames
    assert data.var["unit"]["life_min"] == "min"

    edges = {
        (data.obs["tracklet_id"].iloc[a], data.obs["tracklet_id"].iloc[b])
        for a, b in zip(*data.obsp["lineage"].nonzero(), strict=True)
    }
    assert edges == set(tree.edges) == set(worlds.two_generations().edges)
    assert data.uns["video"]["pixel_size_um"] == worlds.PIXEL_UM
    assert set(data.uns["video"]) == set(tree.graph)

    table = read_table(run_dir / "tracklets.csv").set_index("tracklet_id", drop=False)
    assert list(data.obs) == list(table)
    assert data.obs["verdict"].iloc[0] == table["verdict"].iloc[0] == "abnormal"
    assert pd.isna(data.obs["verdict"].iloc[2])
    assert pd.isna(data.obs["event_id"].iloc[2])
    assert data.obs["event_id"].iloc[0] == 7


def test_nobody_is_written_as_nobody(tmp_path):
    anndata = pytest.importorskip("anndata", reason="needs the extra exports")
    lineage = as_lineage(worlds.empty())
    tracklets, _ = tables.tables(annotate(lineage), event_table(lineage))

    write(annotate(lineage), lineage.detections, tracklets, tmp_path / "a.h5ad")

    assert anndata.read_h5ad(tmp_path / "a.h5ad").shape == (0, 13)


def test_tables_of_another_run_are_refused_in_one_line(run_dir, tmp_path):  # noqa: F811
    pytest.importorskip("anndata", reason="needs the extra exports")
    table = pd.read_csv(run_dir / "tracklets.csv")
    table[1:].to_csv(run_dir / "tracklets.csv", index=False)

    result = command("anndata", run_dir, tmp_path / "a.h5ad")

    assert result.exit_code == 2
    assert "not of one run" in result.stderr
    assert not (tmp_path / "a.h5ad").exists()


def test_without_anndata_one_line_names_what_to_install(run_dir, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "anndata", None)

    result = command("anndata", run_dir, tmp_path / "a.h5ad")

    assert result.exit_code == 2
    assert result.stderr.strip() == "error: AnnData needs anndata: pip install 'mitosis-lineage[exports]'"
