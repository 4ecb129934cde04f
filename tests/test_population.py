"""The simulated population: lives that agree with each other, and with what is published."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lineage.schema import Fate, MitosisClass
from lineage.simulate import biology
from lineage.simulate.biology import Burden, Phase
from lineage.simulate.cell_lines import LINES
from lineage.simulate.cells import REGRESSION_MIN, Cell, Subtype
from lineage.simulate.population import grow
from lineage.simulate.settings import CellLine, Settings

MULTIPOLAR = (Subtype.TRIPOLAR, Subtype.TETRAPOLAR)


def lives(settings: Settings, founders: int, seed: int = 0) -> dict[int, Cell]:
    return {cell.cell_id: cell for cell in grow(np.random.default_rng(seed), settings, founders=founders)}


@cache
def dish(dose_gy: float = 5, line: CellLine = CellLine.U251, wells: int = 8) -> tuple[dict[int, Cell], ...]:
    """Five days of 100 founders in each well, of fewer where they multiply."""
    settings = [Settings(frames=721, dose_gy=dose_gy, cell_line=line, well=k) for k in range(1, wells + 1)]
    founders = {0: 20, 2: 25}.get(int(dose_gy), 100)
    return tuple(lives(s, founders, seed) for seed, s in enumerate(settings))


def divisions(cells: dict[int, Cell], *, before_min: float = np.inf) -> list[tuple[Cell, list[Cell]]]:
    return [
        (c, [cells[d] for d in c.daughters])
        for c in cells.values()
        if c.fate is Fate.DIVIDED and c.end_min < before_min
    ]


def refuse(daughters: list[Cell]) -> bool:
    return any(d.fate is Fate.FUSED for d in daughters)


def early_divisions(dose_gy: float, line: CellLine = CellLine.U251) -> list[tuple[Cell, list[Cell]]]:
    """Of the first three generations, early enough that all sisters that will fuse have fused."""
    pairs = (pair for cells in dish(dose_gy, line) for pair in divisions(cells, before_min=5760))
    return [(mother, daughters) for mother, daughters in pairs if mother.generation <= 2]


def mitoses(dose_gy: float, line: CellLine = CellLine.U251) -> list[Subtype]:
    """What every mitosis within the movie came to."""
    cells = [c for well in dish(dose_gy, line) for c in well.values()]
    return [c.mitosis.subtype for c in cells if c.mitosis and 0 <= c.mitosis.event_min <= 7200]


def share(dose_gy: float, line: CellLine, *subtypes: Subtype) -> float:
    """Of the mitoses that can be told from normal ones at 1.15 um a pixel, what share comes to `subtypes`."""
    seen = [
        s for s in mitoses(dose_gy, line) if s not in (Subtype.NORMAL, Subtype.LAGGING, Subtype.MICRONUCLEI)
    ]
    return sum(s in subtypes for s in seen) / len(seen)


# Published


def test_sisters_fuse_as_often_as_in_hela() -> None:
    pairs = early_divisions(5)
    assert len(pairs) > 1000
    assert np.mean([refuse(d) for _, d in pairs]) == pytest.approx(0.22, rel=0.3)
    assert np.mean([refuse(d) for _, d in early_divisions(0)]) == pytest.approx(0.009, rel=0.8)
    by_generation = [np.mean([refuse(d) for m, d in pairs if m.generation == g]) for g in range(3)]
    assert max(by_generation) < 1.4 * min(by_generation)


def test_multipolar_divisions_are_as_frequent_as_in_hela_and_mostly_fuse_again() -> None:
    pairs = early_divisions(5)
    multipolar = [d for m, d in pairs if m.mitosis and m.mitosis.subtype in MULTIPOLAR]
    assert len(multipolar) / len(pairs) == pytest.approx(0.055, rel=0.6)
    assert np.mean([refuse(d) for d in multipolar]) == pytest.approx(0.85, abs=0.1)
    without = [m.mitosis.subtype in MULTIPOLAR for m, _ in early_divisions(0) if m.mitosis]
    assert 0.001 < np.mean(without) < 0.01


def test_three_quarters_of_the_dead_were_rounded() -> None:
    fates = [c.fate for cells in dish(5) for c in cells.values()]
    rounded, spread = fates.count(Fate.DIED_MITOSIS), fates.count(Fate.DIED_INTERPHASE)
    assert rounded + spread > 100
    assert rounded / (rounded + spread) == pytest.approx(0.75, abs=0.1)


def test_fusion_is_clonal() -> None:
    """Of clones with three divisions, counts of fusions vary more than by chance alone."""
    counts: dict[int, list[bool]] = {}
    cells = lives(Settings(frames=600, dose_gy=5, clone_sd=1.5), 400)
    for mother, daughters in divisions(cells, before_min=4550):
        counts.setdefault(mother.founder, []).append(refuse(daughters))
    first = [fused[:3] for fused in counts.values() if len(fused) >= 3]
    p = np.mean(first)
    assert len(first) > 100
    assert np.var([sum(fused) for fused in first]) > 1.2 * 3 * p * (1 - p)


@pytest.mark.parametrize(("line", "hours"), [(CellLine.U251, 24.0), (CellLine.PC3, 28.5)])
def test_without_dose_the_population_doubles_in_the_lines_time(line: CellLine, hours: float) -> None:
    cells = [c for well in dish(0, line) for c in well.values()]
    alive = [sum(c.born_min <= t < c.end_min for c in cells) for t in (1440, 7200)]
    assert 96 / np.log2(alive[1] / alive[0]) == pytest.approx(hours, abs=1.5)


def test_without_dose_a_normal_share_is_in_mitosis() -> None:
    assert 0.018 < np.mean([mitotic_index(dish(0), t) for t in range(1000, 7200, 300)]) < 0.05


def mitotic_index(wells: tuple[dict[int, Cell], ...], minutes: float) -> float:
    alive = [c for cells in wells for c in cells.values() if c.born_min <= minutes < c.end_min]
    return float(
        np.mean([bool(c.mitosis and c.mitosis.start_min <= minutes < c.mitosis.event_min) for c in alive])
    )


def test_mitotic_index_falls_after_irradiation_and_recovers() -> None:
    before, after, recovered = (mitotic_index(dish(5), t) for t in (20, 180, 900))
    assert before > 0.02
    assert after < 0.35 * before
    assert recovered > before


def test_mitosis_is_delayed_by_about_an_hour_a_gray() -> None:
    """The same cells with and without dose, by the phase they are irradiated in."""
    without, dosed = (lives(Settings(frames=2, dose_gy=d), 1500, seed=3) for d in (0, 4))
    held: dict[Phase, list[float]] = {phase: [] for phase in Phase}
    for n in range(1, 1501):
        a, b = without[n], dosed[n]
        assert a.seed == b.seed
        if a.mitosis and b.mitosis:
            position = -a.born_min / (a.mitosis.start_min - a.born_min)
            phase = biology.phase_at(position, LINES[CellLine.U251])
            held[phase].append((b.mitosis.start_min - a.mitosis.start_min) / 60 / 4)
            if a.mitosis.start_min < biology.TRANSITION_MIN:
                assert held[phase][-1] == 0
    g1, s, g2, m = (float(np.median(held[phase])) for phase in Phase)
    assert g1 == pytest.approx(0.55, abs=0.1)
    assert s == pytest.approx(0.9, abs=0.1)
    assert g2 == pytest.approx(1.1, abs=0.15)
    assert m == 0


def test_cycle_times_correlate_in_families() -> None:
    cells = lives(Settings(frames=300, dose_gy=0, cycle_hours=8), 40)
    log_cycle = {c.cell_id: np.log(c.end_min - c.born_min) for c, _ in divisions(cells) if c.generation > 0}
    born_early = [pair for pair in divisions(cells) if pair[0].end_min < 2990 - 2 * 480]
    sisters = [
        [log_cycle[d.cell_id] for d in ds] for _, ds in born_early if all(d.cell_id in log_cycle for d in ds)
    ]
    pairs = [s for s in sisters if len(s) == 2]
    assert len(pairs) > 300
    assert np.corrcoef(np.array(pairs).T)[0, 1] == pytest.approx(0.65, abs=0.08)
    families = [
        (log_cycle[m.cell_id], log_cycle[d.cell_id])
        for m, ds in born_early if m.cell_id in log_cycle for d in ds if d.cell_id in log_cycle
    ]  # fmt: skip
    assert np.corrcoef(np.array(families).T)[0, 1] == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize("line", CellLine)
def test_as_many_founders_as_published_go_on_dividing(line: CellLine) -> None:
    settings = Settings(frames=320, dose_gy=3, cycle_hours=8, cell_line=line)
    cells = lives(settings, 250)
    founding = {c.founder for c in cells.values() if c.generation >= 5}
    expected = biology.survival(3, LINES[line])
    assert len(founding) / 250 == pytest.approx(expected, abs=2.5 * np.sqrt(expected * (1 - expected) / 250))


def test_doomed_clones_divide_a_few_times_fewer_at_high_dose() -> None:
    u = np.linspace(0.0005, 0.9995, 1000)
    at_2, at_10 = ([biology.divisions_left(d, x) for x in u] for d in (2, 10))
    assert np.mean(at_2) > 2 * np.mean(at_10)
    assert np.mean(np.array(at_2) <= 3) > 0.85


def test_more_goes_wrong_and_less_grows_at_higher_dose() -> None:
    for line in CellLine:
        kinds = [mitoses(d, line) for d in (0, 2, 5, 10)]
        abnormal = [np.mean([s.mitosis_class is MitosisClass.ABNORMAL for s in k]) for k in kinds]
        alive = [growth(dish(d, line)) for d in (0, 2, 5, 10)]
        assert abnormal == sorted(abnormal)
        assert abnormal[0] < 0.06 < 0.4 < abnormal[-1]
        assert alive == sorted(alive, reverse=True)


def growth(wells: tuple[dict[int, Cell], ...]) -> float:
    """Cells alive at the end, for each founder."""
    cells = [c for well in wells for c in well.values()]
    return sum(c.end_min > 7200 for c in cells) / sum(c.born_min < 0 for c in cells)


def test_lines_go_wrong_in_their_own_ways() -> None:
    never_separate = (Subtype.FURROW_REGRESSION, Subtype.SLIPPAGE)
    assert share(8, CellLine.U251, *MULTIPOLAR) > 0.3
    assert share(8, CellLine.U251, *never_separate) < 0.35
    assert share(8, CellLine.PC3, *never_separate) > 0.5
    assert share(8, CellLine.PC3, *MULTIPOLAR) < 0.2


def test_mitoses_last_as_published_and_longer_where_they_go_wrong() -> None:
    lasts: dict[Subtype, list[float]] = {subtype: [] for subtype in Subtype}
    for m in (c.mitosis for well in dish(0) for c in well.values() if c.mitosis):
        lasts[m.subtype].append(m.event_min - m.start_min)
    normal = np.percentile(lasts[Subtype.NORMAL], (2, 50, 98))
    assert 25 < normal[0] < normal[1] < normal[2] < 75
    for subtype in (Subtype.TRIPOLAR, Subtype.DEATH):
        assert np.median(lasts[subtype]) > 1.5 * normal[1]


# Agreement


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
        line: [d[0].end_min - m.end_min for w in dish(10, line) for m, d in divisions(w, before_min=7000)
               if m.mitosis and m.mitosis.subtype is Subtype.FURROW_REGRESSION]
        for line in CellLine
    }  # fmt: skip
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
    apart = [d for w in dish(10) for m, ds in divisions(w, before_min=5000) if len(ds) > 2 for d in ds
             if d.fate is not Fate.FUSED]  # fmt: skip
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
    cells = lives(Settings(frames=2, dose_gy=0), 2500)
    phase = [-c.born_min / (c.mitosis.event_min - c.born_min) for c in cells.values() if c.mitosis]
    assert all(c.parents for c in cells.values() if c.cell_id > 2500)
    assert max(phase) < 1
    counts, _ = np.histogram(phase, bins=4, range=(0, 1))
    expected = [np.exp2(-k / 4) - np.exp2(-(k + 1) / 4) for k in range(4)]
    assert counts / counts.sum() == pytest.approx(np.array(expected) * 2, abs=0.03)


def test_a_longer_movie_begins_the_same() -> None:
    settings = Settings(frames=200, dose_gy=8, irradiated_min_before_start=300)
    short, long = lives(settings, 60), lives(settings.model_copy(update={"frames": 700}), 60)
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
    assert lives(finer, 60) == short


def test_same_seed_same_lives_other_seed_others() -> None:
    settings = Settings(frames=100)
    assert lives(settings, 20, seed=1) == lives(settings, 20, seed=1)
    assert lives(settings, 20, seed=1)[1].seed != lives(settings, 20, seed=2)[1].seed


def test_the_movie_may_begin_long_after_irradiation() -> None:
    settings = Settings(frames=100, dose_gy=4, irradiated_min_before_start=2880)
    cells = lives(settings, 100)
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
        cells = lives(Settings(dose_gy=50, cell_line=line, **hard), 60)
        assert {c.fate for c in cells.values()} > {Fate.FUSED, Fate.DIED_MITOSIS, Fate.DIVIDED}
        for mother, daughters in divisions(cells, before_min=2990 - REGRESSION_MIN):
            soon = refuse(daughters) and daughters[0].end_min - mother.end_min <= REGRESSION_MIN
            if len(daughters) == 2 and mother.mitosis:
                assert soon == (mother.mitosis.subtype is Subtype.FURROW_REGRESSION)


def test_no_founders_no_cells() -> None:
    assert lives(Settings(), 0) == {}


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
            c.mitosis.subtype for c in lives(s, 250, s.well).values() if c.fate is Fate.DIVIDED and c.mitosis
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
