from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
from clips import rgb_clip, small_folder
from small import small_card, small_classifier, small_network
from typer.testing import CliRunner

from classifier import checkpoint, evaluate, predict
from classifier.calibrate import Calibration
from classifier.evaluate import classify_clips
from classifier.figures import auc_within, figures, intervals
from classifier.measures import measures
from classifier.pixels import PIXEL_UM, decode
from classifier.predict import Classifier, classify
from lineage import progress
from lineage.io import integrity
from lineage.schema import Crops, mitosis_class, p_abnormal

NORMAL, ABNORMAL, NONE = np.eye(3)


@pytest.fixture
def classifier() -> Classifier:
    return small_classifier()


def crops(n: int, side: int = 24) -> Crops:
    pixels = np.array([decode(rgb_clip(seed, side)) for seed in range(n)]).reshape(n, 12, 2, side, side)
    return Crops(np.arange(n) + 100, pixels, np.full(n, 80.0), ("",) * n)


def test_each_crop_gets_its_row_under_its_event(classifier):
    found = classify(crops(3), classifier=classifier)
    assert found.event_ids.tolist() == [100, 101, 102]
    assert found.classes == ("normal", "abnormal", "none")
    assert found.probabilities.dtype == np.float32


def test_a_verdict_does_not_depend_on_the_batch_around_it(classifier):
    together = classify(crops(3), classifier=classifier).probabilities
    alone = classify(crops(1), classifier=classifier).probabilities
    np.testing.assert_array_equal(together[:1], alone)


def test_a_mirrored_mitosis_is_the_same_mitosis(classifier):
    plain = crops(2)
    mirrored = Crops(plain.event_ids, plain.pixels[..., ::-1], plain.side_um, plain.flags)
    expected = classify(plain, classifier=classifier).probabilities
    np.testing.assert_allclose(classify(mirrored, classifier=classifier).probabilities, expected, atol=1e-5)


def test_no_events_are_no_rows(classifier):
    assert classify(crops(0), classifier=classifier).probabilities.shape == (0, 3)


def test_gain_and_offset_of_the_camera_do_not_matter(classifier):
    plain = crops(2)
    bright = Crops(plain.event_ids, 30 * plain.pixels + 400, plain.side_um, plain.flags)
    expected = classify(plain, classifier=classifier).probabilities
    np.testing.assert_allclose(classify(bright, classifier=classifier).probabilities, expected, atol=1e-4)


def test_two_classes_need_no_other_code():
    card = small_card(classes=("normal", "abnormal"), members=1)
    two = Classifier([small_network(n_classes=2)], None, card)
    assert classify(crops(2), classifier=two).probabilities.shape == (2, 2)


def test_calibration_moves_the_odds_of_abnormal_and_not_the_share_of_none(classifier):
    def classified(offset: float):
        found = classify(crops(1), classifier=small_classifier(calibration=Calibration(0.5, 0.5, offset)))
        p = p_abnormal(found.probabilities, found.classes)
        return p / (1 - p), found.probabilities[:, 2]

    (odds, none), (shifted, same) = classified(0.0), classified(-1.0)
    assert shifted / odds == pytest.approx(np.exp(-1), rel=1e-3)
    assert none == same


def test_without_dna_the_forest_is_not_heard(classifier):
    dark = crops(1).pixels[0].copy()
    dark[:, 1] = 0
    assert classifier.forest_probability(measures(crops(1).pixels[0], PIXEL_UM)) is not None
    assert classifier.forest_probability(measures(dark, PIXEL_UM)) is None


def test_the_bundled_model_judges_either_channel_alone():
    """One-channel movies are classified, too: what comes out is finite and sums to 1."""
    bundled = predict.load()
    both = crops(1)
    for lost in (0, 1):
        pixels = both.pixels.copy()
        pixels[:, :, lost] = 0
        one = Crops(both.event_ids, pixels, both.side_um, ("no_phase",))
        assert classify(one, classifier=bundled).probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_the_bundled_model_is_small_and_says_what_it_is():
    assert predict.BUNDLED.stat().st_size < 15_000_000
    summary = predict.load().summary()
    assert summary["classes"] == ["normal", "abnormal", "none"]
    assert "CC BY 4.0" in summary["licence"]
    assert len(summary["sha256"]) == 64
    assert summary["held_out"]["n"] == 428


