"""Phases of the cell cycle from two FUCCI channels, and the simulated movies whose phases are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile

import lineage
from lineage.nuclei import fucci
from lineage.nuclei.signals import NONE, Signals
from lineage.schema import Fate
from lineage.simulate.cells import Cell, Mitosis, Subtype
from lineage.simulate.fucci import CHANNELS, levels, phase
from lineage.simulate.movie import simulate, truth_folder
from lineage.simulate.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

BOTH = Signals((2, 3), ("red", "green"), ("red", "green"))
SMALL = Settings(
    frames=24,
    size=170,
    founders=24,
    dose_gy=2,
    cycle_hours=8,
    irradiated_min_before_start=600,
    seed=8,
    blank_frames=(5,),
    fucci=True,
)


def nuclei(red: np.ndarray, green: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"red_mean": red, "green_mean": green})


def dark(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, n)


# From grey levels to phases


def test_green_is_s_g2_m_red_alone_g1_and_neither_nothing():
    red = np.concatenate([dark(40) + 50, dark(40, 1) + 60, dark(40, 2), dark(40, 3)])
    green = np.concatenate([dark(40, 4), dark(40, 5) + 70, dark(40, 6) + 80, dark(40, 7)])
    table, notes, warnings = fucci.with_phases(nuclei(red, green), BOTH)
    assert table["phase"].tolist() == ["G1"] * 40 + ["S/G2/M"] * 80 + [""] * 40
    assert "grey levels above the background in red" in notes[0]
    assert not warnings


RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("values", "because"),
    [
        (dark(500), "no nucleus is brighter"),
        (dark(500) + 1.5, "no nucleus is brighter"),
        (np.zeros(100), "no nucleus is brighter"),
        (RNG.uniform(0, 20, 500) + dark(500), "no two populations"),
        (RNG.lognormal(4, 0.3, 500), "no two populations"),
        (np.r_[dark(10), dark(10) + 90], "20 nuclei are measured, and 30 are wanted"),
    ],
)
def test_where_a_channel_does_not_part_the_nuclei_none_has_a_phase(values, because):
    assert because in fucci.threshold(values).because
    n = len(values)
    green = np.where(np.arange(n) < n / 2, 0.0, 90.0) + dark(n, 9)
    table, notes, warnings = fucci.with_phases(nuclei(values, green), BOTH)
    assert set(table["phase"]) == {""}
    assert not notes
    assert "no threshold for red" in warnings[0]


def test_a_movie_without_fucci_has_no_such_column():
    table = nuclei(dark(40), dark(40))
    assert fucci.with_phases(table, NONE)[0] is table


# What the simulator draws


def cell(**changes) -> Cell:
    whole = Cell(1, (), 0, 1, born_min=0.0, dna=1.0, seed=0, replication_min=(400, 800), end_min=1200)
    return replace(whole, **changes)


def test_red_rises_in_g1_and_falls_when_green_begins_to_rise():
    one = cell()
    red, green = np.array([levels(one, {1: one}, m) for m in (10, 390, 500, 1100)]).T
    assert red[0] == 0
    assert red[1] > 0.5
    assert red[2] < 0.05
    assert green[:2].tolist() == [0, 0]
    assert 0 < green[2] < green[3]
    assert [phase(one, {1: one}, m) for m in (10, 390, 400, 1100)] == ["G1", "G1", "S/G2/M", "S/G2/M"]


def test_a_daughter_loses_her_mothers_green_within_an_hour():
    mother = cell()
    daughter = cell(cell_id=2, parents=(1,), born_min=1200.0, replication_min=(1600, 2000), end_min=np.inf)
    both = {1: mother, 2: daughter}
    assert levels(daughter, both, 1201)[1] == pytest.approx(levels(mother, both, 1199)[1], rel=0.2)
    assert levels(daughter, both, 1260)[1] < 0.01
    assert phase(daughter, both, 1201) == "G1"


def test_after_slippage_a_cell_is_in_g1_again():
    mitosis = Mitosis(Subtype.SLIPPAGE, 900.0, 930.0, 1000.0, axis=0.0, tilt=0.0)
    one = cell(mitosis=mitosis, fate=Fate.SLIPPED, end_min=np.inf)
    assert [phase(one, {1: one}, m) for m in (950, 1001)] == ["S/G2/M", "G1"]
    assert levels(one, {1: one}, 1300)[0] > 0.5
    assert levels(one, {1: one}, 1300)[1] < 0.01


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("fucci") / "fucci.tif"
    simulate(out, SMALL)
    return out


def test_a_fucci_movie_has_two_channels_more_and_all_else_as_without(movie, tmp_path):
    pixels = tifffile.imread(movie)
    assert pixels.shape[1] == 4
    assert pixels[5].max() < 8  # a blank frame is blank in all channels
    with tifffile.TiffFile(movie) as tiff:
        assert all(f'Name="{name}"' in (tiff.ome_metadata or "") for name in CHANNELS)
    without = SMALL.model_copy(update={"fucci": False, "frames": 24})
    truth = simulate(tmp_path / "without.tif", without)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "without.tif"), pixels[:, :2])
    assert not (truth / "phases.csv").exists()


def test_phases_found_are_the_true_ones(movie):
    truth = truth_folder(movie)
    found = lineage.from_masks(truth / "TRA", movie=movie, fucci=CHANNELS, quiet=True).table
    true = pd.read_csv(truth / "phases.csv")
    both = found.fillna({"phase": ""}).merge(true, on=["frame", "label"], suffixes=("", "_true"))
    assert len(both) == len(found) > 400
    assert set(both["phase_true"]) == {"G1", "S/G2/M"}
    told = both[both["phase"] != ""]
    assert len(told) / len(both) > 0.75
    assert (told["phase"] == told["phase_true"]).mean() > 0.85
