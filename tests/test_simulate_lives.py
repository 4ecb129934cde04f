"""Simulated lives agree with each other and with the settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lives import cells_of, dish, divisions, refuse

from lineage.schema import Fate
from lineage.simulate import biology
from lineage.simulate.biology import Burden, Phase
from lineage.simulate.cell_lines import LINES
from lineage.simulate.cells import REGRESSION_MIN, Cell, Subtype
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings


@pytest.mark.parametrize("line", CellLine)
@pytest.mark.parametrize("dose_gy", [0, 10])
def test_lives_agree_with_the_graph(line: CellLine, dose_gy: float) -> None:
    for cells in dish(dose_gy, line):
        for c in cells.values():
            assert c.born_min < c.end_min
            assert all(c.cell_id in cells[p].daughters for p in c.parents)
            assert all(c.cell_id in cells[d].parents for d in c.daughters)
            assert all(cells[d].born_min == c.end_min for d in c.daughters)
            assert len(c.daughters) == expected_daughters(c)
            assert (c.end_min < np.inf) == (c.fate not in (Fate.END_OF_MOVIE, Fate.SLIPPED))
            assert not (c.arrested and c.mitosis)
            if c.parents:
                assert c.founder == cells[c.parents[0]].founder
            if len(c.parents) > 1:
                assert {cells[p].fate for p in c.parents} == {Fate.FUSED}
                assert c.generation == max(cells[p].generation for p in c.parents)
            elif c.parents:
                assert c.generation == cells[c.parents[0]].generation + 1
                assert c.siblings == len(cells[c.parents[0]].daughters)
            if c.fate in (Fate.DIED_MITOSIS, Fate.DIED_INTERPHASE):
                began = c.mitosis.event_min if c.mitosis and c.fate is Fate.DIED_MITOSIS else c.dying_min
                assert c.born_min < began <= 7200
                assert 30 <= c.end_min - began <= 60


def expected_daughters(cell: Cell) -> int:
    if cell.fate is Fate.DIVIDED and cell.mitosis:
        return cell.mitosis.subtype.n_poles
    return int(cell.fate is Fate.FUSED)


def test_mitoses_are_in_order_and_within_the_life() -> None:
    for cells in dish(10):
        for c in cells.values():
            if m := c.mitosis:
                assert c.born_min < m.start_min < m.plate_min <= m.event_min <= c.end_min
                assert c.replication_min[1] <= m.start_min or c.replication_min[1] == np.inf
                assert (0.01 <= m.lagging <= 0.08) == (m.subtype is Subtype.LAGGING)


def test_dna_is_conserved() -> None:
    n_fusions = 0
    for cells in dish(10):
        for mother, daughters in divisions(cells):
            assert sum(d.dna for d in daughters) == pytest.approx(mother.dna_at(mother.end_min))
        for c in cells.values():
            assert 0 <= sum(c.micronuclei) < 0.25
            if len(c.parents) > 1:
                n_fusions += 1
                assert c.dna == pytest.approx(sum(cells[p].dna_at(c.born_min) for p in c.parents))
                assert c.dna_at(c.born_min) == pytest.approx(c.dna)
    assert n_fusions > 100


def test_sisters_reunite_within_two_hours_just_where_the_furrow_regresses() -> None:
    for cells in (*dish(10), *dish(10, CellLine.PC3)):
        for mother, daughters in divisions(cells, before_min=7200 - REGRESSION_MIN):
            subtype = mother.mitosis.subtype if mother.mitosis else None
            if len(daughters) == 2:
                soon = refuse(daughters) and daughters[0].end_min - mother.end_min <= REGRESSION_MIN
                assert soon == (subtype is Subtype.FURROW_REGRESSION)
            assert all(d.end_min - d.born_min <= 1440 for d in daughters if d.fate is Fate.FUSED)


def test_aborted_cleavage_is_quicker_in_pc3() -> None:
    delay = {
        line: [
            d[0].end_min - m.end_min
            for w in dish(10, line)
            for m, d in divisions(w, before_min=7000)
            if m.mitosis and m.mitosis.subtype is Subtype.FURROW_REGRESSION
        ]
        for line in CellLine
    }
    assert np.mean(np.array(delay[CellLine.PC3]) <= 30) > 0.7
    assert np.mean(np.array(delay[CellLine.U251]) <= 30) < 0.6


def test_micronuclei_are_where_they_must_be_and_stop_cells_from_dividing() -> None:
    cells = {(k, i): c for k, well in enumerate(dish(5)) for i, c in well.items()}
    with_micronuclei, without = [], []
    for (k, _), c in cells.items():
        if c.fate is Fate.DIVIDED and c.mitosis and c.mitosis.subtype is Subtype.MICRONUCLEI:
            assert any(cells[k, d].micronuclei for d in c.daughters)
        if len(c.parents) == 1 and c.siblings == 2 and c.born_min < 5000:
            mother = cells[k, c.parents[0]].mitosis
            assert mother is not None
            if c.micronuclei:
                assert mother.subtype in (Subtype.MICRONUCLEI, Subtype.LAGGING)
                assert len(c.micronuclei) <= 3
                assert all(0.003 <= s <= 0.04 for s in c.micronuclei)
            (with_micronuclei if c.micronuclei else without).append(c.fate is Fate.DIVIDED)
    assert np.mean(with_micronuclei) < 0.85 * np.mean(without)


def test_daughters_of_multipolar_divisions_are_uneven_and_seldom_divide() -> None:
    apart = [
        d
        for w in dish(10)
        for m, ds in divisions(w, before_min=5000)
        if len(ds) > 2
        for d in ds
        if d.fate is not Fate.FUSED
    ]
    assert len(apart) > 30
    assert np.std([d.dna for d in apart]) > 0.08
    assert np.mean([d.fate is Fate.DIVIDED for d in apart]) < 0.35


def test_fused_cells_often_divide_multipolar() -> None:
    kinds: dict[bool, list[bool]] = {True: [], False: []}
    for cells in dish(5):
        for m, daughters in divisions(cells):
            kinds[len(m.parents) > 1].append(len(daughters) > 2)
    assert len(kinds[True]) > 50
    assert np.mean(kinds[True]) > 3 * np.mean(kinds[False])


def test_slipped_cells_do_not_divide() -> None:
    cells = [(c, c.mitosis) for well in dish(10, CellLine.PC3) for c in well.values() if c.mitosis]
    slipped = [(c, m) for c, m in cells if m.subtype is Subtype.SLIPPAGE and m.event_min < 6000]
    assert {c.fate for c, _ in slipped} == {Fate.SLIPPED, Fate.DIED_INTERPHASE}
    assert all(c.dying_min > m.event_min for c, m in slipped)


def test_ids_count_from_1_in_order_of_birth() -> None:
    for cells in dish(5):
        assert list(cells) == list(range(1, len(cells) + 1))
        born = [c.born_min for c in cells.values()]
        assert born == sorted(born)
        founders = [c for c in cells.values() if not c.parents]
        assert len(founders) == 100
        assert all(c.founder == c.cell_id and c.generation == 0 and c.born_min < 0 for c in founders)
        assert all(list(c.daughters) == sorted(c.daughters) for c in cells.values())


def test_founders_are_at_random_phases_with_twice_as_many_newborn() -> None:
    cells = cells_of(Settings(frames=2, dose_gy=0), 2500)
    phase = [-c.born_min / (c.mitosis.event_min - c.born_min) for c in cells.values() if c.mitosis]
    assert all(c.parents for c in cells.values() if c.cell_id > 2500)
    assert max(phase) < 1
    counts, _ = np.histogram(phase, bins=4, range=(0, 1))
    expected = [np.exp2(-k / 4) - np.exp2(-(k + 1) / 4) for k in range(4)]
    assert counts / counts.sum() == pytest.approx(np.array(expected) * 2, abs=0.03)


def test_a_longer_movie_begins_the_same() -> None:
    settings = Settings(frames=200, dose_gy=8, irradiated_min_before_start=300)
    short, long = cells_of(settings, 60), cells_of(settings.model_copy(update={"frames": 700}), 60)
    assert len(long) > len(short) > 70
    for cell_id, cell in short.items():
        later = long[cell_id]
        fate = {"fate": cell.fate, "end_min": cell.end_min, "daughters": cell.daughters}
        assert replace(later, **fate) == cell
        if cell.fate is Fate.DIVIDED:
            assert (later.fate, later.end_min, later.daughters) == (cell.fate, cell.end_min, cell.daughters)
        elif cell.fate is Fate.END_OF_MOVIE:
            assert max(later.end_min, later.dying_min) > settings.minutes
    finer = settings.model_copy(update={"frames": 399, "minutes_per_frame": 5.0})
    assert cells_of(finer, 60) == short


def test_same_seed_same_lives_other_seed_others() -> None:
    settings = Settings(frames=100)
    assert cells_of(settings, 20, seed=1) == cells_of(settings, 20, seed=1)
    assert cells_of(settings, 20, seed=1)[1].seed != cells_of(settings, 20, seed=2)[1].seed


def test_the_movie_may_begin_long_after_irradiation() -> None:
    settings = Settings(frames=100, dose_gy=4, irradiated_min_before_start=2880)
    cells = cells_of(settings, 100)
    present = [c for c in cells.values() if c.born_min <= 0]
    assert 100 <= len(present) < 110
    assert all(c.end_min > 0 for c in cells.values())
    assert any(c.generation > 0 and not c.parents for c in present)
    assert any(c.generation == 0 for c in present)
    assert len({c.founder for c in present}) < len(present)
    assert all(c.parents for c in cells.values() if c.born_min > 0)


def test_extreme_settings_still_make_lives() -> None:
    hard = {"clone_sd": 2, "well_sd": 2, "position_sd": 2, "cycle_hours": 8, "frames": 300}
    for line in CellLine:
        cells = cells_of(Settings(dose_gy=50, cell_line=line, **hard), 60)
        assert {c.fate for c in cells.values()} > {Fate.FUSED, Fate.DIED_MITOSIS, Fate.DIVIDED}
        for mother, daughters in divisions(cells, before_min=2990 - REGRESSION_MIN):
            soon = refuse(daughters) and daughters[0].end_min - mother.end_min <= REGRESSION_MIN
            if len(daughters) == 2 and mother.mitosis:
                assert soon == (mother.mitosis.subtype is Subtype.FURROW_REGRESSION)


def test_no_founders_no_cells() -> None:
    assert cells_of(Settings(), 0) == {}


# Wells, positions and clones


def test_movies_of_a_well_share_its_deviation_whatever_their_seeds() -> None:
    first = Settings(well=3, position=1, seed=1)
    other = first.model_copy(update={"position": 2, "seed": 9})
    assert biology.well_deviation(first) == biology.well_deviation(other)
    assert biology.position_deviation(first) != biology.position_deviation(other)
    for key in ("well", "experiment"):
        elsewhere = first.model_copy(update={key: 7})
        assert biology.well_deviation(first) != biology.well_deviation(elsewhere)
        assert biology.position_deviation(first) != biology.position_deviation(elsewhere)


def test_deviations_have_the_spread_that_was_asked_for() -> None:
    wells = [Settings(well=k, well_sd=0.4, position_sd=0.2) for k in range(1, 401)]
    assert np.std([biology.well_deviation(s) for s in wells]) == pytest.approx(0.4, rel=0.1)
    assert np.std([biology.position_deviation(s) for s in wells]) == pytest.approx(0.2, rel=0.1)


def test_wells_differ_by_their_deviation() -> None:
    """With 400 founders a well, the log odds of going wrong follow the wells' deviations."""
    quiet = {"position_sd": 0, "clone_sd": 0, "well_sd": 0.5, "frames": 216, "dose_gy": 5}
    wells = [Settings(well=k, **quiet) for k in range(1, 11)]
    odds = []
    for s in wells:
        kinds = [
            c.mitosis.subtype
            for c in cells_of(s, 250, s.well).values()
            if c.fate is Fate.DIVIDED and c.mitosis
        ]
        wrong = sum(k is not Subtype.NORMAL for k in kinds)
        odds.append(np.log(wrong / (len(kinds) - wrong)))
    slope, _ = np.polyfit([biology.well_deviation(s) for s in wells], odds, 1)
    assert slope == pytest.approx(1, abs=0.35)


