from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import torch
from clips import clips_folder, small_folder
from judged import say, write_run
from typer.testing import CliRunner

from classifier import checkpoint, crossvalidate, evaluate, learn, protocol, recipes, train
from classifier.data import find_clips
from classifier.predict import BUNDLED
from classifier.recipes import NUCLEI, PIXELS, Stage
from classifier.state import State
from classifier.train import train_classifier
from classifier.trial import Start
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

TINY = replace(
    PIXELS,
    side_px=16,
    batch=4,
    members=1,
    options={"n_blocks": 1, "hidden": 4},
    stages=(Stage(2, 1e-3, 1e-3),),
)
TINY_NUCLEI = replace(
    NUCLEI, batch=4, members=1, options={"hidden": 4}, stages=(Stage(2, 1e-3, 1e-3, anneals=True),)
)
TINY_PAPER = replace(recipes.paper(1e-3), batch=2)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """The commands as they are, with a recipe that takes a second."""
    monkeypatch.setitem(recipes.FROM_SCRATCH, "mobilenet_v2", TINY)
    monkeypatch.setitem(recipes.FROM_SCRATCH, "nuclei_lstm", TINY_NUCLEI)
    monkeypatch.setitem(recipes.FROM_SCRATCH, "gao", TINY_PAPER)


def start(app, *arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def weights_of(folder: Path, out: Path | None, seed: int = 0) -> torch.Tensor:
    plan = replace(TINY, stages=(Stage(1, 1e-3, 0.0), Stage(2, 1e-3, 1e-3, anneals=True)))
    begun = Start(None, out, {"seed": seed})
    models = train_classifier(find_clips(folder), "mobilenet_v2", plan, seed=seed, start=begun).models
    return torch.cat([p.flatten() for p in models[0].state_dict().values()])


class Killed(Exception):
    pass


def test_a_killed_training_resumes_to_the_same_weights(tmp_path, monkeypatch):
    folder = small_folder(tmp_path / "clips")
    undisturbed = weights_of(folder, None)
    real = State.record_epoch

    def save_and_die(state, *arguments):
        real(state, *arguments)
        if len(state.history.loss) == 2:
            raise Killed

    monkeypatch.setattr(State, "record_epoch", save_and_die)
    with pytest.raises(Killed):
        weights_of(folder, tmp_path)
    monkeypatch.setattr(State, "record_epoch", real)
    assert torch.equal(weights_of(folder, tmp_path), undisturbed)
    with pytest.raises(InputError, match="holds a training of other clips or settings"):
        weights_of(folder, tmp_path, seed=1)


def test_the_command_leaves_a_checkpoint_with_its_held_out_figures(tmp_path):
    folder = small_folder(tmp_path / "clips")
    run = start(train.app, folder, "--out", tmp_path / "out", "--hold-out-fold", 0, "--folds", 2)
    assert run.exit_code == 0, run.output
    _, forest, card = checkpoint.load(tmp_path / "out" / "model.safetensors")
    assert forest is not None
    assert card.held_out["n"] + sum(card.training["clips"].values()) == 5
    assert card.training["hold_out_fold"] == 0
    assert len(card.training["data_sha256"]) == 64
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000


def test_a_paper_s_network_stops_early(tmp_path):
    folder = small_folder(tmp_path / "clips")
    arguments = ["--model", "gao", "--validation", 0.4, "--patience", 1, "--epochs", 12]
    run = start(train.app, folder, "--out", tmp_path / "out", *arguments)
    assert run.exit_code == 0, run.output
    assert "validation accuracy" in run.output
    models, forest, card = checkpoint.load(tmp_path / "out" / "model.safetensors")
    assert (card.model, card.classes, forest) == ("gao", ("normal", "abnormal"), None)
    assert models[0].head[1].out_features == 150


def test_events_that_a_person_corrected_are_learned_from(tmp_path):
    folder = small_folder(tmp_path / "clips")
    run_folder = write_run(tmp_path / "movie.lineage")
    say(run_folder, 1, "not_a_mitosis")
    shutil.copy(folder / "AbnormalMitosis" / "10Gy_p1_425.tif", run_folder / "crops" / "event_0003.tif")
    run = start(train.app, folder, "--out", tmp_path / "out", "--run", run_folder, "--epochs", 1)
    assert run.exit_code == 0, run.output
    card = checkpoint.read_card(tmp_path / "out" / "model.safetensors")
    assert card.training["clips"] == {"normal": 3, "abnormal": 2, "none": 1}
    assert f"{run_folder}: 1 event that people judged" in run.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["clips", "--hold-out-fold", "5"], "fold 5 of 5; wanted 0 to 4"),
        (
            ["clips", "--model", "mobilenet_v2", "--pretrained", "clips"],
            "clips: no such file; wanted pretrained weights",
        ),
        (["clips", "--model", "alexnet"], "no model alexnet; known: nuclei_lstm, mobilenet_v2"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, monkeypatch, arguments, message):
    names = {
        "NormalMitosis": ["2Gy_p1_1", "2Gy_p2_1", "2Gy_p3_1"],
        "AbnormalMitosis": ["8Gy_p1_1", "8Gy_p2_1"],
    }
    clips_folder(tmp_path / "clips", names)
    monkeypatch.chdir(tmp_path)
    run = start(train.app, *arguments, "--out", "out")
    assert run.exit_code == 2
    assert message in run.output
    assert len(run.output.splitlines()) == 1


