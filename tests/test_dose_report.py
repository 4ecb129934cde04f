"""dose_report.html: whole, self-contained, honest about n; each figure with its numbers."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import tifffile
from damaged_crops import DAMAGES
from dose_plates import write_crops, write_plate
from markupsafe import escape
from synthetic.runs import write_run
from typer.testing import CliRunner

from lineage.io.run_folder import RunFolder
from lineage.mitosis.crops import name as crop_name
from lineage.simulate.settings import Settings
from pipelines.dose.__main__ import app
from pipelines.report import words
from pipelines.report.strips import strips

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = {
    "fraction_superplot",
    "duration_superplot",
    "dose_response",
    "subtypes",
    "measures",
    "survival",
    "courses",
    "dna_content",
    "incidence_since_irradiation",
    "incidence_since_birth",
    "lineages_0_gy",
    "lineages_4_gy",
    "lineages_8_gy",
    "incidence_by_generation",
    "ends_over_time",
    "motility",
}


def invoke(*args):
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_plate(folder / "runs", founders=8, frames=100)
    crops = folder / "runs" / "A1_p1.lineage" / "crops"
    crops.mkdir()
    events = pd.read_csv(crops.parent / "events.csv")
    for event in events.loc[events["event_type"] == "mitosis", "event_id"]:
        pixels = np.random.default_rng(event).integers(1, 200, (12, 2, 24, 24)).astype(np.uint16)
        tifffile.imwrite(crops / f"event_{event:04d}.tif", pixels)
    code, output = invoke(folder / "runs", "--out", folder / "out")
    assert code == 0, output
    return folder / "out"


@pytest.fixture(scope="module")
def html(out):
    return (out / "dose_report.html").read_text(encoding="utf-8")


def test_it_needs_nothing_beside_it(html):
    assert not re.findall(r'(?:src|xlink:href)="(?!#|data:)[^"]*"', html)
    assert not re.findall(r"<(?:link|script)\b", html)
    assert "url(http" not in html
    assert "@import" not in html
    # Links lead to papers or to the files beside it; nothing is fetched.
    links = re.findall(r'<a [^>]*href="([^"]*)"', html)
    assert links
    assert all(re.match(r"#|figures/|https://doi\.org/", link) for link in links)


def test_every_figure_has_its_files(out, html):
    drawn = {p.stem for p in (out / "figures").glob("*.svg")}
    assert drawn >= FIGURES
    assert {p.stem for p in (out / "figures").glob("*.csv")} == drawn
    for name in FIGURES:
        ET.parse(out / "figures" / f"{name}.svg")
        assert len(pd.read_csv(out / "figures" / f"{name}.csv")), name
        assert f'href="figures/{name}.svg"' in html


def marks(path, gid):
    """Places of the marks of one plotted line, page coordinates."""
    group = next(g for g in ET.parse(path).iter(f"{SVG}g") if g.get("id") == gid)
    return np.array([[float(u.get("x")), float(u.get("y"))] for u in group.iter(f"{SVG}use")])


def test_a_figure_shows_its_numbers(out):
    data = pd.read_csv(out / "figures" / "dose_response.csv")
    at = marks(out / "figures" / "dose_response.svg", "response-estimate")
    assert len(at) == len(data) == 3
    # Up the page is up the axis, and the axis is linear.
    slope, _ = np.polyfit(data["estimate"], at[:, 1], 1)
    assert slope < 0
    assert np.allclose(
        np.polyval(np.polyfit(data["estimate"], at[:, 1], 1), data["estimate"]), at[:, 1], atol=0.01
    )
    doses = pd.read_csv(out / "doses.csv")
    mine = doses[(doses["measure"] == "fraction_abnormal") & (doses["stratum"] == "all")]
    assert np.allclose(mine["estimate"], data["estimate"])


def test_all_n_are_printed(out, html):
    record = json.loads((out / "analysis.json").read_text())
    rows = re.findall(r"<tr><td>U251</td>(.*?)</tr>", html)
    assert len(rows) == len(record["n"]) == 3
    for row, n in zip(rows, record["n"], strict=True):
        numbers = [float(x) for x in re.findall(r"<td>([^<]*)</td>", row)]
        wanted = ["dose_gy", "n_experiments", "n_wells", "n_positions", "n_founders", "n_cells"]
        assert numbers[:6] == [n[c] for c in wanted]
    mitoses = pd.read_csv(out / "mitoses.csv")
    assert sum(n["n_mitoses"] for n in record["n"]) == len(mitoses)


def test_it_warns_and_says_how_it_was_made(html):
    assert "Warning: dye and light" in html
    assert "No dye-free control is named" in html
    assert "It is not clonogenic survival" in html
    assert "The unit of analysis is the well" in html
    assert "95 % CI" in html
    assert "Their runs record no settings." in html  # these are lives; nothing is made up
    assert 'id="drugs"' not in html
    assert "Fieller" not in html
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL).lower().split()


def test_a_dye_free_control_ends_the_warning():
    movies = pd.DataFrame({"control": ["", "unirradiated dye-free"]})
    assert words.dye_words(movies) == (words.DYE_FREE, False)
    assert words.dye_words(movies.iloc[:1]) == (words.NO_DYE_FREE, True)


def test_typical_strips_are_medians_and_doubtful_ones_come_first(out):
    mitoses = pd.read_csv(out / "mitoses.csv", dtype={"position": str})
    mine = mitoses[mitoses["movie"] == "A1_p1"].head(5).reset_index(drop=True)
    mine = mine.assign(
        mitosis_class="normal",
        counted_class="normal",
        side_um=60.0,
        p_abnormal=[0.1, 0.2, 0.3, 0.4, 0.5],
        confidence=[9.0, 9.0, 9.0, 0.5, -0.2],
    )
    roots = {"A1_p1": out.parent / "runs" / "A1_p1.lineage"}
    typical, doubtful, _ = strips(mine, roots)
    assert [s.figure.data["p_abnormal"].item() for s in typical] == [0.2]
    assert [s.figure.data["confidence"].item() for s in doubtful[:2]] == [-0.2, 0.5]
    assert "data:image/jpeg" in typical[0].figure.svg


def test_typical_strips_are_complete_where_any_is(out):
    mitoses = pd.read_csv(out / "mitoses.csv", dtype={"position": str})
    mine = mitoses[mitoses["movie"] == "A1_p1"].head(4).reset_index(drop=True)
    mine = mine.assign(
        mitosis_class="normal",
        counted_class="normal",
        p_abnormal=[0.1, 0.2, 0.3, 0.4],
        side_um=60.0,
        confidence=9.0,
    )
    roots = {"A1_p1": out.parent / "runs" / "A1_p1.lineage"}

    def chosen(flags):
        return [s.figure.data["p_abnormal"].item() for s in strips(mine.assign(flags=flags), roots)[0]]

    assert chosen(["", "", "", ""]) == [0.3]
    padded = ["no_phase", "square_padded", "no_phase window_padded", "frame_replaced"]
    assert chosen(padded) == [0.1]
    assert chosen(["square_padded"] * 4) == [0.3]  # none is whole: as before


def test_a_damaged_crop_costs_its_strip_and_is_named(out):
    mitoses = pd.read_csv(out / "mitoses.csv", dtype={"position": str})
    mine = mitoses[mitoses["movie"] == "A1_p1"].head(3).reset_index(drop=True)
    mine = mine.assign(
        mitosis_class="normal",
        counted_class="normal",
        judged=True,
        side_um=60.0,
        p_verdict=0.1,
        confidence=[0.5, 8.0, 9.0],
    )
    roots = {"A1_p1": out.parent / "runs" / "A1_p1.lineage"}
    named = [RunFolder(roots["A1_p1"]).crops / crop_name(i) for i in mine["event_id"]]
    kept = [crop.read_bytes() for crop in named]
    typical, doubtful, damaged = strips(mine, roots)
    assert (len(typical), len(doubtful), damaged) == (1, 3, [])
    try:
        DAMAGES["cut_short"](named[2])  # the most confident: typical and, as there are few, doubtful as well
        named[1].unlink()

        typical, doubtful, damaged = strips(mine, roots)
    finally:
        for crop, content in zip(named, kept, strict=True):
            crop.write_bytes(content)

    assert typical == []
    assert [s.figure.data["event_id"].item() for s in doubtful] == [mine["event_id"][0]]
    (sentence,) = damaged
    assert f"A1_p1.lineage/crops/{named[2].name} is damaged" in sentence


def test_a_plate_of_damaged_crops_is_analysed_and_they_are_named(tmp_path):
    write_plate(tmp_path / "runs", doses=(0, 4), wells=1, founders=5, frames=75)
    write_crops(tmp_path / "runs")
    for crop in (tmp_path / "runs").glob("*/crops/*.tif"):
        DAMAGES["eleven_frames"](crop)

    code, output = invoke(tmp_path / "runs", "--out", tmp_path / "out")

    assert code == 0, output
    assert "A1_p1.lineage/crops/event_" in output
    notes = json.loads((tmp_path / "out" / "analysis.json").read_text())["notes"]
    html = (tmp_path / "out" / "dose_report.html").read_text(encoding="utf-8")
    damaged = [note for note in notes if "is damaged" in note]
    assert damaged
    assert len(set(damaged)) == len(damaged)
    for note in damaged:
        assert html.count(str(escape(note[1:]))) == 1
    assert "The runs have no crops." not in html


def test_a_plate_with_a_drug_has_a_chapter_each_and_one_comparison(tmp_path):
    plate = write_plate(tmp_path / "runs", doses=(0, 4), founders=5, frames=75)
    with_drug = plate["well"].isin(["A2", "A4"])
    plate.loc[with_drug, "treatment"] = "AZD"
    plate.assign(drug_uM=with_drug * 0.5).to_csv(tmp_path / "runs" / "plate.csv", index=False)
    code, output = invoke(tmp_path / "runs", "--out", tmp_path / "out")
    assert code == 0, output
    html = (tmp_path / "out" / "dose_report.html").read_text(encoding="utf-8")
    assert '<a href="#drugs">' in html
    assert "Fieller E. C." in html
    linked = set(re.findall(r'href="figures/([^"]*)\.csv"', html))
    assert linked == {p.stem for p in (tmp_path / "out" / "figures").glob("*.csv")}
    assert {"drug_response", "enhancement", "series1_dose_response", "series2_dose_response"} <= linked
    assert re.findall(r"<h1 style[^>]*>([^<]*)<", html) == [
        "U251",
        "U251 + AZD 0.5 µM",
        "With and without drug",
    ]
    shown = pd.read_csv(tmp_path / "out" / "figures" / "drug_response.csv")
    assert not shown[["low", "high"]].notna().any().any()  # one well a dose
    assert not (linked & {"series1_both_models", "series2_both_models"})


def test_a_line_of_which_nothing_is_left_does_not_stop_the_others(tmp_path):
    plate = write_plate(tmp_path / "runs", doses=(0, 4), wells=1, founders=5, frames=40)
    shutil.rmtree(tmp_path / "runs" / "A2_p1.lineage")
    settings = Settings(frames=40, minutes_per_frame=20, dose_gy=4)
    write_run(tmp_path / "runs" / "A2_p1.lineage", [], settings, name="A2_p1.tif")
    plate.assign(cell_line=["U251", "PC3"]).to_csv(tmp_path / "runs" / "plate.csv", index=False)
    code, output = invoke(tmp_path / "runs", "--out", tmp_path / "out")
    assert code == 0, output
    drawn = {p.stem for p in (tmp_path / "out" / "figures").glob("*.csv")}
    assert "series2_courses" in drawn  # in order: PC3, U251
    assert "series1_courses" not in drawn
    html = (tmp_path / "out" / "dose_report.html").read_text(encoding="utf-8")
    assert "In PC3 cells, no mitosis was called normal or abnormal." in html


def blank(folder, plate, wells):
    """In some wells the lamp was off: no frame of theirs can be used, and none holds a nucleus."""
    for row in plate[plate["well"].isin(wells)].to_dict("records"):
        shutil.rmtree(folder / row["run_folder"])
        settings = Settings(frames=40, minutes_per_frame=20, dose_gy=row["dose_gy"], blank_frames=range(40))
        write_run(folder / row["run_folder"], [], settings, name=f"{row['well']}_p1.tif")


def test_a_plate_without_a_nucleus_is_refused_in_one_line(tmp_path):
    plate = write_plate(tmp_path / "runs", doses=(0, 4), wells=1, founders=5, frames=40)
    blank(tmp_path / "runs", plate, ["A1", "A2"])
    code, output = invoke(tmp_path / "runs", "--out", tmp_path / "out")
    assert code == 2
    assert "none of the 2 movies of" in output
    assert "80 of 80 frames cannot be used" in output
    assert "A1_p1.lineage/report.html" in output
    assert not (tmp_path / "out").exists()


def test_movies_without_a_nucleus_are_counted_and_reported(tmp_path):
    """One of two wells at 0 Gy, and all of the other line."""
    plate = write_plate(tmp_path / "runs", doses=(0, 4), wells=2, founders=5, frames=40)
    blank(tmp_path / "runs", plate, ["A1", "A3", "A4"])
    plate.assign(cell_line=["U251", "U251", "PC3", "PC3"]).to_csv(
        tmp_path / "runs" / "plate.csv", index=False
    )
    code, output = invoke(tmp_path / "runs", "--out", tmp_path / "out")
    assert code == 0, output
    words = "No nucleus was followed in 3 of 4 movies (A1_p1, A3_p1, A4_p1)"
    assert words in output
    assert words in (tmp_path / "out" / "dose_report.html").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert [n["n_positions"] for n in record["n"]] == [2, 2]
    assert pd.read_csv(tmp_path / "out" / "movies.csv")["n_unusable_frames"].tolist() == [40, 0, 40, 40]


def test_the_summary_says_no_number_that_is_not_there():
    """8 Gy left no mitosis to judge; one well a dose; medians whose trend was not tested."""
    common = {"measure": "fraction_abnormal", "stratum": "all", "dose_gy": 0.0, "n": 40, "n_units": 3}
    doses = pd.DataFrame([common | {"estimate": 0.1, "low": 0.0, "high": 0.2, "method": "t over units"}])
    test = common | {"slope_per_gy": 0.02, "low": -0.1, "high": 0.1, "p": np.nan, "p_adjusted": np.nan}
    test |= {"n_doses": 2, "method": "HC2; descriptive: one well a dose"}
    delay = test | {"measure": "time_to_first_mitosis", "stratum": "of those that get there"}
    effect = common | {"control_gy": 0.0, "difference_low": np.nan, "difference_high": np.nan}
    effects = [effect | {"dose_gy": 4.0, "difference": 0.1}, effect | {"dose_gy": 8.0, "difference": np.nan}]
    tables = {"doses": doses, "tests": pd.DataFrame([test, delay]), "effects": pd.DataFrame(effects)}
    text = " ".join(words.summary(tables, {"n": [], "unit": "well"}, "U251"))
    assert "nan" not in text
    assert "At 4 against 0 Gy the difference was 10 points." in text
    assert "not tested: this needs two wells at each of two doses" in text
    alike = tables | {"tests": pd.DataFrame([test | {"method": words.ALIKE}])}
    text = " ".join(words.summary(alike, {"n": [], "unit": "well"}, "U251"))
    assert "not tested: the units are all alike" in text


def test_nothing_is_overwritten_unasked(out):
    before = (out / "dose_report.html").stat().st_mtime_ns
    code, output = invoke(out.parent / "runs", "--out", out)
    assert code == 2
    assert "holds an analysis already" in output
    assert (out / "dose_report.html").stat().st_mtime_ns == before


def test_a_folder_without_runs_is_refused_in_one_line(tmp_path):
    code, output = invoke(tmp_path, "--out", tmp_path / "out")
    assert code == 2
    assert "plate.csv is not there; give the folder that" in output
    assert not (tmp_path / "out").exists()


def test_a_dose_without_a_judged_mitosis_is_reported_in_words(out):
    tables = {name: pd.read_csv(out / f"{name}.csv") for name in ("doses", "tests", "effects")}
    record = json.loads((out / "analysis.json").read_text())
    assert "At 8 against 0 Gy" in " ".join(words.summary(tables, record, "U251"))
    doses, effects = tables["doses"], tables["effects"]
    doses.loc[doses["dose_gy"] == 8, "estimate"] = np.nan
    effects.loc[effects["dose_gy"] == 8, "difference"] = np.nan
    text = " ".join(words.summary(tables, record, "U251"))
    assert "At 8 Gy no mitosis was called normal or abnormal." in text
    assert "At 8 against" not in text
    assert "nan" not in text
    doses["estimate"] = np.nan
    assert "no mitosis was called normal or abnormal." in words.summary(tables, record, "U251")[0]


def test_a_strip_is_shown_under_the_class_it_counts_under(out):
    mitoses = pd.read_csv(out / "mitoses.csv", dtype={"position": str})
    mine = mitoses[mitoses["movie"] == "A1_p1"].head(1).reset_index(drop=True)
    mine = mine.assign(
        mitosis_class="normal",
        counted_class="abnormal",
        subtype="tripolar",
        side_um=60.0,
        verdict="abnormal",
        p_verdict=0.9,
        verdict_because="three_daughters",
    )
    (strip,), *_ = strips(mine, {"A1_p1": out.parent / "runs" / "A1_p1.lineage"})
    assert strip.counted_class == "abnormal"
    assert "probability of abnormal: 0.90 (three daughters)" in strip.facts
    of_person, *_ = strips(mine.assign(verdict="normal"), {"A1_p1": out.parent / "runs" / "A1_p1.lineage"})
    assert "class given by a person" in of_person[0].facts
