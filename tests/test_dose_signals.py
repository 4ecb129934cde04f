"""Further channels by dose: means of wells, aligned to mitosis and to birth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from dose_plates import write_plate

from lineage.io.files import write_table
from lineage.schema import SIGNAL_COLUMNS
from pipelines.dose import movies
from pipelines.dose.analyse import results_of
from pipelines.dose.collect import collect, together
from pipelines.dose.prepare import Options
from pipelines.dose.signal_courses import MIN_CELLS, by_dose, by_well, of_movie
from pipelines.report.page import write_report
from pipelines.report.signal_courses import signal_courses

if TYPE_CHECKING:
    from pathlib import Path


def rows(level: float, *, cells: int = 4, channel: str = "p53", ratio: float = 0.5) -> pd.DataFrame:
    """`cells` courses aligned to each, a value every half hour for two hours before and after."""
    table = [
        (cell, channel, aligned, minutes, level + cell, ratio, cell + 100 if aligned == "mitosis" else None)
        for cell in range(1, cells + 1)
        for aligned in ("birth", "mitosis")
        for minutes in np.arange(0 if aligned == "birth" else -120, 120, 30.0)
    ]
    return pd.DataFrame(table, columns=list(SIGNAL_COLUMNS))


def test_a_movie_is_summed_by_the_hour():
    found = of_movie(rows(10)).set_index(["aligned", "hours_from"])
    assert found.loc["mitosis"].index.tolist() == [-2, -1, 0, 1]
    assert found.loc["birth"].index.tolist() == [0, 1]
    hour = found.loc[("mitosis", -1.0)]
    assert (hour["n_cells"], hour["n_values"], hour["sum_mean"]) == (4, 8, 2 * (11 + 12 + 13 + 14))
    assert of_movie(None).empty


def plate(levels: dict[float, tuple[float, ...]], **changes) -> pd.DataFrame:
    """Dose -> the level of each of its wells, a movie a well."""
    parts = []
    for dose, wells in levels.items():
        for k, level in enumerate(wells):
            part = of_movie(rows(level, **changes))
            given = {"experiment_date": "2026-01-05", "plate": "P1", "well": f"{dose:g}-{k}"}
            given |= {"cell_line": "U251", "treatment": "none", "drug_uM": 0.0, "dose_gy": dose}
            parts.append(part.assign(**given))
    return pd.concat(parts, ignore_index=True)


def test_wells_are_the_unit_of_the_mean_and_its_interval():
    wells = by_well(plate({0.0: (10, 12), 4.0: (30, 34)}))
    assert wells.query("well == '4-1' and aligned == 'birth'")["mean"].tolist() == pytest.approx([36.5, 36.5])
    table = by_dose(wells)
    one = table.query(
        "dose_gy == 4 and quantity == 'mean' and aligned == 'mitosis' and hours_from == 0"
    ).iloc[0]
    assert one["estimate"] == pytest.approx((32.5 + 36.5) / 2)
    assert one["n_wells"] == 2
    assert one["high"] - one["estimate"] == pytest.approx(12.706 * 2.828427 / np.sqrt(2), rel=1e-3)
    assert table.query("quantity == 'ring_ratio'")["estimate"].to_numpy() == pytest.approx(0.5)


def test_an_hour_of_few_cells_is_left_out():
    assert by_well(plate({0.0: (10,)}, cells=MIN_CELLS - 1)).empty


def test_positions_of_a_well_weigh_by_their_cells():
    few, many = (plate({0.0: (level,)}, cells=n) for level, n in ((10, 3), (50, 9)))
    wells = by_well(pd.concat([few, many]))
    assert wells["mean"].iloc[0] == pytest.approx((3 * 12 + 9 * 55) / 12)


def test_what_is_hardly_brighter_than_the_background_does_not_scatter_the_ring():
    bright, dim = rows(100, ratio=0.2), rows(-0.99, cells=1, ratio=50.0)  # its mean is 0.01
    movie = of_movie(pd.concat([bright, dim.assign(tracklet_id=9, event_id=dim["event_id"] + 9)]))
    given = {"experiment_date": "d", "plate": "P", "well": "w", "cell_line": "U", "treatment": "none"}
    found = by_well(movie.assign(**given, drug_uM=0.0, dose_gy=0.0))
    assert found["ring_ratio"].to_numpy() == pytest.approx(0.2, abs=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small plate; all but the first movie have two further channels."""
    runs = tmp_path_factory.mktemp("plate")
    write_plate(runs, founders=6, frames=60)
    for k, root in enumerate(sorted(runs.glob("*.lineage"))[1:]):
        both = [rows(10 * k), rows(5, channel="53bp1")]
        write_table(pd.concat(both).astype({"event_id": "Int64"}), root / "signals.csv")
    return runs


def results(folder: Path):
    found, _ = movies.find(folder, movies.read_map(folder))
    read = together([collect(movies.read(root, row)) for root, row in found])
    return results_of(read, Options()), {row["movie"]: root for root, row in found}


def test_a_plate_has_tables_and_a_figure_a_channel(folder, tmp_path):
    found, roots = results(folder)
    wells = found.tables["well_signal_courses"]
    assert wells["well"].nunique() == 5
    assert set(found.tables["signal_courses"]["channel"]) == {"p53", "53bp1"}
    figures = signal_courses(found.tables)
    assert [f.name for f in figures] == ["signal_53bp1", "signal_p53"]
    assert "at most: 1 at 0 Gy, 2 at 4 Gy, 2 at 8 Gy" in figures[1].caption
    assert 'id="estimate-8"' in figures[1].svg
    write_report(tmp_path, found.tables, found.record, roots)
    assert "p53 around mitosis and from birth" in (tmp_path / "dose_report.html").read_text(encoding="utf-8")
    assert (tmp_path / "figures" / "signal_p53.csv").exists()


def test_a_plate_without_further_channels_has_neither(tmp_path):
    write_plate(tmp_path, founders=6, frames=60)
    found, _ = results(tmp_path)
    assert not [name for name in found.tables if "signal" in name]
    assert signal_courses(found.tables) == []
