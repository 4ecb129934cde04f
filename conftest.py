"""What all tests stand on."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lineage.mitosis import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_HAND = json.loads((Path(__file__).parent / "tests" / "verdict_by_hand.json").read_text(encoding="utf-8"))

SHIPPED_WEIGHTS = verdict.load

SHIPPED = {
    "test_plate",
    "test_replay",
    "test_review_browser",
    "test_run",
}  # modules that compare with what other processes made


def pytest_collection_finish() -> None:
    """What is loaded by now stays: not to look for garbage in it saves a twentieth of the time."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def weights_by_hand(request: pytest.FixtureRequest) -> Iterator[None]:
    """Round weights for the verdict: what is counted stays the same when real ones are fitted anew."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.rpartition(".")[2] not in SHIPPED:
            patch.setattr(verdict, "load", lambda: BY_HAND)
        yield


@pytest.fixture(scope="session")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corner of the example movie."""
    from corner import write

    return write(tmp_path_factory.mktemp("movie") / "corner.tif")


@pytest.fixture(scope="session")
def finished(corner: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run, by the weights that are shipped, for tests that look at it and do not change it."""
    from corner import start

    out = tmp_path_factory.mktemp("out") / "corner.lineage"
    with pytest.MonkeyPatch.context() as patch:  # whatever module asks for it first
        patch.setattr(verdict, "load", SHIPPED_WEIGHTS)
        result = start(corner, "--out", out, "--dose-gy", 4)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of eight nuclei that `drawn_run` draws, by round weights, likewise."""
    from drawn_run import write_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdict, "load", lambda: BY_HAND)
        return write_run(tmp_path_factory.mktemp("drawn"))