def test_p_abnormal_is_given_that_it_is_a_mitosis():
    classes = ("normal", "abnormal", "none")
    rows = np.array([0.2 * NORMAL + 0.2 * ABNORMAL + 0.6 * NONE, 0.1 * NORMAL + 0.9 * ABNORMAL])
    np.testing.assert_allclose(p_abnormal(rows, classes), [0.5, 0.9])


@pytest.mark.parametrize(
    ("abnormal", "none", "word"),
    [(0.49, None, "normal"), (0.5, None, "abnormal"), (0.9, 0.49, "abnormal"), (0.9, 0.5, "none")],
)
def test_verdicts(abnormal, none, word):
    assert mitosis_class(abnormal, none) == word


def test_figures_by_hand():
    abnormal = np.array([True, True, True, False, False, False])
    found = figures(abnormal, np.array([0.9, 0.8, 0.2, 0.7, 0.1, 0.3]))
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx(7 / 9)  # pairs in the right order


def test_figures_where_nothing_is_called_abnormal():
    found = figures(np.array([True, False]), np.array([0.2, 0.1]))
    assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)
    assert np.isnan(figures(np.array([False, False]), np.array([0.2, 0.1]))["auc"])


def test_auc_within_groups_does_not_see_what_groups_differ_in():
    abnormal = np.array([True, True, False, False])
    dose = np.array([8, 8, 0, 0])
    assert figures(abnormal, dose / 10)["auc"] == 1
    assert np.isnan(auc_within(abnormal, dose / 10, dose))
    assert auc_within(abnormal, np.array([0.9, 0.1, 0.8, 0.2]), np.zeros(4)) == 0.5


