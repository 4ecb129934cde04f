from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
from clips import rgb_clip, small_folder
from test_model import small_card, small_model
from typer.testing import CliRunner

from classifier import checkpoint, evaluate, predict
from classifier.data import decode
from classifier.evaluate import figures
from classifier.predict import Classifier, classify
from lineage.schema import Crops, p_abnormal, verdict

NORMAL, ABNORMAL, NONE = np.eye(3)


@pytest.fixture
def classifier() -> Classifier:
    return Classifier(small_model(), small_card(), "hash")


def crops(n: int, side: int = 24) -> Crops:
    pixels = np.array([decode(rgb_clip(seed, side)) for seed in range(n)]).reshape(n, 12, 2, side, side)
    return Crops(np.arange(n) + 100, pixels, np.full(n, 80.0), ("",) * n)


def test_each_crop_gets_its_row_under_its_event(classifier):
    found = classify(crops(3), classifier=classifier)
    assert found.event_ids.tolist() == [100, 101, 102]
    assert found.classes == ("normal", "abnormal")
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
    assert classify(crops(0), classifier=classifier).probabilities.shape == (0, 2)


def test_gain_and_offset_of_the_camera_do_not_matter(classifier):
    plain = crops(2)
    bright = Crops(plain.event_ids, 30 * plain.pixels + 400, plain.side_um, plain.flags)
    expected = classify(plain, classifier=classifier).probabilities
    np.testing.assert_allclose(classify(bright, classifier=classifier).probabilities, expected, atol=1e-4)


def test_a_third_class_needs_no_other_code():
    three = Classifier(small_model(3), small_card(classes=("normal", "abnormal", "none")), "hash")
    assert classify(crops(2), classifier=three).probabilities.shape == (2, 3)


def test_temperature_softens_the_verdict(classifier):
    warm = Classifier(classifier.model, small_card(temperature=4.0), "hash")
    p = classify(crops(1), classifier=classifier).probabilities
    assert p.max() > classify(crops(1), classifier=warm).probabilities.max() > 0.5


def test_the_offset_moves_the_odds_of_abnormal(classifier):
    def odds(found):
        return p_abnormal(found.probabilities, found.classes) / (
            1 - p_abnormal(found.probabilities, found.classes)
        )

    shifted = Classifier(classifier.model, small_card(offset=-1.0), "hash")
    ratio = odds(classify(crops(1), classifier=shifted)) / odds(classify(crops(1), classifier=classifier))
    assert ratio == pytest.approx(np.exp(-1), rel=1e-4)


def test_the_bundled_model_knows_a_division_in_either_channel_alone():
    """One-channel movies are classified, too: what comes out is finite and sums to 1."""
    bundled = predict.load()
    both = crops(1)
    for lost in (0, 1):
        pixels = both.pixels.copy()
        pixels[:, :, lost] = 0
        one = Crops(both.event_ids, pixels, both.side_um, ("no_phase",))
        assert classify(one, classifier=bundled).probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_the_bundled_model_is_small_and_says_what_it_is():
    assert predict.BUNDLED.stat().st_size < 6_000_000
    summary = predict.load().summary()
    assert summary["classes"] == ["normal", "abnormal"]
    assert "Apache-2.0" in summary["licence"]
    assert len(summary["sha256"]) == 64
    assert summary["held_out"]["n"] > 90


def test_p_abnormal_is_given_that_it_is_a_mitosis():
    classes = ("normal", "abnormal", "none")
    rows = np.array([0.2 * NORMAL + 0.2 * ABNORMAL + 0.6 * NONE, 0.1 * NORMAL + 0.9 * ABNORMAL])
    np.testing.assert_allclose(p_abnormal(rows, classes), [0.5, 0.9])


@pytest.mark.parametrize(
    ("abnormal", "none", "word"),
    [(0.49, None, "normal"), (0.5, None, "abnormal"), (0.9, 0.49, "abnormal"), (0.9, 0.5, "none")],
)
def test_verdicts(abnormal, none, word):
    assert verdict(abnormal, none) == word


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


@pytest.fixture
def weights(tmp_path, classifier):
    path = tmp_path / "m.safetensors"
    checkpoint.save(classifier.model, classifier.card, path)
    return path


def test_predict_writes_a_row_a_clip(tmp_path, weights):
    folder = small_folder(tmp_path / "clips")
    table = tmp_path / "out.csv"
    run = CliRunner().invoke(predict.app, [str(folder), "--out", str(table), "--model", str(weights)])
    assert run.exit_code == 0, run.output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert list(rows[0]) == ["clip", "mitosis_class", "p_abnormal", "p_none"]
    assert sorted(row["clip"] for row in rows) == sorted(p.name for p in folder.rglob("*.tif"))
    assert {row["p_none"] for row in rows} == {""}
    assert all((row["mitosis_class"] == "abnormal") == (float(row["p_abnormal"]) >= 0.5) for row in rows)
    again = CliRunner().invoke(predict.app, [str(folder), "--out", str(table), "--model", str(weights)])
    assert again.exit_code == 2
    assert "is already there" in again.output


@pytest.mark.parametrize("shape", [(12, 8, 8), (11, 8, 8, 3)])
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
    assert {line.split()[0] for line in run.output.splitlines()[:-1]} == {"PC3", "U251", "all"}


def test_evaluate_takes_one_fold_or_says_which_there_are(tmp_path, weights):
    folder = small_folder(tmp_path / "clips")
    arguments = [str(folder), "--model", str(weights), "--folds", "4", "--fold"]
    counts = [
        int(CliRunner().invoke(evaluate.app, [*arguments, str(k)]).output.splitlines()[-2].split()[1])
        for k in range(4)
    ]
    assert sum(counts) == 5
    run = CliRunner().invoke(evaluate.app, [*arguments, "4"])
    assert run.exit_code == 2
    assert "fold 4 of 4; wanted 0 to 3" in run.output
