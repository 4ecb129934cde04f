from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from clips import clips_folder, small_folder
from typer.testing import CliRunner

from classifier import checkpoint, train
from classifier.data import find_clips
from classifier.train import Settings, calibration
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

TINY = {"n_blocks": 1, "side_px": 16, "batch": 3}


def weights_of(settings: Settings, folder: Path, out: Path) -> torch.Tensor:
    out.mkdir(exist_ok=True)
    model = train.train(find_clips(folder), settings, out, None)
    return torch.cat([p.flatten() for p in model.state_dict().values()])


class Killed(Exception):
    pass


def test_a_killed_training_resumes_to_the_same_weights(tmp_path, monkeypatch):
    folder = small_folder(tmp_path / "clips")
    settings = Settings(epochs=3, **TINY)
    undisturbed = weights_of(settings, folder, tmp_path / "whole")

    real = train.save_state

    def save_and_die(path, identity, epoch, *parts):
        real(path, identity, epoch, *parts)
        if epoch == 1:
            raise Killed

    monkeypatch.setattr(train, "save_state", save_and_die)
    with pytest.raises(Killed):
        weights_of(settings, folder, tmp_path / "killed")
    monkeypatch.undo()
    assert torch.equal(weights_of(settings, folder, tmp_path / "killed"), undisturbed)
    assert not torch.equal(
        weights_of(Settings(epochs=3, seed=1, **TINY), folder, tmp_path / "b"), undisturbed
    )


def test_a_folder_with_another_training_is_refused(tmp_path):
    folder = small_folder(tmp_path / "clips")
    weights_of(Settings(epochs=1, **TINY), folder, tmp_path / "out")
    with pytest.raises(InputError, match="holds a training of other clips or settings"):
        weights_of(Settings(epochs=2, **TINY), folder, tmp_path / "out")


def test_the_command_leaves_a_checkpoint_with_its_held_out_figures(tmp_path):
    folder = small_folder(tmp_path / "clips")
    out = tmp_path / "out"
    arguments = [str(folder), "--out", str(out), "--hold-out-fold", "0", "--folds", "2", "--epochs", "1"]
    run = CliRunner().invoke(train.app, arguments)
    assert run.exit_code == 0, run.output
    _, card = checkpoint.load(out / "model.safetensors")
    assert card.held_out["n"] + sum(card.training["clips"].values()) == 5
    assert card.training["hold_out_fold"] == 0
    assert len(card.training["data_sha256"]) == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["clips", "--hold-out-fold", "5"], "fold 5 of 4; wanted 0 to 3"),
        (["clips", "--pretrained", "clips"], "not the MobileNetV2 weights as .npz"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, monkeypatch, arguments, message):
    small_folder(tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(train.app, [*arguments, "--out", "out"])
    assert run.exit_code == 2
    assert message in run.output
    assert len(run.output.splitlines()) == 1


def test_a_class_that_is_wholly_held_out_is_refused(tmp_path):
    names = {"NormalMitosis": ["2Gy_p1_1"], "AbnormalMitosis": ["8Gy_p1_1"]}
    folder = clips_folder(tmp_path / "clips", names)
    arguments = [str(folder), "--out", str(tmp_path / "out"), "--hold-out-fold", "0", "--folds", "2"]
    run = CliRunner().invoke(train.app, arguments)
    assert run.exit_code == 2
    assert "the 1 clips left for training lack a class" in run.output


def test_calibration_finds_what_was_done_to_true_odds():
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 2, 4000)
    abnormal = rng.random(4000) < 1 / (1 + np.exp(-log_odds))
    for temperature, offset in ((1.0, 0.0), (3.0, 0.0), (0.5, -1.0)):
        found = calibration(temperature * (log_odds - offset), abnormal)
        assert found["temperature"] == pytest.approx(temperature, rel=0.1)
        assert found["offset"] == pytest.approx(offset, abs=0.15)
