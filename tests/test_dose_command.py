"""`python -m pipelines.dose`: from runs to tables, what it refuses, and power."""

import json

import numpy as np
import pandas as pd
import pytest
from dose_plates import write_plate
from synthetic.runs import write_run
from typer.testing import CliRunner

from lineage.schema import InputError
from lineage.simulate.population import grow
from lineage.simulate.settings import Settings
from pipelines.dose import cautions, compare, movies
from pipelines.dose.__main__ import app
from pipelines.dose.analyse import results_of
from pipelines.dose.collect import collect, together
from pipelines.dose.correction import out_of_fold
from pipelines.dose.needed import numbers
from pipelines.dose.power import Pool, power_table, smallest_design
from pipelines.dose.prepare import Options

NAMED = {"mitoses", "positions", "wells", "doses", "intervals", "fates"}
MAP = ["experiment_date", "plate", "well", "dose_gy", "cell_line", "treatment"]


def invoke(*args):
    """Exit code and its output."""
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    return folder


@pytest.fixture(scope="module")
def rows(plate):
    found, missing = movies.find(plate, movies.read_map(plate))
    assert not missing
    return together([collect(movies.read(root, row)) for root, row in found])


@pytest.fixture(scope="module")
def results(rows):
    return results_of(rows, Options())


@pytest.fixture(scope="module")
def out(plate, tmp_path_factory):
    """The tables that the command writes."""
    folder = tmp_path_factory.mktemp("out") / "tables"
    code, output = invoke(plate, "--out", folder)
    assert code == 0, output
    return folder


def read(out, name):
    return pd.read_csv(out / f"{name}.csv")


def test_the_named_tables_are_there_with_the_maps_columns(out):
    assert {p.stem for p in out.glob("*.csv")} >= NAMED
    for name in NAMED - {"doses"}:
        assert set(MAP) <= set(read(out, name).columns), name


def test_fractions_are_those_of_the_events(plate, out):
    wells = read(out, "wells")
    mine = wells[(wells["measure"] == "fraction_abnormal") & (wells["stratum"] == "all")].set_index("well")
    assert list(mine.index) == [f"A{w}" for w in range(1, 7)]
    for well in mine.index:
        events = pd.read_csv(plate / f"{well}_p1.lineage" / "events.csv")
        classes = events.loc[events["event_type"] == "mitosis", "mitosis_class"].value_counts()
        assert mine.at[well, "k"] == classes.get("abnormal", 0)
        assert mine.at[well, "n"] == classes.get("abnormal", 0) + classes.get("normal", 0)


def test_a_dose_is_the_unweighted_mean_of_its_wells(out):
    wells, doses = read(out, "wells"), read(out, "doses")
    key = ["measure", "stratum", "dose_gy"]
    means = wells.groupby(key)["value"].mean()
    at = doses.set_index(key)["estimate"]
    assert np.allclose(means.reindex(at.index), at, equal_nan=True)


def test_the_primary_test_is_one_and_finds_eight_gray(out):
    tests = read(out, "tests")
    primary = tests[tests["family"] == "primary"]
    assert len(primary) == 1
    assert primary["slope_per_gy"].item() > 0.02
    assert (tests.loc[tests["family"] == "exploratory", "adjustment"] == "benjamini-hochberg").all()
    effects = read(out, "effects")
    assert set(effects.loc[effects["family"] == "primary", "adjustment"]) == {"holm"}


def test_the_record_counts_every_level(out):
    record = json.loads((out / "analysis.json").read_text())
    assert [n["n_wells"] for n in record["n"]] == [2, 2, 2]
    assert record["unit"] == "well"
    assert any("dye-free" in note for note in record["notes"])


def test_nothing_is_overwritten_unasked(plate, out):
    code, output = invoke(plate, "--out", out)
    assert code == 2
    assert "holds an analysis already" in output


def test_every_mitosis_is_on_the_clock_since_irradiation(rows):
    assert np.allclose(60 * rows.mitoses["hours"], rows.mitoses["time_min"])  # irradiated at frame 0
    divided = rows.cells[(rows.cells["fate"] == "divided") & rows.cells["event_id"].notna()]
    at = rows.mitoses.set_index(["movie", "event_id"])["hours"]
    events = at.loc[list(zip(divided["movie"], divided["event_id"], strict=True))]
    assert np.allclose(divided["exit_h"], events)


