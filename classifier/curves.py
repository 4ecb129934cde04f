"""Histories of trainings -> a PNG of loss and accuracy over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from classifier.state import History


def draw(histories: Sequence[History], path: Path) -> None:
    """Draw the loss and, where there was a validation, its loss and accuracy; one line a network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for history in histories:
        loss.plot(history.loss, color="C0")
        loss.plot(history.validation_loss, color="C1")
        accuracy.plot(history.validation_accuracy, color="C1")
        if history.kept >= 0:
            accuracy.axvline(history.kept, color="0.8")
    loss.set(xlabel="epoch", title="Loss (validation in orange)")
    accuracy.set(xlabel="epoch", ylim=(0, 1), title="Accuracy on the validation clips; the epoch kept")
    figure.savefig(path, dpi=110)
