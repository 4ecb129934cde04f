"""What is counted as what: cells in mitosis, abnormal mitoses, kinds that the pixels do not show."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from dose_plates import write_plate

from lineage.nuclei.light import Light
from lineage.schema import ABNORMAL_SUBTYPES, MITOTIC_STATES, InputError, State
from pipelines.dose import compare, movies
from pipelines.dose.analyse import results_of
from pipelines.dose.assessed import assessed
from pipelines.dose.collect import collect, together
from pipelines.dose.correction import Classifier, out_of_fold
from pipelines.dose.measures import PRIMARY
from pipelines.dose.prepare import Options
from pipelines.report import words as words_of
from pipelines.report.over_dose import response
from pipelines.report.panels import subtypes


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder, founders=8)
    return folder


def opened(folder, name):
    """One movie of a plate, as the statistics read it."""
    found, _ = movies.find(folder, movies.read_map(folder))
    return next(movies.read(root, row) for root, row in found if row["movie"] == name)


# Cells in mitosis


def test_a_simulated_run_holds_every_state(plate):
    wells = [opened(plate, f"A{w}_p1").detections["state"] for w in range(1, 7)]
    assert set(pd.concat(wells)) == set(State)


def test_every_mitotic_state_is_a_live_cell_in_mitosis(plate):
    movie = opened(plate, "A5_p1")
    of_frame = collect(movie).frames.set_index("frame")
    deaths = movie.events[movie.events["subtype"].str.startswith("death")].set_index("mother_id")
    ends = movie.detections["tracklet_id"].map(deaths["time_min"]).fillna(np.inf)
    seen = movie.detections[movie.detections["time_min"] < ends]
    assert set(MITOTIC_STATES) <= set(seen["state"])
    weight = {s.value: 1.0 for s in MITOTIC_STATES} | {State.ANAPHASE.value: 0.5}  # two halves of one cell
    in_mitosis = seen["state"].map(weight).fillna(0.0).groupby(seen["frame"]).sum()
    interphase = (seen["state"] == State.INTERPHASE).groupby(seen["frame"]).sum()
    mine = of_frame.loc[in_mitosis.index]
    assert np.allclose(mine["n_in_mitosis"], in_mitosis)
    assert np.allclose(mine["n_live"], in_mitosis + interphase)


# Abnormal mitoses

SEEN = ABNORMAL_SUBTYPES


@pytest.fixture(scope="module")
def overruled(plate, tmp_path_factory):
    """The same runs; of what was seen to be abnormal every other one is called normal, each fourth nothing.

    Each fifth of the normal mitoses is undecided.
    """
    folder = tmp_path_factory.mktemp("overruled") / "runs"
    shutil.copytree(plate, folder)
    for run in folder.glob("*.lineage"):
        files = {name: run / f"{name}.csv" for name in ("events", "tracklets")}
        tables = {name: pd.read_csv(f, dtype=str, keep_default_na=False) for name, f in files.items()}
        events = tables["events"]
        seen = events.loc[events["subtype"].isin(SEEN), "event_id"]
        for words, ids in (("normal", seen[::2]), ("unclassified", seen[1::4])):
            for table in tables.values():
                table.loc[table["event_id"].isin(ids), "mitosis_class"] = words
        doubtful = events.loc[events["subtype"] == "normal", "event_id"][::5]
        for name, table in tables.items():
            table.loc[table["event_id"].isin(doubtful), "verdict"] = "undecided"
            table.to_csv(files[name], index=False)
    return folder


@pytest.fixture(scope="module")
def results(overruled):
    found, _ = movies.find(overruled, movies.read_map(overruled))
    return results_of(together([collect(movies.read(root, row)) for root, row in found]), Options())


def of_measure(table, measure, stratum="all"):
    return table[(table["measure"] == measure) & (table["stratum"] == stratum)].set_index("well")


def test_mitoses_count_by_their_verdict_and_the_undecided_stand_apart(results):
    mitoses, wells = results.tables["mitoses"], of_measure(results.tables["wells"], "fraction_abnormal")
    classified = mitoses[mitoses["mitosis_class"].isin(["normal", "abnormal"])]
    judged = classified[classified["verdict"] != "undecided"]
    abnormal = judged["verdict"] == "abnormal"
    assert 0 < len(judged) < len(classified) < len(mitoses)
    assert (abnormal & (judged["mitosis_class"] == "normal")).sum() > 3
    # What was not classified, or is undecided, is no case.
    assert wells["n"].to_dict() == judged.groupby("well").size().to_dict()
    assert wells["k"].to_dict() == abnormal.groupby(judged["well"]).sum().to_dict()
    # The correction starts from the verdicts, whose errors are known.
    assert wells["called"].to_dict() == pytest.approx(abnormal.groupby(judged["well"]).mean().to_dict())
    apart = of_measure(results.tables["wells"], "fraction_undecided")
    undecided = mitoses["verdict"] == "undecided"
    assert apart["k"].to_dict() == undecided.groupby(mitoses["well"]).sum().to_dict()
    assert apart["n"].to_dict() == mitoses.groupby("well").size().to_dict()


def test_the_kinds_of_abnormal_mitoses_are_all_of_them(results):
    wells = results.tables["wells"]
    fine = of_measure(wells, "fraction_abnormal")["k"]
    kinds = [m for m in wells["measure"].unique() if m in {f"fraction_{s}" for s in SEEN} - {PRIMARY}]
    each = [of_measure(wells, m)["k"] for m in (*kinds, "fraction_unspecified")]
    assert sum(each).to_dict() == fine.to_dict()


def test_a_persons_class_is_counted_in_place_of_the_verdict(plate):
    movie = opened(plate, "A5_p1")
    mine = collect(movie).mitoses
    one, other = mine.loc[mine["verdict"] == "normal", "event_id"].tolist()[:2]
    found = collect(movie, {one: "abnormal", other: "not_a_mitosis"}).mitoses.set_index("event_id")
    assert found.loc[one, ["verdict", "counted_class", "judged"]].tolist() == ["normal", "abnormal", True]
    assert found.loc[other, ["counted_class", "judged"]].tolist() == ["not_a_mitosis", False]
    rest = found.drop([one, other])
    assert (rest["counted_class"] == rest["verdict"]).all()


def test_how_many_are_in_no_fraction_is_reported(overruled, results, tmp_path):
    movies_, mitoses = results.tables["movies"], results.tables["mitoses"]
    seen = mitoses["subtype"].isin(SEEN)
    for column, words in (
        ("n_seen_abnormal_called_normal", "normal"),
        ("n_seen_abnormal_unclassified", "unclassified"),
    ):
        n = int((seen & (mitoses["mitosis_class"] == words)).sum())
        assert movies_[column].sum() == sum(dose[column] for dose in results.record["n"]) == n > 0
    judged = mitoses["judged"]
    assert movies_["n_judged"].sum() == judged.sum()
    assert movies_["n_abnormal"].sum() == (judged & (mitoses["counted_class"] == "abnormal")).sum()
    assert movies_["n_undecided"].sum() == (mitoses["verdict"] == "undecided").sum() > 0
    apart = ["n_judged", "n_undecided", "n_seen_abnormal_unclassified"]
    assert movies_["n_mitoses"].sum() == movies_[apart].to_numpy().sum() == len(mitoses)
    cautions = " ".join(words_of.cautions([], results.record)["Of the analysis"])
    for n in (dose for dose in results.record["n"] if dose["n_undecided"] > 1):
        assert f"At {n['dose_gy']:g} Gy {n['n_undecided']} mitoses are undecided: no fraction" in cautions
    assert "seen to be abnormal and not classified" in cautions


def test_a_mitosis_on_at_the_end_has_lasted_as_long_as_it_was_seen(tmp_path):
    plate = write_plate(tmp_path, doses=(0,), wells=1, founders=4, frames=60)
    root = tmp_path / plate["run_folder"].iloc[0]
    events = pd.read_csv(root / "events.csv")
    timed = events.index[(events["event_type"] == "mitosis") & events["onset_min"].notna()][0]
    events.loc[timed, ["source", "subtype", "evidence_lasts_min"]] = ["end_of_track", "abnormal", 200.0]
    events.to_csv(root / "events.csv", index=False)
    row = movies.read_map(tmp_path).iloc[0].to_dict() | {"movie": "one"}
    mitoses = collect(movies.read(root, row), {}).mitoses
    arrested = mitoses[mitoses["event_id"] == events.loc[timed, "event_id"]].iloc[0]
    assert (arrested["least_min"], arrested["most_min"]) == (180, 220)  # 20 min a frame


def test_cells_clones_and_durations_follow_the_same_rule(results):
    mitoses, cells = results.tables["mitoses"], results.tables["fates"]
    abnormal = mitoses["counted_class"] == "abnormal"
    divided = cells[cells["fate"] == "divided"].merge(
        mitoses.loc[abnormal, ["movie", "event_id"]], on=["movie", "event_id"]
    )
    assert len(divided)
    assert set(divided["end"]) == {"abnormal_exit"}
    clones = results.tables["clones"]
    assert clones["n_abnormal"].sum() == (abnormal & mitoses["from_start"]).sum()
    held = results.tables["intervals"].query("kind == 'mitosis'")
    assert (held["counted_class"] == "abnormal").sum() == (abnormal & mitoses["least_min"].notna()).sum()
    durations = of_measure(results.tables["wells"], "mitotic_duration", "abnormal")
    assert durations["n"].sum() == (held["counted_class"] == "abnormal").sum()


def test_the_correction_starts_from_the_verdicts(results):
    wells = of_measure(results.tables["wells"], "fraction_abnormal")
    assert wells["called"].to_list() == pytest.approx(wells["value"].to_list(), nan_ok=True)
    one = out_of_fold("U251")
    back = [one.sensitivity, one.specificity]
    for row in wells.to_dict("records"):
        q = (row["called"] + back[1] - 1) / (sum(back) - 1)
        assert np.sign(row["corrected"]) == np.sign(q)
    doses = results.tables["doses"]
    mine = doses[(doses["measure"] == "fraction_abnormal") & (doses["stratum"] == "all")]
    by_dose = wells.groupby("dose_gy")["called"].mean()
    assert mine.set_index("dose_gy")["called"].to_dict() == pytest.approx(by_dose.to_dict())


# Corrected fractions that no fraction can be


def few_called():
    """Two wells at 0 Gy in which nothing was called abnormal, two at 8 Gy in which nearly all was."""
    common = {
        "cell_line": "L",
        "treatment": "none",
        "drug_uM": 0.0,
        "measure": "fraction_abnormal",
        "stratum": "all",
        "n": 50,
        "n_by_person": 0,
        "k_by_person": 0,
        "n_positions": 1,
        "experiment_date": "d",
    }
    shares = [(0, 0.0), (0, 0.02), (8, 0.94), (8, 0.98)]
    wells = pd.DataFrame([common | {"dose_gy": d, "value": v, "called": v, "k": 50 * v} for d, v in shares])
    return wells.assign(unit=["a", "b", "c", "d"], corrected=[ERRS.correct(v) for _, v in shares])


ERRS = Classifier(normal=(90, 10, 0), abnormal=(20, 80, 0), source="")


def test_a_corrected_fraction_is_given_as_estimated_and_constrained():
    known, wells = {"L": ERRS}, few_called()
    doses = compare.doses(wells, wells.iloc[:0], known).set_index("dose_gy")
    assert doses.at[0, "corrected"] == pytest.approx((0.01 + 0.9 - 1) / 0.7)  # below 0
    assert doses.at[8, "corrected"] == pytest.approx((0.96 + 0.9 - 1) / 0.7)  # above 1
    assert doses["corrected_constrained"].tolist() == [0.0, 1.0]
    for edge in ("low", "high"):
        constrained = doses[f"corrected_constrained_{edge}"]
        assert constrained.tolist() == doses[f"corrected_{edge}"].clip(0, 1).tolist()
    effect = compare.effects(wells, known).iloc[0]
    assert effect["corrected_difference"] > 1
    assert effect["corrected_difference_constrained"] == 1
    assert effect["corrected_difference_constrained_high"] == 1
    assert effect["corrected_difference_constrained_low"] == min(effect["corrected_difference_low"], 1)


def test_figure_and_summary_show_the_constrained_fraction():
    known, wells = {"L": ERRS}, few_called()
    doses = compare.doses(wells, wells.iloc[:0], known)
    tables = {"doses": doses, "wells": wells, "tests": compare.trends(wells)}
    tables |= {"effects": compare.effects(wells, known)}
    figure = response(tables)
    assert {"corrected", "corrected_constrained"} <= set(figure.data.columns)
    assert "constrained to 0 to 100 %" in figure.caption
    text = " ".join(words_of.summary(tables, {"n": [], "unit": "well"}, "L"))
    assert "it was 0 % at 0 Gy" in text
    assert "100 points when corrected" in text
    assert "−" not in text


# Kinds that the pixels do not show

FINE = {"micronuclei": "n_micronuclei", "lagging_chromatin": "bridge"}


def too_coarse(plate, folder, wells):
    """The same runs; in some wells micronuclei and bridges cannot be assessed, as at 1.15 um a pixel."""
    shutil.copytree(plate, folder)
    for well in wells:
        run = folder / f"{well}_p1.lineage"
        for name in ("events", "tracklets"):
            table = pd.read_csv(run / f"{name}.csv", dtype=str, keep_default_na=False)
            table.loc[table["subtype"].isin(FINE), ["subtype", "mitosis_class", "verdict"]] = "normal"
            for column in set(FINE.values()) & set(table.columns):
                table.loc[table[column] != "", column] = "not assessable"
            table.to_csv(run / f"{name}.csv", index=False)
    return folder


def analysed(folder):
    found, _ = movies.find(folder, movies.read_map(folder))
    return results_of(together([collect(movies.read(root, row)) for root, row in found]), Options())


def test_simulated_runs_tell_micronuclei_and_bridges(plate):
    events = opened(plate, "A5_p1").events
    divided = events[(events["event_type"] == "mitosis") & (events["daughter_ids"] != "")]
    assert set(divided["bridge"]) <= {"True", "False"}
    assert (divided["n_micronuclei"].astype(int) > 0)[divided["subtype"] == "micronuclei"].all()


def test_what_cannot_be_assessed_is_missing_and_not_zero(plate, tmp_path):
    results = analysed(too_coarse(plate, tmp_path / "runs", [f"A{w}" for w in range(1, 7)]))
    for kind in FINE:
        assert results.tables["movies"][f"n_assessed_{kind}"].sum() == 0
        for name, columns in {
            "positions": ["value", "corrected"],
            "wells": ["value", "corrected"],
            "doses": ["estimate", "low", "high", "corrected", "corrected_constrained"],
            "effects": ["difference", "ratio", "p"],
            "tests": ["slope_per_gy", "p"],
        }.items():
            table = results.tables[name]
            mine = table[table["measure"] == f"fraction_{kind}"]
            assert len(mine), name
            assert mine[columns].isna().all(axis=None), name
        words = kind.replace("_", " ").capitalize()
        assert f"{words}: not assessable in 6 of 6 movies" in " ".join(results.record["notes"])
    tripolar = of_measure(results.tables["wells"], "fraction_tripolar")
    assert tripolar["value"].notna().all()
    figure = subtypes(results.tables)
    for line in ("not assessable", "at this pixel size", "(1.15 µm)"):
        assert figure.svg.count(f">{line}<") == 2
    assert figure.data.query("measure == 'fraction_micronuclei'")["value"].isna().all()
    assert "not 0" in figure.caption


def test_a_mixed_plate_uses_the_movies_that_tell(plate, tmp_path):
    results = analysed(too_coarse(plate, tmp_path / "runs", ["A1", "A3", "A5"]))
    whole = analysed(plate)
    for kind in FINE:
        mine, all_ = (of_measure(r.tables["wells"], f"fraction_{kind}") for r in (results, whole))
        assert mine.loc[["A1", "A3", "A5"], "value"].isna().all()
        assert mine.loc[["A2", "A4", "A6"], "value"].equals(all_.loc[["A2", "A4", "A6"], "value"])
        words = kind.replace("_", " ").capitalize()
        assert f"{words}: not assessable in 3 of 6 movies" in " ".join(results.record["notes"])
        doses = results.tables["doses"]
        assert doses.loc[doses["measure"] == f"fraction_{kind}", "n_units"].tolist() == [1, 1, 1]
    assert subtypes(results.tables).svg.count(">3 of 6 movies<") == 2
    assert "not assessable" not in " ".join(whole.record["notes"])


def test_where_only_presence_is_visible_there_is_no_share():
    """At 0.65 um large micronuclei show, but their absence cannot be stated; at 0.2 um it can."""
    mitoses = pd.DataFrame(
        {
            "movie": ["a", "a", "b", "c", "c", "d", "e"],
            "pixel_size_um": [0.65] * 3 + [0.2] * 4,
            "n_micronuclei": ["1", "not assessable", "2", "0", "", "3", ""],
        }
    )
    assert assessed(mitoses, "micronuclei").tolist() == [False, False, False, True, True, True, False]


# Light


def test_dna_content_is_the_same_whether_a_run_took_bleaching_out_or_not(plate, tmp_path):
    """The controls tell bleaching for a whole session; a run tells it only where it has many nuclei."""
    shutil.copytree(plate, tmp_path / "plate")
    plain = opened(plate, "A1_p1")
    root = tmp_path / "plate" / "A1_p1.lineage"
    left = np.linspace(1, 0.6, plain.n_frames)
    detections = plain.detections
    corrected = detections.assign(dna_mass=detections["dna_mass"] / left[detections["frame"]])
    corrected.to_csv(root / "detections.csv", index=False)
    (root / "stages").mkdir(exist_ok=True)
    light = Light((400, 400), bleaching=tuple(left.tolist()))
    (root / "stages" / "light.json").write_text(json.dumps(light.as_dict()))
    found = collect(opened(tmp_path / "plate", "A1_p1")).dna
    assert len(found) > 5
    pd.testing.assert_frame_equal(found, collect(plain).dna)


def test_a_damaged_estimate_of_the_light_is_one_line(plate, tmp_path):
    shutil.copytree(plate, tmp_path / "plate")
    path = tmp_path / "plate" / "A1_p1.lineage" / "stages" / "light.json"
    path.write_text('{"shape": [1]}')
    with pytest.raises(InputError, match=r"light\.json"):
        opened(tmp_path / "plate", "A1_p1")