def test_a_movie_without_a_cell_is_a_movie(rows, plate, tmp_path):
    settings = Settings(frames=20, minutes_per_frame=20, dose_gy=0)
    root = write_run(tmp_path / "empty.lineage", [], settings, name="empty.tif")
    row = movies.read_map(plate).iloc[0].to_dict() | {"movie": "empty.tif", "well": "H1"}
    empty = collect(movies.read(root, row))
    assert empty.movies["n_cells"].tolist() == [0]
    assert empty.frames["n_live"].sum() == 0
    both = together([empty, rows])
    assert len(both.cells) == len(rows.cells)
    assert len(both.movies) == len(rows.movies) + 1


def test_a_plate_without_an_event_is_analysed(plate, tmp_path):
    """Nothing but a movie too short to show one, and an empty one."""
    rows = []
    for well, founders in (("A1", 0), ("A2", 1)):
        settings = Settings(frames=4, minutes_per_frame=10, dose_gy=0)
        cells = grow(np.random.default_rng(1), settings, founders=founders) if founders else []
        root = write_run(tmp_path / f"{well}.lineage", cells, settings, name=f"{well}.tif")
        assert pd.read_csv(root / "events.csv").empty
        row = movies.read_map(plate).iloc[0].to_dict() | {"movie": f"{well}.tif", "well": well}
        rows.append(collect(movies.read(root, row)))
    results = results_of(together(rows), Options())
    assert results.tables["mitoses"].empty


def test_a_time_of_irradiation_that_nobody_gave_is_reported(plate, rows, results):
    assert rows.movies["irradiated_min_before_start"].isna().all()
    notes = " ".join(results.record["notes"])
    assert "irradiated_min_before_start is empty for 6 of 6 movies" in notes
    row = movies.read_map(plate).iloc[0].to_dict() | {"irradiated_min_before_start": 90.0}
    given = collect(movies.read(plate / "A1_p1.lineage", row))
    assert given.movies["from_h"].tolist() == [1.5]
    notes = " ".join(results_of(together([given]), Options()).record["notes"])
    assert "irradiated_min_before_start" not in notes


def test_blank_frames_and_the_dead_count_for_no_hours(tmp_path, plate):
    settings = Settings(frames=40, minutes_per_frame=15, dose_gy=0, blank_frames=(10, 11))
    cells = grow(np.random.default_rng(1), settings, founders=4)
    root = write_run(tmp_path / "blank.lineage", cells, settings, name="blank.tif")
    row = movies.read_map(plate).iloc[0].to_dict() | {"movie": "blank.tif"}
    frames = collect(movies.read(root, row)).frames
    assert not {10, 11} & set(frames["frame"])
    assert len(frames) == 38
    assert (frames["cell_hours"] == frames["n_interphase"] * 0.25).all()


def test_one_well_a_dose_is_described_and_not_tested(rows):
    first = {"A1", "A3", "A5"}
    names = list(rows.__dataclass_fields__)
    alone = type(rows)(**{n: (t := getattr(rows, n))[t["well"].isin(first)] for n in names})
    results = results_of(alone, Options())
    assert cautions.ONE_WELL in results.record["notes"]
    assert results.tables["tests"]["p"].isna().all()
    assert results.tables["effects"]["p"].isna().all()
    assert results.tables["gee"].empty
    doses = results.tables["doses"]
    mine = doses[(doses["measure"] == "fraction_abnormal") & (doses["stratum"] == "all")]
    assert mine["method"].str.startswith(compare.DESCRIPTIVE).all()
    assert (mine["low"] <= mine["estimate"]).all()
    assert (mine["estimate"] < mine["high"]).all()


def test_positions_do_not_make_a_well_significant():
    """Two positions of the one well a dose give an interval over positions, and no p."""
    common = {
        "cell_line": "L",
        "treatment": "none",
        "drug_uM": 0.0,
        "measure": "fraction_abnormal",
        "stratum": "all",
        "n": 50,
        "k": 5.0,
        "n_positions": 2,
        "n_by_person": 0,
        "k_by_person": 0,
        "corrected": 0.1,
        "experiment_date": "d",
    }
    shares = ((0, 0.1), (4, 0.4))
    wells = pd.DataFrame(
        [common | {"dose_gy": d, "value": v, "called": v, "unit": str(d)} for d, v in shares]
    )
    positions = pd.DataFrame(
        [common | {"dose_gy": d, "value": v + e, "called": v + e} for d, v in shares for e in (-0.01, 0.01)]
    )
    known = {"L": out_of_fold("L")}
    described = compare.doses(wells, positions, known)
    assert described["method"].str.endswith("t over positions").all()
    assert compare.trends(wells)["p"].isna().all()
    assert compare.effects(wells, known)["p"].isna().all()