def test_a_class_that_is_wholly_held_out_is_refused(tmp_path):
    names = {"NormalMitosis": ["2Gy_p1_1"], "AbnormalMitosis": ["8Gy_p1_1"]}
    folder = clips_folder(tmp_path / "clips", names)
    run = start(train.app, folder, "--out", tmp_path / "out", "--hold-out-fold", 0, "--folds", 2)
    assert run.exit_code == 2
    assert "the 1 clips left for training lack a class" in run.output


def test_a_training_that_diverges_ends_with_a_line_and_keeps_the_epochs_before(tmp_path, monkeypatch):
    real = learn.weighted_cross_entropy
    losses = []

    def diverging(*arguments):
        losses.append(real(*arguments))
        return losses[-1] * (float("nan") if len(losses) > 1 else 1)

    monkeypatch.setattr(learn, "weighted_cross_entropy", diverging)
    with pytest.raises(InputError, match="the loss of epoch 2 is not a number: the training has diverged"):
        weights_of(small_folder(tmp_path / "clips"), tmp_path)
    state = torch.load(tmp_path / "member_0.pt", weights_only=True)
    assert len(state["history"]["loss"]) == 1


@pytest.fixture
def six_fields(tmp_path):
    names = {
        "NormalMitosis": [f"N_160930.nd2_PC3_2Gy_p{k}_1_12" for k in range(3)],
        "AbnormalMitosis": [f"A_160930.nd2_PC3_8Gy_p{k}_1_12" for k in range(3)],
    }
    return clips_folder(tmp_path / "clips", names)


def test_cross_validation_tries_every_clip_once_a_seed_and_goes_on_where_it_stopped(tmp_path, six_fields):
    arguments = (six_fields, "--out", tmp_path / "cv", "--folds", 2, "--seeds", 2)
    run = start(crossvalidate.app, *arguments)
    assert run.exit_code == 0, run.output
    table = pd.read_csv(tmp_path / "cv" / "out_of_fold.csv")
    assert set(table.groupby(["clip", "seed", "condition"]).size()) == {1}
    assert len(table[table["condition"] == "both"]) == 12
    assert table[table["condition"] == "phase_only"]["p_forest"].isna().all()
    part = tmp_path / "cv" / "fold_1_of_2_seed_1.csv"
    part.unlink()
    again = start(crossvalidate.app, *arguments)
    assert [text for text in again.output.splitlines() if "held out" in text] == [
        "fold 1, seed 1: 3 clips held out"
    ]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "cv" / "out_of_fold.csv"), table)

    other = start(crossvalidate.app, *arguments, "--epochs", 1)
    assert other.exit_code == 2
    assert "holds a cross-validation of other clips or settings" in other.output

    trained = start(
        train.app, six_fields, "--out", tmp_path / "out", "--calibration", tmp_path / "cv" / "out_of_fold.csv"
    )
    assert trained.exit_code == 0, trained.output
    assert checkpoint.read_card(tmp_path / "out" / "model.safetensors").held_out["n"] == 6
    evaluated = start(
        evaluate.app, six_fields, "--model", BUNDLED, "--out-of-fold", tmp_path / "cv" / "out_of_fold.csv"
    )
    assert evaluated.output.splitlines()[-1].startswith("accuracy ")


def test_a_table_of_other_clips_is_refused(tmp_path, six_fields):
    (tmp_path / "t.csv").write_text("held_out,seed\n")
    run = start(evaluate.app, six_fields, "--out-of-fold", tmp_path / "t.csv")
    assert run.exit_code == 2
    assert "t.csv has the columns held_out, seed; wanted held_out, seed, condition" in run.output


def test_the_protocol_prints_its_table_and_does_nothing_twice(tmp_path, six_fields):
    arguments = (
        six_fields,
        "--models",
        "gao",
        "--repeats",
        2,
        "--epochs",
        1,
        "--test",
        six_fields,
        "--out",
        tmp_path / "p.json",
    )
    run = start(protocol.app, *arguments)
    assert run.exit_code == 0, run.output
    rows = [text.split() for text in run.output.splitlines()]
    assert ["validation", "repeats", "accuracy", "precision", "recall", "f1"] in rows
    assert sum(row[:2] == ["gao", "2"] for row in rows) == 2  # validation and test
    again = start(protocol.app, *arguments)
    assert "repeat 1/2" not in again.output
    assert again.output.splitlines() == run.output.splitlines()[-4:]
