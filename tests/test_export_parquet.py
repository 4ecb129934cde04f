"""What the Parquet tables promise: pandas reads values and types back, the same types in every run."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from test_export import command, run_dir  # noqa: F401

from lineage.export.csv import COLUMNS
from lineage.export.parquet import name_of, typed
from lineage.io.files import read_table
from lineage.schema import TEXT_COLUMNS


@pytest.fixture
def parquet():
    pytest.importorskip("pyarrow", reason="needs the extra exports")


@pytest.mark.usefixtures("parquet")
def test_pandas_reads_the_tables_back(run_dir, tmp_path):  # noqa: F811
    result = command("parquet", run_dir, tmp_path / "out")

    assert result.exit_code == 0, result.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(map(name_of, COLUMNS))
    for name in COLUMNS:
        written, back = (
            read_table(run_dir / name, text=TEXT_COLUMNS),
            pd.read_parquet(tmp_path / "out" / name_of(name)),
        )
        pd.testing.assert_frame_equal(back, typed(written))
        for column in written:
            there = written[column].notna() & (written[column] != "")
            assert (back[column].notna() == there).all()
            assert back[column][there].tolist() == written[column][there].tolist(), column


@pytest.mark.usefixtures("parquet")
def test_types_are_those_of_the_columns_even_where_nothing_is_in_them(run_dir, tmp_path):  # noqa: F811
    tracklets = pd.read_csv(run_dir / "tracklets.csv")
    assert tracklets["event_id"].dtype == float  # some cells have none
    assert tracklets["parent_ids"].dtype == float  # never more than one
    tracklets.assign(verdict=np.nan).to_csv(run_dir / "tracklets.csv", index=False)

    command("parquet", run_dir, tmp_path)

    types = pd.read_parquet(tmp_path / "tracklets.parquet").dtypes
    of = {"event_id": "Int64", "parent_ids": "string", "verdict": "string", "birth_min": "Float64"}
    assert {name: str(types[name]) for name in of} == of


def test_without_pyarrow_one_line_names_what_to_install(run_dir, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    result = command("parquet", run_dir, tmp_path / "out")

    assert result.exit_code == 2
    assert result.stderr.strip() == "error: Parquet needs pyarrow: pip install 'mitosis-lineage[exports]'"
