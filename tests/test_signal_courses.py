"""Further channels along the lineage: aligned to birth and to mitosis, and drawn."""

from __future__ import annotations

import movies
import numpy as np
import pandas as pd
import pytest
import tifffile
import worlds
from pages import page_of, quality, run_of
from test_tree import annotate
from typer.testing import CliRunner

from lineage.command import app
from lineage.mitosis.event_table import event_table
from lineage.mitosis.verdict import decide_all, load
from lineage.report import write_report
from lineage.report.heat_maps import heat_maps, matrix
from lineage.report.methods import methods
from lineage.schema import SIGNAL_COLUMNS, signal_columns
from lineage.signal_courses import courses, of_cells, s_phase_from


def lit(world, level=lambda cell, frame: 10.0 * cell + frame):
    """A world whose nuclei have a channel p53; detections, tree and events."""
    lineage = worlds.as_lineage(world())
    events = worlds.divisions(lineage)
    d = lineage.detections.copy()
    means = [level(c, f) for c, f in zip(d["tracklet_id"], d["frame"], strict=True)]
    values = (means, means, 0.0, np.array(means) / 4, np.nan)
    for name, value in zip(signal_columns("p53"), values, strict=True):
        d[name] = value
    tree = annotate(lineage, events, worlds.predictions_of({}))
    verdicts = decide_all(events, worlds.predictions_of({}))
    return d, tree, event_table(events, verdicts, minutes_per_frame=worlds.MINUTES)


def of(table: pd.DataFrame, cell: int, aligned: str) -> pd.DataFrame:
    return table[(table["tracklet_id"] == cell) & (table["aligned"] == aligned)].set_index("time_min")


def test_courses_are_aligned_to_birth_and_to_mitosis():
    detections, tree, events = lit(worlds.one_division)
    table = courses(detections, tree, events)
    assert list(table.columns) == list(SIGNAL_COLUMNS)
    born = of(table, 2, "birth")
    own = detections[detections["tracklet_id"] == 2]
    assert born.index.tolist() == (own["time_min"] - own["time_min"].min()).tolist()
    assert born["mean"].tolist() == own["p53_mean"].tolist()
    assert of(table, 1, "birth").empty  # a founder's birth is not in the movie

    separation = float(events["time_min"].iloc[0])
    both = of(table, 1, "mitosis")
    mother = detections[detections["tracklet_id"] == 1]
    assert both.index.min() == mother["time_min"].min() - separation
    assert both.index.is_unique
    assert set(both.index[both.index < 0]) == set(mother["time_min"] - separation)
    frame = int(separation / worlds.MINUTES)
    assert both.loc[0.0, "mean"] == pytest.approx((20 + 30) / 2 + frame)  # of both daughters
    assert both["ring_ratio"].to_numpy() == pytest.approx(0.25)


def test_daughters_are_averaged_until_the_first_of_them_ends():
    detections, tree, events = lit(worlds.two_generations)
    table = courses(detections, tree, events)
    first = events.sort_values("time_min").iloc[0]
    after = of(table, int(first["mother_id"]), "mitosis")
    ends = detections[detections["tracklet_id"].isin([2, 3])].groupby("tracklet_id")["time_min"].max().min()
    assert after.index.max() == ends - first["time_min"]


def test_rejected_mitoses_and_movies_without_channels_have_no_course():
    detections, tree, events = lit(worlds.one_division)
    rejected = courses(detections, tree, events.assign(verdict="not_a_mitosis"))
    assert set(rejected["aligned"]) == {"birth"}
    plain = detections.drop(columns=list(signal_columns("p53")))
    assert courses(plain, tree, events).empty


def test_a_ring_of_a_dark_nucleus_has_no_ratio():
    detections, tree, events = lit(worlds.one_division, lambda cell, frame: -1.0)
    assert courses(detections, tree, events)["ring_ratio"].isna().all()


def phases(detections: pd.DataFrame) -> list[str]:
    """Daughters: three frames without, then G1 up to the fifth, then S/G2/M; mothers G1 for six frames."""
    age = detections["frame"] - detections.groupby("tracklet_id")["frame"].transform("min")
    founder = detections["tracklet_id"] == 1
    return list(np.where(age < np.where(founder, 6, 5), np.where(~founder & (age < 3), "", "G1"), "S/G2/M"))


def test_time_in_g1_and_s_g2_is_known_where_both_ends_are_seen():
    detections, tree, events = lit(worlds.two_generations)
    detections["phase"] = phases(detections)
    cells = of_cells(detections, tree, events).set_index("tracklet_id")
    assert cells.loc[2, "g1_min"] == 5 * worlds.MINUTES  # without a phase at first
    assert np.isnan(cells.loc[1, "g1_min"])  # its birth is not in the movie
    at = events.set_index("mother_id").loc[1]
    end = at["time_min"] if pd.isna(at["onset_min"]) else at["onset_min"]
    in_s = (detections["tracklet_id"] == 1) & (detections["phase"] == "S/G2/M")
    began = detections.loc[in_s, "time_min"].min()
    assert cells.loc[1, "s_g2_min"] == end - began
    assert np.isnan(cells.loc[3, "s_g2_min"])  # it never divides
    assert cells.loc[2, "p53_mean"] == detections.loc[detections["tracklet_id"] == 2, "p53_mean"].mean()


