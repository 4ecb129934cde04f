"""Where simulated cells stand and go."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from lives import one_division, population, still

from lineage.schema import Fate
from lineage.simulate.cells import Cell, Subtype
from lineage.simulate.course import alive
from lineage.simulate.dish import MARGIN_UM, nearest, side_um, starts
from lineage.simulate.microscope import set_up
from lineage.simulate.motion import move
from lineage.simulate.settings import Settings


def test_sister_plates_are_7_to_17_px_apart_when_first_separate() -> None:
    mother, daughters = one_division()
    settings = Settings(frames=12, founders=1)
    places = list(move(np.random.default_rng(0), [mother, *daughters], still(settings), settings))
    assert set(places[9]) == {1}
    apart = np.linalg.norm(places[10][2] - places[10][3]) / settings.pixel_size_um
    assert 7 <= apart <= 17
    assert np.linalg.norm(places[11][2] - places[11][3]) / settings.pixel_size_um > apart


def test_a_cell_that_lives_between_two_frames_leaves_its_daughter_in_place() -> None:
    """1 --+-- 2 --+-- 4   2 and 3 are born and fuse between two frames
    +-- 3 --+"""
    mother, daughters = one_division(Subtype.FURROW_REGRESSION)
    ends = [replace(d, end_min=115, fate=Fate.FUSED, daughters=(4,)) for d in daughters]
    whole = Cell(4, (2, 3), 1, 1, 115, 2.0, 20, birth_axis=0.5, parents_age_min=15)
    settings = Settings(frames=4, founders=1, minutes_per_frame=60)
    places = list(move(np.random.default_rng(0), [mother, *ends, whole], still(settings), settings))
    assert [set(p) for p in places] == [{1}, {1}, {4}, {4}]
    assert np.linalg.norm(places[2][4] - places[1][1]) < 60


def test_living_cells_do_not_pile_up() -> None:
    settings = Settings(frames=20, size=300, founders=40, dose_gy=0, cycle_hours=20)
    cells = population(1, settings)
    *_, places = move(np.random.default_rng(1), cells, still(settings), settings)
    at = np.array([places[c.cell_id] for c in cells if alive(c, settings.minutes)])
    distance = np.linalg.norm(at[:, None] - at[None], axis=-1) + 1e9 * np.eye(len(at))
    assert len(at) >= 40
    assert distance.min() > 7
    assert np.median(distance.min(axis=1)) > 17


def test_founders_are_in_view_and_as_dense_around_it() -> None:
    settings = Settings(frames=2, size=300, founders=60, dose_gy=0)
    first = next(move(np.random.default_rng(1), population(1, settings), still(settings), settings))
    at = np.array(list(first.values()))
    inside = ((at >= 0) & (at < settings.field_um)).all(axis=1)
    assert abs(inside.sum() - 60) <= 6  # a few are pushed over the border
    assert len(at) / (settings.field_um + 2 * MARGIN_UM) ** 2 == pytest.approx(
        60 / settings.field_um**2, rel=0.05
    )


def test_a_longer_movie_begins_the_same_also_where_sisters_fuse_after_the_shorter_ends() -> None:
    short = Settings(
        frames=40, size=200, founders=10, cycle_hours=8, dose_gy=6, irradiated_min_before_start=400
    )
    long = short.model_copy(update={"frames": 120, "jump_frames": (100,)})
    lives = population(4, long)
    assert any(c.born_min < short.minutes < c.fusing_min < np.inf for c in lives)
    drift = set_up(np.random.default_rng(0), long).drift_px * long.pixel_size_um
    assert (set_up(np.random.default_rng(0), short).drift_px * short.pixel_size_um == drift[:40]).all()
    ways = [list(move(np.random.default_rng(5), population(4, s), drift, s)) for s in (short, long)]
    for a, b in zip(*ways, strict=False):
        assert set(a) == set(b)
        assert all((a[i] == b[i]).all() for i in a)


def test_whoever_is_there_from_the_start_stands_near_kin() -> None:
    settings = Settings(frames=2, size=600, founders=80, dose_gy=4, irradiated_min_before_start=1800)
    cells = population(3, settings)
    at = starts(np.random.default_rng(0), cells, settings)
    pairs = [(a, b) for a, b in combinations(cells, 2) if a.cell_id in at and b.cell_id in at]
    side = side_um(settings)

    def apart(pairs: list[tuple[Cell, Cell]]) -> float:
        places = np.array([at[a.cell_id] - at[b.cell_id] for a, b in pairs])
        return float(np.median(np.linalg.norm(nearest(places, side), axis=1)))

    sisters = [(a, b) for a, b in pairs if a.family and a.family == b.family]
    strangers = [(a, b) for a, b in pairs if a.founder != b.founder]
    fusing = [(a, b) for a, b in sisters if b.cell_id in a.fusing_with]
    assert min(len(sisters), len(fusing)) > 2
    assert apart(fusing) < 30 < apart(sisters) < 0.5 * apart(strangers)


@pytest.mark.parametrize("minutes", [2.0, 10.0, 60.0])
def test_sisters_that_fuse_have_met(minutes: float) -> None:
    settings = Settings(
        frames=round(2400 / minutes), size=300, founders=20, dose_gy=6, irradiated_min_before_start=600,
        minutes_per_frame=minutes,
    )  # fmt: skip
    cells = population(2, settings)
    before: dict[int, np.ndarray] = {}
    gaps = []
    by_id = {c.cell_id: c for c in cells}
    for places in move(np.random.default_rng(1), cells, still(settings), settings):
        for i in places.keys() - before.keys():
            parents = [before[p] for p in by_id[i].parents if p in before]
            if len(parents) > 1:
                gaps += [np.linalg.norm(nearest(p - places[i], side_um(settings))) for p in parents]
        before = places
    assert len(gaps) > 5
    assert np.median(gaps) < 18


def test_nobody_jumps_in_view_wherever_the_stage_goes() -> None:
    settings = Settings(frames=120, size=200, founders=20, dose_gy=0, drift_px_per_hour=8, jump_frames=(60,))
    drift = set_up(np.random.default_rng(1), settings).drift_px * settings.pixel_size_um
    assert np.linalg.norm(drift[-1]) > 2 * MARGIN_UM  # further than a dish that stays would reach
    before: dict[int, np.ndarray] = {}
    steps = []
    for places, shift in zip(
        move(np.random.default_rng(2), population(1, settings), drift, settings), drift, strict=True
    ):
        for i in places.keys() & before.keys():
            seen = places[i] + shift
            if (seen >= 0).all() and (seen < settings.field_um).all():
                steps.append(float(np.linalg.norm(places[i] - before[i])))
        before = places
    assert len(steps) > 1000
    assert max(steps) < 30