def test_the_control_of_a_series_is_that_of_all_its_strata():
    """No mitosis at 0 Gy in the first hours: 8 Gy is not compared with 4 Gy."""
    common = {"cell_line": "L", "treatment": "none", "drug_uM": 0.0, "measure": "fraction_abnormal", "n": 9}
    common |= {"experiment_date": "d", "n_by_person": 0, "k_by_person": 0}
    wells = pd.DataFrame(
        [
            common | {"stratum": s, "dose_gy": d, "value": v, "called": v, "k": 1.0}
            for s, d, v in [("all", d, v) for d in (0, 4, 8) for v in (0.1, 0.2, np.nan)]
            + [("0-12 h", d, v) for d in (4, 8) for v in (0.1, 0.2)]
        ]
    )
    table = compare.effects(wells, {"L": out_of_fold("L")})
    assert (table["control_gy"] == 0).all()
    early = table["stratum"] == "0-12 h"
    assert table.loc[early, "difference"].isna().all()
    assert table.loc[~early, ["n_units", "n_units_control"]].to_numpy().tolist() == [[2, 2], [2, 2]]


def at(dose_gy, rows):
    """The rows of one dose."""
    names = list(rows.__dataclass_fields__)
    return type(rows)(**{n: (t := getattr(rows, n))[t["dose_gy"] == dose_gy] for n in names})


def test_three_wells_of_one_dose_are_not_one_well_a_dose(rows):
    notes = results_of(at(0, rows), Options()).record["notes"]
    assert not any(cautions.ONE_WELL in note for note in notes)


def test_wells_that_are_all_alike_do_not_get_an_empty_interval():
    common = {"cell_line": "L", "treatment": "none", "drug_uM": 0.0, "dose_gy": 0.0, "n_positions": 1}
    common |= {"measure": "fraction_slippage", "stratum": "all", "value": 0.0, "n": 40, "k": 0.0}
    common |= {"corrected": np.nan, "n_by_person": 0, "k_by_person": 0}
    wells = pd.DataFrame([common | {"unit": u} for u in "ab"])
    one = compare.doses(wells, wells.iloc[:0], {}).iloc[0]
    assert one["high"] == pytest.approx(1.96**2 / (80 + 1.96**2), rel=1e-3)  # Wilson, 0 of 80
    assert one["method"].startswith(compare.ALIKE)


# What a person may choose


def test_experiments_are_the_units_that_are_asked_for(tmp_path):
    """Both wells of a dose were irradiated on one day: one unit, and nothing is tested."""
    write_plate(tmp_path / "runs", doses=(0, 8), founders=5, frames=75)
    code, output = invoke(tmp_path / "runs", "--out", tmp_path / "out", "--unit", "experiment")
    assert code == 0, output
    doses, tests = read(tmp_path / "out", "doses"), read(tmp_path / "out", "tests")
    mine = doses[(doses["measure"] == "fraction_abnormal") & (doses["stratum"] == "all")]
    assert mine["n_units"].tolist() == [1, 1]
    assert tests["p"].isna().all()
    assert "experiment" in (tmp_path / "out" / "dose_report.html").read_text()


def test_three_experiments_are_the_units_unasked(rows):
    """Three days of all doses, the wells of a day averaged."""
    days = ["2026-01-05", "2026-01-06", "2026-01-07"]
    parts = []
    for day in days:
        dated = {n: getattr(rows, n).assign(experiment_date=day) for n in rows.__dataclass_fields__}
        parts.append(type(rows)(**dated))
    results = results_of(together(parts), Options())
    assert results.record["unit"] == "experiment"
    tests = results.tables["tests"]
    assert tests.loc[tests["family"] == "primary", "method"].item().endswith("within days")
    doses = results.tables["doses"]
    mine = doses[(doses["measure"] == "fraction_abnormal") & (doses["stratum"] == "all")]
    assert mine["n_units"].tolist() == [3, 3, 3]
    wells = results.tables["wells"]
    of_wells = wells[(wells["measure"] == "fraction_abnormal") & (wells["stratum"] == "all")]
    assert mine.set_index("dose_gy")["estimate"].to_dict() == pytest.approx(
        of_wells.groupby("dose_gy")["value"].mean().to_dict()
    )


# What is refused


