"""Figures of the plate's report: what each shows is in its numbers, and nothing to show is no figure."""

import re

import numpy as np
import pandas as pd
import pytest
from dose_plates import write_plate

from lineage.report.plots import draw
from pipelines.dose import movies
from pipelines.dose.analyse import results_of
from pipelines.dose.collect import collect, together
from pipelines.dose.columns import SERIES
from pipelines.dose.prepare import Options
from pipelines.report import against_control, fates, over_time, panels
from pipelines.report.drugs import drugs


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Of a small plate."""
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8, frames=100)
    found, _ = movies.find(folder, movies.read_map(folder))
    return results_of(together([collect(movies.read(root, row)) for root, row in found]), Options()).tables


def points(svg, gid):
    """Corners of one plotted line, page coordinates."""
    path = re.search(rf'<g id="{gid}">\s*<path d="([^"]*)"', svg)[1]
    return np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path), float)


def test_bounds_of_the_lost_are_dotted_only_where_they_differ(tables):
    table = tables["incidence"]
    figure = fates.incidence(tables | {"incidence": table}, "since birth")
    assert "lost-" not in figure.svg  # these runs lost nobody
    drawn = (table["end"] == "death") & (table["lost_as"] == "death") & (table["dose_gy"] == 4)
    lost = table.assign(incidence=table["incidence"] + 0.1 * (drawn & (table["hours"] >= 10)))
    figure = fates.incidence(tables | {"incidence": lost}, "since birth")
    assert set(re.findall('id="(lost-[^"]*)"', figure.svg)) == {"lost-death-4-if_lost_died"}
    mine = figure.data[(figure.data["end"] == "death") & (figure.data["dose_gy"] == 4)]
    apart = mine["if_lost_died"] - mine["incidence"]
    assert np.allclose(apart, 0.1 * (mine["hours"] >= 10))


def test_generations_have_a_row_each_and_only_if_they_have_cells(tables):
    figure = fates.generations(tables)
    found = set(re.findall(r"generation (\d), %", figure.svg))
    assert set(figure.data["generation"]) == found >= {"1", "2"}
    table = tables["incidence"]
    first = fates.generations(tables | {"incidence": table[~table["generation"].isin(["2", "3"])]})
    assert set(re.findall(r"generation (\d), %", first.svg)) == {"1"}
    assert fates.generations(tables | {"incidence": table[table["generation"] == "0"]}) is None


def test_bins_show_their_numbers_and_no_interval_of_one_well(tables):
    measure = "fraction_abnormal"
    figure = fates.over_bins(tables)
    mine = figure.data[(figure.data["measure"] == measure) & (figure.data["level"] == "dose")]
    mine = mine.sort_values(["dose_gy", "from_h"])
    height = np.concatenate([points(figure.svg, f"bins-{measure}-{dose}") for dose in (0, 4, 8)])[:, 1]
    assert len(height) == len(mine) >= 6
    assert mine["value"].nunique() > 3
    assert np.allclose(np.polyval(np.polyfit(height, mine["value"], 1), height), mine["value"], atol=0.01)
    assert mine["low"].notna().any()
    one = fates.over_bins(tables | {"doses": tables["doses"].assign(n_units=1)})
    assert not one.data[["low", "high"]].notna().any().any()
    assert fates.over_bins({name: tables[name].iloc[:0] for name in ("wells", "doses")}) is None


def relatives_tables(*known):
    """Wells and doses of the relatives' measures, with a value for those that are named."""
    rows = [
        {
            "measure": p.measure,
            "stratum": p.stratum,
            "dose_gy": d,
            "experiment_date": "d",
            "plate": "P",
            "n": 9,
            "well": f"{d}{w}",
            "value": 0.1 * w if (p.measure, p.stratum) in known else np.nan,
        }
        for row in panels.RELATIVES
        for p in row
        for d in (0, 4)
        for w in (1, 2, 3)
    ]
    wells = pd.DataFrame(rows)
    keys = ["measure", "stratum", "dose_gy"]
    doses = wells.groupby(keys, as_index=False).agg(estimate=("value", "mean"), n=("n", "sum"))
    doses = doses.assign(low=doses["estimate"] - 9, high=doses["estimate"] + 9, n_units=3)
    return {"wells": wells, "positions": wells.iloc[:0], "doses": doses}


def test_relatives_are_drawn_as_far_as_there_are_any():
    assert panels.relatives(relatives_tables(), 36) is None
    both = relatives_tables(("risk_difference_sister", "death"), ("correlation_sisters", "all"))
    figure = panels.relatives(both, 36)
    assert "Differences of risk" in figure.caption
    assert "within 36 h" in figure.caption
    assert not figure.half
    # No row of empty axes.
    assert set(figure.data["measure"]) == {"risk_difference_sister", "correlation_sisters"}
    shown = figure.data.query("measure == 'risk_difference_sister' and panel == 'death'")
    assert shown.loc[shown["level"] == "well", "value"].max() == pytest.approx(30)  # percentage points
    alone = panels.relatives(relatives_tables(("correlation_sisters", "all")), 36)
    assert alone.half
    assert "risk" not in alone.caption


def test_a_dose_keeps_its_colour_where_another_is_missing(tables):
    def colour(incidence):
        svg = fates.incidence(tables | {"incidence": incidence}, "since irradiation").svg
        return re.search(r'<g id="incidence-8">\s*<path [^>]*stroke: (#[0-9a-f]{6})', svg)[1]

    table = tables["incidence"]
    assert colour(table) == colour(table[table["dose_gy"] != 4])


