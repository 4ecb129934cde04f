"""The simulated population agrees with published figures."""

from __future__ import annotations

import numpy as np
import pytest
from lives import cells_of, dish, divisions, refuse

from lineage.schema import Fate, MitosisClass
from lineage.simulate import biology
from lineage.simulate.biology import Phase
from lineage.simulate.cell_lines import LINES
from lineage.simulate.cells import Cell, Subtype
from lineage.simulate.settings import CellLine, Settings

MULTIPOLAR = (Subtype.TRIPOLAR, Subtype.TETRAPOLAR)


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
    cells = cells_of(Settings(frames=600, dose_gy=5, clone_sd=1.5), 400)
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
    without, dosed = (cells_of(Settings(frames=2, dose_gy=d), 1500, seed=3) for d in (0, 4))
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
    cells = cells_of(Settings(frames=300, dose_gy=0, cycle_hours=8), 40)
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
        for m, ds in born_early
        if m.cell_id in log_cycle
        for d in ds
        if d.cell_id in log_cycle
    ]
    assert np.corrcoef(np.array(families).T)[0, 1] == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize("line", CellLine)
def test_as_many_founders_as_published_go_on_dividing(line: CellLine) -> None:
    settings = Settings(frames=320, dose_gy=3, cycle_hours=8, cell_line=line)
    cells = cells_of(settings, 250)
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