def changed(plate, folder, change):
    """The same runs elsewhere, the map beside them changed."""
    for run in plate.glob("*.lineage"):
        (folder / run.name).symlink_to(run)
    change(pd.read_csv(plate / "plate.csv")).to_csv(folder / "plate.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"dose_gy": "four"}, "line 2: dose_gy = four: wanted a number from 0 up"),
        ({"dose_gy": -1}, "line 2: dose_gy = -1: wanted a number from 0 up"),
        ({"well": "A1"}, "6 movies have the same position 2026-01-05 / P1 / A1 / 1"),
        ({"run_folder": "A1_p1.lineage"}, "6 movies would share the run folder a1_p1.lineage"),
        ({"cell_line": None}, "line 2: cell_line left empty"),
        ({"dose_gy": 3}, "A1_p1.lineage was run with 0 Gy, the plate map says 3"),
        ({"run_folder": [f"{c}.lineage" for c in "abcdef"]}, "holds no finished run of the 6 that the plate"),
    ],
)
def test_a_wrong_map_is_refused_in_clear_words(plate, tmp_path, columns, words):
    code, output = invoke(changed(plate, tmp_path, lambda t: t.assign(**columns)), "--out", tmp_path / "out")
    assert code == 2
    assert words in output
    assert not (tmp_path / "out").exists()


def test_a_map_without_a_column_or_no_map(plate, tmp_path):
    folder = changed(plate, tmp_path, lambda t: t.drop(columns="well"))
    _, output = invoke(folder, "--out", tmp_path / "o")
    assert "has no column well; it is no copy of a checked plate map" in output
    (folder / "plate.csv").unlink()
    assert "plate.csv is not there; give the folder that" in invoke(folder, "--out", tmp_path / "o")[1]
    assert invoke(plate, "--unit", "cell", "--out", tmp_path / "o") == (
        2,
        "error: --unit cell: wanted well or experiment",
    )


def test_a_run_that_is_not_there_is_reported_and_left_out(plate, tmp_path):
    gone = {"movie": "/movies/gone.tif", "run_folder": "gone.lineage", "well": "H9"}
    folder = changed(plate, tmp_path, lambda t: pd.concat([t, t.iloc[[0]].assign(**gone)]))
    found, missing = movies.find(folder, movies.read_map(folder))
    assert len(found) == 6
    assert missing == ["gone.tif is left out: no folder gone.lineage"]


def test_a_table_of_another_version_is_refused(plate, tmp_path):
    import shutil

    root = tmp_path / "A1_p1.lineage"
    shutil.copytree(plate / root.name, root)
    events = pd.read_csv(root / "events.csv").drop(columns="event_type")
    events.to_csv(root / "events.csv", index=False)
    row = movies.read_map(plate).iloc[0].to_dict()
    with pytest.raises(InputError, match=r"A1_p1.lineage/events.csv lacks event_type"):
        movies.read(root, row)


# Power


def test_power_is_one_for_what_everyone_sees_and_alpha_for_nothing():
    rng = np.random.default_rng(0)
    counts = np.zeros((2, 20, 2, 1, 2), int)
    counts[..., 0] = 200
    counts[..., 1] = rng.binomial(200, 0.1, (2, 20, 2, 1))
    nothing = power_table(Pool((0, 4), (48,), counts), wells=[3], positions=[2], plates=400, rng=rng)
    counts[1, ..., 1] += 60
    plain = power_table(Pool((0, 4), (48,), counts), wells=[3], positions=[2], plates=100, rng=rng)
    assert plain["power"].item() == 1
    assert nothing["power"].item() < 0.12
    assert "3 wells a dose x 2 positions x 48 h find it 100 times" in smallest_design(plain, 0.8)
    assert smallest_design(nothing, 0.8).startswith("none of these designs")


def test_the_power_command(tmp_path):
    small = ("--pool", 4, "--plates", 20, "--founders", 6, "--hours", "12,24", "--positions", 1, "--wells", 2)
    code, output = invoke("power", "--doses", "0,8", *small, "--out", tmp_path / "power.csv")
    assert code == 0, output
    assert read(tmp_path, "power")["hours"].tolist() == [12, 24]
    code, output = invoke("power", "--out", tmp_path / "power.csv")
    assert code == 2
    assert "is there already" in output
    assert invoke("power", "--wells", "1") == (
        2,
        "error: --wells 1: with one well a dose nothing can be tested; give 2 or more",
    )
    assert (
        invoke("power", "--doses", "0,x")[1] == "error: --doses 0,x: wanted numbers with commas between them"
    )
    with pytest.raises(InputError, match="wanted numbers"):
        numbers("--wells", "2,", int)


def test_movies_too_short_for_reproductive_survival_are_reported(rows):
    notes = [results_of(at(0, rows), Options(divisions=k)).record["notes"] for k in (1, 5)]
    noted = [any("too short to measure reproductive survival" in note for note in some) for some in notes]
    assert noted == [False, True]