def test_probabilities_stay_probabilities() -> None:
    for deviation in (-4, 0, 4):
        for line in LINES.values():
            burden = Burden(50, Phase.M, doomed=True, deviation=deviation)
            chances = biology.chances(burden, line, 0, fused=True)
            assert sum(chances.values()) == pytest.approx(1)
            assert min(chances.values()) > 0
            assert 0 < biology.late_fusion_chance(burden, line, 0) < 1


def test_survivors_and_late_generations_go_wrong_less() -> None:
    line = LINES[CellLine.U251]
    normal = [
        biology.chances(Burden(5, Phase.G1, doomed, 0.0), line, generation, fused=False)[Subtype.NORMAL]
        for doomed, generation in ((True, 0), (True, 4), (False, 0))
    ]
    assert normal == sorted(normal)
    assert normal[0] < 0.75 < 0.85 < normal[2]


@pytest.mark.parametrize("lead", [0.0, 1440.0, 10000.0])
def test_as_many_cells_are_there_at_the_start_as_asked_for(lead: float) -> None:
    settings = Settings(dose_gy=0, irradiated_min_before_start=lead)
    cells = grow(np.random.default_rng(3), settings, founders=19)
    alive = [c for c in cells if c.born_min <= 0 < c.end_min]
    assert 19 <= len(alive) <= 20
