"""A few damages of every kind of input, as `benchmarks/fuzz.py` makes them by the thousand."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import fuzz
from fuzz_inputs import kinds

SEEDS = range(1, 4)
# Slow to make or to read, and damaged elsewhere in the tests.
LEFT_OUT = ("classifier", "StarDist model, ours", "run: of a plate")
KINDS = [k for k in kinds() if k.name not in LEFT_OUT]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A whole input of each kind, made once; kinds of the same input share it."""
    whole: dict = {}

    def of(kind):
        if kind.make not in whole:
            # Made where it is read: a run knows where its movie was.
            folder = tmp_path_factory.mktemp("input")
            whole[kind.make] = folder, fuzz.make(kind, folder / "case").rename(folder / "whole")
        return whole[kind.make]

    return of


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_is_found_or_harmless(made, kind):
    folder, whole = made(kind)
    for seed in SEEDS:
        case, what = fuzz.case_of(kind, whole, folder / "case", seed)
        outcome = fuzz.attempt(kind, case)
        assert outcome.end not in fuzz.MISTAKES, f"seed {seed}: {what}\n{outcome.words}"


@pytest.mark.parametrize("kind", KINDS[:1] + KINDS[-1:], ids=lambda kind: kind.name)
def test_a_whole_input_is_read(made, kind):
    folder, whole = made(kind)
    case, _ = fuzz.case_of(kind, whole, folder / "case", None)
    assert fuzz.attempt(kind, case).end is fuzz.End.OTHER
