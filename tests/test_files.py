"""Tables that stages hand on come back as they were; a damaged one is one line."""

import numpy as np
import pandas as pd
import pytest

from lineage.io import files
from lineage.io.files import read_table, write_table
from lineage.schema import InputError

TABLE = pd.DataFrame(
    {
        "frame": [0, 1, 2],
        "dna_mass": [1 / 3, np.nan, 1e9 / 7],
        "usable": [True, False, True],
        "state": ["interphase", "metaphase", "dead"],
    }
)


def test_a_typed_table_comes_back_exactly(tmp_path):
    write_table(TABLE, tmp_path / "a.npz")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.npz"), TABLE)


def test_the_same_table_is_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_table(TABLE, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_missing_text_is_empty_text(tmp_path):
    write_table(TABLE.assign(reason=["blank", None, np.nan]), tmp_path / "a.npz")
    assert read_table(tmp_path / "a.npz")["reason"].tolist() == ["blank", "", ""]


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_an_empty_table_keeps_its_columns(tmp_path, suffix):
    write_table(TABLE.iloc[:0], tmp_path / f"a.{suffix}")
    assert list(read_table(tmp_path / f"a.{suffix}")) == list(TABLE)


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", frame=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match="damaged"):
        read_table(tmp_path / "a.npz")


def test_a_table_cut_short_is_refused(tmp_path):
    write_table(TABLE, tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(InputError, match=r"a\.npz is damaged"):
        read_table(tmp_path / "a.npz")


def test_a_long_table_is_written_in_parts_and_is_the_same(tmp_path, monkeypatch):
    table = pd.DataFrame(
        {"n": range(7), "x": [0.1, None, 2 / 3, 4.0, 1e-9, None, 7.5], "name": list("ab=cdef")}
    )
    whole, parts, empty = (tmp_path / f"{name}.csv" for name in ("whole", "parts", "empty"))
    files.write_table(table, whole)
    monkeypatch.setattr(files, "ROWS", 3)
    files.write_table(table, parts)
    files.write_table(table[:0], empty)
    assert parts.read_bytes() == whole.read_bytes()
    assert empty.read_text() == "n,x,name\n"