def test_intervals_draw_whole_fields():
    """Ten equal clips of one field are worth one clip: nothing varies."""
    abnormal = np.array([True, False] * 10)
    p = np.where(abnormal, 0.9, 0.6)
    one = intervals(abnormal, p, ["a"] * 20, n=50)
    many = intervals(abnormal, p, [str(i // 2) for i in range(20)], n=50)
    assert one["accuracy"] == many["accuracy"] == (0.5, 0.5)
    assert intervals(abnormal, np.where(np.arange(20) < 10, p, 1 - p), ["a"] * 10 + ["b"] * 10, n=50)[
        "recall"
    ] == (0, 1)


@pytest.fixture
def weights(tmp_path, classifier):
    path = tmp_path / "m.safetensors"
    checkpoint.save(classifier.models, classifier.forest, classifier.card, path)
    return path


def test_predict_writes_a_row_a_clip(tmp_path, weights):
    folder = small_folder(tmp_path / "clips")
    table = tmp_path / "out.csv"
    run = CliRunner().invoke(predict.app, [str(folder), "--out", str(table), "--model", str(weights)])
    assert run.exit_code == 0, run.output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert list(rows[0]) == ["clip", "mitosis_class", "p_abnormal", "p_none"]
    assert sorted(row["clip"] for row in rows) == sorted(p.name for p in folder.rglob("*.tif"))
    for row in rows:
        assert row["mitosis_class"] == mitosis_class(float(row["p_abnormal"]), float(row["p_none"]))
    again = CliRunner().invoke(predict.app, [str(folder), "--out", str(table), "--model", str(weights)])
    assert again.exit_code == 2
    assert "is already there" in again.output


def test_predict_takes_the_crops_of_a_run_folder(tmp_path, weights):
    run_folder = tmp_path / "movie.lineage"
    (run_folder / "crops").mkdir(parents=True)
    record = {"format": integrity.FORMAT, "stages": {}}
    (run_folder / "run.json").write_text(integrity.dumps(record))
    tifffile.imwrite(run_folder / "crops" / "event_0003.tif", crops(1).pixels[0], imagej=True)
    tifffile.imwrite(run_folder / "other.tif", np.zeros((4, 4), np.uint8))
    run = CliRunner().invoke(
        predict.app, [str(run_folder), "--out", str(tmp_path / "o.csv"), "--model", str(weights)]
    )
    assert run.exit_code == 0, run.output
    assert [r["clip"] for r in csv.DictReader((tmp_path / "o.csv").read_text().splitlines())] == [
        "event_0003.tif"
    ]


@pytest.mark.parametrize(("seconds_a_clip", "lines"), [(0.3, 0), (3.0, 2)])
def test_predict_shows_progress_on_stderr_if_it_takes_longer(
    tmp_path, weights, monkeypatch, seconds_a_clip, lines
):
    """By a clock that goes on with each clip: nothing for a short folder; else a line, and one at the end."""
    now = 0.0
    classified = predict.row

    def slow_row(*arguments):
        nonlocal now
        now += seconds_a_clip
        return classified(*arguments)

    monkeypatch.setattr(predict, "row", slow_row)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    folder, table = small_folder(tmp_path / "clips"), tmp_path / "out.csv"
    run = CliRunner().invoke(predict.app, [str(folder), "--out", str(table), "--model", str(weights)])
    assert run.stdout == f"5 clips -> {table}\n"
    assert len(run.stderr.splitlines()) == lines
    if lines:
        assert run.stderr.startswith("classify   1 of 5, 12.0 s left\n")


def test_clips_may_go_on_for_longer(tmp_path):
    clip = rgb_clip(0, 40)
    for n in (12, 16, 24):
        tifffile.imwrite(tmp_path / f"{n}.tif", np.concatenate([clip, clip[:1].repeat(n - 12, axis=0)]))
    classifier = predict.load()
    p = [float(predict.row(tmp_path / f"{n}.tif", classifier)[2]) for n in (12, 16, 24)]
    assert len(set(p)) == 3  # what comes later counts


@pytest.mark.parametrize("shape", [(12, 8, 8), (11, 8, 8, 3), (25, 8, 8, 3)])
def test_predict_on_what_is_no_clip_is_one_line_and_exit_2(tmp_path, weights, shape):
    tifffile.imwrite(tmp_path / "odd.tif", np.zeros(shape, np.uint8))
    run = CliRunner().invoke(
        predict.app, [str(tmp_path), "--out", str(tmp_path / "o.csv"), "--model", str(weights)]
    )
    assert run.exit_code == 2
    assert run.output.startswith("error: odd.tif is")
    assert len(run.output.splitlines()) == 1
    assert not (tmp_path / "o.csv").exists()


def test_evaluate_ends_with_the_promised_line(tmp_path, weights):
    folder = small_folder(tmp_path / "clips")
    run = CliRunner().invoke(evaluate.app, [str(folder), "--model", str(weights)])
    assert run.exit_code == 0, run.output
    words = run.output.splitlines()[-1].split()
    assert words[::2] == ["accuracy", "precision", "recall", "F1"]
    assert all(0 <= float(x) <= 1 for x in words[1::2])
    assert {"PC3", "U251", "all", "8", "10"} <= {text.split()[0] for text in run.output.splitlines()}


def test_evaluate_writes_a_page_with_the_mistakes(tmp_path, weights):
    folder = small_folder(tmp_path / "clips")
    page = tmp_path / "page.html"
    arguments = [str(folder), "--model", str(weights), "--page", str(page)]
    run = CliRunner().invoke(evaluate.app, arguments)
    assert run.exit_code == 0, run.output
    html = page.read_text()
    classified = classify_clips(evaluate.find_clips(folder), predict.load(weights))
    wrong = ((classified.p >= 0.5) != classified.abnormal).sum()
    assert wrong > 0
    assert html.count("film strip of") == wrong
    assert "src=" in html
    assert "http" not in html.replace("https://www.w3.org", "")
    again = CliRunner().invoke(evaluate.app, arguments)
    assert again.exit_code == 2


def test_evaluate_takes_one_fold_or_says_which_there_are(tmp_path, weights):
    folder = small_folder(tmp_path / "clips")
    arguments = [str(folder), "--model", str(weights), "--folds", "4", "--fold"]
    counts = []
    for k in (0, 3):
        lines = CliRunner().invoke(evaluate.app, [*arguments, str(k)]).output.splitlines()
        counts += [int(text.split()[1]) for text in lines if text.startswith("all ")]
    assert counts == [len(evaluate.clips_in_fold(evaluate.find_clips(folder), k, 4)) for k in (0, 3)]
    run = CliRunner().invoke(evaluate.app, [*arguments, "4"])
    assert run.exit_code == 2
    assert "fold 4 of 4; wanted 0 to 3" in run.output