def test_both_models_stand_side_by_side_or_not_at_all(tables):
    assert not len(tables["gee"])  # at 0 Gy nothing is abnormal: the page says that there is no model
    assert against_control.both_models(tables) is None
    common = {"cell_line": "U251", "treatment": "none", "drug_uM": 0.0, "n_units": 6}
    gee = pd.DataFrame(
        [
            common | {"quantity": q, "dose_gy": d, "estimate": v, "low": 0.5 * v, "high": 2 * v}
            for q, d, v in (
                ("risk difference", 4, 0.1),
                ("risk difference", 8, 0.3),
                ("risk ratio", 4, 2.0),
                ("risk ratio", 8, 5.0),
            )
        ]
    )
    figure = against_control.both_models(tables | {"gee": gee})
    mine = figure.data[figure.data["quantity"] == "difference"].set_index(["model", "dose_gy"])["estimate"]
    assert mine["marginal model (GEE)", 8] == pytest.approx(30)
    effects = tables["effects"]
    known = effects[(effects["measure"] == "fraction_abnormal") & (effects["stratum"] == "all")]
    assert np.allclose(mine["units"], 100 * known["difference"])
    for gid in ("difference-units", "difference-marginal"):
        assert len(re.search(rf'<g id="{gid}">.*?</g>\s*</g>', figure.svg, re.DOTALL)[0].split("<use")) == 3


def test_motility_is_a_geometric_mean_of_wells_that_weighs_movies_by_their_cells():
    common = {"when": "before", "mitosis_class": "normal", "dose_gy": 0, "experiment_date": "d", "plate": "P"}
    rows = [("A1", 4.0, 3), ("A1", 8.0, 1), ("A2", 20.0, 1), ("A2", 0.0, 0)]
    table = pd.DataFrame(
        [common | {"well": w, "lag_min": 10.0, "msd_um2": m, "n_cells": n} for w, m, n in rows]
    )
    one = over_time.walks(table).iloc[0]
    assert one["msd_um2"] == pytest.approx(10.0)  # of 5 and 20
    assert one["n_wells"] == 2
    assert over_time.motility({"motility": table.iloc[:0]}) is None
    assert over_time.motility({"motility": table.assign(msd_um2=0.0)}) is None


def test_motility_shows_its_numbers(tables):
    figure = over_time.motility(tables)
    shown = figure.data[figure.data["dose_gy"] == 0].set_index(["when", "mitosis_class"])
    mine = shown.loc[[("after", "normal")]].sort_values("lag_min")
    lines = re.findall(r'<g id="msd_um2-0">\s*<path d="([^"]*)"', figure.svg)
    panel = [kind for kind in over_time.WALKS if kind in shown.index].index(("after", "normal"))
    at = np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", lines[panel]), float)
    assert len(at) == len(mine) == 6
    log = np.log(mine["msd_um2"])
    assert np.allclose(np.polyval(np.polyfit(at[:, 1], log, 1), at[:, 1]), log, atol=0.01)


def drugged(tables):
    """The plate's series, and each again as if with a drug that doubles the fraction abnormal."""
    again = {}
    for name in ("wells", "positions", "doses"):
        other = tables[name].assign(treatment="AZD", drug_uM=0.5)
        values = [c for c in ("value", "estimate") if c in other]
        again[name] = pd.concat([tables[name], other.assign(**{c: 2 * other[c] for c in values})])
    common = {"cell_line": "U251", "treatment": "AZD", "drug_uM": 0.5, "without": "none"}
    rows = [
        ("slope ratio", np.nan, 2.0, 1.5, 2.9),
        ("mean inactivation dose ratio", np.nan, 1.3, np.nan, np.nan),
        ("excess over additive", 4.0, 0.05, -0.02, 0.12),
        ("excess over additive", 8.0, np.nan, np.nan, np.nan),
    ]
    columns = ["quantity", "dose_gy", "ratio_or_excess", "low", "high"]
    return again | {"enhancement": pd.DataFrame([common | dict(zip(columns, r, strict=True)) for r in rows])}


def test_drugs_are_drawn_once_for_the_plate(tables):
    response, enhancement = drugs(drugged(tables))
    assert response.half
    means = response.data[response.data["level"] == "dose"].set_index(["series", "dose_gy"])["value"]
    assert np.allclose(means["AZD 0.5 µM"], 2 * means["no drug"])
    at = points(response.svg, "drug-response-AZD-0.5-µM")
    assert np.allclose(
        np.diff(at[:, 1]) / np.diff(at[:, 1])[0],
        np.diff(means["AZD 0.5 µM"]) / np.diff(means["AZD 0.5 µM"])[0],
        atol=0.01,
    )
    rows = enhancement.data.set_index("row")
    assert list(rows.index) == [
        "slope ratio",
        "mean inactivation doses",
        "4 Gy",
    ]  # what is not known has no row
    assert rows.loc["4 Gy", "ratio_or_excess"] == pytest.approx(5.0)
    assert "2 (1.5 to 2.9)" in enhancement.svg
    assert "5 (−2 to 12)" in enhancement.svg


def test_two_cell_lines_have_an_axes_each_and_rows_that_say_which(tables):
    one = drugged(tables)
    two = {name: pd.concat([t, t.assign(cell_line="PC3")]) for name, t in one.items()}
    response, enhancement = drugs(two)
    assert not response.half
    assert set(response.data["cell_line"]) == {"U251", "PC3"}
    assert "U251 + AZD 0.5 µM, slope ratio" in enhancement.svg
    assert "PC3 + AZD 0.5 µM, 4 Gy" in enhancement.svg


def test_without_drug_there_is_nothing_of_drugs(tables):
    assert set(SERIES) <= set(tables["enhancement"].columns)
    assert drugs(tables) == []


def test_the_same_figure_is_the_same_file():
    def paint(axes):
        axes[0, 0].plot([0, 1], [0, 1], "o")

    assert draw(paint) == draw(paint)