def test_one_wrong_frame_does_not_begin_s_phase():
    phase = ["", "S/G2/M", "G1", "G1", "G1", "S/G2/M", "S/G2/M", "G1", "S/G2/M"]
    nuclei = pd.DataFrame({"time_min": 10 * np.arange(9), "phase": phase})
    assert s_phase_from(nuclei) == 50
    assert np.isnan(s_phase_from(nuclei[:1]))
    assert np.isnan(s_phase_from(nuclei[2:5]))


# Drawn


def test_the_heat_map_has_a_row_for_each_division_in_order_of_time():
    detections, tree, events = lit(worlds.two_generations)
    table = courses(detections, tree, events)
    order = events.sort_values("time_min")["event_id"].tolist()
    values, first = matrix(table[table["aligned"] == "mitosis"], order, worlds.MINUTES)
    assert len(values) == len(order) == 2
    mothers = events.sort_values("time_min")["mother_id"].tolist()
    assert mothers == [1, 2]
    for k, (mother, event) in enumerate(zip(mothers, order, strict=True)):
        course = of(table[table["event_id"] == event], mother, "mitosis")
        assert values[k, -first] == course.loc[0.0, "mean"]
    ((title, svg, caption),) = heat_maps(table, events.fillna({"daughter_ids": ""}), minutes_per_frame=10)
    assert title == "p53: 2 divisions"
    assert "hours from separation" in svg
    assert "grey levels above background" in svg
    assert "n = 2" in svg
    assert "p53" in caption


def test_the_report_shows_further_channels_only_where_there_are_some(tmp_path):
    detections, tree, events = lit(worlds.one_division)
    assert "Further channels" not in page_of(tmp_path, worlds.one_division).text
    signals = courses(detections, tree, events)
    write_report(
        tmp_path / "report.html",
        tree=tree,
        detections=detections,
        events=events,
        quality=quality(),
        crops_dir=tmp_path / "crops",
        run=run_of(),
        signals=signals,
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "p53: 1 division" in page


def test_the_methods_text_names_further_channels_and_fucci_where_they_were_measured():
    def text(*notes: str, fucci: list[str] | None = None) -> str:
        segment = {"model": "sir-dna", "nucleus_diameter_um": None, "fucci": fucci}
        run = run_of(settings={"segment": segment}) | {"notes": {"segment": list(notes)}}
        return methods(run, load()["limits"], classified=False)

    assert "Further channels" not in text()
    assert "in a ring from 1.5 to 5 µm" in text("further channels that are measured: ...")
    assert "Otsu" not in text("further channels that are measured: ...", fucci=["red", "green"])
    assert "else in G1 where red was" in text("FUCCI: nuclei are bright ...", fucci=["red", "green"])


# A whole run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A mother that divides at frame 8; her daughters are twice as bright in p53."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    frames = rng.normal(20, 1, (16, 3, 96, 96))
    masks = np.zeros((16, 96, 96), np.uint16)
    for t in range(16):
        apart = 0 if t < 8 else 6 + min(t - 8, 4)
        for k, side in enumerate((-1, 1) if apart else (0,)):
            disc = movies.disc((96, 96), 48, 48 + side * apart, 5 if apart else 8)
            masks[t][disc] = k + 1
            frames[t, 1][disc] += 60 * (2 if 6 <= t < 10 else 1)
            frames[t, 2][disc] += 40 if apart else 20
    movie = folder / "m.ome.tif"
    metadata = {"axes": "TCYX", "PhysicalSizeX": 1.15, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 1.15,
                "PhysicalSizeYUnit": "µm", "TimeIncrement": 600, "TimeIncrementUnit": "s",
                "Channel": {"Name": ["phase", "SiR-DNA", "p53-mVenus"]}}  # fmt: skip
    tifffile.imwrite(movie, frames.clip(0, 255).astype(np.uint8), ome=True, metadata=metadata)
    tifffile.imwrite(folder / "masks.tif", masks)
    return folder


def start(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_run_measures_further_channels_and_none_if_told_so(finished):
    out, masks = finished / "m.lineage", finished / "masks.tif"
    result = start(finished / "m.ome.tif", "--labels", masks, "--out", out)
    assert result.exit_code == 0, result.output
    assert "2 (p53-mVenus) as p53_mvenus_" in result.output
    detections = pd.read_csv(out / "detections.csv")
    assert list(detections.columns[-5:]) == list(signal_columns("p53_mvenus"))
    early = detections.loc[detections["frame"] < 8, "p53_mvenus_mean"]
    assert early.to_numpy() == pytest.approx(20, abs=3)
    signals = pd.read_csv(out / "signals.csv")
    assert set(signals["channel"]) == {"p53_mvenus"}
    assert len(pd.read_csv(out / "cell_signals.csv")) == len(pd.read_csv(out / "tracklets.csv"))

    (finished / "none.toml").write_text("[segment]\nmeasure = []\n")
    again = start(finished / "m.ome.tif", "--labels", masks, "--out", out, "--config", finished / "none.toml")
    assert again.exit_code == 0, again.output
    assert not (out / "signals.csv").exists()
    plain = pd.read_csv(out / "detections.csv")
    pd.testing.assert_frame_equal(plain, detections[plain.columns])


def test_a_channel_that_is_not_there_is_one_line_and_exit_code_2(finished):
    result = start(finished / "m.ome.tif", "--out", finished / "x.lineage", "--measure", "p21")
    assert result.exit_code == 2
    assert "measure names channel 'p21'" in result.output
    assert not (finished / "x.lineage").exists()
